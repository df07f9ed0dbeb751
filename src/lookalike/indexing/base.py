"""The approximate base of an index: derived, memory-mapped, asked for candidates.

A store and unit queries enter; ids of candidates leave, to be compared exactly with the store's own vectors.
A base that is missing, stale or damaged when it is opened is not used, and why is said in words. While it is
open its file may be removed or replaced, but not cut short: the system ends a process that touches a mapped
page that is gone. What is overwritten meanwhile proposes worse.
What was stored after the base was built, and which of its vectors are gone, is the index's business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.base_file import NOTE, BaseNote, base_path, why_unusable
from lookalike.indexing.probing import probed
from lookalike.indexing.store import Store
from lookalike.indexing.threads import threads_for
from lookalike.records import Floats

Ids = NDArray[np.int64]

FAISS: Any = faiss  # whose stubs know less than it has
ELSEWHERE = 1.3  # times as far as expected: a query has nothing to do with what is allowed
MORE = 4.0  # times as many vectors are then compared, and as many times more as it is farther
QUERIES = 128  # that are ranked against all lists at once
TUNED_FOR = 10  # answers, for which the effort was chosen and the recall measured


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Which ids may be answered: as bits for FAISS, and how many of each list."""

    allowed: Ids | None
    excluded: Ids | None
    selector: Any
    counts: Ids  # [lists]


class Base:
    """An open base, safe to search from several threads.

    Attributes:
        note: what is known of it: its generation, its measured recall, its effort.
    """

    def __init__(self, index: Any, note: BaseNote) -> None:
        self.note = note
        self._index = index
        self._chosen: _Chosen | None = None

    @classmethod
    def open(cls, store: Store) -> Base | None:
        """Map the store's base into memory; None where it has none that can be used: `find_base` says why."""
        return find_base(store)[0]

    @property
    def generation(self) -> int:
        """Of the store, when the base's vectors were read; what changed since is not in it."""
        return self.note.generation

    def fetch_for(self, k: int) -> int:
        """How many candidates k answers need, at most as many as the base has vectors."""
        spare = self.note.fetch - TUNED_FOR
        return min(k + math.ceil(spare * math.sqrt(k / TUNED_FOR)), self.note.rows)

    def search(
        self, queries: Floats, *, k: int, allowed: Ids | None = None, excluded: Ids | None = None
    ) -> tuple[Ids, Floats]:
        """Propose candidates for each query's k most alike.

        Args:
            queries: [q, d] float32, rows of unit length.
            k: answers wanted after the candidates are compared exactly, >= 1.
            allowed: [m] ids that may be proposed; None: all. excluded: [e] ids that may not be. What is made
                of these two arrays is kept, and used again where the next call gives the same two objects.

        Returns:
            ids [q, f] int64, most alike first, -1 where there are no more; f is `fetch_for(k)`, and
            similarities [q, f] float32 as the base knows them, which is roughly.
        """
        products = len(queries) * self.note.dim * self.note.lists  # a part of what is done, about as large
        with threads_for(products):
            ids, similarities = self._propose(queries, k, allowed, excluded)
        ids[ids > self.note.last] = -1  # of a file that was overwritten since it was opened
        return ids, similarities

    def _propose(
        self, queries: Floats, k: int, allowed: Ids | None, excluded: Ids | None
    ) -> tuple[Ids, Floats]:
        fetch, probes = self.fetch_for(k), self._probes_for(k)
        if allowed is None and (excluded is None or not len(excluded)):
            effort = FAISS.SearchParametersIVF(nprobe=probes)
            similarities, ids = probed(self._index, queries, fetch, effort=effort)
        elif allowed is None:
            effort = FAISS.SearchParametersIVF(nprobe=probes, sel=self._choice(None, excluded).selector)
            similarities, ids = probed(self._index, queries, fetch, effort=effort)
        else:
            chosen = self._choice(allowed, excluded)
            starts = range(0, max(len(queries), 1), QUERIES)
            parts = [
                self._search_among(queries[start : start + QUERIES], fetch, probes, chosen)
                for start in starts
            ]
            similarities, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
        return ids, similarities

    def _probes_for(self, k: int) -> int:
        more = math.sqrt(max(k, TUNED_FOR) / TUNED_FOR)
        return min(math.ceil(self.note.probes * more), self.note.lists)

    def _choice(self, allowed: Ids | None, excluded: Ids | None) -> _Chosen:
        chosen = self._chosen
        if chosen is None or chosen.allowed is not allowed or chosen.excluded is not excluded:
            chosen = self._chosen = self._choose(allowed, excluded)
        return chosen

    def _choose(self, allowed: Ids | None, excluded: Ids | None) -> _Chosen:
        may = np.full(self.note.last + 1, allowed is None)
        if allowed is not None:
            may[allowed[allowed <= self.note.last]] = True
        if excluded is not None:
            may[excluded[excluded <= self.note.last]] = False
        lists = self._index.invlists
        counts = [
            np.count_nonzero(may[_list_ids(lists, number, last=self.note.last)]) if allowed is not None else 0
            for number in range(lists.nlist)
        ]
        selector = FAISS.IDSelectorBitmap(np.packbits(may, bitorder="little"))
        return _Chosen(allowed, excluded, selector, np.array(counts, np.int64))

    def _search_among(self, queries: Floats, fetch: int, probes: int, chosen: _Chosen) -> tuple[Floats, Ids]:
        """As many allowed vectors are looked at as without a filter, in the nearest lists that have any."""
        nearness, lists = probed(self._index.quantizer, queries, self.note.lists)  # [q, lists] both
        wanted = max(probes * self.note.rows / self.note.lists, 2.0 * fetch)
        lists[~_looked_at(chosen.counts[lists], wanted, usual=float(chosen.counts.mean()))] = -1
        used = max(int(np.count_nonzero(lists >= 0, axis=1).max(initial=0)), 1)
        order = np.argsort(lists < 0, axis=1, kind="stable")[:, :used]
        lists = np.ascontiguousarray(np.take_along_axis(lists, order, axis=1))
        nearness = np.ascontiguousarray(np.take_along_axis(nearness, order, axis=1))
        queries = np.ascontiguousarray(queries)  # under a name: FAISS is given its place alone
        similarities = np.empty((len(queries), fetch), np.float32)
        ids = np.empty((len(queries), fetch), np.int64)
        self._index.search_preassigned_c(
            len(queries),
            faiss.swig_ptr(queries),
            fetch,
            faiss.swig_ptr(lists),
            faiss.swig_ptr(nearness),
            faiss.swig_ptr(similarities),
            faiss.swig_ptr(ids),
            False,  # noqa: FBT003 - FAISS takes it by place
            FAISS.SearchParametersIVF(nprobe=lists.shape[1], sel=chosen.selector),
        )
        return similarities, ids


def _looked_at(counts: Ids, wanted: float, *, usual: float) -> NDArray[np.bool_]:
    """Which lists to look at, for counts of allowed vectors [q, lists] in the lists by falling nearness.

    `wanted` of them are to be compared; a list has `usual` of them.
    Where a query has to go much farther for them than it would if they lay anywhere, they lie elsewhere than
    the query: then all are about as near, and more of them have to be compared.
    """
    before = np.cumsum(counts, axis=1) - counts
    some = counts > 0
    farther = (before < wanted).sum(axis=1) / max(wanted / max(usual, 1e-9), 1.0)
    more = np.where(farther > ELSEWHERE, MORE * farther, 1.0)[:, None]
    return some & (before < wanted * more)


def find_base(store: Store) -> tuple[Base | None, str]:
    """The store's base, or None and why there is none that can be used."""
    while True:
        noted = store.meta().get(NOTE)
        base, why_not = _open(store, noted)
        if base is not None or store.meta().get(NOTE) == noted:  # else a build has just put another there
            return base, why_not


def _open(store: Store, noted: str | None) -> tuple[Base | None, str]:
    note = BaseNote.from_text(noted)
    if note is None or not note.file:
        return None, "none was built" if note or noted is None else "its note is not understood"
    if note.generation > store.generation() or note.dim != store.dim:
        return None, f"{note.file} was built from another index"
    if reason := why_unusable(store.path, note):
        return None, reason
    try:
        index = FAISS.read_index(
            str(base_path(store.path, note)), faiss.IO_FLAG_MMAP | faiss.IO_FLAG_READ_ONLY
        )
    except RuntimeError as error:
        return None, f"{note.file} cannot be opened: {str(error).splitlines()[0]}"
    if (index.d, index.ntotal, getattr(index, "nlist", 0)) != (note.dim, note.rows, note.lists):
        return None, f"{note.file} holds something else than was noted"
    FAISS.downcast_InvertedLists(index.invlists).prefetch_nthread = 0  # its threads take longer than a search
    return Base(index, note), ""


def _list_ids(lists: Any, number: int, *, last: int) -> Ids:
    """The ids of a list, as far as they can be any."""
    size = lists.list_size(number)
    ids: Ids = FAISS.rev_swig_ptr(lists.get_ids(number), size) if size else np.zeros(0, np.int64)
    return ids[(ids >= 0) & (ids <= last)]
