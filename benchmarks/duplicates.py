"""Duplicates: how many copies are found, how many other pairs are called one, and how the work grows.

    python -m benchmarks.duplicates [FOLDER] [--same NAME NAME] [--others FOLDER] [--sizes 100000 1000000]

Every photograph of the folder (by default the pictures that come with the project) is copied in each way.
Half of the photographs show what each limit on pixels reaches, the other half are judged by the limit in use;
likewise the labels of the other folder, drawings of which many look alike and few are one. A pair is right
where both come from one file, or from two that a person named as one picture (`--same`); nothing else is left
out. With imagededup installed, its hashes are judged on the same files. The last rows are those of
`benchmarks.duplicates_growth`.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from benchmarks.copies import BEYOND, ORIGINAL, write_copies, write_drawing_copies, write_original
from benchmarks.shares import share, share_of_groups
from lookalike import Index, Model
from lookalike.duplicates.confirming import DIFFERENCE
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.records import Duplicates
from lookalike.errors import ImageError
from lookalike.models.model import DEFAULT
from lookalike.pictures.finding import find_images
from lookalike.pictures.images import open_image
from lookalike.tables.table import ImageTable

Pair = tuple[str, str]  # names of files, the lower first
Write = Callable[[Path, Path, int], object]  # a picture, with or without copies, into a folder

LIMITS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
COPIED = 16  # one of so many drawings is copied


def main() -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("examples/emoji"))
    parser.add_argument("--same", nargs=2, action="append", default=[], help="two files that are one picture")
    parser.add_argument("--others", type=Path, help="pictures of which many look alike and few are one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--pictures", type=int, default=400, help="pictures that are copied")
    parser.add_argument("--quick", action="store_true", help="20 pictures, 5 000 vectors")
    options = parser.parse_args()
    if options.quick:
        options.pictures, options.sizes = 20, [5_000]
    model, found = Model.load(DEFAULT), find_images(options.folder).paths
    paths = [options.folder / name for name in found[:: max(1, len(found) // options.pictures)]]
    print("| what | asked | reached |\n|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        first = Trial(model, paths[0::2], Path(folder) / "first", same=options.same)
        print_limits("first half of the photographs", first)
        trial = Trial(model, paths[1::2], Path(folder) / "second", same=options.same)
        print_quality(trial)
        print_imagededup(trial)
    if options.others:
        print_others(model, options.others)
    for size in options.sizes:  # each in a process of its own, so that memory is its own
        subprocess.run([sys.executable, "-m", "benchmarks.duplicates_growth", str(size)], check=True)


class Trial:
    """Pictures with their copies, in a folder and an index of it."""

    def __init__(
        self,
        model: Model,
        paths: Sequence[Path],
        folder: Path,
        *,
        same: Sequence[Sequence[str]] = (),
        write: Callable[[int], Write] = lambda _: write_copies,
    ) -> None:
        self.folder, self.origins = folder, dict[str, str]()
        folder.mkdir(parents=True)
        seen = set[str]()
        one = {name: min(names) for names in same for name in names}
        for number, path in enumerate(paths):
            try:
                digest = hashlib.sha256(open_image(path).tobytes()).hexdigest()
            except ImageError:
                continue
            if digest not in seen:
                seen.add(digest)
                write(number)(path, folder, number)
                self.origins[f"{number:05}"] = one.get(path.name, str(path))
        self.names = sorted(file.name for file in folder.iterdir())
        self.index_file = folder.with_suffix(".idx")
        with Index.create(self.index_file, model) as index:
            index.update(ImageTable.read(folder))

    def found(self, *, difference: float = DIFFERENCE, mirrored: bool = True) -> Duplicates:
        """Its duplicates."""
        with Index.open(self.index_file) as index:
            return find_duplicates(index, Wishes(difference=difference, mirrored=mirrored))

    def is_right(self, pair: Pair) -> bool:
        """Whether both are made of one picture."""
        return self.origins[number_of(pair[0])] == self.origins[number_of(pair[1])]

    def precision(self, pairs: set[Pair]) -> str:
        """The share of pairs that are right; pairs stand or fall with the lower one's picture."""
        by_number: dict[str, list[bool]] = {}
        for pair in sorted(pairs):
            by_number.setdefault(number_of(pair[0]), []).append(self.is_right(pair))
        return share_of_groups(list(by_number.values())) if pairs else "no pairs"

    def joined(self, pairs: set[Pair]) -> set[str]:
        """The numbers of the pictures that are in a group with another picture, or a copy of one."""
        return {number_of(name) for pair in pairs if not self.is_right(pair) for name in pair}

    def by_edit(self, pairs: set[Pair]) -> dict[str, list[bool]]:
        """Of each kind of copy, in the order of the pictures, whether it is found with its original."""
        found: dict[str, list[bool]] = {}
        for name in self.names:
            original = f"{number_of(name)} {ORIGINAL}.png"
            if name != original:
                pair = min(name, original), max(name, original)
                found.setdefault(edit_of(name), []).append(pair in pairs)
        return found


def number_of(name: str) -> str:
    """Which picture a file is made of."""
    return name.split(" ", 1)[0]


def edit_of(name: str) -> str:
    """How a file was made."""
    return Path(name.split(" ", 1)[1]).stem


def pairs_of(duplicates: Duplicates) -> set[Pair]:
    """All pairs of files that are in one group."""
    names = [sorted(Path(member.path).name for member in group.members) for group in duplicates.groups]
    return {pair for group in names for pair in combinations(group, 2)}


def recall(copies: dict[str, list[bool]]) -> str:
    """The share of the promised copies that are found; those of one picture go together."""
    return share_of_groups(list(zip(*(copies[edit] for edit in copies if edit not in BEYOND), strict=True)))


def print_limits(what: str, trial: Trial) -> None:
    """Precision and recall by the limit on pixels."""
    for difference in LIMITS:
        pairs = pairs_of(trial.found(difference=difference))
        copies = trial.by_edit(pairs)
        lowest = min((float(np.mean(copies[edit])), edit) for edit in copies if edit not in BEYOND)
        joined = f"{len(trial.joined(pairs))} of {len(trial.origins):,} joined with another"
        reached = f"precision {trial.precision(pairs)}, {joined}, recall {recall(copies)}"
        worst = f"lowest {lowest[0]:.1%} {lowest[1]}"
        print(f"| {what}, difference <= {difference:g} | | {reached}, {worst} |", flush=True)


def print_quality(trial: Trial) -> None:
    """Precision and recall on the other half, by the limit in use."""
    began = time.perf_counter()
    pairs = pairs_of(trial.found())
    seconds = time.perf_counter() - began
    copies = trial.by_edit(pairs)
    print(f"| second half, precision of pairs in a group | >= 99 % | {trial.precision(pairs)} |")
    joined = [number in trial.joined(pairs) for number in trial.origins]
    print(f"| photographs joined with another one | | {share(joined)} |")
    print(f"| recall, all that is promised | >= 95 % | {recall(copies)} |")
    print_by_edit(copies)
    plain = trial.by_edit(pairs_of(trial.found(mirrored=False)))["mirrored"]
    print(f"| mirrored, where it is not asked for | 0 | {sum(plain)} |")
    print(f"| {len(trial.names):,} files | | {seconds:.0f} s |", flush=True)


def print_by_edit(copies: dict[str, list[bool]]) -> None:
    """Recall of each kind of copy."""
    for edit, flags in copies.items():
        print(f"| {edit} | {'' if edit in BEYOND else '>= 95 %'} | {share(flags)} |", flush=True)


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
            copies = trial.by_edit(pairs)
            what = f"imagededup {kind.__name__}, at most {limit} bits"
            print(f"| {what} | | precision {trial.precision(pairs)}, recall {recall(copies)} |", flush=True)
            worst = sorted(copies, key=lambda edit: float(np.mean(copies[edit])))[:6]
            print(
                "| its worst | | " + ", ".join(f"{edit} {np.mean(copies[edit]):.0%}" for edit in worst) + " |"
            )


def print_others(model: Model, folder: Path) -> None:
    """Drawings of which hardly one is another's copy: how many are joined, and how many copies are found."""
    labels = sorted({path.parent for path in map(folder.joinpath, find_images(folder).paths)})
    with tempfile.TemporaryDirectory() as scratch:
        for half, name in enumerate(("first", "second")):
            paths = [path for label in labels[half::2] for path in sorted(label.iterdir())]
            trial = Trial(model, paths, Path(scratch) / name, write=_drawing)
            if not half:
                print_limits("first half of the drawings", trial)
                continue
            pairs = pairs_of(trial.found())
            joined = [number in trial.joined(pairs) for number in trial.origins]
            print(f"| second half of the drawings, joined with another one | near 0 | {share(joined)} |")
            print_by_edit(trial.by_edit(pairs))


def _drawing(number: int) -> Write:
    return write_original if number % COPIED else write_drawing_copies


if __name__ == "__main__":
    main()
