"""Losses that compare every row with one learned vector a class, and the auxiliary classifier.

Embeddings [n, d] and labels [n] in [0, classes) enter, a scalar leaves. They need no pairs: a batch of one
class, or of classes that occur once, is learned from too. The vectors are parameters: they belong into the
optimiser and into checkpoints, and are dropped after training. New vectors are drawn by torch's generator.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config_loss import (
    ArcFaceConfig,
    AuxiliaryConfig,
    CosFaceConfig,
    NormalisedSoftmaxConfig,
    ProxyAnchorConfig,
)
from lookalike.errors import BatchError
from lookalike.training.distances import as_batch
from lookalike.training.options import check_whole, checked


class Proxies(nn.Module):
    """One learned direction a class: what the losses below compare rows with.

    Args:
        classes: C, how many labels there are; labels lie in [0, C).
        dim: d, length of an embedding. Shorter embeddings meet the first dimensions of the vectors
            (Matryoshka training ties its lengths this way).

    Raises:
        ConfigError: classes or dim is not a whole number >= 1, or an option is out of range.
    """

    def __init__(self, *, classes: int, dim: int) -> None:
        super().__init__()
        check_whole(least=1, where=type(self).__name__, classes=classes, dim=dim)
        self.weight = nn.Parameter(functional.normalize(torch.randn(classes, dim), dim=1))

    def similarities(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Cosine [n, C] of rows of unit length (not checked) and the classes' vectors, and labels [n] int64.

        Raises:
            BatchError: the shapes do not fit, or a label is outside of [0, C).
        """
        rows, labels = as_batch(embeddings, labels, distance="euclidean")
        classes, dim = self.weight.shape
        _check_fit(rows, labels, classes=classes, dim=dim)
        weight = self.weight[:, : rows.shape[1]].to(rows.dtype)
        with torch.autocast(rows.device.type, enabled=False):
            return rows @ functional.normalize(weight, dim=1).T, labels


class NormalisedSoftmax(Proxies):
    """Classify by the nearest class vector: cross-entropy of cosine / temperature, mean over the rows.

    Args:
        classes, dim: see `Proxies`.
        temperature: > 0.

    Reference:
        Zhai & Wu, Classification is a Strong Baseline for Deep Metric Learning, BMVC 2019 (arXiv:1811.12649).
    """

    def __init__(self, *, classes: int, dim: int, temperature: float = 0.05) -> None:
        super().__init__(classes=classes, dim=dim)
        self.temperature = checked(NormalisedSoftmaxConfig, temperature=temperature).temperature

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar > 0; BatchError where they do not fit."""
        cosine, labels = self.similarities(embeddings, labels)
        return functional.cross_entropy(cosine / self.temperature, labels)


class CosFace(Proxies):
    """Classify by the nearest class vector although the right one is handicapped by a margin.

    Cross-entropy of scale · (cosine - margin at the right class), mean over the rows.

    Args:
        classes, dim: see `Proxies`.
        margin: in cosine, > 0.
        scale: > 0.

    Reference:
        Wang et al., CosFace, CVPR 2018 (arXiv:1801.09414), equation 4.
    """

    def __init__(self, *, classes: int, dim: int, margin: float = 0.35, scale: float = 64.0) -> None:
        super().__init__(classes=classes, dim=dim)
        asked = checked(CosFaceConfig, margin=margin, scale=scale)
        self.margin, self.scale = asked.margin, asked.scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar > 0; BatchError where they do not fit."""
        cosine, labels = self.similarities(embeddings, labels)
        right = cosine.gather(1, labels[:, None]) - self.margin
        return functional.cross_entropy(cosine.scatter(1, labels[:, None], right) * self.scale, labels)


class ArcFace(Proxies):
    """Classify by the nearest class vector although the right one is turned away by an angle.

    Cross-entropy of scale · cos(θ), with θ + margin at the right class, mean over the rows. Where θ + margin
    exceeds π it is scale · (cos θ - margin · sin margin) there, which keeps falling with θ.

    Args:
        classes, dim: see `Proxies`.
        margin: in radians, in (0, π).
        scale: > 0.

    Reference:
        Deng et al., ArcFace, CVPR 2019 (arXiv:1801.07698), equation 3, and its code beyond π.
    """

    def __init__(self, *, classes: int, dim: int, margin: float = 0.5, scale: float = 64.0) -> None:
        super().__init__(classes=classes, dim=dim)
        asked = checked(ArcFaceConfig, margin=margin, scale=scale)
        self.margin, self.scale = asked.margin, asked.scale

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar > 0; BatchError where they do not fit."""
        cosine, labels = self.similarities(embeddings, labels)
        right = cosine.gather(1, labels[:, None])
        sine = (1 - right.square()).clamp(min=1e-7).sqrt()  # its gradient is infinite at 0
        turned = right * math.cos(self.margin) - sine * math.sin(self.margin)  # cos(θ + margin)
        beyond = right - self.margin * math.sin(self.margin)
        right = torch.where(right >= -math.cos(self.margin), turned, beyond)
        return functional.cross_entropy(cosine.scatter(1, labels[:, None], right) * self.scale, labels)


class ProxyAnchor(Proxies):
    """Let every class vector gather its rows and keep off all others, hard ones first.

    The mean of log(1 + Σ exp(-alpha (s - margin))) over the classes in the batch, each over its rows, plus
    the mean of log(1 + Σ exp(alpha (s + margin))) over all classes, each over the rows of others.

    Args:
        classes, dim: see `Proxies`.
        alpha: sharpness, > 0.
        margin: in cosine, > 0; δ in the paper.

    Reference:
        Kim et al., Proxy Anchor Loss, CVPR 2020 (arXiv:2003.13911), equation 4. The paper's learning rate of
        the vectors is 100 times that of the network.
    """

    def __init__(self, *, classes: int, dim: int, alpha: float = 32.0, margin: float = 0.1) -> None:
        super().__init__(classes=classes, dim=dim)
        asked = checked(ProxyAnchorConfig, alpha=alpha, margin=margin)
        self.alpha, self.margin = asked.alpha, asked.margin

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar > 0; BatchError where they do not fit."""
        cosine, labels = self.similarities(embeddings, labels)
        pull = (self.margin - cosine.gather(1, labels[:, None])[:, 0]) * self.alpha  # [n]
        nothing = torch.finfo(cosine.dtype).min
        push = (cosine + self.margin).mul_(self.alpha).scatter_(1, labels[:, None], nothing)  # [n, C]
        classes, places = labels.unique(return_inverse=True)
        pulled = _log_sum_exp_by(pull, places, groups=len(classes))
        return functional.softplus(pulled).mean() + functional.softplus(push.logsumexp(0)).mean()


class Classification(nn.Module):
    """Classify a descriptor by a linear layer: the auxiliary loss beside one that compares embeddings.

    Cross-entropy of (linear layer) / temperature with label smoothing, mean over the rows.

    Args:
        classes: C, how many labels there are; labels lie in [0, C).
        dim: length of the descriptor.
        smoothing: share of the target that is spread over all classes, in [0, 1).
        temperature: > 0.

    Raises:
        ConfigError: an option is out of range.

    Reference:
        Jun et al., Combination of Multiple Global Descriptors for Image Retrieval, 2019 (arXiv:1903.10663).
    """

    def __init__(self, *, classes: int, dim: int, smoothing: float = 0.1, temperature: float = 0.5) -> None:
        super().__init__()
        check_whole(least=1, where=type(self).__name__, classes=classes, dim=dim)
        asked = checked(
            AuxiliaryConfig,
            where=type(self).__name__,
            within=("loss", "auxiliary"),
            smoothing=smoothing,
            temperature=temperature,
        )
        self.linear = nn.Linear(dim, classes)
        self.smoothing, self.temperature = asked.smoothing, asked.temperature

    def forward(self, descriptors: Tensor, labels: Tensor) -> Tensor:
        """[n, dim] and [n] int64 labels to a scalar > 0; BatchError where they do not fit."""
        rows, labels = as_batch(descriptors, labels, distance="euclidean")
        _check_fit(rows, labels, classes=self.linear.out_features, dim=self.linear.in_features, exact=True)
        with torch.autocast(rows.device.type, enabled=False):
            logits = functional.linear(rows, self.linear.weight.to(rows), self.linear.bias.to(rows))
        return functional.cross_entropy(logits / self.temperature, labels, label_smoothing=self.smoothing)


def _log_sum_exp_by(logits: Tensor, places: Tensor, *, groups: int) -> Tensor:
    """log Σ exp of the logits [n] of each group: [groups]; every group has some."""
    peaks = logits.new_full((groups,), -torch.inf).scatter_reduce(0, places, logits.detach(), "amax")
    totals = logits.new_zeros(groups).index_add(0, places, (logits - peaks[places]).exp())
    return peaks + totals.log()


def _check_fit(rows: Tensor, labels: Tensor, *, classes: int, dim: int, exact: bool = False) -> None:
    if rows.shape[1] > dim or (exact and rows.shape[1] != dim):
        raise BatchError(
            "embeddings do not fit the loss",
            where="embeddings",
            saw=f"rows of length {rows.shape[1]}",
            wanted=f"{dim}",
            do=f"make the loss with dim={rows.shape[1]}",
        )
    if not len(labels) or labels.min() < 0 or labels.max() >= classes:
        raise BatchError(
            "labels do not fit the loss",
            where="labels",
            saw=f"{int(labels.min())} to {int(labels.max())}" if len(labels) else "no rows",
            wanted=f"0 to {classes - 1}: it has a vector for each of {classes} classes",
            do="number the labels from 0, and make the loss with classes = how many there are",
        )
