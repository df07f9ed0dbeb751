"""The labelled items of an index: how many each label has, and the items of some labels.

A store enters; counts and rows leave. Which labels are wanted is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from lookalike.indexing.store import Store


def label_counts(store: Store) -> dict[str, int]:
    """How many items each label has, by label; items without one are left out."""
    rows = store.rows("SELECT label, count(*) FROM items WHERE label <> '' GROUP BY label ORDER BY label")
    return dict(rows)


def items_labelled(store: Store, labels: Iterable[str]) -> list[tuple[int, str, bytes]]:
    """The id, label and content hash of the items that have one of some labels, by id."""
    rows = store.rows(
        "SELECT id, label, hash FROM items WHERE label IN (SELECT value FROM json_each(?)) ORDER BY id",
        json.dumps(list(labels)),
    )
    return [(number, label, content) for number, label, content in rows]
