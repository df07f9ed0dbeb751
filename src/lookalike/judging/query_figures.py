"""Figures of single queries: the ranks of their right items enter; recall, precision and the like leave.

`metrics.Retrieval` says how each is defined. A figure at k looks at nothing behind rank k, which spares
ranking the rest where nothing else is asked for. Nothing is averaged over queries here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.candidates import ranks_of
from lookalike.judging.exact_rows import Ranked
from lookalike.judging.similarity import Doubles, Ints


@dataclass(frozen=True)
class _Found:
    """The ranked right items of b queries.

    Attributes:
        total: [b], R of each query.
        rows, ranks, gains: [t], of each found item: whose it is, its rank, how right it is.
    """

    ranked: Ranked
    total: Ints
    rows: Ints
    ranks: Ints
    gains: Doubles | None

    @classmethod
    def of(cls, ranked: Ranked) -> _Found:
        found = ranked.found
        return cls(ranked, ranked.right.total, found.rows, ranked.ranks, found.gains)

    def sums(self, values: Doubles, kept: NDArray[np.bool_]) -> Doubles:
        """[b], added up in the order of ranks."""
        return _sums(self.rows[kept], values[kept], len(self.total))

    def counts(self, kept: NDArray[np.bool_]) -> Ints:
        """[b]."""
        return np.bincount(self.rows[kept], minlength=len(self.total))

    @cached_property
    def precision(self) -> Doubles:
        """[t], at the rank of each item."""
        return ranks_of(self.rows) / self.ranks

    @cached_property
    def discounted(self) -> Doubles:
        """[t], what each item adds to DCG."""
        gains = np.ones(len(self.ranks)) if self.gains is None else self.gains
        return gains * _discounts(self.ranks)

    @cached_property
    def within_r(self) -> NDArray[np.bool_]:
        """[t], whether an item is among the first R."""
        return self.ranks <= self.total[self.rows]

    @cached_property
    def first(self) -> Doubles:
        """[b], the best rank; infinity where nothing was found."""
        best = np.full(len(self.total), np.inf)
        starts, some = self.ranked.found.starts[:-1], self.ranked.found.total > 0
        best[some] = self.ranks[starts[some]]
        return best


def _ap(found: _Found, k: int) -> Doubles:
    return found.sums(found.precision, found.ranks <= k) / np.minimum(found.total, k)


def _ndcg(found: _Found, k: int) -> Doubles:
    return found.sums(found.discounted, found.ranks <= k) / _best_dcg(found, k)


def _best_dcg(found: _Found, k: int) -> Doubles:
    """[b], DCG@k with the right items first, those with the highest gains before others."""
    right = found.ranked.right
    if right.gains is None:
        sums = np.cumsum(_discounts(np.arange(1, k + 1)))
        return np.append(np.nan, sums)[np.minimum(found.total, k)]
    order = np.lexsort((-right.gains, right.rows))
    ranks = ranks_of(right.rows)
    gains = np.where(ranks <= k, right.gains[order] * _discounts(ranks), 0.0)
    return _sums(right.rows, gains, len(found.total))


def _discounts(ranks: Ints) -> Doubles:
    discounts: Doubles = 1.0 / np.log2(1.0 + ranks)
    return discounts


def _sums(rows: Ints, values: Doubles, count: int) -> Doubles:
    """[count]; one value after the other, so that equal sums are equal to the last bit."""
    sums: Doubles = np.bincount(rows, weights=values, minlength=count).astype(np.float64)
    return sums


_AT_K: dict[str, Callable[[_Found, int], Doubles]] = {
    "recall": lambda found, k: (found.first <= k).astype(np.float64),
    "precision": lambda found, k: found.counts(found.ranks <= k) / k,
    "ap": _ap,
    "ndcg": _ndcg,
}
_TO_THE_LAST: dict[str, Callable[[_Found], Doubles]] = {
    "map": lambda found: found.sums(found.precision, found.ranks > 0) / found.total,
    "mrr": lambda found: 1.0 / found.first,
}
_UP_TO_R: dict[str, Callable[[_Found], Doubles]] = {
    "r_precision": lambda found: found.counts(found.within_r) / found.total,
    "map@r": lambda found: found.sums(found.precision, found.within_r) / found.total,
}
_ALONE = {**_UP_TO_R, **_TO_THE_LAST}


@dataclass(frozen=True)
class Figures:
    """Which figures are asked for.

    Attributes:
        ks: cut-offs, >= 1.
        names: of the figures, in their order.
    """

    ks: tuple[int, ...]
    names: tuple[str, ...]

    @classmethod
    def asked(cls, ks: Sequence[int], names: Collection[str] | None) -> Figures:
        """Check what is asked for; None: everything.

        Raises:
            ValueError: a cut-off below 1, or a name that there is not.
        """
        if min(ks, default=1) < 1:
            raise ValueError(f"cut-offs must be at least 1, got {min(ks)}")
        known = (*(f"{name}@{k}" for name in _AT_K for k in ks), "map", *_UP_TO_R, "mrr")
        unknown = sorted(set(names or ()) - set(known))
        if unknown:
            raise ValueError(f"there is no figure {unknown[0]!r}; there are {', '.join(known)}")
        return cls(tuple(ks), tuple(name for name in known if names is None or name in names))

    @property
    def depth(self) -> int | None:
        """Up to which rank right items are looked for, at least to R; None: to the last."""
        return None if set(_TO_THE_LAST) & set(self.names) else max(self.ks, default=1)

    def of(self, ranked: Ranked) -> Doubles:
        """Return [b, f], NaN for a query without a right item."""
        found = _Found.of(ranked)
        judged = found.total > 0
        table = np.full((len(judged), len(self.names)), np.nan)
        with np.errstate(divide="ignore", invalid="ignore"):  # of queries without a right item
            for column, name in enumerate(self.names):
                table[judged, column] = _figure(found, name)[judged]
        return table


def _figure(found: _Found, name: str) -> Doubles:
    if name in _ALONE:
        return _ALONE[name](found)
    kind, _, k = name.partition("@")
    return _AT_K[kind](found, int(k))


def rank_means(ranked: Ranked) -> tuple[Doubles, Doubles]:
    """The ranks of the best of a query's right items, and the mean of all, [b] each; NaN without any."""
    found = _Found.of(ranked)
    judged = found.total > 0
    first = np.where(judged, found.first, np.nan)
    mean = np.full(len(judged), np.nan)
    np.divide(
        found.sums(found.ranks.astype(np.float64), found.ranks > 0), found.total, out=mean, where=judged
    )
    return first, mean
