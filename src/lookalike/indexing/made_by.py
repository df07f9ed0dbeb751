"""Which model an index was made by: noted, checked, found again where it was noted, or asked for.

A store and perhaps a model enter; the model whose embeddings the store holds leaves. What an index does with
it is the index's business.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from lookalike.errors import ModelError, StoreError
from lookalike.indexing.faults import new_index_command
from lookalike.indexing.schema import Writer
from lookalike.indexing.store import Store
from lookalike.indexing.vector_rows import VECTORS, VectorStorage
from lookalike.models.model import DEFAULT, Model, cache_folder
from lookalike.models.shortening import shorten


def facts_of(model: Model, *, created: datetime | None, vectors: VectorStorage) -> dict[str, str]:
    """What a new index notes of its model and of itself; `created` None is now."""
    return {
        "fingerprint": model.fingerprint,
        "dim": str(model.dim),
        "model": absolute_path(model.folder),
        "model_name": model.name,
        "created": (created or datetime.now(UTC)).isoformat(timespec="seconds"),
        VECTORS: vectors,
    }


def check_model(store: Store, model: Model) -> None:
    """Refuse a model that did not make the index.

    Raises:
        StoreError: another one did.
    """
    meta = store.meta()
    if meta["fingerprint"] == model.fingerprint:
        return
    data = " ".join(shlex.quote(root.source) for root in store.roots()) or "DATA"
    raise StoreError(
        "the index was made by another model",
        where=store.path,
        saw=f"model {model.name}, fingerprint {model.fingerprint[:12]}",
        wanted=f"model {meta['model_name']}, fingerprint {meta['fingerprint'][:12]}",
        do=f"use that model, or embed again: {new_index_command(store.path, data=data)} "
        f"--model {shlex.quote(str(model.folder))}",
    )


def find_model(store: Store, *, say: Callable[[str], None] = lambda _: None) -> Model:
    """The model that made an index, where it was last noted.

    Args:
        say: told where something is done that takes its time.

    Raises:
        StoreError: it is not there, or was trained again since.
    """
    meta = store.meta()
    folder = Path(meta["model"])
    try:
        model, dim = Model.load(folder), int(meta["dim"])
        found = shorten(model, dim) if dim in model.dimensions else model
    except ModelError as error:
        if not folder.is_relative_to(absolute_path(cache_folder())):
            raise StoreError(
                "the index's model cannot be opened",
                where=folder,
                saw=f"{error.what} ({error.saw})",
                wanted=f"fingerprint {meta['fingerprint'][:12]}",
                do=f"say where it is now: lookalike index {shlex.quote(str(store.path))} --model FOLDER",
            ) from error
        found = Model.load(DEFAULT, say=say)  # a cache may be emptied
    check_model(store, found)
    return found


def note_folder(store: Store, writer: Writer, model: Model) -> None:
    """A model that was moved and given by its new place is found there from now on."""
    folder = absolute_path(model.folder)
    if folder != store.meta()["model"]:
        writer.note("model", folder)


def absolute_path(path: str | Path) -> str:
    """A path from the root on; links are left as they are."""
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute() keeps ".."
