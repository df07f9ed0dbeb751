"""Find the pictures below a folder.

Enters: a folder. Leaves: relative paths in a fixed order, and what looked like a picture and cannot be one.
Not done here: opening a picture (images), and what its folder means (table).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lookalike.errors import SkipReason, TableError
from lookalike.pictures.formats import EXTENSIONS, MAGIC
from lookalike.records import Skipped

MARKER = ".lookalike-quarantine"  # lies in a folder to which `apply` puts files away
LISTED = ".lookalike-added"  # lies in a folder whose pictures are those of the manifest in it


@dataclass(frozen=True, slots=True)
class Found:
    """The pictures below a folder.

    Attributes:
        root: the folder.
        paths: relative to root, with forward slashes, in the order of their bytes.
        skipped: what looked like a picture and cannot be one, in the same order.
    """

    root: Path
    paths: tuple[str, ...]
    skipped: tuple[Skipped, ...]


def find_images(root: Path) -> Found:
    """List every picture below a folder.

    A picture is a file with the extension of an image format, or whose first bytes are those of one. Other
    files, and files and folders whose name starts with a dot, are ignored. Linked files are followed; a
    linked folder and a link that leads back to itself are skipped as LINK_LOOP, a link to nothing as MISSING,
    a name that is not UTF-8 as BAD_NAME, a folder that cannot be listed as UNREADABLE, a folder below this
    one to which files were put away as QUARANTINE. A folder below this one with the pictures that were given
    to an index alone is passed by: they are that index's.

    Raises:
        TableError: root is no folder, or cannot be listed.
    """
    found: list[str] = []
    skipped: list[Skipped] = []
    for path, verdict in _walk(root):
        if verdict is None:
            found.append(path)
        else:
            skipped.append(Skipped(printable(path), *verdict))
    return Found(root, tuple(sorted(found)), tuple(sorted(skipped, key=lambda entry: entry.path)))


def looks_like_image(path: Path) -> bool:
    """Whether a file has the extension or the first bytes of an image format."""
    return path.suffix.lower() in EXTENSIONS or _sniff(path)


def in_quarantine(folder: str, *, known: dict[str, bool]) -> bool:
    """Whether files were put away to a folder, or to one above it.

    Args:
        folder: absolute, its links resolved.
        known: what was found before, by folder; filled.
    """
    if folder not in known:
        above = os.path.dirname(folder)  # noqa: PTH120 - Path() costs ten times as much, once a folder
        known[folder] = _is_quarantine(folder) or (above != folder and in_quarantine(above, known=known))
    return known[folder]


def is_there(path: Path) -> bool:
    """Whether a path leads to something; false where it may not be looked at, or is no path at all."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def any_there(folder: Path, names: Iterable[str]) -> bool:
    """Whether any of some names below a folder leads to something; of a million names in seconds."""
    start = os.fspath(folder)
    return any(os.path.exists(os.path.join(start, name)) for name in names)  # noqa: PTH110, PTH118


def printable(path: str | Path) -> str:
    """A path as text that can be encoded: bytes that are not UTF-8 become replacement characters."""
    return os.fsencode(path).decode("utf-8", "replace")


def is_absent(file: str) -> bool:
    """Whether there is certainly no such file; one that may not be looked at is not absent."""
    try:
        os.stat(file)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except (OSError, ValueError):
        return False
    return False


def is_gone(file: str) -> bool:
    """Whether there is certainly no such file, and be it that a folder has its name now."""
    return is_absent(file) or os.path.isdir(file)  # noqa: PTH112 - for each of a million


def empty_place(file: str) -> str:
    """The nearest folder above a file that is there, where it is empty as the place of a disk that is away.

    The empty text where it holds anything, or cannot be listed.
    """
    folder = os.path.dirname(file)  # noqa: PTH120
    while is_absent(folder) and folder != os.path.dirname(folder):  # noqa: PTH120
        folder = os.path.dirname(folder)  # noqa: PTH120
    with suppress(OSError, ValueError), os.scandir(folder) as entries:
        return "" if any(entries) else folder
    return ""


def bad_name(path: str | Path) -> str:
    """Why a file's name cannot be stored or shown as it is; empty where it can."""
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        return "the name is not UTF-8"
    return ""


def reason_of(error: OSError) -> SkipReason:
    """What a failed system call says about a picture."""
    return {
        errno.ENOENT: SkipReason.MISSING,
        errno.ENOTDIR: SkipReason.MISSING,
        errno.ELOOP: SkipReason.LINK_LOOP,
    }.get(error.errno or 0, SkipReason.UNREADABLE)


def keeps_added(folder: str | Path) -> bool:
    """Whether the pictures in a folder are those that were given to an index one by one."""
    return os.path.lexists(os.path.join(folder, LISTED))  # noqa: PTH118


def _is_quarantine(folder: str | Path) -> bool:
    return os.path.lexists(os.path.join(folder, MARKER))  # noqa: PTH118


def _walk(root: Path) -> Iterator[tuple[str, tuple[SkipReason, str] | None]]:
    folders = [""]
    while folders:
        folder = folders.pop()
        if folder and _is_quarantine(root / folder):
            yield folder, (SkipReason.QUARANTINE, "what was put away is left out")
            continue
        if folder and keeps_added(root / folder):
            continue
        try:
            with os.scandir(root / folder) as entries:
                for entry in entries:
                    path = f"{folder}{entry.name}"
                    kind = _kind(entry)
                    if kind == "folder":
                        folders.append(f"{path}/")
                    elif kind == "picture":
                        flaw = "" if path.isascii() else bad_name(path)
                        yield path, (SkipReason.BAD_NAME, flaw) if flaw else None
                    elif kind != "other":
                        yield path, kind
        except OSError as error:
            if not folder:
                raise _no_folder(root, error) from error
            yield folder, (SkipReason.UNREADABLE, error.strerror or str(error))


def _kind(entry: os.DirEntry[str]) -> Literal["folder", "picture", "other"] | tuple[SkipReason, str]:
    if entry.name.startswith("."):
        return "other"
    suffix = _suffix(entry.name)
    if suffix in EXTENSIONS and entry.is_file(follow_symlinks=False):
        return "picture"  # nearly all are told by this one question
    if entry.is_symlink():
        try:
            if stat.S_ISDIR(entry.stat().st_mode):
                return SkipReason.LINK_LOOP, "a linked folder is not followed"
        except FileNotFoundError:
            maybe = suffix in EXTENSIONS or not suffix
            return (SkipReason.MISSING, "a link to nothing") if maybe else "other"
        except OSError as error:
            return reason_of(error), error.strerror or str(error)
    if entry.is_dir():
        return "folder"
    if not entry.is_file():
        return (SkipReason.UNREADABLE, "a pipe or device") if suffix in EXTENSIONS else "other"
    return "picture" if suffix in EXTENSIONS or _sniff(Path(entry.path)) else "other"


def _suffix(name: str) -> str:
    """As `Path(name).suffix.lower()`, in a tenth of its time."""
    dot = name.rfind(".")
    return name[dot:].lower() if 0 < dot < len(name) - 1 else ""


def _sniff(path: Path) -> bool:
    with suppress(OSError), path.open("rb", buffering=0) as file:
        return MAGIC.match(file.read(16)) is not None
    return False


def _no_folder(root: Path, error: OSError) -> TableError:
    return TableError(
        "the folder cannot be listed",
        where=printable(root),
        saw=error.strerror or str(error),
        wanted="a folder of pictures",
        do="check the path and its permissions",
    )
