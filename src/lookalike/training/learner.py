"""What Lightning is given to train: a network with its loss, its batches, its optimiser and its judge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from lookalike.config import RunConfig, TrainingConfig
from lookalike.metrics import retrieval
from lookalike.training.losses import make_loss
from lookalike.training.network import Network
from lookalike.training.sources import Batch, Source

MONITOR = "val_map@r"
History = list[dict[str, float]]  # one row an epoch


class Learner(lightning.LightningModule):
    """A network, its loss and its batches, as Lightning wants them."""

    def __init__(self, network: nn.Module, config: RunConfig, train: Source, val: Source) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.sources = {"train": train, "val": val}
        self.loss = make_loss(config.loss)
        self.history: History = []
        self.start: float | None = None
        self._losses: list[Tensor] = []

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed inputs: [n, d] unit rows."""
        return cast(Tensor, self.network(inputs))

    def train_dataloader(self) -> Iterable[Batch]:
        """The batches of the epoch that begins."""
        return self.sources["train"].training(
            self.config.batches, seed=self.config.seed, epoch=self.current_epoch
        )

    def val_dataloader(self) -> Iterable[Batch]:
        """The validation split, in order."""
        return self.sources["val"].evaluation()

    def on_train_epoch_start(self) -> None:
        """Make dropout depend on seed and epoch alone, so that resuming needs no generator state."""
        torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch)
        self._losses = []
        if isinstance(self.network, Network):
            freeze_statistics(self.network.features, pretrained=self.config.network.pretrained)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """One batch's loss."""
        inputs, labels = batch
        loss = self.loss(self(inputs), labels)
        self._losses.append(loss.detach())
        return loss

    def validation_step(self, batch: Batch, _: int) -> None:
        """Collect embeddings; they are judged together when the epoch ends."""
        self._embeddings.append(self(batch[0]).float().cpu())

    def on_validation_epoch_start(self) -> None:
        """Begin collecting."""
        self._embeddings: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        """Judge the validation split by retrieval."""
        scores = judge(torch.cat(self._embeddings), self.sources["val"])
        self.log_dict({f"val_{name}": value for name, value in scores.items()})

    def on_train_epoch_end(self) -> None:
        """Add the epoch's row to the history; the checkpoint that follows holds it."""
        mean = torch.stack(self._losses).mean().item()
        self.log("train_loss", mean)
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.history.append({"epoch": self.current_epoch, **scores, "train_loss": mean})

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser, with the backbone's own learning rate where it is trained."""
        return make_optimizer(self.network, self.config.training)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep history and start score."""
        checkpoint["lookalike"] = {"history": self.history, "start": self.start}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore history and start score."""
        self.history = checkpoint["lookalike"]["history"]
        self.start = checkpoint["lookalike"]["start"]


def score(network: nn.Module, val: Source) -> float:
    """Val map@r of a network as it is."""
    network.eval()
    with torch.inference_mode():
        embeddings = torch.cat([network(inputs) for inputs, _ in val.evaluation()])
    network.train()
    return judge(embeddings, val)["map@r"]


def judge(embeddings: Tensor, source: Source) -> dict[str, float]:
    """Retrieval within a split: map@r and recall@1."""
    found = retrieval(embeddings.numpy(), source.labels, ks=(1,))
    return {name: float(np.nanmean(found.values[name])) for name in ("map@r", "recall@1")}


def make_optimizer(network: nn.Module, training: TrainingConfig) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with momentum; a Network's features get the backbone's learning rate."""
    groups: list[dict[str, Any]] = [{"params": list(network.parameters()), "lr": training.learning_rate}]
    if isinstance(network, Network):
        groups = [
            {"params": list(network.head.parameters()), "lr": training.learning_rate},
            {"params": list(network.features.parameters()), "lr": training.backbone_learning_rate},
        ]
    groups = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in groups]
    groups = [group for group in groups if group["params"]]
    decay = training.weight_decay
    if training.optimizer == "sgd":
        return torch.optim.SGD(groups, momentum=0.9, weight_decay=decay)
    kind = torch.optim.AdamW if training.optimizer == "adamw" else torch.optim.Adam
    return kind(groups, weight_decay=decay)


def freeze_statistics(features: nn.Module, *, pretrained: bool) -> None:
    """Keep a pretrained backbone's BatchNorm statistics: small P x K batches would spoil them."""
    for module in features.modules():
        if pretrained and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()
