"""Why a query has no answer: queries that found nothing enter; half a sentence for each leaves.

Where something would have come but for a range of similarities, the nearest miss is told, so that a reader
can see by how much. Nothing that was found changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lookalike.hits import Hit
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.models.verdicts import in_percent
from lookalike.queries import Query, look_up

Reason = tuple[str, Hit | None]


def why_nothing(
    index: Index,
    queries: Sequence[Query],
    before: Sequence[int],
    *,
    selection: Selection,
    threshold: str | None,
    probability: float | None = None,
) -> list[Reason]:
    """Say for each query why it has no answer, and what came nearest to being one.

    Args:
        before: how many answers each has on earlier pages.
        selection: what an answer had to be.
        threshold: of the model's, that verdicts are by; None: they carry none.
        probability: that the selection's lowest similarity was chosen for; None: for none.
    """
    if not queries:
        return []
    any_lower, any_at_all = replace(selection, lowest=-1.0), replace(selection, lowest=-1.0, highest=1.0)
    below = look_up(index, queries, k=1, selection=any_lower, threshold=threshold)
    above = look_up(index, queries, k=1, selection=any_at_all, threshold=threshold)
    wanted = _wanted(selection, probability)
    return [
        (_end(count), None) if count else _reason(index, selection, wanted, under.hits, over.hits)
        for count, under, over in zip(before, below, above, strict=True)
    ]


def _wanted(selection: Selection, probability: float | None) -> str:
    upper = f" to {selection.highest:g}" if selection.highest < 1.0 else " or more"
    similarity = f"a similarity of {selection.lowest:.4g}{upper}"
    if probability is None:
        return f"nothing has {similarity}"
    return f"nothing is {in_percent(probability)} likely or more, which takes {similarity}"


def _end(count: int) -> str:
    return (
        f"there are no more answers: {'the only one comes' if count == 1 else f'all {count:,} come'} before"
    )


def _reason(
    index: Index, selection: Selection, wanted: str, below: Sequence[Hit], above: Sequence[Hit]
) -> Reason:
    if below:
        return f"{wanted}; the nearest below {_told(below[0])}", below[0]
    if above:
        return f"all are more alike than {selection.highest:g}; the most alike {_told(above[0])}", above[0]
    if not selection.is_all:
        return "no other picture fits the filter", None
    return "the index holds no other picture" if len(index) else "the index is empty", None


def _told(hit: Hit) -> str:
    likely = f" ({in_percent(hit.probability)} likely)" if hit.probability is not None else ""
    return f"has {hit.similarity:.4f}{likely}: {hit.path}"
