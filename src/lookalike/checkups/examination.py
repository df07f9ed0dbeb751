"""Examine a table before training: open every picture, embed it, and find what is the same picture twice.

A table and a model enter; an Examination leaves, which holds what was found and no verdict. One pass opens
all files, one embeds them; pictures of one colour and byte-equal copies are not compared for likeness. What
ought to be done is decided in findings, and carried out in cleaning.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.description import Description, description_of
from lookalike.checkups.looking import TARGET, Seen, look
from lookalike.checkups.near_duplicates import NONE, SIMILARITY, NearDuplicates, near_duplicates
from lookalike.errors import EvaluationError, ImageError
from lookalike.models.embedding import Embedded, Memory, embed_table, map_in_order
from lookalike.models.model import Model
from lookalike.pictures.images import Box, open_image
from lookalike.pictures.prints import PRINT, grey_print
from lookalike.records import SILENT, Skipped, Watcher
from lookalike.tables.table import ImageTable

Rows = NDArray[np.int64]

FAINT = 3.0  # levels of 0 to 255: colours that spread less are almost one
PREFERRED = ("test", "val", "train")  # where copies are in several splits, the first of these keeps its own


@dataclass(frozen=True)
class Examination:
    """What was found in a table.

    Attributes:
        table: as it was given.
        description: the facts that `describe` tells.
        seen: image to what its file and pixels say; without those that cannot be used.
        usable: [n] bool, rows whose picture, or part of it, can be used.
        boxless: rows whose box lies outside their picture, as Skipped.
        copies: groups of rows with equal content (and box), two or more each, the preferred one first.
        near: pairs that are one picture; of each group of copies the first stands for all.
        model: the name of the model that embedded them.
    """

    table: ImageTable
    description: Description
    seen: Mapping[str, Seen]
    usable: NDArray[np.bool_]
    boxless: tuple[Skipped, ...]
    copies: tuple[tuple[int, ...], ...]
    near: NearDuplicates
    model: str

    @cached_property
    def ids(self) -> list[str]:
        """[n] rows as the table names them, boxes told apart."""
        return [str(name) for name in self.table.ids]

    @cached_property
    def labels(self) -> list[str | None]:
        """[n] labels; None where not known."""
        return self.table.frame["label"].to_list()

    @cached_property
    def splits(self) -> list[str]:
        """[n] splits; empty where there are none."""
        return self.table.frame["split"].to_list() if self.table.has_splits else [""] * len(self.table)


def examine(
    table: ImageTable,
    *,
    model: Model,
    memory: Memory | None = None,
    similarity: float = SIMILARITY,
    watcher: Watcher = SILENT,
) -> Examination:
    """Open, embed and compare all pictures of a table.

    Args:
        table: labelled or not, with splits or without.
        model: whose embeddings propose near-duplicates.
        memory: embeddings of earlier runs by content; None: none are kept.
        similarity: from which on a pair is looked at; the default is measured for the untrained default.
        watcher: told of the stages.
    """
    seen, left_out = look(table, progress=watcher.stage("open pictures"))
    opened = np.flatnonzero([image in seen for image in table.frame["image"]])
    embedded = _embed(model, table.take(opened), memory, watcher)
    rows = opened[embedded.rows] if embedded else np.zeros(0, np.int64)
    usable = np.zeros(len(table), np.bool_)
    usable[rows] = True
    copies = _copies(table, rows, embedded.hashes) if embedded else ()
    near = NONE
    if embedded:
        near = _near(table, seen, rows, embedded, copies=copies, similarity=similarity, watcher=watcher)
    return Examination(
        table=table,
        description=description_of(table, seen, left_out),
        seen=seen,
        usable=usable,
        boxless=embedded.skipped if embedded else (),
        copies=copies,
        near=near,
        model=model.name,
    )


def _embed(model: Model, table: ImageTable, memory: Memory | None, watcher: Watcher) -> Embedded | None:
    """None where nothing can be used, which is for the description to say."""
    if not len(table):
        return None
    try:
        return embed_table(model, table, memory=memory, progress=watcher.stage("embed"))
    except EvaluationError:
        return None


def _copies(table: ImageTable, rows: Rows, hashes: tuple[bytes, ...]) -> tuple[tuple[int, ...], ...]:
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, digest in zip(rows.tolist(), hashes, strict=True):
        groups[digest].append(row)
    ranks = preference(table)
    return tuple(
        tuple(sorted(group, key=lambda row: ranks[row])) for group in groups.values() if len(group) > 1
    )


def preference(table: ImageTable) -> Rows:
    """[n] the place of each row when copies have to give way.

    What has a label comes first, then test, val, train (a test split that others measure on too is best left
    whole), then the table's order.
    """
    order = np.arange(len(table))
    unlabelled = table.frame["label"].is_null().to_numpy()
    splits = np.zeros(len(table), np.int64)
    if table.has_splits:
        splits = np.array([PREFERRED.index(split) for split in table.frame["split"]])
    ranks = np.empty(len(table), np.int64)
    ranks[np.lexsort((order, splits, unlabelled))] = order
    return ranks


def _near(
    table: ImageTable,
    seen: Mapping[str, Seen],
    rows: Rows,
    embedded: Embedded,
    *,
    copies: tuple[tuple[int, ...], ...],
    similarity: float,
    watcher: Watcher,
) -> NearDuplicates:
    repeated = {row for group in copies for row in group[1:]}
    boxes = table.boxes
    images = table.frame["image"].to_list()
    prints = {row: seen[images[row]].print for row in rows.tolist()}
    parts = [(row, box) for row in rows.tolist() if (box := boxes[row]) is not None]
    of_parts = map_in_order(lambda part: _print(table.root / images[part[0]], part[1]), parts)
    prints |= {row: print_ for (row, _), print_ in zip(parts, of_parts, strict=True)}
    kept = [
        place
        for place, row in enumerate(rows.tolist())
        if row not in repeated and np.frombuffer(prints[row], np.uint8).std() >= FAINT
    ]
    return near_duplicates(
        table,
        rows[kept],
        embedded.embeddings.vectors[kept],
        [prints[row] for row in rows[kept].tolist()],
        similarity=similarity,
        watcher=watcher,
    )


def _print(path: Path, box: Box) -> bytes:
    try:
        return grey_print(open_image(path, target=TARGET, box=box))
    except ImageError:
        return bytes(PRINT * PRINT)  # it was there a moment ago; one grey is compared with nothing
