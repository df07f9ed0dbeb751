"""How a column of an index is spelt: in a filter as people write it, and in a statement of SQLite.

A name enters, as it stands in a manifest; texts leave. Which columns there are is the store's business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

COLUMNS = ("label", "path")  # what every item has; all others are its attributes
WORD = r"[^\W\d]\w*"
RESERVED = ("and", "or", "not", "in", "is", "null", "true", "false")


def spelled(column: str) -> str:
    """A column as a filter says it: in double quotes, where it is no plain word.

    >>> spelled("year"), spelled("kw:food")
    ('year', '"kw:food"')
    """
    is_word = re.fullmatch(WORD, column) and column.lower() not in RESERVED
    return column if is_word else '"{}"'.format(column.replace('"', '""'))


def stored(column: str) -> str:
    """How a column is spelt in a statement; `stored_names` are the values of its question marks."""
    if column in COLUMNS:
        return column
    if _is_plain(column):
        return "json_extract(attributes, ?)"
    return "(SELECT value FROM json_each(attributes) WHERE key = ?)"  # whose keys need no quotes


def _is_plain(column: str) -> bool:
    """Whether it is written in JSON as it is, and can be between the quotes of a path."""
    return column.isprintable() and not set(column) & set('"\\')


def stored_names(column: str) -> Iterator[str]:
    """What the question marks of `stored` stand for."""
    if column not in COLUMNS:
        yield f'$."{column}"' if _is_plain(column) else column
