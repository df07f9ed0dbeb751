"""A row of a table with a box is shown as what is in the box, wherever pictures are shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from html_page import Page
from lookalike.evaluation import Evaluation, evaluate
from lookalike.models.model import Model
from lookalike.presenting.gallery import draw_pictures, draw_rows, tiles_of
from lookalike.presenting.gallery_views import draw_confused, draw_triplets
from lookalike.presenting.pages import report_page
from lookalike.presenting.plots_map import embedding_map
from lookalike.presenting.projection import project
from lookalike.presenting.report import THUMBNAIL, render_report
from lookalike.presenting.thumbnails import data_uri
from lookalike.records import PairHistogram
from lookalike.tables.table import ImageTable

BOXES = {"left": (0, 0, 64, 64), "right": (64, 0, 128, 64)}
FILES = 5
SWAPPED = 1  # the file whose two labels are exchanged


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    """Five pictures, each of two things side by side."""
    rng = np.random.default_rng(0)
    things = rng.integers(0, 256, (4, 8, 3))
    lines = ["image,label,box"]
    for number in range(FILES):
        noisy = np.clip(np.kron(things + rng.integers(-40, 41, (4, 8, 3)), np.ones((16, 16, 1))), 0, 255)
        Image.fromarray(noisy.astype(np.uint8)).save(tmp_path / f"{number}.png")
        sides = list(BOXES) if number != SWAPPED else list(BOXES)[::-1]
        boxes = (",".join(map(str, box)) for box in BOXES.values())
        lines += [f'{number}.png,{side},"{box}"' for side, box in zip(sides, boxes, strict=True)]
    (tmp_path / "manifest.csv").write_text("\n".join(lines), encoding="utf-8")
    return ImageTable.read(tmp_path / "manifest.csv")


@pytest.fixture
def found(tiny: Model, table: ImageTable) -> Evaluation:
    return evaluate(tiny, table, draws=10)


def test_a_report_shows_the_boxes(found: Evaluation, tiny: Model, table: ImageTable) -> None:
    whole = report_page(found, tiny, table=table, created="")
    assert whole.places is not None
    assert list(whole.places.boxes) == table.boxes
    none = np.zeros(8, np.int64)
    page = replace(
        whole, pairs=PairHistogram(none, none), places=None, class_counts={}, explained=(),
        report=replace(whole.report, figures={}),
    )  # fmt: skip
    pictures = Page(render_report(page)).all("img")
    assert page.highlights is not None
    assert page.highlights.triplets is not None
    assert page.highlights.confused.total == 1
    shown = {(str(picture["title"]).rpartition("/")[2], picture["src"]) for picture in pictures}
    own = [data_uri(path, THUMBNAIL, box=box) for path, box in zip(table.paths, table.boxes, strict=True)]
    assert shown == set(zip(table.frame["image"], own, strict=True)), "two for each file, and never all of it"


def test_rows_and_triplets_are_drawn_with_their_boxes(found: Evaluation, table: ImageTable) -> None:
    from lookalike.presenting.views_labels import confused
    from lookalike.presenting.views_triplets import triplets

    known = dict(zip(zip(table.paths, table.boxes, strict=True), table.labels, strict=True))
    for row in found.rows:
        assert known[row.query, row.box] == row.label
        assert [known[answer.path, answer.box] for answer in row.answers] == [a.label for a in row.answers]
        assert [tile.box for tile in tiles_of(row)] == [row.box, *(answer.box for answer in row.answers)]
    row, drawn = found.rows[0], triplets(found)
    assert draw_rows([row]).tobytes() != draw_rows([replace(row, box=None)]).tobytes()
    for one in drawn.entries:
        three = [
            known[place] for place in zip((one.anchor, one.positive, one.negative), one.boxes, strict=True)
        ]
        assert three == [one.label, one.label, one.negative_label]
    bare = replace(drawn, entries=tuple(replace(one, boxes=(None,) * 3) for one in drawn.entries))
    assert draw_triplets(drawn).tobytes() != draw_triplets(bare).tobytes()
    [pair] = confused(found).entries
    examples = tuple(replace(one, second_box=None) for one in pair.examples)
    assert draw_confused([pair]).tobytes() != draw_confused([replace(pair, examples=examples)]).tobytes()


def test_the_map_and_loose_pictures_show_the_boxes(found: Evaluation, table: ImageTable) -> None:
    places = project(found.vectors)
    boxed = embedding_map(places, table.labels, paths=table.paths, boxes=table.boxes)
    shapes = {np.asarray(image.get_array()).shape for image in boxed.axes[0].images}
    assert shapes == {(64, 64, 3)}
    with pytest.raises(ValueError, match="10 paths, 1 boxes"):
        embedding_map(places, table.labels, paths=table.paths, boxes=table.boxes[:1])
    assert draw_pictures(table.paths, boxes=table.boxes).tobytes() != draw_pictures(table.paths).tobytes()


def test_a_notebook_shows_the_boxes(table: ImageTable) -> None:
    pictures = Page(table._repr_html_()).all("img")
    assert len(pictures) == len({picture["src"] for picture in pictures}) == 2 * FILES
    assert len({picture["title"] for picture in pictures}) == FILES
