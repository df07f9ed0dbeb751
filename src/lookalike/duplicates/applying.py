"""Carry a plan out: files go to a quarantine folder, each checked before and written down in a journal.

A plan enters; its files are moved, never deleted, as long as the keeper of their group lies where it lay,
byte for byte. A file that is not what the plan says, or cannot be moved, stays, with its reason, and the rest
goes on. Whatever stops the work, the same call does the rest, and `undo_moves` brings everything back.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lookalike.duplicates.journal import Journal, State, journal_of, open_journal, read_journal
from lookalike.duplicates.moving import (
    Changed,
    Move,
    Seen,
    carry_out,
    give_facts,
    look_at,
    part_name,
    settle,
)
from lookalike.duplicates.plans import Entry, Plan, PlannedGroup, read_plan, target_of
from lookalike.duplicates.quarantine import check_quarantine, make_quarantine, quarantine_of
from lookalike.errors import LookalikeError
from lookalike.indexing.database import writer_lock
from lookalike.indexing.store import Store
from lookalike.pictures.finding import in_quarantine
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
        inside: whether the quarantine lies among the pictures: in the plan's folder, or in one of the index.
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
        PlanError: the plan or its journal cannot be read, another process moves these files, the journal
            cannot be written, or the quarantine is no folder that can be written, or holds other things.
            What was moved before is in the journal.
        StoreError: the index is being brought up to date.
    """
    plan = read_plan(path)
    place = Path(os.path.abspath(quarantine or quarantine_of(path)))  # noqa: PTH100 - links stay
    if dry_run:
        known = read_journal(journal_of(path))
        if plan.moves:
            check_quarantine(place, known)
        return _Run(plan, place, known, dry_run=True).applied(progress)
    with at_rest(Path(plan.index)), open_journal(journal_of(path), index=plan.index) as journal:
        if plan.moves:
            make_quarantine(place, journal)
        settle_all(journal)
        return _Run(plan, place, journal, dry_run=False).applied(progress)


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
            inside=_is_inside(self._quarantine, self._plan),
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
            carry_out(move, place=seen.place)
        except (OSError, Changed):
            self._journal.mark(begun, State.STAYED)
            raise
        self._journal.mark(begun, State.MOVED)


def _look(path: Path, entry: Entry, *, links: bool = False) -> Seen | str:
    """A file as it is, or why it is not what the plan says."""
    if in_quarantine(os.path.dirname(os.path.realpath(path)), known={}):  # noqa: PTH120 - as realpath gives it
        return "it lies in a quarantine"
    try:
        seen = look_at(path, links=links)
    except FileNotFoundError:
        return "it is gone"
    except (OSError, Changed) as error:
        return why_not(error)
    return seen if seen.hash == entry.hash else "it was changed since the plan was made"


def _places(plan: Plan) -> Iterator[tuple[tuple[int, int], str]]:
    """Device and inode of all that is to stay, by whatever name or link it is known."""
    for group in plan.groups:
        for entry in (group.keeper, *group.members):
            if entry.action == "keep":
                try:
                    facts = os.stat(entry.path)  # noqa: PTH116
                except OSError:
                    continue
                yield (facts.st_dev, facts.st_ino), entry.path


def _is_inside(quarantine: Path, plan: Plan) -> bool:
    """Whether it lies below a folder that pictures are looked for in."""
    roots = [plan.folder]
    with suppress(LookalikeError, OSError):
        store = Store(Path(plan.index))
        try:
            roots += [root.path for root in store.roots()]
        finally:
            store.close()
    real = os.path.realpath(quarantine)
    return any(Path(real).is_relative_to(os.path.realpath(root)) for root in roots)


def _names_for(target: Path) -> Iterator[Path]:
    yield target
    for number in range(2, _TRIES):
        yield target.with_name(f"{target.stem} ({number}){target.suffix}")
