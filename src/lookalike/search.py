"""Pictures as queries: each is embedded and answered from an index, or reported as unusable.

Files or item ids enter, Hits leave in the same order. A query is never in its own answer: items with the same
content as the query, and items of the query's own file, are left out by identity, not by rank. How hits are
shown is the door's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from lookalike.indexing.index import Index
from lookalike.indexing.selection import ALL, Selection
from lookalike.indexing.upkeep import Embed
from lookalike.models.embedding import Chunk, embed_chunks, without_bad_names
from lookalike.models.model import DEFAULT
from lookalike.records import Hits, Skipped

BATCH = 256  # queries searched at once


def search_images(
    index: Index,
    queries: Sequence[str | Path],
    *,
    k: int = 10,
    copies: bool = False,
    threshold: str = DEFAULT,
    selection: Selection = ALL,
    embed: Embed | None = None,
) -> Iterator[Hits | Skipped]:
    """Answer each picture with the k most alike pictures of an index.

    Copies of a query, byte for byte, are the same thing as the query: they are left out too, unless they are
    asked for. The query's own file never is an answer.

    Args:
        queries: files, inside the index or not; one that the index knows is not decoded.
        k: answers wanted, >= 1; an index with fewer items gives fewer.
        copies: answer with copies of the query too.
        threshold: the name of one of the model's thresholds.
        selection: what an answer has to be, beside being alike.
        embed: the embedder; None is the index's model.

    Yields:
        One entry per query, in input order: its Hits, or why it could not be used.

    Raises:
        StoreError: the index is damaged, its model is not to be found, or the selection is not understood.
        ModelError: the model has no such threshold.
    """
    answer = partial(_answer, index, k=k, copies=copies, threshold=threshold, selection=selection)
    files = [Path(query) for query in queries]
    embed = embed if embed is not None else partial(embed_chunks, index.model)
    held: list[Chunk] = []
    chunks = embed(files, boxes=[None] * len(files), memory=index.memory())
    for chunk in without_bad_names(chunks, files):
        held.append(chunk)
        if sum(len(part.rows) for part in held) >= BATCH:
            yield from answer(files, held)
            held = []
    yield from answer(files, held)


def search_ids(index: Index, ids: Sequence[int], *, k: int = 10, selection: Selection = ALL) -> list[Hits]:
    """Answer each item with the k most alike other items; its copies are left out as well.

    Raises:
        StoreError: an id is not in the index, or the selection is not understood.
    """
    if not ids:
        return []
    items = [index.item(number) for number in ids]
    return index.search(
        np.stack([vector for _, vector in items]),
        k=k,
        names=[facts.path for facts, _ in items],
        leave_out=[index.same_content(facts.hash) for facts, _ in items],
        selection=selection,
    )


def _answer(
    index: Index,
    files: Sequence[Path],
    chunks: Sequence[Chunk],
    *,
    k: int,
    copies: bool,
    threshold: str,
    selection: Selection,
) -> Iterator[Hits | Skipped]:
    answers: dict[int, Hits | Skipped] = {row: entry for chunk in chunks for row, entry in chunk.skipped}
    rows = [int(row) for chunk in chunks for row in chunk.rows]
    if rows:
        hashes = [content for chunk in chunks for content in chunk.hashes]
        found = index.search(
            np.concatenate([chunk.vectors for chunk in chunks]),
            k=k,
            names=[str(files[row]) for row in rows],
            leave_out=[
                index.same_content(None if copies else content, files[row])
                for row, content in zip(rows, hashes, strict=True)
            ],
            threshold=threshold,
            selection=selection,
        )
        answers.update(zip(rows, found, strict=True))
    return (answers[row] for row in sorted(answers))
