"""Highlights, explanations and pictures of a report: all that is worth a look, as records and as files."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from full_report import full_page, painted
from html_page import Page
from judged_sets import clustered, judged, unit
from lookalike.errors import LookalikeError
from lookalike.evaluation import Evaluation, evaluate
from lookalike.models.model import Model
from lookalike.open_calibrating import keep_open_threshold
from lookalike.open_threshold import OpenThreshold
from lookalike.presenting.contents import ReportPage
from lookalike.presenting.drawings import ALTS, drawings
from lookalike.presenting.highlights import confusion_table, highlights
from lookalike.presenting.pages import report_page
from lookalike.presenting.pictures import write_pictures
from lookalike.presenting.plots_identification import confusion_matrix
from lookalike.presenting.reasons import explained
from lookalike.presenting.report import render_report
from lookalike.records import PairHistogram, Threshold
from lookalike.tables.table import ImageTable
from some_records import threshold
from tiny_model import write_tiny_model

OPEN = OpenThreshold(
    0.6, "false-identification-rate=0.01", 1, 0.9, 0.02, 0.004, 0.97, 0.93, 0.94, 0.5, 0.95, 0.009,
    100, 100, 90, 100, 20,
)  # fmt: skip
GALLERIES = {"rows", "worst", "missed", "unmatched", "confused", "doubtful", "triplets"}
PLOTS = {
    *("recall", "classes", "threshold", "similarity", "roc", "precision_recall"),
    *("calibration", "reliability", "confusion", "map", "training"),
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    folder = tmp_path_factory.mktemp("model")
    write_tiny_model(folder)
    return Model.load(folder)


@pytest.fixture(scope="module")
def page(model: Model, tmp_path_factory: pytest.TempPathFactory) -> ReportPage:
    return full_page(tmp_path_factory.mktemp("painted"), model)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    return painted(tmp_path_factory.mktemp("painted"))


def without_plots(page: ReportPage) -> ReportPage:
    """The same page without what takes its time to draw."""
    none = np.zeros_like(page.pairs.same)
    return replace(
        page, pairs=PairHistogram(none, none), history={}, calibration=None, places=None, class_counts={},
        report=replace(page.report, figures={}), highlights=None, explained=(),
    )  # fmt: skip


def with_threshold(found: Evaluation, similarity: float) -> Evaluation:
    own = Threshold(similarity, "f1", 0.9, 0.8, 0.85, 0.01, None, None, 10, 20, 8, 3)
    return replace(found, report=replace(found.report, threshold=own))


def test_a_full_report_has_every_plot(page: ReportPage) -> None:
    assert set(drawings(page)) == PLOTS
    assert list(drawings(page)) == [name for name in ALTS if name in PLOTS]


def test_every_gallery_is_a_file(page: ReportPage, tmp_path: Path) -> None:
    few = replace(without_plots(page), highlights=page.highlights, explained=page.explained[:1])
    written = write_pictures(few, tmp_path / "shown")
    assert {path.stem for path in written} == GALLERIES | {"confusion", "explanation_1"}
    assert sorted(written) == sorted((tmp_path / "shown").iterdir())
    for path in written:
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 1, f"{path.name} is not empty"


def test_what_there_is_nothing_for_is_left_out(page: ReportPage, tmp_path: Path) -> None:
    bare = ReportPage(title="bare", report=replace(page.report, figures={}, threshold=None), pairs=page.pairs)
    for name in ("roc", "unmatched", "explanation_4", "mine"):
        (tmp_path / f"{name}.png").write_text("old")
    written = {path.stem for path in write_pictures(bare, tmp_path)}
    assert written == {"threshold", "similarity", "roc", "precision_recall"}
    assert (tmp_path / "roc.png").stat().st_size > 4000, "and replaced"
    assert {path.stem for path in tmp_path.iterdir()} == written | {"mine"}, "and nothing old stays beside it"


def test_a_folder_that_cannot_be_made_is_refused(page: ReportPage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    for place in (tmp_path / "none" / "deeper", tmp_path / "file"):
        with pytest.raises(LookalikeError, match="a folder for pictures cannot be made"):
            write_pictures(page, place)


def test_a_page_tells_data_classes_and_calibration(page: ReportPage, model: Model) -> None:
    assert len(page.data) == 64
    assert page.trained_on == str((model.facts["training"] or {}).get("data", ""))
    assert sum(page.class_counts.values()) == page.report.gallery
    assert page.calibration is not None
    assert page.calibration.fingerprint == model.fingerprint
    assert page.class_pairs is not None
    assert int(page.class_pairs.same.sum()) == int(page.pairs.same.sum())
    assert page.places is not None
    assert len(page.places.paths) == page.report.gallery == len(page.places.projection.places)


def test_a_page_tells_all_thresholds_and_the_recipe_of_a_run(table: ImageTable, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    write_tiny_model(tmp_path / "model")
    model = Model.load(tmp_path / "model")
    found = evaluate(model, table, draws=20)
    model.set_threshold(threshold("f1", confidence=None), name="strict")
    keep_open_threshold(model, OPEN)
    for name in ("config.yaml", "versions.json"):
        (tmp_path / name).write_text("name: of the run", encoding="utf-8")
    assert report_page(found, model, table=table, created="").recipe == "", "it was not trained"
    model.facts = {**model.facts, "training": {"data": "0" * 64}}
    page = report_page(found, model, table=table, created="")
    assert (page.recipe, page.trained_on) == ("name: of the run", "0" * 64)
    assert (list(page.thresholds), list(page.identification)) == (["strict"], ["identify"])
    shown = Page(render_report(without_plots(page)))
    words = shown.words("threshold")
    assert "strict: similarity at least 0.7000. Best F1: 99.0% of matches are right" in words
    assert "identify: similarity at least 0.6000. At most 1% of strangers are taken for something" in words
    assert "the model was trained on another table, 0000000000000000" in shown.words("basis")
    assert "The curves of its training are in its run’s own report.html." in shown.words("training")
    assert not report_page(found, model, table=table, created="", recipe="name: here").beside


def test_a_page_is_made_in_steps_that_are_told(model: Model, table: ImageTable) -> None:
    told: list[tuple[int, int]] = []
    found = evaluate(model, table, draws=20)
    report_page(found, model, table=table, created="", progress=lambda *step: told.append(step))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_right_matches_and_the_most_alike_wrong_ones_are_explained(model: Model, table: ImageTable) -> None:
    found = evaluate(model, table, draws=20)
    made = explained(found, model, each=2)
    assert [why.right for why in made] == [True, True, False, False]
    labels = [frozenset(why.labels) for why in made[2:]]
    assert len(set(labels)) == 2, "one of every two classes"
    near = found.found.neighbours[:, 0]
    wrong = found.table.labels[near] != found.table.labels[found.queries]
    surest = found.found.similarities[wrong, 0].max()
    assert made[2].explanation.similarity == pytest.approx(float(surest), abs=1e-5)
    for why in made:
        folders = [Path(view.path).parent.name for view in (why.explanation.a, why.explanation.b)]
        assert folders == list(why.labels)


def test_pictures_that_are_gone_are_not_explained(model: Model, tmp_path: Path) -> None:
    gone = evaluate(model, painted(tmp_path), draws=20)
    for path in gone.table.paths:
        path.unlink()
    assert explained(gone, model) == ()


def test_highlights_of_a_set_without_mistakes() -> None:
    seen = highlights(judged(*clustered(6, 5, spread=0.1)))
    assert (seen.missed.total, seen.confused.total, seen.doubtful.total) == (0, 0, 0)
    assert seen.unmatched is None
    assert seen.triplets is not None
    assert np.array_equal(seen.confusion.counts, np.eye(6, 7) * 5)


def test_highlights_without_a_triplet_still_show_the_rest() -> None:
    found = judged(unit([[1, 0], [1, 0.1], [0, 1]]), ["a", "a", "b"])
    assert highlights(found, rows=[0, 1]).triplets is None
    assert highlights(found, rows=[0, 1]).missed.of == 2


def test_the_confusion_table_counts_every_query_once() -> None:
    found = with_threshold(judged(*clustered(30, 5, spread=1.4)), 0.5)
    table = confusion_table(found, classes=6)
    assert table.labels[-1] == "24 others"
    assert table.counts.shape == (7, 9)
    assert table.queries == 150
    labels, near = found.table.labels, found.found
    taken = labels[near.neighbours[:, 0]]
    wanted = Counter(
        (own, other if alike >= 0.5 else "none")
        for own, other, alike in zip(labels, taken, near.similarities[:, 0], strict=True)
    )
    names = list(table.labels[:-1])
    for row, is_ in enumerate(names):
        assert table.counts[row, -1] == wanted[is_, "none"]
        assert [table.counts[row, column] for column in range(6)] == [wanted[is_, as_] for as_ in names]
    assert names == sorted(names)
    alone = table.counts[:6, :6]
    assert alone.sum() - np.trace(alone) > 0, "the confused stand alone"
    right = int(((labels[found.queries] == taken) & (near.similarities[:, 0] >= 0.5)).sum())
    assert np.trace(table.counts) == right


def test_others_that_are_taken_for_another_of_them_are_not_on_the_diagonal() -> None:
    a, b, c, d = np.eye(4) * 5
    near = [a, a, b, b, b, b, a, c, c, c, d + a / 3, d, d, d]
    jitter = np.random.default_rng(0).normal(0, 0.02, (len(near), 4))
    found = judged(unit(np.array(near) + jitter), list("aaaabbbcccc") + list("ddd"))
    table = confusion_table(found, classes=2)
    assert table.labels == ("a", "b", "2 others")
    assert table.counts[2].tolist() == [0, 0, 6, 1, 0], "one c is taken for d"
    assert (table.counts[:2, 3] == 0).all()
    assert table.right == pytest.approx((np.trace(table.counts[:2, :2]) + 6) / table.queries)
    [axes] = confusion_matrix(table).axes
    columns = [tick.get_text() for tick in axes.get_xticklabels()]
    assert columns == ["a", "b", "2 others", "another of these", "no match"]


def test_few_classes_all_have_a_row_of_their_own() -> None:
    table = confusion_table(judged(*clustered(4, 5, spread=1.4)))
    assert len(table.labels) == 4
    assert table.counts[:, -1].sum() == 0, "without a threshold all match"
