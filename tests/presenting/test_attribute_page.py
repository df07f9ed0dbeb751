"""The page of attribute retrieval: every figure beside its references, queries with answers, one file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from html_page import Page
from lookalike.attribute_evaluation import AttributeReport, evaluate_attributes
from lookalike.attribute_rows import ANSWERS, ROWS, Pictures, attribute_rows, in_short
from lookalike.errors import LookalikeError, SkipReason
from lookalike.models.model import Model
from lookalike.presenting.attribute_page import (
    AttributePage,
    attribute_page,
    render_attributes,
    write_attributes,
)
from lookalike.presenting.attribute_wording import attribute_json, comparisons
from lookalike.presenting.gallery import Layout
from lookalike.presenting.pictures import write_attribute_pictures
from lookalike.records import Figure, Skipped
from lookalike.tables.table import ImageTable
from tiny_attributes import COLOURS, colour_values, gallery, with_baseline

NAMES = ("red", "green", "blue")


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    return gallery(tmp_path / "pictures")


@pytest.fixture
def report(tiny: Model, table: ImageTable) -> AttributeReport:
    values = np.repeat([colour_values(rgb) for rgb in COLOURS.values()], 3, axis=0).astype(np.int8)
    return evaluate_attributes(with_baseline(tiny, table, values), table, draws=20)


def pictures() -> Pictures:
    values = np.array([[1, 1, -1], [1, -1, -1], [-1, 1, 0], [-1, -1, -1]], np.int8)
    return Pictures([Path(f"{place}.png") for place in range(4)], values, NAMES)


def test_rows_are_ranked_by_similarity_and_say_what_is_wrong() -> None:
    asked = np.array([[1, 0, -1]], np.int8)
    gallery_rows = np.array([[0.5, 0], [1.0, 0], [0.9, 0], [0.7, 0]])
    [row] = attribute_rows(
        pictures(), np.array([[1.0, 0.0]]), gallery_rows, np.array([0.5]), asked=asked, wanted=asked
    )
    assert (row.asked, row.picture, row.average_precision) == ("red, not blue", None, 0.5)
    assert [str(found.path) for found in row.answers] == ["1.png", "2.png", "3.png", "0.png"]
    assert [found.label for found in row.answers] == ["", "lacks red", "lacks red", ""]
    assert [found.right for found in row.answers] == [True, False, False, True]


def test_undecided_pictures_and_the_picture_itself_are_no_answers() -> None:
    asked, wanted = np.array([[0, 0, -1]], np.int8), np.array([[0, 1, -1]], np.int8)
    row = attribute_rows(
        pictures(), np.eye(1), np.ones((4, 1)), np.ones(1), asked=asked, wanted=wanted, itself=np.array([3])
    )[0]
    assert (row.asked, row.picture) == ("not blue", Path("3.png"))
    assert [str(found.path) for found in row.answers] == ["0.png", "1.png"]  # 2.png may be blue or not
    assert [found.label for found in row.answers] == ["", "lacks green"]


def test_a_few_queries_that_have_an_answer_are_drawn() -> None:
    many = np.tile(np.array([[1, 0, 0]], np.int8), (40, 1))
    precision = np.where(np.arange(40) % 2, np.nan, np.arange(40) / 40)
    found = [
        attribute_rows(
            pictures(), np.ones((40, 1)), np.ones((4, 1)), precision, asked=many, wanted=many, seed=seed
        )
        for seed in (0, 0, 1)
    ]
    assert len(found[0]) == ROWS
    assert found[0] == found[1] != found[2]
    kept = [row.average_precision for row in found[0]]
    assert kept == sorted(kept)
    assert not np.isnan(kept).any()


def test_long_queries_are_counted() -> None:
    names = [f"a{place}" for place in range(9)]
    assert in_short(np.array([1, 1, *[-1] * 7], np.int8), names) == "a0, a1, none of 7 others"
    assert in_short(np.full(9, -1, np.int8), names) == "none of 9"


def test_the_page_holds_every_figure_and_some_queries(report: AttributeReport, table: ImageTable) -> None:
    page = Page(render_attributes(attribute_page(report, table, created="today", recipe="name: x")))
    kinds = ["full", "one", "several", "composed"]
    assert list(page.text)[1:] == ["basis", *kinds, "training", "skipped", "recipe", "versions"]
    for kind in report.kinds:
        words = page.words(kind.name)
        assert f"{100 * kind.figures['map'].value:.1f}" in words
        assert f"{100 * kind.references['chance']['map']:.1f}" in words
        assert "untrained" in words if kind.name != "composed" else "picture alone" in words
        assert len(kind.rows) == min(ROWS, kind.queries)
        assert all(row.asked in words and len(row.answers) == ANSWERS for row in kind.rows)
    assert "mean average precision" in page.words()
    assert "wrong: lacks" in str([image["alt"] for image in page.all("img")])
    assert all(str(image["src"]).startswith("data:image/") for image in page.all("img"))
    assert not page.all("script")
    assert not page.all("link")
    assert "all 21" in page.words("basis")


def test_what_a_training_brought(report: AttributeReport) -> None:
    solved = Page(render_attributes(AttributePage("x", report, notes=["Closed form: 3 attributes."])))
    assert "Closed form: 3 attributes." in solved.words("training")
    assert "no learning curves" in solved.words("training")
    bare = Page(render_attributes(AttributePage("x", report)))
    assert "No training is on record" in bare.words("training")
    history = {"val_map": [0.1, 0.2], "train_loss": [0.5, 0.4], "train_correct_random": [0.2, float("nan")]}
    curves = Page(render_attributes(AttributePage("x", report, history=history, notes=["Trained 2 epochs."])))
    assert "Correct triplets" in curves.words("training")
    assert curves.all("svg")


def test_names_are_text_and_files_that_were_left_out_are_listed(report: AttributeReport) -> None:
    evil = "<b>&"
    changed = replace(
        report,
        names=(evil,),
        skipped=(Skipped(evil, SkipReason.EMPTY, "no bytes"),),
        kinds=report.kinds[:1],
        seen=3,
    )
    html = render_attributes(AttributePage(evil, changed))
    assert evil not in html
    assert "&lt;b&gt;&amp;" in html
    page = Page(html)
    assert "1 file could not be used" in page.words("skipped")
    assert "were trained on" in page.words()


def test_whether_training_helped_is_said_for_each_kind(report: AttributeReport) -> None:
    def with_map(figure: Figure) -> AttributeReport:
        kind = replace(report.kinds[0], figures={**report.kinds[0].figures, "map": figure})
        return replace(report, kinds=(kind,))

    [said] = comparisons(with_map(Figure(0.5, 0.4, 0.6, 0.3)))
    assert said.startswith(
        "All attributes: mean average precision 50.0% (40.0–60.0%); without training 30.0%"
    )
    assert said.endswith("training helped.")
    [sure] = comparisons(with_map(Figure(0.5, 0.4, 0.6, 0.45, (0.02, 0.08))))
    assert sure.endswith("training helped (the difference: +2.0 to +8.0).")
    assert comparisons(with_map(Figure(0.5, 0.4, 0.6, 0.45)))[0].endswith("did not help measurably.")
    assert comparisons(with_map(Figure(0.5, 0.4, 0.6, 0.7)))[0].endswith(": training did not help.")
    assert comparisons(with_map(Figure(0.5, 0.4, 0.6, None))) == []


def test_rows_stay_out_of_the_json(report: AttributeReport) -> None:
    assert "rows" not in attribute_json(report)["kinds"]["one"]


def test_a_page_that_cannot_be_written(report: AttributeReport, tmp_path: Path) -> None:
    write_attributes(AttributePage("x", report), tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    with pytest.raises(LookalikeError):
        write_attributes(AttributePage("x", report), tmp_path / "nowhere" / "page.html")


def test_queries_by_attributes_are_drawn_as_files(report: AttributeReport, tmp_path: Path) -> None:
    written = write_attribute_pictures(report, tmp_path / "shown")
    assert [path.stem for path in written] == [kind.name for kind in report.kinds if kind.rows]
    longest = max(report["composed"].rows, key=lambda row: len(row.answers))
    layout = Layout(96)
    with Image.open(tmp_path / "shown" / "composed.png") as image:
        assert image.width == layout.left(len(longest.answers) + 1)
        assert image.height == layout.gap + len(report["composed"].rows) * (layout.row + layout.line)
