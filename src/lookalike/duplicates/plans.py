"""A plan: which files would be put away and why, as a JSON file that a person reads, changes and keeps.

Groups of duplicates enter; a plan leaves that names every file with its content hash, the keeper of each
group first. It is written whole or not at all, and read with suspicion: a person may have worked on it. No
file is touched here.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from lookalike.duplicates.records import Duplicates, Evidence, Group, Member
from lookalike.errors import PlanError
from lookalike.files import write_atomically
from lookalike.models.embedding import HASH_BYTES
from lookalike.pictures.finding import bad_name, printable

FORMAT = 1

Action = Literal["keep", "move"]
ACTIONS: tuple[Action, ...] = ("keep", "move")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a plan.

    Attributes:
        path: absolute.
        hash: of the whole content, in hexadecimal digits.
        reason: why it stays, or why it goes; one sentence.
    """

    path: str
    hash: str
    bytes: int
    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """A keeper, which stays where it is, and the other files of its group."""

    band: str
    keeper: Entry
    members: tuple[Entry, ...]

    @property
    def moves(self) -> tuple[Entry, ...]:
        """The files that go."""
        return tuple(entry for entry in self.members if entry.action == "move")


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be put away.

    Attributes:
        index: the index that the groups were found in; created: when, ISO 8601.
        folder: every file that goes lies below it; in quarantine, files keep their paths from here.
    """

    index: str
    created: str
    folder: str
    groups: tuple[PlannedGroup, ...]

    @property
    def moves(self) -> int:
        """How many files go."""
        return sum(len(group.moves) for group in self.groups)

    @property
    def bytes(self) -> int:
        """How much they hold."""
        return sum(entry.bytes for group in self.groups for entry in group.moves)


def plan_of(found: Duplicates, *, index: Path, created: str, roots: Sequence[str] = ()) -> Plan:
    """Plan to put away what is removable of every group; nothing else of what was found.

    Left alone are parts of pictures, whose file holds others, and groups of which nothing would go.

    Args:
        created: when, ISO 8601.
        roots: the folders that the index was made from: the plan's folder is one of them where all files that
            go lie in it, else the deepest that holds them.
    """
    groups = tuple(planned for group in found.groups if (planned := _planned(group)).moves)
    moved = [entry.path for group in groups for entry in group.moves]
    return Plan(os.path.abspath(index), created, _folder_of(moved, roots), groups)  # noqa: PTH100 - links stay


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan, whole or not at all.

    Raises:
        PlanError: the name of the index's folder is not UTF-8, so no plan can say it.
        LookalikeError: the folder is missing, read-only or full.
    """
    check_index(Path(plan.index))
    values = {"format": FORMAT, **asdict(plan)}
    write_atomically(path, (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())


def check_index(path: Path) -> None:
    """Refuse an index that no plan can name, with a PlanError: its path is not UTF-8."""
    if flaw := bad_name(os.path.abspath(path)):  # noqa: PTH100 - links stay
        what, do = "a plan cannot name this index", "move the index to a folder whose name is UTF-8"
        raise PlanError(what, where=printable(path), saw=flaw, wanted="a name that is UTF-8", do=do)


def read_plan(path: Path) -> Plan:
    """Read what `write_plan` wrote, also where a person has changed it since.

    Raises:
        PlanError: there is no plan, it is of another format version, or a value of it is not what it should
            be; the message names the place.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise _no_plan(path, getattr(error, "strerror", None) or str(error)) from error
    if not isinstance(values, dict) or "format" not in values or "groups" not in values:
        raise _no_plan(path, "a file of another kind")
    if values["format"] != FORMAT:
        what, do = "the plan is of another format version", "update lookalike, or make the plan again"
        raise PlanError(what, where=path, saw=f"format {values['format']}", wanted=f"format {FORMAT}", do=do)
    return _Reader(path).plan(values)


def file_hash(member: Member) -> str:
    """The content hash of a member's file; empty for a part of a picture, whose hash is not the file's."""
    return "" if member.box else member.hash.hex()


def target_of(plan: Plan, entry: Entry, quarantine: Path) -> Path:
    """Where a file goes: below the quarantine as it lay below the plan's folder."""
    return quarantine / Path(entry.path).relative_to(plan.folder)


def _planned(group: Group) -> PlannedGroup:
    keeper = group.members[group.keeper]
    going = {member.key for member in group.removable} if file_hash(keeper) else set()
    members = tuple(
        _entry(group, member, going=member.key in going and bool(file_hash(member)))
        for place, member in enumerate(group.members)
        if place != group.keeper and not (member.box and member.path == keeper.path)
    )
    kept = Entry(keeper.path, file_hash(keeper), keeper.bytes, "keep", group.keeper_reason)
    return PlannedGroup(str(group.band), kept, members)


def _entry(group: Group, member: Member, *, going: bool) -> Entry:
    place = group.members.index(member)
    reason = reason_of(group, place) if going or not (stays := why_it_stays(group, place)) else stays
    return Entry(member.path, file_hash(member), member.bytes, "move" if going else "keep", reason)


def why_it_stays(group: Group, place: int) -> str:
    """Why nothing is proposed for a member, one sentence; empty where it would go."""
    member = group.members[place]
    if place == group.keeper:
        return group.keeper_reason
    if member.library:
        return "It belongs to the library."
    if member.link:
        return "It is a symbolic link, no file of its own."
    if place in group.settled:
        return "Somebody decided to keep both."
    if member.box or group.members[group.keeper].box:
        return f"{'It' if member.box else 'What is kept'} is a part of a picture, no file of its own."
    other = group.holder(place)
    return f"It is one file with {other.path}, which stays." if other is not None else ""


def reason_of(group: Group, place: int) -> str:
    """What joins a member to its group, one sentence; of the representative, what joins the keeper to it."""
    told = evidence_of(group, place if place != group.representative else group.keeper)
    return told.why if told is not None else group.keeper_reason


def evidence_of(group: Group, place: int) -> Evidence | None:
    """How a member compares with the representative; None for the representative itself."""
    if place == group.representative:
        return None
    return group.evidence[place - (place > group.representative)]


def _folder_of(paths: Sequence[str], roots: Sequence[str]) -> str:
    """The deepest folder that holds the roots of all files; the root of the file system where none does."""
    folders = {_root_of(Path(path), roots) for path in paths}
    try:
        return os.path.commonpath(folders) if folders else os.sep
    except ValueError:  # on several drives
        return os.sep


def _root_of(path: Path, roots: Sequence[str]) -> str:
    holding = [root for root in roots if path.is_relative_to(root)]
    return max(holding, key=len, default=str(path.parent))


def _no_plan(path: Path, saw: str) -> PlanError:
    return PlanError(
        "the plan cannot be read",
        where=path,
        saw=saw.partition("\n")[0][:200],
        wanted="what lookalike duplicates INDEX --plan wrote",
        do="name the plan, or make it again",
    )


class _Reader:
    """Values of a plan file, each checked where it is taken."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def plan(self, values: Mapping[str, Any]) -> Plan:
        folder = self._path_of(values, "folder", "")
        groups = tuple(
            self._group(group, f"groups[{number}]", folder)
            for number, group in enumerate(self._list(values, "groups", ""))
        )
        return Plan(self._text(values, "index", ""), self._text(values, "created", ""), folder, groups)

    def _group(self, values: Any, place: str, folder: str) -> PlannedGroup:
        values = self._object(values, place)
        keeper = self._entry(values.get("keeper"), f"{place}.keeper")
        members = tuple(self._members(values, place, folder))
        if keeper.action != "keep":
            raise self._wrong(f"{place}.keeper.action", keeper.action, "keep: the keeper stays")
        return PlannedGroup(self._text(values, "band", place), keeper, members)

    def _members(self, values: Mapping[str, Any], place: str, folder: str) -> Iterator[Entry]:
        for number, each in enumerate(self._list(values, "members", place)):
            entry = self._entry(each, f"{place}.members[{number}]")
            parts = Path(entry.path).parts
            if entry.action == "move" and (not Path(entry.path).is_relative_to(folder) or ".." in parts):
                where = f"{place}.members[{number}].path"
                raise self._wrong(where, entry.path, f"a file below the plan's folder {folder}")
            yield entry

    def _entry(self, values: Any, place: str) -> Entry:
        values = self._object(values, place)
        digest, action = self._text(values, "hash", place), self._text(values, "action", place)
        if action not in ACTIONS:
            raise self._wrong(f"{place}.action", repr(action), "keep or move")
        is_hash = len(digest) == 2 * HASH_BYTES and not set(digest) - set("0123456789abcdef")
        if not is_hash and (digest or action == "move"):
            raise self._wrong(f"{place}.hash", repr(digest), f"{2 * HASH_BYTES} hexadecimal digits")
        size = values.get("bytes")
        if not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise self._wrong(f"{place}.bytes", repr(size), "a count")
        path = self._path_of(values, "path", place)
        return Entry(path, digest, size, action, self._text(values, "reason", place))

    def _path_of(self, values: Mapping[str, Any], key: str, place: str) -> str:
        text = self._text(values, key, place)
        if not Path(text).is_absolute() or "\0" in text or bad_name(text):
            raise self._wrong(_joined(place, key), repr(text), "an absolute path")
        return text

    def _text(self, values: Mapping[str, Any], key: str, place: str) -> str:
        text = values.get(key)
        if not isinstance(text, str):
            raise self._wrong(_joined(place, key), repr(text), "a text")
        return text

    def _list(self, values: Mapping[str, Any], key: str, place: str) -> list[Any]:
        found = values.get(key)
        if not isinstance(found, list):
            raise self._wrong(_joined(place, key), repr(found)[:80], "a list")
        return found

    def _object(self, values: Any, place: str) -> Mapping[str, Any]:
        if not isinstance(values, dict):
            raise self._wrong(place, repr(values)[:80], "an object")
        return values

    def _wrong(self, place: str, saw: str, wanted: str) -> PlanError:
        return PlanError(
            "a value of the plan is not what it should be",
            where=f"{self._path}: {place}",
            saw=saw,
            wanted=wanted,
            do="put it right, or make the plan again: lookalike duplicates INDEX --plan FILE",
        )


def _joined(place: str, key: str) -> str:
    return f"{place}.{key}" if place else key
