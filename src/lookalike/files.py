"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from lookalike.errors import ConfigError, LookalikeError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, synced before it takes the name.

    Raises:
        LookalikeError: the folder is missing, read-only or full; the old file is then untouched.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise _cannot_write(path, error) from error


def check_writable(path: Path) -> None:
    """Find out before long work whether its result could be written here.

    Raises:
        LookalikeError: the folder is missing, read-only or full, or the path is a folder.
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            pass
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    except OSError as error:
        raise _cannot_write(path, error) from error


def make_output_folder(folder: Path, *, what: str) -> None:
    """Make the folder that results go to, where it is not there.

    Args:
        what: for example "the run folder".

    Raises:
        ConfigError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"{what} cannot be made",
            where=folder,
            saw=error.strerror or str(error),
            do="give a folder that can be written with --out",
        ) from error


def check_replaceable(path: Path, *, kind: str, is_ours: Callable[[Path], object]) -> None:
    """Refuse to write over a file that is nothing we could have written.

    Args:
        kind: what is going to be written, for example "a plan".
        is_ours: reads the file; raises or gives something false where it is of another kind.

    Raises:
        LookalikeError: the file is of another kind; an empty one may be written over.
    """
    try:
        if not path.is_file() or path.stat().st_size == 0 or is_ours(path):
            return
    except (LookalikeError, OSError, ValueError):
        pass
    raise LookalikeError(
        f"a file lies here that is not {kind}",
        where=path,
        saw="a file of another kind",
        wanted=f"no file, or {kind} that may be written over",
        do="name another file, or move this one away",
    )


def sync_folder(folder: Path) -> None:
    """Have a folder's new names on the disk before this returns, where the system knows how."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> LookalikeError:
    folder = error.errno == errno.EISDIR
    return LookalikeError(
        "a file cannot be written",
        where=path,
        saw=error.strerror or str(error),
        do="name a file in it" if folder else "make the folder, free some space, or name another place",
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
