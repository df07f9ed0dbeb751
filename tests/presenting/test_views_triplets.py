"""Triplets: every one drawn is valid, none likelier than another; kinds and totals are a plain loop's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from judged_sets import clustered, judged, unit
from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.presenting.views_triplets import TripletKind, _Pool, triplets


def every(found: Evaluation, rows: range, *, margin: float) -> Counter[str]:
    """Kinds of all valid triplets, by three loops."""
    labels, z = found.table.labels, found.vectors.astype(np.float64)
    counts: Counter[str] = Counter()
    for a in rows:
        for p in rows:
            for n in rows:
                if p == a or labels[p] != labels[a] or labels[n] == labels[a]:
                    continue
                ahead = z[a] @ z[p] - z[a] @ z[n]
                counts["easy" if ahead > margin else "semi-hard" if ahead > 0 else "hard"] += 1
    return counts


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return judged(*clustered(6, 4, spread=1.0))


@pytest.mark.parametrize("rows", [range(24), range(3, 15)], ids=["whole", "batch"])
def test_a_small_set_is_counted_whole(found: Evaluation, rows: range) -> None:
    wanted = every(found, rows, margin=0.1)
    given = triplets(found, rows=None if rows == range(24) else rows, margin=0.1, seed=1)
    assert given.total == given.drawn == wanted.total()
    for kind in TripletKind:
        assert given.shares[kind] == pytest.approx(wanted[kind.value] / wanted.total(), abs=1e-9)
        assert wanted[kind.value] > 3, "else this tests little"
    shown = {int(path.stem) for one in given.entries for path in (one.anchor, one.positive, one.negative)}
    assert shown <= set(rows)


def test_a_large_set_is_drawn_from_fairly(found: Evaluation) -> None:
    wanted = every(found, range(24), margin=0.1)
    given = triplets(found, drawn=1400, seed=0)
    assert (given.total, given.drawn) == (wanted.total(), 1400)
    assert given.total > given.drawn, "else all are taken"
    for kind in TripletKind:
        share = wanted[kind.value] / wanted.total()
        assert abs(given.shares[kind] - share) < 4 * np.sqrt(share * (1 - share) / 1400)


def test_no_triplet_is_likelier_than_another() -> None:
    """Classes of 2 and of 5 pictures, one group: 18 times as many draws as triplets, by chi-square."""
    labels = ["a"] * 2 + ["b"] * 5 + ["c"] * 3
    groups = ["g" if row in {2, 3, 7} else None for row in range(10)]
    found = judged(clustered(1, 10)[0], labels, columns={"group": groups})
    pool = _Pool.of(found, None)
    wanted = {(a, p, n) for a in range(10) for p in range(10) for n in range(10)
              if a != p and labels[a] == labels[p] and labels[a] != labels[n]
              and not {a, p} <= {2, 3, 7} and not {a, n} <= {2, 3, 7}}  # fmt: skip
    assert pool.total == len(wanted)
    rng = np.random.default_rng(0)
    draws = np.concatenate([pool.draw(pool.total - 1, rng) for _ in range(18)], axis=1)
    counts = Counter(map(tuple, draws.T.tolist()))
    assert set(counts) == wanted
    mean = draws.shape[1] / len(wanted)
    chi_square = sum((counts[one] - mean) ** 2 / mean for one in wanted)
    assert chi_square < len(wanted) + 4 * np.sqrt(2 * len(wanted))


def test_roles_say_who_is_an_anchor() -> None:
    roles = ["query", "gallery", "gallery", None] * 3
    found = judged(*clustered(3, 4, spread=1.0), columns={"role": roles})
    given = triplets(found, each=100)
    for one in given.entries:
        assert roles[int(one.anchor.stem)] != "gallery"
        assert "query" not in {roles[int(one.positive.stem)], roles[int(one.negative.stem)]}
    assert given.total == 3 * (3 * 6 + 2 * 6), "a query has 3 mates, a picture of both roles 2"


def test_entries_are_what_their_kind_says(found: Evaluation) -> None:
    given = triplets(found, each=4, margin=0.2)
    kinds = [one.kind for one in given.entries]
    assert kinds == sorted(kinds, key=list(TripletKind).index)
    assert Counter(kinds) == dict.fromkeys(TripletKind, 4)
    for one in given.entries:
        ahead = one.positive_similarity - one.negative_similarity
        assert {"easy": ahead > 0.2, "semi-hard": 0 < ahead <= 0.2, "hard": ahead <= 0}[one.kind]
        assert one.anchor.parent == one.positive.parent
        assert (one.anchor.parent.name, one.negative.parent.name) == (one.label, one.negative_label)
    shown = [(one.anchor, one.positive, one.negative) for one in given.entries]
    assert len(set(shown)) == len(shown)


def test_equal_likeness_is_hard() -> None:
    given = triplets(judged(unit([[1, 0]] * 4), ["a", "a", "b", "b"]))
    assert given.shares == {TripletKind.EASY: 0.0, TripletKind.SEMI_HARD: 0.0, TripletKind.HARD: 1.0}


def test_the_seed_decides_what_is_drawn(found: Evaluation) -> None:
    assert triplets(found, seed=1) == triplets(found, seed=1)
    assert triplets(found, seed=1).entries != triplets(found, seed=2).entries


def test_a_batch_without_a_triplet_is_refused(found: Evaluation) -> None:
    with pytest.raises(EvaluationError, match="no valid triplet - rows - saw 3 pictures of 1 labels"):
        triplets(found, rows=[0, 1, 2])
    with pytest.raises(EvaluationError, match="outside of the table"):
        triplets(found, rows=[99])
