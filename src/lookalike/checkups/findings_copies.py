"""Findings on pictures that are there twice: byte for byte or nearly, under one label or under several.

An Examination and the command that mends enter, a Finding leaves. Which of several pictures stays is decided
in cleaning.
"""

from __future__ import annotations

from collections.abc import Sequence

from lookalike.checkups.examination import Examination
from lookalike.checkups.findings import Finding, Verdict, count


def contradicts(found: Examination, group: Sequence[int]) -> bool:
    """Whether equal pictures stand under several labels."""
    labels = found.labels
    return len({labels[row] for row in group} - {None}) > 1


def copies(found: Examination, command: str) -> Finding:
    """Whether equal files stand under one label."""
    groups = [group for group in found.copies if not contradicts(found, group)]
    if not groups:
        return Finding("copies", Verdict.OK, 0, "no picture is there twice, byte for byte")
    splits = found.splits
    across = sum(len({splits[row] for row in group}) > 1 for group in groups)
    extra = sum(len(group) - 1 for group in groups)
    what = f"{count(extra, 'exact copy', 'exact copies')} in {count(len(groups), 'group')}"
    what += f", {across:,} of them across splits: what is judged was learned from" if across else ""
    scattered = not found.table.has_splits
    what += ": a split would put them on both sides" if scattered else ""
    verdict = Verdict.MEND if across or scattered else Verdict.LOOK
    entries = tuple(_group(found, group) for group in groups)
    return Finding("copies", verdict, extra, what, "keep one of each", command, entries=entries)


def contradictions(found: Examination, command: str) -> Finding:
    """Whether equal files stand under several labels."""
    groups = [group for group in found.copies if contradicts(found, group)]
    if not groups:
        return Finding("contradictions", Verdict.OK, 0, "no picture stands under two labels")
    what = f"{count(len(groups), 'picture')} under two labels or more: one of them is wrong"
    do = "decide which label is right; the manifest leaves them all out and lists them beside it"
    entries = tuple(_group(found, group) for group in groups)
    return Finding("contradictions", Verdict.MEND, len(groups), what, do, command, entries=entries)


def _group(found: Examination, group: Sequence[int]) -> str:
    labels, splits = found.labels, found.splits
    marks = []
    if len(inside := sorted({splits[row] for row in group})) > 1:
        marks.append(f"in {' and '.join(inside)}")
    if len(under := sorted({str(labels[row]) for row in group})) > 1:
        marks.append(f"labelled {' and '.join(under)}")
    return " = ".join(found.ids[row] for row in group) + (f" ({'; '.join(marks)})" if marks else "")


def pairs_of(found: Examination, *, across_labels: bool) -> list[int]:
    """Places of the near-duplicates whose labels differ, or of all others; those across splits first."""
    labels, splits = found.labels, found.splits
    near = found.near
    pairs = list(zip(near.first.tolist(), near.second.tolist(), strict=True))
    chosen = [
        place
        for place, (a, b) in enumerate(pairs)
        if (len({labels[a], labels[b]} - {None}) > 1) == across_labels
    ]
    return sorted(chosen, key=lambda place: splits[pairs[place][0]] == splits[pairs[place][1]])


def near_duplicates(found: Examination, command: str) -> Finding:
    """Whether one picture is there in several versions, under one label."""
    places = pairs_of(found, across_labels=False)
    least = "" if found.near.complete else "at least "
    if not places:
        what = f"no near-duplicates of one label among {count(found.near.candidates, 'likely pair')}"
        return Finding("near_duplicates", Verdict.OK, 0, what)
    splits = found.splits
    across = sum(splits[found.near.first[place]] != splits[found.near.second[place]] for place in places)
    what = f"{least}{count(len(places), 'pair')} of near-duplicates"
    what += f", {across:,} of them across splits: what is judged was learned from" if across else ""
    what += "" if found.table.has_splits else ": a split by ratio would put some on both sides"
    verdict = Verdict.MEND if across else Verdict.LOOK
    entries = tuple(_pair(found, place) for place in places)
    do = "keep one of each"
    return Finding("near_duplicates", verdict, len(places), what, do, command, entries=entries)


def doubtful_labels(found: Examination, _command: str) -> Finding:
    """Whether one picture is there in several versions, under several labels."""
    places = pairs_of(found, across_labels=True)
    if not places:
        what = "no near-duplicates under two labels"
        return Finding("doubtful_labels", Verdict.OK, 0, what)
    what = f"{count(len(places), 'pair')} of near-duplicates under two labels: a label may be wrong"
    do = "look at them side by side (--html); where two things only look alike, all is well"
    entries = tuple(_pair(found, place) for place in places)
    return Finding("doubtful_labels", Verdict.LOOK, len(places), what, do, entries=entries)


def _pair(found: Examination, place: int) -> str:
    rows = int(found.near.first[place]), int(found.near.second[place])
    return f"{_group(found, rows).replace(' = ', ' ~ ', 1)} {difference(found, place)}"


def difference(found: Examination, place: int) -> str:
    """How much a pair of near-duplicates differs, in words."""
    mirrored = ", mirrored" if found.near.mirrored[place] else ""
    return f"differ by {found.near.differences[place]:.2f}{mirrored}"
