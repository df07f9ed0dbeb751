"""A process that adds pictures to an index, or removes them, made to be killed. Run as a script.

    python killed_adder.py INDEX MODEL

It imports once and forks a child for every order, a line of JSON, so that a kill costs milliseconds. A child
kills itself before so many steps: synced files, new names, statements of the index's writer. What it says is
done is acknowledged.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from functools import wraps
from pathlib import Path
from typing import Any

from lookalike.indexing.adding import add_pictures, remove_items
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Writer
from lookalike.models.model import Model
from pictures import content
from scenes import scene


def picture(seed: int) -> bytes:
    """Another picture for each number."""
    return content(scene(seed, 24, 24), "PNG")


def die_at(step: int) -> None:
    """Kill this process before it takes so many more steps."""
    left = [step]

    def count(*_: object, **__: object) -> None:
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    for name in ("fsync", "replace", "unlink", "ftruncate"):
        real = getattr(os, name)

        def counted(*args: Any, real: Any = real, **named: Any) -> Any:
            count()
            return real(*args, **named)

        setattr(os, name, counted)
    begin = Writer.__init__

    @wraps(begin)
    def counted_writer(self: Writer, *args: Any, **named: Any) -> None:
        begin(self, *args, **named)
        self._connection.set_trace_callback(count)

    Writer.__init__ = counted_writer  # type: ignore[method-assign]


def obey(path: Path, model: Model, order: dict[str, Any]) -> None:
    """What a child does."""
    with Index.open(path, model=model) as index:
        die_at(order["die_at"])
        if "remove" in order:
            told: object = remove_items(index, order["remove"])
        else:
            pictures = [picture(seed) for seed in order["add"]]
            told = add_pictures(index, pictures, label=order["label"]).added
        os.write(1, f"{json.dumps({'done': told})}\n".encode())


def serve(path: Path, model: Path) -> None:
    """Fork a child for each order, and say how it ended."""
    for line in iter(sys.stdin.readline, ""):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                obey(path, Model.load(model), json.loads(line))
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        os.write(1, f"{json.dumps({'end': os.waitstatus_to_exitcode(status)})}\n".encode())


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
