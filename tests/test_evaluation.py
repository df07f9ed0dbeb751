from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike.calibrating import calibrate
from lookalike.errors import CalibrationError, EvaluationError, SkipReason, TableError
from lookalike.evaluation import evaluate
from lookalike.judgement import LOWER_IS_BETTER, MACRO, RANKS
from lookalike.judging.metrics import summarise
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model, write_facts, write_seen
from lookalike.presenting.pages import report_page, split_counts
from lookalike.presenting.report import render_report
from lookalike.records import Skipped
from lookalike.tables.table import ImageTable
from painted import much_alike, paint
from tiny_model import write_tiny_model


@pytest.fixture
def painted(tmp_path: Path) -> ImageTable:
    """Twelve things, five pictures each, easy to tell apart."""
    rng = np.random.default_rng(0)
    for thing in range(12):
        colours = rng.integers(0, 256, 48)
        for number in range(5):
            paint(tmp_path / f"thing{thing:02}", str(number), colours, 20, 100 * thing + number)
    return ImageTable.read(tmp_path)


def test_things_that_differ_are_told_apart(tiny: Model, painted: ImageTable) -> None:
    found = evaluate(tiny, painted, draws=50)
    own = {*found.found.values, *RANKS, *(f"macro_{name}" for name in MACRO)}
    assert set(found.figures) == {*own, "roc_auc", "pr_auc", "eer", "tmr@0.01", "tmr@0.001"}
    for name in ("recall@1", "map", "map@r", "r_precision", "roc_auc", "pr_auc", "tmr@0.001", "first_rank"):
        assert found.figures[name].value == pytest.approx(1.0, abs=1e-6)
    assert found.figures["eer"].value == pytest.approx(0.0, abs=1e-6)
    assert found.figures["mean_rank"].value == pytest.approx(2.5)
    assert (found.report.split, found.report.queries, found.report.gallery) == ("all", 60, 60)
    assert (found.report.baseline, found.baseline_pairs) == ("", None)
    assert int(found.pairs.same.sum()) == 12 * 10
    assert int(found.pairs.different.sum()) == 60 * 59 // 2 - 120
    assert all(answer.right for row in found.rows for answer in row.answers[:4])
    assert {row.query for row in found.rows} <= set(painted.paths)


def test_shuffled_labels_score_chance(tiny: Model, painted: ImageTable) -> None:
    labels = np.random.default_rng(1).permutation(painted.labels)
    frame = painted.frame.with_columns(label=labels.astype(str))
    found = evaluate(tiny, ImageTable(painted.root, frame, painted.skipped), draws=50)
    assert found.figures["recall@1"].value < 0.3
    assert 0.4 < found.figures["roc_auc"].value < 0.6


def test_copies_are_not_answers(tiny: Model, tmp_path: Path) -> None:
    """Each picture twice, byte for byte: with nothing else of its label, a picture has no partner."""
    rng = np.random.default_rng(0)
    for thing in range(4):
        paint(tmp_path / f"t{thing}", "a", rng.integers(0, 256, 48), 5, thing)
        shutil.copy(tmp_path / f"t{thing}" / "a.png", tmp_path / f"t{thing}" / "copy.png")
    with pytest.raises(EvaluationError, match=r"nothing to find|relevant|twice"):
        evaluate(tiny, ImageTable.read(tmp_path))


def test_bad_file_is_reported_and_shifts_nobody(tiny: Model, painted: ImageTable) -> None:
    bad = painted.paths[7]
    bad.write_bytes(b"nothing")
    found = evaluate(tiny, painted, draws=50)
    assert [entry.path for entry in found.report.skipped] == [str(bad)]
    assert found.figures["recall@1"].value == 1.0
    assert found.report.gallery == 59


def test_what_reading_the_folder_left_out_is_reported_too(tiny: Model, painted: ImageTable) -> None:
    gone, bad = painted.root / "thing03" / "gone.png", painted.paths[7]
    gone.symlink_to("nowhere")
    bad.write_bytes(b"nothing")
    table = ImageTable.read(painted.root).with_splits(np.array(["test"] * 60))
    found = evaluate(tiny, table, draws=50).report
    assert [(entry.path, entry.reason) for entry in found.skipped] == [
        (str(gone), SkipReason.MISSING),
        (str(bad), SkipReason.NOT_AN_IMAGE),
    ]
    told: list[Skipped] = []
    calibrate(tiny, table, split="all", skipped=told.extend)
    assert tuple(told) == found.skipped


def test_the_baseline_of_a_run_is_found_from_within(
    tiny: Model, painted: ImageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(tiny.folder, tiny.folder.parent / "baseline")
    write_facts(tiny.folder, {**tiny.facts, "baseline": "tiny, untrained"})
    monkeypatch.chdir(tiny.folder)
    for place in (".", tiny.folder):
        found = evaluate(Model.load(place), painted, draws=50)
        assert found.report.baseline == "tiny, untrained"
        assert found.figures["recall@1"].baseline == 1.0
        for figure in found.figures.values():
            assert (figure.baseline, figure.gain) == (figure.value, (0.0, 0.0))  # it is the same model


def test_single_pictures_are_counted_not_judged(tiny: Model, painted: ImageTable, tmp_path: Path) -> None:
    paint(tmp_path / "lonely", "a", np.random.default_rng(9).integers(0, 256, 48), 5, 9)
    report = evaluate(tiny, ImageTable.read(tmp_path), draws=50).report
    assert (report.queries, report.gallery, report.without_partner) == (60, 61, 1)


def test_pictures_of_the_training_are_counted(tiny: Model, painted: ImageTable) -> None:
    hashes = embed_table(tiny, painted).hashes
    write_seen(tiny.folder, hashes[:13])
    assert evaluate(tiny, painted, draws=50).report.seen == 13


def test_threshold_from_training_pictures_says_so(tiny: Model, painted: ImageTable) -> None:
    write_seen(tiny.folder, embed_table(tiny, painted).hashes[:20])
    threshold = calibrate(tiny, painted, split="all")
    assert threshold.seen == 20
    assert "20 of which the model was trained on" in threshold.promise
    assert "of 60 images of 12 classes" in threshold.promise


def test_misspelt_split_is_refused(tiny: Model, painted: ImageTable) -> None:
    with pytest.raises(TableError, match=r"no such split.*tset.*train, val, test, all"):
        evaluate(tiny, painted, split="tset")


def test_unlabelled_and_unknown_split_are_refused(tiny: Model, painted: ImageTable, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    flat.mkdir()
    shutil.copy(painted.paths[0], flat / "a.png")
    with pytest.raises(TableError):
        evaluate(tiny, ImageTable.read(flat))
    with pytest.raises(TableError, match="test"):
        evaluate(tiny, painted.with_splits(np.array(["train"] * 60)), split="test")


def test_threshold_is_stored_and_separates(tiny: Model, painted: ImageTable) -> None:
    parts = np.where(np.arange(60) % 10 < 5, "val", "test")
    table = painted.with_splits(parts)
    threshold = calibrate(tiny, table, target="f1")
    assert tiny.threshold == threshold
    assert (threshold.split, threshold.images, threshold.classes) == ("val", 30, 6)
    assert threshold.f1 == pytest.approx(1.0)
    found = evaluate(tiny, table, draws=50).report
    assert found.split == "test"
    assert found.at_threshold["false_match_rate"] <= 0.05
    assert found.at_threshold["recall"] > 0.5
    for name in ("precision", "recall", "f1", "false_match_rate"):
        low, high = found.at_threshold_intervals[name]
        assert low <= found.at_threshold[name] <= high


@pytest.mark.parametrize("target", ["precision=0.999999", "accuracy=0.9", "precision=2"])
def test_unsupported_targets_are_refused_and_nothing_is_stored(
    tiny: Model, painted: ImageTable, target: str
) -> None:
    with pytest.raises(CalibrationError):
        calibrate(tiny, painted, target=target)
    assert tiny.threshold is None


def test_page_joins_what_was_measured(tiny: Model, painted: ImageTable) -> None:
    parts = np.where(np.arange(60) % 10 < 5, "val", "test")
    table = painted.with_splits(parts)
    assert split_counts(table) == {"val": (30, 6), "test": (30, 6)}
    assert split_counts(painted) == {"all": (60, 12)}
    page = report_page(evaluate(tiny, table, draws=50), tiny, table=table, created="2026-01-01")
    assert page.versions["numpy"] == np.__version__
    assert "thing01" in render_report(page)


@pytest.fixture
def grey(tmp_path: Path) -> ImageTable:
    return much_alike(tmp_path / "alike")


def test_every_figure_stands_beside_the_untrained_one_with_its_difference(
    grey: ImageTable, tmp_path: Path
) -> None:
    folder = tmp_path / "with-feature"
    folder.mkdir()
    write_tiny_model(folder, feature=True)
    found = evaluate(Model.load(folder), grey, draws=100)
    assert found.report.baseline == "tiny, untrained"
    for name, figure in found.figures.items():
        assert figure.low <= figure.high, name
        assert figure.baseline is not None
        assert figure.gain is not None
        gain = figure.value - figure.baseline
        assert figure.gain[0] <= gain <= figure.gain[1] or abs(gain) < 0.02, name
        assert figure.better == ("lower" if name in LOWER_IS_BETTER else "higher")
        assert (gain < 0) == (figure.better == "lower") or gain == 0, name  # it sees more, so it does better
    wide = found.figures["map"]
    assert wide.gain is not None
    assert wide.gain[0] > 0
    means = summarise(found.found)
    assert {name: found.figures[name].value for name in means} == pytest.approx(means)


def test_figures_by_class_stand_with_the_worst_first(tiny: Model, grey: ImageTable) -> None:
    paint(grey.root / "lonely", "a", np.random.default_rng(9).integers(0, 256, 48), 5, 9)
    found = evaluate(tiny, ImageTable.read(grey.root), draws=50)
    classes = found.per_class()
    assert len(classes) == 20
    assert "lonely" not in {each.label for each in classes}
    assert [each.values["map@r"] for each in classes] == sorted(each.values["map@r"] for each in classes)
    labels = found.table.labels[found.queries]
    for each in classes:
        own = labels == each.label
        assert each.queries == 4
        for name, value in each.values.items():
            assert value == pytest.approx(found.found.values[name][own].mean())
    macro = np.mean([each.values["recall@1"] for each in classes])
    assert found.figures["macro_recall@1"].value == pytest.approx(macro)


def test_one_class_that_can_be_judged_gives_no_interval(tiny: Model, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        paint(tmp_path / "pair", name, rng.integers(0, 256, 48), 5, 1)
    paint(tmp_path / "single", "a", rng.integers(0, 256, 48), 5, 2)
    with pytest.raises(EvaluationError, match="too few classes for an interval"):
        evaluate(tiny, ImageTable.read(tmp_path))
    for name in ("b", "c"):
        paint(tmp_path / "single", name, rng.integers(0, 256, 48), 5, 3)
    figure = evaluate(tiny, ImageTable.read(tmp_path)).figures["recall@1"]
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
