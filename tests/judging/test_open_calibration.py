"""Thresholds for identification against loops, and promises against the truth of a large population."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import CalibrationError, EvaluationError
from lookalike.judging.decisions import Decisions, count_at, decide, open_curve
from lookalike.judging.open_calibration import OpenTarget, choose_open_threshold
from lookalike.judging.open_errors import Errors, candidates, of_strangers
from lookalike.judging.strangers import ask_twice
from lookalike.records import Floats
from vectors_for_judging import clusters

CLASSES, IMAGES, TRIALS = 60, 5, 24
KINDS = {"even": (0.7, 0.0), "uneven": (0.35, 0.8)}
Labelled = tuple[Floats, NDArray[np.int64]]


def drawn(kind: str, seed: int, classes: int = CLASSES) -> Labelled:
    noise, hub = KINDS[kind]
    return clusters(classes, IMAGES, noise=noise, dims=32, seed=seed, hub=hub)


def decisions(kind: str = "uneven", seed: int = 3, *, vote: int = 1) -> Decisions:
    return decide(ask_twice(*drawn(kind, seed), k=vote), vote=vote)


def strangers_in_truth(kind: str) -> NDArray[np.float32]:
    """Rising similarities of strangers of a large population to the nearest of random galleries."""
    vectors, labels = drawn(kind, 10**6, classes=300)
    similar, rng, found = vectors @ vectors.T, np.random.default_rng(0), []
    for _ in range(10):
        inside = np.isin(labels, rng.choice(300, CLASSES - 1, replace=False))
        found.append(similar[np.ix_(~inside, inside)].max(axis=1))
    return np.sort(np.concatenate(found))


@pytest.mark.parametrize("kind", KINDS)
def test_false_identification_rate_is_a_ceiling_in_truth(kind: str) -> None:
    truth = strangers_in_truth(kind)

    def share(similarity: float) -> float:
        return 1 - float(np.searchsorted(truth, np.float32(similarity))) / len(truth)

    answered = broken = naively_broken = 0
    for seed in range(TRIALS):
        found = decisions(kind, seed)
        falling = np.sort(found.stranger_similarity)[::-1]
        naively_broken += share(float(falling[int(0.1 * len(falling))])) > 0.1
        try:
            threshold = choose_open_threshold(found, target="false-identification-rate=0.1")
        except CalibrationError:
            continue
        answered += 1
        broken += share(threshold.similarity) > 0.1
    assert answered >= 0.9 * TRIALS
    assert broken <= 0.05 * answered
    assert naively_broken >= 0.2 * TRIALS  # so the test can fail


@pytest.mark.parametrize("vote", [1, 3])
@pytest.mark.parametrize("target", ["f1", "accuracy", "precision=0.7", "false-identification-rate=0.15"])
def test_what_is_recorded_is_what_was_decided(target: str, vote: int) -> None:
    found = decisions(vote=vote)
    threshold = choose_open_threshold(found, target=target, stranger_share=0.3, split="all")
    counts = count_at(found, threshold.similarity, stranger_share=0.3)
    for name in ("true_identification_rate", "wrong_identification_rate", "false_identification_rate"):
        assert getattr(threshold, name) == getattr(counts, name)
    assert (threshold.precision, threshold.f1, threshold.accuracy) == (
        counts.precision,
        counts.f1,
        counts.accuracy,
    )
    assert (threshold.known, threshold.strangers, threshold.images) == (300, 300, 300)
    assert (threshold.classes, threshold.gallery, threshold.vote) == (60, 295, vote)
    assert (threshold.target, threshold.split, threshold.stranger_share) == (target, "all", 0.3)
    assert float(np.float32(threshold.similarity)) == threshold.similarity


@pytest.mark.parametrize("name", ["f1", "accuracy"])
def test_the_best_is_best(name: str) -> None:
    found = decisions(seed=5)
    threshold = choose_open_threshold(found, target=name, stranger_share=0.8)
    every = np.unique(np.concatenate([found.similarity, found.stranger_similarity]))
    best = max(float(getattr(count_at(found, float(limit), stranger_share=0.8), name)) for limit in every)
    assert getattr(threshold, name) == pytest.approx(best, abs=1e-3)  # thresholds lie on steps of 2^-17
    assert threshold.confidence is threshold.bound is None


def test_a_promise_keeps_its_distance_and_confidence_costs() -> None:
    found = decisions("even", 1)
    rate = choose_open_threshold(found, target="false-identification-rate=0.1")
    assert rate.bound is not None
    assert rate.false_identification_rate < rate.bound <= 0.1
    assert rate.confidence == 0.95
    sure = choose_open_threshold(found, target="false-identification-rate=0.1", confidence=0.999)
    assert sure.similarity > rate.similarity
    floor = choose_open_threshold(found, target="precision=0.8")
    assert floor.bound is not None
    assert 0.8 <= floor.bound < floor.precision


def test_more_strangers_need_a_higher_threshold_for_one_precision() -> None:
    found = decisions("even", 2)
    limits = [
        choose_open_threshold(found, target="precision=0.7", stranger_share=share).similarity
        for share in (0.1, 0.5, 0.8)
    ]
    assert limits == sorted(limits)
    assert len(set(limits)) == 3


def test_errors_count_for_both_classes_and_twos_for_what_they_share() -> None:
    found = decisions(seed=4)
    edges = np.quantile(found.stranger_similarity, [0.2, 0.5, 0.8])
    wrong = Errors.of_known(found, 0.5) + Errors.of_strangers(found, 1.0)
    by_class, shared = wrong.by_class(edges, 60), wrong.shared(edges, 60)
    for place, limit in enumerate(edges[::-1]):
        twos: Counter[frozenset[int]] = Counter()
        for classes, taken, similar, weight in (
            (found.classes, found.taken, found.similarity, 0.5),
            (found.classes, found.stranger_taken, found.stranger_similarity, 1.0),
        ):
            for asked, other, alike in zip(classes.tolist(), taken.tolist(), similar, strict=True):
                if other != asked and alike >= limit:
                    twos[frozenset((asked, other))] += weight  # type: ignore[assignment]
        assert shared[place] == pytest.approx(sum(weight**2 for weight in twos.values()))
        for code in range(60):
            mine = sum(weight for two, weight in twos.items() if code in two)
            assert by_class[code, place] == pytest.approx(mine)


def test_twins_are_one_error_however_many_pictures_they_have() -> None:
    """Ten pairs of things that look the same; the bound of the rate is that of few trials, not of many."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((110, 64))
    centres[100:] = centres[:10] + 0.01
    labels = np.repeat(np.arange(110), 8)
    rows = centres[labels] + 0.05 * rng.standard_normal((880, 64))
    vectors = (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32)
    found = decide(ask_twice(vectors, labels))
    edges = np.array([0.9])
    share = of_strangers(found, edges, 0.975)
    assert share.share[0] == pytest.approx(160 / 880)
    assert 10 < share.trials[0] < 880 / 8


def test_refusal_says_what_was_reached_and_what_it_takes() -> None:
    with pytest.raises(CalibrationError) as caught:
        choose_open_threshold(decisions("even", 0), target="false-identification-rate=0.001")
    shown = str(caught.value)
    assert (
        "the labelled pictures do not support the target - false-identification-rate=0.001 - saw 0 at best"
        in shown
    )
    assert "on 300 known and 300 strangers of 60 classes, wanted at most 0.001 with 95% confidence" in shown
    assert "label pictures of more things: about" in shown
    assert int(shown.split("about ")[1].split(" instead")[0].replace(",", "")) > 600
    with pytest.raises(CalibrationError, match=r"wanted at least 0.999 with 95% .* or ask for less"):
        choose_open_threshold(decisions("even", 0), target="precision=0.999")


def test_refusal_when_more_pictures_would_not_help() -> None:
    vectors, labels = drawn("even", 0)
    hopeless = decide(ask_twice(vectors, np.random.default_rng(0).permutation(labels)))
    with pytest.raises(CalibrationError, match="train further, as more pictures alone would not help"):
        choose_open_threshold(hopeless, target="precision=0.95")


def test_equal_embeddings_have_no_threshold() -> None:
    one = np.tile(np.array([0.6, 0.8], np.float32), (40, 1))
    found = decide(ask_twice(one, np.arange(40) // 2))
    for target in ("f1", "accuracy", "precision=0.5", "false-identification-rate=0.1"):
        with pytest.raises(
            CalibrationError, match="no threshold can tell anything apart - vectors - saw nearest"
        ):
            choose_open_threshold(found, target=target)


def test_things_of_one_picture_ask_as_strangers_only() -> None:
    vectors, labels = drawn("even", 0)
    kept = labels >= 20
    kept[np.unique(labels, return_index=True)[1]] = True
    threshold = choose_open_threshold(decide(ask_twice(vectors[kept], labels[kept])), target="f1")
    assert (threshold.known, threshold.strangers, threshold.classes) == (200, 220, 60)
    with pytest.raises(EvaluationError, match="nothing can be known"):
        choose_open_threshold(decide(ask_twice(vectors, np.arange(300))), target="f1")


def test_classes_that_only_answer_are_no_reason_to_be_sure() -> None:
    vectors, labels = drawn("even", 0)
    queries = np.flatnonzero(labels < 20)
    found = decide(ask_twice(vectors, labels, queries=queries))
    threshold = choose_open_threshold(found, target="f1")
    assert (threshold.strangers, threshold.classes, threshold.images) == (100, 60, 300)
    with pytest.raises(CalibrationError, match="100 strangers of 20 classes"):
        choose_open_threshold(found, target="false-identification-rate=0.001")


@pytest.mark.parametrize(
    "target",
    ["", "f2", "f1=0.9", "precision", "precision=", "precision=1", "precision=0", "accuracy=0.9",
     "precision=x", "false-identification-rate=-1", "false-match-rate=0.1", "precision=nan",
     "precision=1e-300", "precision=0.9999999", "false-identification-rate=1e-7"],
)  # fmt: skip
def test_target_that_is_not_understood(target: str) -> None:
    with pytest.raises(CalibrationError) as caught:
        OpenTarget.parse(target)
    assert f"the target is not understood - target - saw {target!r}, wanted f1, accuracy, precision=x" in str(
        caught.value
    )


def test_targets_are_read() -> None:
    assert OpenTarget.parse(" accuracy ") == OpenTarget("accuracy", None)
    assert OpenTarget.parse("precision=0.9").limit == pytest.approx(0.1)
    assert OpenTarget.parse("false-identification-rate=1e-2").limit == 0.01
    assert OpenTarget.parse("false-identification-rate=1e-6").limit == 1e-6
    assert 0 < OpenTarget.parse("precision=1e-6").limit < 1


@pytest.mark.parametrize("value", [0.5, 1.0, 95.0, float("nan")])
def test_confidence_is_checked(value: float) -> None:
    with pytest.raises(CalibrationError, match="the confidence does not fit - --confidence - saw"):
        choose_open_threshold(decisions(), target="f1", confidence=value)


@pytest.mark.parametrize("value", [0.0, 1.0, -1.0, float("nan")])
def test_share_of_strangers_is_checked(value: float) -> None:
    with pytest.raises(CalibrationError, match="the share of strangers does not fit - --strangers - saw"):
        choose_open_threshold(decisions(), target="f1", stranger_share=value)


def test_candidates_do_not_depend_on_what_is_right() -> None:
    one, other = (open_curve(decisions(kind, 1)) for kind in KINDS)
    for curve in (one, other):
        edges = candidates(curve, classes=60)
        assert edges[0] == curve.similarity[-1]
        assert edges[-1] == curve.similarity[0]
        assert (np.diff(edges) > 0).all()
    few, many = (len(candidates(one, classes=classes)) for classes in (2**20, 60))
    assert few <= 50 < many <= 400
