"""What commands share: exit codes, options, and the pictures that a command line names."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.records import Skipped

OK, NOTHING, ERROR = 0, 1, 2

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help='Model folder, or the word "default".')]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IndexFile = Annotated[Path, typer.Argument(metavar="INDEX", help="Index file, for example photos.idx.")]
ThresholdName = Annotated[
    str, typer.Option(metavar="NAME", help="Which of the model's thresholds; calibrate --name makes them.")
]
Prior = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Of pairs like these, how many are the same; for the probability."),
]
Pictures = Annotated[list[str], typer.Argument(help="Pictures or folders; - reads paths from stdin.")]


def _check_page(path: Path | None) -> Path | None:
    from lookalike.files import check_writable

    if path is not None:
        check_writable(path)
    return path


Page = Annotated[Path | None, typer.Option(callback=_check_page, help="Write the answers as a page.")]
OpenPage = Annotated[
    bool, typer.Option("--open", help="Open the answers in the browser; without --html a temporary file.")
]


def check_style(style: str, *, pictures: int) -> None:
    """Refuse one JSON value for several pictures."""
    if style == "json" and pictures > 1:
        raise LookalikeError(
            "--json is for one picture", where="--json", saw=f"{pictures} pictures", do="use --jsonl"
        )


def style_of(**asked: bool) -> str:
    """The one way to print that was asked for; "text" where none was.

    Args:
        asked: the ways by their names, which are those of their options.
    """
    named = [style for style, wanted in asked.items() if wanted]
    if len(named) > 1:
        raise LookalikeError(
            "answers are printed in one way",
            where=f"--{named[0]}",
            saw=" and ".join(f"--{style}" for style in named),
            wanted="one of them",
            do=f"leave --{named[1]} out",
        )
    return named[0] if named else "text"


def nothing_asked(skipped: Sequence[Skipped]) -> LookalikeError:
    """The error of a command of whose pictures none could be used."""
    return LookalikeError(
        "there is nothing to search by",
        where=skipped[0].path,
        saw=f"{len(skipped)} that cannot be used, this one: {skipped[0].reason.value}",
        wanted="a picture",
        do="name a picture that opens; the reasons are above",
    )


def picture_paths(names: Sequence[str]) -> tuple[list[Path], tuple[Skipped, ...]]:
    """Files as they are, folders as the pictures in them, - as the lines of stdin."""
    from lookalike.pictures.finding import find_images

    paths: list[Path] = []
    skipped: list[Skipped] = []
    for name in expand(names):
        if os.path.isdir(name):  # noqa: PTH112 - Path.is_dir() fails where a name is too long
            found = find_images(Path(name))
            paths += [found.root / path for path in found.paths]
            skipped += found.skipped
        else:
            paths.append(Path(name))
    if not paths:
        raise LookalikeError(
            "there are no pictures",
            where=" ".join(names) or "IMAGE",
            saw="nothing to open" if names else "none named",
            do="name pictures, or folders of them",
        )
    return paths, tuple(skipped)


def expand(names: Iterable[str]) -> Iterable[str]:
    """The names, - among them replaced by the lines of stdin."""
    for name in names:
        if name == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        else:
            yield name
