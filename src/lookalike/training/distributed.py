"""Training on several devices as on one: every device sees the embeddings of all of them.

A device's part of a batch enters; the whole batch leaves, with a gradient that adds up to that of one device
with the whole batch. Which devices those are, a run file or torchrun says; starting processes and averaging
gradients over them is Lightning's.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor, distributed

from lookalike.config import TrainingConfig
from lookalike.errors import ConfigError
from lookalike.training.optimisers import choose_precision, device_of
from lookalike.training.processes import started


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(world())]
        distributed.all_gather(parts, rows.contiguous())
        context.rows = len(rows)
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        start = rank() * context.rows
        return gradient[start : start + context.rows] * world()


def gather(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The embeddings and labels of all devices, in the order of their ranks.

    Every device computes the same loss L of the whole batch. The gradient of its own rows comes back times
    the number of devices w: DistributedDataParallel's mean over devices of w ∂L/∂z_own · ∂z_own/∂θ is then
    the whole ∂L/∂θ. Parameters of the loss itself have the whole gradient on every device, so their mean is
    right as it is.

    Args:
        embeddings: [n / w, d], the same number on every device.
        labels: [n / w] int64.

    Returns:
        [n, d] and [n]; on one device, what was given.
    """
    if world() == 1:
        return embeddings, labels
    parts = [torch.empty_like(labels) for _ in range(world())]
    distributed.all_gather(parts, labels.contiguous())
    return cast(Tensor, _Gather.apply(embeddings)), torch.cat(parts)


def world() -> int:
    """How many processes train together; 1 outside of such a training."""
    return distributed.get_world_size() if _connected() else 1


def rank() -> int:
    """The number of this process among them, 0 to world() - 1."""
    return distributed.get_rank() if _connected() else 0


def wait_for_all() -> None:
    """Return when all processes that train together have come here."""
    if _connected():
        distributed.barrier()


def _connected() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def check_device(training: TrainingConfig, *, fine_tuned: bool) -> None:
    """Refuse a device, or a number of devices, that this machine does not have.

    Raises:
        ConfigError: it has not, or it does not compute in the precision that was asked for.
    """
    gpus, mps = torch.cuda.device_count(), torch.backends.mps.is_available()
    if not {"gpu": gpus > 0 or mps, "mps": mps}.get(training.device, True):
        raise ConfigError(
            "the device is not there",
            where="training.device",
            saw=f"{training.device}, which torch {torch.__version__} does not find",
            wanted="auto, cpu, gpu or mps",
            do="use --set training.device=auto",
        )
    choose_precision(training, fine_tuned=fine_tuned)
    if device_of(training) == "gpu" and gpus and training.devices != "auto" and training.devices > gpus:
        raise ConfigError(
            "there are fewer devices",
            where="training.devices",
            saw=f"{training.devices} where torch finds {gpus}",
            wanted=f"1 to {gpus}, or auto",
            do="use --set training.devices=auto",
        )


def device_options(training: TrainingConfig, *, fine_tuned: bool) -> dict[str, Any]:
    """What Lightning's Trainer is told about devices, machines and precision.

    Under torchrun, its numbers of devices and machines count, not those of the run file. BatchNorm takes its
    statistics over all devices on GPUs; processors cannot, and there each takes those of its own part.
    """
    device = device_of(training)
    devices, nodes = started() or (training.devices, training.nodes)
    if devices == "auto":
        devices = torch.cuda.device_count() if device == "gpu" else 1
    several = devices * nodes > 1
    # While the head is trained alone, the backbone's parameters get no gradient.
    strategy = DDPStrategy(find_unused_parameters=training.head_warmup_epochs > 0)
    return {
        "accelerator": training.device,
        "devices": devices,
        "num_nodes": nodes,
        "strategy": strategy if several or training.strategy == "ddp" else "auto",
        "sync_batchnorm": several and device == "gpu",
        "precision": choose_precision(training, fine_tuned=fine_tuned),
    }
