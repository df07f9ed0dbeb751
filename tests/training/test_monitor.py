"""What is looked at, how long was waited, and that a checkpoint in the middle of an epoch loses nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from lookalike.config import RunConfig
from lookalike.training import monitor as monitor_module
from lookalike.training.monitor import Monitor
from lookalike.training.sources import Batch
from lookalike.training.tally import Tally, effective_rank, spread

LOSS = RunConfig().loss
LABELS = torch.arange(6).repeat_interleave(4)


def embed(seed: int, labels: Tensor = LABELS) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(len(labels), 5, generator=random), dim=1)


def new_monitor(**options: Any) -> Monitor:
    return Monitor(LOSS, **{"val_labels": LABELS, "seed": 0, **options})


def watch(monitor: Monitor, steps: range, *, labels: Tensor = LABELS) -> None:
    for step in steps:
        monitor.step(embed(step, labels), labels)
        monitor.gradient([with_gradient(torch.full((3,), float(step))), with_gradient(torch.ones(2, 2))])


def with_gradient(gradient: Tensor) -> Tensor:
    parameter = torch.zeros_like(gradient, requires_grad=True)
    parameter.grad = gradient
    return parameter


def test_a_row_has_its_columns_and_the_next_one_begins_anew() -> None:
    monitor = new_monitor()
    monitor.timed([(LABELS, LABELS)] * 3)
    watch(monitor, range(3))
    val = monitor.validation(embed(7))
    row = monitor.row()
    of_train = {name.removeprefix("train_") for name in row if name.startswith("train_")}
    assert set(val) == {f"val_{name}" for name in of_train - {"active"}}, "val has no loss"
    assert val["val_spread"] == pytest.approx(spread(embed(7)))
    assert val["val_effective_rank"] == pytest.approx(effective_rank(embed(7)))
    norms = [math.sqrt(3 * step**2 + 4) for step in range(3)]
    assert row["gradient_norm"] == pytest.approx(sum(norms) / 3)
    assert row["gradient_norm_max"] == pytest.approx(max(norms))
    watch(monitor, range(3))
    assert monitor.row() == row
    assert len(monitor.similarities) == len(monitor.times) == 2


def test_an_epoch_without_a_step_has_the_same_columns() -> None:
    empty, full = new_monitor(), new_monitor()
    watch(full, range(1))
    assert empty.row().keys() == full.row().keys()


def test_similarities_of_both_splits_are_kept() -> None:
    monitor = new_monitor()
    watch(monitor, range(1))
    monitor.validation(embed(1))
    monitor.row()
    for pairs in monitor.similarities[0].values():
        assert (pairs.same.sum(), pairs.different.sum()) == (6 * 6, 15 * 16)
    assert list(monitor.similarities[0]) == ["train", "val"]


@pytest.mark.parametrize(("batches", "measured"), [(1, 1), (2, 2), (10, 2), (40, 3), (300, 4)])
def test_a_few_batches_are_measured_evenly(
    monkeypatch: pytest.MonkeyPatch, batches: int, measured: int
) -> None:
    seen: list[int] = []
    monkeypatch.setattr(Tally, "add", lambda _self, rows, _labels: seen.append(int(rows[0, 0])))
    monitor = new_monitor()
    monitor.timed([(LABELS, LABELS)] * batches)
    for number in range(batches):
        monitor.step(torch.full((4, 2), float(number)), torch.tensor([0, 0, 1, 1]))
    assert len(seen) == measured
    assert len({b - a for a, b in pairwise(seen)}) <= 1


@pytest.mark.parametrize(("steps", "measured"), [(5, 5), (16, 16), (40, 14), (320, 16)])
def test_some_gradients_are_measured_evenly(steps: int, measured: int) -> None:
    monitor = new_monitor()
    monitor.timed([(LABELS, LABELS)] * steps)
    gradients = []
    for number in range(1, steps + 1):
        monitor.step(embed(0), LABELS)
        gradients.append(float(monitor.gradient([with_gradient(torch.tensor([float(number)]))])))
    assert gradients == list(range(1, steps + 1)), "every step is looked at, so that none ruins the weights"
    found = [float(norm) for norm in monitor._norms]
    assert len(found) == measured
    assert found[0] == 1
    row = monitor.row()
    assert row["gradient_norm"] == pytest.approx(sum(found) / measured)
    assert row["gradient_norm_max"] == max(found)


def test_parameters_without_a_gradient_are_left_out() -> None:
    monitor = new_monitor()
    monitor.step(embed(0), LABELS)
    frozen = torch.zeros(3)
    assert monitor.gradient([frozen, with_gradient(torch.tensor([3.0, 4.0]))]) == 5


def test_a_source_without_a_length_is_measured_too() -> None:
    class Endless:
        def __iter__(self) -> Iterator[Batch]:
            yield LABELS, LABELS

    monitor = new_monitor()
    batches = monitor.timed(Endless())
    with pytest.raises(TypeError):
        len(batches)  # type: ignore[arg-type]
    assert len(list(batches)) == 1
    watch(monitor, range(1))
    assert 0 <= monitor.row()["train_easy"] <= 1


def test_large_batches_and_splits_are_looked_at_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "BATCH_ROWS", 12)
    monkeypatch.setattr(monitor_module, "MOST_ROWS", 8)
    monitor = new_monitor()
    watch(monitor, range(1))
    monitor.validation(embed(1))
    monitor.row()
    kept = monitor.similarities[0]
    assert kept["train"].same.sum() == 3 * 6, "three whole classes"
    assert kept["val"].same.sum() == 2 * 6, "two whole classes"


def test_half_precision_is_measured_in_single() -> None:
    monitor = new_monitor()
    monitor.step(embed(0).bfloat16().requires_grad_(), LABELS)
    assert monitor.row()["train_spread"] == pytest.approx(spread(embed(0)), abs=0.01)


def test_batches_without_pairs_are_counted() -> None:
    monitor = new_monitor()
    for labels in ([0, 0, 1, 1], [2, 2, 2, 2], [0, 1, 2, 3], [3, 3, 1, 0], [5, 5, 5, 5]):
        monitor.step(embed(0, torch.tensor(labels)), torch.tensor(labels))
    assert monitor.row()["pairless"] == pytest.approx(3 / 5)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waiting_is_told_from_working() -> None:
    clock = Clock()

    class Slow:
        def __iter__(self) -> Iterator[Batch]:
            for seconds in (5.0, 1.0, 2.0):
                clock.now += seconds
                yield LABELS, LABELS

    monitor = new_monitor(clock=clock)
    for epoch in range(2):
        clock.now += 1000.0  # validation, checkpoints
        for _ in monitor.timed(Slow()):
            clock.now += 4.0
            monitor.step_ended()
        clock.now += 500.0
        monitor.row()
        assert monitor.times[epoch] == {"waiting": pytest.approx(8 / 20), "seconds": pytest.approx(20)}


def test_an_epoch_goes_on_from_a_checkpoint() -> None:
    whole, first, second = new_monitor(), new_monitor(), new_monitor()
    for monitor in (whole, first):
        watch(monitor, range(4))
        monitor.validation(embed(1))
        monitor.row()
    watch(whole, range(7))
    watch(first, range(5))
    kept = first.state()
    watch(first, range(9), labels=LABELS.flip(0))  # what was kept does not change with it
    second.restore(kept)
    watch(second, range(5, 7))
    assert second.row() == whole.row()
    for a, b in zip(second.similarities, whole.similarities, strict=True):
        for split in ("train", "val"):
            assert a[split].same.tolist() == b[split].same.tolist()
            assert a[split].different.tolist() == b[split].different.tolist()


def test_time_goes_on_from_a_checkpoint() -> None:
    clock = Clock()
    first, second = new_monitor(clock=clock), new_monitor(clock=clock)
    for seconds, monitor in ((3.0, first), (5.0, second)):
        if monitor is second:
            second.restore(first.state())
        clock.now += 1000.0  # another day
        monitor.waited(clock.now, clock.now + 1.0)
        clock.now += 1.0 + seconds
        monitor.step_ended()
    second.row()
    assert second.times[0] == {"waiting": pytest.approx(2 / 10), "seconds": pytest.approx(10)}
