"""What a notebook shows of tables, answers, verdicts and reports: a piece of HTML with small pictures.

A record enters; a piece of HTML leaves that needs no script, no style sheet and no file, and reads on a light
and on a dark page. It shows a few pictures of many and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from pathlib import Path

import numpy as np

from lookalike.evaluation import Evaluation
from lookalike.hits import BY_SIMILARITY
from lookalike.models.verdicts import in_percent
from lookalike.pictures.finding import is_there
from lookalike.presenting.gallery import FRAMES, Strip, Tile, tiles_of
from lookalike.presenting.report import render
from lookalike.presenting.wording import copies_in_words, summary
from lookalike.records import Hit, Hits, Match, Report
from lookalike.tables.table import ImageTable

MOST_PICTURES = 16  # of a table, or of answers to one query
MOST_ROWS = 4  # of an evaluation


@singledispatch
def to_html(shown: object) -> str:
    """A table, the answers of a search, a verdict, a report or an evaluation as HTML for a notebook.

    Notebooks call it for what stands last in a cell.

    Raises:
        TypeError: another kind of thing.
    """
    raise TypeError(f"there is no HTML for {type(shown).__name__}")


@to_html.register
def _(shown: ImageTable) -> str:
    count, labels = len(shown), shown.classes
    parts = [f"{len(shown.select(name)):,} {name}" for name in shown.splits]
    said = [f"{count:,} pictures", f"{len(labels):,} labels" if labels else "no labels"]
    if parts:
        said.append(", ".join(parts))
    if shown.skipped:
        said.append(f"{len(shown.skipped):,} left out")
    rows = np.unique(np.linspace(0, max(count - 1, 0), min(MOST_PICTURES, count)).astype(np.int64))
    some = shown.take(rows)
    tiles = [
        Tile(path, lines=(label if label is not None else "no label",), box=box)
        for path, label, box in zip(some.paths, some.frame["label"], some.boxes, strict=True)
    ]
    return _html("; ".join(said), strips=[Strip(tiles)], note=_rest(len(tiles), count, "pictures"))


@to_html.register
def _(shown: Hits) -> str:
    asked = [
        Tile(Path(part.path), "query", (f"{part.weight:+g}", _in_folder(part.path))) for part in shown.parts
    ]
    if is_there(Path(shown.query)):  # else they are words, where attributes were asked for
        asked = [Tile(Path(shown.query), "query", (_in_folder(shown.query),))]
    given = [_answer(hit, apart=place == 0) for place, hit in enumerate(shown.hits[:MOST_PICTURES])]
    words = [f"match: similarity of at least {shown.threshold:.3f}"] if shown.threshold is not None else []
    if not given:
        words.append(f"no match: {shown.nothing}" if shown.nothing else "no match")
    if shown.order != BY_SIMILARITY:
        words.append(f"ranked by {shown.order}; similarities are those to the query alone")
    rest = _rest(len(given), len(shown), "answers")
    return _html(shown.query if not asked else "", words, strips=[Strip([*asked, *given])], note=rest)


@to_html.register
def _(shown: Match) -> str:
    verdict = "MATCH" if shown.match else "NO MATCH"
    said = f"{verdict}: similarity {shown.similarity:.4f}, threshold {shown.threshold.similarity:.4f}"
    tiles = [
        Tile(Path(path), "right" if shown.match else "wrong", (_in_folder(path),))
        for path in (shown.a, shown.b)
    ]
    words = [shown.threshold.promise]
    if shown.probability is not None and shown.prior is not None:
        of = f"where {in_percent(shown.prior)} of such pairs are"
        words.insert(0, f"{in_percent(shown.probability)} likely to be the same, {of}")
    return _html(said, words, strips=[Strip(tiles)])


@to_html.register
def _(shown: Report) -> str:
    return _report(shown)


@to_html.register
def _(shown: Evaluation) -> str:
    strips = [Strip(tiles_of(row)) for row in shown.rows[:MOST_ROWS]]
    return _report(shown.report, strips=strips)


def _report(report: Report, *, strips: Sequence[Strip] = ()) -> str:
    lines = summary(report, others="report.figures")
    first = lines.index("")
    second = lines.index("", first + 1)
    heading = f"{report.model} on {report.split if report.split != 'all' else 'all pictures'}"
    figures = "\n".join(lines[first + 1 : second])
    return _html(heading, lines[:first], strips=strips, figures=figures, closing=lines[second + 1 :])


def _answer(hit: Hit, *, apart: bool) -> Tile:
    known = hit.label or _in_folder(hit.path)
    likely = f", {in_percent(hit.probability)} likely" if hit.probability is not None else ""
    lines = tuple(filter(None, (f"{hit.similarity:.3f}{likely}", known, copies_in_words(hit.copies))))
    return Tile(Path(hit.path), "right" if hit.match else "", lines, apart=apart)


def _in_folder(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def _rest(shown: int, of: int, what: str) -> str:
    return f"{shown} of {of:,} {what} are shown" if shown < of else ""


def _html(
    heading: str,
    sentences: Sequence[str] = (),
    *,
    strips: Sequence[Strip] = (),
    figures: str = "",
    note: str = "",
    closing: Sequence[str] = (),
) -> str:
    return render(
        "notebook.html.j2",
        heading=heading,
        sentences=sentences,
        strips=strips,
        figures=figures,
        note=note,
        closing=closing,
        frames=FRAMES,
    )
