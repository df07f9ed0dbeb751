"""The journal of moves: every step is on the disk before it is done, so that any crash can be understood.

One line of JSON a step, synced. What was noted is played back when the file is opened: which moves were
begun, done, or taken back. A line that a crash cut short was never acted on and is dropped. No picture is
touched here.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import filelock

from lookalike.duplicates.moving import Move, sync_folder
from lookalike.duplicates.plans import read_plan
from lookalike.errors import PlanError
from lookalike.files import check_replaceable, check_writable
from lookalike.pictures.finding import printable

FORMAT = 1
SUFFIX = ".journal.jsonl"
_PLAN = ".json"


class State(StrEnum):
    """How far a move has come."""

    BEGUN = "begun"  # noted, and perhaps done
    MOVED = "moved"  # the file lies at its target
    STAYED = "stayed"  # the file is where it was: it could not be moved
    RETURNING = "returning"  # bringing it back is noted, and perhaps done
    RETURNED = "returned"  # it is where it was, and may be moved anew


@dataclass(frozen=True, slots=True)
class Entry:
    """A move and how far it has come; part: of the copy that may be needed to bring it back."""

    number: int
    move: Move
    state: State
    part: str = ""

    @property
    def back(self) -> Move:
        """The move that undoes it."""
        return replace(self.move, source=self.move.target, target=self.move.source, part=self.part)


@dataclass
class Journal:
    """What was noted.

    Attributes:
        index: that the duplicates were found in; it must not be brought up to date meanwhile.
        entries: number to move, in the order in which they were begun.
        folders: that were made for the moves, outer ones first.
        marked: quarantines, whose marks go when nothing is left in them.
    """

    path: Path
    index: str = ""
    entries: dict[int, Entry] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    marked: list[str] = field(default_factory=list)

    def start(self, index: str) -> None:
        """Write the first line."""
        self._note({"step": "begin", "format": FORMAT, "index": index})
        sync_folder(self.path.parent)
        self.index = index

    def begin(self, move: Move) -> Entry:
        """Note that a file is going to be moved."""
        entry = Entry(len(self.entries) + 1, move, State.BEGUN)
        self._note({"step": State.BEGUN, "number": entry.number, **asdict(move)})
        self.entries[entry.number] = entry
        return entry

    def mark(self, entry: Entry, state: State, *, part: str = "") -> Entry:
        """Note how far a move has come."""
        noted = {"step": state, "number": entry.number} | ({"part": part} if part else {})
        self._note(noted)
        marked = self.entries[entry.number] = replace(entry, state=state, part=part or entry.part)
        return marked

    def make_folders(self, folder: Path) -> None:
        """Make a folder with those above it, each noted before and synced."""
        missing = [place for place in (folder, *folder.parents) if not place.exists()]
        for place in reversed(missing):
            self._note({"step": "folder", "path": str(place)})
            self.folders.append(str(place))
            try:
                place.mkdir(exist_ok=True)
            except FileExistsError as error:
                raise NotADirectoryError(errno.ENOTDIR, "a file where a folder is needed") from error
            sync_folder(place.parent)

    def mark_folder(self, folder: Path) -> None:
        """Note that a folder is a quarantine, before it is marked as one."""
        if str(folder) not in self.marked:
            self._note({"step": "quarantine", "path": str(folder)})
            self.marked.append(str(folder))

    @property
    def standing(self) -> tuple[Entry, ...]:
        """The moves whose files are, or may be, away from where they were."""
        away = (State.BEGUN, State.MOVED, State.RETURNING)
        return tuple(entry for entry in self.entries.values() if entry.state in away)

    def _note(self, values: Mapping[str, Any]) -> None:
        line = json.dumps(values, ensure_ascii=False) + "\n"
        try:
            with self.path.open("ab") as file:
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise PlanError(
                "the journal cannot be written",
                where=self.path,
                saw=error.strerror or str(error),
                wanted="every step written down before it is done",
                do="free some space, or make its folder writable, and run the same command again",
            ) from error


def journal_of(plan: Path) -> Path:
    """Where the journal of a plan lies: beside it.

    Raises:
        PlanError: the name does not end in .json: two plans could have one journal.
    """
    return plan.with_name(f"{stem_of(plan)}{SUFFIX}")


def stem_of(plan: Path) -> str:
    """The name of a plan without its ending; what belongs to it is named after this.

    Raises:
        PlanError: the name does not end in .json.
    """
    if not plan.name.removesuffix(_PLAN) or not plan.name.endswith(_PLAN):
        raise PlanError(
            "this is no name of a plan",
            where=printable(plan),
            saw=plan.suffix or "no extension",
            wanted=f"a name that ends in {_PLAN}, in small letters",
            do=f"name it {printable(plan.stem or 'plan')}{_PLAN}",
        )
    return plan.name.removesuffix(_PLAN)


def is_journal(path: Path) -> bool:
    """Whether a file is a journal, and not a plan."""
    return path.name.endswith(SUFFIX)


def check_new_plan(path: Path) -> None:
    """Find out whether a plan can be written here.

    Raises:
        PlanError: a plan lies here by which files were put away: only its name leads back to them; or it is
            no name of a plan.
        LookalikeError: the folder is missing, read-only or full, or a file lies here that is no plan.
    """
    journal = journal_of(path)
    check_writable(path)
    check_replaceable(path, kind="a plan", is_ours=read_plan)
    standing = read_journal(journal).standing
    away = sum(os.path.lexists(entry.move.target) for entry in standing)  # what was emptied cannot come back
    if away:
        raise PlanError(
            "a plan lies here by which files were put away",
            where=path,
            saw=f"{away:,} of them away",
            do=f"name another file, or bring them back: lookalike undo {shlex.quote(str(path))}",
        )


@contextmanager
def open_journal(path: Path, *, index: str = "") -> Iterator[Journal]:
    """Open a journal to write to it, alone; where there is none it is begun, for plans of this index.

    Raises:
        PlanError: another process holds it, it is damaged, or it cannot be written.
    """
    lock = filelock.FileLock(f"{path}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        what, do = "another process moves these files", "wait until it has finished and run the command again"
        raise PlanError(what, where=path, saw=f"{path.name}.lock held", do=do) from error
    except OSError as error:
        what, do = "the journal cannot be written", "copy the plan to a folder that can be written"
        raise PlanError(what, where=path, saw=error.strerror or str(error), do=do) from error
    try:
        journal = read_journal(path)
        _drop_torn_line(path)
        if not path.exists():
            journal.start(index)
        yield journal
    finally:
        lock.release()


def read_journal(path: Path) -> Journal:
    """Play back what was noted; an empty journal where there is no file.

    Raises:
        PlanError: a line is damaged, or the file is of another format version.
    """
    journal = Journal(path)
    for number, line in enumerate(_lines(path), start=1):
        try:
            _play(journal, _object(json.loads(line)))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise PlanError(
                "the journal is damaged",
                where=f"{path}: line {number}",
                saw=str(error).partition("\n")[0][:120] or type(error).__name__,
                wanted="what apply and undo wrote",
                do="restore the journal; every file that was moved lies in the quarantine under its own path",
            ) from error
    return journal


def _object(values: Any) -> dict[str, Any]:
    """A line's values, each of the type that it was written with."""
    if not isinstance(values, dict):
        raise TypeError(f"{values!r}, not an object"[:80])
    numbers = ("format", "number", "bytes", "mtime_ns", "mode")
    for name, value in values.items():
        wanted = int if name in numbers else str
        if not isinstance(value, wanted) or isinstance(value, bool) or "\0" in str(value):
            raise TypeError(f"{name} {value!r}"[:80])
    return values


def _play(journal: Journal, values: dict[str, Any]) -> None:
    step = values.pop("step")
    if step == "begin":
        if values["format"] != FORMAT:
            raise ValueError(f"format {values['format']}, not {FORMAT}: update lookalike")
        journal.index = values["index"]
    elif step == "folder":
        journal.folders.append(values["path"])
    elif step == "quarantine":
        journal.marked.append(values["path"])
    elif step == State.BEGUN:
        number = values.pop("number")
        journal.entries[number] = Entry(number, Move(**values), State.BEGUN)
    else:
        entry = journal.entries[values["number"]]
        part = values.get("part", entry.part)
        journal.entries[entry.number] = replace(entry, state=State(step), part=part)


def _lines(path: Path) -> list[bytes]:
    """The whole lines; what a crash left of one is not among them."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        what, do = "the journal cannot be read", "make it readable, or name the plan or journal"
        raise PlanError(what, where=path, saw=error.strerror or str(error), do=do) from error
    return content.split(b"\n")[:-1]


def _drop_torn_line(path: Path) -> None:
    """Nothing was done that such a line would have said: it was to be synced before."""
    if path.exists():
        content = path.read_bytes()
        if whole := content[: content.rfind(b"\n") + 1]:
            os.truncate(path, len(whole))
        else:
            path.unlink()
