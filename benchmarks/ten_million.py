"""What ten million vectors take, calculated from the parts of a build and of a search that were measured.

What only a larger machine or more patience would measure is said as what grows with the vectors, with the
lists, or with both. `benchmarks.approximate` measures the parts and prints the rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lookalike.indexing.base_build import lists_for
from lookalike.indexing.base_file import BaseNote

LARGE = 10_000_000
SAMPLED = 64  # vectors a list is learned from


@dataclass
class Parts:
    """Seconds and bytes of what a build and a search consist of.

    Attributes:
        read: once over all vectors; learn: the lists; assign: all vectors to their lists; rest: of filling;
            choose: the effort.
        near: the nearest lists of one query; scan: looking through them; over: all that is done besides.
    """

    read: float = 0.0
    learn: float = 0.0
    assign: float = 0.0
    rest: float = 0.0
    choose: float = 0.0
    near: float = 0.0
    scan: float = 0.0
    over: float = 0.0
    store_bytes: int = 0
    ticks: list[tuple[int, float]] = field(default_factory=list)


def large_rows(parts: Parts, note: BaseNote) -> list[tuple[str, str]]:
    """Ten million, from the parts: what grows with the vectors, the lists, or both."""
    rows = LARGE / note.rows
    lists = lists_for(LARGE) / note.lists
    learn = parts.learn * lists * lists  # samples and lists both grow as the lists do
    build = 2 * parts.read * rows + learn + parts.assign * rows * lists
    build += max(parts.rest - parts.read, 0) * rows + parts.choose * rows / lists
    latency = parts.near * lists + parts.scan * rows / lists + parts.over
    base = note.size * rows
    held = (
        base + lists_for(LARGE) * (SAMPLED + 1) * 4 * note.dim
    )  # the lists, and the sample they are learned from
    sizes = f"{parts.store_bytes * rows / 1e9:.1f} GB; {base / 1e9:.2f} GB"
    return [
        (f"{LARGE:,} x {note.dim}, calculated: index file; base", sizes),
        ("the same: build; learning the lists alone", f"{build / 60:.0f} min; {learn / 60:.0f} min"),
        ("the same: memory to build", f"{held / 1e9:.1f} to {(held + base) / 1e9:.1f} GB"),
        ("the same: one query", f"{1000 * latency:.2f} ms"),
    ]
