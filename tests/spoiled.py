"""Indexes that something is wrong with, for tests of what finds and mends it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

from album import Album
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Decision
from lookalike.models.embedding import content_hash
from lookalike.records import Look

PAGE = 4096
MADE = "2026-01-01T00:00:00+00:00"


def closed_album(place: Path, *, pictures: int = 30) -> Album:
    """An album that is indexed and closed, with a look of each picture and a decision about two."""
    album = Album(place)
    for n in range(pictures):
        album.write(f"{n:03}.png")
    album.update()
    hashes = [content_hash(f"{n:03}.png".encode()) for n in range(pictures)]
    with album.index._store.writing() as writer:
        writer.apply(Changes(looks=[(digest, Look(4, 3, "PNG", 7, False, bytes(256))) for digest in hashes]))
        writer.decide([Decision.of(hashes[0], hashes[1], "keep-both", made=MADE)])
    album.index.close()
    return album


def opened_again(album: Album) -> Album:
    """The same album with its index open."""
    album.index = Index.open(album.path, model=album.model)
    return album


def spoil(path: Path, *statements: str) -> None:
    """Change an index as no program of ours would."""
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


def tear(path: Path, change: Callable[[bytearray], bytes | bytearray]) -> None:
    """Change the bytes of a file."""
    path.write_bytes(change(bytearray(path.read_bytes())))


def without_pages(content: bytearray, first: int, last: int | None = None) -> bytearray:
    """Zeros in place of pages, counted from 0."""
    pages = len(content) // PAGE if last is None else last
    content[first * PAGE : pages * PAGE] = bytes((pages - first) * PAGE)
    return content
