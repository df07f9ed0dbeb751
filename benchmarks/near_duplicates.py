"""Near-duplicates: how many edited copies are found, how many other pairs are called one, and how fast.

    python -m benchmarks.near_duplicates [FOLDER] [--pictures 200] [--vectors 100000] [--quick]

Every picture of a sample of the folder (by default the one that comes with the project) is edited in each way
and paired with itself; then all pairs of unedited pictures of the whole folder are looked at. The last row
searches made-up embeddings, mixtures of real ones, for pairs that were planted at and above the limit.
"""

from __future__ import annotations

import argparse
import io
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from lookalike.checkups.alike import alike_pairs
from lookalike.checkups.looking import look
from lookalike.checkups.near_duplicates import CORRELATION, DIFFERENCE, SIMILARITY, near_duplicates
from lookalike.checkups.overlay import differences
from lookalike.models.embedding import embed_table, map_in_order
from lookalike.models.model import DEFAULT, Model
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.pictures.prints import grey_print, print_vectors, small_picture
from lookalike.records import Floats, Pixels
from lookalike.tables.table import ImageTable

Edit = Callable[[Image.Image], Image.Image]


def compressed(image: Image.Image, *, quality: int) -> Image.Image:
    """Saved as JPEG and opened again."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return Image.open(file).convert("RGB")


def halved(image: Image.Image) -> Image.Image:
    """At half its size."""
    return image.resize((max(2, image.width // 2), max(2, image.height // 2)), Image.Resampling.LANCZOS)


def cropped(image: Image.Image, *, share: float, corner: bool = False) -> Image.Image:
    """The middle of both sides, or the lower left corner."""
    width, height = round(image.width * share), round(image.height * share)
    left, top = (image.width - width) // 2, (image.height - height) // 2
    if corner:
        left, top = 0, image.height - height
    return image.crop((left, top, left + width, top + height))


def turned(image: Image.Image, *, degrees: float) -> Image.Image:
    """Turned, its corners filled with the colour of its upper edge."""
    ground = tuple(int(value) for value in np.median(np.asarray(image)[0], axis=0))
    return image.rotate(degrees, Image.Resampling.BICUBIC, fillcolor=ground)


def brightened(image: Image.Image) -> Image.Image:
    """Brighter, its brightest parts cut off."""
    return image.point(lambda level: min(255, round(1.2 * level + 8)))


EDITS: dict[str, Edit] = {
    "JPEG, quality 20": lambda image: compressed(image, quality=20),
    "half size": halved,
    "half size and JPEG, quality 20": lambda image: compressed(halved(image), quality=20),
    "middle 95 %": lambda image: cropped(image, share=0.95),
    "middle 90 %": lambda image: cropped(image, share=0.9),
    "corner 90 %": lambda image: cropped(image, share=0.9, corner=True),
    "turned by 2°": lambda image: turned(image, degrees=2),
    "turned by 5°": lambda image: turned(image, degrees=5),
    "brighter by 20 % and 8 levels": brightened,
    "mirrored": ImageOps.mirror,
    "grey": lambda image: image.convert("L").convert("RGB"),
}


def main() -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("examples/emoji"))
    parser.add_argument("--pictures", type=int, default=200, help="pictures that are edited")
    parser.add_argument("--vectors", type=int, default=100_000, help="embeddings that are searched")
    parser.add_argument("--quick", action="store_true", help="20 pictures, 5 000 vectors")
    options = parser.parse_args()
    if options.quick:
        options.pictures, options.vectors = 20, 5_000
    model, table = Model.load(DEFAULT), ImageTable.read(options.folder)
    print("| what | proposed | called one |\n|---|---|---|", flush=True)
    edited_rows(model, table, pictures=options.pictures)
    vectors = unedited_row(model, table)
    speed_row(vectors, count=options.vectors)


def edited_rows(model: Model, table: ImageTable, *, pictures: int) -> None:
    """For each edit the share of pictures whose edited copy is proposed, and is called one with it."""
    paths = table.paths[:: max(1, len(table) // pictures)]
    looks = list(map_in_order(lambda path: versions(model, path), paths))
    vectors, prints, smalls = (np.stack(parts) for parts in zip(*looks, strict=True))
    for place, name in enumerate(EDITS, start=1):
        cosines = (vectors[:, 0] * vectors[:, place]).sum(axis=1)
        correlations = (prints[:, 0] * prints[:, place]).sum(axis=1)
        proposed = (cosines >= SIMILARITY) | (correlations >= CORRELATION)
        found = proposed & (differences(smalls[:, 0], smalls[:, place]) <= DIFFERENCE)
        print(f"| {name} | {proposed.mean():.1%} | {found.mean():.1%} |", flush=True)


def versions(model: Model, path: Path) -> tuple[Floats, Floats, Pixels]:
    """Embeddings, prints and small pictures of a picture and all its edits."""
    original = Image.fromarray(open_image(path))
    pixels = [np.asarray(edit(original)) for edit in (lambda image: image, *EDITS.values())]
    vectors = model.embed_pixels(np.stack([prepare(each, model.preprocess) for each in pixels]))
    smalls = np.stack([small_picture(each) for each in pixels])
    return vectors, print_vectors([grey_print(each) for each in pixels]), smalls


def unedited_row(model: Model, table: ImageTable) -> Floats:
    """How many pairs of different files are called one, by whether they have one label."""
    seen, _ = look(table)
    embedded = embed_table(model, table)
    prints = [seen[image].print for image in table.frame["image"]]
    vectors = embedded.embeddings.vectors
    found = near_duplicates(table, np.arange(len(table)), vectors, prints)
    labels = np.array(table.frame["label"].to_list(), dtype=object)
    same = labels[found.first] == labels[found.second]
    one_label = sum(
        count * (count - 1) // 2 for count in np.unique(labels.astype(str), return_counts=True)[1]
    )
    total = len(table) * (len(table) - 1) // 2
    print(f"| unedited, one label, of {one_label:,} pairs | | {same.sum():,} |")
    print(f"| unedited, two labels, of {total - one_label:,} pairs | | {(~same).sum():,} |")
    print(f"| of all of them | {found.candidates:,} | {len(found):,} |", flush=True)
    return vectors


def speed_row(real: Floats, *, count: int) -> None:
    """Search mixtures of real embeddings, in which pairs were planted; none may be missed."""
    rng = np.random.default_rng(0)
    vectors = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, 4096):
        rows = min(4096, count - start)
        weights = rng.dirichlet(np.ones(4), rows).astype(np.float32)
        parts = real[rng.integers(0, len(real), (rows, 4))]
        vectors[start : start + rows] = np.einsum("nk,nkd->nd", weights, parts)
        vectors[start : start + rows] += 0.004 * rng.standard_normal((rows, real.shape[1]), np.float32)
    planted = rng.permutation(count)[: count // 50].reshape(2, -1)
    noise = rng.standard_normal((planted.shape[1], real.shape[1]), np.float32)
    vectors[planted[1]] = vectors[planted[0]] + 0.012 * rng.random((planted.shape[1], 1), np.float32) * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    began = time.perf_counter()
    found = alike_pairs(vectors, at_least=SIMILARITY, most=20_000)
    seconds = time.perf_counter() - began
    wanted = {
        (min(a, b), max(a, b)) for a, b in planted.T.tolist() if vectors[a] @ vectors[b] >= found.floor + 1e-6
    }
    missed = len(wanted - set(zip(found.first.tolist(), found.second.tolist(), strict=True)))
    what = f"{count:,} x {real.shape[1]}: {seconds:.1f} s, {len(wanted):,} planted pairs, {missed} missed"
    print(f"| {what} | {len(found):,} | |")


if __name__ == "__main__":
    main()
