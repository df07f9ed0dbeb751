"""The exact product: equal vectors are equally alike wherever they stand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from lookalike.errors import EvaluationError
from lookalike.judging import similarity
from lookalike.judging.similarity import (
    GAP,
    LEFT_OUT,
    Identities,
    check_identity,
    check_vectors,
    class_codes,
    compare,
    left_factor,
    right_factor,
    run_blocks,
)
from vectors_for_judging import clusters, exact_similarities, unit


@pytest.mark.parametrize("dims", [2, 17, 128, 1280])
def test_product_has_no_rounding_error(dims: int) -> None:
    rows = unit(np.random.default_rng(dims).standard_normal((40, dims)))
    steps = 2**20
    product = left_factor(rows, steps=steps, offset=1.0 + GAP) @ right_factor(rows).T
    assert np.array_equal(product / steps - (1.0 + GAP), exact_similarities(rows, rows))
    assert np.abs(exact_similarities(rows, rows) - rows.astype(np.float64) @ rows.T).max() < 1e-7


def test_codes_do_not_depend_on_the_block() -> None:
    rows, _ = clusters(30, 7, noise=1.0, dims=128)
    rows = rows[np.random.default_rng(1).integers(0, 50, size=210)]  # many copies
    right = right_factor(rows)
    whole = compare(left_factor(rows, steps=2**40, offset=1.5), right, np.int64).copy()
    for size in (1, 3, 64):
        for start in range(0, len(rows), size):
            block = left_factor(rows[start : start + size], steps=2**40, offset=1.5)
            assert np.array_equal(compare(block, right, np.int64), whole[start : start + size])
    same = (rows[:, None] == rows[None]).all(axis=2)
    assert all(len(set(whole[row][same[other]])) == 1 for row in range(20) for other in range(len(rows)))


def test_memory_is_used_again() -> None:
    rows, _ = clusters(4, 4, noise=1.0)
    factor = left_factor(rows, steps=1024, offset=1.0)
    first = compare(factor, right_factor(rows), np.int32)
    second = compare(factor[:2], right_factor(rows), np.int32)
    assert np.shares_memory(first, second)


@pytest.mark.parametrize("first", [0, 13])
@pytest.mark.parametrize("columns", [(), (1,), (3,)])
def test_all_rows_that_share_a_code_are_left_out(columns: tuple[int, ...], first: int) -> None:
    rng = np.random.default_rng(0)
    gallery, queries = rng.integers(-9, 10, (40, *columns)), rng.integers(-12, 13, (25, *columns))
    similar = np.ones((25, 40 - first), dtype=np.int32)
    Identities.of(gallery).leave_out(similar, queries, first=first)
    shared = queries.reshape(25, 1, -1) == gallery.reshape(1, 40, -1)
    assert np.array_equal(similar == LEFT_OUT, shared.any(axis=2)[:, first:])
    assert similar.any()
    assert not similar.all()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (np.array(["b", "a", "b"]), np.array(["a", "longer"])),
        (np.array([2**53, 2**53 + 1, 2**53]), np.array([2**53 + 1, -1], dtype=np.int64)),
        (np.array([1, 2, 1], dtype=np.uint64), np.array([2, 2**62], dtype=np.int64)),
        (np.array(["b", 3, "b"], dtype=object), np.array([3, None], dtype=object)),
    ],
)
def test_class_codes_keep_labels_apart(first: Any, second: Any) -> None:
    a, b = class_codes(first, second)
    assert a[0] == a[2] != a[1] == b[0]
    assert b[1] not in a


def test_labels_of_two_kinds_are_different() -> None:
    a, b = class_codes(np.array([1, 2]), np.array(["1", "2"]))
    assert not set(a) & set(b)


def test_blocks_cover_all_rows_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_MOST_ROWS", 7)
    seen: list[range] = []
    reported: list[tuple[int, int]] = []

    def work(block: slice) -> range:
        return range(block.start, block.stop)

    run_blocks(work, 30, row_bytes=8, take=seen.append, progress=lambda done, of: reported.append((done, of)))
    assert [row for part in seen for row in part] == list(range(30))
    assert reported == [(7, 30), (14, 30), (21, 30), (28, 30), (30, 30)]


def test_blocks_hold_to_the_memory_limit() -> None:
    sizes: list[int] = []
    run_blocks(lambda block: block.stop - block.start, 10, row_bytes=2**40, take=sizes.append)
    assert sizes == [1] * 10


def test_work_does_not_run_far_ahead_of_its_taking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_MOST_ROWS", 1)
    monkeypatch.setattr(similarity, "_MOST_WORKERS", 2)
    begun: list[int] = []
    ahead: list[int] = []
    run_blocks(
        lambda block: begun.append(block.start),
        50,
        row_bytes=1,
        take=lambda _: ahead.append(len(begun) - len(ahead)),
    )
    assert len(begun) == 50
    assert max(ahead) <= 4


def test_failure_in_a_block_is_not_lost() -> None:
    def fail(block: slice) -> None:
        raise RuntimeError("planted")

    with pytest.raises(RuntimeError, match="planted"):
        run_blocks(fail, 3, row_bytes=1)


ROWS = np.eye(3, dtype=np.float32)


@pytest.mark.parametrize(
    ("vectors", "count", "what"),
    [
        (ROWS, 2, "do not match"),
        (ROWS[0], 3, "do not match"),
        (ROWS[:0], 0, "do not match"),
        (ROWS * 2, 3, "length 2 "),
        (np.where(ROWS == 1, np.nan, ROWS), 3, "length nan"),
        (np.where(ROWS == 1, np.inf, ROWS), 3, "length inf"),
    ],
)
def test_vectors_are_checked(vectors: Any, count: int, what: str) -> None:
    with pytest.raises(EvaluationError, match=what) as caught:
        check_vectors(vectors, np.arange(count), where="gallery")
    assert "gallery" in str(caught.value)


@pytest.mark.parametrize("identity", [np.arange(2), np.zeros((3, 1, 1), dtype=np.int64), np.zeros(3)])
def test_identity_is_checked(identity: Any) -> None:
    with pytest.raises(EvaluationError, match="identity codes and vectors do not match"):
        check_identity(identity, 3)


def blas_threads() -> list[int]:
    """Of numpy's own products."""
    return [
        library["num_threads"]
        for library in threadpool_info()
        if library["user_api"] == "blas" and "numpy" in library["filepath"]
    ]


def test_products_keep_to_their_thread_while_blocks_are_worked_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similarity, "_MOST_ROWS", 1)
    inside: list[list[int]] = []

    def nested(block: slice) -> None:
        run_blocks(lambda block: None, 3, row_bytes=1)
        inside.append(blas_threads())

    with threadpool_limits(limits=2, user_api="blas"):
        before = blas_threads()
        run_blocks(nested, 4, row_bytes=1)
        with pytest.raises(ZeroDivisionError):
            run_blocks(lambda block: 1 / 0, 4, row_bytes=1)
        assert blas_threads() == before
    assert before in ([2], [])  # none where the system's own library makes the products
    assert inside == [[1] * len(before)] * 4
