"""Several devices train as one with the whole batch: the same weights, whoever starts the processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from lookalike.config import TrainingConfig
from lookalike.errors import ConfigError
from lookalike.training import distributed
from lookalike.training.distributed import device_options, gather, rank, wait_for_all, world
from lookalike.training.processes import check_several, is_first, started
from several_processes import train

SCRIPT = Path(__file__).parents[1] / "several_processes.py"
TORCHRUN = {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "2"}


def free_port() -> str:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return str(door.getsockname()[1])


def run_two(folder: Path, *, loss: str, starter: str) -> None:
    """Two processes, started as torchrun starts them, or one that Lightning doubles."""
    folder.mkdir()
    base = {name: value for name, value in os.environ.items() if name not in TORCHRUN}
    base |= {"OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    ranks = ("0", "1") if starter == "torchrun" else ("0",)
    own = {number: {**TORCHRUN, "RANK": number, "LOCAL_RANK": number} for number in ranks}
    devices = "1" if starter == "torchrun" else "2"
    command = [sys.executable, str(SCRIPT), str(folder), devices, loss]
    running = [
        subprocess.Popen(
            command,
            env=base | (own[number] if starter == "torchrun" else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in ranks
    ]
    for process in running:
        _, complaint = process.communicate(timeout=120)
        assert process.returncode == 0, complaint


@pytest.mark.parametrize(
    ("starter", "loss"), [("torchrun", "triplet_semi_hard"), ("lightning", "proxy_anchor")]
)
def test_two_processes_end_with_the_weights_of_one(tmp_path: Path, starter: str, loss: str) -> None:
    (tmp_path / "one").mkdir()
    train(tmp_path / "one", devices=1, loss=loss)
    run_two(tmp_path / "two", loss=loss, starter=starter)
    one = torch.load(tmp_path / "one" / "0.pt", weights_only=True)
    two = [torch.load(tmp_path / "two" / f"{number}.pt", weights_only=True) for number in (0, 1)]
    if loss == "proxy_anchor":
        assert any(name.startswith("loss.") for name in one["state"]), "a loss that learns"
    torch.manual_seed(0)
    for name, value in one["state"].items():
        for other in two:
            assert torch.allclose(value, other["state"][name], rtol=0, atol=1e-6), name
    for row, other in zip(one["history"], two[0]["history"], strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-6)
        assert row["val_map@r"] == pytest.approx(other["val_map@r"], abs=1e-6)
    assert one["told"] == two[0]["told"] > 0
    assert two[1]["told"] == 0, "one process speaks"
    assert {path.name for path in (tmp_path / "two").iterdir()} == {
        "0.pt",
        "1.pt",
        "metrics.csv",
        "checkpoints",
    }
    assert len((tmp_path / "two" / "metrics.csv").read_text().splitlines()) == 3


def test_gradient_of_what_was_gathered_is_the_own_part_times_the_devices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = torch.tensor([[5.0, 6.0], [7.0, 8.0]])

    def all_gather(parts: list[torch.Tensor], rows: torch.Tensor) -> None:
        parts[0].copy_(others if rows.is_floating_point() else torch.tensor([9, 9]))
        parts[1].copy_(rows)

    monkeypatch.setattr(distributed, "world", lambda: 2)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "all_gather", all_gather)
    own = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    rows, labels = gather(own, torch.tensor([1, 2]))
    assert torch.equal(rows.detach(), torch.cat([others, own.detach()]))
    assert labels.tolist() == [9, 9, 1, 2]
    (rows**2).sum().backward()
    assert own.grad is not None
    assert torch.equal(own.grad, 2 * 2 * own.detach())


def test_a_lone_process_is_the_whole_world() -> None:
    rows, labels = torch.ones(3, 2), torch.arange(3)
    assert gather(rows, labels) == (rows, labels)
    assert (world(), rank()) == (1, 0)
    wait_for_all()


@pytest.mark.parametrize(
    ("environment", "first"),
    [
        ({}, True),
        ({"RANK": "0", "LOCAL_RANK": "0"}, True),
        ({"RANK": "2", "LOCAL_RANK": "0"}, False),
        ({"LOCAL_RANK": "1"}, False),
        ({"LOCAL_RANK": "0", "NODE_RANK": "1"}, False),
        ({"SLURM_PROCID": "3"}, False),
    ],
)
def test_first_process_is_told_by_the_environment(environment: dict[str, str], first: bool) -> None:
    assert is_first(environment) is first


def test_torchrun_says_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**TORCHRUN, "WORLD_SIZE": "6"}
    assert started({}) is None
    assert started(environment) == (2, 3)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = device_options(TrainingConfig(device="cpu"), fine_tuned=False)
    assert (found["devices"], found["num_nodes"]) == (2, 3)
    assert type(found["strategy"]).__name__ == "DDPStrategy"
    with pytest.raises(ConfigError, match=r"in one process.*network\.head.*6 processes.*without torchrun"):
        check_several(closed_form=True)
    check_several(closed_form=False)
    check_several(closed_form=True, environment={})


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ({}, (1, 1, "auto", False)),
        ({"devices": 3}, (3, 1, "DDPStrategy", False)),
        ({"devices": "auto"}, (1, 1, "auto", False)),
        ({"devices": "auto", "device": "gpu"}, (4, 1, "DDPStrategy", True)),
        ({"nodes": 2}, (1, 2, "DDPStrategy", False)),
        ({"strategy": "ddp"}, (1, 1, "DDPStrategy", False)),
    ],
)
def test_trainer_is_told_what_the_run_file_says(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], wanted: tuple[int, int, str, bool]
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    found = device_options(TrainingConfig.model_validate({"device": "cpu", **asked}), fine_tuned=True)
    strategy = found["strategy"] if found["strategy"] == "auto" else type(found["strategy"]).__name__
    assert (found["devices"], found["num_nodes"], strategy, found["sync_batchnorm"]) == wanted
    assert found["precision"] == "32-true"
