"""Whether a file still is what was indexed: an item and its file enter, yes or no leaves.

Whoever may write into an indexed folder can put anything in the place of a picture, a link too.
Size and time are compared, and the content where only the time differs; nothing is decoded here.
"""

from __future__ import annotations

from pathlib import Path

from lookalike.errors import ImageError
from lookalike.indexing.schema import Item
from lookalike.models.embedding import content_hash
from lookalike.pictures.images import read_image
from lookalike.serving.collection import box_of


def is_as_indexed(item: Item, file: Path) -> bool:
    """Whether a file has the size and time that are stored with its item, or else its content."""
    try:
        facts = file.stat()
        if facts.st_size != item.size:
            return False
        return facts.st_mtime_ns == item.mtime_ns or content_hash(read_image(file), box_of(item)) == item.hash
    except (OSError, ImageError):
        return False  # gone
