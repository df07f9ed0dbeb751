"""Decisions and their five outcomes, by loops over pictures; votes and their ties, by hand."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging import decisions as room
from lookalike.judging.decisions import NOTHING, Decisions, count_at, decide, open_curve
from lookalike.judging.strangers import STEPS, AskedTwice, ask_twice
from lookalike.records import Floats
from vectors_for_judging import clusters, exact_similarities

Ints = NDArray[np.int64]


def asked(own: list[list[float]], others: list[list[float]], classes: list[list[int]]) -> AskedTwice:
    """Queries of the classes 0, 1, ... with given neighbours."""
    count = len(own)
    return AskedTwice(
        np.array(own),
        np.array(others),
        np.array(classes),
        np.array(classes),
        np.arange(count),
        np.full(count, 9),
        tuple("abcdefghij"),
        count,
    )


def by_hand(vectors: Floats, labels: Ints, query: int, vote: int, *, stranger: bool) -> tuple[int, float]:
    """What a query is taken for, and how surely: neighbours sorted, then counted."""
    similar = np.floor(exact_similarities(vectors[query : query + 1], vectors)[0] * STEPS) / STEPS
    own = labels == labels[query]
    rows = [row for row in range(len(labels)) if row != query and not (stranger and own[row])]
    near = sorted(rows, key=lambda row: (-similar[row], own[row], labels[row], row))[:vote]
    votes = Counter(int(labels[row]) for row in near)
    best = max(votes.values())
    winner = next(row for row in near if votes[int(labels[row])] == best)
    return int(labels[winner]), float(similar[winner])


@pytest.mark.parametrize("vote", [1, 2, 3, 5])
def test_decisions_are_those_of_a_loop(vote: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_MOST_CELLS", 7 * vote**2)
    vectors, labels = clusters(8, 6, noise=1.0, dims=5, seed=1)
    vectors[:6] = vectors[6:12]  # copies under whatever label: ties
    found = decide(ask_twice(vectors, labels, k=5), vote=vote)
    names = np.array(found.names)
    for query in range(48):
        known = by_hand(vectors, labels, query, vote, stranger=False)
        assert (names[found.taken[query]], found.similarity[query]) == known
        stranger = by_hand(vectors, labels, query, vote, stranger=True)
        assert (names[found.stranger_taken[query]], found.stranger_similarity[query]) == stranger
    assert found.known.all()
    assert found.met == 42


def test_outcomes_are_counted_as_by_a_loop() -> None:
    vectors, labels = clusters(7, 6, noise=1.0, dims=5, seed=2)
    labels[0] = 99  # a class of one picture can only be a stranger
    found = decide(ask_twice(vectors, labels))
    names = np.array(found.names)
    curve = open_curve(found)
    for place in range(0, len(curve.similarity), 5):
        limit, outcomes = curve.similarity[place], Counter[str]()
        for query in range(42):
            taken, alike = by_hand(vectors, labels, query, 1, stranger=True)
            outcomes["false_accepts" if alike >= limit else "right_rejects"] += 1
            if query == 0:
                continue
            taken, alike = by_hand(vectors, labels, query, 1, stranger=False)
            right = "right_accepts" if taken == labels[query] else "wrong_accepts"
            outcomes[right if alike >= limit else "wrong_rejects"] += 1
        for name in ("right_accepts", "wrong_accepts", "wrong_rejects", "false_accepts", "right_rejects"):
            assert getattr(curve, name)[place] == outcomes[name]
            assert getattr(count_at(found, float(limit)), name) == outcomes[name]
    assert names[found.classes[0]] == 99
    assert found.known.sum() == 41


def test_a_known_thing_that_is_turned_away_counts_against_recall() -> None:
    """A usual rule counts a query that is turned away as right where its nearest picture is wrong.

    Then recall is 1 for any model. Here one known thing is named and the other, which would have been taken
    for something else, is turned away though it is known: half of them are found.
    """
    found = decide(asked([[0.9], [0.3]], [[0.2], [0.6]], [[1], [0]]))
    counts = count_at(found, 0.7)
    nearest_is_right = found.taken == found.classes
    accepted = found.similarity >= 0.7
    usual_recall = (accepted & nearest_is_right).sum() / nearest_is_right.sum()
    assert usual_recall == 1.0
    assert counts.true_identification_rate == 0.5
    assert (counts.right_accepts, counts.wrong_accepts, counts.wrong_rejects) == (1, 0, 1)


def test_figures_by_hand() -> None:
    found = decide(
        asked([[0.9], [0.8], [0.3], [-np.inf]], [[0.2], [0.85], [0.4], [0.75]], [[1], [0], [0], [0]])
    )
    counts = count_at(found, 0.7, stranger_share=0.2)
    # known: a named, b taken for a, c turned away; strangers: b and d taken for something, a and c not
    assert counts.true_identification_rate == counts.wrong_identification_rate == pytest.approx(1 / 3)
    assert counts.false_identification_rate == 0.5
    assert counts.precision == pytest.approx((0.8 / 3) / (0.8 * 2 / 3 + 0.2 * 0.5))
    assert counts.f1 == pytest.approx(2 / (1 / counts.precision + 3))
    assert counts.accuracy == pytest.approx(0.8 / 3 + 0.2 * 0.5)
    nothing = count_at(found, 0.99)
    assert (nothing.precision, nothing.f1, nothing.false_identification_rate) == (0, 0, 0)


@pytest.mark.parametrize(
    ("own", "others", "classes", "taken", "similarity"),
    [
        ([0.9, 0.5, 0.4], [0.8, 0.7, 0.6], [1, 1, 1], 1, 0.8),  # 1 against 2 votes
        ([0.9, 0.8, 0.1], [0.85, 0.7, 0.6], [1, 2, 3], 0, 0.9),  # 2 against 1
        ([0.7, 0.1, 0.1], [0.9, 0.8, 0.3], [1, 2, 3], 1, 0.9),  # a vote each: the most similar
        ([0.9, 0.1, 0.1], [0.9, 0.8, 0.3], [1, 2, 3], 1, 0.9),  # and as similar: the wrong one
        ([0.5, -np.inf, -np.inf], [0.4, -np.inf, -np.inf], [1, -1, -1], 0, 0.5),  # only two neighbours
        ([-np.inf] * 3, [-np.inf] * 3, [-1] * 3, NOTHING, -np.inf),  # none at all
    ],
)
def test_votes_and_their_ties(
    own: list[float], others: list[float], classes: list[int], taken: int, similarity: float
) -> None:
    found = decide(asked([own], [others], [classes]), vote=3)
    assert (found.taken[0], found.similarity[0]) == (taken, similarity)


def test_a_tie_for_the_last_vote_goes_to_the_others() -> None:
    found = decide(asked([[0.9, 0.6]], [[0.6, 0.5]], [[1, 1]]), vote=2)
    assert (found.taken[0], found.similarity[0]) == (0, 0.9)
    assert (found.stranger_taken[0], found.stranger_similarity[0]) == (1, 0.6)


def test_a_stranger_is_never_accepted_above_what_it_is_like() -> None:
    """Planted: a class far from all others is turned away from a little above its similarity on."""
    vectors, labels = clusters(6, 5, noise=0.3, dims=16, seed=3)
    far = np.zeros((5, 17), np.float32)
    far[:, 16] = 1.0
    vectors = np.vstack([np.hstack([vectors, np.zeros((30, 1), np.float32)]), far])
    found = decide(ask_twice(vectors, np.append(labels, [77] * 5)))
    assert (found.stranger_similarity[-5:] == 0).all()
    assert (found.similarity[-5:] == 1).all()
    assert count_at(found, 0.01).false_accepts == (found.stranger_similarity[:30] >= 0.01).sum()


def test_all_equal_embeddings_are_always_wrong() -> None:
    found = decide(ask_twice(np.tile(np.array([0.6, 0.8], np.float32), (6, 1)), np.arange(6) // 2))
    counts = count_at(found, 0.5)
    assert (counts.right_accepts, counts.wrong_accepts, counts.false_accepts) == (0, 6, 6)


def test_thresholds_of_the_curve_are_exact_in_float32_and_reach_every_query() -> None:
    vectors, labels = clusters(7, 6, noise=1.0, dims=5, seed=4)
    curve = open_curve(decide(ask_twice(vectors, labels)))
    assert (np.float32(curve.similarity) == curve.similarity).all()
    assert (np.diff(curve.similarity) < 0).all()
    assert curve.right_accepts[-1] + curve.wrong_accepts[-1] == curve.false_accepts[-1] == 42


def test_things_without_another_picture_cannot_be_known() -> None:
    found = decide(ask_twice(np.eye(4, dtype=np.float32), np.arange(4)))
    assert not found.known.any()
    with pytest.raises(
        EvaluationError, match="nothing can be known - labels - saw 4 pictures, none with another"
    ):
        open_curve(found)


@pytest.mark.parametrize("vote", [0, 3])
def test_vote_is_checked(vote: int) -> None:
    with pytest.raises(ValueError, match="vote must be between 1 and 2, got"):
        decide(asked([[0.9, 0.5]], [[0.8, 0.7]], [[1, 1]]), vote=vote)


def test_order_of_pictures_does_not_matter() -> None:
    vectors, labels = clusters(7, 6, noise=1.0, dims=5, seed=5)
    order = np.random.default_rng(0).permutation(42)
    one, other = (
        decide(ask_twice(v, y, k=3), vote=3) for v, y in ((vectors, labels), (vectors[order], labels[order]))
    )
    assert isinstance(one, Decisions)
    assert np.array_equal(one.similarity[order], other.similarity)
    assert np.array_equal(np.array(one.names)[one.taken[order]], np.array(other.names)[other.taken])
