"""Which gallery items are right for a query: labels enter, the right items of every query leave.

An item is right when it has the query's label, or when a comparison of the two says so: labels may then be
anything that has a row for each picture, for example several tags at once. Items that are left out of a
ranking are not known here; nothing is ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import Labels

Comparison = Callable[[Labels, Labels], NDArray[Any]]  # labels [b, ...] and [g, ...] to [b, g]


@dataclass(frozen=True)
class RightItems:
    """The right items of b queries, one after the other.

    Attributes:
        starts: [b + 1] int64; query i has the items starts[i] to starts[i + 1].
        columns: [t] int64 gallery rows, rising within a query.
        gains: [t] float64, > 0, how right each is; None: all equally.
    """

    starts: Ints
    columns: Ints
    gains: Doubles | None = None

    @property
    def total(self) -> Ints:
        """[b], how many each query has."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Ints:
        """[t], whose each is, from 0."""
        return np.repeat(np.arange(len(self.starts) - 1), self.total)

    def only(self, kept: NDArray[np.bool_]) -> RightItems:
        """Those of the [t] that are kept."""
        if kept.all():
            return self
        starts = np.concatenate([[0], np.cumsum(kept)])[self.starts]
        return RightItems(starts, self.columns[kept], None if self.gains is None else self.gains[kept])

    @classmethod
    def joined(cls, parts: Sequence[RightItems]) -> RightItems:
        """Those of several groups of queries, one group after the other."""
        starts = np.concatenate([[0], np.cumsum(np.concatenate([part.total for part in parts]))])
        columns = np.concatenate([part.columns for part in parts])
        gains = [part.gains for part in parts if part.gains is not None]
        return cls(starts, columns, np.concatenate(gains) if gains else None)


class Relevance(Protocol):
    """Whoever knows the right items of a block of queries."""

    def of(self, block: slice, /) -> RightItems:
        """Return the right items of the queries of a block."""


@dataclass(frozen=True)
class ByLabel:
    """Right is what has the query's label.

    Attributes:
        codes: [q] int64, the queries' labels, numbered.
        order: [g] int64, gallery rows class by class, rising within a class.
        bounds: [c + 1] int64; class c stands at bounds[c] to bounds[c + 1] of the order.
    """

    codes: Ints
    order: Ints
    bounds: Ints

    @classmethod
    def among(cls, codes: Ints, gallery_codes: Ints) -> ByLabel:
        """Make the lookup of a gallery."""
        order = np.argsort(gallery_codes, kind="stable")
        classes = max(int(codes.max()), int(gallery_codes.max())) + 1
        return cls(codes, order, np.searchsorted(gallery_codes[order], np.arange(classes + 1)))

    def of(self, block: slice, /) -> RightItems:
        """Return the right items of the queries of a block."""
        first = self.bounds[self.codes[block]]
        counts = self.bounds[self.codes[block] + 1] - first
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(first - starts[:-1], counts) + np.arange(starts[-1])
        return RightItems(starts, self.order[places])


@dataclass(frozen=True)
class ByComparison:
    """Right is what a comparison of labels calls so."""

    compare: Comparison
    labels: Labels
    gallery_labels: Labels

    def of(self, block: slice, /) -> RightItems:
        """Return the right items of the queries of a block.

        Raises:
            EvaluationError: the comparison gives no [b, g] of bools or of finite numbers >= 0.
        """
        gains = np.asarray(self.compare(self.labels[block], self.gallery_labels))
        wanted = (block.stop - block.start, len(self.gallery_labels))
        _check(gains, wanted)
        rows, columns = np.nonzero(gains)
        starts = np.searchsorted(rows, np.arange(wanted[0] + 1))
        graded = None if gains.dtype == bool else gains[rows, columns].astype(np.float64)
        return RightItems(starts, columns, graded)


def any_common(labels: Labels, gallery_labels: Labels) -> NDArray[np.bool_]:
    """Return whether two pictures have a tag in common, [b, g], of tags [b, a] and [g, a] as 0 or 1.

    >>> tags = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    >>> any_common(tags[:1], tags)
    array([[ True,  True, False]])
    """
    common: NDArray[np.bool_] = _common(labels, gallery_labels) > 0
    return common


def share_in_common(labels: Labels, gallery_labels: Labels) -> Doubles:
    """Return which share of the tags of two pictures both have, [b, g] in [0, 1]; 0 where they have none.

    Args:
        labels, gallery_labels: tags [b, a] and [g, a] as 0 or 1.

    >>> tags = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    >>> share_in_common(tags[:1], tags).round(3)
    array([[1.   , 0.333, 0.   ]])
    """
    common = _common(labels, gallery_labels)
    either = labels.sum(axis=1)[:, None] + gallery_labels.sum(axis=1) - common
    share: Doubles = common / np.maximum(either, 1)
    return share


def _common(labels: Labels, gallery_labels: Labels) -> Doubles:
    """How many tags two pictures share; below 2^24, so that single precision counts exactly."""
    common: Doubles = (labels.astype(np.float32) @ gallery_labels.astype(np.float32).T).astype(np.float64)
    return common


def _check(gains: NDArray[Any], wanted: tuple[int, int]) -> None:
    if gains.shape != wanted or gains.dtype.kind not in "biuf":
        raise EvaluationError(
            "a comparison of labels does not fit queries and gallery",
            where="relevance",
            saw=f"{list(gains.shape)} {gains.dtype}",
            wanted=f"{list(wanted)}, bool or numbers",
            do="return one value for each query and gallery item",
        )
    if gains.dtype.kind != "b" and not (np.isfinite(gains) & (gains >= 0)).all():
        raise EvaluationError(
            "a comparison of labels gives gains that cannot be added up",
            where="relevance",
            saw="a negative, infinite or missing value",
            wanted="0 for a wrong item, more for a right one",
            do="mend the comparison",
        )
