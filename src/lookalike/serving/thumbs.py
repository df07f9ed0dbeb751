"""Small copies of the index's pictures, by id: made once, kept in memory as far as it is given, and tagged.

An item's id and a size enter; a JPEG leaves, with a tag that changes when the item's content does. A picture
that cannot be opened, or is not what was indexed, gives a grey tile that says why, and that is not kept.
Files are read, never written; how they are decoded is decided elsewhere (decoding).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import ImageError, SkipReason
from lookalike.indexing.schema import Item
from lookalike.indexing.store import Store, absolute
from lookalike.indexing.stored_items import items
from lookalike.presenting.thumbnails import tile
from lookalike.records import Box
from lookalike.serving.collection import box_of
from lookalike.serving.decoding import Decoders
from lookalike.serving.observing import Metrics
from lookalike.serving.unchanged import is_as_indexed

SMALLEST, USUAL, LARGEST = 16, 128, 2048  # pixels
CHANGED = "changed"
MOST_BYTES = 64 * 1024 * 1024  # kept in memory

Key = tuple[bytes, int]  # the hash of the content and the box, and the size


@dataclass(frozen=True, slots=True)
class Thumb:
    """A small copy.

    Attributes:
        content: a JPEG.
        flaw: why this is a grey tile: `changed` where the file is another one than when it was indexed; a
            SkipReason where it cannot be opened now. Empty: it shows the item's content.
    """

    content: bytes
    flaw: str = ""

    @property
    def is_lasting(self) -> bool:
        """Whether it shows the item's content."""
        return not self.flaw


@dataclass(frozen=True, slots=True)
class Shown:
    """An item whose small copy is asked for.

    Attributes:
        tag: of its content and the size, for HTTP; the same as long as both are.
    """

    item: Item
    file: Path
    size: int

    @property
    def tag(self) -> str:
        """See above."""
        return f'"{self.item.hash.hex()}-{self.size}"'

    @property
    def key(self) -> Key:
        """What equal copies have in common."""
        return self.item.hash, self.size

    @property
    def box(self) -> Box | None:
        """The part of the picture that the item is."""
        return box_of(self.item)


class Thumbs:
    """Small copies of an index's pictures; safe to use from several threads.

    Attributes:
        made: how many were decoded.
    """

    def __init__(
        self, store: Store, decoders: Decoders, metrics: Metrics, *, most_bytes: int = MOST_BYTES
    ) -> None:
        self.made = 0
        self._metrics = metrics
        self._store, self._decoders, self._most = store, decoders, most_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, bytes] = OrderedDict()  # the one used last at the end
        self._bytes = 0
        self._making: dict[Key, Future[Thumb]] = {}

    @property
    def kept_bytes(self) -> int:
        """How much is kept."""
        return self._bytes

    def find(self, number: int, size: int) -> Shown | None:
        """What is shown for an id; None: there is no such item. No file is looked at."""
        with self._store.reading():
            item = items(self._store, [number]).get(number)
            if item is None:
                return None
            (place,) = (root.path for root in self._store.roots() if root.id == item.root)
        return Shown(item, Path(absolute(place, item.path)), size)

    def make(self, shown: Shown) -> Thumb:
        """The small copy: kept from before, or made; of several who ask at once one makes it for all.

        Raises:
            Problem: no decoder became free.
        """
        with self._lock:
            if (kept := self._kept.get(shown.key)) is not None:
                self._kept.move_to_end(shown.key)
                return Thumb(kept)
            making = self._making.get(shown.key)
            is_first = making is None
            if making is None:
                making = self._making[shown.key] = Future()
        if is_first:
            self._make_for_all(shown, making)
        return making.result()

    def _make_for_all(self, shown: Shown, making: Future[Thumb]) -> None:
        try:
            made = self._made(shown)
        except BaseException as error:  # noqa: BLE001 - whoever waits for it is told too
            with self._lock:
                del self._making[shown.key]
            making.set_exception(error)
            return
        with self._lock:
            del self._making[shown.key]
            self.made += 1
            if made.is_lasting:
                self._keep(shown.key, made.content)
        making.set_result(made)

    def _made(self, shown: Shown) -> Thumb:
        try:
            content = self._decoders.small(shown.file, shown.size, box=shown.box)
            if is_as_indexed(shown.item, shown.file):  # asked after reading: what is shown was meant
                return Thumb(content)
            flaw = CHANGED if shown.file.exists() else SkipReason.MISSING.value
            return Thumb(tile(flaw, shown.size), flaw)
        except ImageError as error:
            self._metrics.undecoded(error.reason.value)
            return Thumb(tile(error.reason.value, shown.size), error.reason.value)

    def _keep(self, key: Key, content: bytes) -> None:
        self._kept[key] = content
        self._bytes += len(content)
        while self._bytes > self._most:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= len(oldest)
