"""The doctor's checkup as one self-contained HTML page: verdicts, plots, and pairs side by side.

A Checkup enters, a page leaves that needs no network, no script and no other file. Nothing is judged here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from markupsafe import Markup

from lookalike.checkups.checkup import Checkup, total
from lookalike.checkups.cleaning import beside
from lookalike.checkups.findings import Verdict, remedy
from lookalike.checkups.findings_copies import difference, pairs_of
from lookalike.files import write_atomically
from lookalike.pictures.images import Box
from lookalike.presenting import plots
from lookalike.presenting.description_page import class_plot
from lookalike.presenting.report import render

MOST_PAIRS = 48  # of near-duplicates of one kind that are shown
MOST_GROUPS = 24  # of copies
MOST_ENTRIES = 20  # of a finding
HEADLINES = {
    Verdict.OK: "Nothing stands in the way of training.",
    Verdict.LOOK: "Nothing has to be mended; look at what is said below.",
    Verdict.MEND: "Something should be mended before training.",
}


class Tile(NamedTuple):
    """A picture of a pair or group: its file, its name in the table, label, split and the part looked at."""

    path: Path
    name: str
    label: str
    split: str
    box: Box | None


class Group(NamedTuple):
    """Pictures that are one picture, with what is said of them."""

    tiles: tuple[Tile, ...]
    note: str


def render_checkup(checkup: Checkup, *, data: str, created: str = "") -> str:
    """The checkup as one HTML page that opens from disk, light and dark.

    Args:
        data: what was looked at, as it shall be printed.
        created: when, likewise.
    """
    found = checkup.examination
    ranked = sorted(checkup.findings, key=lambda entry: -list(Verdict).index(entry.verdict))
    return render(
        "checkup.html.j2",
        title=f"Checkup of {data}",
        headline=HEADLINES[checkup.verdict],
        total=total(checkup),
        findings=ranked,
        remedy=remedy,
        most_entries=MOST_ENTRIES,
        description=found.description,
        near=found.near,
        model=found.model,
        plots=_plots(checkup),
        sections=_sections(checkup),
        left_out=checkup.cleaned.left_out,
        manifest=checkup.manifest,
        beside=beside(Path(checkup.manifest)),
        created=created,
    )


def write_checkup(checkup: Checkup, path: Path, *, data: str, created: str = "") -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_checkup(checkup, data=data, created=created).encode("utf-8"))


def _plots(checkup: Checkup) -> dict[str, Markup]:
    found, drawn = checkup.examination, {"sizes": Markup()}
    drawn["classes"] = class_plot(found.description)
    sizes = [entry.size for entry in found.seen.values()]
    if len(set(sizes)) > 1:
        svg = plots.to_svg(plots.picture_sizes(sizes), alt="Width and height of every picture.")
        drawn["sizes"] = Markup(svg)  # noqa: S704 - matplotlib has escaped every text
    return drawn


def _sections(checkup: Checkup) -> list[dict[str, Any]]:
    """Kinds of pictures that are there twice, each with some of its groups and their number."""
    found = checkup.examination
    near, doubtful = (pairs_of(found, across_labels=across) for across in (False, True))
    return [
        {
            "id": "doubtful",
            "title": "Near-duplicates under two labels",
            "text": "One picture under two labels: one of them may be wrong, or two things only look alike.",
            "groups": [_pair(checkup, place) for place in doubtful[:MOST_PAIRS]],
            "count": len(doubtful),
        },
        {
            "id": "near",
            "title": "Near-duplicates of one label",
            "text": "One picture, saved again, scaled, cropped, turned a little or mirrored. Pairs across "
            "splits come first: there, what is judged was learned from.",
            "groups": [_pair(checkup, place) for place in near[:MOST_PAIRS]],
            "count": len(near),
        },
        {
            "id": "copies",
            "title": "Exact copies",
            "text": "Files that are equal byte for byte.",
            "groups": [
                Group(_tiles(checkup, group[:4]), _many(group)) for group in found.copies[:MOST_GROUPS]
            ],
            "count": len(found.copies),
        },
    ]


def _many(group: tuple[int, ...]) -> str:
    return f"{len(group)} times" if len(group) > 2 else ""


def _pair(checkup: Checkup, place: int) -> Group:
    near = checkup.examination.near
    rows = int(near.first[place]), int(near.second[place])
    note = f"{difference(checkup.examination, place)}; similarity {near.similarities[place]:.3f}"
    return Group(_tiles(checkup, rows), note)


def _tiles(checkup: Checkup, rows: tuple[int, ...]) -> tuple[Tile, ...]:
    found = checkup.examination
    part = found.table.take(np.array(rows))
    return tuple(
        Tile(path, found.ids[row], found.labels[row] or "", found.splits[row], box)
        for row, path, box in zip(rows, part.paths, part.boxes, strict=True)
    )
