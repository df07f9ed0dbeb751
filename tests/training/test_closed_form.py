"""The closed-form head against explicit loops, and on planted classes."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import EvaluationError, TableError
from lookalike.judging.metrics import retrieval
from lookalike.records import Floats
from lookalike.training import closed_form, scatter
from lookalike.training.closed_form import FILLS, LinearHead, apply, choose, solve
from lookalike.training.scatter import Whole

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]


def planted(classes: int, images: int, *, dims: int = 12, seed: int = 0) -> tuple[Floats, Ints]:
    """Classes that differ in the last dimensions; images that differ far more in the first three."""
    random = np.random.default_rng(seed)
    centres = random.standard_normal((classes, dims))
    noise = 0.2 * random.standard_normal((classes, images, dims))
    centres[:, :3] = 0
    noise[..., :3] *= 25
    rows = (centres[:, None] + noise).reshape(-1, dims).astype(np.float32)
    order = random.permutation(len(rows))
    return rows[order], np.repeat(np.arange(classes), images)[order]


def prepared_by_hand(features: Floats, power: float) -> Doubles:
    rows = []
    for feature in features.astype(float):
        row = np.array([(1 if value > 0 else -1) * abs(value) ** power for value in feature])
        rows.append(row / np.sqrt((row**2).sum()))
    return np.stack(rows)


def scatter_by_hand(rows: Doubles, labels: Ints) -> tuple[Doubles, Doubles]:
    dims = rows.shape[1]
    within, between = np.zeros((dims, dims)), np.zeros((dims, dims))
    for label in set(labels.tolist()):
        members = rows[labels == label]
        for row in members:
            within += np.outer(row - members.mean(0), row - members.mean(0)) / len(rows)
            between += np.outer(members.mean(0) - rows.mean(0), members.mean(0) - rows.mean(0)) / len(rows)
    return within, between


def shrunk_by_hand(within: Doubles, shrinkage: float) -> Doubles:
    shrunk: Doubles = within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    return shrunk


def map_at_r(vectors: Floats, labels: Ints) -> float:
    return float(np.nanmean(retrieval(vectors, labels).values["map@r"]))


@pytest.mark.parametrize(("classes", "images"), [(6, 9), (30, 4)])  # fewer and more classes than dimensions
@pytest.mark.parametrize("power", [0.5, 1.0])
@pytest.mark.parametrize("shrinkage", [0.1, 3.0])
def test_by_symmetric_whitening(classes: int, images: int, power: float, shrinkage: float) -> None:
    features, labels = planted(classes, images)
    head = solve(features, labels, power=power, shrinkage=shrinkage, dim=4)
    rows = prepared_by_hand(features, power)
    within, between = scatter_by_hand(rows, labels)
    values, basis = np.linalg.eigh(shrunk_by_hand(within, shrinkage))
    whiten = basis @ np.diag(values**-0.5) @ basis.T
    leading = np.linalg.eigh(whiten @ between @ whiten)[1][:, ::-1][:, :4]
    expected = (rows - rows.mean(0)) @ whiten @ leading  # [n, 4]
    signs = np.sign((whiten @ leading * head.weight).sum(0))
    np.testing.assert_allclose(head.weight, whiten @ leading * signs, rtol=1e-4, atol=1e-4)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(apply(head, features), expected * signs, atol=1e-4)


@pytest.mark.parametrize(("dim", "rank"), [(3, 3), (5, 5), (9, 9), (12, 12), (20, 12)])
@pytest.mark.parametrize("fill", [0.0, 0.25, 2.0])
def test_every_dimension_has_its_length(dim: int, rank: int, fill: float) -> None:
    """VᵀAV is diagonal: 1 for the 5 that 6 classes determine, fill² for the rest, 0 beyond D = 12."""
    features, labels = planted(6, 9)
    head = solve(features, labels, power=0.5, shrinkage=0.5, dim=dim, fill=fill)
    assert head.weight.shape == (12, dim)
    assert head.weight.dtype == np.float32
    assert head.bias.dtype == np.float32
    rows = prepared_by_hand(features, 0.5)
    shrunk = shrunk_by_hand(scatter_by_hand(rows, labels)[0], 0.5)
    expected = np.zeros(dim)
    expected[:rank] = fill**2
    expected[: min(5, dim)] = 1
    np.testing.assert_allclose(head.weight.T @ shrunk @ head.weight, np.diag(expected), atol=1e-4)
    np.testing.assert_allclose(head.bias, -rows.mean(0) @ head.weight, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(apply(head, features), axis=1), 1, atol=1e-6)


def test_filled_dimensions_are_those_of_largest_spread() -> None:
    """With 2 classes and 3 of 12 dimensions, 2 are filled from the 3 directions of most spread."""
    features, labels = planted(2, 80)
    head = solve(features, labels, power=1.0, shrinkage=0.5, dim=3, fill=1.0)
    share = (head.weight[:3] ** 2).sum(0) / (head.weight**2).sum(0)
    assert share[0] < 0.2, "the class direction lies in the others"
    assert (share[1:] > 0.8).all()


def test_chunks_and_order_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = planted(5, 8)
    head = solve(features, labels, power=0.5, shrinkage=1.0, dim=8)
    embedded = apply(head, features)
    monkeypatch.setattr(scatter, "CHUNK_ROWS", 3)
    order = np.random.default_rng(1).permutation(len(labels))
    other = solve(features[order], labels[order].astype(str), power=0.5, shrinkage=1.0, dim=8)
    again = apply(other, features)
    np.testing.assert_allclose(again @ again.T, embedded @ embedded.T, atol=1e-5)


def test_apply_by_loops() -> None:
    random = np.random.default_rng(0)
    weight, bias = random.standard_normal((4, 3)).astype(np.float32), np.array([0.1, 0, -2], np.float32)
    features = random.standard_normal((5, 4)).astype(np.float32)
    found = apply(LinearHead(0.7, weight, bias), features)
    assert found.dtype == np.float32
    for row, prepared in zip(found, prepared_by_hand(features, 0.7), strict=True):
        expected = [sum(prepared[i] * weight[i, k] for i in range(4)) + bias[k] for k in range(3)]
        np.testing.assert_allclose(row, np.array(expected) / np.linalg.norm(expected), atol=1e-6)


def test_length_of_features_does_not_matter() -> None:
    features, labels = planted(5, 8)
    stretched = features * np.linspace(0.1, 9, len(features), dtype=np.float32)[:, None]
    one, other = (solve(x, labels, power=0.5, shrinkage=1.0, dim=4) for x in (features, stretched))
    np.testing.assert_allclose(apply(other, stretched), apply(one, features), atol=1e-4)


def test_planted_nuisance_is_removed_for_unseen_classes() -> None:
    train, train_labels = planted(40, 6, seed=1)
    test, test_labels = planted(40, 6, seed=2)
    raw = map_at_r((test / np.linalg.norm(test, axis=1, keepdims=True)).astype(np.float32), test_labels)
    solved = map_at_r(apply(solve(train, train_labels, power=1.0, shrinkage=0.1, dim=8), test), test_labels)
    assert raw < 0.2
    assert solved > 0.8


def test_choose_keeps_the_best_candidate() -> None:
    train, train_labels = planted(40, 6, seed=1)
    val, val_labels = planted(40, 6, seed=2)
    grid: dict[str, Any] = {"powers": (0.25, 1.0), "shrinkages": (0.1, 100.0)}
    head, tried = choose(train, train_labels, val, val_labels, dim=8, **grid)
    assert [(one.power, one.shrinkage) for one in tried] == [(0.25, 0.1), (0.25, 100), (1, 0.1), (1, 100)]
    for one in tried:
        solved = solve(train, train_labels, power=one.power, shrinkage=one.shrinkage, dim=8)
        assert one.map_at_r == pytest.approx(map_at_r(apply(solved, val), val_labels))
    best = max(tried, key=lambda one: one.map_at_r)
    again = solve(train, train_labels, power=best.power, shrinkage=best.shrinkage, dim=8, fill=best.fill)
    np.testing.assert_array_equal(head.weight, again.weight)
    assert len({one.map_at_r for one in tried}) == 4


def test_choose_judges_a_part_of_many_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(closed_form, "_MOST_JUDGED", 120)
    many_small = np.repeat(np.arange(100), 4)
    rows = closed_form._judged(many_small)
    assert len(set(rows)) == 120
    assert (np.unique(many_small[rows], return_counts=True)[1] == 4).all(), "whole classes"
    assert not np.array_equal(np.unique(many_small[rows]), np.arange(30)), "of random names"
    few_large = np.repeat(["a", "b"], 200)
    assert np.unique(few_large[closed_form._judged(few_large)], return_counts=True)[1].tolist() == [60, 60]
    assert closed_form._judged(few_large[:120]).tolist() == list(range(120))

    train, train_labels = planted(40, 6, seed=1)
    val, val_labels = planted(40, 6, seed=2)
    _, tried = choose(train, train_labels, val, val_labels, dim=8, powers=(1.0,), shrinkages=(0.1,))
    part = closed_form._judged(val_labels)
    embedded = apply(solve(train, train_labels, power=1.0, shrinkage=0.1, dim=8), val)
    assert tried[0].map_at_r == pytest.approx(map_at_r(embedded[part], val_labels[part]))


def test_choose_takes_the_first_of_equals() -> None:
    eye = np.eye(3, dtype=np.float32).repeat(4, axis=0)
    eye[::2, 0] += 0.01
    labels = np.arange(12) // 4
    head, tried = choose(eye, labels, eye, labels, dim=2, powers=(1.0, 0.9), shrinkages=(1.0, 2.0))
    assert [one.map_at_r for one in tried] == [1.0] * 4
    assert head.power == 1.0


def test_choose_fills_for_unseen_classes_only() -> None:
    train, train_labels = planted(3, 30, seed=1)
    options: dict[str, Any] = {"dim": 12, "powers": (1.0,), "shrinkages": (0.1,)}
    unseen, unseen_labels = planted(40, 6, seed=2)
    _, tried = choose(train, train_labels, unseen, unseen_labels, **options)
    assert [one.fill for one in tried] == list(FILLS[: len(tried)])
    assert len(tried) > 2
    assert tried[1].map_at_r > tried[0].map_at_r
    seen, seen_labels = planted(3, 30, seed=1)
    head, tried = choose(train, train_labels, seen, seen_labels, **options)
    assert [one.fill for one in tried] == list(FILLS[:2]), "stops where more does not help"
    np.testing.assert_array_equal(
        head.weight, solve(train, train_labels, power=1.0, shrinkage=0.1, dim=12, fill=FILLS[0]).weight
    )


@pytest.mark.parametrize("dim", [2, 6, 40])
def test_classes_without_spread(dim: int) -> None:
    """Copies within every class, or one image each: nothing is known of the spread, but it does not fail."""
    features = np.random.default_rng(0).standard_normal((4, 6)).astype(np.float32)
    for rows, labels in ((features.repeat(3, axis=0), np.arange(12) // 3), (features, np.arange(4))):
        head = solve(rows, labels, power=0.5, shrinkage=1.0, dim=dim)
        embedded = apply(head, rows)
        assert np.isfinite(embedded).all()
        np.testing.assert_allclose(np.linalg.norm(embedded, axis=1), 1, atol=1e-6)


def test_fewer_images_than_dimensions() -> None:
    features, labels = planted(4, 3, dims=200)
    embedded = apply(solve(features, labels, power=0.5, shrinkage=0.1, dim=128), features)
    assert embedded.shape == (12, 128)
    assert map_at_r(embedded, labels) == 1.0


def test_zero_features_do_not_divide_by_zero() -> None:
    features, labels = planted(4, 5)
    features[3] = 0
    head = solve(features, labels, power=0.5, shrinkage=1.0, dim=3)
    assert np.isfinite(apply(head, features)).all()


def test_all_classes_alike() -> None:
    """Equal class means: no direction tells classes apart, all are filled."""
    rows = np.array([[1, 2, 2], [2, 1, 2], [1, 2, 2], [2, 1, 2]], np.float32)
    head = solve(rows, np.array([0, 0, 1, 1]), power=1.0, shrinkage=1.0, dim=2)
    assert np.isfinite(apply(head, rows)).all()


def test_one_class_is_not_enough() -> None:
    with pytest.raises(TableError, match=r"fewer than two classes.*saw 1 in 5 images, wanted two or more"):
        solve(np.eye(5, dtype=np.float32), np.zeros(5), power=1.0, shrinkage=1.0, dim=2)


def test_validation_without_pairs_is_refused() -> None:
    features, labels = planted(4, 5)
    with pytest.raises(EvaluationError):
        choose(features, labels, features[:4], np.arange(4), dim=2, powers=(1.0,), shrinkages=(1.0,))


@pytest.mark.parametrize(("classes", "dim"), [(20, 8), (4, 8)], ids=["classes decide", "filled"])
def test_fewer_images_than_dimensions_give_the_same_head(
    classes: int, dim: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By systems of n instead of D; equal up to the signs of directions, so similarities are compared."""
    random = np.random.default_rng(1)
    features = random.standard_normal((60, 200)).astype(np.float32) + np.repeat(
        random.standard_normal((classes, 200)), 60 // classes, axis=0
    ).astype(np.float32)
    labels = np.repeat(np.arange(classes), 60 // classes)
    options: dict[str, Any] = {"power": 0.7, "shrinkage": 0.5, "dim": dim}
    rooted = apply(solve(features, labels, **options), features)
    with monkeypatch.context() as patch:
        patch.setattr(scatter, "Rooted", lambda root, wanted: Whole(root.T @ root))
        whole = apply(solve(features, labels, **options), features)
    np.testing.assert_allclose(rooted @ rooted.T, whole @ whole.T, atol=2e-5)
    assert isinstance(scatter.scatter_of(features, labels, 0.7, dim).within, scatter.Rooted)


def test_a_handful_of_images_is_filled_up_with_directions_of_their_own() -> None:
    features = np.random.default_rng(2).standard_normal((8, 300)).astype(np.float32)
    head = solve(features, np.repeat(np.arange(4), 2), power=1.0, shrinkage=1.0, dim=32)
    lengths = np.linalg.norm(head.weight, axis=0)
    assert (lengths > 0).all()
    assert np.linalg.matrix_rank(head.weight) == 32


def test_copies_in_validation_do_not_find_each_other() -> None:
    features, labels = planted(6, 5)
    twice, names = np.concatenate([features, features]), np.concatenate([labels, labels])
    identity = np.tile(np.arange(len(features)), 2)
    options: dict[str, Any] = {"dim": 4, "powers": (1.0,), "shrinkages": (1.0,)}
    _, [flattered] = choose(features, labels, twice, names, **options)
    _, [alone] = choose(features, labels, features, labels, **options)
    head, [honest] = choose(features, labels, twice, names, val_identity=identity, **options)
    found = retrieval(apply(head, twice), names, identity=identity).values["map@r"]
    assert honest.map_at_r == pytest.approx(float(np.nanmean(found)))
    assert honest.map_at_r < flattered.map_at_r
    assert honest.map_at_r == pytest.approx(alone.map_at_r, abs=0.1)


def test_validation_of_copies_alone_is_refused() -> None:
    features, labels = planted(6, 5)
    copies = np.zeros(len(labels), np.int64)
    with pytest.raises(EvaluationError, match="nothing to find"):
        choose(
            features, labels, features, labels, dim=4, powers=(1.0,), shrinkages=(1.0,), val_identity=copies
        )


def test_torch_is_not_needed() -> None:
    code = "import sys, lookalike.training.closed_form; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
