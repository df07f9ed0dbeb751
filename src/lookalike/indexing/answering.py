"""The nearest items of an index at one moment: among all vectors in memory, or by a base and what came after.

A store and queries enter, ids with exact similarities leave. Without a base every vector is compared. With
one, the base proposes; what was put since it was built is compared in full, and what was removed or put again
is no proposal. A proposal is judged by the store's own vector, so a similarity is the same either way. What a
base cannot answer well is compared with all vectors, which are kept in memory from then on, as far as they
fit a bound. Facts about items, and what a similarity means, are not known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike.indexing.base import Base, find_base
from lookalike.indexing.base_file import NOTE
from lookalike.indexing.candidates import Answer, Ids, Wanted, in_full
from lookalike.indexing.gallery import NONE_YET, Gallery
from lookalike.indexing.proposals import Proposer, with_proposals
from lookalike.indexing.selection import Selection, selected
from lookalike.indexing.store import Store
from lookalike.records import Floats

FEW_FLOATS = 1 << 22  # values of a selection beside a base, up to which it is compared in full

WHOLE_BYTES = 2 << 30  # of all vectors, up to which they are kept beside a base once they were needed

_MOST_KEPT = 4  # selections that are known at once


@dataclass(frozen=True, slots=True)
class _Among:
    """Where answers may come from.

    Attributes:
        ids: [m] int64, rising; vectors: [m, d]: what is compared in full.
        proposer: the base, where something is left for it.
    """

    ids: Ids
    vectors: Floats
    proposer: Proposer | None = None


class Answering:
    """The vectors of an open store, held ready and kept up to date."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._held: Gallery | None = None  # all vectors, or those that the base lacks
        self._whole: Gallery | None = None  # all vectors beside a base, once something needed them
        self._base: Base | None = None
        self._noted: str | None = None  # of the base that was opened, or that cannot be used
        self._excluded: Ids = np.zeros(0, np.int64)  # that the base may not propose any more
        self._known: dict[tuple[str, Path | None], _Among] = {}

    def nearest(self, asked: Wanted, *, selection: Selection) -> list[Answer]:
        """Answer q queries, all as of one moment.

        Raises:
            StoreError: a vector fails its checksum, or the selection's filter is not understood.
        """
        with self._store.reading():  # also keeps other threads from what is held
            among = self._among(selection, self._follow())
            answers = in_full(asked, among.ids, among.vectors)
            if among.proposer is not None:
                answers = with_proposals(asked, answers, among.proposer)
            return answers

    def _among(self, selection: Selection, held: Gallery) -> _Among:
        """Where the answers of a selection may come from; the last few selections are kept."""
        key = selection.where, selection.folder
        among = self._known.pop(key, None) or self._find(selection, held)
        self._known[key] = among
        while len(self._known) > _MOST_KEPT or self._kept() > len(held) + FEW_FLOATS // self._store.dim:
            del self._known[next(iter(self._known))]
        return among

    def _find(self, selection: Selection, held: Gallery) -> _Among:
        if selection.is_all:
            return _Among(held.ids, held.vectors, self._proposer(None, self._store.size() - len(held)))
        ids = selected(self._store, selection)
        if self._base is not None and len(ids) * self._store.dim <= FEW_FLOATS:
            return _Among(*self._store.some_vectors(ids))
        rows = held.rows_among(ids)
        return _Among(held.ids[rows], held.vectors[rows], self._proposer(ids, len(ids) - len(rows)))

    def _proposer(self, allowed: Ids | None, size: int) -> Proposer | None:
        if self._base is None or size <= 0:
            return None
        return Proposer(self._base, self._store, allowed, self._excluded, size, self._everything)

    def _everything(self) -> Iterable[tuple[Ids, Floats]]:
        """All vectors of this moment: kept in memory, or read in blocks where they are too many."""
        if self._store.size() * self._store.dim * np.dtype(np.float32).itemsize > WHOLE_BYTES:
            self._whole = None
            return self._store.blocks()
        if self._whole is None:
            self._whole = Gallery(dim=self._store.dim)
        self._whole.catch_up(self._store)
        return self._whole.blocks()

    def _kept(self) -> int:
        """Rows that selections hold beside what is held anyway."""
        return sum(len(among.ids) for key, among in self._known.items() if key != ("", None))

    def _follow(self) -> Gallery:
        """What is held becomes that of this moment."""
        meta = self._store.meta()
        noted, generation = meta.get(NOTE), int(meta["generation"])
        if noted != self._noted:
            self._noted = noted
            self._change_base(find_base(self._store)[0])
        if self._held is None or self._held.generation != generation:
            self._known.clear()
            self._held = self._caught_up(self._held)
        return self._held

    def _change_base(self, base: Base | None) -> None:
        if base is not self._base:
            self._base, self._excluded = base, np.zeros(0, np.int64)
            self._held, self._whole = (self._whole, None) if base is None else (None, self._whole)
            self._known.clear()

    def _caught_up(self, held: Gallery | None) -> Gallery:
        base, store = self._base, self._store
        if held is None:
            held = Gallery(dim=store.dim, generation=NONE_YET if base is None else base.generation)
        if base is None:
            held.catch_up(store)
            return held
        changed = store.changes_since(held.generation)
        held.follow(changed)
        excluded = np.union1d(changed.ids, changed.gone)
        self._excluded = np.union1d(self._excluded, excluded[excluded <= base.note.last])
        return held
