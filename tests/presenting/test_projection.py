"""The plane of PCA against a second way; UMAP begun from it; errors with the step to take."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import EvaluationError, MissingExtraError
from lookalike.presenting import projection
from lookalike.presenting.projection import project
from lookalike.records import Floats


def vectors_of(n: int, d: int, *, seed: int = 0) -> Floats:
    generator = np.random.default_rng(seed)
    values = generator.normal(0, 1, (n, d)) * np.linspace(2, 0.5, d)
    return values.astype(np.float32)


@given(n=st.integers(3, 40), d=st.integers(2, 9), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_plane_is_that_of_a_singular_value_decomposition(n: int, d: int, seed: int) -> None:
    vectors = vectors_of(n, d, seed=seed)
    found = project(vectors)
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    _, values, directions = np.linalg.svd(centred, full_matrices=False)
    wanted = centred @ directions[:2].T
    assert found.places.dtype == np.float32
    assert np.allclose(np.abs(found.places), np.abs(wanted), atol=1e-3)
    assert found.share == pytest.approx((values[:2] ** 2).sum() / (values**2).sum(), abs=1e-6)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = vectors_of(50, 6)
    whole = project(vectors)
    monkeypatch.setattr(projection, "BLOCK", 7)
    parts = project(vectors)
    assert np.allclose(whole.places, parts.places, atol=1e-6)
    assert whole.share == pytest.approx(parts.share)


def test_largest_part_of_a_direction_is_positive() -> None:
    vectors = np.zeros((4, 3), np.float32)
    vectors[:, 1] = [5, -5, 0, 0]
    vectors[:, 2] = [0, 0, 1, -1]
    assert project(vectors).places.tolist() == [[5, 0], [-5, 0], [0, 1], [0, -1]]
    assert project(vectors[::-1].copy()).places.tolist() == [[0, -1], [0, 1], [-5, 0], [5, 0]]


def test_vectors_of_one_number_lie_on_a_line() -> None:
    found = project(np.array([[1], [2], [3]], np.float32))
    assert found.places.tolist() == [[-1, 0], [0, 0], [1, 0]]
    assert found.share == 1.0


@pytest.mark.parametrize("method", projection.METHODS)
@pytest.mark.parametrize(
    ("vectors", "saw"),
    [
        (np.eye(2, dtype=np.float32), "saw 2 of them, wanted three or more - give three pictures or more"),
        (np.zeros((0, 4), np.float32), "saw 0 of them"),
        (np.full((9, 4), 0.5, np.float32), "saw vectors that are all equal"),
    ],
    ids=["two", "none", "equal"],
)
def test_what_has_no_plane_is_refused(vectors: Floats, saw: str, method: projection.Method) -> None:
    with pytest.raises(EvaluationError, match=f"cannot be laid out in a plane - projection - {saw}"):
        project(vectors, method=method)


@pytest.mark.parametrize(
    "vectors", [np.full((3, 2), np.nan, np.float32), np.ones(3, np.float32)], ids=["nan", "flat"]
)
def test_what_is_no_set_of_vectors_is_refused(vectors: Floats) -> None:
    with pytest.raises(ValueError, match="finite numbers"):
        project(vectors)


def test_another_method_is_refused() -> None:
    with pytest.raises(EvaluationError, match="no such projection - method - saw tsne, wanted pca or umap"):
        project(np.eye(3, dtype=np.float32), method="tsne")  # type: ignore[arg-type]


def test_umap_that_is_not_installed_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"umap-learn .* pip install 'lookalike\[map\]'"):
        project(vectors_of(5, 3), method="umap")


def test_umap_begins_at_the_plane_and_takes_the_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    class Fake:
        def __init__(self, **options: Any) -> None:
            asked.update(options)

        def fit_transform(self, vectors: Floats) -> Any:
            return np.asarray(asked["init"] * 2, dtype=np.float64)

    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Fake, __spec__="there"))
    vectors = vectors_of(9, 4)
    found = project(vectors, method="umap", seed=7)
    assert asked["n_neighbors"] == 8
    assert asked["random_state"] == 7
    assert np.array_equal(asked["init"], project(vectors).places)
    assert found.method == "umap"
    assert found.share is None
    assert found.places.dtype == np.float32
    project(vectors_of(30, 4), method="umap")
    assert asked["n_neighbors"] == projection.NEIGHBOURS


def test_umap_keeps_neighbours_together_and_repeats() -> None:
    code = (
        "import json, numpy as np; from lookalike.presenting.projection import project\n"
        "v = np.random.default_rng(0).normal(0, 0.05, (12, 6)); v[:6, 0] += 1; v[6:, 1] += 1\n"
        "found = project(v.astype(np.float32), method='umap')\n"
        "one, two = (project(v[:3].astype(np.float32), method='umap', seed=3) for _ in range(2))\n"
        "print(json.dumps([found.places.tolist(), (one.places == two.places).all().item(), len(one.places)]))"
    )
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}  # so little does not pay for compiling
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    places, same, least = json.loads(done.stdout)
    gaps = np.linalg.norm(np.array(places)[:, None] - np.array(places)[None], axis=2) + 1e9 * np.eye(12)
    assert all((row < 6) == (nearest < 6) for row, nearest in enumerate(gaps.argmin(1)))
    assert same
    assert least == 3
