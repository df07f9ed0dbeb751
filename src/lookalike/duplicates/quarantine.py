"""The folder to which files are put away: which one may be it, and the mark that tells it from all others.

A folder enters; it is made, marked, and unmarked when nothing is left in it. What lies in a marked folder is
no picture of an index and no copy of anything, since it may be emptied. No picture is touched here.
"""

from __future__ import annotations

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from lookalike.duplicates.journal import Journal, stem_of
from lookalike.duplicates.moving import sync_folder
from lookalike.errors import PlanError
from lookalike.pictures.finding import MARKER, bad_name, printable

_WORDS = b"lookalike apply puts files away to this folder. Its pictures are left out of every index.\n"


def quarantine_of(plan: Path) -> Path:
    """Where a plan's files go unless something else is said: its name with -quarantine behind it, beside it.

    Raises:
        PlanError: the name does not end in .json.
    """
    return plan.with_name(f"{stem_of(plan)}-quarantine")


def check_quarantine(quarantine: Path, journal: Journal) -> None:
    """Find out whether files can be put away to a folder; nothing is made.

    A new one, an empty one, and one that was made or marked for this before will do: whatever lies in a
    quarantine is left out of indexes.

    Raises:
        PlanError: it is another one, or cannot be made or written to.
    """
    if flaw := bad_name(quarantine):
        raise _cannot(quarantine, flaw)
    try:
        there = next(place for place in (quarantine, *quarantine.parents) if os.path.lexists(place))
        if not there.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "a file where a folder is needed")
        with tempfile.TemporaryFile(dir=there):
            pass
        known = there != quarantine or str(quarantine) in journal.folders or (quarantine / MARKER).is_file()
        if not known and any(quarantine.iterdir()):
            raise FileExistsError(errno.EEXIST, "a folder that holds other things")
    except OSError as error:
        raise _cannot(quarantine, error.strerror or str(error)) from error


def make_quarantine(quarantine: Path, journal: Journal) -> None:
    """Make the folder and mark it, all of it noted before.

    Raises:
        PlanError: it cannot be made or marked, or the journal cannot be written.
    """
    check_quarantine(quarantine, journal)
    try:
        journal.make_folders(quarantine)
        journal.mark_folder(quarantine)
        (quarantine / MARKER).write_bytes(_WORDS)
        sync_folder(quarantine)
    except OSError as error:
        raise _cannot(quarantine, error.strerror or str(error)) from error


def remove_folders(journal: Journal) -> None:
    """Take away what was made for the moves, where nothing is left in it."""
    for folder in reversed(journal.folders):
        _unmark(journal, folder)
        with suppress(OSError):  # it holds something, or is gone
            Path(folder).rmdir()
            sync_folder(Path(folder).parent)
    for folder in journal.marked:
        _unmark(journal, folder)


def _unmark(journal: Journal, folder: str) -> None:
    with suppress(OSError):
        if folder in journal.marked and [entry.name for entry in Path(folder).iterdir()] == [MARKER]:
            Path(folder, MARKER).unlink()


def _cannot(quarantine: Path, saw: str) -> PlanError:
    return PlanError(
        "the quarantine cannot be made",
        where=printable(quarantine),
        saw=saw,
        wanted="a new or empty folder that can be written",
        do="name another one: --quarantine FOLDER",
    )
