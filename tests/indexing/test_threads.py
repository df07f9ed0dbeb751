"""Small tasks run on one thread, and the number of threads is as before afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import faiss
import pytest

from lookalike.indexing.threads import SMALL, threads_for


@pytest.fixture(autouse=True)
def three_threads() -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    yield
    faiss.omp_set_num_threads(before)


@pytest.mark.parametrize(("products", "threads"), [(0, 1), (SMALL, 1), (SMALL + 1, 3)])
def test_only_small_tasks_run_on_one_thread(products: int, threads: int) -> None:
    with threads_for(products):
        assert faiss.omp_get_max_threads() == threads
    assert faiss.omp_get_max_threads() == 3


def test_the_number_comes_back_after_a_failure() -> None:
    with pytest.raises(ValueError, match="x"), threads_for(1):
        raise ValueError("x")
    assert faiss.omp_get_max_threads() == 3


def test_other_threads_keep_theirs() -> None:
    inside, seen = threading.Event(), threading.Event()
    counted: list[int] = []

    def work() -> None:
        faiss.omp_set_num_threads(2)
        seen.set()
        inside.wait(10)
        counted.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=work)
    thread.start()
    seen.wait(10)
    with threads_for(1):
        inside.set()
        thread.join(10)
    assert counted == [2]
