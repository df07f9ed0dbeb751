"""Whether a row that was read of a damaged file can be what was stored, column by column.

Rows as SQLite gives them enter; yes or no leaves. Vectors have a checksum and are judged elsewhere.
"""

from __future__ import annotations

import json

from lookalike.errors import SkipReason
from lookalike.indexing.schema import VERDICTS
from lookalike.mending.torn_file import Row
from lookalike.models.embedding import HASH_BYTES
from lookalike.pictures.prints import PRINT


def is_root(row: Row) -> bool:
    """Whether a row of a source can be what was stored."""
    return is_text(*row[1:]) and all(row[1:])


def is_item(row: Row) -> bool:
    """Whether a row of a picture can be."""
    _, root, path, box, size, mtime_ns, digest, label, attributes = row
    texts = (path, box, attributes, *([] if label is None else [label]))
    return (
        _is_number(root)
        and is_text(*texts)
        and bool(path)
        and _is_number(size, mtime_ns)
        and _is_hash(digest)
        and _is_object(attributes)
    )


def is_unusable(row: Row) -> bool:
    """Whether a row of what cannot be used can be."""
    _, path, box, size, mtime_ns, reason, detail = row
    return is_text(path, box, reason, detail) and _is_number(size, mtime_ns) and reason in list(SkipReason)


def is_look(row: Row) -> bool:
    """Whether a row of a look can be."""
    digest, width, height, kind, size, blank, grey = row
    fits = _is_hash(digest) and _is_number(width, height, size, blank) and is_text(kind)
    return fits and isinstance(grey, bytes) and len(grey) == PRINT * PRINT


def is_decision(row: Row) -> bool:
    """Whether a row of a decision can be; when it was made may be any text."""
    first, second, verdict, made = row
    return _is_hash(first, second) and first <= second and verdict in VERDICTS and is_text(made)


def _is_hash(*values: object) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)


def _is_number(*values: object) -> bool:
    return all(isinstance(value, int) for value in values)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def is_text(*values: object) -> bool:
    """Whether all are texts; what was not UTF-8 was read as half characters, which are none."""
    try:
        return all(isinstance(value, str) and value.encode() is not None for value in values)
    except UnicodeEncodeError:
        return False
