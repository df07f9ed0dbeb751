"""How many threads FAISS uses: the size of a task enters; small ones run on the thread that asks.

Waking other threads, and waiting for them on a busy machine, takes longer than a small task itself. What the
task is, is not known here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss

SMALL = 1 << 23  # products of two values, about half a millisecond on one thread


@contextmanager
def threads_for(products: int) -> Iterator[None]:
    """Within, what this thread asks of FAISS runs on one thread if it is at most SMALL products."""
    before = faiss.omp_get_max_threads()
    if products > SMALL or before == 1:
        yield
        return
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
