"""How fast each part of a network learns: groups of parameters, schedules, averaged weights, precision.

A network and the training part of a run file enter; optimisers, schedules and settings leave. The loop that
uses them is Lightning's. Nothing here looks at pictures or losses.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from timm.models import group_parameters
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel

from lookalike.config import TrainingConfig
from lookalike.errors import ConfigError
from lookalike.training.network import Network

Precision = Literal["32-true", "bf16-mixed"]  # Lightning's words
Group = dict[str, Any]


def make_optimizer(
    network: nn.Module,
    training: TrainingConfig,
    *,
    loss: nn.Module | None = None,
    loss_rate: float | None = None,
    loss_decay: float = 0.0,
) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with momentum 0.9, a group of parameters for each learning rate.

    Head and loss learn at `learning_rate`. The features of a Network learn at `backbone_learning_rate`, with
    `layer_decay` d its stages at that times d^0, d^1, d^2 …, counted from the last one. Biases, norms and
    other vectors are left out of the weight decay, as are the parameters of a loss, unless `loss_decay` says
    otherwise: the length of class vectors means nothing.

    Args:
        loss: a loss that learns, for example one proxy a class.
        loss_rate: its learning rate; None: that of the head.
        loss_decay: its weight decay.
    """
    groups = _rated(network, training)
    if loss is not None:
        rate = training.learning_rate if loss_rate is None else loss_rate
        groups.append(_group("loss", loss.parameters(), rate=rate, decay=loss_decay))
    groups = [part for group in groups for part in _by_decay(group)]
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, fused=True)  # one pass over the weights instead of ten


def _rated(network: nn.Module, training: TrainingConfig) -> list[Group]:
    rate, decay = training.backbone_learning_rate, training.weight_decay
    trained = network.head if isinstance(network, Network) else network
    groups = [_group("head", trained.parameters(), rate=training.learning_rate, decay=decay)]
    if not isinstance(network, Network):
        return groups
    if training.layer_decay is None:
        return [*groups, _group("features", network.features.parameters(), rate=rate, decay=decay)]
    stages = layers(network.features)
    for number, stage in enumerate(stages):
        factor = training.layer_decay ** (len(stages) - 1 - number)
        groups.append(_group(f"stage {number}", stage, rate=rate * factor, decay=decay))
    return groups


def _group(name: str, parameters: Iterable[nn.Parameter], *, rate: float, decay: float) -> Group:
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    return {"name": name, "params": trained, "lr": rate, "weight_decay": decay}


def _by_decay(group: Group) -> list[Group]:
    """The group, vectors apart where there is a weight decay; without empty parts."""
    if not group["weight_decay"]:
        return [group] if group["params"] else []
    weights = [parameter for parameter in group["params"] if parameter.ndim > 1]
    vectors = [parameter for parameter in group["params"] if parameter.ndim <= 1]
    parts = [{**group, "params": weights}, {**group, "params": vectors, "weight_decay": 0.0}]
    return [part for part in parts if part["params"]]


def layers(features: nn.Module) -> list[list[nn.Parameter]]:
    """The parameters of features, stage after stage, the one nearest to the pixels first.

    Stages of a timm backbone are those of its own matcher (stem, then block after block); of another module
    its children. What lies behind the backbone, for example a learned pooling, belongs to the last stage.
    """
    backbone: Any = getattr(features, "backbone", features)
    if hasattr(backbone, "group_matcher"):
        groups = group_parameters(backbone, backbone.group_matcher(coarse=True), return_values=True)
        stages = [list(groups[number]) for number in sorted(groups)]
    else:
        stages = [list(child.parameters()) for child in backbone.children()] or [list(backbone.parameters())]
    stages = [stage for stage in stages if stage] or [[]]
    known = {id(parameter) for stage in stages for parameter in stage}
    stages[-1].extend(parameter for parameter in features.parameters() if id(parameter) not in known)
    return stages


def unfreeze(features: nn.Module, training: TrainingConfig) -> None:
    """Let the last `training.unfreeze` stages learn, or all.

    Raises:
        ConfigError: there are fewer stages.
    """
    stages = layers(features)
    wanted = len(stages) if training.unfreeze == "all" else training.unfreeze
    if wanted > len(stages):
        raise ConfigError(
            "the backbone has fewer stages",
            where="training.unfreeze",
            saw=str(wanted),
            wanted=f"1 to {len(stages)}, or all",
            do="use --set training.unfreeze=all",
        )
    for number, stage in enumerate(stages):
        for parameter in stage:
            parameter.requires_grad_(number >= len(stages) - wanted)


def freeze_statistics(features: nn.Module, training: TrainingConfig, *, pretrained: bool) -> None:
    """Keep BatchNorm's running mean and variance where small P x K batches would spoil them.

    That is in a pretrained backbone, unless `freeze_batch_norm` is off, and wherever the norm is frozen.
    """
    for module in features.modules():
        if not isinstance(module, nn.modules.batchnorm._BatchNorm):
            continue
        learns = any(parameter.requires_grad for parameter in module.parameters())
        module.train(learns and not (pretrained and training.freeze_batch_norm))


def make_schedule(
    optimizer: torch.optim.Optimizer, training: TrainingConfig, *, epoch_steps: int
) -> LambdaLR | None:
    """Change all learning rates from step to step by one factor; None where it is always 1.

    In w steps of warm-up the factor rises linearly, 1/w in the first and 1 in the last one. Then it stays 1,
    or falls as (1 + cos(pi t)) / 2, t going from 0 to (almost) 1 over the steps that are left.

    Args:
        epoch_steps: optimiser steps in an epoch, >= 1.

    Reference:
        Loshchilov & Hutter, SGDR, ICLR 2017 (arXiv:1608.03983), eq. 5 with one cycle and a lowest rate of 0.
    """
    steps = training.epochs * epoch_steps
    warm = round(training.warmup * (steps if training.warmup < 1 else epoch_steps))
    if not warm and training.schedule == "constant":
        return None

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        if training.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, steps - warm)))) / 2

    return LambdaLR(optimizer, factor)


def average_of(network: nn.Module, *, decay: float) -> AveragedModel:
    """A copy of a network that follows it: weights and buffers move by 1 - decay of the way in each update.

    The decay rises to its value, (1 + t) / (10 + t) in update t, so that a short training is not held back
    by where it began. Integers are copied.

    Reference:
        Polyak & Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 30,
        1992; exponential weights and the rise as in TensorFlow's ExponentialMovingAverage.
    """
    averaged = AveragedModel(network, multi_avg_fn=_follow(decay), use_buffers=True)
    return averaged.requires_grad_(requires_grad=False)


def _follow(decay: float) -> Callable[[Any, Any, Tensor | int], None]:
    @torch.no_grad()
    def update(averages: list[Tensor], current: list[Tensor], seen: Tensor | int) -> None:
        if averages[0].is_floating_point():
            now = min(decay, (1 + int(seen)) / (10 + int(seen)))
            torch._foreach_lerp_(averages, current, 1 - now)
        else:
            torch._foreach_copy_(averages, current)

    return update


def reseed(seed: int, device: torch.device) -> None:
    """Seed the processor's generator and the device's; torch.manual_seed takes longer than a small step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    elif device.type == "mps":
        torch.mps.manual_seed(seed)


def choose_precision(training: TrainingConfig, *, fine_tuned: bool) -> Precision:
    """The precision a training runs in: bfloat16 means its mixed form, with float32 weights.

    "auto" takes it for a fine-tuned backbone on a GPU that computes in bfloat16 or a processor with AMX; a
    head alone is too small to gain, and a processor that has AVX512_BF16 only is not faster by it.

    Raises:
        ConfigError: bfloat16 was asked for where the hardware would only imitate it.
    """
    device = device_of(training)
    if training.precision == "float32" or (training.precision == "auto" and not fine_tuned):
        return "32-true"
    fast = torch.cuda.is_bf16_supported() if device == "gpu" else device == "cpu" and _processor("amx_tile")
    if fast:
        return "bf16-mixed"
    if training.precision == "auto":
        return "32-true"
    if not (device == "cpu" and _processor("avx512_bf16")):
        raise ConfigError(
            "the device does not compute in bfloat16",
            where="training.precision",
            saw=f"bfloat16 on {device}",
            wanted="a GPU of compute capability 8.0 or more, or a processor with AMX or AVX512_BF16",
            do="use --set training.precision=auto",
        )
    return "bf16-mixed"


def device_of(training: TrainingConfig) -> str:
    """What a training runs on: cpu, gpu or mps; "auto" takes a GPU where there is one."""
    if training.device != "auto":
        return training.device
    if torch.cuda.is_available():
        return "gpu"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _processor(feature: Literal["amx_tile", "avx512_bf16"]) -> bool:
    supported: bool = getattr(torch.cpu, f"_is_{feature}_supported")()
    return supported
