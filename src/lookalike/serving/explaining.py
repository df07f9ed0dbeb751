"""Why two pictures are alike, as a picture: one question after the other, as each takes its time.

Items and uploads enter, a PNG leaves. What is drawn is the core's; pictures are decoded by the decoders.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from lookalike.errors import ImageError, SkipReason
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Item
from lookalike.indexing.store import absolute
from lookalike.indexing.stored_items import items
from lookalike.models.explanation import Viewed, explain, viewed
from lookalike.serving.batching import Line
from lookalike.serving.collection import box_of
from lookalike.serving.decoding import Decoders
from lookalike.serving.names import Names
from lookalike.serving.problems import Problem
from lookalike.serving.searcher import no_such_item
from lookalike.serving.unchanged import is_as_indexed
from lookalike.serving.uploads import File

MOST_WAITING = 16

Side = int | File  # an item, or an upload


class Explainer:
    """The thread that explains."""

    def __init__(self, index: Index, decoders: Decoders, names: Names) -> None:
        self._index, self._decoders, self._names = index, decoders, names
        self._line: Line[tuple[Side, Side], bytes] = Line(self._explain, most=1, most_waiting=MOST_WAITING)

    async def explained(self, a: Side, b: Side) -> bytes:
        """Draw which places of two pictures make their similarity, as PNG.

        Raises:
            ImageError: one of them cannot be used.
            Problem: there is no such item, its file is not where it was or not what it was, or too many wait.
        """
        return await self._line.ask((a, b))

    def close(self) -> None:
        """Finish what is being explained."""
        self._line.close()

    def _explain(self, questions: Sequence[tuple[Side, Side]]) -> list[bytes]:
        from lookalike.presenting.plots_explanation import draw_explanation  # loads what draws plots

        pictures = []
        for a, b in questions:
            explanation = explain(self._index.model, self._viewed(a), self._viewed(b))
            buffer = io.BytesIO()
            draw_explanation(explanation).save(buffer, "PNG")
            pictures.append(buffer.getvalue())
        return pictures

    def _viewed(self, side: Side) -> Viewed:
        if isinstance(side, File):
            shown, prepared = self._decoders.viewed(side.content, name=side.name)
            return viewed(side.name, shown, prepared, self._index.model.preprocess)
        name, file, item = self._item(side)
        try:
            shown, prepared = self._decoders.viewed(file, name=name, box=box_of(item))
        except ImageError as error:
            if error.reason != SkipReason.MISSING:
                raise
            raise _gone(side, name) from error
        if not is_as_indexed(item, file):  # asked after reading: what is drawn was meant
            raise _changed(side, name)
        return viewed(name, shown, prepared, self._index.model.preprocess)

    def _item(self, number: int) -> tuple[str, Path, Item]:
        with self._index.reading():
            item = items(self._index.store, [number]).get(number)
            if item is None:
                raise no_such_item(number)
            roots = {root.id: root.path for root in self._index.store.roots()}
            name = self._names.of([number])[number]
        return name, Path(absolute(roots[item.root], item.path)), item


def _gone(number: int, name: str) -> Problem:
    return Problem(
        409,
        "picture_gone",
        f"The picture of item {number}, {name}, is not where it was.",
        "Have the index brought up to date: lookalike index INDEX finds a picture that was moved in its "
        "folder, lookalike index INDEX FOLDER what moved with its folder.",
    )


def _changed(number: int, name: str) -> Problem:
    return Problem(
        409,
        "picture_changed",
        f"The picture of item {number}, {name}, has changed since it was indexed.",
        "Have the index brought up to date, which takes it up again: lookalike index INDEX",
    )
