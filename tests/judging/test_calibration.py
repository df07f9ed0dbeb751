"""Thresholds against loops over pairs, and promises against the truth of a large population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as peer

from lookalike.errors import CalibrationError, EvaluationError
from lookalike.judging import calibration
from lookalike.judging.calibration import Target, choose_threshold, metrics_at
from lookalike.judging.pairs import ClassPairs, pair_histogram
from lookalike.records import Floats, PairHistogram, Threshold
from vectors_for_judging import clusters, pairs_by_hand, unit

TRIALS = 100
Sample = Callable[[int], tuple[Floats, NDArray[np.int64]]]


@dataclass(frozen=True)
class Population:
    """What calibration sets are drawn from: similarities of very many same and different pairs, rising."""

    same: NDArray[np.float64]
    different: NDArray[np.float64]

    @classmethod
    def of(cls, vectors: Floats, labels: NDArray[np.int64]) -> Population:
        similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        alike = labels[:, None] == labels[None]
        later = np.triu(np.ones_like(alike), 1)
        return cls(np.sort(similar[alike & later]), np.sort(similar[~alike & later]))

    def rates(self, similarity: float) -> tuple[float, float]:
        """The true shares of same and of different pairs that match."""
        above = [1 - np.searchsorted(pairs, similarity) / len(pairs) for pairs in (self.same, self.different)]
        return float(above[0]), float(above[1])

    def precision(self, threshold: Threshold) -> float:
        """The true precision at the mix of pairs that the threshold was made on."""
        recall, rate = self.rates(threshold.similarity)
        right, wrong = recall * threshold.same_pairs, rate * threshold.different_pairs
        return right / (right + wrong) if right else 0.0


def even(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    return clusters(60, 5, noise=0.7, dims=32, seed=seed)


def uneven(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Some classes are spread wide and are confused with many others."""
    return clusters(60, 5, noise=0.35, dims=32, seed=seed, hub=0.8)


POPULATIONS: dict[str, tuple[Sample, Population]] = {
    "even": (even, Population.of(*clusters(800, 5, noise=0.7, dims=32, seed=10**6))),
    "uneven": (uneven, Population.of(*clusters(800, 5, noise=0.35, dims=32, seed=10**6, hub=0.8))),
}


def naive_threshold(vectors: Floats, labels: NDArray[np.int64], *, precision: float) -> Threshold:
    """The usual rule: the lowest similarity at which the pairs at hand reach the target."""
    histogram = pair_histogram(vectors, labels, bins=2**15)
    right, wrong = (np.cumsum(part[::-1]) for part in (histogram.same, histogram.different))
    lowest = np.flatnonzero((right + wrong > 0) & (right >= precision * (right + wrong)))[-1]
    similarity = 1.0 - (lowest + 1) * 2.0 / 2**15
    counts = (int(histogram.same.sum()), int(histogram.different.sum()))
    return Threshold(similarity, "naive", 0, 0, 0, 0, None, None, *counts, len(labels), 60)


@pytest.mark.parametrize("name", POPULATIONS)
def test_promised_precision_holds_in_truth(name: str) -> None:
    sample, population = POPULATIONS[name]
    answered = broken = naively_broken = 0
    for seed in range(TRIALS):
        vectors, labels = sample(seed)
        naive = naive_threshold(vectors, labels, precision=0.95)
        naively_broken += population.precision(naive) < 0.95
        try:
            threshold = choose_threshold(vectors, labels, target="precision=0.95")
        except CalibrationError:
            continue
        answered += 1
        broken += population.precision(threshold) < 0.95
    assert answered > 0.6 * TRIALS
    assert broken <= 0.05 * answered
    assert naively_broken > 0.15 * TRIALS  # so the test can fail


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("rate", [0.01, 0.001])
def test_false_match_rate_is_a_ceiling_in_truth(name: str, rate: float) -> None:
    sample, population = POPULATIONS[name]
    answered = broken = 0
    for seed in range(TRIALS // 2):
        try:
            threshold = choose_threshold(*sample(seed), target=f"false-match-rate={rate}")
        except CalibrationError:
            continue
        answered += 1
        broken += population.rates(threshold.similarity)[1] > rate
    assert answered > 0.85 * TRIALS // 2
    assert broken <= 0.05 * answered


@pytest.mark.parametrize(
    "target", ["f1", "accuracy", "precision=0.9", "recall=0.5", "false-match-rate=0.005"]
)
def test_what_is_recorded_is_what_the_pairs_say(target: str) -> None:
    vectors, labels = uneven(3)
    identity = np.arange(300) // 2
    found = choose_threshold(vectors, labels, target=target, identity=identity, split="all")
    similar, same, _ = pairs_by_hand(vectors, labels, identity)
    matches = similar >= found.similarity
    assert found.precision == pytest.approx(peer.precision_score(same, matches))
    assert found.recall == pytest.approx(peer.recall_score(same, matches))
    assert found.f1 == pytest.approx(peer.f1_score(same, matches))
    assert found.false_match_rate == pytest.approx(matches[~same].mean())
    assert (found.same_pairs, found.different_pairs) == (same.sum(), (~same).sum())
    assert (found.images, found.classes, found.split, found.target) == (300, 60, "all", target)
    assert float(np.float32(found.similarity)) == found.similarity


def test_best_f1_is_best() -> None:
    vectors, labels = uneven(5)
    found = choose_threshold(vectors, labels, target="f1")
    similar, same, _ = pairs_by_hand(vectors, labels)
    order = np.argsort(-similar)
    best = max(2 * np.cumsum(same[order]) / (np.arange(1, len(same) + 1) + same.sum()))
    assert found.f1 == pytest.approx(best, abs=1e-3)  # thresholds lie on steps of 2^-17
    assert found.confidence is found.bound is None
    assert "no promise" in found.promise


def test_best_accuracy_is_best() -> None:
    vectors, labels = uneven(5)
    found = choose_threshold(vectors, labels, target="accuracy")
    similar, same, _ = pairs_by_hand(vectors, labels)
    order = np.argsort(-similar)
    right = np.cumsum(same[order]) + (~same).sum() - np.cumsum(~same[order])
    assert found.accuracy == pytest.approx(max(right) / len(same), abs=1e-4)
    assert found.accuracy == pytest.approx(((similar >= found.similarity) == same).mean())
    assert found.bound is None
    assert f"{found.accuracy:.1%} of all pairs are told right (no promise" in found.promise


@pytest.mark.parametrize("target", ["f1", "accuracy"])
def test_the_best_threshold_lies_in_the_middle_of_its_gap(target: str) -> None:
    angles = np.concatenate([np.arange(4) * np.pi / 2 + tilt for tilt in (0.0, 0.2)])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    labels = np.tile(np.arange(4), 2)
    similar, same, _ = pairs_by_hand(vectors, labels)
    most, least = similar[~same].max(), similar[same].min()
    assert (most, least) == pytest.approx((np.sin(0.2), np.cos(0.2)))
    found = choose_threshold(vectors, labels, target=target)
    assert found.similarity == pytest.approx((most + least) / 2, abs=3 / calibration.BINS)
    assert float(np.float32(found.similarity)) == found.similarity
    assert (found.precision, found.recall, found.f1, found.false_match_rate) == (1, 1, 1, 0)


def test_where_all_pairs_match_the_threshold_stays_below_them() -> None:
    assert calibration._amid(np.array([0.5, 0.25]), 1) == 0.25
    step = 2 / calibration.BINS
    for gap, below in ((1, 0), (2, 0), (3, 1), (4, 1), (100, 49)):  # between edges, in bins
        assert calibration._amid(np.array([0.5, 0.5 - gap * step]), 0) == 0.5 - below * step


def test_recall_is_kept_by_the_highest_threshold_that_does() -> None:
    vectors, labels = even(1)
    found = choose_threshold(vectors, labels, target="recall=0.7")
    loose = choose_threshold(vectors, labels, target="recall=0.9")
    assert found.bound is not None
    assert 0.7 <= found.bound < found.recall
    assert loose.similarity < found.similarity
    assert "at least 70% of same pairs match (95% confidence" in found.promise
    similar, same, _ = pairs_by_hand(vectors, labels)
    assert found.recall == pytest.approx((similar >= found.similarity)[same].mean())
    above = [part for part in np.unique(similar[same]) if part > found.similarity + 0.02]
    assert (similar >= above[0])[same].mean() < found.recall


def test_recall_bound_of_equal_classes_is_that_of_their_number() -> None:
    """Where a class is found whole or not at all, its pairs say no more than one."""
    pairs = ClassPairs(np.array([-1.0, 0.5]), np.zeros((40, 2), np.int64), np.full((40, 2), 100))
    pairs.same[:, 1] = 100
    pairs.same[:2] = [100, 0]  # two of 40 classes lie below 0.5
    kept = calibration.kept_threshold(pairs, Target("recall", 0.7), confidence=0.95)
    assert kept is not None
    assert kept[0] == 0.5
    assert kept[1].trials[0] < 60
    assert kept[1].share[0] == pytest.approx(0.05)
    few = calibration.kept_threshold(pairs, Target("recall", 0.9), confidence=0.95)
    assert few is not None
    assert few[0] == -1.0


def test_bound_keeps_the_target_and_confidence_costs() -> None:
    vectors, labels = even(1)
    usual = choose_threshold(vectors, labels, target="precision=0.9")
    sure = choose_threshold(vectors, labels, target="precision=0.9", confidence=0.999)
    assert usual.bound is not None
    assert 0.9 <= usual.bound < usual.precision
    assert usual.confidence == 0.95
    assert sure.similarity > usual.similarity
    assert "at least 90% of matches are right (95% confidence, for things" in usual.promise
    rate = choose_threshold(vectors, labels, target="false-match-rate=0.01")
    assert rate.bound is not None
    assert rate.false_match_rate < rate.bound <= 0.01


def test_bound_is_one_end_of_the_two_sided_interval() -> None:
    assert calibration._one_sided(0.95) == pytest.approx(0.975)
    assert calibration._one_sided(0.8) == pytest.approx(0.9)


def test_stricter_targets_give_higher_thresholds() -> None:
    vectors, labels = even(2)
    floors = [choose_threshold(vectors, labels, target=f"precision={x}").similarity for x in (0.3, 0.6, 0.9)]
    rates = [
        choose_threshold(vectors, labels, target=f"false-match-rate={x}").similarity for x in (0.1, 0.01)
    ]
    assert floors == sorted(floors)
    assert len(set(floors)) == 3
    assert rates[0] < rates[1]


def test_order_and_kind_of_labels_do_not_matter() -> None:
    vectors, labels = even(4)
    expected = choose_threshold(vectors, labels, target="precision=0.9")
    order = np.random.default_rng(0).permutation(300)
    names = np.array([f"thing {label}" for label in labels])
    assert choose_threshold(vectors[order], names[order], target="precision=0.9") == expected


def test_copies_are_left_out_by_identity() -> None:
    vectors, labels = even(6)
    copied = np.concatenate([vectors, vectors[:120]])
    other = np.concatenate([labels, labels[:120] + 1])  # the same files under another label
    alone = choose_threshold(vectors, labels, target="precision=0.9")
    with pytest.raises(CalibrationError, match="do not support the target"):
        choose_threshold(copied, other, target="precision=0.9")
    same_file = np.concatenate([vectors, vectors]), np.concatenate([labels, labels])
    found = choose_threshold(*same_file, target="precision=0.9", identity=np.arange(600) % 300)
    assert found.same_pairs == 4 * alone.same_pairs


def test_refusal_says_what_was_reached_and_what_it_takes() -> None:
    vectors, labels = clusters(20, 3, noise=0.3)
    with pytest.raises(CalibrationError) as caught:
        choose_threshold(vectors, labels, target="precision=0.99")
    shown = str(caught.value)
    assert "the labelled pairs do not support the target - precision=0.99 - saw 1 at best, " in shown
    assert "which shows at least 0.8" in shown
    assert "on 60 same and 1,710 different pairs of 20 classes" in shown
    assert "wanted at least 0.99 with 95% confidence - label more pictures of more things" in shown
    things, needed = (
        float(part.split(end)[0].replace(",", ""))
        for part, end in zip(shown.split("about ")[1:3], (" things", " same pairs"), strict=True)
    )
    assert "things instead of 20, which make about" in shown
    assert things == pytest.approx(needed / 3, rel=0.01)  # 3 pictures of a thing make 3 pairs
    assert 367 < needed < 1500  # 0.99^367 = 0.025; errors that share pictures count less
    with pytest.raises(CalibrationError, match=r"wanted at most 0.0001 .* different pairs; or ask for less"):
        choose_threshold(vectors, labels, target="false-match-rate=0.0001")


def test_refusal_when_more_pictures_would_not_help() -> None:
    vectors, labels = clusters(20, 4, noise=0.5)
    hopeless = np.random.default_rng(0).permutation(labels)
    with pytest.raises(CalibrationError, match="train further, as more pictures alone would not help"):
        choose_threshold(vectors, hopeless, target="precision=0.95")


def test_equal_embeddings_have_no_threshold() -> None:
    _, labels = even(0)
    one = unit(np.random.default_rng(0).standard_normal((1, 128)))
    noise = np.random.default_rng(1).uniform(-1e-7, 1e-7, (300, 128)).astype(np.float32)
    for vectors in (np.repeat(one, 300, axis=0), np.repeat(one, 300, axis=0) + noise):
        for target in ("f1", "precision=0.5", "false-match-rate=0.1"):
            with pytest.raises(CalibrationError, match="no threshold can tell anything apart"):
                choose_threshold(vectors, labels, target=target)


@pytest.mark.parametrize("target", ["f1", "precision=0.5"])
@pytest.mark.parametrize(
    ("labels", "saw"),
    [
        (np.zeros(300), "44,850 same and 0 different pairs"),
        (np.arange(300), "0 same and 44,850 different pairs"),
        (np.zeros(3), "300, 32. vectors and 3 labels"),
    ],
)
def test_labels_that_say_nothing(target: str, labels: NDArray[np.int64], saw: str) -> None:
    with pytest.raises(CalibrationError, match=saw):
        choose_threshold(even(0)[0], labels, target=target)


def test_class_of_one_picture_gives_different_pairs_only() -> None:
    vectors, labels = even(0)
    kept = labels >= 20
    kept[np.unique(labels, return_index=True)[1]] = True
    found = choose_threshold(vectors[kept], labels[kept], target="precision=0.8")
    assert (found.same_pairs, found.images, found.classes) == (40 * 10, 40 * 5 + 20, 60)


def test_vectors_that_are_not_numbers() -> None:
    vectors, labels = even(0)
    vectors[7] = np.nan
    with pytest.raises(CalibrationError, match="not of unit length - vectors, row 7 - saw length nan"):
        choose_threshold(vectors, labels, target="f1")


@pytest.mark.parametrize(
    "target",
    ["", "f2", "f1=0.9", "precision", "precision=", "precision=1", "precision=0", "precision=99",
     "accuracy=0.9", "recall", "recall=1",
     "precision=high", "false-match-rate=-1",
     "false_match_rate=0.1", "precision=nan"],
)  # fmt: skip
def test_target_that_is_not_understood(target: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        choose_threshold(*even(0), target=target)
    assert repr(target) in str(caught.value)
    assert "f1, accuracy, precision=x, recall=x or false-match-rate=x" in str(caught.value)


def test_targets_are_read() -> None:
    assert Target.parse("f1") == Target("f1", None)
    assert Target.parse(" precision=0.99 ") == Target("precision", 0.99)
    assert Target.parse("precision=0.99").limit == pytest.approx(0.01)
    assert Target.parse("recall=0.8").limit == pytest.approx(0.2)
    assert Target.parse("false-match-rate=1e-3").limit == 0.001
    assert Target.parse("false-match-rate=1e-3").text == "false-match-rate=0.001"
    assert Target.parse("accuracy").text == "accuracy"


@pytest.mark.parametrize("confidence", [0.5, 1.0, 95.0, float("nan")])
def test_confidence_is_checked(confidence: float) -> None:
    with pytest.raises(CalibrationError, match="the confidence does not fit"):
        choose_threshold(*even(0), target="f1", confidence=confidence)


COUNTS = PairHistogram(
    same=np.array([1, 0, 2, 5]), different=np.array([60, 30, 1, 1])
)  # edges -1, -.5, 0, .5


@pytest.mark.parametrize(
    ("similarity", "right", "wrong"),
    [
        (-2.0, 8, 92),
        (-1.0, 8, 92),
        (-0.5, 7, 32),
        (0.0, 7, 2),
        (0.2, 5, 1),
        (0.5, 5, 1),
        (0.6, 0, 0),
        (1.5, 0, 0),
    ],
)
def test_metrics_at_by_hand(similarity: float, right: int, wrong: int) -> None:
    found = metrics_at(COUNTS, similarity)
    assert found["right_matches"] == right
    assert found["wrong_matches"] == wrong
    assert found["missed_matches"] == 8 - right
    assert found["right_rejections"] == 92 - wrong
    assert found["precision"] == pytest.approx(right / (right + wrong) if right else 0.0)
    assert found["recall"] == pytest.approx(right / 8)
    assert found["f1"] == pytest.approx(2 * right / (right + wrong + 8))
    assert found["false_match_rate"] == pytest.approx(wrong / 92)
    assert found["accuracy"] == pytest.approx((right + 92 - wrong) / 100)


def test_metrics_at_needs_both_kinds() -> None:
    with pytest.raises(EvaluationError, match="pairs of both kinds"):
        metrics_at(PairHistogram(same=np.array([1, 1]), different=np.array([0, 0])), 0.0)


def test_finer_histogram_agrees_at_the_threshold() -> None:
    vectors, labels = uneven(9)
    found = choose_threshold(vectors, labels, target="f1")
    judged = metrics_at(pair_histogram(vectors, labels), found.similarity)
    for name in ("precision", "recall", "f1", "false_match_rate"):
        assert judged[name] == getattr(found, name)
