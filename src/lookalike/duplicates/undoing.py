"""Bring back what was put away: the journal enters, and every file lies again where it was.

With its bytes, name, times and mode, in the reverse order. What came to lie there since is never touched:
then the file stays in quarantine, with its reason, and the rest goes on. Folders that were made for the
quarantine go when they are empty.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from lookalike.duplicates.applying import Moved, Stayed, at_rest, settle_all, why_not
from lookalike.duplicates.journal import (
    Entry,
    Journal,
    State,
    is_journal,
    journal_of,
    open_journal,
    read_journal,
)
from lookalike.duplicates.moving import Changed, Seen, carry_out, give_facts, look_at, part_name
from lookalike.duplicates.quarantine import remove_folders
from lookalike.errors import PlanError
from lookalike.records import Progress


@dataclass(frozen=True, slots=True)
class Undone:
    """What bringing back did, or would do.

    Attributes:
        restored: files that lie again where they were; target: where they lay meanwhile.
        stayed: files that are still in quarantine, by the paths that they have there.
        index: that should be brought up to date now.
    """

    restored: tuple[Moved, ...]
    stayed: tuple[Stayed, ...]
    journal: str
    index: str
    dry_run: bool


def undo_moves(path: Path, *, dry_run: bool = False, progress: Progress | None = None) -> Undone:
    """Bring every file back that was put away by a plan.

    Args:
        path: the plan, or its journal.
        dry_run: look at everything, and move nothing.
        progress: called with (files done, files).

    Raises:
        PlanError: nothing was put away by this plan, its journal is damaged, another process moves these
            files, or the journal cannot be written.
        StoreError: the index is being brought up to date.
    """
    file = path if is_journal(path) else journal_of(path)
    journal = read_journal(file)
    if not (journal.entries or journal.folders or journal.marked):
        raise PlanError(
            "there is nothing to undo",
            where=path,
            saw=f"no move in {file.name}" if file.exists() else f"no {file.name} beside it",
            wanted="a plan that lookalike apply carried out, or its journal",
            do="name that plan",
        )
    if dry_run:
        return _bring_back(journal, dry_run=True, progress=progress)
    with at_rest(Path(journal.index)), open_journal(file) as opened:
        settle_all(opened)
        undone = _bring_back(opened, dry_run=False, progress=progress)
        remove_folders(opened)
    return undone


def _bring_back(journal: Journal, *, dry_run: bool, progress: Progress | None) -> Undone:
    restored: list[Moved] = []
    stayed: list[Stayed] = []
    away = [entry for entry in journal.standing if not _never_left(entry)]
    for done, entry in enumerate(reversed(away), start=1):
        reason = _restore(journal, entry, dry_run=dry_run)
        if reason:
            stayed.append(Stayed(entry.move.target, reason))
        else:
            restored.append(Moved(entry.move.source, entry.move.target, entry.move.bytes))
        if progress is not None:
            progress(done, len(away))
    return Undone(tuple(restored), tuple(stayed), str(journal.path), journal.index, dry_run)


def _never_left(entry: Entry) -> bool:
    """Whether a move was noted and then not done: a crash came first."""
    return entry.state is State.BEGUN and not os.path.lexists(entry.move.target)


def _restore(journal: Journal, entry: Entry, *, dry_run: bool) -> str:
    """Bring one file back; why it stays, if it does."""
    target, source = Path(entry.move.target), Path(entry.move.source)
    if os.path.lexists(source):
        return f"something lies at {source}"
    try:
        seen = look_at(target)
        if seen.hash != entry.move.hash:
            return "it was changed in quarantine"
        if not dry_run:
            source.parent.mkdir(parents=True, exist_ok=True)
            _carry_back(journal, entry, seen)
    except FileNotFoundError:
        return "it is not there any more"
    except FileExistsError:
        return f"something lies at {source}"
    except (OSError, Changed) as error:
        return why_not(error)
    return ""


def _carry_back(journal: Journal, entry: Entry, seen: Seen) -> None:
    part = str(Path(entry.move.source).with_name(part_name()))
    begun = journal.mark(entry, State.RETURNING, part=part)
    try:
        carry_out(replace(begun.back, mtime_ns=seen.mtime_ns, mode=seen.mode), place=seen.place)
    except (OSError, Changed):
        journal.mark(begun, State.MOVED)
        raise
    give_facts(Path(begun.move.source), begun.move)
    journal.mark(begun, State.RETURNED)
