"""One set of embeddings judged: labels and who asks whom enter; what queries found and all figures leave.

Figures come with what they are in every draw of the classes, so that two judgements of the same pictures can
be compared draw by draw: a model with its untrained backbone (evaluation), or with another (comparison).
Pictures are not opened here, and nothing is put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from lookalike.judging.intervals import ClassSums, check_classes, percentile_interval
from lookalike.judging.metrics import Retrieval, retrieval
from lookalike.judging.pair_intervals import AT_THRESHOLD, pair_draws, pair_figures
from lookalike.judging.pairs import pair_histogram
from lookalike.judging.similarity import Doubles, Ints, class_codes
from lookalike.records import Figure, Floats, Labels, PairHistogram
from lookalike.tables.roles import Roles

ANSWERS = 8
KS = (1, 2, 4, 8)
RANKS = ("first_rank", "mean_rank")  # not in [0, 1]
LOWER_IS_BETTER = ("eer", *RANKS)
MACRO = ("recall@1", "map", "map@r")


@dataclass(frozen=True)
class Measured:
    """Figures by their names: what they are, and what they are in each draw of the classes, [draws].

    What a threshold does, `pair_intervals.AT_THRESHOLD`, is among the draws only, where it was asked for.
    """

    values: Mapping[str, float]
    drawn: Mapping[str, Doubles]

    def figures(self, before: Measured | None = None) -> dict[str, Figure]:
        """The figures with their intervals.

        Args:
            before: the baseline's, of the same pictures by the same draws.
        """
        return {
            name: Figure(
                value,
                *percentile_interval(self.drawn[name]),
                baseline=before.values[name] if before else None,
                gain=self.gain(before, name) if before else None,
                better="lower" if name in LOWER_IS_BETTER else "higher",
                unit="rank" if name in RANKS else "share",
            )
            for name, value in self.values.items()
        }

    def at_threshold(self) -> dict[str, tuple[float, float]]:
        """The intervals of what the threshold does."""
        return {name: percentile_interval(self.drawn[name]) for name in AT_THRESHOLD if name in self.drawn}

    def gain(self, before: Measured, name: str) -> tuple[float, float]:
        """The interval of how much more a figure is than before."""
        return percentile_interval(self.drawn[name] - before.drawn[name])


@dataclass(frozen=True)
class Judgement:
    """What a set of n embeddings is worth.

    Attributes:
        found: what each of the q queries found; neighbours are rows of the set.
        pairs: similarities of all its pairs.
        vectors, labels: [n, d] and [n], as given.
    """

    found: Retrieval
    pairs: PairHistogram
    vectors: Floats
    labels: Labels
    roles: Roles

    @property
    def per_query(self) -> dict[str, Doubles]:
        """Every figure that is a mean over queries, name to [q]; NaN where there is nothing to find."""
        return {
            **self.found.values,
            "first_rank": self.found.first_rank,
            "mean_rank": self.found.mean_rank,
        }

    @cached_property
    def by_class(self) -> ClassSums:
        """The same, added up by class; classes as `class_codes` numbers all n labels."""
        (codes,) = class_codes(self.labels)
        return ClassSums.of(self.per_query, codes[self.roles.queries], count=int(codes.max()) + 1)

    def measure(self, *, draws: int, seed: int, threshold: float | None = None) -> Measured:
        """Every figure, of queries and of pairs, also in each draw of the classes.

        Args:
            threshold: a similarity; with it, what it does is drawn too.

        Raises:
            EvaluationError: only one class has a query with something to find.
        """
        check_classes(np.flatnonzero(self.by_class.counts.any(axis=1)))
        macro = self.by_class.macro(MACRO)
        pairs = pair_draws(
            self.vectors, self.labels, identity=self.roles.unpaired, histogram=self.pairs,
            threshold=threshold, draws=draws, seed=seed,
        )  # fmt: skip
        return Measured(
            {**self.by_class.values(), **macro.values(), **pair_figures(self.pairs)},
            {
                **self.by_class.drawn(draws=draws, seed=seed),
                **macro.drawn(draws=draws, seed=seed),
                **pairs,
            },
        )


def judge(vectors: Floats, labels: Labels, roles: Roles) -> Judgement:
    """Search with every query, and compare all pairs.

    Args:
        vectors: [n, d] float32, rows of unit length.
        labels: [n] of any type.
        roles: of the n rows.

    Raises:
        EvaluationError: as in `metrics.retrieval`.
    """
    queries, gallery = roles.queries, roles.gallery
    found = retrieval(
        vectors[queries],
        labels[queries],
        gallery=vectors[gallery],
        gallery_labels=labels[gallery],
        identity=roles.excluded[queries],
        gallery_identity=roles.excluded[gallery],
        ks=KS,
        neighbours=ANSWERS,
    )
    neighbours: Ints = np.where(found.neighbours >= 0, gallery[found.neighbours], -1)
    pairs = pair_histogram(vectors, labels, identity=roles.unpaired)
    return Judgement(replace(found, neighbours=neighbours), pairs, vectors, labels, roles)
