"""The file that an approximate base lies in: its name, its note in the store, and how it comes and goes.

A store's path and a way to fill a file enter; a file that is whole leaves, or none, and its note. A base is
derived: whatever is wrong with its file or its note is said in words and never raised to a search. What is
in the file is not known here.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from lookalike.files import sync_folder

Storage = Literal["int8", "float16"]
STORAGES: tuple[Storage, ...] = get_args(Storage)
NOTE = "base"  # the key of the note in the store's meta
FEWEST = 100  # vectors in a base; fewer have no lists to speak of

_UNFINISHED = ".new"
_KINDS: dict[str, type | tuple[type, ...]] = {"str": str, "Storage": str, "int": int, "float": (int, float)}


@dataclass(frozen=True, slots=True)
class BaseNote:
    """What a store notes of its base; the note is what makes a file the base.

    Attributes:
        file: its name, beside the store; empty: exact search is fast enough, none was built.
        generation: of the store, when what is in the base was read.
        rows: n, vectors in it; last: the largest id that they have; dim: d.
        size: of the file in bytes; checksum: its SHA-256.
        storage: how a vector is kept in it.
        wanted: the share of the ten most alike that was asked for; recall: the share that was measured, on
            `queries` of the collection's own vectors; low, high: its 95 % interval.
        lists: into which the vectors are divided; probes: of them looked at for ten answers.
        fetch: candidates compared exactly for ten answers.
        exact_ms: what one exact search of these rows takes; seconds: what the build took.
        within: milliseconds that an exact search may take for there to be no base; 0: as is usual.
    """

    file: str
    generation: int
    rows: int
    exact_ms: float
    last: int = 0
    dim: int = 0
    size: int = 0
    checksum: str = ""
    storage: Storage = "int8"
    wanted: float = 0.0
    recall: float = 0.0
    low: float = 0.0
    high: float = 0.0
    queries: int = 0
    lists: int = 0
    probes: int = 0
    fetch: int = 0
    seconds: float = 0.0
    within: float = 0.0

    @property
    def reached(self) -> bool:
        """Whether the recall measured is not certainly less than the recall wanted."""
        return self.high >= self.wanted

    def in_words(self) -> str:
        """How an index with this note is searched, in one line."""
        if not self.file:
            asked = f"from {FEWEST} pictures on approximate where that takes {self.within:g} ms or more"
            limit = f"; {asked}, as --exact-within asked" if self.within else ""
            return f"exact, {self.exact_ms:.1f} ms a query when it was measured{limit}"
        limit = f"; exact where that takes less than {self.within / 2:g} ms" if self.within else ""
        if not self.queries:
            unmeasured = "recall not measured: nearly all pictures are copies of each other"
            return f"approximate, {unmeasured}; {self.storage}, {self.size / 1e6:,.1f} MB{limit}"
        found = f"{self.recall:.1%} of the ten most alike found ({self.low:.1%} to {self.high:.1%}"
        short = "" if self.reached else ", not reached"
        measured = f"measured on {self.queries:,} of its own pictures; {self.wanted:.1%} wanted{short})"
        return f"approximate, {found}, {measured}; {self.storage}, {self.size / 1e6:,.1f} MB{limit}"

    def text(self) -> str:
        """As it is noted."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str | None) -> BaseNote | None:
        """Read a note; None where there is none or it is not understood."""
        try:
            found = json.loads(text or "null")
        except ValueError:
            return None
        return cls(**found) if isinstance(found, dict) and _is_note(found) else None


def _is_note(found: dict[str, Any]) -> bool:
    known = {field.name: _KINDS[str(field.type)] for field in fields(BaseNote)}
    whole = known.keys() - {"within"} <= found.keys() <= known.keys()  # older notes have no such limit
    typed = whole and all(isinstance(found[key], known[key]) for key in found)
    return typed and found["storage"] in STORAGES and 0.0 <= found["wanted"] <= 1.0


def base_path(store: Path, note: BaseNote) -> Path:
    """Where a noted base lies."""
    return store.resolve().parent / note.file


def why_unusable(store: Path, note: BaseNote, *, whole: bool = True) -> str:
    """What is wrong with a base's file, in a few words; empty where it is as it was written.

    Args:
        whole: read all of it; otherwise it only has to be there, of the right size.
    """
    if not _is_ours(store, note.file):
        return f"{note.file!r} is not the name of a base of this index"
    file = base_path(store, note)
    try:
        if file.stat().st_size != note.size:
            return f"{note.file} has another size than it was written with"
        if whole and _checksum(file) != note.checksum:
            return f"{note.file} fails its checksum"
    except FileNotFoundError:
        return f"{note.file} is missing"
    except OSError as error:
        return f"{note.file} cannot be read: {error.strerror or error}"
    return ""


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is whole and synced."""

    file: str
    size: int
    checksum: str


def write_base(store: Path, generation: int, fill: Callable[[Path], None]) -> Written:
    """Have a file filled under a temporary name; it takes its own name once it is on the disk, whole.

    Raises:
        OSError: the disk is full or fails, or the folder cannot be written; then no file is left.
    """
    place = store.resolve()
    final = place.with_name(f"{place.name}-base-{generation}-{secrets.token_hex(4)}.faiss")
    unfinished = final.with_name(final.name + _UNFINISHED)
    try:
        fill(unfinished)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        written = Written(final.name, unfinished.stat().st_size, _checksum(unfinished))
        unfinished.replace(final)
        sync_folder(final.parent)
    finally:
        unfinished.unlink(missing_ok=True)
    return written


def bases_beside(store: Path) -> Iterator[Path]:
    """All files that are bases of this store by their name, finished or not."""
    place = store.resolve()
    with os.scandir(place.parent) as entries:
        names = [entry.name for entry in entries if entry.is_file(follow_symlinks=False)]
    return (place.parent / name for name in sorted(names) if _is_ours(place, name.removesuffix(_UNFINISHED)))


def remove_others(store: Path, keep: str) -> None:
    """Remove older bases of this store and what killed builds left; only who holds the build's lock may."""
    for file in bases_beside(store):
        if file.name != keep:
            try:
                file.unlink(missing_ok=True)
            except OSError:  # in use where a system forbids it; the next build tries again
                continue


def _is_ours(store: Path, name: str) -> bool:
    return bool(re.fullmatch(re.escape(store.resolve().name) + r"-base-[0-9]+-[0-9a-f]{8}\.faiss", name))


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
