"""Which contents are how much alike: contents enter; pairs with their band, and what was measured, leave.

Pairs are proposed by embeddings and prints and confirmed by pixels, decoded in full for the band of the same
pixels; the band of the same thing goes by the stored vectors. Pairs that somebody decided to be the same are
taken as they are, with what is alike one of the two; different ones are left out. Nothing is grouped here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lookalike.duplicates.confirming import pixel_hashes
from lookalike.duplicates.decided import Decided
from lookalike.duplicates.equals import Equals, equal_pixels
from lookalike.duplicates.gathering import Contents
from lookalike.duplicates.grouping import Pair, in_waves
from lookalike.duplicates.limits import Asked
from lookalike.duplicates.measured import Measured
from lookalike.duplicates.records import Band
from lookalike.records import SILENT, Floats, Skipped, Watcher

Rows = NDArray[np.int64]
Rank = Callable[[Rows], Rows]

_LEVELS = 8  # by which the prints of the same pixels may differ, decoded at one size or another


@dataclass(frozen=True, slots=True)
class Edge:
    """Two contents that are alike.

    Attributes:
        first, second: rows, first < second.
        similarity: cosine of their vectors.
        difference: of their pixels; None where they were not laid over each other.
        mirrored: whether one is the mirror image of the other.
        through: a row that one is alike and that was decided to be the same as the other; None: they are
            alike themselves.
    """

    first: int
    second: int
    band: Band
    similarity: float
    difference: float | None = None
    mirrored: bool = False
    through: int | None = None


@dataclass(frozen=True, slots=True)
class Edges:
    """All pairs that are alike, by their rows; what could not be opened; whether all were looked at."""

    edges: tuple[Edge, ...]
    skipped: tuple[Skipped, ...]
    complete: bool


class Comparer:
    """Finds the pairs of contents that are alike, again and again as decisions on them change.

    What was measured once is not measured again: only pairs that a decision brings up are new.

    Args:
        rank: the order in which some rows are worth keeping, [n] from 0 on, of all others and of those whose
            files are gone -1. Pairs of near copies that no group can need are not looked at.
        among: compare all; else only what is not in the library with what is.
    """

    def __init__(self, contents: Contents, asked: Asked, *, rank: Rank, among: bool) -> None:
        self._contents, self._asked, self._rank, self._among = contents, asked, rank, among
        self.measured = Measured(contents, asked)

    def compare(self, decisions: Decided, *, watcher: Watcher = SILENT) -> Edges:
        """The pairs that are alike, as decisions stand."""
        contents, asked = self._contents, self._asked
        shown = np.flatnonzero(~contents.blank)
        left = _Left(contents, decisions, among=self._among)
        apart, joined = (
            {row for pair in pairs for row in pair} for pairs in (decisions.different, decisions.same)
        )
        known, complete = _Known(self.measured, apart=apart, free=apart | joined), True
        if asked.wants(Band.SAME_PIXELS) or asked.wants(Band.NEAR_COPY):
            complete = _copies(contents, asked, left, known, rank=self._rank, watcher=watcher)
        if asked.same is not None:
            library = left.library(shown)
            alike = self.measured.alike(shown, at_least=asked.same, library=library, watcher=watcher)
            complete = complete and alike.complete
            for pair in zip(*map(np.ndarray.tolist, left.of(alike.first, alike.second)), strict=True):
                known.bands.setdefault(pair, (Band.SAME_THING, None, False))
        if asked.wants(Band.NEAR_COPY):
            for pair in filter(left.allows, decisions.same):
                known.bands.setdefault(pair, (Band.NEAR_COPY, None, False))
        edges = _edges(self.measured, asked, decisions, known.bands)
        if asked.wants(Band.NEAR_COPY):
            edges += tuple(_through(self.measured, decisions, edges, left.allows))
        self.measured.rest()
        return Edges(edges, tuple(self.measured.opened.skipped.values()), complete)


@dataclass
class _Known:
    """What is found this time: of pairs their band, difference and whether one is mirrored."""

    measured: Measured
    apart: Collection[int]
    free: Collection[int]  # what a decision may have taken, or kept out, whatever its pixels say
    bands: dict[Pair, tuple[Band, float | None, bool]] = field(default_factory=dict)
    equals: Equals = field(default_factory=Equals)


class _Left:
    """Which pairs may be alike, as far as that is known before they are compared."""

    def __init__(self, contents: Contents, decisions: Decided, *, among: bool) -> None:
        self._contents, self._different = contents, decisions.different
        self.among, self._blank = among, contents.blank
        decided = {row for pair in decisions.different for row in pair}
        several = len(contents.stores) > 1  # then two contents may be what one file was and is
        self._parted = np.array(
            [
                several or row in decided or any(kept.item.box for kept in items)
                for row, items in enumerate(contents.kept)
            ],
            np.bool_,
        )

    def of(self, first: Rows, second: Rows) -> tuple[Rows, Rows]:
        """The pairs of rows, none of them blank, that may be alike."""
        doubtful = np.flatnonzero(self._parted[first] | self._parted[second])
        pairs = zip(first[doubtful].tolist(), second[doubtful].tolist(), strict=True)
        kept = first != second
        kept[doubtful] = [self.allows(pair) for pair in pairs]
        if not self.among:
            old, new = self._contents.old, self._contents.new
            kept &= (old[first] & new[second]) | (old[second] & new[first])
        return first[kept], second[kept]

    def library(self, rows: Rows) -> NDArray[np.bool_] | None:
        """Of rows whether they are of the library; None where all are compared."""
        return None if self.among else self._contents.old[rows]

    def allows(self, pair: Pair) -> bool:
        """Two contents, none of them blank, not decided to be different, not two parts of one picture."""
        first, second = pair
        if first == second or self._blank[first] or self._blank[second] or pair in self._different:
            return False
        if not self.among and not self._across(first, second):
            return False
        return self._contents.paths(first).isdisjoint(self._contents.paths(second))

    def _across(self, first: int, second: int) -> bool:
        old, new = self._contents.old, self._contents.new
        return bool((old[first] and new[second]) or (old[second] and new[first]))


def _copies(
    contents: Contents,
    asked: Asked,
    left: _Left,
    known: _Known,
    *,
    rank: Rank,
    watcher: Watcher,
) -> bool:
    """Note the pairs of the same pixels and the near copies; whether all proposed ones were looked at."""
    rows = np.flatnonzero(~contents.blank)
    if left.among:  # in a library a row may stand only for rows of its own side
        tell = watcher.stage("find equal pixels")
        known.equals = equal_pixels(
            contents,
            rows,
            rank=rank,
            apart=known.apart,
            opened=known.measured.opened,
            hashes=known.measured.hashes,
            progress=tell,
        )
        rows = np.setdiff1d(rows, known.equals.spare)
    proposed = known.measured.proposed(rows, library=left.library(rows), watcher=watcher)
    first, second = left.of(proposed.first, proposed.second)
    ranked = rank(np.unique(np.concatenate([first, second])))
    there = (ranked[first] >= 0) & (ranked[second] >= 0)
    _confirm(contents, asked, (first[there], second[there]), known, rank=ranked, watcher=watcher)
    for pair, found in list(known.bands.items()):
        known.bands |= dict.fromkeys(filter(left.allows, known.equals.like(pair)), found)
    same = Band.SAME_PIXELS if asked.wants(Band.SAME_PIXELS) else Band.NEAR_COPY
    within = filter(left.allows, known.equals.within())
    known.bands |= dict.fromkeys(within, (same, None if same is Band.SAME_PIXELS else 0.0, False))
    return proposed.complete


def _confirm(
    contents: Contents,
    asked: Asked,
    pairs: tuple[Rows, Rows],
    known: _Known,
    *,
    rank: Rows,
    watcher: Watcher,
) -> None:
    """Note the pairs of the same pixels and the near copies."""
    first, second = pairs
    same = _same_pixels(contents, first, second, known, watcher)
    differing, flipped = np.where(same, 0.0, np.inf).astype(np.float32), np.zeros(len(first), np.bool_)
    if asked.wants(Band.NEAR_COPY):
        tell, told = watcher.stage("lay pictures over each other"), 0

        def confirm(places: Rows) -> NDArray[np.bool_]:
            nonlocal told
            new = places[~same[places]]
            differing[new], flipped[new] = known.measured.differences(
                first[new], second[new], tell=lambda halves: tell(told + halves // 2, len(first))
            )
            told += len(places)
            return differing[places] <= asked.difference

        if asked.same is None:
            in_waves(first, second, rank, confirm, free=known.free)
        else:  # a representative of one thing may be near to what another one has taken
            confirm(np.arange(len(first)))
        tell(len(first), len(first))
    _note(pairs, asked, known, same=same, differing=differing, flipped=flipped)


def _note(
    pairs: tuple[Rows, Rows],
    asked: Asked,
    known: _Known,
    *,
    same: NDArray[np.bool_],
    differing: Floats,
    flipped: NDArray[np.bool_],
) -> None:
    """Put down what was measured of those pairs that are alike."""
    first, second = pairs
    for place in np.flatnonzero(differing <= asked.difference).tolist():
        pair = int(first[place]), int(second[place])
        if same[place] and asked.wants(Band.SAME_PIXELS):
            known.bands[pair] = Band.SAME_PIXELS, None, False
        elif asked.wants(Band.NEAR_COPY):
            known.bands[pair] = Band.NEAR_COPY, float(differing[place]), bool(flipped[place])


def _same_pixels(
    contents: Contents, first: Rows, second: Rows, known: _Known, watcher: Watcher
) -> NDArray[np.bool_]:
    """[m] whether the pixels of a pair are equal, decoded in full; only those that may be are decoded."""
    sizes = np.array([(0, 0) if look is None else (look.width, look.height) for look in contents.looks])
    sizes = sizes.reshape(-1, 2)
    may_be = np.all(sizes[first] == sizes[second], axis=1) & (sizes[first, 0] > 0)
    for start in range(0, len(first), 65_536):
        part = slice(start, start + 65_536)
        a, b = (contents.prints[rows[part]].astype(np.int16) for rows in (first, second))
        may_be[part] &= np.abs(a - b).max(axis=1, initial=0) <= _LEVELS
    rows = np.unique(np.concatenate([first[may_be], second[may_be]]))
    hashes, opened = known.measured.hashes, known.measured.opened
    new = [row for row in rows.tolist() if row not in hashes and row not in opened.skipped]
    tell = watcher.stage("compare all pixels")
    hashes |= pixel_hashes(contents.places, np.array(new, np.int64), opened=opened, progress=tell)
    digests = np.array([hashes.get(row, b"") for row in rows.tolist()], object)
    equal = np.zeros(len(first), np.bool_)
    places = np.flatnonzero(may_be)
    one, other = (digests[np.searchsorted(rows, ends[places])] for ends in (first, second))
    equal[places] = [a == b and a != b"" for a, b in zip(one, other, strict=True)]
    return equal


def _edges(
    measured: Measured,
    asked: Asked,
    decisions: Decided,
    bands: dict[Pair, tuple[Band, float | None, bool]],
) -> tuple[Edge, ...]:
    pairs = sorted(bands)
    edges = []
    for pair, similarity in zip(pairs, measured.similarities(pairs), strict=True):
        band, difference, mirrored = bands[pair]
        too_little = band is Band.SAME_THING and similarity < (asked.same or 0.0)
        if not too_little or pair in decisions.same:
            edges.append(Edge(*pair, band, similarity, difference, mirrored))
    return tuple(edges)


def _through(
    measured: Measured, decisions: Decided, edges: Sequence[Edge], allows: Callable[[Pair], bool]
) -> Iterator[Edge]:
    """What is alike one of two that were decided to be the same, with the other: one group takes both."""
    found = decisions.through({(edge.first, edge.second): edge.band for edge in edges})
    pairs = sorted(filter(allows, found))
    for pair, similarity in zip(pairs, measured.similarities(pairs), strict=True):
        band = max(Band.NEAR_COPY, found[pair][0], key=lambda band: band.order)
        yield Edge(*pair, band, similarity, through=found[pair][1])
