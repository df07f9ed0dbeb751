"""Moving one file so that no byte can be lost: never over another one, and understood after any crash.

A Move enters, written down before it begins; the file leaves under its new name with bytes, times and mode,
or stays as it was and an OSError or Changed says why. On one file system the file gets its new name before it
loses the old one; across file systems it is copied, synced and read again first. Which files are moved, and
the writing down, is others' business.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lookalike.models.embedding import HASH_BYTES

BLOCK = 2**20  # bytes that are read at once

_PART = re.compile(r"\.lookalike-[0-9a-f]{16}\.part")
_AS_IT_IS = {"follow_symlinks": False} if os.link in os.supports_follow_symlinks else {}


class Changed(Exception):
    """A file is no more what it was when it was looked at; the message says how."""


@dataclass(frozen=True, slots=True)
class Move:
    """One file on its way.

    Attributes:
        part: where a copy grows, if one is needed: a name that nobody else gives.
        hash, bytes, mtime_ns, mode: of the file before it is moved.
    """

    source: str
    target: str
    part: str
    hash: str
    bytes: int
    mtime_ns: int
    mode: int


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was read: its content hash, and what tells whether it is still the same file."""

    hash: str
    bytes: int
    mtime_ns: int
    mode: int
    place: tuple[int, int]  # device and inode

    def is_still(self, path: Path) -> bool:
        """Whether the same file, not written to since, lies there; a link is followed."""
        try:
            facts = path.stat()
        except OSError:
            return False
        now = (facts.st_dev, facts.st_ino), facts.st_size, facts.st_mtime_ns
        return now == (self.place, self.bytes, self.mtime_ns)


def look_at(path: Path, *, links: bool = False) -> Seen:
    """Read a file.

    Args:
        links: whether a symbolic link is followed.

    Raises:
        OSError: it is not there or cannot be read.
        Changed: it is a link, no file, or changed while it was read.
    """
    if not links and path.is_symlink():
        raise Changed("it is a symbolic link, not a file of its own")
    if not stat.S_ISREG(path.stat().st_mode):  # to open a pipe would wait for somebody to write to it
        raise Changed("it is no file")
    with path.open("rb") as file:
        before = os.fstat(file.fileno())
        digest = _digest(file)
        after = os.fstat(file.fileno())
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise Changed("it changed while it was read")
    place = after.st_dev, after.st_ino
    return Seen(digest, after.st_size, after.st_mtime_ns, stat.S_IMODE(after.st_mode), place)


def part_name() -> str:
    """A name for a growing copy that nobody else gives."""
    return f".lookalike-{secrets.token_hex(8)}.part"


def carry_out(move: Move, *, place: tuple[int, int]) -> None:
    """Move a file.

    Args:
        place: device and inode of the file that was read: its name may mean another one by now.

    Raises:
        FileExistsError: something lies at the target; nothing was done.
        OSError: something else went wrong; the file is where it was.
        Changed: somebody wrote to the file meanwhile, or put another one there; it is where it was.
    """
    source, target = Path(move.source), Path(move.target)
    try:
        os.link(source, target, **_AS_IT_IS)
    except (FileExistsError, FileNotFoundError):
        raise
    except OSError:  # another file system, or one without hard links
        _copy(move)
    placed = _place(target)
    sync_folder(target.parent)
    try:
        _let_go(move, place)
    except (OSError, Changed):
        if os.path.lexists(source):  # else somebody took the old name away, and the target is all there is
            if _place(target) == placed:  # else it is somebody else's
                target.unlink(missing_ok=True)
            raise
    sync_folder(source.parent)


def settle(move: Move) -> bool:
    """Put right what a move that was cut short left behind; whether the file lies at its target now.

    A file of somebody else is never touched, and a name is only taken away where the same content was
    read under the other one.

    Raises:
        OSError: a file cannot be read.
        FileNotFoundError: it lies neither here nor there.
    """
    source, target = Path(move.source), Path(move.target)
    _drop_part(move)
    here, there = os.path.lexists(source), os.path.lexists(target)
    if not here and not there:
        raise FileNotFoundError(errno.ENOENT, "it lies neither here nor in quarantine", move.source)
    if not here or not there:
        return there
    if not _is_one(source, target):
        if not _holds(target, move):
            return False  # somebody else's
        if not _holds(source, move):
            return True  # somebody has put another file here since
    target.unlink()
    sync_folder(target.parent)
    return False


def give_facts(file: Path, move: Move) -> None:
    """Give a file that is back its time and mode, if they were changed and it is still that file."""
    with suppress(OSError, Changed):
        seen = look_at(file)
        if seen.hash != move.hash or (seen.mtime_ns, seen.mode) == (move.mtime_ns, move.mode):
            return
        os.utime(file, ns=(file.stat().st_atime_ns, move.mtime_ns))
        file.chmod(move.mode)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _copy(move: Move) -> None:
    """Let a synced and verified copy lie at the target, with the file's times and mode."""
    source, part = Path(move.source), Path(move.part)
    try:
        with source.open("rb") as file, part.open("xb") as copy:
            shutil.copyfileobj(file, copy, BLOCK)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(source, part)
        os.utime(part, ns=(source.stat().st_atime_ns, move.mtime_ns))
        _sync(part)
        if look_at(part).hash != move.hash:
            raise Changed("its copy is not what it was itself when it was looked at")
        _take_name(part, Path(move.target))
    finally:
        part.unlink(missing_ok=True)


def _take_name(part: Path, target: Path) -> None:
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # no hard links here
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target)) from None
        part.rename(target)


def _drop_part(move: Move) -> None:
    """Remove a half copy; a journal that names anything else, by whatever hand, has no say in it."""
    part = Path(move.part)
    if _PART.fullmatch(part.name) and part.parent in (Path(move.source).parent, Path(move.target).parent):
        part.unlink(missing_ok=True)


def _let_go(move: Move, place: tuple[int, int]) -> None:
    """Take the old name away, if it still means what was moved."""
    source = Path(move.source)
    facts = source.lstat()
    now = (facts.st_dev, facts.st_ino), facts.st_size, facts.st_mtime_ns
    if now != (place, move.bytes, move.mtime_ns):
        raise Changed("it changed while it was moved")
    source.unlink()


def _is_one(a: Path, b: Path) -> bool:
    """Whether two names, neither of them a symbolic link, are of one file."""
    first, second = a.lstat(), b.lstat()
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _place(path: Path) -> tuple[int, int] | None:
    """Device and inode of what lies there, None where there is nothing; no link is followed."""
    try:
        facts = path.lstat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino


def _holds(path: Path, move: Move) -> bool:
    try:
        return look_at(path).hash == move.hash
    except Changed:
        return False


def _sync(path: Path) -> None:
    with path.open("rb") as file, suppress(OSError):  # some systems sync only what was opened for writing
        os.fsync(file.fileno())


def _digest(file: BinaryIO) -> str:
    digest = hashlib.blake2b(digest_size=HASH_BYTES)
    while block := file.read(BLOCK):
        digest.update(block)
    return digest.hexdigest()
