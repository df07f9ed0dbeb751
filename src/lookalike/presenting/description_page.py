"""A description as one self-contained HTML page: the facts that `describe` prints, and the classes drawn.

A Description enters, a page leaves that needs no network, no script and no other file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup

from lookalike.checkups.description import Description, lines
from lookalike.files import write_atomically
from lookalike.presenting import plots
from lookalike.presenting.report import render


class Fact(NamedTuple):
    """A line of a description, and what is listed below it."""

    text: str
    entries: tuple[str, ...]


def render_description(found: Description, *, data: str, created: str = "") -> str:
    """The description as one HTML page that opens from disk, light and dark.

    Args:
        data: what was looked at, as it shall be printed.
        created: when, likewise.
    """
    headline, *facts = _facts(lines(found))
    return render(
        "description.html.j2",
        title=f"Pictures of {data}",
        headline=headline.text,
        facts=facts,
        classes=class_plot(found),
        created=created,
    )


def write_description(found: Description, path: Path, *, data: str, created: str = "") -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_description(found, data=data, created=created).encode("utf-8"))


def class_plot(found: Description) -> Markup:
    """How many pictures each class has, as SVG; empty where no picture has a class."""
    if not found.filled:
        return Markup()
    plot = plots.class_distribution(found.filled)
    svg = plots.to_svg(plot, alt="Pictures of each class, the largest first.")
    return Markup(svg)  # noqa: S704 - matplotlib has escaped every text


def _facts(text: Sequence[str]) -> list[Fact]:
    """Lines with the indented ones below each."""
    facts: list[Fact] = []
    for line in text:
        if line.startswith("  "):
            facts[-1] = Fact(facts[-1].text, (*facts[-1].entries, line.strip()))
        else:
            facts.append(Fact(line, ()))
    return facts
