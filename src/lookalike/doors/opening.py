"""The index that the command index works on: opened, or made where there is none.

Its path, the model and the sources that were named enter; an open index leaves. Nothing is embedded here.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import LookalikeError, StoreError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.indexing.index import Index
    from lookalike.indexing.vector_rows import VectorStorage


def open_or_create(
    path: Path, model: str | None, sources: Sequence[str], talk: Talk, *, vectors: VectorStorage | None
) -> Index:
    """The index at `path`; where there is none, a new one for the sources.

    Raises:
        LookalikeError: there is none and nothing to make one of, or it is not of this model or kind.
    """
    from lookalike.indexing.index import Index
    from lookalike.indexing.vector_rows import DEFAULT_STORAGE
    from lookalike.models.model import DEFAULT, Model
    from lookalike.tables.table import ImageTable

    if os.path.exists(path):  # noqa: PTH110 - Path.exists() fails where a name is too long
        opened = Index.open(path, model=None if model is None else Model.load(model))
        if vectors not in (None, opened.store.storage):
            with opened:
                raise _kept_otherwise(opened, vectors)
        return opened
    if not sources:
        raise LookalikeError(
            "there is no index to bring up to date",
            where=path,
            saw="no such file, and no DATA",
            do=f"lookalike index {shlex.quote(str(path))} FOLDER --model MODEL",
        )
    table = ImageTable.read(sources[0])  # a mistyped folder leaves no empty index behind
    if len(sources) == 1 and os.path.isfile(sources[0]) and table.file is None:  # noqa: PTH113 - as above
        _check_opens(table.paths)
    if model is None:
        talk.say('No --model: using "default", the untrained backbone')
    return Index.create(path, Model.load(model or DEFAULT, say=talk.say), vectors=vectors or DEFAULT_STORAGE)


def _check_opens(pictures: Sequence[Path]) -> None:
    """Refuse an index of one picture that cannot be used: nothing would be in it."""
    from lookalike.pictures.images import open_image

    if len(pictures) == 1:
        open_image(pictures[0])


def _kept_otherwise(opened: Index, vectors: str | None) -> StoreError:
    from lookalike.indexing.faults import new_index_command

    data = " ".join(shlex.quote(source) for source in opened.sources) or "DATA"
    return StoreError(
        "the index keeps its vectors otherwise",
        where=opened.path,
        saw=f"--vectors {vectors}",
        wanted=f"{opened.store.storage}, which was chosen when it was made",
        do=f"leave --vectors out, or make a new one: {new_index_command(opened.path, data=data)} "
        f"--vectors {vectors}",
    )
