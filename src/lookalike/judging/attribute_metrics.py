"""Figures of attribute queries: what is asked for is stated, what is right follows from the pictures' values.

Values of pictures and similarities of queries to them enter; precision and average precision of every query
leave, beside what a random order would reach. Of pictures that are equally alike the wrong ones rank first,
so ties count against the system. Pictures of which it is not known whether they are right are left out of
that query's ranking. Intervals and words are made elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values, agree, undecided

KS = (1, 5, 10, 100)
STEPS = 2**20  # similarities nearer to each other than one of these may tie
LEFT_OUT = np.iinfo(np.int32).min
BLOCK = 64  # queries compared at once
MOST_CHANGES = 3  # of a composed query

Similarities: TypeAlias = Callable[
    [slice], NDArray[np.floating]
]  # of a block of queries to all pictures, [b, n]


def between(queries: NDArray[np.floating], pictures: NDArray[np.floating]) -> Similarities:
    """What `judge` takes, of queries [q, d] and pictures [n, d], unit rows."""

    def compare(block: slice) -> NDArray[np.floating]:
        similar: NDArray[np.floating] = np.clip(queries[block] @ pictures.T, -1.0, 1.0)  # [b, n]
        return similar

    return compare


def means(figures: Mapping[str, Doubles]) -> dict[str, float]:
    """The mean of each figure over the queries that have it; one of them at least has to."""
    return {name: float(np.nanmean(values)) for name, values in figures.items()}


def judge(
    similarities: Similarities,
    stated: Values,
    values: Values,
    *,
    ks: Sequence[int] = KS,
    itself: Ints | None = None,
) -> dict[str, Doubles]:
    """Rank the pictures for every query; one is right when it has all that is stated.

    With R right pictures at ranks r_1 < ... < r_R: precision@k = #{r_i <= k} / k, also where there are fewer
    than k pictures; map = mean of i / r_i; mean_precision = mean of precision@1 ... precision@R.

    Args:
        similarities: gives those of a block of queries, each in [-1, 1], higher is more alike.
        stated: [q, a], 1 present, -1 absent, 0 not stated.
        values: [n, a], of the pictures.
        ks: cut-offs, >= 1.
        itself: [q] the row of a picture that is the query and no answer; None: queries are no pictures.

    Returns:
        Name to [q] float64 in [0, 1], higher is better; NaN for a query that no picture answers.
    """
    names = (*(f"precision@{k}" for k in ks), "map", "mean_precision")
    figures = np.full((len(stated), len(names)), np.nan)
    for start in range(0, len(stated), BLOCK):
        block = slice(start, start + BLOCK)
        codes = np.rint(similarities(block) * STEPS).astype(np.int32)  # [b, n]
        codes[undecided(stated[block], values)] = LEFT_OUT
        right = agree(stated[block], values)
        for place, (row, wanted) in enumerate(zip(codes, right, strict=True), start):
            if itself is not None:
                row[itself[place]], wanted[itself[place]] = LEFT_OUT, False
            if wanted.any():
                figures[place] = _figures(_ranks(row, wanted), ks)
    return dict(zip(names, figures.T.copy(), strict=True))


def likeness(similar: Floats, rows: Ints, features: Floats) -> Doubles:
    """How like a picture its first ten answers are, whatever their attributes.

    Args:
        similar: [q, n] similarities that rank the n pictures for each query; its own picture is left out.
        rows: [q] the picture that each query was made of.
        features: [n, D] unit rows that say what is like what.

    Returns:
        [q] the mean cosine of picture and answers, in [-1, 1].
    """
    similar = similar.copy()
    similar[np.arange(len(rows)), rows] = -np.inf
    first = np.argsort(-similar, axis=1, kind="stable")[:, : min(10, len(features) - 1)]  # [q, 10]
    found: Doubles = np.einsum("qkd,qd->q", features[first], features[rows]) / first.shape[1]
    return found


def chance(
    stated: Values, values: Values, *, ks: Sequence[int] = KS, itself: Ints | None = None
) -> dict[str, Doubles]:
    """What `judge` gives for a random order of the pictures, on average over all orders.

    Args:
        stated, values, ks, itself: as in `judge`.

    Returns:
        The same names; NaN for a query that no picture answers.
    """
    right = np.empty(len(stated))
    ranked = np.empty(len(stated))
    for start in range(0, len(stated), BLOCK):
        block = slice(start, start + BLOCK)
        answers, unknown = agree(stated[block], values), undecided(stated[block], values)
        if itself is not None:
            rows = np.arange(len(answers)), itself[block]
            answers[rows], unknown[rows] = False, True
        right[block], ranked[block] = answers.sum(axis=1), (~unknown).sum(axis=1)
    share = np.where(right > 0, right / np.maximum(ranked, 1), np.nan)
    figures = {f"precision@{k}": share * np.minimum(ranked, k) / k for k in ks}
    return {**figures, "map": _random_map(right, ranked), "mean_precision": share}


def make_queries(values: Values, *, most: int, seed: int) -> dict[str, Values]:
    """The queries that a set of pictures is judged by, in three kinds, each of distinct queries.

    - full: all attributes of a picture, as it has them; every such combination that occurs.
    - one: a single attribute that shall be present.
    - several: two to four attributes as a random picture has them, at least one of them present.

    Args:
        values: [n, a], of the pictures.
        most: of each kind; more are drawn from at random.
        seed: of what is drawn.

    Returns:
        Kind to [q, a]. All are answered by at least one picture; a kind without a query is left out.
    """
    rng = np.random.default_rng(seed)
    present = (values > 0).any(axis=0)
    kinds = {
        "full": np.unique(values[values.any(axis=1)], axis=0),
        "one": np.eye(values.shape[1], dtype=np.int8)[present],
        "several": _several(values, draws=most, rng=rng),
    }
    return {kind: _at_most(most, queries, rng) for kind, queries in kinds.items() if len(queries)}


def make_changes(values: Values, *, most: int, seed: int) -> tuple[Ints, Values, Values]:
    """Pictures to be changed: rows, the changes, and the attributes that are then wanted.

    Another combination of attributes that occurs in the set, and that differs in one to three of those
    stated, is drawn for a picture; pictures without one are not asked about.

    Args:
        values: [n, a].
        most: at most so many pictures, drawn at random.
        seed: of what is drawn.

    Returns:
        rows [q]; changes [q, a], 0 where nothing is to change; wanted [q, a].
    """
    rng = np.random.default_rng(seed)
    others = np.unique(values, axis=0).astype(np.float32)  # [u, a]
    rows: list[int] = []
    wanted: list[Values] = []
    for row in rng.permutation(len(values)):
        own = values[row].astype(np.float32)
        same_stated = (np.abs(others) == np.abs(own)).all(axis=1)
        changes = (np.abs(own).sum() - others @ own) / 2  # how many differ, where the same are stated
        near = np.flatnonzero(same_stated & (changes > 0) & (changes <= MOST_CHANGES))
        if len(near):
            rows.append(int(row))
            wanted.append(others[rng.choice(near)].astype(np.int8))
        if len(rows) == most:
            break
    target = np.array(wanted, np.int8).reshape(-1, values.shape[1])
    chosen = np.array(rows, np.int64)
    return chosen, np.where(target != values[chosen], target, np.int8(0)), target


def _several(values: Values, *, draws: int, rng: np.random.Generator) -> Values:
    rows = np.flatnonzero((values > 0).any(axis=1) & ((values != 0).sum(axis=1) > 1))
    if not len(rows):
        return np.zeros((0, values.shape[1]), np.int8)
    chosen = values[rng.choice(rows, draws)]  # [m, a]
    wanted = rng.integers(2, 5, size=draws)
    shown = rng.integers(1, wanted + 1)  # of them present, where the picture has so many
    ranks = [
        _ranks_among(rng.random(chosen.shape), chosen == sign)  # from 0, among the present or the absent
        for sign in (1, -1)
    ]
    taken_present = (chosen > 0) & (ranks[0] < shown[:, None])
    rest = wanted - taken_present.sum(axis=1)
    taken_absent = (chosen < 0) & (ranks[1] < rest[:, None])
    queries = np.where(taken_present | taken_absent, chosen, np.int8(0))
    queries = queries[(queries != 0).sum(axis=1) > 1]
    return np.unique(queries, axis=0)


def _ranks_among(keys: Doubles, members: NDArray[np.bool_]) -> Ints:
    """The rank of each member among the members of its row, by key; others rank behind."""
    ranks: Ints = np.argsort(np.argsort(np.where(members, keys, 2.0), axis=1), axis=1)
    return ranks


def _at_most(most: int, queries: Values, rng: np.random.Generator) -> Values:
    if len(queries) <= most:
        return queries
    return queries[np.sort(rng.choice(len(queries), most, replace=False))]


def _ranks(row: NDArray[np.int32], wanted: NDArray[np.bool_]) -> Ints:
    """Ranks of the right pictures, rising from 1, behind all wrong ones that are as alike."""
    right = np.sort(row[wanted])[::-1]  # falling
    wrong = np.sort(row[~wanted])
    before = len(wrong) - np.searchsorted(wrong, right, side="left")
    ranks: Ints = before + np.arange(1, len(right) + 1)
    return ranks


def _figures(ranks: Ints, ks: Sequence[int]) -> list[float]:
    total = len(ranks)
    place = np.arange(1, total + 1)
    hits = np.searchsorted(ranks, place, side="right")  # right ones among the first 1, 2, ... R
    at = [float(np.searchsorted(ranks, k, side="right")) / k for k in ks]
    return [*at, float((place / ranks).mean()), float((hits / place).mean())]


def _random_map(right: Doubles, ranked: Doubles) -> Doubles:
    """Mean average precision over all orders: (H + (R - 1)(n - H) / (n - 1)) / n with H = 1 + ... + 1/n.

    A right picture stands at rank i with probability R/n, and then (i - 1)(R - 1)/(n - 1) right ones stand
    before it on average.
    """
    harmonic = np.concatenate([[0.0], np.cumsum(1.0 / np.arange(1, int(ranked.max(initial=1)) + 1))])
    of_n = harmonic[ranked.astype(np.int64)]
    others = (right - 1) * (ranked - of_n) / np.maximum(ranked - 1, 1)
    return np.where(right > 0, (of_n + others) / np.maximum(ranked, 1), np.nan)
