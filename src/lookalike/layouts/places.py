"""What lies in a folder of a data set: names, pictures, the first of several places.

Enters: a folder. Leaves: names, sorted. No file is opened.
"""

from __future__ import annotations

import os
from pathlib import Path

from lookalike.layouts.listing import missing
from lookalike.pictures.formats import EXTENSIONS


def pictures_in(folder: Path) -> list[str]:
    """The names of the pictures that lie in a folder, sorted; by their extension, none is opened.

    Raises:
        TableError: there is no such folder, or it cannot be listed.
    """
    return [name for name in names_in(folder) if Path(name).suffix.lower() in EXTENSIONS]


def names_in(folder: Path) -> list[str]:
    """The names of all that lies in a folder, sorted; what begins with a dot is left out.

    Raises:
        TableError: there is no such folder, or it cannot be listed.
    """
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names
    except OSError as error:
        raise missing("folder", folder, error) from error


def first_there(folder: Path, *places: str) -> str:
    """The first of several places that is there; the first of all where none is."""
    return next((place for place in places if (folder / place).exists()), places[0])
