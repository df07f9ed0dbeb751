"""Give pictures to an index one by one, and take items out of it.

Contents, or pictures that are embedded already, enter; items leave that are durable: their files lie in a
folder beside the index, with a manifest that is one of its sources, so that bringing the index up to date
keeps them and their labels. A content that any item has is not added again. No file of a user is changed.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike.errors import ImageError, LookalikeError, StoreError
from lookalike.indexing.added_folder import AddedFolder, Entry, name_of
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item, Root, Writer
from lookalike.indexing.store import Store
from lookalike.indexing.stored_items import items, places
from lookalike.indexing.upkeep import Update
from lookalike.models.embedding import content_hash, map_in_order
from lookalike.models.model import Model
from lookalike.pictures.finding import bad_name
from lookalike.pictures.images import open_picture, read_image, skipped
from lookalike.pictures.preprocess import prepare
from lookalike.pictures.prints import look_of
from lookalike.records import Embeddings, Floats, Look, Skipped

LONGEST_LABEL = 255
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_FRACTION = re.compile(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?")  # that no manifest takes for a class


@dataclass(frozen=True, slots=True)
class Seen:
    """A picture that was decoded and embedded: its file's content and hash, its vector [d], its look.

    Attributes:
        called: the name of its file where it came from; empty: not known.
    """

    content: bytes
    hash: bytes
    vector: Floats
    look: Look
    called: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """The item that has a content, and whether it is new."""

    id: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class Added:
    """What became of pictures.

    Attributes:
        added: ids of the new items; known: ids of items that had such a content before; both in the order of
            the pictures, each once.
        skipped: what cannot be used, with the reason; a content has no name but its place, from 0.
    """

    added: tuple[int, ...]
    known: tuple[int, ...]
    skipped: tuple[Skipped, ...] = ()


def add_pictures(index: Index, pictures: Sequence[Path | bytes], *, label: str | None = None) -> Added:
    """Add pictures to an index, copied to a folder beside it; durable when this returns.

    Args:
        pictures: files, or the contents of files.
        label: what they show, for all of them; None: not known.

    Raises:
        BusyError: another process writes to the index.
        StoreError: the label cannot be kept, the disk is full or fails, or the model is not to be found.
        LookalikeError: nothing can be written beside the index.
    """
    label, model = checked_label(label), index.model

    def see(numbered: tuple[int, Path | bytes]) -> Seen | Skipped | int:
        number, picture = numbered
        try:
            content = picture if isinstance(picture, bytes) else read_image(picture)
            known = index.same_content(content_hash(content))
            called = "" if isinstance(picture, bytes) else picture.name
            return known[0] if known else _see(model, content, called=called)
        except ImageError as error:
            return skipped(error, str(number) if isinstance(picture, bytes) else picture)

    seen = list(map_in_order(see, list(enumerate(pictures))))
    stored = store_pictures(index, [entry for entry in seen if isinstance(entry, Seen)], label=label)
    ids = {
        stored[entry.hash] if isinstance(entry, Seen) else Stored(entry, is_new=False): None
        for entry in seen
        if not isinstance(entry, Skipped)
    }
    return Added(
        added=tuple(entry.id for entry in ids if entry.is_new),
        known=tuple(entry.id for entry in ids if not entry.is_new),
        skipped=tuple(entry for entry in seen if isinstance(entry, Skipped)),
    )


def store_pictures(index: Index, pictures: Sequence[Seen], *, label: str | None) -> dict[bytes, Stored]:
    """Add pictures that are embedded already, all of them or, where anything fails, none.

    Args:
        label: as `checked_label` gives it.

    Returns:
        For each content's hash the item that has it now; durable.

    Raises:
        BusyError: another process writes to the index.
        StoreError: a vector is not one of the index's model, the disk is full or fails.
        LookalikeError: nothing can be written beside the index.
    """
    store, contents = index.store, {picture.hash: picture for picture in pictures}
    _check_vectors(store, [picture.vector for picture in pictures])
    if not contents:
        return {}
    with store.writing() as writer:
        known = _ids(store, contents)
        new = [picture for content, picture in contents.items() if content not in known]
        is_new_source = bool(new) and _store(store, writer, new, label)
        ids = _ids(store, contents)
    if is_new_source:
        with suppress(LookalikeError):  # what was added is there; the rest of an older manifest can wait
            finish_adding(index)
    return {content: Stored(ids[content], content not in known) for content in contents}


def remove_items(index: Index, ids: Collection[int]) -> int:
    """Take items out of an index; their files stay where they are.

    A picture that `add_pictures` added stays out. One that lies in an indexed folder comes back when that
    folder is indexed again, unless its file is gone by then.

    Returns:
        The number of items that were removed.

    Raises:
        BusyError: another process writes to the index.
        StoreError: the disk is full or fails; then nothing was removed.
    """
    store, folder = index.store, AddedFolder(index.path)
    with store.writing() as writer:
        removals, own = list(items(store, ids).values()), _root_of(store, folder)
        listed = {item.path for item in removals if own is not None and item.root == own.id}
        if own is not None and listed and folder.is_all(listed):
            with writer.together():
                writer.apply(Changes(removals=removals))
                writer.drop_root(own.id)  # a manifest without a row is none
            folder.clear()
        else:
            with folder.unlisting(listed):
                writer.apply(Changes(removals=removals))
    return len(removals)


def finish_adding(index: Index) -> Update | None:
    """Do the rest of what a process that was killed had begun to add; None: there was nothing to do.

    Raises:
        BusyError: another process writes to the index.
        TableError: somebody wrote into the manifest what is none.
        StoreError: as of `Index.update`.
    """
    from lookalike.tables.table import ImageTable  # not above: a search needs no tables

    store, folder = index.store, AddedFolder(index.path)
    own = _root_of(store, folder)
    if own is None or not folder.manifest.is_file():
        return None
    with store.writing():
        folder.mend()
    table = ImageTable.read(folder.manifest)
    known = {path for _, path, _ in places(store, own.id)} | {entry.path for entry in store.unusable(own.id)}
    rest = [image for image in table.frame["image"] if image not in known]
    if not any((folder.path / image).is_file() for image in rest):
        return None
    return index.update(table, source=folder.manifest)


def checked_label(label: str | None) -> str | None:
    """A label as an index keeps it, without spaces around it; None where nothing is left.

    Raises:
        StoreError: no manifest could say it.
    """
    text = (label or "").strip()
    if not text:
        return None
    flaw = bad_name(text) or ("it has control characters" if _CONTROL.search(text) else "")
    if len(text) > LONGEST_LABEL:
        flaw = f"{len(text):,} letters"
    if _FRACTION.fullmatch(text):
        flaw = "a number with a decimal point"
    if flaw:
        raise StoreError(
            "the label cannot be kept",
            where="label",
            saw=flaw,
            wanted=f"a name, or a whole number, of at most {LONGEST_LABEL} letters",
            do="give another label",
        )
    return text


def _see(model: Model, content: bytes, *, called: str) -> Seen:
    picture = open_picture(content, target=model.preprocess.decode_target)
    vector = model.embed_pixels(prepare(picture.pixels, model.preprocess)[None])[0]
    return Seen(content, content_hash(content), vector, look_of(picture, content), called)


def _ids(store: Store, contents: Collection[bytes]) -> dict[bytes, int]:
    """The first item with each content that any item has."""
    return {content: ids[0] for content in contents if (ids := store.ids_of(content))}


def _store(store: Store, writer: Writer, pictures: Sequence[Seen], label: str | None) -> bool:
    """Store pictures that no item has; whether the folder beside the index is a source only now."""
    folder = AddedFolder(store.path)
    own = _root_of(store, folder)
    entries = [Entry(_file_name(each), each.content, label) for each in pictures]
    with folder.keeping(entries), writer.together():
        root = own.id if own is not None else writer.add_root(str(folder.path), str(folder.manifest))
        puts = []
        for entry, each in zip(entries, pictures, strict=True):
            facts = (folder.path / entry.name).stat()
            item = Item(root, entry.name, "", facts.st_size, facts.st_mtime_ns, each.hash, label, "{}")
            puts.append((item, each.vector))
        writer.apply(Changes(puts=puts, looks=[(each.hash, each.look) for each in pictures]))
    return own is None


def _file_name(picture: Seen) -> str:
    return name_of(picture.hash, picture.content, picture.look.format, called=picture.called)


def _root_of(store: Store, folder: AddedFolder) -> Root | None:
    source = str(folder.manifest)
    return next((root for root in store.roots() if root.source == source), None)


def _check_vectors(store: Store, vectors: Sequence[Floats]) -> None:
    try:
        Embeddings(np.arange(len(vectors)), np.array(vectors, np.float32).reshape(-1, store.dim))
    except ValueError as error:
        raise StoreError(
            "the model gave vectors that cannot be stored",
            where=store.path,
            saw=str(error),
            wanted=f"{store.dim} finite values of unit length",
            do="train or export the model again; nothing was added",
        ) from error
