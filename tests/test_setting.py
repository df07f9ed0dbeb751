"""A threshold that a person set by hand, and every place that has to cope with one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from labelled_index import drawn_vectors
from lookalike.calibrating import calibrate
from lookalike.cli import app
from lookalike.doors.console import match_lines
from lookalike.errors import CalibrationError, ModelError
from lookalike.judging.calibrated import NEAR_COPY, RELATED, SAME_PICTURE, SAME_THING, Band
from lookalike.judging.calibration import Measured, measure, metrics_at
from lookalike.judging.target import Target
from lookalike.models.bands import moved
from lookalike.models.card import refresh_threshold
from lookalike.models.model import CARD, DEFAULT, Model
from lookalike.models.shortening import shorten
from lookalike.models.verdicts import calibration_of, judge_of, keep_calibration
from lookalike.records import Match
from lookalike.setting import by_hand, reread, set_threshold
from lookalike.tables.table import ImageTable
from lookalike.threshold import BY_HAND, COPIES, read_target
from painted import much_alike
from some_calibrations import of_model
from some_records import threshold
from tiny_model import write_tiny_model


@pytest.fixture
def pairs() -> Measured:
    """Pairs of ten things, three pictures each."""
    return measure(drawn_vectors([3] * 10, 48), np.repeat(np.arange(10), 3))


def saved(model: Model, similarity: float, pairs: Measured, *, name: str = DEFAULT, seen: int = 0) -> Model:
    """The model as it is read again, once a threshold was set."""
    set_threshold(model, similarity, name=name, pairs=pairs, seen=seen)
    return Model.load(model.folder)


def test_it_says_what_was_measured_and_promises_nothing(tiny: Model, pairs: Measured) -> None:
    kept = set_threshold(tiny, 0.375, name="mine", pairs=pairs, seen=4)
    assert Model.load(tiny.folder).require_threshold("mine") == kept == tiny.thresholds["mine"]
    figures = metrics_at(pairs.histogram, 0.375)
    for name in ("precision", "recall", "f1", "false_match_rate"):
        assert getattr(kept, name) == figures[name]
    assert (kept.target, kept.confidence, kept.bound, kept.seen, kept.fingerprint) == (
        BY_HAND, None, None, 4, tiny.fingerprint
    )  # fmt: skip
    assert (kept.same_pairs, kept.different_pairs, kept.images, kept.classes) == (30, 405, 30, 10)
    assert kept.promise.startswith(f"set by hand: {kept.precision:.1%} of matches are right, ")
    assert "(no promise beyond these pairs; measured on 30 same and 405 different pairs of 30" in kept.promise
    assert "images of 10 classes, 4 of which the model was trained on: this flatters)" in kept.promise


def test_it_cannot_be_asked_of_a_calibration(tiny: Model, tmp_path: Path) -> None:
    assert read_target(BY_HAND) == (BY_HAND, None)
    with pytest.raises(CalibrationError, match="the target is not understood - target - saw 'by hand'"):
        Target.parse(BY_HAND)
    with pytest.raises(CalibrationError, match="the target is not understood"):
        calibrate(tiny, much_alike(tmp_path / "things", things=2), target=BY_HAND)


@pytest.mark.parametrize("name", ["", " ", "identify", "a/b", "a\\b", "..", "a\nb", " a"])
def test_what_is_no_name_is_refused(tiny: Model, pairs: Measured, name: str) -> None:
    with pytest.raises(CalibrationError, match=r"the name of the threshold does not fit .* --name strict"):
        set_threshold(tiny, 0.5, name=name, pairs=pairs, seen=0)
    assert not Model.load(tiny.folder).thresholds


@pytest.mark.parametrize("similarity", [float("nan"), 1.1, -2.0])
def test_what_is_no_similarity_is_refused(tiny: Model, pairs: Measured, similarity: float) -> None:
    with pytest.raises(CalibrationError, match=r"the similarity does not fit .* between -1 and 1"):
        by_hand(tiny, similarity, pairs=pairs, seen=0)


# what the calibration becomes


def test_without_a_calibration_these_pairs_make_one(tiny: Model, pairs: Measured) -> None:
    again = saved(tiny, 0.375, pairs)
    made = calibration_of(again)
    assert made is not None
    assert (made.images, made.same_pairs) == (30, 30)
    own = next(band for band in made.bands if band.name == SAME_THING)
    assert (own.similarity, own.words) == (0.375, "the match threshold, set by hand")
    assert judge_of(again).verdicts([0.375])[0].match
    assert judge_of(again).verdicts([0.375])[0].band == SAME_THING


def test_probabilities_of_a_calibration_stay_and_its_band_moves_along(tiny: Model, pairs: Measured) -> None:
    tiny.set_threshold(replace(threshold("precision=0.95"), similarity=0.5))
    keep_calibration(tiny, before := of_model(tiny))
    again = saved(tiny, 0.75, pairs, name="mine")
    assert calibration_of(again) == before  # another name leaves it as it is
    assert (again.require_threshold().similarity, again.require_threshold("mine").similarity) == (0.5, 0.75)
    again = saved(tiny, 0.625, pairs)
    after = calibration_of(again)
    assert after is not None
    assert replace(after, bands=()) == replace(before, bands=())
    assert [(band.name, band.similarity) for band in after.bands] == [(NEAR_COPY, 0.9), (SAME_THING, 0.625)]
    assert again.require_threshold().target == BY_HAND


def test_a_calibration_on_copies_gives_way(tiny: Model, pairs: Measured) -> None:
    keep_calibration(tiny, replace(of_model(tiny), basis=COPIES))
    made = calibration_of(saved(tiny, 0.375, pairs))
    assert made is not None
    assert (made.basis, made.images) == ("labels", 30)


BANDS = tuple(
    Band(name, cut, "w")
    for name, cut in ((SAME_PICTURE, 0.95), (NEAR_COPY, 0.9), (SAME_THING, 0.7), (RELATED, 0.4))
)


@pytest.mark.parametrize(
    ("similarity", "names"),
    [
        (0.8, [SAME_PICTURE, NEAR_COPY, SAME_THING, RELATED]),
        (0.92, [SAME_PICTURE, SAME_THING, RELATED]),
        (0.95, [SAME_THING, RELATED]),
        (0.4, [SAME_PICTURE, NEAR_COPY, SAME_THING]),
        (0.1, [SAME_PICTURE, NEAR_COPY, SAME_THING]),
    ],
)
def test_bands_fall_wherever_the_threshold_lies(similarity: float, names: list[str]) -> None:
    bands = moved(BANDS, threshold(BY_HAND, similarity=similarity))
    assert [band.name for band in bands] == names
    cuts = [band.similarity for band in bands]
    assert cuts == sorted(cuts, reverse=True)
    assert moved((), threshold(BY_HAND))[0].words == "the match threshold, set by hand"
    assert moved((), threshold("f1"))[0].words == "the match threshold, chosen by f1"


# who reads it


def test_the_card_and_a_match_say_so(tiny: Model, pairs: Measured) -> None:
    (tiny.folder / CARD).write_text("# tiny\n\n## What counts as the same\n\nno\n\n## Use\n\nso\n")
    refresh_threshold(tiny)
    again = saved(tiny, 0.375, pairs)
    card = (tiny.folder / CARD).read_text()
    assert "Similarity 0.3750 or more: set by hand: " in card
    assert "- same thing: 0.3750 or more: the match threshold, set by hand" in card
    found = Match("a.png", "b.png", 0.5, again.require_threshold())
    assert match_lines(found)[-1].startswith("set by hand: ")


def test_what_has_no_probability_is_not_told_to_calibrate_by_hand(tiny: Model) -> None:
    tiny.set_threshold(replace(threshold(BY_HAND, confidence=None), bound=None))
    with pytest.raises(ModelError, match="no probabilities") as error:
        judge_of(Model.load(tiny.folder), prior=0.5)
    assert error.value.do == f"make them: lookalike calibrate {tiny.folder} DATA; or leave out --prior"


def test_a_calibration_in_its_place_says_what_was_there(
    tiny: Model, pairs: Measured, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_threshold(tiny, 0.375, name=DEFAULT, pairs=pairs, seen=0)
    table: ImageTable = much_alike(tmp_path / "hard", things=6)
    assert app(["calibrate", str(tiny.folder), str(table.root)], standalone_mode=False) == 0
    said = capsys.readouterr().err
    assert "This replaced default: similarity >= 0.3750, set by hand: " in said
    assert "To have that again: save 0.375 as default in the page of lookalike serve INDEX --writable" in said


def test_thresholds_that_others_stored_are_taken_in_and_kept(tiny: Model, pairs: Measured) -> None:
    other = Model.load(tiny.folder)
    other.set_threshold(threshold("f1"), name="theirs")
    assert "theirs" not in tiny.thresholds
    again = saved(tiny, 0.5, pairs, name="mine")
    assert set(again.thresholds) == set(tiny.thresholds) == {"theirs", "mine"}


def test_a_model_that_was_trained_again_is_not_written_to(tiny: Model, pairs: Measured) -> None:
    write_tiny_model(tiny.folder, offset=1.0)
    with pytest.raises(ModelError, match="the calibration was made for another model"):
        set_threshold(tiny, 0.5, name="mine", pairs=pairs, seen=0)
    with pytest.raises(ModelError, match="made for another model"):
        reread(tiny)


def test_a_shortened_model_keeps_its_own(tiny: Model, pairs: Measured) -> None:
    tiny.facts = {**tiny.facts, "dimensions": [8], "shortened": {}}
    tiny.set_threshold(threshold("f1"))
    short = shorten(Model.load(tiny.folder), 8)
    set_threshold(short, 0.25, name=DEFAULT, pairs=pairs, seen=0)
    assert shorten(Model.load(tiny.folder), 8).require_threshold().similarity == 0.25
    assert Model.load(tiny.folder).require_threshold().target == "f1"
