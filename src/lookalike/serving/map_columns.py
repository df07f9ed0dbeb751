"""What is known of the pictures on a map, in columns of few values: label, folder, attributes.

A store and ids enter; columns leave, each a list of values and for every picture the place of its own. What
is not known is the empty text. Nothing is laid out or drawn here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lookalike.indexing.store import Store
from lookalike.judging.similarity import Ints
from lookalike.presenting.map_page import MOST_COLUMNS

FEW = 100  # values of an attribute: one of more says little by its colour
LABEL, FOLDER = "label", "folder"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its values, and of each picture the place of its own among them."""

    name: str
    values: list[str]
    codes: list[int]


def columns_of(store: Store, ids: Ints, names: Sequence[str]) -> list[Column]:
    """The columns of some items, label and folder first; one that says the same of all is left out.

    An attribute that only says yes or no stands behind those that say more: there may be many of it.

    Args:
        names: of the items, as they are called outside: folders and the file's name.
    """
    labels, attributes = _known(store, ids)
    found = [
        _column(LABEL, labels),
        _column(FOLDER, [name.rpartition("/")[0] for name in names]),
        *sorted(_attributes(attributes), key=_is_flag),
    ]
    kept = [column for column in found if len(column.values) > 1 or (column.name == LABEL and any(labels))]
    return kept[:MOST_COLUMNS]


def first_column(columns: Sequence[Column]) -> str | None:
    """By which column a map is coloured before anybody chooses; None: by none.

    The label where any picture has one, else the attribute with most values, the first of several.
    """
    if any(column.name == LABEL for column in columns):
        return LABEL
    attributes = [column for column in columns if column.name != FOLDER]
    return max(attributes, key=_known_values).name if attributes else None


def _is_flag(column: Column) -> bool:
    return {*column.values} <= {"", "0", "1", "False", "True"}


def _known_values(column: Column) -> int:
    return sum(value != "" for value in column.values)


def _known(store: Store, ids: Ints) -> tuple[list[str], list[str]]:
    """The labels, and the attributes as JSON texts, of items by id."""
    rows = store.rows(
        "SELECT label, attributes FROM items WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
        f"[{','.join(map(str, ids.tolist()))}]",
    )
    return [label or "" for label, _ in rows], [text for _, text in rows]


def _attributes(texts: Sequence[str]) -> Iterable[Column]:
    known = {name: None for text in dict.fromkeys(texts) for name in _read(text)}
    for name in sorted(known):
        column = _column(name, [_word(_read(text).get(name)) for text in texts])
        if len(column.values) <= FEW:
            yield column


def _column(name: str, words: Sequence[str]) -> Column:
    values = sorted(set(words))
    places = {value: place for place, value in enumerate(values)}
    return Column(name, values, [places[word] for word in words])


@lru_cache(maxsize=4096)
def _read(text: str) -> dict[str, Any]:
    return dict(json.loads(text or "{}"))


def _word(value: object) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
