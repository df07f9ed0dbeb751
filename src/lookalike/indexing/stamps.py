"""What files are at this moment: a listing enters, part by part; the size and time of each file leave.

Each file is asked for, whatever its folder says: a folder's own time does not tell that the content of a file
in it changed. No file is opened, and what follows from a stamp is decided by difference.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from lookalike.errors import SkipReason
from lookalike.indexing.listing import Listing, Part
from lookalike.indexing.tasks import Stamp
from lookalike.pictures.finding import printable
from lookalike.records import Skipped

ABSENT, BARRED = (-1, 0), (-2, 0)  # in place of a stamp: no such file; one that cannot be used


@contextmanager
def handle_of(folder: str) -> Iterator[int | None]:
    """An open folder: names below it are found sooner than by their whole path. None: it cannot be."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY) if os.stat in os.supports_dir_fd else None
    except OSError:  # it is not there, or may not be listed
        handle = None
    try:
        yield handle
    finally:
        if handle is not None:
            os.close(handle)


def stamps_of(listing: Listing, part: Part, handle: int | None) -> tuple[list[Stamp], dict[int, Skipped]]:
    """The stamp of each file of a part, and by place why a file could not be looked at.

    Args:
        handle: of the folder that paths begin at.
    """
    stamps: list[Stamp] = []
    failed: dict[int, Skipped] = {}
    for place, path in enumerate(part.paths):
        try:
            name = listing.file(path) if handle is None or path[0] in "/." else path
            facts = os.stat(name, dir_fd=handle)
        except (FileNotFoundError, NotADirectoryError):
            stamps.append(ABSENT)
        except (OSError, ValueError) as error:
            stamps.append(BARRED)
            failed[place] = _skipped(listing.file(path), error)
        else:
            is_folder = stat.S_ISDIR(facts.st_mode)
            stamps.append(ABSENT if is_folder else (facts.st_size, facts.st_mtime_ns))
    return stamps, failed


def _skipped(file: str, error: OSError | ValueError) -> Skipped:
    if isinstance(error, OSError):  # it may be there: what is known of it stays
        return Skipped(file, SkipReason.UNREADABLE, error.strerror or str(error))
    return Skipped(printable(file), SkipReason.BAD_NAME, "no name that can be stored")  # a null byte
