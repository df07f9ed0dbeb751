"""Attribute retrieval judged on an exported model: figures, baselines, intervals, words."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lookalike.attribute_evaluation import AttributeReport, evaluate_attributes
from lookalike.errors import EvaluationError, ModelError, TableError
from lookalike.judging.attribute_metrics import judge, make_changes, make_queries
from lookalike.models.attributes import AttributeBranch
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model, write_seen
from lookalike.presenting.attribute_wording import attribute_json, attribute_lines
from lookalike.tables.attribute_values import agree
from lookalike.tables.table import ImageTable
from tiny_attributes import (
    COLOURS,
    NAMES,
    colour_values,
    gallery,
    with_baseline,
    with_branch,
)


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    return gallery(tmp_path / "pictures")


def test_figures_are_the_mean_over_the_queries(tiny: Model, table: ImageTable) -> None:
    model = with_branch(tiny)
    report = evaluate_attributes(model, table, draws=50)
    values = np.repeat([colour_values(rgb) for rgb in COLOURS.values()], 3, axis=0).astype(np.int8)
    pictures = embed_table(model, table).embeddings.vectors
    for kind, stated in make_queries(values, most=1000, seed=0).items():
        similar = AttributeBranch(model).embed(stated) @ pictures.T
        wanted = judge(similar.__getitem__, stated, values)
        found = report[kind]
        assert found.queries == len(stated)
        assert found.right == pytest.approx(agree(stated, values).sum(axis=1).mean())
        for name, figure in found.figures.items():
            assert figure.value == pytest.approx(wanted[name].mean(), abs=1e-6)
            assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9
            assert figure.baseline is None
    assert [kind.name for kind in report.kinds] == ["full", "one", "several", "composed"]
    assert report["full"].figures["map"].value == pytest.approx(1.0)
    assert report["one"].figures["precision@5"].value == pytest.approx(1.0)
    assert (report.split, report.gallery, report.names, report.unknown) == ("all", 21, NAMES, 0.0)


def test_chance_stands_beside_the_figures(tiny: Model, table: ImageTable) -> None:
    report = evaluate_attributes(with_branch(tiny), table, draws=10)
    assert report["full"].references["chance"]["precision@1"] == pytest.approx(3 / 21)
    assert report["full"].references["chance"]["precision@100"] == pytest.approx(3 / 100)


def test_the_untrained_backbone_answers_with_mean_pictures(tiny: Model, table: ImageTable) -> None:
    values = np.repeat([colour_values(rgb) for rgb in COLOURS.values()], 3, axis=0).astype(np.int8)
    model = with_baseline(tiny, table, values)
    report = evaluate_attributes(model, table, draws=10)
    features = embed_table(model, table).embeddings.vectors
    mean = features.mean(axis=0)
    scores = []
    for place in range(3):
        prototype = features[values[:, place] > 0].mean(axis=0) - mean
        centred = features - mean
        similar = centred @ prototype / np.linalg.norm(centred, axis=1) / np.linalg.norm(prototype)
        asked = np.eye(3, dtype=np.int8)[place][None]
        scores.append(judge(similar[None].__getitem__, asked, values)["map"][0])
    baseline = report["one"].figures["map"].baseline
    assert baseline == pytest.approx(np.mean(scores), abs=1e-6)
    assert report.baseline == "tiny, untrained"
    for kind in report.kinds:
        for figure in kind.figures.values():
            assert figure.baseline is not None
            assert figure.gain is not None
            assert figure.gain[0] - 1e-9 <= figure.value - figure.baseline <= figure.gain[1] + 1e-9
    text = "\n".join(attribute_lines(report))
    assert "untrained" in text
    composed = report["composed"]
    assert composed.figures["likeness@10"].baseline is not None
    assert composed.figures["likeness@10"].baseline > composed.figures["likeness@10"].value
    assert composed.figures["likeness@10"].value > composed.references["changes alone"]["likeness@10"]
    assert "likeness@10" in text


def test_composed_queries_stand_beside_picture_and_changes_alone(tiny: Model, table: ImageTable) -> None:
    report = evaluate_attributes(with_branch(tiny), table, draws=10, strength=1.5)
    composed = report["composed"]
    assert set(composed.references) == {"changes alone", "chance"}
    alone = composed.figures["map"].baseline
    assert alone is not None
    assert composed.figures["map"].value > max(alone, composed.references["changes alone"]["map"])
    still = evaluate_attributes(with_branch(tiny), table, draws=10, strength=0.0)["composed"].figures["map"]
    assert still.value == pytest.approx(still.baseline)


def test_changes_are_near_possible_and_never_none() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(-1, 2, (80, 6)).astype(np.int8)
    rows, changes, wanted = make_changes(values, most=40, seed=0)
    assert 0 < len(rows) <= 40
    assert len(set(rows.tolist())) == len(rows)
    count = (changes != 0).sum(axis=1)
    assert ((count >= 1) & (count <= 3)).all()
    assert np.array_equal(np.where(changes != 0, changes, values[rows]), wanted)
    assert all((values == target).all(axis=1).any() for target in wanted)
    assert (np.abs(wanted) == np.abs(values[rows])).all()  # what is stated stays stated


def test_nothing_can_be_changed_where_all_are_far_apart() -> None:
    far = np.array([[1] * 8, [-1] * 8], np.int8)
    rows, changes, wanted = make_changes(far, most=9, seed=0)
    assert (len(rows), changes.shape, wanted.shape) == (0, (0, 8), (0, 8))


def test_unknown_values_are_counted(tiny: Model, table: ImageTable) -> None:
    blank = ImageTable(table.root, table.frame.with_columns(pl.lit(None, dtype=pl.Int64).alias("blue")))
    report = evaluate_attributes(with_branch(tiny), blank, draws=10)
    assert report.unknown == pytest.approx(1 / 3)
    assert report["one"].queries == 2
    assert "33.3% of their values are not stated" in "\n".join(attribute_lines(report))


def test_a_kind_with_a_single_query_is_left_out(tiny: Model, table: ImageTable) -> None:
    two = table.filter(np.array([name[:3] in ("red", "bla") for name in table.frame["image"]]))
    report = evaluate_attributes(with_branch(tiny), two, draws=10)
    assert "one" not in [kind.name for kind in report.kinds]  # nothing but red is present
    with pytest.raises(KeyError, match="one"):
        report["one"]


def test_pictures_that_were_trained_on_are_counted(tiny: Model, table: ImageTable) -> None:
    model = with_branch(tiny)
    write_seen(model.folder, embed_table(model, table).hashes[:5])
    report = evaluate_attributes(model, table, draws=10)
    assert report.seen == 5
    assert "5 of these pictures were trained on, so the figures flatter" in "\n".join(attribute_lines(report))


def test_words_and_json_say_what_was_measured(tiny: Model, table: ImageTable) -> None:
    report = evaluate_attributes(with_branch(tiny), table, draws=10)
    text = "\n".join(attribute_lines(report))
    assert text.startswith("Asked by attributes, the first picture is right: 100.0% for all attributes, ")
    assert "Measured on the whole data set: 21 pictures, 3 attributes." in text
    assert "picture alone" in text
    assert "untrained" not in text
    values = json.loads(json.dumps(attribute_json(report), allow_nan=False))
    assert values["kinds"]["one"]["figures"]["map"]["value"] == pytest.approx(1.0)
    assert values["kinds"]["composed"]["references"]["changes alone"]["map"] > 0
    assert values["names"] == list(NAMES)


def test_no_query_is_said_and_not_a_number_is_none() -> None:
    empty = AttributeReport((), "test", 3, NAMES, 0.0, (), "m", "f", "", 0)
    assert attribute_lines(empty)[0] == "There was no query to judge."
    assert attribute_json(empty)["kinds"] == {}


def test_what_cannot_be_judged_is_refused(tiny: Model, tmp_path: Path) -> None:
    table = gallery(tmp_path / "pictures")
    with pytest.raises(ModelError, match="knows no attributes"):
        evaluate_attributes(tiny, table)
    model = with_branch(tiny)
    with pytest.raises(TableError, match=r"no such attribute .* 'blue'"):
        evaluate_attributes(model, ImageTable(table.root, table.frame.drop("blue")))
    same = table.filter(np.array([name.startswith("red") for name in table.frame["image"]]))
    with pytest.raises(EvaluationError, match="nothing to tell apart"):
        evaluate_attributes(model, same)
