"""What a threshold for identification says of itself."""

from __future__ import annotations

import pytest

from some_open_threshold import some_open_threshold


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


@pytest.mark.parametrize(
    ("gallery", "measured", "promised"),
    [(100, 0.05, 0.08), (290, 0.05, 0.08), (580, 0.1, 0.16), (10**6, 1.0, 1.0)],
)
def test_rate_grows_at_most_with_the_gallery(gallery: int, measured: float, promised: float) -> None:
    assert some_open_threshold().expected_rate(gallery) == pytest.approx(measured)
    ceiling = some_open_threshold(target="false-identification-rate=0.08")
    assert ceiling.expected_rate(gallery) == pytest.approx(promised)
