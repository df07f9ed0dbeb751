"""Why two pictures are in one group, in a sentence: what was measured of them enters, words leave."""

from __future__ import annotations

import numpy as np

from lookalike.duplicates.comparing import Edge
from lookalike.duplicates.limits import Asked
from lookalike.duplicates.records import Band
from lookalike.records import Look

_SAME_SHAPE = 0.02  # by which the ratio of the sides may be off, for a picture that was only scaled
SURE = 0.25  # difference of pixels, up to which a picture is said to have been made of the other
_LIT = 10.0  # grey levels in the mean, from which on a picture is called brighter


def why(edge: Edge, representative: Look | None, member: Look | None, asked: Asked) -> str:
    """What a member is to the representative."""
    if edge.through is not None:
        return f"alike by way of one that somebody decided is the same, similarity {edge.similarity:.2f}"
    if edge.band is Band.SAME_THING:
        return f"similarity {edge.similarity:.2f}, from {asked.same:.2f} on the same thing"
    if edge.difference is None and edge.band is Band.NEAR_COPY:
        return f"somebody decided that it is the same, similarity {edge.similarity:.2f}"
    if edge.band is Band.SAME_PIXELS:
        return _same_pixels(representative, member)
    measured = f"similarity {edge.similarity:.2f}, pixels differ by {edge.difference:.2f}"
    return f"{_changed(edge, representative, member)}, {measured}"


def _same_pixels(representative: Look | None, member: Look | None) -> str:
    if representative is None or member is None or representative.format == member.format:
        return "same pixels in another file, saved again without loss or with other metadata"
    return f"same pixels in another file format, {member.format} beside {representative.format}"


def _changed(edge: Edge, representative: Look | None, member: Look | None) -> str:
    """What was done to it, as far as sizes and brightness tell.

    A picture that was scaled keeps its shape, one that was cropped need not.
    """
    if representative is None or member is None or not all(map(_has_size, (representative, member))):
        return "the same picture"
    sure = edge.difference is not None and edge.difference <= SURE
    said = [_resized(representative, member, sure=sure)]
    if edge.mirrored:
        said.append("mirrored")
    light = _light(member) - _light(representative)
    if abs(light) >= _LIT:
        said.append("brighter" if light > 0 else "darker")
    return ", ".join(said)


def _resized(representative: Look, member: Look, *, sure: bool) -> str:
    if (representative.width, representative.height) == (member.width, member.height):
        return "changed or saved again in the same size" if sure else "much like it in the same size"
    across, down = member.width / representative.width, member.height / representative.height
    if abs(across / down - 1.0) <= _SAME_SHAPE:
        return f"{'enlarged' if across > 1 else 'scaled or cropped'} to {100 * across:.0f} %"
    return f"cropped or stretched to {member.width} x {member.height}"


def _has_size(look: Look) -> bool:
    return look.width > 0 and look.height > 0


def _light(look: Look) -> float:
    return float(np.frombuffer(look.print, np.uint8).mean())
