"""Mending an index: what was derived is made again from the files, and nothing that is a person's is removed.

An inspection enters; the index is changed, or, where its file is beyond mending, saved into a new one; what
was done leaves as sentences. Damaged vectors are dropped and their pictures marked, so that an update embeds
them; that is done here too where the model is there and the files are as they were.
"""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lookalike.checkups.findings import Verdict, count
from lookalike.errors import LookalikeError, ModelError, StoreError
from lookalike.indexing.base_upkeep import mend_base
from lookalike.indexing.database import open_writer, transaction
from lookalike.indexing.made_by import check_model, find_model
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.store import Store, absolute
from lookalike.indexing.upkeep import Embed
from lookalike.indexing.vector_rows import VECTORS
from lookalike.mending.findings_rows import UNSOUND_FACTS, UNSOUND_LOOKS, Opened, true_shape, unsound_vectors
from lookalike.mending.inspection import Inspection, opened_of
from lookalike.mending.salvage import MARKED, Salvaged, new_place, salvage
from lookalike.mending.vector_shape import Shape
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import Model
from lookalike.models.shortening import shorten
from lookalike.pictures.images import Box
from lookalike.records import SILENT, Watcher

BATCH = 1024  # pictures stored at once

_IN_FILE = frozenset({"shape", "facts", "vectors", "unembedded", "orphans", "looks"})
_FORGET_FACTS = f"""UPDATE items SET hash = randomblob(16), label = NULL, attributes = '{{}}',
box = CAST(box AS TEXT), size = ?, mtime_ns = ? WHERE {UNSOUND_FACTS}"""  # noqa: S608
_DROP_LOOKS = f"DELETE FROM looks WHERE {UNSOUND_LOOKS} OR hash NOT IN (SELECT hash FROM items)"  # noqa: S608


@dataclass
class Repair:
    """What was mended.

    Attributes:
        path: the index to go on with: a new file where the old one is beyond mending.
        done: what was done, a sentence each.
        command: what to type next; empty where nothing is left to do.
    """

    path: Path
    done: list[str] = field(default_factory=list)
    command: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values under stable keys."""
        return {"index": str(self.path), "done": self.done, "command": self.command}

    def lines(self) -> list[str]:
        """The same as text."""
        told = [f"mended  {sentence}" for sentence in self.done or ["nothing had to be"]]
        return [*told, *([f"      -> go on with: {self.command}"] if self.command else [])]


def repair(
    inspection: Inspection,
    *,
    model: Model | None = None,
    embed: Embed | None = None,
    watcher: Watcher = SILENT,
) -> Repair:
    """Mend what an inspection found.

    Args:
        model: the model that made the index; None: the one that it names.
        embed: the embedder; None is the model's.
        watcher: told of the stages.

    Raises:
        StoreError: another process writes, the disk is full, read-only or fails, nothing can be saved, or the
            model does not agree with the vectors on how long they are, where the index notes it wrongly.
    """
    path = inspection.path
    beyond = inspection.beyond_mending
    mended = _saved(path, model, watcher) if beyond else _mended(inspection, model, watcher)
    _embed_marked(mended, model, embed, watcher)
    _mend_base(mended, inspection)
    if mended.path != path:
        mended.done.append(f"{path} is as it was; use {mended.path} in its place")
    return mended


def _saved(path: Path, model: Model | None, watcher: Watcher) -> Repair:
    new = new_place(path)
    saved = salvage(path, new, model=model, watcher=watcher)
    told = f"{_share(saved)}, {saved.vectors:,} of them with their vectors"
    done = [f"saved into {new}: {told}, and {count(saved.decisions, 'decision')}"]
    for pictures, example in saved.lost:
        left = f"{count(pictures, 'picture')} of it, such as {example}, left out"
        done.append(f"a source cannot be told any more, {left}: index it again by its folder or manifest")
    if saved.given - sum(pictures for pictures, _ in saved.lost) > saved.vectors:
        done.append("what could not be read is embedded from its files by the next update")
    return Repair(new, done, f"lookalike index {shlex.quote(str(new))}{'' if saved.sources else ' DATA'}")


def _share(saved: Salvaged) -> str:
    if saved.given == saved.items:
        return count(saved.items, "picture")
    return f"{saved.items:,} of {'at most ' if saved.torn else ''}{saved.given:,} pictures"


def _mended(inspection: Inspection, model: Model | None, watcher: Watcher) -> Repair:
    """Drop what cannot be trusted and mark the pictures that have to be embedded, in one transaction."""
    path, mended = inspection.path, Repair(inspection.path)
    if all(found.verdict is Verdict.OK for found in inspection.findings if found.name in _IN_FILE):
        return mended
    with open_writer(path) as connection:
        opened = opened_of(path, connection, watcher)
        with transaction(connection):
            # before all else: what is dropped belongs to the new generation, and open searches notice it
            connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
            _correct_shape(opened, model, mended)
            _drop(opened, mended)
    return mended


def _correct_shape(opened: Opened, model: Model | None, mended: Repair) -> None:
    """Note of the vectors what they are; how long they are only where the model says so too."""
    found, dim = true_shape(opened), opened.meta["dim"]
    if found is None or (str(found.dim), found.storage) == (dim, opened.meta.get(VECTORS, found.storage)):
        return
    if str(found.dim) != dim and not _gives(opened, model, found):
        name = shlex.quote(str(opened.path))
        raise StoreError(
            "the note of how long a vector is is wrong, and the model does not say what is right",
            where=opened.path,
            saw=f"{dim} noted, vectors of {found.in_words()}",
            wanted=f"a model of {found.dim} values, fingerprint {opened.meta['fingerprint'][:12]}",
            do=f"say where it is: lookalike doctor {name} --repair --model FOLDER; or restore a backup",
        )
    for key, value in (("dim", str(found.dim)), (VECTORS, found.storage)):
        _change(opened, "INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)
    mended.done.append(f"noted what the vectors are: {found.in_words()}")


def _gives(opened: Opened, model: Model | None, shape: Shape) -> bool:
    """Whether the index's model gives such vectors."""
    try:
        whole = model or Model.load(opened.meta["model"])
    except ModelError:
        return False
    fits = whole.dim != shape.dim and shape.dim in whole.dimensions
    found = shorten(whole, shape.dim) if fits else whole
    return (found.dim, found.fingerprint) == (shape.dim, opened.meta["fingerprint"])


def _drop(opened: Opened, mended: Repair) -> None:
    bad = [item for item, _ in unsound_vectors(opened)]
    _tell(
        mended, _delete(opened, "vectors", bad), "damaged vector was dropped", "damaged vectors were dropped"
    )
    orphans = _change(opened, "DELETE FROM vectors WHERE id NOT IN (SELECT id FROM items)")
    _tell(mended, orphans, "vector of no picture was removed", "vectors of no picture were removed")
    nameless = _change(opened, "DELETE FROM items WHERE typeof(path) != 'text' OR path = ''")
    _tell(mended, nameless, "picture without a name was removed", "pictures without a name were removed")
    facts = _change(opened, _FORGET_FACTS, MARKED, MARKED)
    _tell(mended, facts, "picture's facts will be read again", "pictures' facts will be read again")
    looks = _change(opened, _DROP_LOOKS)
    _tell(mended, looks, "look of no use was removed", "looks of no use were removed")
    marked = _change(
        opened,
        "UPDATE items SET size = ?, mtime_ns = ? WHERE id NOT IN (SELECT id FROM vectors) AND size >= 0",
        MARKED,
        MARKED,
    )
    _tell(mended, marked, "picture has to be embedded again", "pictures have to be embedded again")


def _delete(opened: Opened, table: str, ids: list[int]) -> int:
    statement = f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))"  # noqa: S608
    return _change(opened, statement, json.dumps(ids)) if ids else 0


def _change(opened: Opened, statement: str, *values: object) -> int:
    return opened.connection.execute(statement, values).rowcount


def _tell(mended: Repair, number: int, one: str, several: str) -> None:
    if number:
        mended.done.append(count(number, one, several))


def _embed_marked(mended: Repair, model: Model | None, embed: Embed | None, watcher: Watcher) -> None:
    """Embed the marked pictures whose files are as they were; the others wait for the next update."""
    store = Store(mended.path)
    try:
        marked = _marked(store)
        if marked and (embedder := embed or _embedder(store, model, mended)) is not None:
            _embed(store, marked, embedder, watcher)
        left = len(_marked(store))
    finally:
        store.close()
    if len(marked) > left:
        mended.done.append(f"{count(len(marked) - left, 'picture')} embedded again")
    if left:
        why = "the file or the model is not as it was"
        mended.done.append(f"{count(left, 'picture')} left for the next update: {why}")
        mended.command = f"lookalike index {shlex.quote(str(mended.path))}"


def _marked(store: Store) -> list[tuple[Item, str]]:
    """The marked items and their files."""
    with store.reading():
        return [
            (item, absolute(root.path, item.path))
            for root in store.roots()
            for item in store.items(root.id)
            if item.size < 0
        ]


def _embedder(store: Store, model: Model | None, mended: Repair) -> Embed | None:
    try:
        if model is not None:
            check_model(store, model)
        return partial(embed_chunks, model or find_model(store))
    except LookalikeError as error:
        mended.done.append(f"nothing could be embedded: {error}")
        return None


def _embed(store: Store, marked: list[tuple[Item, str]], embed: Embed, watcher: Watcher) -> None:
    tell = watcher.stage("embed again")
    with store.writing() as writer:
        for start in range(0, len(marked), BATCH):
            there = [(item, Path(file), _stamp(file)) for item, file in marked[start : start + BATCH]]
            puts = []
            files, boxes = [file for _, file, _ in there], [_box(item.box) for item, _, _ in there]
            for chunk in embed(files, boxes=boxes, memory=None):
                for row, digest, vector in zip(chunk.rows.tolist(), chunk.hashes, chunk.vectors, strict=True):
                    item, _, stamp = there[row]
                    if stamp is not None and digest == item.hash:  # else the update says what it is now
                        puts.append((replace(item, size=stamp[0], mtime_ns=stamp[1]), vector))
            writer.apply(Changes(puts=puts))
            tell(start + len(there), len(marked))


def _stamp(file: str) -> tuple[int, int] | None:
    """Size and time, asked for before the content is read: a change after that is seen by the next update."""
    try:
        facts = os.stat(file)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns


def _box(text: str) -> Box | None:
    if not text:
        return None
    left, top, right, bottom = map(int, text.split(","))
    return left, top, right, bottom


def _mend_base(mended: Repair, inspection: Inspection) -> None:
    found = inspection.finding("base")
    if mended.path == inspection.path and found is not None and found.verdict is Verdict.OK:
        return
    store = Store(mended.path)
    try:
        mended.done += mend_base(store)
    finally:
        store.close()
