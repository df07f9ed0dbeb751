from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.calibrating import calibrate
from lookalike.embedding import embed_table
from lookalike.errors import CalibrationError, EvaluationError, SkipReason, TableError
from lookalike.evaluation import REPORTED, evaluate
from lookalike.model import Model, write_facts, write_seen
from lookalike.pages import report_page, split_counts
from lookalike.records import Skipped
from lookalike.report import render_report
from lookalike.table import ImageTable


def paint(folder: Path, name: str, colours: np.ndarray, noise: int, seed: int) -> None:
    """A picture of 4 x 4 fields, a little different each time."""
    rng = np.random.default_rng(seed)
    fields = np.kron(colours.reshape(4, 4, 3), np.ones((8, 8, 1))) + rng.integers(
        -noise, noise + 1, (32, 32, 3)
    )
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(fields, 0, 255).astype(np.uint8)).save(folder / f"{name}.png")


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
    assert set(found.figures) == {*REPORTED, "roc_auc"}
    for name in ("recall@1", "map", "map@r", "r_precision", "roc_auc"):
        assert found.figures[name].value == pytest.approx(1.0, abs=1e-6)
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
    calibrate(tiny, table, split="test", skipped=told.extend)
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
