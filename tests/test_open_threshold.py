"""What a threshold for identification says of itself."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.judging.decisions import count_at, decide
from lookalike.judging.open_calibration import choose_open_threshold
from lookalike.judging.strangers import ask_twice
from some_open_threshold import some_open_threshold
from vectors_for_judging import clusters


def test_a_best_target_promises_nothing() -> None:
    said = some_open_threshold(target="f1").promise
    assert said == (
        "best f1, no promise beyond these pictures (300 known and 310 strangers of 250 classes among 310 val "
        "images, in a gallery of 290, and a larger one takes more strangers for something); measured: 80.0% "
        "of known things named rightly, 10.0% taken for another, 5.0% of strangers taken for something"
    )
    assert some_open_threshold(target="accuracy", split="all").promise.startswith("best accuracy, no promise")


def test_a_ceiling_says_its_confidence_and_its_gallery() -> None:
    said = some_open_threshold(target="false-identification-rate=0.08", confidence=0.95, bound=0.07).promise
    assert said.startswith(
        "at most 8% of strangers are taken for something known (95% confidence, for things that are like "
    )
    assert "in a gallery of 290, and a larger one takes more strangers for something)" in said
    assert "are few" not in said


def test_a_floor_says_its_share_of_strangers_and_few_classes_are_told() -> None:
    threshold = some_open_threshold(
        target="precision=0.9",
        confidence=0.9,
        bound=0.91,
        stranger_share=0.25,
        classes=40,
        split="all",
        seen=7,
    )
    said = threshold.promise
    assert said.startswith(
        "at least 90% of what is named is named rightly when 25% of all who ask are strangers"
    )
    assert "(90% confidence" in said
    assert "40 classes are few: kinds of confusion that they lack are not covered)" in said
    assert "among 310 images, 7 of which the model was trained on: this flatters" in said


def taken(similarity: float, *, classes: int, vote: int = 1, seed: int = 0) -> tuple[float, int]:
    """The share of 400 strangers that a gallery of so many classes takes for something, and its size."""
    vectors, labels = clusters(400 + classes, 4, noise=0.7, dims=32, seed=seed)
    strangers, gallery = np.flatnonzero(labels < 100), np.flatnonzero(labels >= 400)
    asked = ask_twice(vectors, labels, queries=strangers, gallery=gallery, k=vote)
    found = count_at(decide(asked, vote=vote), similarity)
    return float(found.false_identification_rate), len(gallery)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_ceiling_holds_in_galleries_that_are_really_larger(seed: int) -> None:
    found = decide(ask_twice(*clusters(100, 4, noise=0.7, dims=32, seed=seed)))
    threshold = choose_open_threshold(found, target="false-identification-rate=0.1")
    assert threshold.expected_rate(threshold.gallery // 2) == pytest.approx(0.1)
    rates = []
    for classes in (100, 200, 400):
        rate, gallery = taken(threshold.similarity, classes=classes, seed=100 * seed)
        ceiling = threshold.expected_rate(gallery)
        assert ceiling is not None
        assert ceiling == pytest.approx(0.1 * max(1.0, gallery / 396))
        assert rate <= ceiling
        rates.append(rate)
    assert rates[2] > 2 * rates[0]  # so it does grow, and the ceiling is near
    assert threshold.expected_rate(10**6) == 1.0


def voted(parts: int) -> float:
    """How often a stranger is taken for something at 0.8 by 3 votes: A is alike by 0.9, B by 0.5 and 0.49."""
    part = [[similar, np.sqrt(1 - similar**2)] for similar in (0.9, 0.5, 0.49)]
    vectors = np.array([[1.0, 0.0], *part * parts], dtype=np.float32)
    labels = np.array(["stranger", *["A", "B", "B"] * parts])
    gallery = np.arange(1, len(labels))
    asked = ask_twice(vectors, labels, queries=np.array([0]), gallery=gallery, k=3)
    return float(count_at(decide(asked, vote=3), 0.8).false_identification_rate)


def test_where_several_vote_there_is_no_ceiling() -> None:
    assert (voted(1), voted(2)) == (0.0, 1.0)  # twice nothing is everything
    promised = some_open_threshold(
        target="false-identification-rate=0.08", confidence=0.95, bound=0.07, vote=3, gallery=3
    )
    assert promised.expected_rate(6) is None
    assert promised.expected_rate(3) is None


@pytest.mark.parametrize("target", ["f1", "accuracy", "precision=0.9"])
def test_what_was_measured_is_no_ceiling(target: str) -> None:
    vectors, labels = clusters(12, 4, noise=0.7, dims=32, seed=0)
    found = choose_open_threshold(decide(ask_twice(vectors, labels)), target="f1")
    rate, gallery = taken(found.similarity, classes=400)
    assert rate > found.false_identification_rate * gallery / found.gallery  # in proportion is too little
    measured = some_open_threshold(target=target, false_identification_rate=0.0)
    assert measured.expected_rate(10_000) is None
