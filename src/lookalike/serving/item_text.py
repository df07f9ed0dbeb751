"""An item as the API tells of it: checked on its way out, and described to whoever reads the API.

What the collection knows of an item enters; a model leaves whose fields are its JSON.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from lookalike.serving.collection import Told


class ItemText(BaseModel):
    """An item.

    Attributes:
        name: where it lies: the indexed folder's name, and the path below it.
        box: left, top, right, bottom of the part of the picture that it is; null: all of it.
        width, height, format, blank: null where they are not known; blank: of nearly one colour.
        bytes: of its file.
    """

    id: int
    name: str
    label: str | None
    attributes: dict[str, Any]
    box: tuple[int, int, int, int] | None
    width: int | None
    height: int | None
    bytes: int
    format: str | None
    blank: bool | None


def facts_of(told: Told) -> dict[str, Any]:
    """The fields of an ItemText."""
    look = told.look
    return {
        "id": told.item.id,
        "name": told.name,
        "label": told.item.label,
        "attributes": told.attributes,
        "box": told.box,
        "width": look and look.width,
        "height": look and look.height,
        "bytes": told.item.size,
        "format": look and look.format,
        "blank": look and look.blank,
    }
