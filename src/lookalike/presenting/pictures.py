"""A report's plots and galleries as PNG files, for those who want them without the page.

A ReportPage and a folder enter; files leave, each named for what it shows. Nothing is measured here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

from lookalike.attribute_evaluation import MEANINGS, AttributeReport
from lookalike.errors import LookalikeError
from lookalike.files import write_atomically
from lookalike.presenting.canvas import to_png
from lookalike.presenting.contents import ReportPage
from lookalike.presenting.drawings import ALTS, drawings
from lookalike.presenting.gallery import draw_rows
from lookalike.presenting.gallery_views import (
    draw_attribute_rows,
    draw_confused,
    draw_doubtful,
    draw_triplets,
)
from lookalike.presenting.plots_explanation import draw_explanation

GALLERIES = ("rows", "worst", "missed", "unmatched", "confused", "doubtful", "triplets")
OWN = re.compile(rf"({'|'.join((*ALTS, *GALLERIES))}|explanation_[1-9]\d*)\.png")
OWN_OF_ATTRIBUTES = re.compile(rf"({'|'.join(MEANINGS)})\.png")


def write_pictures(page: ReportPage, folder: Path) -> tuple[Path, ...]:
    """Write every plot and gallery of a report into a folder, which is made where it is missing.

    What there is nothing for is left out: no "unmatched.png" where every query matches. Files of the same
    names are replaced, and those of an earlier report that this one has nothing for are removed.

    Returns:
        The files written.

    Raises:
        LookalikeError: the folder cannot be made, is read-only or full.
    """
    drawn = {name: partial(to_png, plot) for name, plot in drawings(page).items()}
    return _write(drawn | _galleries(page), folder, OWN)


def write_attribute_pictures(report: AttributeReport, folder: Path) -> tuple[Path, ...]:
    """Write the attribute queries of each kind, with their answers, into a folder, likewise.

    Raises:
        LookalikeError: the folder cannot be made, is read-only or full.
    """
    kinds = {kind.name: partial(draw_attribute_rows, kind.rows) for kind in report.kinds if kind.rows}
    return _write({name: partial(_png, draw) for name, draw in kinds.items()}, folder, OWN_OF_ATTRIBUTES)


def _write(drawn: Mapping[str, Callable[[], bytes]], folder: Path, own: re.Pattern[str]) -> tuple[Path, ...]:
    """Write what is drawn, in place of all files there whose names are the report's own."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise LookalikeError(
            "a folder for pictures cannot be made",
            where=folder,
            saw=error.strerror or str(error),
            do="name a folder inside one that is there",
        ) from error
    for name, draw in drawn.items():
        write_atomically(folder / f"{name}.png", draw())
    written = tuple(folder / f"{name}.png" for name in drawn)
    for old in set(folder.iterdir()) - set(written):
        if own.fullmatch(old.name) and old.is_file():
            old.unlink(missing_ok=True)
    return written


def _galleries(page: ReportPage) -> dict[str, Callable[[], bytes]]:
    """What there is to draw, by the file's name."""
    rows = {"rows": page.rows, "worst": page.worst}
    made: dict[str, Callable[[], Image.Image]] = {}
    if (found := page.highlights) is not None:
        rows["missed"] = found.missed.entries
        rows["unmatched"] = found.unmatched.entries if found.unmatched else ()
        if found.confused.entries:
            made["confused"] = partial(draw_confused, found.confused.entries)
        if found.doubtful.entries:
            made["doubtful"] = partial(draw_doubtful, found.doubtful.entries)
        if found.triplets:
            made["triplets"] = partial(draw_triplets, found.triplets)
    for number, why in enumerate(page.explained, start=1):
        made[f"explanation_{number}"] = partial(draw_explanation, why.explanation)
    made = {name: partial(draw_rows, some) for name, some in rows.items() if some} | made
    return {name: partial(_png, draw) for name, draw in made.items()}


def _png(draw: Callable[[], Image.Image]) -> bytes:
    content = io.BytesIO()
    draw().save(content, "PNG")
    return content.getvalue()
