"""Larger pictures that show no more: groups enter, which of what they would keep was enlarged leaves.

Each halving of a picture takes about as much away as the one before. Of a picture that was enlarged the first
ones take next to nothing: there is no detail finer than that of the smaller picture that it was made from. So
the larger one is decoded in full beside smaller ones of its shape. In doubt it was not: that takes something
away. What was enlarged by repeating pixels has edges finer than its source, and is not recognised. What is
kept in the end is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.duplicates.records import Band, Group, Member
from lookalike.errors import ImageError
from lookalike.models.embedding import map_in_order
from lookalike.pictures.images import open_image
from lookalike.records import Pixels, Progress

Size = tuple[int, int]  # width and height
Tried = set[tuple[bytes, bytes]]  # hashes of a larger picture and of a smaller one

MOST = 2000  # pictures that are looked at: one of 12 megapixels takes a third of a second

_SAME_SHAPE = 0.02  # by which the ratio of the sides may be off
_SMALLEST, _LARGEST = 0.25, 0.8  # of the larger one's sides: what is beyond that tells too little
# An enlarged picture loses less than so much of what its source loses by the same step.
_LEAST, _BY_SHARE = 0.02, 0.52
_FAINT = 0.5  # grey levels: a source that loses less has no fine detail


def find_enlarged(
    groups: Iterable[Group], tried: Tried, *, progress: Progress | None = None
) -> dict[bytes, Size]:
    """What was enlarged of what would stay, by its hash: the size of the smaller picture that shows as much.

    A keeper brings those with its pixels along.

    Args:
        tried: pairs that were compared before, which are left out, and whose larger pictures count among
            the most that are looked at; takes those that are compared now.
        progress: called with (groups done, groups).
    """
    asked = _open(groups, tried)[: max(0, MOST - len({large for large, _ in tried}))]
    for group, smaller in asked:
        tried.update((group.members[group.keeper].hash, member.hash) for member in smaller)
    found: dict[bytes, Size] = {}
    for done, (group, size) in enumerate(map_in_order(_source_of, asked), start=1):
        if size is not None:
            found |= dict.fromkeys(_with_its_pixels(group), size)
        if progress is not None:
            progress(done, len(asked))
    return found


def note_of_rest(groups: Iterable[Group], tried: Tried) -> tuple[str, ...]:
    """A sentence, where there were too many groups to look at."""
    left = len(_open(groups, tried))
    groups_left = f"{left:,} groups were" if left > 1 else "1 group was"
    what = f"{groups_left} not looked at for enlarged copies, which may stay there: there were too many."
    return (what,) if left else ()


def is_enlarged(large: Pixels, small: Pixels) -> bool:
    """Whether the larger of two copies of one picture, of the same shape, shows nothing that is finer.

    Args:
        large, small: [h, w, 3].
    """
    share = small.shape[1] / large.shape[1]
    beyond = _lost(large, (small.shape[1], small.shape[0]))
    finest = _lost(small, (round(small.shape[1] * share), round(small.shape[0] * share)))
    return bool(beyond < (_LEAST + _BY_SHARE * share) * max(finest, _FAINT))


def _lost(pixels: Pixels, size: Size) -> float:
    """Grey levels, root mean square, that a picture loses when it is made smaller and large again."""
    grey = Image.fromarray(pixels).convert("L")
    lanczos = Image.Resampling.LANCZOS
    again = grey.resize((max(1, size[0]), max(1, size[1])), lanczos).resize(grey.size, lanczos)
    return float(np.sqrt(np.mean((np.asarray(grey, np.float32) - np.asarray(again, np.float32)) ** 2)))


def _open(groups: Iterable[Group], tried: Tried) -> list[tuple[Group, list[Member]]]:
    """The groups with something to compare the keeper with."""
    return [(group, smaller) for group in groups if (smaller := _smaller(group, tried))]


def _smaller(group: Group, tried: Tried) -> list[Member]:
    """Two large and the least of the smaller pictures of the keeper's shape that it was not compared with."""
    keeper = group.members[group.keeper]
    if group.band is not Band.NEAR_COPY or keeper.library or keeper.box:
        return []
    whole = [member for member in group.members if not member.box]
    sizes = {member.size: member for member in whole if _is_smaller(member.size, keeper.size)}
    found = [sizes[size] for size in sorted(sizes, reverse=True)]
    return [each for each in [*found[:2], *found[2:][-1:]] if (keeper.hash, each.hash) not in tried]


def _is_smaller(size: Size, than: Size) -> bool:
    if not all(size) or not all(than):
        return False
    across, down = size[0] / than[0], size[1] / than[1]
    return _SMALLEST <= across <= _LARGEST and abs(across / down - 1.0) <= _SAME_SHAPE


def _source_of(asked: tuple[Group, Sequence[Member]]) -> tuple[Group, Size | None]:
    """A group, and the least size among the smaller pictures that show as much as its keeper."""
    group, smaller = asked
    try:
        large = open_image(Path(group.members[group.keeper].path))
    except ImageError:
        return group, None
    shows_as_much = [member.size for member in smaller if _shows_as_much(member, large)]
    return group, min(shows_as_much, default=None)


def _with_its_pixels(group: Group) -> set[bytes]:
    """The hashes of the keeper and of what has its pixels; the keeper represents."""
    keeper = group.members[group.keeper]
    members = [member for place, member in enumerate(group.members) if place != group.representative]
    told = zip(members, group.evidence, strict=True)
    equal = {member.hash for member, each in told if member.size == keeper.size and not each.difference}
    return equal | {keeper.hash}


def _shows_as_much(member: Member, large: Pixels) -> bool:
    try:
        small = open_image(Path(member.path))
    except ImageError:
        return False
    return small.shape[1] < large.shape[1] and is_enlarged(large, small)
