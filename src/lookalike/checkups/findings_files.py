"""Findings on files and pixels: broken, of one colour, tiny, elongated, or of a kind that tells the label.

An Examination and the command that mends enter, a Finding leaves. Labels and splits are looked at elsewhere.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from lookalike.checkups.examination import FAINT, Examination
from lookalike.checkups.findings import Finding, Verdict, count

ELONGATED = 2.0  # longer side over shorter: a square crop loses half of the picture
OVERHANG = 2  # pixels by which a box may reach beyond its picture: rounding does that much
TINY = 32  # pixels of the shorter side
GREY = frozenset({"1", "L", "LA", "La", "I", "I;16", "I;16B", "F"})
PURE = 0.9  # share of labels whose pictures are all of one kind, from which on the kind tells the label


def files(found: Examination, command: str) -> Finding:
    """Whether every file, and every box, can be used."""
    skipped = (*found.description.skipped, *found.boxless)
    total = len(found.table) + len(found.table.skipped)
    if not skipped and found.usable.all():
        return Finding("files", Verdict.OK, 0, f"all {count(total, 'picture')} can be used")
    bad = len(found.table.skipped) + int((~found.usable).sum())
    reasons = Counter(str(entry.reason) for entry in skipped).most_common()
    why = ", ".join(f"{number:,} {reason}" for reason, number in reasons) or "boxes outside their pictures"
    return Finding(
        "files",
        Verdict.MEND,
        bad,
        f"{bad:,} of {count(total, 'picture')} cannot be used ({why})",
        "restore them, or leave them out",
        command if found.usable.any() else "",
        entries=tuple(f"{e.path}: {e.reason}{f' ({e.detail})' if e.detail else ''}" for e in skipped),
    )


def boxes(found: Examination, _command: str) -> Finding:
    """Whether boxes reach beyond their pictures."""
    given = sum(box is not None for box in found.table.boxes)
    beyond = {row: reach for row, reach in _reaches(found) if reach > OVERHANG}
    if not beyond:
        what = f"{count(given, 'box', 'boxes')}, none beyond its picture" if given else "no boxes"
        return Finding("boxes", Verdict.OK, 0, what)
    frame = found.table.frame
    entries = tuple(
        f"{frame['image'][row]}: box {','.join(map(str, frame['box'][row]))} in {size[0]} x {size[1]} pixels"
        for row in beyond
        for size in [found.seen[frame["image"][row]].size]
    )
    what = f"{len(beyond):,} of {count(given, 'box', 'boxes')} beyond the picture, by up to "
    what += f"{max(beyond.values()):,} pixels: only the part inside is looked at"
    do = "check that they are left, top, right, bottom, not width and height, and of pictures of this size"
    return Finding("boxes", Verdict.LOOK, len(beyond), what, do, entries=entries)


def _reaches(found: Examination) -> Iterator[tuple[int, int]]:
    """Rows with a usable box, and by how many pixels it reaches beyond its picture."""
    rows = zip(found.table.frame["image"], found.table.boxes, found.usable, strict=True)
    for row, (image, box, usable) in enumerate(rows):
        if box is not None and usable:
            width, height = found.seen[image].size
            yield row, max(-box[0], -box[1], box[2] - width, box[3] - height)


def blank(found: Examination, command: str) -> Finding:
    """Whether pictures are of one colour."""
    blank = found.description.blank
    if not blank:
        return Finding("blank", Verdict.OK, 0, "no picture is of one colour")
    what = f"{count(len(blank), 'picture')} of one colour: nothing to learn from"
    return Finding("blank", Verdict.MEND, len(blank), what, "leave them out", command, entries=blank)


def faint(found: Examination, _command: str) -> Finding:
    """Whether pictures are tiny, or nearly of one colour."""
    faint = tuple(
        f"{image}: {_why_faint(entry.size, entry.spread)}"
        for image, entry in found.seen.items()
        if not entry.blank and (min(entry.size) < TINY or entry.spread < FAINT)
    )
    if not faint:
        return Finding("faint", Verdict.OK, 0, "no picture is tiny or nearly of one colour")
    what = f"{count(len(faint), 'picture')} that hold little: tiny, or nearly of one colour"
    do = "look at them; replace them by larger or clearer ones where there are any"
    return Finding("faint", Verdict.LOOK, len(faint), what, do, entries=faint)


def _why_faint(size: tuple[int, int], spread: float) -> str:
    shape = f"{size[0]} x {size[1]} pixels"
    return shape if min(size) < TINY else f"{shape}, colours spread by {spread:.1f} levels of 255"


def shapes(found: Examination, _command: str) -> Finding:
    """Whether pictures are so long that a square crop loses half of them."""
    long = tuple(
        f"{image}: {entry.size[0]} x {entry.size[1]}"
        for image, entry in found.seen.items()
        if max(entry.size) >= ELONGATED * min(entry.size)
    )
    if not long:
        return Finding("shapes", Verdict.OK, 0, f"no picture is {ELONGATED:g} x as long as wide")
    what = f"{count(len(long), 'picture')} {ELONGATED:g} x as long as wide or more: a square crop halves it"
    do = "where that loses something, pad them to a square"
    return Finding("shapes", Verdict.LOOK, len(long), what, do, setting="preprocess.resize=pad", entries=long)


def kinds(found: Examination, _command: str) -> Finding:
    """Whether grey or colour, or the file format, goes with the label."""
    colours = {image: "grey" if entry.mode in GREY else "colour" for image, entry in found.seen.items()}
    formats = {image: entry.format for image, entry in found.seen.items()}
    told = [*_telling(found, colours), *_telling(found, formats)]
    if not told:
        return Finding("kinds", Verdict.OK, 0, "neither colour mode nor file format tells the label")
    what = "colour mode or file format tells the label, and could be learned in its place"
    do = "save all pictures alike"
    return Finding("kinds", Verdict.LOOK, len(told), what, do, entries=tuple(told))


def _telling(found: Examination, kinds: dict[str, str]) -> Iterator[str]:
    by_label: defaultdict[str, list[str]] = defaultdict(list)
    for image, label in zip(found.table.frame["image"], found.labels, strict=True):
        if label is not None and image in kinds:
            by_label[label].append(kinds[image])
    several = {label: set(values) for label, values in by_label.items() if len(values) > 1}
    pure = Counter(min(values) for values in several.values() if len(values) == 1)
    if len(pure) > 1 and pure.total() >= PURE * len(several):
        yield "; ".join(f"{count(n, 'label')} all {kind}" for kind, n in pure.most_common())
