"""One call of FAISS: unit queries and how hard to look enter; similarities and ids leave.

It goes past `index.search` of the Python package, which other packages replace for the whole process
(faiss.contrib.torch_utils) by one that takes no effort.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from lookalike.records import Floats


def probed(
    index: Any, queries: Floats, fetch: int, *, effort: Any = None
) -> tuple[Floats, NDArray[np.int64]]:
    """The candidates of each query.

    Args:
        index: FAISS's.
        queries: [q, d] float32, rows of unit length.
        fetch: candidates of a query, >= 1.
        effort: FAISS's search parameters; None: the index's own.

    Returns:
        similarities [q, f] float32, falling, and ids [q, f], -1 where there are no more.
    """
    queries = np.ascontiguousarray(queries)
    similarities = np.empty((len(queries), fetch), np.float32)
    ids = np.empty((len(queries), fetch), np.int64)
    index.search_c(
        len(queries),
        faiss.swig_ptr(queries),
        fetch,
        faiss.swig_ptr(similarities),
        faiss.swig_ptr(ids),
        effort,
    )
    return similarities, ids
