"""Time what is compared: steps that take turns, and a step in a process of its own with its memory."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

Step = Callable[[], object]


class Cost(NamedTuple):
    """What a step took in a process of its own: seconds, and the megabytes that it added at its peak."""

    seconds: float
    megabytes: float


def alone(step: Callable[..., object], *arguments: object, **options: object) -> Cost:
    """What a step takes in a process of its own, after its imports."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, step, arguments, options))
    process.start()
    theirs.close()
    try:
        cost: Cost = ours.recv()
    finally:
        process.join()
    return cost


def _measure(
    end: Connection, step: Callable[..., object], arguments: Sequence[object], options: Mapping[str, object]
) -> None:
    before = peak_megabytes()
    seconds = seconds_of(lambda: step(*arguments, **options))
    end.send(Cost(seconds, peak_megabytes() - before))


def peak_megabytes() -> float:
    """The most memory that this process has had, without its parent's."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def take_turns(steps: Mapping[str, Step], *, seconds: float = 0.0, turns: int = 5) -> dict[str, float]:
    """Median seconds of each step; they take turns, at least so often and so long."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    until = time.perf_counter() + seconds
    while turns > 0 or time.perf_counter() < until:
        turns -= 1
        for name, step in steps.items():
            times[name].append(seconds_of(step))
    return {name: statistics.median(values) for name, values in times.items()}


def seconds_of(step: Step) -> float:
    """How long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start
