"""What Lightning is given to train by attributes: two branches, and triplets of picture, own and others.

A network of pictures and a branch of attributes enter, with the pictures' values; a step's triplets are a
pure function of seed and place, so a training that was stopped goes on as if nothing had happened. How a run
is made of it is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
from torch import Tensor, nn

from lookalike.config import AttributeConfig, RunConfig
from lookalike.errors import TrainingError
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values
from lookalike.training.attribute_solve import indicators, mean_of_kinds, score
from lookalike.training.attribute_triplets import draw_negatives, mask_some
from lookalike.training.losses import triplet_loss
from lookalike.training.network import Network
from lookalike.training.optimisers import freeze_statistics, make_optimizer, make_schedule
from lookalike.training.sources import Batch, FeatureSource, PictureSource, seed_of
from lookalike.training.triplets import Triplets

MONITOR = "val_map"
KINDS = ("random", "hard")  # of negatives

RowSource = FeatureSource | PictureSource  # with row numbers for labels


class AttributeLearner(lightning.LightningModule):
    """Pictures and attributes in one space, as Lightning wants them.

    Args:
        images: pictures (or their features) to [n, d] unit rows.
        branch: `indicators` [q, 2a] to [q, d] unit rows.
        train, val: the inputs, with their row numbers for labels, and the rows' values.
    """

    def __init__(
        self,
        images: nn.Module,
        branch: nn.Module,
        config: RunConfig,
        *,
        train: tuple[RowSource, Values],
        val: tuple[RowSource, Values],
    ) -> None:
        super().__init__()
        self.network = images
        self.branch = branch
        self.config = config
        self.wanted = config.attributes or AttributeConfig()
        self.train_side, self.val_side = train, val
        self.history: list[dict[str, float]] = []
        self.start: float | None = None
        self._tally = Tally()

    @property
    def rows(self) -> list[dict[str, float]]:
        """One row an epoch."""
        return self.history

    def train_dataloader(self) -> Iterable[Batch]:
        """Every picture once, in an order of the epoch's own; what does not fill a batch waits."""
        source, values = self.train_side
        order = np.random.default_rng((self.config.seed, self.current_epoch)).permutation(len(values))
        size = min(self.wanted.batch, len(order))
        whole = order[: len(order) // size * size].reshape(-1, size)
        return source.drawn(whole.tolist(), seed=self.config.seed, epoch=self.current_epoch)

    def val_dataloader(self) -> Iterable[Batch]:
        """The validation split, in order."""
        return self.val_side[0].evaluation()

    def on_train_epoch_start(self) -> None:
        """Begin to count; keep a pretrained backbone's statistics."""
        self._tally = Tally()
        if isinstance(self.network, Network):
            pretrained = self.config.network.pretrained
            freeze_statistics(self.network.features, self.config.training, pretrained=pretrained)

    def on_train_batch_start(self, _: Batch, number: int) -> None:
        """Make dropout depend on seed and place alone."""
        torch.manual_seed(seed_of(self.config.seed, self.current_epoch, number))

    def training_step(self, batch: Batch, number: int) -> Tensor:
        """One batch's loss."""
        inputs, rows = batch
        key = (self.config.seed, self.current_epoch, number, 1)
        pictures, values = self.network(inputs), self.train_side[1][rows.cpu().numpy()]
        with torch.autocast(self.device.type, enabled=False):
            loss, correct, hard = self._triplets(pictures.float(), values, key)
        self._tally.add(loss, correct, hard)
        if not torch.isfinite(loss):
            raise _out_of_bounds(self.current_epoch, self.config.training.learning_rate, loss.item())
        return loss

    def on_validation_epoch_start(self) -> None:
        """Begin collecting."""
        self._pictures: list[Tensor] = []

    def validation_step(self, batch: Batch, _: int) -> None:
        """Collect embeddings; they are judged together when the epoch ends."""
        with torch.autocast(self.device.type, enabled=False):  # as the exported model will
            self._pictures.append(self.network(batch[0]))

    def on_validation_epoch_end(self) -> None:
        """Judge the validation split by queries, and by triplets that are the same in every epoch."""
        pictures, values = torch.cat(self._pictures), self.val_side[1]
        scores = score(pictures.cpu().numpy(), values, self.embed)
        self.log_dict({MONITOR: mean_of_kinds(scores), **{f"{MONITOR}_{k}": v for k, v in scores.items()}})
        tally = Tally()
        tally.add(*self._triplets(pictures, values, (self.config.seed, 0, 0, 2)))
        self.log_dict(tally.row("val"))

    def on_train_epoch_end(self) -> None:
        """Add the epoch's row to the history; the checkpoint that follows holds it."""
        row = self._tally.row("train")
        self.log_dict(row)
        found = {name: float(value) for name, value in self.trainer.callback_metrics.items()}
        self.history.append({"epoch": self.current_epoch, **found, **row})

    def configure_optimizers(self) -> Any:
        """The optimiser of both sides; the branch learns as the head does."""
        training = self.config.training
        optimizer = make_optimizer(self.network, training, loss=self.branch, loss_decay=training.weight_decay)
        steps = max(1, len(self.train_side[1]) // min(self.wanted.batch, len(self.train_side[1])))
        schedule = make_schedule(optimizer, training, epoch_steps=steps)
        if schedule is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep history and start score."""
        checkpoint["lookalike"] = {"history": self.history, "start": self.start}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore history and start score."""
        self.history, self.start = checkpoint["lookalike"]["history"], checkpoint["lookalike"]["start"]

    @torch.no_grad()
    def embed(self, stated: Floats) -> Floats:
        """`indicators` [q, 2a] to [q, d] unit rows, by the branch as it is in evaluation."""
        training = self.branch.training
        self.branch.eval()
        embedded: Floats = self.branch(torch.from_numpy(stated).to(self.device)).float().cpu().numpy()
        self.branch.train(training)
        return embedded

    def _triplets(
        self, pictures: Tensor, values: Values, key: tuple[int, ...]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The loss of pictures that have the values; which triplets are correct [n], and which hard [n]."""
        rng = np.random.default_rng(key)
        positives = mask_some(values, share=self.wanted.mask_share, rng=rng)
        negatives, hard = draw_negatives(
            positives,
            self.train_side[1],
            hard_share=self.wanted.hard_share,
            flips=self.wanted.flips,
            rng=rng,
        )
        return (
            *attribute_loss(pictures, self.branch, positives, negatives, margin=self.wanted.margin),
            torch.from_numpy(hard),
        )


def attribute_loss(
    pictures: Tensor, branch: nn.Module, positives: Values, negatives: Values, *, margin: float
) -> tuple[Tensor, Tensor]:
    """Ask each picture to be nearer, by a margin, to its own attributes than to others.

    Positives and negatives go through the branch together: they are told apart by what they state, not by
    the statistics of their batch.

    Args:
        pictures: [n, d] float, unit rows.
        branch: `indicators` [q, 2a] to [q, d] unit rows.
        positives, negatives: [n, a] values.
        margin: > 0, of the euclidean distance.

    Returns:
        The mean of max(0, D_ap - D_an + margin); and [n] bool, which are correct: D_an > D_ap + margin.
    """
    n = len(pictures)
    stated = torch.from_numpy(indicators(np.concatenate([positives, negatives]))).to(pictures.device)
    embeddings = torch.cat([pictures, branch(stated).to(pictures.dtype)])  # [3n, d]
    row = torch.arange(n, device=pictures.device)
    triplets = Triplets(row, row + n, row + 2 * n)
    with torch.no_grad():
        near, far = ((pictures - embeddings[part]).norm(dim=1) for part in triplets[1:])
    return triplet_loss(embeddings, triplets, margin=margin), far > near + margin


class Tally:
    """Counts loss and correct triplets by kind of negative over the batches of an epoch."""

    def __init__(self) -> None:
        self._losses: list[float] = []
        self._correct = dict.fromkeys(KINDS, 0)
        self._counts = dict.fromkeys(KINDS, 0)

    def add(self, loss: Tensor, correct: Tensor, hard: Tensor) -> None:
        """Take a batch: its loss, and for each triplet whether it is correct and whether it is hard."""
        self._losses.append(loss.item())
        correct = correct.cpu()
        for kind, members in zip(KINDS, (~hard, hard), strict=True):
            self._counts[kind] += int(members.sum())
            self._correct[kind] += int((correct & members).sum())

    def row(self, split: str) -> dict[str, float]:
        """The means by name; a kind that never came has NaN."""
        shares: Mapping[str, float] = {
            kind: self._correct[kind] / count if (count := self._counts[kind]) else float("nan")
            for kind in KINDS
        }
        return {
            f"{split}_loss": float(np.mean(self._losses)),
            **{f"{split}_correct_{kind}": share for kind, share in shares.items()},
        }


def _out_of_bounds(epoch: int, rate: float, loss: float) -> TrainingError:
    return TrainingError(
        "the training went out of bounds",
        where=f"epoch {epoch + 1}",
        saw=f"loss {loss:g}",
        wanted="finite numbers",
        do=f"start again with training.learning_rate at a tenth (now {rate:g})",
    )
