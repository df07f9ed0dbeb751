"""Which picture of a group is proposed to stay: a rule, read from words, ranks pictures and explains itself.

A rule is a list of criteria; a later one decides among those that are equal by all before. Pictures of the
library stay anyway and come first. Nothing is moved here.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lookalike.duplicates.records import Member
from lookalike.errors import ConfigError

KEEP = "resolution,format,bytes,oldest,name"
FOLDER = "folder:"

# what loses nothing before what does, what is common before what is not; others come last
_FORMATS = ("DNG", "TIFF", "PNG", "BMP", "PPM", "JPEG2000", "WEBP", "HEIF", "AVIF", "JPEG", "MPO", "GIF")


@dataclass(frozen=True, slots=True)
class _Criterion:
    """A name, a key by which the least is best, and what is said of the best beside others."""

    name: str
    key: Callable[[Member], Any]
    words: Callable[[Member, Sequence[Member]], str]


@dataclass(frozen=True, slots=True)
class KeepRule:
    """The order in which pictures are worth keeping.

    Attributes:
        text: the criteria, separated by commas, of: resolution (the most pixels first; a
            picture that was enlarged has those of its source), bytes (the largest
            file), format (one without loss before one with), oldest or newest (by the file's time), name
            (the shortest), folder:PATH (what lies below the folder). After those that were asked for come
            the others of KEEP. What is still equal goes by its path.
    """

    text: str
    criteria: tuple[_Criterion, ...]

    @classmethod
    def parse(cls, text: str) -> KeepRule:
        """Read a rule.

        Raises:
            ConfigError: a criterion is not known, or there is none.
        """
        names = [name.strip() for name in text.split(",") if name.strip()]
        if not names:
            raise _unknown("", text)
        return cls(",".join(names), tuple(_criterion(name, text) for name in _with_others(names)))

    def check_folders(self) -> None:
        """Refuse a folder that is not there: a misspelt one would keep nothing, and look as if it did.

        Raises:
            ConfigError: one is not.
        """
        for name in self.text.split(","):
            if name.startswith(FOLDER) and not os.path.isdir(_place(name)):  # noqa: PTH112 - of any length
                raise ConfigError(
                    "there is no such folder",
                    where="keep",
                    saw=name,
                    wanted="a folder, whose pictures are to stay",
                    do="check its name",
                )

    def key(self, member: Member) -> tuple[Any, ...]:
        """Sorts members, the one to keep first; no two of different path or box are equal."""
        own = (criterion.key(member) for criterion in self.criteria)
        return (not member.library, *own, member.path, member.box)

    def reason(self, keeper: Member, others: Sequence[Member]) -> str:
        """Why a member is kept before others, in one sentence; it is the first of them all by `key`."""
        if keeper.library:
            return "It belongs to the library that was compared against."
        left, said = list(others), []
        for criterion in self.criteria:
            equal = [member for member in left if criterion.key(member) == criterion.key(keeper)]
            if len(equal) < len(left):
                said.append(criterion.words(keeper, others))
            left = equal
            if not left:
                return f"It has {_listed(said)}."
        equals = "one other" if len(left) == 1 else f"{len(left)} others"
        have = f"It has {_listed(said)}; like " if said else "Like "
        return f"{have}{equals} by {self.text}, it comes first by its path."


def _listed(said: Sequence[str]) -> str:
    """
    >>> _listed(["the most pixels"]), _listed(["the most pixels", "the largest file"])
    ('the most pixels', 'the most pixels and among equals the largest file')
    """
    return " and among equals ".join(said)


def _criterion(name: str, text: str) -> _Criterion:
    if name.startswith(FOLDER) and len(name) > len(FOLDER):
        return _folder(name)
    if name not in _CRITERIA:
        raise _unknown(name, text)
    return _CRITERIA[name]


def _with_others(names: Sequence[str]) -> list[str]:
    """
    >>> _with_others(["newest", "bytes"])
    ['newest', 'bytes', 'resolution', 'format', 'name']
    """
    opposite = {"newest": "oldest"}
    taken = {*names, *(opposite.get(name, "") for name in names)}
    return [*names, *(name for name in KEEP.split(",") if name not in taken)]


def _place(name: str) -> str:
    return os.path.abspath(os.path.expanduser(name.removeprefix(FOLDER)))  # noqa: PTH100, PTH111


def _folder(name: str) -> _Criterion:
    place = _place(name)
    start = os.path.join(place, "")  # noqa: PTH118 - "/" alone has its separator already
    return _Criterion(
        name, lambda member: not member.path.startswith(start), lambda *_: f"its place in {place}"
    )


def _pixels(member: Member) -> tuple[int, bool]:
    """What was enlarged comes after what shows as much without."""
    width, height = member.shown or member.size
    return -width * height, member.shown is not None


def _most_pixels(member: Member, others: Sequence[Member]) -> str:
    size = f"{member.size[0]} x {member.size[1]}"
    if any(other.shown for other in others) and not member.shown:
        return f"the most detail ({size}; what is larger shows no more)"
    return f"the most pixels ({size})"


def _format_rank(member: Member) -> int:
    return _FORMATS.index(member.format) if member.format in _FORMATS else len(_FORMATS)


def _date(member: Member) -> str:
    return f"{datetime.fromtimestamp(member.mtime_ns / 1e9, UTC):%Y-%m-%d}"


def _name_length(member: Member) -> int:
    return len(os.path.basename(member.path))  # noqa: PTH119 - Path() costs ten times as much, once a picture


_CRITERIA = {
    each.name: each
    for each in (
        _Criterion(
            "resolution",
            _pixels,
            _most_pixels,
        ),
        _Criterion(
            "bytes",
            lambda member: -member.bytes,
            lambda member, _: f"the largest file ({member.bytes:,} bytes)",
        ),
        _Criterion(
            "format", _format_rank, lambda member, _: f"the better format ({member.format or 'unknown'})"
        ),
        _Criterion(
            "oldest", lambda member: member.mtime_ns, lambda member, _: f"the oldest file ({_date(member)})"
        ),
        _Criterion(
            "newest", lambda member: -member.mtime_ns, lambda member, _: f"the newest file ({_date(member)})"
        ),
        _Criterion("name", _name_length, lambda *_: "the shortest name"),
    )
}


def _unknown(name: str, text: str) -> ConfigError:
    known = [*_CRITERIA, f"{FOLDER}PATH"]
    near = difflib.get_close_matches(name, known, n=1)
    return ConfigError(
        "the rule of what to keep is not understood",
        where=f"keep: {text}",
        saw=name or "nothing",
        wanted=", ".join(known),
        do=f"did you mean {near[0]}?" if near else f"for example keep {KEEP}",
    )
