"""Matryoshka training: the first dimensions of an embedding are usable as shorter embeddings.

A loss enters, and becomes one that is applied to several lengths of the same embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.nn import functional

from lookalike.errors import BatchError, ConfigError
from lookalike.training.distances import as_rows
from lookalike.training.losses.rows import Gallery


class Matryoshka(nn.Module):
    """The mean of a loss over the first m dimensions, brought to unit length, for several m.

    Args:
        loss: of embeddings [n, m] and labels [n]; proxies are tied, their first m dimensions are met.
        dimensions: the lengths m; name the full length too, or its last dimensions are not trained.
        weights: one a length, > 0, or none for all alike; their mean is taken as 1.

    Raises:
        ConfigError: no lengths, a length < 1 or twice, or weights that are not one positive number a length.

    Reference:
        Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022 (arXiv:2205.13147), equation 1, with
        any loss in place of a classifier; tied proxies are its MRL-E.
    """

    def __init__(
        self,
        loss: Callable[..., Tensor],
        *,
        dimensions: Sequence[int],
        weights: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        given = [1.0] * len(dimensions) if weights is None else list(weights)
        if not dimensions or min(dimensions) < 1 or len(set(dimensions)) < len(dimensions):
            raise _misfit("dimensions", list(dimensions), "different whole numbers >= 1, at least one")
        if len(given) != len(dimensions) or min(given) <= 0:
            raise _misfit("weights", given, f"{len(dimensions)} numbers > 0, one for each of the dimensions")
        self.loss = loss
        self.dimensions = tuple(dimensions)
        self.weights = tuple(weight / sum(given) for weight in given)

    def forward(self, embeddings: Tensor, labels: Tensor, *, gallery: Gallery | None = None) -> Tensor:
        """[n, d] unit rows and [n] int64 labels to a scalar.

        A gallery of further embeddings [m, d] and labels [m] is shortened too; the loss must take one.

        Raises:
            BatchError: embeddings are shorter than one of the dimensions, or the loss refuses the batch.
        """
        if max(self.dimensions) > embeddings.shape[1]:
            raise BatchError(
                "embeddings are too short",
                where="dimensions",
                saw=f"rows of length {embeddings.shape[1]}",
                wanted=f"{max(self.dimensions)} or more",
                do="take the longer dimensions out, or raise network.embedding_dim",
            )
        terms = []
        for length, weight in zip(self.dimensions, self.weights, strict=True):
            more: dict[str, Any] = {}
            if gallery is not None:
                more["gallery"] = (_shortened(gallery[0], length), gallery[1])
            terms.append(weight * self.loss(_shortened(embeddings, length), labels, **more))
        return sum(terms[1:], start=terms[0])


def _shortened(embeddings: Tensor, length: int) -> Tensor:
    """The first dimensions of rows, of unit length again; the whole row as it is."""
    rows = as_rows(embeddings, distance="euclidean")
    if length == rows.shape[1]:
        return rows
    # the floor bounds the gradient of a row whose first dimensions are all 0
    return functional.normalize(rows[:, :length], dim=1, eps=1e-6)


def _misfit(name: str, saw: object, wanted: str) -> ConfigError:
    return ConfigError(
        f"the {name} do not fit Matryoshka training",
        where=f"loss.{name}",
        saw=repr(saw),
        wanted=wanted,
        do="set for example dimensions: [32, 64, 128]",
    )
