"""Answers questions of many requests together: pictures are embedded, and searched for, in batches.

Questions of coroutines enter, Hits with public names leave. A batch is one call of the verb that the command
line and Python call too; what a question may say is checked elsewhere.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.attribute_search import search_attributes, search_composed
from lookalike.composing import Given, Weighed
from lookalike.errors import ImageError
from lookalike.hits import Hits
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.models.embedding import CHUNK, content_hash
from lookalike.queries import given_items
from lookalike.records import Pixels, Skipped
from lookalike.search import search_images, search_together
from lookalike.serving.batching import Line
from lookalike.serving.decoding import Decoders
from lookalike.serving.names import Names
from lookalike.serving.observing import Metrics
from lookalike.serving.problems import Problem
from lookalike.serving.uploads import File

TOGETHER = 64  # questions that are searched for at once

Options = tuple[tuple[str, Any], ...]  # of a verb of the core, by name


@dataclass(frozen=True, slots=True)
class Among:
    """What an answer has to be: as a Selection, with the folder's public name."""

    where: str
    folder: str
    lowest: float
    highest: float


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture of a question: an item by its id, or what was made of an upload."""

    picture: int | Given
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the index.

    Attributes:
        pictures: none, one or several; they are one query.
        attributes: what is stated beside them, or alone; None: nothing.
        is_combined: whether the pictures are weighed against each other; one picture alone has verdicts.
        among: what an answer has to be.
        options: further ones of the verb that answers.
    """

    pictures: tuple[Entry, ...]
    attributes: str | None
    is_combined: bool
    among: Among
    options: Options

    @property
    def items(self) -> tuple[int, ...]:
        """The items among its pictures, by id."""
        return tuple(entry.picture for entry in self.pictures if not isinstance(entry.picture, Given))

    @property
    def contents(self) -> tuple[bytes, ...]:
        """The content hashes of the uploads among its pictures."""
        given = (entry.picture for entry in self.pictures if isinstance(entry.picture, Given))
        return tuple(picture.content for picture in given if picture.content is not None)

    @property
    def kind(self) -> tuple[object, ...]:
        """Questions of equal kinds are answered by one call; attributes alone are a call of their own."""
        alone = id(self) if not self.pictures else 0
        return self.attributes, self.is_combined, self.among, self.options, alone


@dataclass(frozen=True, slots=True)
class _Opened:
    """An upload that the index does not know, as the model takes it: pixels [size, size, 3]."""

    name: str
    digest: bytes
    pixels: Pixels


@dataclass(frozen=True, slots=True)
class Found:
    """An answer whose texts hold no path.

    Attributes:
        hits: as the core gives them; what has a path there has its name in `names`.
        names: of items by id.
        nothing: as of the hits, with a name.
        known: the items with the content of one of the question's uploads, rising.
    """

    hits: Hits
    names: Mapping[int, str]
    nothing: str
    known: tuple[int, ...]


class Searcher:
    """The threads that embed and search for all requests.

    Args:
        follow: called before questions are answered, so that they are by the thresholds of now.
    """

    def __init__(
        self,
        index: Index,
        decoders: Decoders,
        names: Names,
        metrics: Metrics,
        *,
        follow: Callable[[], None] = lambda: None,
        threads: int | None = None,
    ) -> None:
        self._index, self._decoders, self._names, self._metrics = index, decoders, names, metrics
        self._follow = follow
        self._waiting = {"decoding": 0, "embedding": 0, "searching": 0}
        threads = threads or os.cpu_count() or 1
        self._decoding: Line[File, Given | _Opened] = Line(
            self._open, threads=threads, most=1, waiting=partial(self._tell_waiting, "decoding")
        )
        self._embedding: Line[_Opened, Given] = Line(
            self._embed,
            threads=threads,
            most=CHUNK,
            waiting=partial(self._tell_waiting, "embedding"),
            batch=metrics.batch,
        )
        self._searching: Line[Question, Found] = Line(
            self._search,
            kind=lambda question: question.kind,
            most=TOGETHER,
            waiting=partial(self._tell_waiting, "searching"),
            batch=metrics.batch,
        )

    async def embedded(self, files: Sequence[File]) -> list[Given | ImageError]:
        """Uploads as pictures to ask by, or why they cannot be; one that the index knows is not decoded.

        Raises:
            Problem: too many wait already.
        """
        found = await asyncio.gather(*map(self._embedded, files), return_exceptions=True)
        for entry in found:
            if isinstance(entry, BaseException) and not isinstance(entry, ImageError):
                raise entry
        return [entry for entry in found if isinstance(entry, Given | ImageError)]

    async def found(self, question: Question) -> Found:
        """Answer a question.

        Raises:
            Problem: there is no such item, or too many wait already.
            LookalikeError: as of the verb.
        """
        return await self._searching.ask(question)

    def items(self, ids: Iterable[int]) -> dict[int, Given]:
        """Those of the items that exist, by id, called by their names; from a thread."""
        with self._index.reading():
            known = sorted(self._index.contents(sorted(set(ids))))
            if not known:
                return {}
            given, names = given_items(self._index, known), self._names.of(known)
        return {item: replace(each, name=names[item]) for item, each in zip(known, given, strict=True)}

    def close(self) -> None:
        """Finish what is being answered."""
        self._decoding.close()
        self._embedding.close()
        self._searching.close()

    def _tell_waiting(self, line: str, count: int) -> None:
        self._waiting[line] = count
        self._metrics.waiting(sum(self._waiting.values()))

    async def _embedded(self, file: File) -> Given:
        opened = await self._decoding.ask(file)
        return opened if isinstance(opened, Given) else await self._embedding.ask(opened)

    def _open(self, files: Sequence[File]) -> list[Given | _Opened | Exception]:
        memory, opened = self._index.memory(), list[Given | _Opened | Exception]()
        for file in files:
            digest = content_hash(file.content)
            known = memory.get(digest)
            if known is not None:
                opened.append(Given(file.name, known, digest))
                continue
            try:
                pixels = self._decoders.pixels(file.content, name=file.name)
                opened.append(_Opened(file.name, digest, pixels))
            except ImageError as error:
                self._metrics.undecoded(error.reason.value)
                opened.append(error)
        return opened

    def _embed(self, opened: Sequence[_Opened]) -> list[Given]:
        vectors = self._index.model.embed_pixels(np.stack([each.pixels for each in opened]))
        return [Given(each.name, vector, each.digest) for each, vector in zip(opened, vectors, strict=True)]

    def _search(self, questions: Sequence[Question]) -> list[Found | Exception]:
        self._follow()
        with self._index.reading():
            items = self.items(item for question in questions for item in question.items)
            asked = [question for question in questions if items.keys() >= set(question.items)]
            hits = list(self._hits(asked, items)) if asked else []
            names = self._names.of({item for answer in hits for item in _mentioned(answer)})
            same = self._index.store.ids_by_content(
                {text for question in asked for text in question.contents}
            )
        found = {
            id(question): _named(
                answer, names, known={item for text in question.contents for item in same[text]}
            )
            for question, answer in zip(asked, hits, strict=True)
        }
        return [
            found.get(id(question)) or no_such_item(min(set(question.items) - items.keys()))
            for question in questions
        ]

    def _hits(self, questions: Sequence[Question], items: Mapping[int, Given]) -> Iterator[Hits]:
        """One answer for each of some questions of one kind."""
        first = questions[0]
        options = {**dict(first.options), "selection": self._selection(first.among)}
        asked = [[_weighed(entry, items) for entry in question.pictures] for question in questions]
        return (answer for answer in self._asked(first, asked, options) if isinstance(answer, Hits))

    def _asked(
        self, first: Question, asked: Sequence[Sequence[Weighed]], options: Mapping[str, Any]
    ) -> Iterable[Hits | Skipped]:
        index, stated = self._index, first.attributes
        if first.is_combined:
            combined = [[(entry.picture, entry.weight) for entry in entries] for entries in asked]
            if stated is None:
                return search_together(index, combined, **options)
            return search_composed(index, combined, stated, **options)
        if not first.pictures:
            return [search_attributes(index, stated or "", **options)]
        pictures = [entries[0].picture for entries in asked]
        if stated is None:
            return search_images(index, pictures, **options)
        return search_composed(index, pictures, stated, **options)

    def _selection(self, among: Among) -> Selection:
        folder: Path | None = self._names.folder(among.folder) if among.folder else None
        return Selection(among.where, folder, among.lowest, among.highest)


def no_such_item(number: int) -> Problem:
    """The answer to who asks for an item that is not there."""
    return Problem(
        404, "no_such_item", f"The index has no item {number}.", "GET /v1/items lists the items there are."
    )


def _weighed(entry: Entry, items: Mapping[int, Given]) -> Weighed:
    picture = entry.picture if isinstance(entry.picture, Given) else items[entry.picture]
    return Weighed(picture, entry.weight)


def _mentioned(answer: Hits) -> Iterator[int]:
    """The items that an answer names."""
    yield from (hit.id for hit in answer.hits)
    if answer.nearest is not None:
        yield answer.nearest.id


def _named(answer: Hits, names: Mapping[int, str], *, known: Iterable[int]) -> Found:
    nothing, nearest = answer.nothing, answer.nearest
    if nearest is not None:
        nothing = nothing.removesuffix(nearest.path) + names[nearest.id]
    return Found(answer, names, nothing, tuple(sorted(known)))
