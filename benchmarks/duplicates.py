"""Duplicates: how many copies are found, how many other pairs are called one, and how the work grows.

    python -m benchmarks.duplicates [FOLDER] [--others FOLDER] [--sizes 100000 300000 1000000] [--quick]

Every photograph of the folder (by default the pictures that come with the project) is copied in each way.
Half of the photographs show what each limit on pixels reaches, the other half are judged by the limit in use.
A pair is right where both come from one photograph; photographs that are near copies of one another by
nature, found among the originals, are named and not judged. With imagededup installed, its hashes are judged
on the same files. The last rows search made-up embeddings and prints with planted pairs.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from lookalike import Index, Model
from lookalike.duplicates.confirming import DIFFERENCE
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.proposing import CORRELATION, SIMILARITY, propose
from lookalike.duplicates.records import Duplicates
from lookalike.errors import ImageError
from lookalike.models.model import DEFAULT
from lookalike.pictures.finding import find_images
from lookalike.pictures.images import open_image
from lookalike.tables.table import ImageTable

Edit = Callable[[Image.Image, np.random.Generator], Image.Image]
Pair = tuple[str, str]  # names of files, the lower first

QUALITY = 90  # of what is saved again after an edit


def main() -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("examples/emoji"))
    parser.add_argument("--others", type=Path, help="pictures of which many look alike and few are one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--pictures", type=int, default=400, help="pictures that are copied")
    parser.add_argument("--quick", action="store_true", help="20 pictures, 5 000 vectors")
    parser.add_argument("--grow", type=int, help="the rows of one size alone")
    options = parser.parse_args()
    if options.grow:
        print_growth(options.grow)
        return
    if options.quick:
        options.pictures, options.sizes = 20, [5_000]
    model, found = Model.load(DEFAULT), find_images(options.folder).paths
    paths = [options.folder / name for name in found[:: max(1, len(found) // options.pictures)]]
    print("| what | asked | reached |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        print_limit(Trial(model, paths[0::2], Path(folder) / "first"))
        trial = Trial(model, paths[1::2], Path(folder) / "second")
        print_quality(trial)
        print_imagededup(trial)
    if options.others:
        print_others(model, options.others)
    for size in options.sizes:  # each in a process of its own, so that memory is its own
        grow = [sys.executable, "-m", "benchmarks.duplicates", "--grow", str(size)]
        subprocess.run(grow, check=True)


# --- copies


def saved(image: Image.Image, file: Path, *, quality: int = QUALITY) -> None:
    """As JPEG."""
    image.save(file, "JPEG", quality=quality)


def scaled(image: Image.Image, *, share: float) -> Image.Image:
    """Smaller, by the share of its sides."""
    size = max(8, round(image.width * share)), max(8, round(image.height * share))
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, rng: np.random.Generator, *, cut: float) -> Image.Image:
    """Without a share of each side, taken from anywhere."""
    width, height = round(image.width * (1 - cut)), round(image.height * (1 - cut))
    left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def lit(image: Image.Image, *, by: float) -> Image.Image:
    """Brighter or darker."""
    return ImageEnhance.Brightness(image).enhance(by)


def marked(image: Image.Image, *, across: bool) -> Image.Image:
    """With a line of half transparent text across it, or a small nearly white one in its corner."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    width, height = image.size
    font = ImageFont.load_default(size=max(10, height // (8 if across else 14)))
    place = (width * 0.12, height * 0.42) if across else (width * 0.6, height * 0.9)
    text = "© PHOTO SAMPLE" if across else "© studio"
    ImageDraw.Draw(layer).text(place, text, font=font, fill=(255, 255, 255, 128 if across else 220))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


EDITS: dict[str, Edit] = {
    "scaled to 75 %": lambda image, _: scaled(image, share=0.75),
    "scaled to 50 %": lambda image, _: scaled(image, share=0.5),
    "scaled to 25 %": lambda image, _: scaled(image, share=0.25),
    "cropped by 5 %": lambda image, rng: cropped(image, rng, cut=0.05),
    "cropped by 10 %": lambda image, rng: cropped(image, rng, cut=0.10),
    "cropped by 15 %": lambda image, rng: cropped(image, rng, cut=0.15),
    "cropped by 20 %": lambda image, rng: cropped(image, rng, cut=0.20),
    "darker by 25 %": lambda image, _: lit(image, by=0.75),
    "brighter by 30 %": lambda image, _: lit(image, by=1.3),
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "text across": lambda image, _: marked(image, across=True),
    "text in a corner": lambda image, _: marked(image, across=False),
}
QUALITIES = (30, 50, 70, 95)
BEYOND = ("cropped by 15 %", "cropped by 20 %")  # more than is promised


def write_copies(path: Path, folder: Path, number: int) -> None:
    """A photograph and all its copies, the number before the name of the edit in each file's name."""
    image = Image.fromarray(open_image(path))
    rng = np.random.default_rng(number)
    image.save(folder / f"{number:05} original.png")
    for name, edit in EDITS.items():
        saved(edit(image, rng), folder / f"{number:05} {name}.jpg")
    for quality in QUALITIES:
        saved(image, folder / f"{number:05} compressed, quality {quality}.jpg", quality=quality)
    image.save(folder / f"{number:05} without loss.webp", lossless=True)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees when it is shown
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / f"{number:05} turned by EXIF.png", exif=exif)
    turned.save(folder / f"{number:05} turned by EXIF and compressed.jpg", quality=QUALITY, exif=exif)


# --- quality


class Trial:
    """Photographs with their copies, in a folder and an index of it."""

    def __init__(self, model: Model, paths: list[Path], folder: Path) -> None:
        self.folder, self.names, self.sources = folder, list[str](), dict[str, Path]()
        folder.mkdir(parents=True)
        seen = set[str]()
        for number, path in enumerate(paths):
            try:
                digest = hashlib.sha256(open_image(path).tobytes()).hexdigest()
            except ImageError:
                continue
            if digest not in seen:
                seen.add(digest)
                write_copies(path, folder, number)
                self.sources[f"{number:05}"] = path
        self.names = sorted(file.name for file in folder.iterdir())
        self.index_file = folder.with_suffix(".idx")
        with Index.create(self.index_file, model) as index:
            index.update(ImageTable.read(folder))
        self.alike = self._alike()

    def _alike(self) -> set[tuple[str, str]]:
        """Numbers of different photographs whose originals are found to be one: near copies by nature."""
        pairs = pairs_of(self.found(difference=DIFFERENCE))
        originals = [pair for pair in pairs if all(name.endswith("original.png") for name in pair)]
        return {(number_of(a), number_of(b)) for a, b in originals}

    def print_alike(self) -> None:
        """Name the photographs that are one by nature."""
        named = [f"{self.sources[a].name} and {self.sources[b].name}" for a, b in sorted(self.alike)]
        print(f"| not judged, one by nature | | {'; '.join(named) or 'none'} |", flush=True)

    def found(self, *, difference: float = DIFFERENCE, mirrored: bool = True) -> Duplicates:
        """Its duplicates."""
        with Index.open(self.index_file) as index:
            return find_duplicates(index, difference=difference, mirrored=mirrored)

    def is_judged(self, pair: Pair) -> bool:
        """Not of two photographs that are one by nature."""
        one, other = map(number_of, pair)
        return (one, other) not in self.alike and (other, one) not in self.alike

    def scores(self, pairs: set[Pair]) -> tuple[list[bool], dict[str, list[bool]]]:
        """Of each pair whether it is right; by edit of each copy whether it is found with its original."""
        right = [number_of(a) == number_of(b) for a, b in sorted(pairs) if self.is_judged((a, b))]
        copies: dict[str, list[bool]] = {}
        for name in self.names:
            original = f"{number_of(name)} original.png"
            if name != original:
                copies.setdefault(edit_of(name), []).append(
                    (min(name, original), max(name, original)) in pairs
                )
        return right, copies


def number_of(name: str) -> str:
    """Which photograph a file is made of."""
    return name.split(" ", 1)[0]


def edit_of(name: str) -> str:
    """How a file was made."""
    return Path(name.split(" ", 1)[1]).stem


def pairs_of(duplicates: Duplicates) -> set[Pair]:
    """All pairs of files that are in one group."""
    names = [sorted(Path(member.path).name for member in group.members) for group in duplicates.groups]
    return {pair for group in names for pair in combinations(group, 2)}


def share(flags: list[bool]) -> str:
    """A share with its 95 % interval."""
    low, high = wilson(sum(flags), len(flags))
    return f"{100 * np.mean(flags):.1f} % ({100 * low:.1f} to {100 * high:.1f}, of {len(flags):,})"


def wilson(hits: int, total: int, *, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
    """
    rate, slack = hits / total, z * z / total
    middle, half = rate + slack / 2, z * float(np.sqrt(rate * (1 - rate) / total + slack / (4 * total)))
    return (middle - half) / (1 + slack), (middle + half) / (1 + slack)


def print_limit(trial: Trial) -> None:
    """Precision and recall on the half that chooses, by the limit on pixels."""
    trial.print_alike()
    for difference in (0.2, 0.3, 0.4, 0.5, 0.6):
        right, copies = trial.scores(pairs_of(trial.found(difference=difference)))
        promised = [flag for edit, flags in copies.items() if edit not in BEYOND for flag in flags]
        reached = f"precision {share(right)}, recall {share(promised)}"
        print(f"| first half, difference <= {difference:g} | | {reached} |", flush=True)


def print_quality(trial: Trial) -> None:
    """Precision and recall on the other half, by the limit in use."""
    trial.print_alike()
    began = time.perf_counter()
    duplicates = trial.found()
    seconds = time.perf_counter() - began
    right, copies = trial.scores(pairs_of(duplicates))
    print(f"| second half, precision of pairs in a group | >= 99 % | {share(right)} |")
    promised = [flag for edit, flags in copies.items() if edit not in BEYOND for flag in flags]
    print(f"| recall, all that is promised | >= 95 % | {share(promised)} |")
    for edit, flags in copies.items():
        asked = "" if edit in BEYOND else ">= 95 %"
        print(f"| {edit} | {asked} | {share(flags)} |", flush=True)
    plain = trial.scores(pairs_of(trial.found(mirrored=False)))[1]["mirrored"]
    print(f"| mirrored, where it is not asked for | 0 | {sum(plain)} |")
    print(f"| {len(trial.names):,} files | | {seconds:.0f} s |")


def print_imagededup(trial: Trial) -> None:
    """The peer's hashes on the same files, at its default limit and at a stricter one."""
    try:
        from imagededup.methods import DHash, PHash  # type: ignore[import-not-found]
    except ImportError as error:
        print(f"| imagededup | | not installed ({error}) |")
        return
    for kind in (PHash, DHash):
        for limit in (10, 4):
            method = kind(verbose=False)
            encodings = method.encode_images(image_dir=str(trial.folder))
            answers = method.find_duplicates(encoding_map=encodings, max_distance_threshold=limit)
            pairs = {(min(a, b), max(a, b)) for a, others in answers.items() for b in others}
            right, copies = trial.scores(pairs)
            promised = [flag for edit, flags in copies.items() if edit not in BEYOND for flag in flags]
            what = f"imagededup {kind.__name__}, at most {limit} bits"
            print(f"| {what} | | precision {share(right)}, recall {share(promised)} |", flush=True)
            worst = sorted(copies, key=lambda edit: float(np.mean(copies[edit])))[:6]
            print(
                "| its worst | | " + ", ".join(f"{edit} {np.mean(copies[edit]):.0%}" for edit in worst) + " |"
            )


def print_others(model: Model, folder: Path) -> None:
    """How many groups are found where hardly any picture is another's copy, and what they join."""
    with (
        tempfile.TemporaryDirectory() as scratch,
        Index.create(Path(scratch) / "others.idx", model) as index,
    ):
        index.update(ImageTable.read(folder))
        duplicates = find_duplicates(index)
    joined = [
        (Path(group.members[0].path).parent.name, Path(member.path).parent.name)
        for group in duplicates.groups
        for member in group.members[1:]
    ]
    apart = sum(one != other for one, other in joined)
    what = f"{duplicates.compared:,} drawings that look alike: joined, of them with another label"
    print(f"| {what} | few | {len(joined)}, {apart} |", flush=True)


# --- growth


def print_growth(size: int) -> None:
    """Search made-up embeddings and prints in which pairs were planted; the copies' pixels are not opened."""
    rng = np.random.default_rng(0)
    vectors = clustered(size, 128, rng)
    prints = made_prints(size, rng)
    planted = rng.permutation(size)[: size // 25].reshape(2, -1)
    by_vector, by_print = np.array_split(planted, 2, axis=1)
    noise = clustered(by_vector.shape[1], 128, rng)
    vectors[by_vector[1]] = vectors[by_vector[0]] + 0.6 * rng.random((len(noise), 1), np.float32) * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shaken = prints[by_print[0]] + rng.normal(0, 6, (by_print.shape[1], 256))
    prints[by_print[1]] = np.clip(shaken, 0, 255).astype(np.uint8)
    began = time.perf_counter()
    found = propose(vectors, prints)
    seconds = time.perf_counter() - began
    codes = found.first * size + found.second
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| pairs proposed among {size:,} | < 10 minutes, < 4 GB | {seconds:.0f} s, {memory:.1f} GB |")
    for name, pairs, alike in (
        (f"planted, embeddings alike by {SIMILARITY} or more", by_vector, similarities(vectors, by_vector)),
        (f"planted, prints alike by {CORRELATION} or more", by_print, None),
    ):
        low, high = np.sort(pairs, axis=0)
        hit = np.isin(low * size + high, codes)
        hit = hit if alike is None else hit[alike >= SIMILARITY]
        print(f"| {name} | | {share(hit.tolist())} found |", flush=True)


def clustered(count: int, dim: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[count, dim] unit vectors around centres, a hundred each."""
    centres = rng.standard_normal((max(10, count // 100), dim), np.float32)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors += rng.standard_normal((count, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def made_prints(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """[count, 256] prints as pictures have them: coarse shapes, with finer ones that are weaker."""
    prints = np.full((count, 16, 16), 128, np.float32)
    for side, strength in ((2, 30), (4, 25), (8, 15), (16, 8)):
        for start in range(0, count, 65_536):
            part = prints[start : start + 65_536]
            cells = strength * rng.standard_normal((len(part), side, side), np.float32)
            part += cells.repeat(16 // side, axis=1).repeat(16 // side, axis=2)
    return np.clip(prints, 0, 255).astype(np.uint8).reshape(count, 256)


def similarities(vectors: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """[m] cosine of pairs of rows."""
    found: NDArray[np.float32] = np.einsum("nd,nd->n", vectors[pairs[0]], vectors[pairs[1]])
    return found


if __name__ == "__main__":
    main()
