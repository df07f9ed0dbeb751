"""Cross-batch memory: embeddings of earlier batches, kept as further rows to compare a batch with.

A loss that takes a gallery enters, and becomes one that remembers. Weights change little from step to step,
so embeddings of some steps ago are nearly what the network would give now; a small batch then meets thousands
of negatives at the price of a matrix product. The memory lies in buffers: a checkpoint holds it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor, nn

from lookalike.errors import BatchError, ConfigError
from lookalike.training.distances import as_batch
from lookalike.training.options import check_whole


class CrossBatchMemory(nn.Module):
    """A loss whose batches also meet the embeddings of earlier ones.

    Every row of a batch is compared with the batch and with the memory in one loss; then the batch enters the
    memory, the oldest rows leave. What is remembered carries no gradient, and a row never meets itself: it
    enters after the comparison. In evaluation mode the memory is neither used nor filled.

    Args:
        loss: a loss over pairs that takes a gallery: loss(embeddings, labels, gallery=(rows, labels)).
        size: most rows that are remembered; more than some steps' worth is more wrong than useful early on.
        dim: d, length of an embedding.
        start: how many steps pass before the memory is used; it is filled from the first on. Embeddings
            move fast at the beginning of a training.

    Raises:
        ConfigError: the loss takes no gallery, or an option is out of range.

    Reference:
        Wang et al., Cross-Batch Memory for Embedding Learning, CVPR 2020 (arXiv:1912.06798), algorithm 1. The
        batch's own rows, which the paper puts into the memory first, are met with their gradient here.

    Attributes:
        embeddings, labels: [size, d] float32 and [size] int64, a ring; the first `filled` rows are in use.
        filled, next, steps: scalars: rows in use, where the next row goes, batches seen in training.
    """

    embeddings: Tensor
    labels: Tensor
    filled: Tensor
    next: Tensor
    steps: Tensor

    def __init__(self, loss: Callable[..., Tensor], *, size: int, dim: int, start: int = 0) -> None:
        super().__init__()
        if not takes_gallery(loss):
            raise ConfigError(
                "the loss cannot use a memory",
                where="loss.memory",
                saw=getattr(loss, "__name__", type(loss).__name__),
                wanted="a loss over pairs, such as contrastive or multi_similarity",
                do="leave memory out, or choose such a loss",
            )
        check_whole(least=1, where="loss.memory", size=size, dim=dim)
        check_whole(least=0, where="loss.memory", start=start)
        self.loss = loss
        self.start = start
        self.register_buffer("embeddings", torch.zeros(size, dim))
        self.register_buffer("labels", torch.zeros(size, dtype=torch.int64))
        for name in ("filled", "next", "steps"):
            self.register_buffer(name, torch.zeros((), dtype=torch.int64))

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar; in training mode, remember them.

        Raises:
            BatchError: embeddings are not of length d, or the loss refuses the batch.
        """
        rows, labels = as_batch(embeddings, labels, distance="euclidean")
        if rows.shape[1] != self.embeddings.shape[1]:
            raise BatchError(
                "embeddings do not fit the memory",
                where="embeddings",
                saw=f"rows of length {rows.shape[1]}",
                wanted=f"{self.embeddings.shape[1]}",
                do=f"make the memory with dim={rows.shape[1]}",
            )
        if not self.training:
            return self.loss(embeddings, labels)
        filled = int(self.filled)
        if filled and self.steps >= self.start:
            # copies: a loss may keep them for its backward pass, and the ring changes below
            gallery = self.embeddings[:filled].clone(), self.labels[:filled].clone()
            value = self.loss(embeddings, labels, gallery=gallery)
        else:
            value = self.loss(embeddings, labels)
        self._remember(rows.detach(), labels)
        return value

    def _remember(self, rows: Tensor, labels: Tensor) -> None:
        size = len(self.labels)
        rows, labels = rows[-size:], labels[-size:]
        places = (self.next + torch.arange(len(rows), device=self.labels.device)) % size
        self.embeddings[places] = rows.to(self.embeddings)
        self.labels[places] = labels.to(self.labels)
        self.filled.add_(len(rows)).clamp_(max=size)
        self.next.add_(len(rows)).remainder_(size)
        self.steps.add_(1)


def takes_gallery(loss: Callable[..., Tensor]) -> bool:
    """Whether a loss can compare a batch with further rows."""
    inner = getattr(loss, "loss", None)
    if callable(inner):  # a wrapper, such as Matryoshka, takes what its loss takes
        return takes_gallery(inner)
    called = loss.forward if isinstance(loss, nn.Module) else loss
    return "gallery" in inspect.signature(called).parameters
