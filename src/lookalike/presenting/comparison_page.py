"""A comparison of two models as one self-contained HTML page: figures, and queries that one gets wrong.

A Comparison enters; a page of the report's kind leaves. Nothing is measured here.
"""

from __future__ import annotations

from pathlib import Path

from lookalike.comparison import Comparison
from lookalike.files import write_atomically
from lookalike.judging.figure_wording import footnote, headlines
from lookalike.presenting import comparison_wording
from lookalike.presenting.report import render


def render_comparison(found: Comparison, *, names: tuple[str, str] = ("", ""), created: str = "") -> str:
    """The page: no network, no script, light and dark.

    Args:
        names: of A and of B as the user wrote them.
        created: when, as it shall be printed.
    """
    told = headlines(found.b)
    return render(
        "comparison.html.j2",
        title="Two models",
        found=found,
        names=names,
        created=created,
        words=comparison_wording,
        parts=(("", told), (f"{len(found.differences) - len(told)} more figures", _others(found))),
        footnote=footnote(found.b.figures),
    )


def write_comparison(
    found: Comparison, path: Path, *, names: tuple[str, str] = ("", ""), created: str = ""
) -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_comparison(found, names=names, created=created).encode("utf-8"))


def _others(found: Comparison) -> dict[str, object]:
    told = headlines(found.b)
    return {name: figure for name, figure in found.b.figures.items() if name not in told}
