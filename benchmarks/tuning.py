"""A study of fifteen heads on a frozen backbone, against one embedding pass over the same pictures.

    python -m benchmarks.tuning [--images 10000] [--quick] [--processes]

The study is recipes/tiny_imagenet_study.yaml: 15 trials of up to 50 epochs, patience 3, the median pruner;
two processes. It starts with an empty feature cache. Then, on 4,000 pictures at most, ten trials of 12
epochs are tried by one process and by two, with features at hand and nothing pruned, so that both do the same
work. Beside the seconds on the clock stand those of processors: what else the machine does lengthens the
first, and hardly the second.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.training import empty_features, grow, pass_seconds
from lookalike.models.model import untrained
from lookalike.records import Progress
from lookalike.tables.table import ImageTable
from lookalike.training.tuning import Study, tune

STUDY = Path(__file__).parent.parent / "recipes" / "tiny_imagenet_study.yaml"
QUICK = (
    *("study.trials=4", "training.epochs=6", "batches.classes=16"),
    *("split.train=0.4", "split.val=0.3", "split.test=0.3"),  # few pictures of a thing
)
SOME = 4_000  # pictures on which one process and two are compared
SAME_WORK = ("study.pruner=none", "study.sampler=random", "training.early_stopping_patience=null")


class Clock:
    """A watcher that notes when the trials begin and when the last one has ended."""

    def __init__(self) -> None:
        self.begun = self.searched = time.perf_counter()

    def say(self, text: str) -> None:
        """Drop the sentence."""

    def stage(self, name: str) -> Progress:
        """Note the time of the trials."""
        if name != "trials":
            return lambda _done, _total: None
        self.begun = time.perf_counter()

        def note(_done: int, _total: int) -> None:
            self.searched = time.perf_counter()

        return note


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processors."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.1f} s ({self.processor:.1f} s of processors)"


def processor_seconds() -> float:
    """Of this process and of those it began that have ended."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(used.ru_utime + used.ru_stime for used in spent)


def cost_of(work: Callable[[], object]) -> Cost:
    """What some work takes."""
    begun, spent = time.perf_counter(), processor_seconds()
    work()
    return Cost(time.perf_counter() - begun, processor_seconds() - spent)


def studied(table: ImageTable, *, jobs: int, overrides: tuple[str, ...]) -> tuple[Study, Cost, float]:
    """A study in a new folder; what all of it takes, and seconds of its trials."""
    clock, found = Clock(), list[Study]()
    with tempfile.TemporaryDirectory() as folder:
        cost = cost_of(
            lambda: found.append(
                tune(STUDY, table, out=folder, jobs=jobs, overrides=overrides, watcher=clock)
            )
        )
    return found[0], cost, clock.searched - clock.begun


def against_a_pass(table: ImageTable, *, short: tuple[str, ...]) -> None:
    """The whole study beside one embedding pass over its pictures."""
    model = untrained()
    costs = [cost_of(lambda: pass_seconds(model, table)) for _ in range(2)]
    single = min(costs, key=lambda cost: cost.wall)
    found, cost, _ = studied(table, jobs=2, overrides=short)
    states = [trial.state for trial in found.trials]
    epochs = sum(max(len(trial.course), trial.epochs) for trial in found.trials)
    print(
        f"{len(table):,} pictures, one embedding pass {single}; a study of {len(states)} trials "
        f"({states.count('pruned')} pruned, {epochs} epochs in all) with features, the best trained "
        f"again, figures and report, two processes: {cost}, {cost.wall / single.wall:.2f} x on the "
        f"clock, {cost.processor / single.processor:.2f} x of processors",
        flush=True,
    )


def one_and_two(table: ImageTable, *, short: tuple[str, ...]) -> None:
    """The same trials by one process and by two."""
    work = (*SAME_WORK, *(short or ("training.epochs=12", "study.trials=10")))
    studied(table, jobs=2, overrides=(*work, "training.epochs=1", "study.trials=2"))  # for the features
    one, two = (studied(table, jobs=jobs, overrides=work)[2] for jobs in (1, 2))
    print(
        f"{len(table):,} pictures, trials alone, nothing pruned: one process {one:.1f} s, two {two:.1f} s: "
        f"{one / two:.2f} x sooner"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="600 pictures, 4 trials, 6 epochs")
    parser.add_argument("--processes", action="store_true", help="only one process against two")
    arguments = parser.parse_args()
    images, short = (600, QUICK) if arguments.quick else (arguments.images, ())
    with tempfile.TemporaryDirectory() as name, empty_features():
        if not arguments.processes:
            against_a_pass(ImageTable.read(grow(Path(name) / "all", images)), short=short)
        some = ImageTable.read(grow(Path(name) / "some", min(images, SOME)))
        one_and_two(some, short=short)


if __name__ == "__main__":
    main()
