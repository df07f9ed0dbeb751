"""What Lightning is given to train: a network with its loss, its batches, its optimiser and its judge."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, cast

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from lookalike.config import RunConfig
from lookalike.errors import TrainingError
from lookalike.judging.metrics import retrieval
from lookalike.records import UNIT_TOLERANCE
from lookalike.training.alarms import MONITOR as MONITOR
from lookalike.training.alarms import Case
from lookalike.training.distributed import gather, rank, world
from lookalike.training.losses import Classification, make_loss
from lookalike.training.monitor import Blind, Monitor
from lookalike.training.network import Network
from lookalike.training.optimisers import (
    average_of,
    freeze_statistics,
    make_optimizer,
    make_schedule,
    reseed,
)
from lookalike.training.sources import Batch, Part, Source, label_codes, seed_of

History = list[dict[str, float]]  # one row an epoch

_JUDGED = ("map@r", "recall@1")  # they need no rank behind R, which spares most of the ranking


class Learner(lightning.LightningModule):
    """A network, its loss and its batches, as Lightning wants them."""

    def __init__(
        self, network: nn.Module, config: RunConfig, train: Source, val: Source, *, measured: bool = True
    ) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.sources = {"train": train, "val": val}
        classes = len(np.unique(train.labels))
        self.loss = make_loss(config.loss, classes=classes, dim=cast(int, network.dim))
        self.auxiliary = make_auxiliary(network, config, classes=classes)
        self.history: History = []
        self.start: float | None = None
        self._losses: list[Tensor] = []
        self._position = (0, 0)  # epoch and batch where a training that was stopped goes on
        decay = config.training.ema
        self.average = None if decay is None else average_of(network, decay=decay)
        backbone = network.features.parameters() if isinstance(network, Network) else ()
        self._backbone = [parameter for parameter in backbone if parameter.requires_grad]
        monitor = Monitor if measured else Blind
        self.monitor = monitor(config.loss, val_labels=label_codes(val.labels), seed=config.seed)

    @property
    def rows(self) -> History:
        """The history with each epoch's times, which differ from run to run."""
        return [{**row, **times} for row, times in zip(self.history, self.monitor.times, strict=True)]

    @property
    def judged(self) -> nn.Module:
        """What validation judges and a run keeps: the averaged network where there is one."""
        return self.network if self.average is None else self.average.module

    @property
    def case(self) -> Case:
        """What the rows are read with."""
        start = -1.0 if self.start is None else self.start
        return Case(self.config, start, len(np.unique(self.sources["val"].labels)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Embed inputs: [n, d] unit rows."""
        return cast(Tensor, self.network(inputs))

    def train_dataloader(self) -> Iterable[Batch]:
        """The batches of the epoch that begins, or of what is left of it."""
        epoch, batch = self._position
        part = Part(start=batch if epoch == self.current_epoch else 0, rank=rank(), world=world())
        batches = self.sources["train"].training(
            self.config.batches, seed=self.config.seed, epoch=self.current_epoch, part=part
        )
        return self.monitor.timed(batches)

    def val_dataloader(self) -> Iterable[Batch]:
        """The validation split, in order."""
        return self.sources["val"].evaluation()

    def on_train_epoch_start(self) -> None:
        """Begin to count anew."""
        self._losses = []
        self.on_train_start()

    def on_train_start(self) -> None:
        """Let learn what learns in this epoch; a training may go on in the middle of it."""
        for parameter in self._backbone:
            parameter.requires_grad_(self.current_epoch >= self.config.training.head_warmup_epochs)
        if isinstance(self.network, Network):
            pretrained = self.config.network.pretrained
            freeze_statistics(self.network.features, self.config.training, pretrained=pretrained)

    def on_train_batch_start(self, _: Batch, number: int) -> None:
        """Make dropout depend on seed and place alone, so that resuming needs no generator state."""
        reseed(seed_of(self.config.seed, self.current_epoch, number, rank()), self.device)

    def training_step(self, batch: Batch, _: int) -> Tensor:
        """One batch's loss."""
        inputs, labels = batch
        rows, labels = gather(self._rows(inputs), labels)
        with torch.autocast(self.device.type, enabled=False):
            rows = rows.float()
            embeddings = rows[:, : cast(int, self.network.dim)]
            loss = self.loss(embeddings, labels)
            if self.auxiliary is not None and self.config.loss.auxiliary is not None:
                classification = self.auxiliary(rows[:, embeddings.shape[1] :], labels)
                loss = loss + self.config.loss.auxiliary.weight * classification
        self._go_on_if(math.isfinite(loss.item()), f"loss {loss:g}")
        self._losses.append(loss.detach())
        self.monitor.step(embeddings, labels)
        return loss

    def _rows(self, inputs: Tensor) -> Tensor:
        """Embeddings [n, d], and behind them what an auxiliary classifier sits on."""
        if self.auxiliary is None:
            return cast(Tensor, self(inputs))
        return torch.cat(cast(Network, self.network).with_descriptor(inputs), dim=1)

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Measure the gradient, and stop where a step would ruin the weights."""
        parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
        norm = self.monitor.gradient(parameters)
        self._go_on_if(math.isfinite(norm.item()), f"gradient norm {norm:g}")

    def on_train_batch_end(self, *_: Any) -> None:
        """Take the time."""
        self.monitor.step_ended()

    def validation_step(self, batch: Batch, _: int) -> None:
        """Collect embeddings; they are judged together when the epoch ends."""
        with torch.autocast(self.device.type, enabled=False):  # as the exported model will
            self._embeddings.append(self.judged(batch[0]).cpu())

    def on_validation_epoch_start(self) -> None:
        """Begin collecting."""
        self._embeddings: list[Tensor] = []

    def on_validation_epoch_end(self) -> None:
        """Judge the validation split by retrieval."""
        embeddings = torch.cat(self._embeddings)
        lengths = torch.linalg.vector_norm(embeddings, dim=1)
        unit = bool(((lengths - 1.0).abs() < UNIT_TOLERANCE).all())  # False of numbers that are none too
        self._go_on_if(unit, f"embeddings of val of length {lengths.min():g} to {lengths.max():g}")
        scores = judge(embeddings, self.sources["val"])
        self.log_dict({f"val_{name}": value for name, value in scores.items()})
        self.log_dict(self.monitor.validation(embeddings))

    def on_train_epoch_end(self) -> None:
        """Add the epoch's row to the history; the checkpoint that follows holds it."""
        mean = torch.stack(self._losses).mean().item()
        self.log("train_loss", mean)
        row = self.monitor.row()
        self.log_dict(row)
        scores = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.history.append({"epoch": self.current_epoch, **scores, "train_loss": mean, **row})

    def configure_optimizers(self) -> Any:
        """The optimiser, with a learning rate for each part, and its schedule."""
        training = self.config.training
        learned = [part for part in (self.loss, self.auxiliary) if isinstance(part, nn.Module)]
        loss = nn.ModuleList(learned) if learned else None
        rate = getattr(self.config.loss, "learning_rate", None)
        optimizer = make_optimizer(self.network, training, loss=loss, loss_rate=rate)
        steps = int(self.trainer.estimated_stepping_batches) // training.epochs
        schedule = make_schedule(optimizer, training, epoch_steps=steps)
        each_step = {"scheduler": schedule, "interval": "step"}
        return optimizer if schedule is None else {"optimizer": optimizer, "lr_scheduler": each_step}

    def optimizer_step(self, *arguments: Any, **options: Any) -> None:
        """Step, and let the average follow before anything is saved."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.update_parameters(self.network)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep history and start score, and where in the epoch the training is."""
        done = self.trainer.fit_loop.epoch_loop.batch_progress.current.ready
        within = done < self.trainer.num_training_batches
        losses = torch.stack(self._losses).cpu() if within and self._losses else torch.empty(0)
        checkpoint["within"] = {"epoch": self.current_epoch, "batch": done if within else 0, "losses": losses}
        kept = {"history": self.history, "start": self.start, "monitor": self.monitor.state()}
        checkpoint["lookalike"] = kept

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore history, start score and place."""
        within = checkpoint["within"]
        self._position = within["epoch"], within["batch"]
        self._losses = list(within["losses"].unbind())
        self.history = checkpoint["lookalike"]["history"]
        self.start = checkpoint["lookalike"]["start"]
        self.monitor.restore(checkpoint["lookalike"]["monitor"])

    def _go_on_if(self, sound: bool, saw: str) -> None:  # noqa: FBT001 - the condition it is named for
        """Stop a training that has nothing left to go on with."""
        if sound:
            return
        training = self.config.training
        kept = "; checkpoints/best.ckpt holds the best epoch until now" if self.history else ""
        raise TrainingError(
            "the training went out of bounds",
            where=f"epoch {self.current_epoch + 1}, step {self.global_step + 1}",
            saw=saw,
            wanted="finite numbers, and embeddings of length 1",
            do=f"start again with training.learning_rate at a tenth (now {training.learning_rate:g}; of a "
            f"fine-tuned backbone {training.backbone_learning_rate:g}) or training.gradient_clip: 1{kept}",
        )


def make_auxiliary(network: nn.Module, config: RunConfig, *, classes: int) -> Classification | None:
    """The classifier on a network's first descriptor, where the run file asks for one."""
    asked = config.loss.auxiliary
    if asked is None or not isinstance(network, Network):
        return None
    dim = cast(int, network.features.descriptor_dim)
    return Classification(classes=classes, dim=dim, smoothing=asked.smoothing, temperature=asked.temperature)


def score(network: nn.Module, val: Source) -> float:
    """Val map@r of a network as it is."""
    network.eval()
    with torch.inference_mode():
        embeddings = torch.cat([network(inputs) for inputs, _ in val.evaluation()])
    network.train()
    return judge(embeddings, val)["map@r"]


def judge(embeddings: Tensor, source: Source) -> dict[str, float]:
    """Retrieval within a split: map@r and recall@1."""
    found = retrieval(
        embeddings.numpy(), source.labels, identity=source.identity, ks=(1,), figures=_JUDGED, neighbours=0
    )
    return {name: float(np.nanmean(found.values[name])) for name in _JUDGED}
