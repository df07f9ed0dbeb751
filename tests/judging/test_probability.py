"""Maps from similarity to probability against scikit-learn, a slow search and a known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression

from lookalike.errors import CalibrationError, EvaluationError
from lookalike.judging.pairs import ClassPairs
from lookalike.judging.probability import (
    Kind,
    Probability,
    centres_of,
    fit_logistic,
    fit_probability,
    more_honest,
    pool_adjacent,
    squared_errors,
    total_of,
)

EDGES = np.linspace(-1.0, 1.0, 101)[:-1]
KINDS: tuple[Kind, ...] = ("logistic", "isotonic")


def truth(similarities: NDArray[np.float64], *, slope: float = 12.0) -> NDArray[np.float64]:
    """The probability that a pair of a similarity is the same, in the populations below."""
    return np.asarray(1.0 / (1.0 + np.exp(-slope * (similarities - 0.4))))


def drawn(classes: int, *, pairs: int, seed: int, bent: bool = False) -> ClassPairs:
    """Pairs of every class whose probability of being the same is known; `bent`: it is no logistic curve."""
    rng = np.random.default_rng(seed)
    same, different = np.zeros((2, classes, len(EDGES)), np.int64)
    for thing in range(classes):
        bins = rng.integers(40, 100, pairs)
        chance = known(EDGES[bins] + 0.01, bent=bent)
        right = rng.random(pairs) < chance
        same[thing] = np.bincount(bins[right], minlength=len(EDGES))
        different[thing] = 2 * np.bincount(bins[~right], minlength=len(EDGES))
    return ClassPairs(EDGES, same, different)


def known(similarities: NDArray[np.float64], *, bent: bool) -> NDArray[np.float64]:
    return np.where(similarities < 0.4, 0.05, 0.6) if bent else truth(similarities)


@given(
    st.lists(st.tuples(st.floats(0, 1), st.floats(0.1, 1000)), min_size=1, max_size=40),
)
def test_pooling_equals_scikit_learn(entries: list[tuple[float, float]]) -> None:
    shares, weights = np.array(entries).T
    found = pool_adjacent(shares, weights)
    assert np.allclose(found, isotonic_regression(shares, sample_weight=weights))
    assert (np.diff(found) >= 0).all()


def test_logistic_equals_scikit_learn_on_smoothed_targets() -> None:
    pairs = total_of(drawn(20, pairs=50, seed=0))
    same, different = pairs.same.astype(float), pairs.different.astype(float)
    centres = centres_of(EDGES)
    high, low = (same.sum() + 1) / (same.sum() + 2), 1 / (different.sum() + 2)
    weights = np.concatenate([same * high, same * (1 - high), different * low, different * (1 - low)])
    targets = np.repeat([1, 0, 1, 0], len(centres))
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    kept = weights > 0
    peer.fit(np.tile(centres, 4)[kept, None], targets[kept], sample_weight=weights[kept])
    slope, offset = fit_logistic(centres, same, different)
    assert slope == pytest.approx(peer.coef_.item(), rel=1e-4)
    assert offset == pytest.approx(peer.intercept_.item(), rel=1e-4)


def test_logistic_stays_finite_where_a_similarity_parts_all() -> None:
    centres = np.array([-0.5, 0.0, 0.5, 0.9])
    slope, offset = fit_logistic(centres, np.array([0, 0, 5.0, 5.0]), np.array([50.0, 50.0, 0, 0]))
    assert 0 < slope < 1000
    assert math.isfinite(offset)


@pytest.mark.parametrize("kind", KINDS)
def test_with_many_pairs_the_truth_is_found(kind: Kind) -> None:
    fitted = fit_probability(drawn(200, pairs=500, seed=1), images=2000, kind=kind)
    places = np.linspace(0.0, 0.95, 30)
    assert np.abs(fitted.at(places) - truth(places)).max() < 0.05
    assert fitted.kind == kind


def test_isotonic_where_the_truth_bends_and_there_are_many_classes() -> None:
    assert more_honest(drawn(200, pairs=100, seed=2, bent=True), images=2000) == "isotonic"
    assert fit_probability(drawn(200, pairs=100, seed=2, bent=True), images=2000).kind == "isotonic"


@pytest.mark.parametrize("seed", range(5))
def test_logistic_where_there_are_few_classes(seed: int) -> None:
    assert more_honest(drawn(6, pairs=10, seed=seed), images=24) == "logistic"


def test_errors_of_classes_left_out_by_hand() -> None:
    pairs = drawn(10, pairs=30, seed=3)
    found = squared_errors(pairs, images=50, kind="isotonic")
    for left_out in range(0, 10, 2):  # a fifth of ten classes
        kept = np.array([number // 2 != left_out // 2 for number in range(10)])
        rest = ClassPairs(EDGES, pairs.same[kept], pairs.different[kept])
        said = fit_probability(rest, images=50, kind="isotonic").at(centres_of(EDGES))
        for thing in (left_out, left_out + 1):
            wanted = sum(
                same * (1 - chance) ** 2 + different / 2 * chance**2
                for same, different, chance in zip(
                    pairs.same[thing], pairs.different[thing], said, strict=True
                )
            )
            assert found[thing] == pytest.approx(wanted)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("images", [10, 1000])
def test_no_probability_is_surer_than_the_pictures_support(kind: Kind, images: int) -> None:
    same, different = np.zeros((2, 4, len(EDGES)), np.int64)
    same[:, 90], different[:, 20] = 1000, 100_000  # parted for good
    fitted = fit_probability(ClassPairs(EDGES, same, different), images=images, kind=kind)
    said = fitted.at(np.linspace(-1.0, 1.0, 201))
    assert said.min() >= 1 / (images + 2) - 1e-12
    assert said.max() <= (images + 1) / (images + 2) + 1e-12
    assert (np.diff(said) >= 0).all()
    assert said[0] < 0.15
    assert said[-1] > 0.85


def test_a_few_pairs_that_are_all_the_same_are_no_certainty() -> None:
    same, different = np.zeros((2, 4, len(EDGES)), np.int64)
    same[0, 95] = 3
    same[:, 70], different[:, 70] = 60, 80  # 240 same pairs of 400
    different[:, 20] = 1000
    fitted = fit_probability(ClassPairs(EDGES, same, different), images=1000, kind="isotonic")
    assert fitted.at([0.95])[0] == pytest.approx(4 / 5)
    assert fitted.at([0.41])[0] == pytest.approx(0.6)
    same[0, 95] = 1  # 2 / 3 at most, but never less than what less alike pairs have
    same[:, 70], different[:, 70] = 90, 20
    fitted = fit_probability(ClassPairs(EDGES, same, different), images=1000, kind="isotonic")
    assert fitted.at([0.95])[0] == pytest.approx(0.9)


@pytest.mark.parametrize("kind", KINDS)
def test_similarities_that_mislead_say_no_more_than_the_share(kind: Kind) -> None:
    backwards = drawn(30, pairs=100, seed=4)
    same, different = backwards.different // 2, backwards.same * 2
    fitted = fit_probability(ClassPairs(EDGES, same, different), images=300, kind=kind)
    assert np.ptp(fitted.at([-1.0, 0.0, 1.0])) < 0.02
    assert fitted.at([0.5])[0] == pytest.approx(fitted.prior, abs=0.02)


def test_another_prior_shifts_the_odds() -> None:
    fitted = fit_probability(drawn(50, pairs=100, seed=5), images=500)
    places = np.linspace(-1, 1, 9)
    usual, rare = fitted.at(places), fitted.at(places, prior=0.001)
    factor = (0.001 / 0.999) / (fitted.prior / (1 - fitted.prior))
    assert np.allclose(rare / (1 - rare), factor * usual / (1 - usual))
    assert np.allclose(fitted.at(places, prior=fitted.prior), usual)


def test_a_prior_must_be_a_share() -> None:
    fitted = Probability((0.0,), (0.0,), 0.5, "logistic")
    for wrong in (0.0, 1.0, -0.1, 50.0, math.nan):
        with pytest.raises(CalibrationError, match="share of same pairs does not fit"):
            fitted.at([0.1], prior=wrong)


def test_pairs_of_one_kind_say_nothing() -> None:
    nothing = np.zeros((3, len(EDGES)), np.int64)
    with pytest.raises(EvaluationError, match="pairs of both kinds"):
        fit_probability(ClassPairs(EDGES, nothing + 1, nothing), images=9)


def test_one_class_with_pairs_is_fitted_without_a_choice() -> None:
    same, different = np.zeros((2, 1, len(EDGES)), np.int64)
    same[0, 80], different[0, 40] = 10, 20
    assert fit_probability(ClassPairs(EDGES, same, different), images=5).kind == "logistic"


@given(
    st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=6, unique=True),
    st.lists(st.floats(-6, 6), min_size=6, max_size=6),
    st.floats(0.001, 0.999),
)
def test_the_similarity_that_reaches_a_probability_is_the_lowest_that_does(
    similarities: list[float], odds: list[float], asked: float
) -> None:
    """Checked at the similarity and at the float32 below it; and no similarity of a fine grid contradicts."""
    chance = Probability(
        tuple(sorted(similarities)), tuple(sorted(odds[: len(similarities)])), prior=0.5, kind="isotonic"
    )
    found = chance.reached(asked)
    grid = np.linspace(-1.0, 1.0, 1001, dtype=np.float32)
    enough = chance.at(grid) >= asked
    if found is None:
        assert not enough.any()
        return
    assert np.float32(found) == found
    assert chance.at(found) >= asked
    assert found == -1.0 or chance.at(np.nextafter(np.float32(found), np.float32(-1.0))) < asked
    assert (enough == (grid >= found)).all()
