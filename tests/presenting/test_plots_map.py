"""What is drawn lies where the projection says; pictures are a fair sample and never overlap."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.collections import PathCollection
from PIL import Image

from lookalike.errors import EvaluationError
from lookalike.presenting.canvas import save, to_svg
from lookalike.presenting.plots_map import LOOKS, MOST_PICTURES, apart, embedding_map, fair_order
from lookalike.presenting.projection import Projection, project


def planted(classes: int, *, seed: int = 0) -> tuple[Projection, np.ndarray]:
    """Labels on an ellipse, five vectors each that differ little beyond."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 5)
    vectors = generator.normal(0, 0.01, (len(labels), 6))
    angles = 2 * np.pi * labels / classes
    vectors[:, :2] += np.stack([np.cos(angles), 0.5 * np.sin(angles)], axis=1)
    return project(vectors.astype(np.float32)), labels


def pictures(folder: Path, count: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", (30, 20), (number % 256, 80, 90)).save(path)
    return paths


def test_points_lie_where_the_projection_says() -> None:
    projection, labels = planted(4)
    plot = embedding_map(projection, labels)
    [axes] = plot.axes
    parts = [part for part in axes.collections if isinstance(part, PathCollection)]
    places = np.concatenate([np.asarray(part.get_offsets()) for part in parts])
    assert np.allclose(places, projection.places)
    [legend] = plot.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2", "3"]
    assert projection.share is not None
    assert plot.get_suptitle() == f"{100 * projection.share:.0f}% of what tells them apart (PCA)"


def test_a_layout_of_neighbours_says_what_it_does_not_show() -> None:
    projection, labels = planted(3)
    plot = embedding_map(Projection(projection.places, "umap"), labels)
    assert plot.get_suptitle() == "near is alike, how far says little (UMAP)"
    assert list(plot.axes[0].get_xticks()) == []


def test_up_to_sixteen_labels_look_different() -> None:
    [axes] = embedding_map(*planted(16)).axes
    looks = {
        (np.asarray(part.get_facecolor()).tobytes(), np.asarray(part.get_paths()[0].vertices).tobytes())
        for part in axes.collections
        if isinstance(part, PathCollection)
    }
    assert len(looks) == len(LOOKS) == 16


def test_more_labels_have_their_names_in_their_middle_and_still_more_none() -> None:
    projection, labels = planted(17)
    plot = embedding_map(projection, labels)
    middles = {str(n): projection.places[labels == n].mean(0) for n in range(17)}
    assert plot.legends == []
    assert {text.get_text(): text.get_position() for text in plot.axes[0].texts} == {
        name: pytest.approx(tuple(middle)) for name, middle in middles.items()
    }
    crowded = embedding_map(*planted(41))
    assert (crowded.legends, len(crowded.axes[0].texts)) == ([], 0)


def test_one_label_and_no_label_need_no_legend() -> None:
    projection, _ = planted(2)
    assert embedding_map(projection, np.array([""] * 10)).legends == []
    [legend] = embedding_map(projection, np.array(["", "cup"] * 5)).legends
    assert [text.get_text() for text in legend.get_texts()] == ["no label", "cup"]


def test_numbers_keep_their_order_and_none_is_no_label() -> None:
    projection, labels = planted(12)
    [legend] = embedding_map(projection, labels).legends
    assert [text.get_text() for text in legend.get_texts()] == [str(number) for number in range(12)]
    known = np.array([None, "cup"] * 30, dtype=object)
    [legend] = embedding_map(projection, known).legends
    assert [text.get_text() for text in legend.get_texts()] == ["no label", "cup"]


def test_places_that_are_all_one_have_one_picture(tmp_path: Path) -> None:
    flat = Projection(np.zeros((4, 2), np.float32), "umap")
    assert len(embedding_map(flat, np.array(list("abcd")), paths=pictures(tmp_path, 4)).axes[0].images) == 1


def test_pictures_lie_on_their_points_and_apart(tmp_path: Path) -> None:
    projection, labels = planted(30)
    [axes] = embedding_map(projection, labels, paths=pictures(tmp_path, len(labels))).axes
    boxes = np.array([image.get_extent() for image in axes.images])  # left, right, bottom, top
    assert 10 < len(boxes) <= MOST_PICTURES
    middles = np.stack([boxes[:, :2].mean(1), boxes[:, 2:].mean(1)], axis=1)
    gaps = np.abs(middles[:, None] - projection.places[None]).max(2)
    rows = gaps.argmin(1)
    assert gaps.min(1).max() < 1e-6
    for row, image in zip(rows, axes.images, strict=True):
        assert np.asarray(image.get_array())[0, 0].tolist() == pytest.approx([row, 80, 90], abs=3)
    wide, high = np.diff(boxes[:, :2]).ravel(), np.diff(boxes[:, 2:]).ravel()
    assert wide / high == pytest.approx(1.5)
    apart = np.abs(middles[:, None] - middles[None]) >= np.stack([wide, high], axis=1)
    assert (apart.any(2) | np.eye(len(boxes), dtype=bool)).all()
    assert not axes.texts


def test_a_picture_that_is_gone_is_drawn_as_a_tile_that_says_so(tmp_path: Path) -> None:
    projection, labels = planted(3)
    [axes] = embedding_map(projection, labels, paths=[tmp_path / "gone.png"] * 15).axes
    assert axes.images


@given(places=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None)
def test_apart_leaves_out_only_what_would_overlap(places: list[tuple[int, int]]) -> None:
    array = np.array(places, np.float32)
    kept = list(apart(array, np.arange(len(array)), side=4, most=8))
    slow: list[int] = []
    for row, (x, y) in enumerate(places):
        free = all(abs(x - places[other][0]) >= 4 or abs(y - places[other][1]) >= 4 for other in slow)
        if free and len(slow) < 8:
            slow.append(row)
    assert kept == slow


@given(codes=st.lists(st.integers(0, 5), min_size=1, max_size=40))
@settings(max_examples=60, deadline=None)
def test_labels_come_by_turns(codes: list[int]) -> None:
    array = np.array(codes)
    order = fair_order(array)
    assert sorted(order.tolist()) == list(range(len(codes)))
    turns = [codes[:row].count(codes[row]) for row in order]
    assert turns == sorted(turns)


def test_what_does_not_fit_together_is_refused() -> None:
    projection, labels = planted(3)
    with pytest.raises(ValueError, match="15 places, 14 labels and 0 paths"):
        embedding_map(projection, labels[1:])
    with pytest.raises(ValueError, match="15 places, 15 labels and 1 paths"):
        embedding_map(projection, labels, paths=[Path("a.png")])
    with pytest.raises(EvaluationError, match="nothing to draw - an embedding map - saw no place"):
        embedding_map(Projection(np.zeros((0, 2), np.float32), "pca"), labels[:0])


def test_names_that_no_font_has_can_be_drawn_and_saved(tmp_path: Path) -> None:
    projection, _ = planted(2)
    names = np.array(["a\tb\n$x$ <b>", "half \udcff"] * 5)
    plot = embedding_map(projection, names, paths=pictures(tmp_path, 10))
    assert [text.get_text() for text in plot.legends[0].get_texts()] == ["a b $x$ <b>", "half \ufffd"]
    save(plot, tmp_path / "map.png")
    assert "<image" in to_svg(plot)
