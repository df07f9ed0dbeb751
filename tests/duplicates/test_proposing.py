"""Which pairs are proposed: by prints what embeddings do not see, across a library, mirrored if asked."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.duplicates import proposing
from lookalike.duplicates.proposing import Proposals, print_rows, propose, propose_alike
from lookalike.pictures.prints import grey_print
from lookalike.records import Floats
from scenes import pixels


def prints_of(*seeds: int) -> proposing.Prints:
    return np.stack([np.frombuffer(grey_print(pixels(seed)), np.uint8) for seed in seeds])


def blind(count: int) -> Floats:
    """Embeddings that see nothing in common."""
    return np.eye(count, dtype=np.float32)


def pairs(found: Proposals) -> list[tuple[int, int]]:
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_either_look_proposes_and_each_pair_once() -> None:
    prints, vectors = prints_of(1, 2, 1, 3), blind(4)
    assert pairs(propose(vectors, prints)) == [(0, 2)]
    vectors[3] = vectors[1]
    vectors[2] = vectors[0]
    found = propose(vectors, prints)
    assert pairs(found) == [(0, 2), (1, 3)]
    assert found.complete


def test_prints_of_one_grey_propose_nothing() -> None:
    prints = np.full((3, 256), [[10], [200], [200]], np.uint8)
    assert not pairs(propose(blind(3), prints))


def test_mirror_images_if_asked() -> None:
    prints = prints_of(1, 2, 3)
    prints[2] = prints[0].reshape(16, 16)[:, ::-1].ravel()
    assert not pairs(propose(blind(3), prints))
    assert pairs(propose(blind(3), prints, mirrored=True)) == [(0, 2)]
    library = np.array([True, False, True])
    assert not pairs(propose(blind(3), prints, mirrored=True, library=library))
    assert pairs(propose(blind(3), prints, mirrored=True, library=~np.array([True, True, False]))) == [(0, 2)]


@pytest.mark.parametrize("in_full", [0, 50_000], ids=["forest", "full"])
def test_a_library_is_compared_with_the_others_alone(in_full: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "COMPARED_IN_FULL", in_full)
    prints = prints_of(1, 1, 1, 2, 2)
    library = np.array([True, True, False, False, False])
    assert pairs(propose(blind(5), prints, library=library)) == [(0, 2), (1, 2)]


def test_too_many_are_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proposing, "_MOST", 1)
    monkeypatch.setattr(proposing, "_FEW", 1)
    same = np.tile(np.array([[1.0, 0.0]], np.float32), (9, 1))
    found = propose_alike(same, at_least=0.9)
    assert not found.complete
    assert len(found.first) == 9


def test_rows_of_prints_are_correlations_of_their_coarse_means() -> None:
    prints = prints_of(4, 5)
    coarse = prints.reshape(2, 8, 2, 8, 2).mean(axis=(2, 4)).reshape(2, -1)
    rows = print_rows(prints)
    assert float(rows[0] @ rows[1]) == pytest.approx(float(np.corrcoef(coarse)[0, 1]), abs=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-6)


def test_nothing_gives_nothing() -> None:
    found = propose(np.zeros((0, 3), np.float32), np.zeros((0, 256), np.uint8))
    assert (pairs(found), found.complete) == ([], True)
