from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from lookalike.models.head import BranchedHead, FixedHead, LayeredHead, constant_names, head_of

INPUTS = 12


def layered(sizes: list[int], power: float, *, residual: bool = False) -> LayeredHead:
    rng = np.random.default_rng(len(sizes))
    layers = [
        (rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    ]
    return LayeredHead(power, layers, residual=residual)


def branched() -> BranchedHead:
    rng = np.random.default_rng(7)
    return BranchedHead([rng.normal(size=(4, 2)).astype(np.float32) for _ in range(3)])


HEADS = {
    "none": LayeredHead(1.0, ()),
    "linear": layered([INPUTS, 5], 1.0),
    "powered": layered([INPUTS, 5], 0.5),
    "deep": layered([INPUTS, 9, 7, 5], 0.7),
    "residual": layered([INPUTS, 9, INPUTS], 1.0, residual=True),
    "powered residual": layered([INPUTS, 9, INPUTS], 0.5, residual=True),
    "branches": branched(),
}


def parts(seed: int = 0) -> np.ndarray:
    """What four places add to a feature: [4, D]."""
    return np.random.default_rng(seed).normal(size=(4, INPUTS))


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_what_places_add_sums_to_the_embedding(head: FixedHead) -> None:
    given = parts()
    local = head.local(given.sum(0), np.abs(given).sum(0))
    embedding = head.apply(given.sum(0)[None].astype(np.float32))[0]
    assert local.embedding == pytest.approx(embedding, abs=1e-6)
    assert local.push(given).sum(0) + local.rest == pytest.approx(local.embedding, abs=1e-12)
    assert np.linalg.norm(local.embedding) == pytest.approx(1.0)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_pull_is_the_transpose_of_push(head: FixedHead) -> None:
    given = parts()
    local = head.local(given.sum(0), np.abs(given).sum(0))
    direction = np.random.default_rng(5).normal(size=len(local.embedding))
    assert local.push(given) @ direction == pytest.approx(given @ local.pull(direction), abs=1e-12)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_cut_keeps_the_sum(head: FixedHead) -> None:
    given = parts()
    local = head.local(given.sum(0), np.abs(given).sum(0))
    cut = local.cut(3)
    leading = local.embedding[:3]
    assert cut.embedding == pytest.approx(leading / np.linalg.norm(leading))
    assert cut.push(given).sum(0) + cut.rest == pytest.approx(cut.embedding, abs=1e-12)
    direction = np.array([0.2, -0.5, 1.0])
    assert cut.push(given) @ direction == pytest.approx(given @ cut.pull(direction), abs=1e-12)


def test_powers_share_in_proportion() -> None:
    """One number at a time: of (3 + 1)^0.5 the first place has 3 / 4; its sign stays."""
    given = np.array([[3.0, -1.0, 2.0], [1.0, -8.0, -1.0]])
    local = LayeredHead(0.5, ()).local(given.sum(0), np.abs(given).sum(0))
    length = (4 + 9 + 1) ** 0.5
    expected = np.array([[2 * 3 / 4, -3 * 1 / 9, 1 * 2], [2 * 1 / 4, -3 * 8 / 9, -1.0]]) / length
    assert local.push(given) == pytest.approx(expected)


def test_a_closed_gate_gives_nothing() -> None:
    one = np.eye(2, dtype=np.float32)
    head = LayeredHead(1.0, [(one, np.array([0, -9], np.float32)), (one, np.zeros(2, np.float32))])
    given = np.array([[0.6, 0.5], [0.2, 0.1]])
    local = head.local(given.sum(0), given.sum(0))
    assert local.push(given) == pytest.approx(np.array([[0.75, 0], [0.25, 0]]))
    assert local.rest == pytest.approx([0, 0])


def test_what_cancels_belongs_to_no_place() -> None:
    given = np.array([[1.0, 1.0], [-1.0 + 1e-9, 1.0]])
    local = LayeredHead(0.5, ()).local(given.sum(0), np.abs(given).sum(0))
    assert np.abs(local.push(given)).max() <= 1
    assert local.rest[0] == pytest.approx(local.embedding[0])
    assert local.embedding[0] > 0
    assert local.push(given).sum(0) + local.rest == pytest.approx(local.embedding, abs=1e-12)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_head_is_read_back_from_its_constants(head: FixedHead) -> None:
    again = head_of(head.described, head.constants())
    features = np.random.default_rng(3).normal(size=(6, INPUTS)).astype(np.float32)
    assert list(head.constants()) == constant_names(head.described)
    assert np.array_equal(again.apply(features), head.apply(features))
