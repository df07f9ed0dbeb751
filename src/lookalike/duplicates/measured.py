"""What was measured of contents and of pairs of them, kept so that nothing is measured twice.

Rows enter; proposed pairs, hashes of pixels, differences and similarities leave, looked up where they were
asked for before. Small pictures are not kept: pairs that are new later open their files again. What a
measure means, and which pairs are wanted, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lookalike.duplicates.confirming import Opened, maybe_copies, pixel_differences
from lookalike.duplicates.gathering import Contents
from lookalike.duplicates.grouping import Pair
from lookalike.duplicates.limits import Asked
from lookalike.duplicates.proposing import Proposals, propose, propose_alike
from lookalike.records import Floats, Progress, Watcher

Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
Tell = Callable[[int], None]  # half steps that are done

_NO_ROWS = np.zeros(0, np.int64)


@dataclass
class Measured:
    """What is known of some contents so far.

    Attributes:
        opened: what was met while opening; its small pictures are dropped by `rest`.
        hashes: of the pixels of each row that was decoded.
        times: how many pairs of pictures were laid over each other.
    """

    contents: Contents
    asked: Asked
    opened: Opened = field(default_factory=Opened)
    hashes: dict[int, bytes] = field(default_factory=dict)
    times: int = 0

    _rows: Rows = field(default_factory=_NO_ROWS.copy)  # whose pairs were proposed
    _codes: Rows = field(default_factory=_NO_ROWS.copy)  # of the proposed pairs, rising
    _complete: bool = True
    _alike: Proposals | None = None
    _differences: _Kept = field(default_factory=lambda: _Kept())
    _similarities: dict[Pair, float] = field(default_factory=dict)

    def proposed(self, rows: Rows, *, library: Flags | None, watcher: Watcher) -> Proposals:
        """The pairs among some rows, rising, that are worth a look at their pixels, by rows.

        Rows that were not among those of an earlier call are compared with all of them; the rest is known.

        Args:
            library: of each of the rows whether it is of the library; None: all are compared.
        """
        new = np.setdiff1d(rows, self._rows)
        if not len(self._rows):
            self._add(rows, library, watcher)
        elif len(new):
            both = np.union1d(self._rows, new)
            self._add(both, np.isin(both, new), watcher)
            self._add(new, None, watcher)
        self._rows = np.union1d(self._rows, new)
        first, second = np.divmod(self._codes, max(len(self.contents), 1))
        wanted = np.zeros(len(self.contents), np.bool_)
        wanted[rows] = True
        kept = wanted[first] & wanted[second]
        return Proposals(first[kept], second[kept], self._complete)

    def alike(self, rows: Rows, *, at_least: float, library: Flags | None, watcher: Watcher) -> Proposals:
        """The pairs of some rows, the same in each call, whose vectors are at least so much alike."""
        if self._alike is None:
            vectors = self.contents.vectors[rows]
            found = propose_alike(vectors, at_least=at_least, library=library, watcher=watcher)
            self._alike = Proposals(rows[found.first], rows[found.second], found.complete)
        return self._alike

    def differences(self, first: Rows, second: Rows, *, tell: Tell) -> tuple[Floats, Flags]:
        """How much the pixels of pairs of rows differ, as of `pixel_differences`; infinite beyond the limit.

        Args:
            tell: told of the half steps done, two a pair.
        """
        codes = first * len(self.contents) + second
        differing, flipped, known = self._differences.of(codes)
        new = np.flatnonzero(~known)
        may_be = new[
            maybe_copies(
                self.contents.prints,
                first[new],
                second[new],
                difference=self.asked.difference,
                mirrored=self.asked.mirrored,
                progress=lambda done, _: tell(done),
            )
        ]
        self.times += len(may_be)
        differing[may_be], flipped[may_be] = pixel_differences(
            self.contents.places,
            first[may_be],
            second[may_be],
            opened=self.opened,
            mirrored=self.asked.mirrored,
            within=self.asked.difference,
            progress=_after(tell, len(first)),
        )
        self._differences.add(codes[new], differing[new], flipped[new])
        return differing, flipped

    def similarities(self, pairs: Sequence[Pair]) -> list[float]:
        """The cosine of the stored vectors of pairs of rows, in full."""
        new = [pair for pair in pairs if pair not in self._similarities]
        first, second = np.array(new, np.int64).reshape(-1, 2).T
        found = self.contents.similarities(first, second).tolist()
        self._similarities |= dict(zip(new, found, strict=True))
        return [self._similarities[pair] for pair in pairs]

    def rest(self) -> None:
        """Put what was measured in order for the next time, and let go of the small pictures."""
        self.opened.smalls.clear()
        self._differences.sort()

    def _add(self, rows: Rows, library: Flags | None, watcher: Watcher) -> None:
        found = propose(
            self.contents.vectors[rows],
            self.contents.prints[rows],
            similarity=self.asked.proposing,
            mirrored=self.asked.mirrored,
            library=library,
            watcher=watcher,
        )
        codes = rows[found.first] * len(self.contents) + rows[found.second]
        self._codes = np.union1d(self._codes, codes)
        self._complete = self._complete and found.complete


class _Kept:
    """Differences of pairs by their codes; those of one round are looked up from the next one on."""

    def __init__(self) -> None:
        self._codes, self._values, self._flips = (
            np.zeros(0, kind) for kind in (np.int64, np.float32, np.bool_)
        )
        self._new: list[tuple[Rows, Floats, Flags]] = []

    def of(self, codes: Rows) -> tuple[Floats, Flags, Flags]:
        """[m] each: the differences, infinite where none is known; whether mirrored; whether it is known."""
        differing, flipped = np.full(len(codes), np.inf, np.float32), np.zeros(len(codes), np.bool_)
        if not len(self._codes):
            return differing, flipped, np.zeros(len(codes), np.bool_)
        places = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        known = self._codes[places] == codes
        differing[known], flipped[known] = self._values[places[known]], self._flips[places[known]]
        return differing, flipped, known

    def add(self, codes: Rows, differing: Floats, flipped: Flags) -> None:
        self._new.append((codes, differing, flipped))

    def sort(self) -> None:
        old = (self._codes, self._values, self._flips)
        codes, values, flips = (np.concatenate(parts) for parts in zip(old, *self._new, strict=True))
        self._codes, places = np.unique(codes, return_index=True)
        self._values, self._flips, self._new = values[places], flips[places], []


def _after(tell: Tell, half: int) -> Progress:
    """Progress of the second half of the steps."""
    return lambda done, many: tell(2 * half - (many - done))
