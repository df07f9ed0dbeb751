"""What is drawn is what was counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from lookalike.canvas import save
from lookalike.errors import EvaluationError
from lookalike.identification import Confusion
from lookalike.plots_identification import LOOKS, clusters, confusion_matrix, precision_recall
from lookalike.records import PairHistogram

FOUND = Confusion(("cup", "hat"), np.array([[8, 0, 2], [1, 3, 0]]), 0.5)


def test_confusion_matrix_shows_counts_and_shares() -> None:
    [axes] = confusion_matrix(FOUND).axes
    [image] = axes.images
    assert np.allclose(np.asarray(image.get_array()), [[0.8, 0, 0.2], [0.25, 0.75, 0]])
    numbers = {(text.get_position(), text.get_text(), str(text.get_color())) for text in axes.texts}
    assert numbers == {
        ((0, 0), "8", "white"),
        ((2, 0), "2", "#1c1c1e"),
        ((0, 1), "1", "#1c1c1e"),
        ((1, 1), "3", "white"),
    }
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cup", "hat", "no match"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cup", "hat"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("taken for", "is")


def test_label_without_a_query_is_an_empty_row() -> None:
    [axes] = confusion_matrix(Confusion(("cup", "hat"), np.array([[1, 0, 0], [0, 0, 0]]), 0.5)).axes
    assert np.asarray(axes.images[0].get_array())[1].tolist() == [0, 0, 0]


def test_many_labels_are_drawn_without_numbers_then_without_names() -> None:
    def drawn(count: int) -> tuple[int, int]:
        labels = tuple(f"label {number:02}" for number in range(count))
        [axes] = confusion_matrix(Confusion(labels, np.eye(count, count + 1, dtype=np.int64), 0.5)).axes
        return len(axes.texts), len(axes.get_yticklabels())

    assert drawn(20) == (20, 20)
    assert drawn(21) == (0, 21)
    assert drawn(41)[0] == 0
    assert drawn(41)[1] < 41


def test_precision_over_recall_goes_through_every_threshold() -> None:
    same, different = np.zeros((2, 1024), np.int64)
    same[[1000, 800]], different[[900, 700]] = [1, 1], [2, 1]
    [axes] = precision_recall(PairHistogram(same, different)).axes
    [line] = axes.lines
    assert np.allclose(np.asarray(line.get_xydata()), [[0.5, 1], [0.5, 1 / 3], [1, 0.5], [1, 0.4]])


def planted(classes: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of 6 numbers that differ by label along the first two, and little along the others."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 5)
    vectors = generator.normal(0, 0.01, (len(labels), 6))
    angles = 2 * np.pi * labels / classes
    vectors[:, :2] += np.stack([np.cos(angles), 0.5 * np.sin(angles)], axis=1)
    return vectors.astype(np.float32), labels


def test_clusters_lie_in_the_plane_of_largest_variance() -> None:
    vectors, labels = planted(4)
    plot = clusters(vectors, labels)
    [axes] = plot.axes
    parts = [part for part in axes.collections if isinstance(part, PathCollection)]
    places = np.concatenate([np.asarray(part.get_offsets()) for part in parts])
    assert places.shape == (20, 2)
    centred = vectors[:, :2] - vectors[:, :2].mean(0)
    assert np.allclose(np.abs(places), np.abs(centred), atol=0.05)
    [legend] = plot.legends
    assert [text.get_text() for text in legend.get_texts()] == ["0", "1", "2", "3"]
    total = ((vectors - vectors.mean(0)) ** 2).sum()
    share = ((places) ** 2).sum() / total
    assert plot.get_suptitle() == f"{100 * share:.0f}% of what tells them apart"


def test_up_to_sixteen_labels_look_different() -> None:
    [axes] = clusters(*planted(16)).axes
    looks = {
        (np.asarray(part.get_facecolor()).tobytes(), np.asarray(part.get_paths()[0].vertices).tobytes())
        for part in axes.collections
    }
    assert len(looks) == len(LOOKS) == 16


def test_more_labels_have_their_names_in_their_middle_and_still_more_none() -> None:
    plot = clusters(*planted(17))
    assert (plot.legends, [text.get_text() for text in plot.axes[0].texts]) == (
        [],
        [str(n) for n in range(17)],
    )
    vectors, labels = planted(17)
    middles = [np.abs(vectors[labels == n, :2].mean(0) - vectors[:, :2].mean(0)) for n in range(17)]
    assert np.allclose(np.abs([text.get_position() for text in plot.axes[0].texts]), middles, atol=0.05)
    crowded = clusters(*planted(41))
    assert (crowded.legends, len(crowded.axes[0].texts)) == ([], 0)


@pytest.mark.parametrize("vectors", [np.eye(2, dtype=np.float32), np.ones((9, 4), np.float32) / 2])
def test_nothing_to_see_is_said(vectors: np.ndarray) -> None:
    with pytest.raises(EvaluationError, match="nothing to draw - clusters"):
        clusters(vectors, np.arange(len(vectors)))


def test_all_can_be_saved(tmp_path: Path) -> None:
    for name, plot in {"confusion": confusion_matrix(FOUND), "clusters": clusters(*planted(5))}.items():
        save(plot, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 4000
