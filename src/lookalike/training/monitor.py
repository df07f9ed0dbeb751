"""What a training is like from inside: batches, gradients and times enter, a row of numbers an epoch leaves.

Batches are looked at as the loss saw them, a few of them an epoch; validation as a whole, or whole classes of
it where it is large. What a number is stands in tally.py; what it means for the training, in alarms.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lookalike.config import LossConfig
from lookalike.records import PairHistogram
from lookalike.training.sources import Batch
from lookalike.training.tally import MOST_ROWS, Tally, has_pairs, whole_classes

MEASURED_BATCHES = 4  # at most, an epoch, evenly spread: at 32 x 4 some 200,000 triplets
MEASURED_SHARE = 16  # one batch in so many, but two at least
MEASURED_GRADIENTS = 16  # an epoch, evenly spread
BATCH_ROWS = 256  # of a batch that are looked at, in whole classes
UNKNOWN_STRIDE = 16  # between measured batches where a source does not know how many it has

PRESENT = ("_steps", "_pairless", "_waited", "_seconds")  # what is counted in an epoch


class Monitor:
    """Looks on while a training runs.

    Args:
        loss: whose margin and distance say what is easy; 0 for losses that have no triplet margin.
        val_labels: [n] int64, of validation.
        seed: which classes of a large validation split are looked at.
        clock: seconds, rising.

    Attributes:
        times: of each epoch, "waiting", the share of its training time that batches were waited for, and
            "seconds", that time. They differ from run to run, and so are no part of the rows.
        similarities: of each epoch, split to the similarities of its pairs.
    """

    def __init__(
        self,
        loss: LossConfig,
        *,
        val_labels: Tensor,
        seed: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.times: list[dict[str, float]] = []
        self.similarities: list[dict[str, PairHistogram]] = []
        self._loss, self._seed, self.clock = loss, seed, clock
        self._val_rows = whole_classes(val_labels, most=MOST_ROWS, seed=seed)
        self._val_labels = val_labels[self._val_rows]
        self._stride = self._gradient_stride = UNKNOWN_STRIDE
        self._begin()

    def _begin(self) -> None:
        self._train, self._val = Tally(self._loss), Tally(self._loss, active=False)
        self._steps = self._pairless = 0  # batches, and those without a pair
        self._norms: list[Tensor] = []
        self._waited = self._seconds = 0.0
        self._tick = math.nan  # when the seconds were last counted

    def timed(self, batches: Iterable[Batch]) -> Iterable[Batch]:
        """The same batches; how long each is waited for is added up."""
        if isinstance(batches, Sized):
            measured = min(max(math.ceil(len(batches) / MEASURED_SHARE), 2), MEASURED_BATCHES)
            self._stride = math.ceil(len(batches) / measured)
            self._gradient_stride = math.ceil(len(batches) / MEASURED_GRADIENTS)
        return _Timed(batches, self)

    def waited(self, began: float, ended: float) -> None:
        """A batch was waited for between two times of the clock."""
        self._tick = began if math.isnan(self._tick) else self._tick
        self._waited += ended - began

    def step(self, embeddings: Tensor, labels: Tensor) -> None:
        """Look at a training batch: [n, d] and [n]."""
        self._pairless += not has_pairs(labels)
        if self._steps % self._stride == 0:
            rows, codes = embeddings.detach().float().cpu(), labels.cpu()
            part = whole_classes(codes, most=BATCH_ROWS, seed=self._seed)
            self._train.add(rows[part], codes[part])
        self._steps += 1

    def gradient(self, parameters: Iterable[Tensor]) -> Tensor:
        """Return the length of the whole gradient of the step just looked at; some are kept for the row."""
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if (self._steps - 1) % self._gradient_stride == 0:
            self._norms.append(norm)
        return norm

    def step_ended(self) -> None:
        """Take the time; what follows the last step is not training."""
        now = self.clock()
        self._seconds += now - self._tick
        self._tick = now

    def validation(self, embeddings: Tensor) -> dict[str, float]:
        """Look at the whole split, [n, d] on the CPU, and return its part of the row."""
        self._val = Tally(self._loss, active=False)
        self._val.add(embeddings.float()[self._val_rows], self._val_labels)
        return self._val.row("val")

    def row(self) -> dict[str, float]:
        """The training part of the epoch's row; the epoch is over, the next one may begin."""
        self.similarities.append({"train": self._train.histogram(), "val": self._val.histogram()})
        self.times.append({"waiting": self._waited / max(self._seconds, 1e-9), "seconds": self._seconds})
        norms = torch.stack(self._norms).double() if self._norms else torch.full((1,), math.nan)
        row = {
            **self._train.row("train"),
            "gradient_norm": float(norms.mean()),
            "gradient_norm_max": float(norms.max()),
            "pairless": self._pairless / max(self._steps, 1),
        }
        self._begin()
        return row

    def state(self) -> dict[str, Any]:
        """What a checkpoint keeps, in plain values: the epochs that are over, and the present one."""
        kept = [{split: [pairs.same.tolist(), pairs.different.tolist()] for split, pairs in epoch.items()}
                for epoch in self.similarities]  # fmt: skip
        present = {name: getattr(self, name) for name in PRESENT}
        return {
            "times": list(self.times),
            "similarities": kept,
            "present": {**present, "_norms": list(self._norms), "train": self._train.state()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint, in the middle of an epoch where it was made there."""
        present = dict(state["present"])
        self._train = Tally(self._loss)
        self._train.restore(present.pop("train"))
        for name, value in present.items():
            setattr(self, name, value)
        self._tick = math.nan
        self.times = list(state["times"])
        self.similarities = [
            {split: PairHistogram(*np.array(counts, np.int64)) for split, counts in epoch.items()}
            for epoch in state["similarities"]
        ]


class Blind(Monitor):
    """Looks at nothing but the gradient: for trainings that are only compared with each other."""

    def step(self, embeddings: Tensor, labels: Tensor) -> None:
        """Count a training batch."""
        del embeddings, labels
        self._steps += 1

    def validation(self, embeddings: Tensor) -> dict[str, float]:
        """Add nothing to the row."""
        del embeddings
        return {}

    def row(self) -> dict[str, float]:
        """Add nothing to the row; the epoch is over, the next one may begin."""
        self.times.append({"waiting": self._waited / max(self._seconds, 1e-9), "seconds": self._seconds})
        self._begin()
        return {}


class _Timed:
    def __init__(self, batches: Iterable[Batch], monitor: Monitor) -> None:
        self.batches, self.monitor = batches, monitor

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]  # a source without a length says so itself

    def __iter__(self) -> Iterator[Batch]:
        clock = self.monitor.clock
        began = clock()
        for batch in self.batches:
            self.monitor.waited(began, clock())
            yield batch
            began = clock()
