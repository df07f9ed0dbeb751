"""The cache folder: what can be made again at any time, kept so that it need not be.

Enters: a name and how to make what lies there. Leaves: a folder that is whole, whoever else makes it at the
same time and whenever a process is killed. What lies in it is decided by those who make it.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import platformdirs

from lookalike.errors import LookalikeError

UNPACKED = "unpacked"  # where pictures of packed data sets lie in it


def cache_folder() -> Path:
    """Where what can be made again is kept; the variable LOOKALIKE_CACHE moves it."""
    moved = os.environ.get("LOOKALIKE_CACHE")
    return Path(moved) if moved else Path(platformdirs.user_cache_dir("lookalike", appauthor=False))


def make_once(folder: Path, fill: Callable[[Path], None], *, is_whole: Callable[[Path], bool]) -> None:
    """Make a folder that many may use; who comes second waits for the first and finds it made.

    It is filled under another name and gets its own when it is complete. A folder of that name that is not
    whole is replaced. What killed processes left of the same folder is removed.

    Args:
        fill: writes everything into the empty folder that it is given; what it raises is raised.
        is_whole: whether the folder is as it should be; asked of a folder that may not be there.

    Raises:
        LookalikeError: the folder cannot be written, for example because the disk is full; nothing is left.
    """
    if is_whole(folder):
        return
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with _locked(folder) as alone:
            if not is_whole(folder):
                _make(folder, fill, alone=alone)
    except OSError as error:
        if is_whole(folder):  # without locks another process may have been faster
            return
        raise LookalikeError(
            "the cache cannot be written",
            where=folder.parent,
            saw=error.strerror or str(error),
            do="free some space there, or set the variable LOOKALIKE_CACHE to a folder that can be written",
        ) from error


def _make(folder: Path, fill: Callable[[Path], None], *, alone: bool) -> None:
    prefix = f".{folder.name}."
    for left in folder.parent.glob(f"{prefix}*") if alone else ():
        shutil.rmtree(left, ignore_errors=True)
    place = folder.with_name(prefix + uuid.uuid4().hex)
    try:
        place.mkdir()
        fill(place)
        if alone and folder.exists():
            shutil.rmtree(folder)
        place.rename(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the folder's lock, or say that the file system has none; the system lets go at any death."""
    lock = filelock.FileLock(folder.with_name(f"{folder.name}.lock"))
    try:
        lock.acquire()
    except NotImplementedError:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
