"""Two models on the same pictures: what differs is said, what does not is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from html_page import Page
from lookalike.baseline import baseline_folder, baseline_of
from lookalike.comparison import Comparison, Difference, compare
from lookalike.errors import ImageError, ModelError, SkipReason, TableError
from lookalike.evaluation import evaluate
from lookalike.models import embedding
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model, write_facts, write_seen
from lookalike.pictures import images
from lookalike.presenting.comparison_page import render_comparison
from lookalike.presenting.comparison_wording import comparison_json, comparison_lines, conclusion, verdict_on
from lookalike.tables.table import ImageTable
from painted import much_alike, paint
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    return much_alike(tmp_path_factory.mktemp("alike"))


def made(folder: Path, name: str, *, fields: int, feature: bool = False) -> Model:
    folder.mkdir()
    write_tiny_model(folder, name=name, fields=fields, feature=feature)
    return Model.load(folder)


@pytest.fixture(scope="module")
def coarse(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model that sees nothing but a picture's mean colour."""
    return made(tmp_path_factory.mktemp("coarse") / "model", "coarse", fields=1)


@pytest.fixture(scope="module")
def fine(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return made(tmp_path_factory.mktemp("fine") / "model", "fine", fields=4, feature=True)


@pytest.fixture(scope="module")
def found(coarse: Model, fine: Model, table: ImageTable) -> Comparison:
    return compare(coarse, fine, table, draws=200)


def test_each_model_gets_the_figures_it_has_alone(
    found: Comparison, coarse: Model, fine: Model, table: ImageTable
) -> None:
    for report, model in ((found.a, coarse), (found.b, fine)):
        alone = evaluate(model, table, draws=200).figures
        assert {name: (figure.value, figure.low, figure.high) for name, figure in report.figures.items()} == {
            name: (figure.value, figure.low, figure.high) for name, figure in alone.items()
        }
    assert (found.a.model, found.b.model) == ("coarse", "fine")


def test_the_difference_is_that_of_the_untrained_backbone(
    found: Comparison, fine: Model, table: ImageTable
) -> None:
    """The feature of one graph is the other model: two ways to one interval."""
    gains = evaluate(fine, table, draws=200).figures
    for name, difference in found.differences.items():
        figure = gains[name]
        assert figure.baseline is not None
        assert difference.value == pytest.approx(figure.value - figure.baseline)
        assert (difference.low, difference.high) == pytest.approx(figure.gain)


def test_who_is_better_follows_the_direction_of_a_figure(found: Comparison) -> None:
    for name in ("recall@1", "map", "roc_auc"):
        assert found.differences[name].low > 0
        assert found.differences[name].better == "B"
    for name in ("eer", "mean_rank"):
        assert found.differences[name].high < 0
        assert found.differences[name].better == "B"


def test_the_other_way_round_all_signs_turn(
    found: Comparison, coarse: Model, fine: Model, table: ImageTable
) -> None:
    turned = compare(fine, coarse, table, draws=200)
    swap = {"A": "B", "B": "A", None: None}
    for name, one in found.differences.items():
        other = turned.differences[name]
        assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))
        assert other.better == swap[one.better]
    assert (turned.first.only_a, turned.first.only_b) == (found.first.only_b, found.first.only_a)
    assert "A is better by" in conclusion(turned)


def test_equal_models_show_no_difference(fine: Model, table: ImageTable, tmp_path: Path) -> None:
    copy = made(tmp_path / "copy", "copy", fields=4)
    same = compare(fine, copy, table, draws=50)
    assert set(same.differences.values()) == {Difference(0.0, 0.0, 0.0, None)}
    assert (same.first.only_a, same.first.only_b, same.first.lost, same.first.won) == (0, 0, (), ())
    assert "no difference shown (+0.0 percentage points, +0.0 to +0.0)" in conclusion(same)
    assert "A and B are the same model." not in comparison_lines(same)
    assert "A and B are the same model." in comparison_lines(compare(fine, fine, table, draws=50))


def test_first_answers_are_counted_query_by_query(
    found: Comparison, coarse: Model, fine: Model, table: ImageTable
) -> None:
    right = []
    for model in (coarse, fine):
        vectors = embed_table(model, table).embeddings.vectors
        similar = vectors @ vectors.T
        np.fill_diagonal(similar, -2)
        right.append(table.labels[similar.argmax(axis=1)] == table.labels)
    first = found.first
    assert (first.both, first.only_a, first.only_b, first.neither) == (
        (right[0] & right[1]).sum(), (right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum(),
        (~right[0] & ~right[1]).sum(),
    )  # fmt: skip
    assert first.both + first.only_a + first.only_b + first.neither == found.b.queries
    assert len(first.won) == min(6, first.only_b) > 0
    for answered in first.won:
        assert (answered.a.query, answered.a.label) == (answered.b.query, answered.b.label)
        assert (answered.a.answers[0].right, answered.b.answers[0].right) == (False, True)
    assert all(not entry.b.answers[0].right for entry in first.lost)


def test_pictures_that_one_of_them_cannot_use_are_left_out_for_both(
    coarse: Model, fine: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = much_alike(tmp_path, things=5)
    bad = table.paths[6]
    opened = images.open_picture
    looks = iter(range(1000))

    def refuse(content: bytes, **options: object) -> object:
        if content == bad.read_bytes() and next(looks) == 0:  # the first model's look alone
            raise ImageError("x", reason=SkipReason.TRUNCATED, where=bad, saw="y", do="z")
        return opened(content, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(embedding, "open_picture", refuse)
    both = compare(coarse, fine, table, draws=50)
    assert (both.a.gallery, both.b.gallery, both.b.queries) == (19, 19, 19)
    assert [entry.path for entry in both.a.skipped] == [entry.path for entry in both.b.skipped] == [str(bad)]


def test_pictures_of_the_training_are_said(coarse: Model, table: ImageTable, tmp_path: Path) -> None:
    trained = made(tmp_path / "trained", "trained", fields=4)
    write_seen(trained.folder, embed_table(trained, table).hashes[:30])
    lines = comparison_lines(compare(coarse, trained, table, draws=50))
    assert sum("was trained on" in line for line in lines) == 1
    assert any(line.startswith("B was trained on 30 of the 80 judged pictures, so its") for line in lines)


def test_few_classes_are_said(coarse: Model, fine: Model, tmp_path: Path) -> None:
    few = compare(coarse, fine, much_alike(tmp_path, things=4), draws=50)
    assert "4 classes are too few to be sure of a difference." in comparison_lines(few)


def test_the_untrained_backbone_of_a_model_is_a_model(fine: Model, coarse: Model, table: ImageTable) -> None:
    bare = baseline_of(fine)
    assert (bare.name, bare.dim, bare.threshold) == ("tiny, untrained", 3, None)
    assert bare.fingerprint not in (fine.fingerprint, coarse.fingerprint)
    vectors = embed_table(bare, table).embeddings.vectors
    assert np.array_equal(vectors, embed_table(coarse, table).embeddings.vectors)
    assert bare.count_seen([b"x" * 16]) == 0


def test_the_untrained_backbone_of_a_fine_tuned_model_lies_in_its_run(tmp_path: Path) -> None:
    model = made(tmp_path / "model", "tuned", fields=4)
    with pytest.raises(ModelError, match=r"carries no untrained backbone.*\"default\" for"):
        baseline_of(model)
    write_facts(model.folder, {**model.facts, "baseline": "tiny, untrained"})
    model = Model.load(model.folder)
    with pytest.raises(ModelError, match="carries no untrained backbone"):
        baseline_of(model)
    made(baseline_folder(model), "bare", fields=1)
    assert baseline_of(model).name == "bare"


def test_a_table_without_the_split_is_refused(coarse: Model, fine: Model, table: ImageTable) -> None:
    with pytest.raises(TableError, match="no such split"):
        compare(coarse, fine, table, split="tset")


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (Difference(0.031, 0.012, 0.05, "B"), "B is better by 3.1 percentage points (+1.2 to +5.0)"),
        (Difference(-0.031, -0.05, -0.012, "A"), "A is better by 3.1 percentage points (+1.2 to +5.0)"),
        (Difference(0.003, -0.01, 0.016, None), "no difference shown (+0.3 percentage points, −1.0 to +1.6)"),
    ],
)
def test_the_verdict_in_words(difference: Difference, words: str) -> None:
    assert verdict_on(difference) == words


def test_lines_tell_models_figures_and_queries(found: Comparison) -> None:
    lines = comparison_lines(found)
    assert lines[0] == f"A: coarse ({found.a.fingerprint[:12]})"
    assert "B is better by" in lines[2]
    assert lines[3].startswith("Measured on the whole data set, each picture against all others: 80 queries")
    table = lines[5 : 5 + 13]
    assert len({len(line.rstrip("AB–").rstrip()) for line in table[1:3]}) == 1
    assert [line.split()[0] for line in table[1:]][:3] == ["recall@1", "recall@4", "recall@8"]
    assert any(line.startswith("first_rank ↓") and line.endswith("  B") for line in table)
    assert sum(line.startswith("  only B: ") for line in lines) == 3
    counts = f"both right {found.first.both}, only A {found.first.only_a}, only B {found.first.only_b},"
    assert any(counts in line for line in lines)


def test_page_shows_figures_and_the_queries_that_one_gets_wrong(found: Comparison) -> None:
    evil = replace(found.a, model="<b>&")
    html = render_comparison(replace(found, a=evil), names=("runs/old", "runs/new"), created="2026-01-01")
    page = Page(html)
    assert "<b>&" not in html
    assert "A, runs/old <b>&" in page.words("models")
    assert page.words().startswith("Two models Two models B is better by")
    for name in found.differences:
        assert name in page.words("figures")
    shown = found.first.won + found.first.lost
    assert len(page.all("img")) == sum(2 + len(each.a.answers) + len(each.b.answers) for each in shown)
    assert all(str(image["src"]).startswith("data:image/") for image in page.all("img"))
    assert "://" not in html.replace("http://www.w3.org/", "")


def test_page_of_equal_models_says_that_there_is_no_such_query(fine: Model, table: ImageTable) -> None:
    page = Page(render_comparison(compare(fine, fine, table, draws=20)))
    assert page.words().startswith("Two models Two models No difference shown (+0.0 percentage points")
    assert page.words("queries").count("There is no such query.") == 2
    assert "A and B are the same model." in page.words()


def test_json_has_every_figure_and_no_nan(found: Comparison) -> None:
    nan = Difference(float("nan"), float("nan"), 0.5, None)
    unsure = replace(found, differences={**found.differences, "map": nan})
    told = json.loads(json.dumps(comparison_json(unsure), allow_nan=False))
    assert set(told["figures"]) == set(found.b.figures)
    assert told["figures"]["map"]["difference"] == {"value": None, "low": None, "high": 0.5, "shown": None}
    one = told["figures"]["eer"]
    assert (one["better"], one["unit"], one["difference"]["shown"]) == ("lower", "share", "B")
    assert one["a"]["value"] == found.a.figures["eer"].value
    assert told["models"]["b"] == {"name": "fine", "fingerprint": found.b.fingerprint, "seen": 0}
    assert told["first_answers"]["only_b"] == found.first.only_b
    assert told["first_answers"]["won"][0]["b"][0]["label"] == told["first_answers"]["won"][0]["label"]
    assert (told["queries"], told["split"], told["skipped"]) == (80, "all", [])


def test_queries_without_an_answer_count_for_nobody(coarse: Model, fine: Model, tmp_path: Path) -> None:
    table = much_alike(tmp_path, things=5)
    paint(tmp_path / "lonely", "a", np.random.default_rng(9).integers(0, 256, 48), 5, 9)
    first = compare(coarse, fine, ImageTable.read(table.root), draws=50).first
    assert first.both + first.only_a + first.only_b + first.neither == 20
