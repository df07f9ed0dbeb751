"""What a person decided of pairs of contents, by their rows. Decisions are read here; others make them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from lookalike.duplicates.agreement import moment_of, things_of
from lookalike.duplicates.gathering import Contents
from lookalike.duplicates.grouping import Pair, pair_of
from lookalike.duplicates.records import Band
from lookalike.indexing.schema import Decision


@dataclass
class Decided:
    """Pairs of rows, by what was decided of them.

    A pair of a row with itself is two copies of one content.

    Attributes:
        same: also by way of others, whether these are among the rows or not: if A is B and B is C, A is C.
    """

    same: set[Pair] = field(default_factory=set)
    different: set[Pair] = field(default_factory=set)
    keep_both: set[Pair] = field(default_factory=set)

    def verdict(self, first: int, second: int) -> str | None:
        """What was decided of two that may be in one group."""
        pair = pair_of(first, second)
        return "keep-both" if pair in self.keep_both else "same" if pair in self.same else None

    def through(self, alike: Mapping[Pair, Band]) -> dict[Pair, tuple[Band, int]]:
        """Of pairs that are alike, those that are by way of "same", with the band and the row between them.

        >>> Decided(same={(1, 2)}).through({(0, 1): Band.NEAR_COPY})
        {(0, 2): (<Band.NEAR_COPY: 'near copy'>, 1)}
        """
        same: dict[int, list[int]] = {}
        for first, second in self.same:
            same.setdefault(first, []).append(second)
            same.setdefault(second, []).append(first)
        found: dict[Pair, tuple[Band, int]] = {}
        for (first, second), band in sorted(alike.items(), key=lambda each: (each[1].order, each[0])):
            for end, other in ((first, second), (second, first)):
                for row in same.get(end, ()):
                    found.setdefault(pair_of(row, other), (band, end))
        return {pair: told for pair, told in found.items() if pair not in alike and pair[0] != pair[1]}


def decided(contents: Contents) -> Decided:
    """The decisions on contents that are there; where two indexes say something of a pair, the later one."""
    rows = {digest: row for row, digest in enumerate(contents.hashes)}
    every = [decision for store in contents.stores for decision in store.decisions()]
    by_time = sorted(every, key=lambda each: moment_of(each.made))
    standing = {(each.first, each.second): each for each in by_time}.values()
    result = Decided(same=_joined(standing, rows))
    sets = {"same": result.same, "different": result.different, "keep-both": result.keep_both}
    for each in standing:
        if each.first in rows and each.second in rows:
            sets[each.verdict].add(pair_of(rows[each.first], rows[each.second]))
    result.same -= result.different
    return result


def _joined(decisions: Iterable[Decision], rows: dict[bytes, int]) -> set[Pair]:
    """All pairs of rows that "same" joins, directly or by way of others."""
    things = things_of(each for each in decisions if each.verdict == "same")
    return {
        pair_of(rows[first], rows[second])
        for thing in things
        for first, second in combinations([digest for digest in thing if digest in rows], 2)
    }
