"""A threshold from decisions: they are counted as they are; too few, or contradictions, are refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from lookalike.duplicates.calibrating_pairs import FEWEST, calibrate_pairs
from lookalike.duplicates.decision_files import Row, read_rows, write_rows
from lookalike.errors import CalibrationError, TableError
from lookalike.judging.calibrated import Calibration
from lookalike.judging.calibration import threshold_of
from lookalike.judging.given_pairs import measure_pairs
from lookalike.judging.target import Target
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model, write_seen
from lookalike.models.verdicts import calibration_of
from lookalike.records import Skipped
from painted import much_alike


def test_given_pairs_are_counted_as_they_are() -> None:
    rng = np.random.default_rng(0)
    similarities = rng.uniform(-1.0, 1.0, 300)
    same = similarities + rng.normal(0.0, 0.2, 300) > 0.3
    first = rng.integers(0, 40, 300)
    second = np.where(same, first, (first + 1 + rng.integers(0, 39, 300)) % 40)
    found = measure_pairs(similarities, same, np.stack([first, second], axis=1), images=80)
    assert (found.histogram.same.sum(), found.histogram.different.sum()) == (same.sum(), (~same).sum())
    by_class = found.by_class
    for column in (0, len(by_class.edges) // 2):
        above = similarities >= by_class.edges[column]
        for thing in (0, 7, 39):
            mine = above & same & (first == thing)
            assert by_class.same[thing, column:].sum() == mine.sum()
            others = above & ~same & ((first == thing) | (second == thing))
            assert by_class.different[thing, column:].sum() == others.sum()
    best = threshold_of(found, Target.parse("f1"))
    tried = [2 * (same & (similarities >= cut)).sum() / (same.sum() + (similarities >= cut).sum())
             for cut in similarities]  # fmt: skip
    assert best.f1 == pytest.approx(max(tried))


@pytest.fixture
def decided(tmp_path: Path) -> Path:
    """Decisions on pairs of pictures of twenty things: those of one and those of two neighbours."""
    table = much_alike(tmp_path / "hard")
    paths, labels = table.paths, table.labels.tolist()
    rows = [
        (paths[a], paths[b], "same" if labels[a] == labels[b] else "different")
        for a in range(len(paths))
        for b in (a + 1, a + 4, a + 9)
        if b < len(paths)
    ]
    file = tmp_path / "pairs.csv"
    with file.open("w", newline="") as text:
        csv.writer(text).writerows([("first", "second", "verdict"), *rows])
    return file


def test_a_threshold_from_decisions(tiny: Model, decided: Path) -> None:
    kept: list[Calibration] = []
    threshold = calibrate_pairs(tiny, decided, measured=kept.append)
    rows = read_rows(decided)
    assert threshold.same_pairs == sum(row.verdict == "same" for row in rows)
    assert threshold.different_pairs == sum(row.verdict == "different" for row in rows)
    vectors: dict[str, np.ndarray] = {}
    paths = [Path(row.first) for row in rows] + [Path(row.second) for row in rows]
    for chunk in embed_chunks(tiny, paths):
        vectors |= {str(paths[row]): vector for row, vector in zip(chunk.rows, chunk.vectors, strict=True)}
    matches = [float(vectors[row.first] @ vectors[row.second]) >= threshold.similarity for row in rows]
    right = sum(match for match, row in zip(matches, rows, strict=True) if row.verdict == "same")
    assert threshold.precision == pytest.approx(right / sum(matches))
    assert threshold.recall == pytest.approx(right / threshold.same_pairs)
    assert "pairs of 80 images that somebody decided on" in threshold.promise
    assert Model.load(tiny.folder).threshold == threshold
    assert calibration_of(tiny) == kept[0]
    assert kept[0].probability.prior == pytest.approx(threshold.same_pairs / len(rows))


def test_too_few_decisions_say_how_many_more(tiny: Model, decided: Path) -> None:
    rows = read_rows(decided)
    same = [row for row in rows if row.verdict == "same"][: FEWEST - 7]
    write_rows([*same, *(row for row in rows if row.verdict == "different")], decided)
    with pytest.raises(CalibrationError, match=r"too few decisions .*saw 23 same.* 7 more that are same:"):
        calibrate_pairs(tiny, decided)
    assert tiny.thresholds == {}


def test_pictures_that_are_not_what_was_decided_on_are_told(tiny: Model, decided: Path) -> None:
    rows = [
        Row(row.first, row.second, row.verdict, "", *(content_hash(Path(name).read_bytes()).hex()
            for name in (row.first, row.second)))
        for row in read_rows(decided)
    ]  # fmt: skip
    write_rows(rows, decided.with_suffix(".json"))
    Path(rows[0].first).write_bytes(Path(rows[40].second).read_bytes())
    Path(rows[5].first).unlink()
    skipped: list[Skipped] = []
    threshold = calibrate_pairs(tiny, decided.with_suffix(".json"), skipped=skipped.extend)
    assert {entry.path for entry in skipped} == {rows[0].first, rows[5].first}
    gone = {rows[0].first, rows[5].first}
    usable = [row for row in rows if not gone & {row.first, row.second}]
    assert threshold.same_pairs + threshold.different_pairs == len(usable)


def test_contradictions_are_not_calibrated_on(tiny: Model, decided: Path) -> None:
    rows = read_rows(decided)
    flipped = next(row for row in rows if row.verdict == "same")
    write_rows([*rows, Row(flipped.first, flipped.second, "different")], decided)
    with pytest.raises(TableError, match="contradict each other"):
        calibrate_pairs(tiny, decided)


def test_a_promise_needs_pictures_that_are_new_to_the_model(tiny: Model, decided: Path) -> None:
    pictures = (decided.parent / "hard").rglob("*.png")
    write_seen(tiny.folder, [content_hash(path.read_bytes()) for path in pictures])
    with pytest.raises(CalibrationError, match="trained on support no promise"):
        calibrate_pairs(tiny, decided, target="precision=0.5")
    assert calibrate_pairs(tiny, decided).seen == 80
    with pytest.raises(CalibrationError, match=rf"{decided} - .*decide on pairs .* --name decided") as error:
        calibrate_pairs(tiny, decided, target="precision=0.5")
    assert "--split" not in str(error.value)


def test_a_promise_is_not_replaced_by_none_unless_a_name_says_so(tiny: Model, decided: Path) -> None:
    promising = calibrate_pairs(tiny, decided, target="recall=0.1")
    assert promising.confidence == 0.95
    with pytest.raises(
        CalibrationError, match=r"f1 in place of recall=0.1, .*--name decided.*--name default"
    ):
        calibrate_pairs(tiny, decided)
    assert tiny.threshold == promising
    calibrate_pairs(tiny, decided, name="decided")
    assert tiny.threshold == promising
    assert calibrate_pairs(tiny, decided, target="recall=0.2") == tiny.threshold
    assert calibrate_pairs(tiny, decided, name="default") == tiny.threshold != promising
    assert calibrate_pairs(tiny, decided).confidence is None
    with pytest.raises(CalibrationError, match="name of the threshold does not fit"):
        calibrate_pairs(tiny, decided, name="")
