"""The map of an index: where each picture lies for the model, and what is known of it, as one JSON text.

An index enters; texts leave that the page draws from. They are made in the background and kept until the
index changes. Of very many pictures a fair part is on the map, drawn with a seed, and said to be. How vectors
are laid out is the projection's business.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.indexing.index import Index
from lookalike.indexing.store import Store
from lookalike.judging.similarity import Ints
from lookalike.presenting.map_page import whole_places
from lookalike.presenting.projection import Method, Plane, project, require
from lookalike.records import Floats, Watcher
from lookalike.serving.background import Background, Course
from lookalike.serving.map_columns import columns_of, first_column
from lookalike.serving.names import Names
from lookalike.serving.own_connection import own_connection

MOST: Mapping[Method, int] = {"pca": 100_000, "umap": 20_000}  # pictures on the map
SAMPLE = 20_000  # vectors that choose the plane; of more, a fair part
SEED = 0


@dataclass(frozen=True)
class Made:
    """A map.

    Attributes:
        generation: of the index that it is of.
        facts: its parts as JSON texts, by name; "columns" is a list of such texts, by the columns' names.
    """

    generation: int
    facts: Mapping[str, str]
    columns: Mapping[str, str]

    def parts(self, column: str | None) -> dict[str, str]:
        """All of it as JSON texts by name, with one of the columns or all of them."""
        columns = [text for name, text in self.columns.items() if column in (None, name)]
        chosen = self.facts["column"] if column is None else _json(column)
        return {**self.facts, "column": chosen, "columns": f"[{','.join(columns)}]"}


@dataclass(frozen=True)
class Shown:
    """What there is of a map.

    Attributes:
        course: how far a new one is.
        made: the last one that was made; is_old: whether there is none, or the index changed since.
        error: why the last attempt failed.
    """

    is_working: bool
    course: Course
    made: Made | None
    error: Exception | None
    is_old: bool


class Map:
    """The map of an index by each method, made when it is asked for; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._works: dict[Method, Background[Made]] = {
            method: Background(f"map by {method}") for method in MOST
        }

    def show(self, method: Method) -> Shown:
        """The map as far as there is one; begins to make it where there is none, or the index changed.

        A failure is told once; whoever asks again has it made again.

        Raises:
            MissingExtraError: "umap" without umap-learn.
        """
        require(method)
        work = self._works[method]
        with self._lock:
            made, error = work.made, work.take_error()
            is_old = made is None or made.generation != self._index.store.generation()
            if is_old and error is None:
                work.start(lambda watcher: self._make(method, watcher))
            return Shown(work.is_working, work.course, made, error, is_old=is_old)

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the maps that are being made."""
        for work in self._works.values():
            work.wait(seconds)

    def end(self) -> None:
        """Have what is under way end soon; nothing is begun any more."""
        for work in self._works.values():
            work.end()

    def close(self) -> None:
        """The same, and wait for it."""
        self.end()
        for work in self._works.values():
            work.close()

    def _make(self, method: Method, watcher: Watcher) -> Made:
        with own_connection(self._index) as index, index.reading():
            generation = index.store.generation()
            ids, of = _drawn(index.store, most=MOST[method])
            places, share = _places(index.store, ids, method, watcher)
            tell = watcher.stage("read what is known of pictures")
            called = Names(index.store).of(ids.tolist())
            names = [called[number] for number in ids.tolist()]
            columns = columns_of(index.store, ids, names)
            tell(1, 1)
        facts: dict[str, Any] = {
            "ids": ids.tolist(),
            **(whole_places(places) if len(ids) else {"x": [], "y": []}),
            "names": names,
            "method": method,
            "explained": share,
            "sampled": len(ids) < of,
            "of": of,
            "generation": generation,
            "column": first_column(columns),
        }
        return Made(
            generation,
            {name: _json(value) for name, value in facts.items()},
            {
                each.name: _json({"name": each.name, "values": each.values, "codes": each.codes})
                for each in columns
            },
        )


def _drawn(store: Store, *, most: int) -> tuple[Ints, int]:
    """The ids that are on the map, rising, and how many pictures there are."""
    every = store.ids_where("id IN (SELECT id FROM vectors)", ())
    if len(every) <= most:
        return every, len(every)
    chosen = np.random.default_rng(SEED).choice(len(every), most, replace=False)
    return every[np.sort(chosen)], len(every)


def _places(store: Store, ids: Ints, method: Method, watcher: Watcher) -> tuple[Floats, float | None]:
    """[n, 2] places and the share that the plane shows; all in one place where nothing tells them apart."""
    chosen = np.sort(np.random.default_rng(SEED).permutation(len(ids))[:SAMPLE])
    tell = watcher.stage("read vectors")
    some = store.vectors_of_ids(ids[chosen])
    try:
        if method == "umap":
            watcher.stage("lay neighbours beside each other")(0, 0)
            return project(some, method=method, seed=SEED).places, None
        plane = Plane.of(some)
    except EvaluationError:  # fewer than three, or all are equal
        return np.zeros((len(ids), 2), np.float32), None
    if len(some) == len(ids):
        return plane.places(some), plane.share
    places = np.zeros((len(ids), 2), np.float32)
    done = 0
    for block, vectors in store.blocks():
        wanted = np.isin(block, ids, assume_unique=True)
        places[np.searchsorted(ids, block[wanted])] = plane.places(vectors[wanted])
        done += int(wanted.sum())
        tell(done, len(ids))
    return places, plane.share


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)
