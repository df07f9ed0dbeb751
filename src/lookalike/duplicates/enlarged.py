"""Larger pictures that show no more: groups enter, what was enlarged or framed of what stays leaves.

Each halving of a picture takes about as much away as the one before. Of a picture that was enlarged the first
ones take next to nothing: there is no detail finer than that of the smaller picture that it was made from. So
the larger one is decoded in full beside smaller ones of its shape. A smaller one that was sharpened, or lit,
shows more than the larger one at every scale, so it tells nothing. In doubt it was not: that takes something
away. What was enlarged by repeating pixels has edges finer than its source, and is not recognised. What is
kept in the end is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.duplicates.framed import Size, may_frame, size_within
from lookalike.duplicates.records import Band, Evidence, Group, Member
from lookalike.errors import ImageError
from lookalike.models.embedding import map_in_order
from lookalike.pictures.images import open_image
from lookalike.records import Pixels, Progress

Tried = set[tuple[bytes, bytes]]  # hashes of a larger picture and of a smaller one
Told = dict[tuple[bytes, bytes], Size | None]  # what the larger one shows, as far as the smaller one tells

MOST = 2000  # pictures that are looked at: one of 12 megapixels takes a third of a second

_LANCZOS = Image.Resampling.LANCZOS
_SAME_SHAPE = 0.02  # by which the ratio of the sides may be off
_SMALLEST, _LARGEST = 0.25, 0.8  # of the larger one's sides: what is beyond that tells too little
# An enlarged picture loses less than so much of what its source loses by the same step.
_LEAST, _BY_SHARE = 0.02, 0.52
_FAINT = 0.5  # grey levels: a source that loses less has no fine detail
_SHARPENED = (
    1.15  # times the coarser detail of the larger one: enlarging leaves that, but for an eighth at most
)


def find_enlarged(
    groups: Iterable[Group], tried: Tried, *, told: Told | None = None, progress: Progress | None = None
) -> dict[bytes, Size]:
    """What was enlarged or framed of what would stay, by its hash: the size of a picture that shows as much.

    A keeper brings those with its pixels along.

    Args:
        tried: pairs that were compared before, which are left out, and whose larger pictures count among
            the most that are looked at; takes those that are compared now.
        told: what was found of pairs at another time, so that they need not be opened; takes what is found.
        progress: called with (groups done, groups).
    """
    asked = _open(groups, tried)[: max(0, MOST - len({large for large, _ in tried}))]
    for group, smaller in asked:
        tried.update((group.members[group.keeper].hash, member.hash) for member in smaller)
    told = {} if told is None else told
    found: dict[bytes, Size] = {}
    compare = partial(_compared, dict(told))
    for done, ((group, smaller), now) in enumerate(
        zip(asked, map_in_order(compare, asked), strict=True), start=1
    ):
        told |= now
        keeper = group.members[group.keeper].hash
        sizes = [size for member in smaller if (size := told[keeper, member.hash]) is not None]
        if sizes:
            found |= dict.fromkeys(_with_its_pixels(group), min(sizes))
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
    larger, smaller = (Image.fromarray(pixels).convert("L") for pixels in (large, small))
    width, height = smaller.size
    beyond, finest = (
        _lost(larger, smaller.size),
        _lost(smaller, (round(width * share), round(height * share))),
    )
    if beyond >= (_LEAST + _BY_SHARE * share) * max(finest, _FAINT):
        return False
    half = max(1, width // 2), max(1, height // 2)  # what is finer, enlarging may weaken
    coarse, shown = (
        _lost(each.resize(half, _LANCZOS), (half[0] // 2, half[1] // 2)) for each in (larger, smaller)
    )
    return shown <= _SHARPENED * max(coarse, _FAINT)


def _lost(grey: Image.Image, size: Size) -> float:
    """Grey levels, root mean square, that a picture loses when it is made smaller and large again."""
    again = grey.resize((max(1, size[0]), max(1, size[1])), _LANCZOS).resize(grey.size, _LANCZOS)
    return float(np.sqrt(np.mean((np.asarray(grey, np.float32) - np.asarray(again, np.float32)) ** 2)))


def _open(groups: Iterable[Group], tried: Tried) -> list[tuple[Group, list[Member]]]:
    """The groups with something to compare the keeper with."""
    return [(group, smaller) for group in groups if (smaller := _smaller(group, tried))]


def _smaller(group: Group, tried: Tried) -> list[Member]:
    """What to compare the keeper with, that it was not: two large and the least of the smaller pictures of
    its shape, and what it may be a frame around."""
    keeper = group.members[group.keeper]
    if group.band is not Band.NEAR_COPY or keeper.library or keeper.box:
        return []
    compared = [member for member, each in _told(group) if each.difference is not None]  # not decided on
    whole = [member for member in compared if not member.box]
    sizes = {member.size: member for member in whole if _is_smaller(member.size, keeper.size)}
    found = [sizes[size] for size in sorted(sizes, reverse=True)]
    chosen = {each.hash: each for each in [*found[:2], *found[2:][-1:], *_within(whole, keeper.size)]}
    return [each for each in chosen.values() if (keeper.hash, each.hash) not in tried]


def _within(members: Iterable[Member], size: Size) -> list[Member]:
    """The largest two that a frame may have been put around."""
    found = [member for member in members if all(member.size) and may_frame(size, member.size)]
    return sorted(found, key=lambda member: (-member.size[0] * member.size[1], member.hash))[:2]


def _is_smaller(size: Size, than: Size) -> bool:
    if not all(size) or not all(than):
        return False
    across, down = size[0] / than[0], size[1] / than[1]
    return _SMALLEST <= across <= _LARGEST and abs(across / down - 1.0) <= _SAME_SHAPE


def _compared(told: Told, asked: tuple[Group, Sequence[Member]]) -> Told:
    """What the keeper shows, as the smaller pictures tell, but those that are told already."""
    keeper = asked[0].members[asked[0].keeper]
    new = {(keeper.hash, member.hash): member for member in asked[1]}
    new = {pair: member for pair, member in new.items() if pair not in told}
    if not new:
        return {}
    try:
        large = open_image(Path(keeper.path))
    except ImageError:
        return dict.fromkeys(new, None)
    return {pair: _shown(large, member) for pair, member in new.items()}


def _with_its_pixels(group: Group) -> set[bytes]:
    """The hashes of the keeper, which represents, and of what has its pixels; no decision tells that."""
    keeper = group.members[group.keeper]
    equal = {member.hash for member, each in _told(group) if each.band in (Band.EXACT, Band.SAME_PIXELS)}
    return equal | {keeper.hash}


def _told(group: Group) -> Iterator[tuple[Member, Evidence]]:
    """All but the representative, with what is known of them beside it."""
    members = (member for place, member in enumerate(group.members) if place != group.representative)
    return zip(members, group.evidence, strict=True)


def _shown(large: Pixels, member: Member) -> Size | None:
    """The size of what a picture shows, where a smaller one shows as much."""
    try:
        small = open_image(Path(member.path))
    except ImageError:
        return None
    size = small.shape[1], small.shape[0]
    if _is_smaller(size, (large.shape[1], large.shape[0])) and is_enlarged(large, small):
        return size
    return size_within(large, small)
