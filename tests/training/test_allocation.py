"""Kept memory is not asked for again, and is given back in the end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from torch import nn

from lookalike.runfile import parse_config
from lookalike.training import trainer
from lookalike.training.allocation import kept_memory
from lookalike.training.network import Head, Network
from lookalike.training.sources import FeatureSource

MEASURE = """
import ctypes, resource
from lookalike.training.allocation import kept_memory

library = ctypes.CDLL(None)
library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
library.free.argtypes = [ctypes.c_void_p]
SIZE = 64 * 2**20

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        place = library.malloc(SIZE)
        ctypes.memset(place, 1, SIZE)
        library.free(place)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()

faults()
usual = faults()
with kept_memory() as kept:
    faults()
    during, held = faults(), resident()
print(int(kept), usual, during, held - resident(), faults())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="an allocator of Linux")
def test_pages_are_asked_for_once() -> None:
    done = subprocess.run([sys.executable, "-c", MEASURE], capture_output=True, text=True, check=True)
    kept, usual, during, given_back, after = map(int, done.stdout.split())
    if not kept:
        pytest.skip("the C library is not glibc")
    assert during * 10 < usual
    assert given_back > 32 * 2**20
    assert after * 10 > usual


def test_other_systems_go_on_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    with kept_memory() as kept:
        assert not kept


def test_an_error_passes_through() -> None:
    with pytest.raises(ValueError, match="mine"), kept_memory():
        raise ValueError("mine")


def test_a_fine_tuning_on_a_processor_keeps_its_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entered: list[str] = []

    @contextmanager
    def noted() -> Iterator[bool]:
        entered.append("kept")
        yield True

    monkeypatch.setattr(trainer, "kept_memory", noted)
    source = FeatureSource(np.eye(8, dtype=np.float32), np.repeat(["a", "b"], 4))
    config = parse_config(
        {"batches": {"classes": 2, "images": 2}, "training": {"epochs": 1, "device": "cpu", "loggers": []}}
    )
    for network in (Head(8, 4), Network(nn.Linear(8, 8), Head(8, 4))):
        trainer.fit(network, config, train=source, val=source, folder=tmp_path / type(network).__name__)
        assert entered == (["kept"] if isinstance(network, Network) else [])
