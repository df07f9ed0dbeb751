"""The verb: what it stores, what it says, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.calibrating import OF_IDENTIFYING, POINTS, calibrate
from lookalike.errors import CalibrationError, ModelError, TableError
from lookalike.judging.calibrated import Calibration
from lookalike.judging.calibration import choose_threshold
from lookalike.models.card import write_card
from lookalike.models.embedding import embed_table
from lookalike.models.model import CARD, GRAPH, Model, write_seen
from lookalike.models.verdicts import calibration_of, keep_calibration
from lookalike.open_calibrating import IDENTIFY
from lookalike.tables.table import ImageTable
from painted import much_alike
from some_calibrations import calibration
from tiny_model import write_tiny_model


@pytest.fixture
def hard(tmp_path: Path) -> ImageTable:
    """Twenty things, four pictures each, that are not told apart without errors."""
    return much_alike(tmp_path / "hard")


def test_what_is_kept_is_what_was_measured(tiny: Model, hard: ImageTable) -> None:
    threshold = calibrate(tiny, hard, target="recall=0.5")
    kept = calibration_of(tiny)
    assert kept is not None
    assert threshold.fingerprint == kept.fingerprint == tiny.fingerprint
    assert (kept.images, kept.classes, kept.split, kept.basis) == (80, 20, "all", "labels")
    assert (kept.same_pairs, kept.different_pairs) == (20 * 6, 80 * 79 // 2 - 120)
    assert kept.probability.prior == pytest.approx(120 / (80 * 79 / 2))
    similarities = np.array(kept.curve["similarity"])
    assert 20 < len(similarities) <= POINTS
    vectors = embed_table(tiny, hard).embeddings.vectors
    first, second = np.triu_indices(80, k=1)
    similar, same = (vectors @ vectors.T)[first, second], (hard.labels[first] == hard.labels[second])
    for place in (0, len(similarities) // 2, len(similarities) - 1):
        matches = similar >= similarities[place] - 1e-6
        assert kept.curve["recall"][place] == pytest.approx(matches[same].mean(), abs=0.01)
        assert kept.curve["false_match_rate"][place] == pytest.approx(matches[~same].mean(), abs=1e-3)
    assert kept.band(threshold.similarity) == "same thing"


def test_a_further_threshold_leaves_the_calibration_as_it_is(tiny: Model, hard: ImageTable) -> None:
    calibrate(tiny, hard, target="f1", name="first")
    before = calibration_of(tiny)
    strict = calibrate(tiny, hard, target="false-match-rate=0.05", name="strict")
    assert calibration_of(tiny) == before
    assert tiny.threshold is None
    assert tiny.require_threshold("strict") == strict
    calibrate(tiny, hard, target="accuracy")
    after = calibration_of(tiny)
    assert before is not None
    assert after is not None
    assert after.probability == before.probability
    assert after.bands != before.bands


def test_a_calibration_of_another_model_is_made_anew(tiny: Model, hard: ImageTable) -> None:
    keep_calibration(tiny, calibration("of another model"))
    with pytest.raises(ModelError, match="made for another model"):
        calibration_of(tiny)
    calibrate(tiny, hard, name="strict")
    kept = calibration_of(tiny)
    assert kept is not None
    assert kept.fingerprint == tiny.fingerprint


def test_an_exchanged_graph_does_not_take_the_threshold_over(tiny: Model, hard: ImageTable) -> None:
    threshold = calibrate(tiny, hard)
    facts = tiny.facts
    write_tiny_model(tiny.folder, offset=30.0)
    other = Model.load(tiny.folder)
    assert (tiny.folder / GRAPH).exists()
    assert other.fingerprint != tiny.fingerprint
    other.facts = {**other.facts, "thresholds": facts["thresholds"]}
    other.thresholds = {"default": threshold}
    with pytest.raises(ModelError, match="made for another model"):
        other.require_threshold()
    calibrate(other, hard)
    assert other.threshold is not None


def test_pairs_of_one_group_are_left_out_and_the_promise_says_so(tiny: Model, hard: ImageTable) -> None:
    group = [f"session {number % 4 // 2}{number // 4}" for number in range(80)]
    frame = hard.frame.with_columns(group=pl.Series(group))
    threshold = calibrate(tiny, ImageTable(hard.root, frame, ()), target="recall=0.3")
    assert (threshold.groups, threshold.same_pairs) == (40, 20 * 4)
    assert ", pairs within one of the 40 groups left out" in threshold.promise
    assert "groups" not in calibrate(tiny, hard, target="recall=0.3").promise


@pytest.mark.parametrize("target", ["precision=0.5", "recall=0.1", "false-match-rate=0.1"])
def test_no_promise_from_pictures_that_were_trained_on(tiny: Model, hard: ImageTable, target: str) -> None:
    write_seen(tiny.folder, embed_table(tiny, hard).hashes[:41])
    with pytest.raises(
        CalibrationError, match=r"trained on support no promise - .* saw 41 of 80 .*--target f1"
    ):
        calibrate(tiny, hard, split="all", target=target)
    assert tiny.thresholds == {}
    assert calibrate(tiny, hard, target="f1").seen == 41


def test_where_few_were_trained_on_the_promise_says_so(tiny: Model, hard: ImageTable) -> None:
    write_seen(tiny.folder, embed_table(tiny, hard).hashes[:9])
    threshold = calibrate(tiny, hard, target="recall=0.3")
    assert ", 9 of which the model was trained on: this flatters" in threshold.promise


def test_targets_are_looked_at_before_any_picture(tiny: Model, tmp_path: Path) -> None:
    nothing = ImageTable(tmp_path, pl.DataFrame({"image": [], "label": []}, schema_overrides={}), ())
    with pytest.raises(CalibrationError, match="the target is not understood"):
        calibrate(tiny, nothing, target="best")
    with pytest.raises(CalibrationError, match="the confidence does not fit"):
        calibrate(tiny, nothing, confidence=2)


@pytest.fixture
def photographs(tmp_path: Path) -> ImageTable:
    """Forty different pictures without labels, large enough to be scaled down."""
    rng = np.random.default_rng(3)
    folder = tmp_path / "photographs"
    folder.mkdir()
    for number in range(40):
        rough = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        rough.resize((200, 200), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return ImageTable.read(folder)


def test_without_labels_the_way_out_is_named(tiny: Model, photographs: ImageTable) -> None:
    with pytest.raises(
        TableError, match=r"no labels - .* 40 pictures .*lookalike calibrate MODEL DATA --copies"
    ):
        calibrate(tiny, photographs)


def test_copies_take_the_place_of_labels(tiny: Model, photographs: ImageTable) -> None:
    shutil.copy(photographs.paths[0], photographs.root / "again.png")
    (photographs.root / "bad.png").write_bytes(b"")
    told: list[object] = []
    table = ImageTable.read(photographs.root)
    threshold = calibrate(tiny, table, target="f1", copies=True, skipped=told.extend)
    assert len(told) == 1
    assert (threshold.basis, threshold.images, threshold.classes) == ("copies", 40, 40)
    assert threshold.same_pairs == 40 * 10
    assert threshold.different_pairs == (200 * 199 // 2) - 400
    assert threshold.recall > 0.9
    assert threshold.precision > 0.9
    assert threshold.meaning == "copies of one picture"
    for words in (
        "measured on 400 pairs of copies of one picture and 19,500 pairs of different pictures",
        "saved again, scaled, cropped, lit and turned a little",
        "not your notion of the same thing",
    ):
        assert words in threshold.promise
    kept = calibration_of(tiny)
    assert kept is not None
    assert kept.basis == "copies"
    assert "same thing" not in {band.name for band in kept.bands}
    assert kept.band(threshold.similarity) == "near copy"
    sure = 1 / (40 + 2)  # by pictures, not by copies
    assert kept.probability.at([1.0])[0] <= 1 - sure + 1e-12


def test_a_promise_on_copies_is_one_on_copies(tiny: Model, photographs: ImageTable) -> None:
    threshold = calibrate(tiny, photographs, target="false-match-rate=0.1", copies=True)
    assert "for pictures that are like these" in threshold.promise
    assert "40 pictures are few" in threshold.promise


@pytest.fixture
def series(photographs: ImageTable) -> ImageTable:
    """Ten things of four pictures each, which share a little of their colours."""
    pixels = [np.asarray(Image.open(path)).astype(float) for path in photographs.paths]
    for number, (path, own) in enumerate(zip(photographs.paths, pixels, strict=True)):
        shared = 0.5 * own + 0.5 * pixels[number // 4 * 4]
        Image.fromarray(shared.astype(np.uint8)).save(path)
    labels = pl.Series([f"thing {number // 4}" for number in range(40)])
    return ImageTable(photographs.root, photographs.frame.with_columns(label=labels), ())


def test_bands_need_copies_and_stay_until_they_are_made_again(tiny: Model, series: ImageTable) -> None:
    def names() -> set[str]:
        kept = calibration_of(tiny)
        assert kept is not None
        return {band.name for band in kept.bands}

    calibrate(tiny, series, target="accuracy")
    assert names() <= {"same thing", "related"}
    calibrate(tiny, series, target="accuracy", bands=True)
    made = names()
    assert made & {"same picture", "near copy"}
    calibrate(tiny, series, target="accuracy")
    assert names() == made


def test_the_card_shows_thresholds_bands_and_the_prior(tiny: Model, hard: ImageTable) -> None:
    write_card(tiny, None)
    calibrate(tiny, hard, target="f1")
    strict = calibrate(tiny, hard, target="false-match-rate=0.05", name="strict")
    card = (tiny.folder / CARD).read_text()
    assert f"- threshold `strict`: {strict.similarity:.4f} or more: {strict.promise}" in card
    assert "- same thing: " in card
    assert ", where 3.8% of pairs are the same" in card


def test_the_split_test_is_for_reporting(tiny: Model, hard: ImageTable) -> None:
    table = hard.with_splits(np.where(np.arange(80) < 40, "val", "test"))
    with pytest.raises(
        CalibrationError,
        match=r"chosen on val, never on the pictures it is judged by - .* - name --split val",
    ):
        calibrate(tiny, table, split="test")
    assert tiny.thresholds == {}
    assert calibrate(tiny, table).split == "val"
    assert calibrate(tiny, hard, split="test").split == "all"  # it has no splits


@pytest.mark.parametrize("name", ["", " a", "a/b", "a\\b", "..", "a\nb", "\x1b[1m", "identify"])
def test_a_name_must_be_one(tiny: Model, hard: ImageTable, name: str) -> None:
    with pytest.raises(CalibrationError, match=r"the name of the threshold does not fit - .*--name strict"):
        calibrate(tiny, hard, name=name)
    assert tiny.thresholds == {}
    assert OF_IDENTIFYING == IDENTIFY


def test_what_was_measured_is_told_where_it_is_not_kept(tiny: Model, hard: ImageTable) -> None:
    told: list[Calibration] = []
    calibrate(tiny, hard, measured=told.append)
    half = hard.take(np.arange(40))
    threshold = calibrate(tiny, half, target="recall=0.1", name="half", measured=told.append)
    assert calibration_of(tiny) == told[0]
    assert (told[0].images, told[1].images) == (80, 40)
    assert told[1].probability.prior == pytest.approx(60 / (40 * 39 / 2))
    assert threshold.similarity in {band.similarity for band in told[1].bands}


def test_bands_belong_to_the_default_threshold(tiny: Model, hard: ImageTable) -> None:
    with pytest.raises(CalibrationError, match=r"bands begin at the threshold default - .* saw strict"):
        calibrate(tiny, hard, name="strict", bands=True)


def test_bands_of_copies_do_not_outlive_labels(tiny: Model, photographs: ImageTable) -> None:
    calibrate(tiny, photographs, copies=True)
    labels = pl.Series([f"thing {number // 4}" for number in range(40)])
    calibrate(tiny, ImageTable(photographs.root, photographs.frame.with_columns(label=labels), ()))
    kept = calibration_of(tiny)
    assert kept is not None
    assert kept.basis == "labels"
    assert not {"same picture", "near copy"} & {band.name for band in kept.bands}


def test_the_verb_adds_nothing_to_the_choice(tiny: Model, hard: ImageTable) -> None:
    found = calibrate(tiny, hard, target="accuracy")
    plain = choose_threshold(embed_table(tiny, hard).embeddings.vectors, hard.labels, target="accuracy")
    assert (found.similarity, found.f1, found.recall) == (plain.similarity, plain.f1, plain.recall)
