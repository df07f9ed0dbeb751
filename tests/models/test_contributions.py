from __future__ import annotations

import doctest

import numpy as np
import pytest

from lookalike.models import contributions
from lookalike.models.contributions import (
    Placed,
    place,
    shares_of_gem,
    shares_of_mac,
    shares_of_quarters,
    shares_of_spoc,
    spread,
)
from lookalike.models.head import LayeredHead
from lookalike.models.maps import Composition


def maps(seed: int = 0) -> list[np.ndarray]:
    """Two maps of different sizes, 3 and 2 channels; neither size divides the other."""
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(3, 3, 4)).astype(np.float32), rng.normal(size=(2, 7, 5)).astype(np.float32)]


def composition(*, poolings: tuple[str, ...] = ("spoc", "mac", "gem")) -> Composition:
    powers = [3.0, 1.5] if "gem" in poolings else []
    return Composition(["map0", "map1"], list(poolings), stages=2, quarters=[2], powers=powers)


def head(inputs: int) -> LayeredHead:
    rng = np.random.default_rng(1)
    weight, bias = rng.normal(size=(inputs, 4)), rng.normal(size=4)
    return LayeredHead(0.5, [(weight.astype(np.float32), bias.astype(np.float32))])


def placed(seed: int) -> Placed:
    return place(maps(seed), composition(), head(3 * 5 + 8), dim=4)


def unit(values: np.ndarray) -> np.ndarray:
    return np.asarray(values / np.linalg.norm(values))


def test_shares_sum_to_what_is_pooled() -> None:
    values = maps()[1].astype(np.float64)
    assert shares_of_spoc(values).sum((1, 2)) == pytest.approx(values.mean((1, 2)))
    assert shares_of_mac(values).sum((1, 2)) == pytest.approx(values.max((1, 2)))
    floored = np.maximum(values, 1e-6)
    for power in (1.0, 3.0, 60.0):
        mean = (floored**power).mean((1, 2)) ** (1 / power)
        assert shares_of_gem(values, power).sum((1, 2)) == pytest.approx(mean)


def test_quarters_are_shared_within_their_windows() -> None:
    """The windows overlap in the middle of an odd side."""
    values = maps()[1].astype(np.float64)  # 7 x 5
    shares = shares_of_quarters(values)
    windows = [(slice(0, 4), slice(0, 3)), (slice(0, 4), slice(2, 5)), (slice(3, 7), slice(0, 3))]
    windows.append((slice(3, 7), slice(2, 5)))
    for channel in range(2):
        for number, window in enumerate(windows):
            own = shares[4 * channel + number]
            assert own.sum() == pytest.approx(values[channel][window].mean())
            assert own[window] == pytest.approx(values[channel][window] / 12)
            assert np.count_nonzero(own) == 12


def test_equal_maxima_share_alike() -> None:
    values = np.array([[[6.0, 1.0], [6.0, 0.0]], [[-3.0, -2.0], [-9.0, -4.0]]])
    expected = [[[3.0, 0.0], [3.0, 0.0]], [[0.0, -2.0], [0.0, 0.0]]]
    assert shares_of_mac(values) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(("cells", "fine"), [(1, 4), (3, 3), (3, 7), (5, 3)])
def test_spreading_loses_nothing(cells: int, fine: int) -> None:
    matrix = spread(cells, fine)
    assert matrix.sum(0) == pytest.approx(np.ones(cells))
    many = 840  # each cell as many thin slices, each slice to the cell in which it lies
    counted = np.zeros((fine, cells))
    for slice_ in range(many):
        middle = (slice_ + 0.5) / many
        counted[int(middle * fine), int(middle * cells)] += cells / many
    assert matrix == pytest.approx(counted, abs=0.02)


def test_examples() -> None:
    result = doctest.testmod(contributions)
    assert result.attempted
    assert not result.failed


def test_places_sum_to_the_embedding_of_the_formula() -> None:
    last, first = (each.astype(np.float64) for each in maps())
    gems = [(np.maximum(each, 1e-6) ** p).mean((1, 2)) ** (1 / p) for each, p in ((last, 3.0), (first, 1.5))]
    quarters = [
        first[:, row : row + 4, column : column + 3].mean((1, 2)) for row in (0, 3) for column in (0, 2)
    ]
    pooled = [each.mean((1, 2)) for each in (last, first)] + [each.max((1, 2)) for each in (last, first)]
    descriptors = [unit(each) for each in (*pooled, *gems, np.stack(quarters, axis=1).reshape(-1))]
    feature = unit(np.concatenate(descriptors)).astype(np.float32)
    own = placed(0)
    assert own.head.embedding == pytest.approx(head(23).apply(feature[None])[0], abs=1e-6)
    cells = [own.at(row, column) for row in range(7) for column in range(5)]
    assert np.sum(cells, axis=0) == pytest.approx(own.head.embedding, abs=1e-12)


def test_heat_is_the_sum_over_pairs_of_places() -> None:
    """The slow way: every place of one picture with every place of the other."""
    a, b = placed(0), placed(1)
    cells = [(row, column) for row in range(7) for column in range(5)]
    pairs = np.array([[a.at(*p) @ b.at(*q) for q in cells] for p in cells])  # [p, q]
    similarity = a.head.embedding @ b.head.embedding
    assert pairs.sum() == pytest.approx(similarity, abs=1e-12)
    assert a.heat(b.head.embedding).reshape(-1) == pytest.approx(pairs.sum(1), abs=1e-12)
    assert b.heat(a.head.embedding).reshape(-1) == pytest.approx(pairs.sum(0), abs=1e-12)
    assert b.heat(a.at(2, 3)).reshape(-1) == pytest.approx(pairs[cells.index((2, 3))], abs=1e-12)


def test_a_place_that_adds_nothing_is_cold() -> None:
    """Leave one place out: with means and no head, the rest is what the others add."""
    plain = Composition(["map0"], ["spoc"], stages=1, quarters=[], powers=[])
    whole = np.abs(maps()[0])
    whole[:, 1, 2] = 0
    own = place([whole], plain, LayeredHead(1.0, ()), dim=3)
    direction = unit(np.array([0.1, 0.9, 0.3]))
    heat = own.heat(direction)
    assert heat[1, 2] == 0
    length = np.linalg.norm(whole.mean((1, 2)))
    for row, column in ((0, 0), (2, 3)):
        without = whole.copy()
        without[:, row, column] = 0
        fall = (whole.mean((1, 2)) - without.mean((1, 2))) @ direction / length
        assert heat[row, column] == pytest.approx(fall, abs=1e-7)
