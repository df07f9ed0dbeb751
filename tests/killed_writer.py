"""A process that changes an index, told what to do line by line, made to be killed. Run as a script.

    python killed_writer.py INDEX ALBUM

It imports once and forks a child for every order, so that a kill costs milliseconds. A child writes a line
for each chunk that is embedded and, after it was stored, for each batch: what that line says is acknowledged.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sqlite3
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from fake_embedder import FakeEmbedder
from lookalike.errors import StoreError
from lookalike.indexing import base_upkeep, database
from lookalike.indexing.index import Index
from lookalike.indexing.schema import VERDICTS, Changes, Decision, Writer
from lookalike.indexing.store import Store
from lookalike.tables.table import ImageTable

Order = dict[str, Any]
INTERRUPTED, ERROR = 130, 2


def tell(**facts: object) -> None:
    """Write a line that is out before anything else happens."""
    print(json.dumps(facts), flush=True)


def acknowledge_batches() -> None:
    """Tell what a batch held, once it was stored."""
    store = Writer.apply

    @wraps(store)
    def apply(self: Writer, changes: Changes) -> None:
        store(self, changes)
        put = [[item.path, item.hash.hex()] for item, _ in changes.puts]
        tell(put=put, gone=[item.path for item in changes.removals])

    Writer.apply = apply  # type: ignore[method-assign]


def die_at(statement: int, *, of_all: bool) -> None:
    """Kill this process before it begins so many more statements; of its writer, or of all connections."""
    left = [statement]

    def count(_text: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    begin, connect = Writer.__init__, database._connect

    @wraps(begin)
    def counted_writer(self: Writer, *args: Any, **named: Any) -> None:
        begin(self, *args, **named)
        self._connection.set_trace_callback(count)

    @wraps(connect)
    def counted(path: Path, mode: str) -> sqlite3.Connection:
        connection = connect(path, mode)
        connection.set_trace_callback(count)
        return connection

    if of_all:
        database._connect = counted
    else:
        Writer.__init__ = counted_writer  # type: ignore[method-assign]


def update(index: Path, album: Path, order: Order) -> None:
    """Bring the index up to date with the album."""
    with Index.open(index) as opened:
        opened.update(
            ImageTable.read(album),
            embed=FakeEmbedder(pause=order["pause"]),
            prune=order["prune"],
            progress=lambda done, _total: tell(done=done),
            commit_seconds=order["commit_seconds"],
        )


def drop(index: Path, album: Path, order: Order) -> None:
    """Forget the album, or another source."""
    with Index.open(index) as opened:
        tell(dropped=opened.drop(order.get("source", album)))


def rebuild(index: Path, _album: Path, _order: Order) -> None:
    """Build an approximate base where none fits, though exact search would be fast enough."""
    base_upkeep.EXACT_MS = 0.0
    store = Store(index)
    built = base_upkeep.refresh_base(store)
    store.close()
    tell(built=None if built is None else built.file)


def decide(index: Path, _album: Path, order: Order) -> None:
    """Decide about many pairs of contents, a few at a time."""
    store = Store(index)
    with store.writing() as writer:
        for start in range(0, order["pairs"], 3):
            numbers = [order["first"] + number for number in range(start, start + 3)]
            writer.decide([decision(number) for number in numbers])
            tell(decided=numbers)


def decision(number: int) -> Decision:
    """What is decided about the pair with this number."""
    verdict = VERDICTS[number % len(VERDICTS)]
    return Decision.of(b"%016d" % number, b"%016d" % (number + 1), verdict, made=f"moment {number}")


DO: dict[str, Callable[[Path, Path, Order], None]] = {
    "update": update,
    "drop": drop,
    "rebuild": rebuild,
    "decide": decide,
}


def obey(index: Path, album: Path, order: Order) -> int:
    """What a child does; its exit code."""
    tell(pid=os.getpid())
    acknowledge_batches()
    if order["die_at"] is not None:
        die_at(order["die_at"], of_all=order.get("of_all", False))
    if "most_bytes" in order:
        resource.setrlimit(resource.RLIMIT_FSIZE, (order["most_bytes"], resource.RLIM_INFINITY))
    try:
        DO[order["do"]](index, album, order)
    except KeyboardInterrupt:
        return INTERRUPTED
    except StoreError as error:
        tell(error=str(error))
        return ERROR
    return 0


def serve(index: Path, album: Path) -> None:
    """Fork a child for each order, and say how it ended."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = obey(index, album, json.loads(line))
            finally:
                tell(finished=code)
                os._exit(code)
        sys.stdin.readline()  # until it is reaped the child keeps its number, dead or alive
        _, status = os.waitpid(child, 0)
        print(flush=True)
        tell(end=os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
