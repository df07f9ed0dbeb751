"""Carry a plan out: files go to a quarantine folder, each checked before and written down in a journal.

A plan enters; its files are moved, never deleted, as long as the keeper of their group lies where it lay,
byte for byte. A file that is not what the plan says, or cannot be moved, stays, with its reason, and the rest
goes on. Whatever stops the work, the same call does the rest, and `undo_moves` brings everything back.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lookalike.duplicates.journal import Journal, State, journal_of, open_journal, read_journal
from lookalike.duplicates.moving import Changed, Move, Seen, carry_out, give_facts, look_at, settle
from lookalike.duplicates.plans import Entry, Plan, PlannedGroup, read_plan, target_of
from lookalike.errors import PlanError
from lookalike.indexing.database import writer_lock
from lookalike.records import Progress

_TRIES = 1000  # names that are tried for one file


@dataclass(frozen=True, slots=True)
class Moved:
    """A file and where it lies now."""

    path: str
    target: str
    bytes: int


@dataclass(frozen=True, slots=True)
class Stayed:
    """A file that was left where it is, with the reason, half a sentence."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What carrying out a plan did, or would do.

    Attributes:
        before: files that an earlier call had put away.
        quarantine, journal: where they lie.
        inside: whether the quarantine lies in the plan's folder, where an index may find its pictures again.
        index: that should be brought up to date now.
    """

    moved: tuple[Moved, ...]
    stayed: tuple[Stayed, ...]
    before: int
    quarantine: str
    journal: str
    index: str
    inside: bool
    dry_run: bool

    @property
    def bytes(self) -> int:
        """How much was put away."""
        return sum(entry.bytes for entry in self.moved)


def apply_plan(
    path: Path,
    *,
    quarantine: Path | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Applied:
    """Move the files of a plan to a quarantine folder.

    Args:
        path: the plan.
        quarantine: None is the plan's name with -quarantine behind it, beside the plan.
        dry_run: look at everything, and move nothing.
        progress: called with (files done, files).

    Raises:
        PlanError: the plan or its journal cannot be read, another process moves these files, or the journal
            or the quarantine cannot be written. What was moved before is in the journal.
        StoreError: the index is being brought up to date.
    """
    plan = read_plan(path)
    place = Path(os.path.abspath(quarantine or quarantine_of(path)))  # noqa: PTH100 - links stay
    if dry_run:
        run = _Run(plan, place, read_journal(journal_of(path)), dry_run=True)
        return run.applied(progress)
    with at_rest(Path(plan.index)), open_journal(journal_of(path), index=plan.index) as journal:
        if plan.moves:
            _make(journal, place, plan.folder)
        settle_all(journal)
        return _Run(plan, place, journal, dry_run=False).applied(progress)


def quarantine_of(plan: Path) -> Path:
    """Where a plan's files go unless something else is said."""
    return plan.with_name(f"{plan.stem}-quarantine")


@contextmanager
def at_rest(index: Path) -> Iterator[None]:
    """Keep an index from being brought up to date, and other plans of it from being carried out, meanwhile.

    Raises:
        StoreError: somebody does.
    """
    if index.is_file() and os.access(index.parent, os.W_OK):
        with writer_lock(index):
            yield
    else:
        yield


def settle_all(journal: Journal) -> None:
    """Put right what an earlier call that was cut short left behind."""
    for entry in journal.standing:
        try:
            if entry.state is State.BEGUN:
                journal.mark(entry, State.MOVED if settle(entry.move) else State.STAYED)
            elif entry.state is State.RETURNING:
                back = settle(entry.back)
                if back:
                    give_facts(Path(entry.move.source), entry.move)
                journal.mark(entry, State.RETURNED if back else State.MOVED)
        except OSError:
            continue  # it may be found another time


def why_not(error: Exception) -> str:
    """What kept a file from being moved, half a sentence."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


class _Run:
    """One call: what was moved and what stayed so far."""

    def __init__(self, plan: Plan, quarantine: Path, journal: Journal, *, dry_run: bool) -> None:
        self._plan = plan
        self._quarantine = quarantine
        self._journal = journal
        self._dry_run = dry_run
        self._moved: list[Moved] = []
        self._stayed: list[Stayed] = []
        self._before = 0
        self._away = {entry.move.source for entry in journal.standing}
        self._names: dict[str, str] = {}  # real path to path, of what was moved
        self._kept = dict(_places(plan))

    def applied(self, progress: Progress | None) -> Applied:
        """Go through all groups."""
        done = 0
        for group in self._plan.groups:
            self._group(group)
            done += len(group.moves)
            if progress is not None:
                progress(done, self._plan.moves)
        return Applied(
            moved=tuple(self._moved),
            stayed=tuple(self._stayed),
            before=self._before,
            quarantine=str(self._quarantine),
            journal=str(self._journal.path),
            index=self._plan.index,
            inside=self._quarantine.is_relative_to(self._plan.folder),
            dry_run=self._dry_run,
        )

    def _group(self, group: PlannedGroup) -> None:
        path = Path(group.keeper.path)
        keeper = _look(path, group.keeper, links=True)
        for entry in group.moves:
            if isinstance(keeper, Seen) and not keeper.is_still(path):
                keeper = _look(path, group.keeper, links=True)
            if not os.path.lexists(entry.path) and entry.path in self._away:
                self._before += 1
            elif isinstance(keeper, str):
                self._stayed.append(Stayed(entry.path, f"{path}, which would be kept: {keeper}"))
            else:
                self._member(entry, keeper, path)

    def _member(self, entry: Entry, keeper: Seen, kept: Path) -> None:
        path = Path(entry.path)
        name = os.path.join(os.path.realpath(path.parent), path.name)  # noqa: PTH118 - as realpath gives it
        seen = _look(path, entry)
        if isinstance(seen, Seen) and seen.place in self._kept:
            seen = f"it is one file with {self._kept[seen.place]}, which stays"
        elif name in self._names:
            seen = f"it is one file with {self._names[name]}, which was put away"
        elif not keeper.is_still(kept):  # reading a large file takes its time
            seen = f"{kept}, which would be kept, was changed meanwhile"
        reason = seen if isinstance(seen, str) else self._move(entry, seen)
        if reason:
            self._stayed.append(Stayed(entry.path, reason))
        else:
            self._names[name] = entry.path

    def _move(self, entry: Entry, seen: Seen) -> str:
        """Move a file that was just read; why it stays, if it does."""
        for target in _names_for(target_of(self._plan, entry, self._quarantine)):
            if os.path.lexists(target):
                continue
            if not self._dry_run:
                try:
                    self._carry(entry, seen, target)
                except FileExistsError:
                    continue  # somebody was faster
                except (OSError, Changed) as error:
                    return why_not(error)
            self._moved.append(Moved(entry.path, str(target), seen.bytes))
            return ""
        return "the quarantine has no free name for it"

    def _carry(self, entry: Entry, seen: Seen, target: Path) -> None:
        self._journal.make_folders(target.parent)
        part = str(target.with_name(part_name()))
        move = Move(entry.path, str(target), part, seen.hash, seen.bytes, seen.mtime_ns, seen.mode)
        begun = self._journal.begin(move)
        try:
            carry_out(move)
        except (OSError, Changed):
            self._journal.mark(begun, State.STAYED)
            raise
        self._journal.mark(begun, State.MOVED)


def part_name() -> str:
    """A name for a growing copy that nobody else gives."""
    return f".lookalike-{secrets.token_hex(8)}.part"


def _look(path: Path, entry: Entry, *, links: bool = False) -> Seen | str:
    """A file as it is, or why it is not what the plan says."""
    try:
        seen = look_at(path, links=links)
    except FileNotFoundError:
        return "it is gone"
    except (OSError, Changed) as error:
        return why_not(error)
    return seen if seen.hash == entry.hash else "it was changed since the plan was made"


def _places(plan: Plan) -> Iterator[tuple[tuple[int, int], str]]:
    """Device and inode of every keeper: a file with another name, or behind a link, is still that file."""
    for group in plan.groups:
        try:
            facts = os.stat(group.keeper.path)  # noqa: PTH116
        except OSError:
            continue
        yield (facts.st_dev, facts.st_ino), group.keeper.path


def _names_for(target: Path) -> Iterator[Path]:
    yield target
    for number in range(2, _TRIES):
        yield target.with_name(f"{target.stem} ({number}){target.suffix}")


def _make(journal: Journal, quarantine: Path, folder: str) -> None:
    try:
        if os.path.realpath(quarantine) == os.path.realpath(folder):
            raise FileExistsError(errno.EEXIST, "the folder that the files lie in", str(quarantine))
        journal.make_folders(quarantine)
        if not quarantine.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "something else of that name", str(quarantine))
    except OSError as error:
        raise PlanError(
            "the quarantine cannot be made",
            where=quarantine,
            saw=why_not(error),
            wanted="a folder that can be written",
            do="name another one: --quarantine FOLDER",
        ) from error
