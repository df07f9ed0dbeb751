"""What a person decided of pairs of contents, by their rows. Decisions are read here; others make them."""

from __future__ import annotations

from dataclasses import dataclass, field

from lookalike.duplicates.gathering import Contents

Pair = tuple[int, int]  # rows, the lower first; twice the same: two copies of one content


@dataclass
class Decided:
    """Pairs of rows, by what was decided of them."""

    same: set[Pair] = field(default_factory=set)
    different: set[Pair] = field(default_factory=set)
    keep_both: set[Pair] = field(default_factory=set)

    def verdict(self, first: int, second: int) -> str | None:
        """What was decided of two that may be in one group."""
        pair = min(first, second), max(first, second)
        return "keep-both" if pair in self.keep_both else "same" if pair in self.same else None


def decided(contents: Contents) -> Decided:
    """The decisions on contents that are there; where two indexes say something of a pair, the later one."""
    rows = {digest: row for row, digest in enumerate(contents.hashes)}
    every = [decision for store in contents.stores for decision in store.decisions()]
    latest = {(each.first, each.second): each.verdict for each in sorted(every, key=lambda each: each.made)}
    result = Decided()
    sets = {"same": result.same, "different": result.different, "keep-both": result.keep_both}
    for (first, second), verdict in latest.items():
        if first in rows and second in rows:
            a, b = rows[first], rows[second]
            sets[verdict].add((min(a, b), max(a, b)))
    return result
