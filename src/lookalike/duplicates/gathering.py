"""What is known of the pictures of an index, ready to be compared: one row for each content.

Stores enter; contents with their items and vectors leave, and room for how they look, which is found
elsewhere. Nothing is opened and nothing compared here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.duplicates.confirming import Place
from lookalike.duplicates.proposing import COMPARED_IN_FULL
from lookalike.duplicates.records import Member
from lookalike.errors import SkipReason
from lookalike.indexing.schema import Item, Root
from lookalike.indexing.selection import ALL, Selection, selected
from lookalike.indexing.store import Store, absolute
from lookalike.pictures.finding import in_quarantine
from lookalike.pictures.images import Box
from lookalike.pictures.prints import PRINT
from lookalike.records import Floats, Look, Skipped

Rows = NDArray[np.int64]

DIMENSIONS = 128  # of many long vectors so many directions are compared, the strongest

_BATCH = 4096  # pairs of vectors that are read at once
_SAMPLE = 4096  # vectors that choose the directions


@dataclass(frozen=True, slots=True)
class Kept:
    """An item of a store, and whether it belongs to the library."""

    root: Root
    item: Item
    store: int
    library: bool


@dataclass
class Contents:
    """All different contents; row r of everything is one of them.

    Attributes:
        stores: where they are known from; items say which by its place.
        hashes: n content hashes.
        looks: n, None where the picture cannot be opened any more.
        prints: [n, 256] uint8, zeros where there is no look.
        vectors: [n, d] float32, unit rows; of many long vectors only the strongest directions.
        skipped: pictures that could not be opened, or were left out, by path.
        kept: the items of each content.
    """

    stores: Sequence[Store]
    hashes: list[bytes] = field(default_factory=list)
    looks: list[Look | None] = field(default_factory=list)
    prints: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, PRINT * PRINT), np.uint8))
    vectors: Floats = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    skipped: dict[str, Skipped] = field(default_factory=dict)
    kept: list[list[Kept]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.hashes)

    @property
    def blank(self) -> NDArray[np.bool_]:
        """[n] whether a picture shows nothing."""
        return np.array([look is not None and look.blank for look in self.looks], np.bool_)

    @cached_property
    def old(self) -> NDArray[np.bool_]:
        """[n] whether an item of the library has the content."""
        return np.array([any(kept.library for kept in items) for items in self.kept], np.bool_)

    @cached_property
    def new(self) -> NDArray[np.bool_]:
        """[n] whether an item that is not of the library has the content."""
        return np.array([any(not kept.library for kept in items) for items in self.kept], np.bool_)

    def items(self, row: int) -> int:
        """How many items have the content."""
        return len(self.kept[row])

    def members(self, row: int) -> list[Member]:
        """The items of a content whose files are there; the others are noted as skipped."""
        members = []
        for kept in self.kept[row]:
            path = _path(kept)
            file, link = _file_of(path)
            if file is not None:
                members.append(_member(kept, path, self.looks[row], file=file, link=link))
            else:
                self.skipped[path] = _missing(path)
        return members

    def paths(self, row: int) -> set[str]:
        """The files that hold the content."""
        return {_path(kept) for kept in self.kept[row]}

    def places(self, rows: Sequence[int]) -> list[Place]:
        """A file of each content that is there, with the part of it."""
        return [self._place(row) for row in rows]

    def similarities(self, first: Rows, second: Rows) -> Floats:
        """[m] float32 cosine of the stored vectors of pairs of rows, in full."""
        found = np.empty(len(first), np.float32)
        for start in range(0, len(first), _BATCH):
            part = slice(start, start + _BATCH)
            a, b = self.full(first[part]), self.full(second[part])
            found[part] = np.clip((a.astype(np.float64) * b).sum(axis=1), -1.0, 1.0)
        return found

    def full(self, rows: Rows) -> Floats:
        """[m, D] the stored vectors of rows, all their directions."""
        kept = [self.kept[row][0] for row in rows.tolist()]
        whole = np.empty((len(rows), self.stores[0].dim), np.float32)
        for number, store in enumerate(self.stores):
            own = [place for place, entry in enumerate(kept) if entry.store == number]
            ids = np.array([kept[place].item.id for place in own], np.int64)
            if len(ids):
                unique, inverse = np.unique(ids, return_inverse=True)
                whole[own] = store.vectors_of_ids(unique)[inverse]
        return whole

    def _place(self, row: int) -> Place:
        kept = self.kept[row]
        there = next((entry for entry in kept if os.path.exists(_path(entry))), kept[0])  # noqa: PTH110
        return Path(_path(there)), box_of(there.item.box)


def gather(store: Store, *, library: Store | Path | None = None, selection: Selection = ALL) -> Contents:
    """Read what is known of all pictures, but how they look.

    Left out is what lies in a quarantine. With a library, so is what is gone of it, and every other name of
    a file that belongs to it.

    Args:
        library: another store of the same model, or a folder whose pictures in the store are the library.
        selection: what the pictures of the store have to be, the library left out.

    Raises:
        StoreError: an index is damaged, or nothing of it lies in a folder, or the filter is not understood.
    """
    stores = (store, library) if isinstance(library, Store) else (store,)
    contents = Contents(stores)
    rows: dict[bytes, int] = {}
    folder = set(selected(store, Selection(folder=library)).tolist()) if isinstance(library, Path) else set()
    wanted = None if selection.is_all else folder | set(selected(store, selection).tolist())
    every = _not_put_away(contents, _every(stores, folder, wanted))
    for kept in every if library is None else _apart(contents, list(every)):
        row = rows.setdefault(kept.item.hash, len(rows))
        if row == len(contents.hashes):
            contents.hashes.append(kept.item.hash)
            contents.kept.append([])
        contents.kept[row].append(kept)
    _gather_vectors(contents)
    return contents


def box_of(text: str) -> Box | None:
    """A box as the store keeps it."""
    if not text:
        return None
    left, top, right, bottom = map(int, text.split(","))
    return left, top, right, bottom


def _path(kept: Kept) -> str:
    return absolute(kept.root.path, kept.item.path)


def _every(stores: Sequence[Store], folder: set[int], wanted: set[int] | None) -> Iterator[Kept]:
    """All items; of the first store those that are wanted."""
    for number, store in enumerate(stores):
        for root in store.roots():
            for item in store.items(root.id):
                if number > 0 or wanted is None or item.id in wanted:
                    yield Kept(root, item, number, number > 0 or item.id in folder)


def _not_put_away(contents: Contents, every: Iterable[Kept]) -> Iterator[Kept]:
    """Items but those that lie in a quarantine: what may be emptied is no copy of anything."""
    known: dict[str, bool] = {}
    away: dict[str, bool] = {}
    for kept in every:
        path = _path(kept)
        folder = os.path.dirname(path)  # noqa: PTH120 - Path() costs ten times as much, once a picture
        if folder not in away:
            away[folder] = in_quarantine(os.path.realpath(folder), known=known)
        if away[folder]:
            contents.skipped[path] = Skipped(path, SkipReason.QUARANTINE, "it was put away")
        else:
            yield kept


def _apart(contents: Contents, every: Sequence[Kept]) -> list[Kept]:
    """What is there of the library, and what is not one file with anything of it."""
    files = [_file_of(_path(kept))[0] for kept in every]
    held = {file for kept, file in zip(every, files, strict=True) if kept.library and file is not None}
    gone = [_path(kept) for kept, file in zip(every, files, strict=True) if kept.library and file is None]
    contents.skipped |= {path: _missing(path) for path in gone}
    return [
        kept
        for kept, file in zip(every, files, strict=True)
        if (file is not None if kept.library else file not in held)
    ]


def _missing(path: str) -> Skipped:
    return Skipped(path, SkipReason.MISSING, "no such file")


def _file_of(path: str) -> tuple[tuple[int, int] | None, bool]:
    """Device and inode of what a path leads to, None where that is nothing; and whether it is a link."""
    try:
        facts = os.lstat(path)
        link = stat.S_ISLNK(facts.st_mode)
        if link:
            facts = os.stat(path)  # noqa: PTH116 - Path() costs twice the system's call, once a picture
    except (OSError, ValueError):
        return None, False
    return (facts.st_dev, facts.st_ino), link


def _member(kept: Kept, path: str, look: Look | None, *, file: tuple[int, int], link: bool) -> Member:
    item = kept.item
    size = (look.width, look.height) if look is not None else (0, 0)
    return Member(
        id=item.id or 0,
        path=path,
        box=item.box,
        size=size,
        bytes=item.size,
        format=look.format if look is not None else "",
        mtime_ns=item.mtime_ns,
        label=item.label,
        hash=item.hash,
        library=kept.library,
        file=file,
        link=link,
    )


def _gather_vectors(contents: Contents) -> None:
    basis = _basis(contents)
    dim = contents.stores[0].dim if basis is None else basis.shape[1]
    contents.vectors = np.zeros((len(contents), dim), np.float32)
    contents.vectors[:, 0] = 1.0
    for number, store in enumerate(contents.stores):
        pairs = [
            (kept.item.id or 0, row)
            for row, items in enumerate(contents.kept)
            for kept in items[:1]
            if kept.store == number
        ]
        ids, rows = np.array(sorted(pairs), np.int64).reshape(-1, 2).T
        for block, vectors in store.blocks():
            places = np.minimum(np.searchsorted(ids, block), max(len(ids) - 1, 0))
            own = ids[places] == block if len(ids) else np.zeros(len(block), np.bool_)
            contents.vectors[rows[places[own]]] = _shortened(vectors[own], basis)


def _basis(contents: Contents) -> Floats | None:
    """[D, d] the strongest directions; None where all are compared."""
    dim = contents.stores[0].dim
    if dim <= DIMENSIONS or len(contents) <= COMPARED_IN_FULL:
        return None
    rows = np.linspace(0, len(contents) - 1, _SAMPLE).astype(np.int64)
    some = contents.full(rows).astype(np.float64)
    _, directions = np.linalg.eigh(some.T @ some)
    strongest: Floats = directions[:, ::-1][:, :DIMENSIONS].astype(np.float32)
    return strongest


def _shortened(vectors: Floats, basis: Floats | None) -> Floats:
    if basis is None:
        return vectors
    short: Floats = vectors @ basis
    short /= np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-6)
    return short
