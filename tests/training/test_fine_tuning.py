"""Fine-tuning a small backbone: what is to stay stays, what is to learn learns, also when it is killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lookalike.config import NetworkConfig, PreprocessConfig, RunConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training import optimisers
from lookalike.training.backbones import Features
from lookalike.training.gradient import check_sizes
from lookalike.training.learner import Learner
from lookalike.training.network import Head, Network
from lookalike.training.optimisers import unfreeze
from lookalike.training.sources import PictureSource
from lookalike.training.trainer import Fitted, fit

BACKBONE = NetworkConfig(backbone="test_efficientnet", pretrained=False, frozen=False)


def config(**training: Any) -> RunConfig:
    return parse_config(
        {
            "seed": 3,
            "network": {"backbone": "test_efficientnet", "pretrained": False, "frozen": False},
            "loss": {"name": "triplet_batch_hard", "margin": "soft"},
            "batches": {"classes": 4, "images": 3},
            "training": {
                "epochs": 2,
                "early_stopping_patience": None,
                "device": "cpu",
                "loggers": ["csv"],
                "learning_rate": 0.01,
                "backbone_learning_rate": 0.01,
                **training,
            },
        }
    )


def network() -> Network:
    torch.manual_seed(0)
    features = Features(BACKBONE, PreprocessConfig(size=32))
    return Network(features, Head(features.dim, 8))


@pytest.fixture
def pictures(few: Path) -> Any:
    table = ImageTable.read(few)
    chosen = table.take(np.flatnonzero(np.isin(table.labels, table.classes[:8])))

    def make(settings: RunConfig) -> PictureSource:
        training = settings.training
        preprocess: Any = network().features.preprocess
        return PictureSource(
            chosen.paths, chosen.boxes, chosen.labels, preprocess, None, 0, training.sizes, training.epochs
        )

    return make


def run(folder: Path, settings: RunConfig, pictures: Any, *, resume: bool = False) -> tuple[Network, Fitted]:
    own = network()
    unfreeze(own.features, settings.training)
    source = pictures(settings)
    return own, fit(own, settings, train=source, val=source, folder=folder, resume=resume)


class Watch:
    """Keeps the features' weights as they are when each epoch ends, and what sizes were seen."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.epochs: list[dict[str, Tensor]] = []
        self.sides: list[int] = []
        end, step = Learner.on_train_epoch_end, Learner.training_step

        def ended(learner: Any) -> None:
            state = learner.network.features.state_dict()
            self.epochs.append({name: value.clone() for name, value in state.items()})
            end(learner)

        def stepped(learner: Any, batch: Any, number: int) -> Any:
            self.sides.append(batch[0].shape[1])
            return step(learner, batch, number)

        monkeypatch.setattr(Learner, "on_train_epoch_end", ended)
        monkeypatch.setattr(Learner, "training_step", stepped)


def changed(before: dict[str, Tensor], after: dict[str, Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


def test_head_learns_alone_first(tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    run(tmp_path, config(head_warmup_epochs=1, weight_decay=0.1), pictures)
    start = network().features.state_dict()
    assert changed(start, watch.epochs[0]) == set(), "nor do statistics move"
    weights = {name for name, _ in network().features.named_parameters()}
    assert changed(start, watch.epochs[1]) >= weights


def test_first_stages_stay(tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    own, _ = run(tmp_path, config(unfreeze=1, layer_decay=0.5), pictures)
    moved = changed(network().features.state_dict(), watch.epochs[-1])
    trained = {name for name, parameter in own.features.named_parameters() if parameter.requires_grad}
    assert trained
    assert {name for name in moved if "running" not in name and "num_batches" not in name} == trained
    assert not any(
        name.startswith(("backbone.conv_stem", "backbone.bn1", "backbone.blocks.0")) for name in moved
    )


def test_sizes_grow_and_the_layout_is_as_before(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Watch(monkeypatch)
    own, fitted = run(tmp_path, config(sizes=[16, 48]), pictures)
    half = len(watch.sides) // 2
    assert watch.sides == [16] * half + [48] * half
    assert own.features.preprocess.size == 32
    assert all(parameter.is_contiguous() for parameter in fitted.network.parameters())


def test_a_killed_fine_tuning_goes_on_bit_for_bit(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the epoch after the head's own, where Lightning does not say that an epoch begins."""
    options = {"head_warmup_epochs": 1, "ema": 0.9, "checkpoint_minutes": 1e-9, "schedule": "cosine"}
    settings = config(**options)
    _, whole = run(tmp_path / "whole", settings, pictures)
    step, seen = Learner.training_step, []

    def die(learner: Any, batch: Any, number: int) -> Any:
        seen.append((learner.current_epoch, number))
        if seen[-1] == (1, 2):
            raise KeyboardInterrupt
        return step(learner, batch, number)

    monkeypatch.setattr(Learner, "training_step", die)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", settings, pictures)
    monkeypatch.setattr(Learner, "training_step", step)
    _, resumed = run(tmp_path / "cut", settings, pictures, resume=True)
    assert changed(dict(whole.network.state_dict()), dict(resumed.network.state_dict())) == set()
    assert resumed.history == whole.history


def test_bfloat16_trains_float32_weights(
    tmp_path: Path, pictures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(optimisers, "_processor", lambda _: True)
    kinds: list[tuple[torch.dtype, torch.dtype]] = []
    make = Learner._rows

    def rows(learner: Any, inputs: Tensor) -> Tensor:
        found = make(learner, inputs)
        product = torch.ones(2, 2) @ torch.ones(2, 2)  # autocast acts on it
        kinds.append((product.dtype, next(learner.network.parameters()).dtype))
        return found

    monkeypatch.setattr(Learner, "_rows", rows)
    _, fitted = run(tmp_path, config(precision="bfloat16"), pictures)
    assert set(kinds) == {(torch.bfloat16, torch.float32)}
    assert np.isfinite([row["train_loss"] for row in fitted.history]).all()
    assert all(parameter.dtype == torch.float32 for parameter in fitted.network.parameters())


def test_sizes_that_a_backbone_cannot_take_are_refused() -> None:
    class OneSize(nn.Module):
        preprocess = network().features.preprocess

        def forward(self, images: Tensor) -> Tensor:
            assert images.shape[1] == 32, "Input height (96) does not match model (32)."
            return images

    vision: Any = OneSize()
    check_sizes(vision, (32,))
    with pytest.raises(
        ConfigError, match=r"pictures of this size.*training\.sizes.*saw 96: Input.*wanted 32"
    ):
        check_sizes(vision, (32, 96))
    check_sizes(network().features, (16, 48))  # type: ignore[arg-type]
