"""Records show themselves: few pictures of many, every name as text, nothing fetched."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import lookalike
from html_page import Page
from lookalike import ImageTable, Model, evaluate
from lookalike.hits import Part
from lookalike.presenting.notebook import MOST_PICTURES
from lookalike.records import Hit, Hits, Match, Threshold
from lookalike.showing import Shown

EVIL = "<script>alert('x')</script>&\"'"
THRESHOLD = Threshold(0.9, "f1", 0.9, 0.9, 0.9, 0.01, 0.95, 0.9, 20, 500, 60, 9)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(40):
        path = root / f"thing {number % 10}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    return ImageTable.read(root)


def shown(record: Shown) -> Page:
    """A record's HTML taken apart, after what holds for every one."""
    html = record._repr_html_()
    found = Page(html)
    assert not {tag for tag, _ in found.tags} & {"script", "style", "link", "iframe", "object", "form"}
    assert all(str(picture["src"]).startswith("data:image/jpeg;base64,") for picture in found.all("img"))
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]
    assert len(html) < 500_000
    return found


def hits_of(table: ImageTable, count: int, *, threshold: float | None = None) -> Hits:
    answers = [
        Hit(place + 1, place, str(path), label, 0.99 - place / 100, None if threshold is None else place < 2)
        for place, (path, label) in enumerate(zip(table.paths[1 : count + 1], table.labels[1:], strict=False))
    ]
    return Hits(str(table.paths[0]), tuple(answers), threshold)


def test_a_table_shows_a_fair_part_of_it(table: ImageTable) -> None:
    found = shown(table)
    assert len(found.all("img")) == MOST_PICTURES
    assert found.words().startswith("40 pictures; 10 labels thing 0")
    assert found.words().endswith("16 of 40 pictures are shown")
    titles = [str(picture["title"]) for picture in found.all("img")]
    assert (titles[0], titles[-1]) == ("thing 0/0.png", "thing 9/9.png")


def test_a_table_says_splits_what_is_left_out_and_that_labels_are_missing(table: ImageTable) -> None:
    divided = table.with_splits(np.array(["train"] * 30 + ["test"] * 10))
    assert shown(divided).words().startswith("40 pictures; 10 labels; 30 train, 10 test ")
    bare = replace(table.take(np.arange(2)), frame=table.frame[:2].with_columns(label=None))
    assert shown(bare).words() == "2 pictures; no labels no label no label"
    assert shown(table.take(np.zeros(0, np.int64))).words() == "0 pictures; no labels"


def test_answers_stand_beside_their_query(table: ImageTable) -> None:
    found = shown(hits_of(table, 3, threshold=0.975))
    alts = [picture["alt"] for picture in found.all("img")]
    assert alts == ["query: thing 0/0.png", "✓: 0.990", "✓: 0.980", "0.970"]
    assert "match: similarity of at least 0.975" in found.words()
    assert "are shown" not in found.words()


def test_many_answers_are_cut_and_none_are_said(table: ImageTable) -> None:
    found = shown(hits_of(table, 30))
    assert len(found.all("img")) == MOST_PICTURES + 1
    assert found.words().endswith("16 of 30 answers are shown")
    assert shown(Hits(str(table.paths[0]), ())).words().startswith("no match query")
    assert "no match: the index is empty" in shown(Hits("x", (), nothing="the index is empty")).words()


def test_a_query_of_attributes_is_said_in_words(table: ImageTable) -> None:
    found = shown(replace(hits_of(table, 2), query="smiling=1"))
    assert found.words().startswith("smiling=1 0.990")
    assert len(found.all("img")) == 2


@pytest.mark.parametrize(("similarity", "verdict", "mark"), [(0.95, "MATCH", "✓"), (0.2, "NO MATCH", "✗")])
def test_a_verdict_is_shown_with_both_pictures(
    table: ImageTable, similarity: float, verdict: str, mark: str
) -> None:
    found = shown(Match(str(table.paths[0]), str(table.paths[1]), similarity, THRESHOLD))
    assert found.words().startswith(
        f"{verdict}: similarity {similarity:.4f}, threshold 0.9000 {THRESHOLD.promise}"
    )
    assert [str(picture["alt"])[0] for picture in found.all("img")] == [mark, mark]


def test_how_likely_a_match_is_is_said_where_it_is_known(table: ImageTable) -> None:
    found = Match(str(table.paths[0]), str(table.paths[1]), 0.95, THRESHOLD, probability=0.9, prior=0.02)
    assert "90.0% likely to be the same, where 2.0% of such pairs are" in shown(found).words()
    hits = Hits(str(table.paths[0]), (Hit(1, 1, str(table.paths[1]), "thing 1", 0.5, probability=0.9999),))
    assert shown(hits).words().endswith("0.500, >99.9% likely thing 1")


def test_an_evaluation_shows_figures_and_some_rows(table: ImageTable, tiny: Model) -> None:
    found = evaluate(tiny, table, draws=10)
    report = shown(found.report)
    assert report.words().startswith("tiny on all pictures For ")
    assert "recall@1" in report.words()
    assert report.all("img") == []
    assert "more figures: report.figures" in report.words()
    assert len(shown(found).all("img")) == 4 * (1 + 8)


def test_what_a_report_promises_wraps(table: ImageTable, tiny: Model) -> None:
    report = replace(evaluate(tiny, table, draws=10).report, threshold=THRESHOLD)
    html = report._repr_html_()
    figures, _, after = html.partition("</pre>")
    assert THRESHOLD.promise in unescape(after)
    assert "more figures: report.figures" in figures
    assert "similarity &gt;=" not in figures


def test_names_are_text_and_a_picture_that_is_gone_leaves_a_tile(tmp_path: Path) -> None:
    path = str(tmp_path / f"{EVIL}\udcff\x00")
    found = shown(Hits(EVIL, (Hit(1, 1, path, EVIL, 0.5),)))
    assert EVIL in found.words()
    assert len(found.all("img")) == 1


def test_another_thing_has_no_html() -> None:
    with pytest.raises(TypeError, match="no HTML for int"):
        lookalike.to_html(3)


def test_records_do_not_bring_what_draws() -> None:
    code = "import lookalike.records, sys; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"PIL", "matplotlib", "jinja2", "lookalike.presenting.notebook"} & set(loaded)


def test_a_notebook_finds_the_hook(table: ImageTable) -> None:
    from IPython.core.formatters import HTMLFormatter

    assert HTMLFormatter()(hits_of(table, 1)).startswith("<div")


def test_a_combination_shows_its_pictures_and_answers_say_copies_and_order(table: ImageTable) -> None:
    first, second, third = map(str, table.paths[:3])
    parts = (Part(first, 1.0), Part(second, -0.5))
    hits = (Hit(1, 1, third, "cup", 0.5, copies=(7, 8)),)
    found = shown(Hits("first − second", hits, order="alpha-qe", parts=parts))
    assert len(found.all("img")) == 3
    words = found.words()
    assert words.startswith("ranked by alpha-qe; similarities are those to the query alone query +1 ")
    assert "query -0.5 " in words
    assert words.endswith("0.500 cup +2 copies")
