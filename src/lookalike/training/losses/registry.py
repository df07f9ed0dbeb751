"""Which loss a run file asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor

from lookalike.config_loss import DottedLossConfig, LossSection, PairSection
from lookalike.errors import ConfigError
from lookalike.training.losses.batch_all import triplet_batch_all
from lookalike.training.losses.contrast import nt_xent, supervised_contrastive
from lookalike.training.losses.foreign import ForeignLoss
from lookalike.training.losses.matryoshka import Matryoshka
from lookalike.training.losses.mined import triplet_distance_weighted, triplet_easy_positive
from lookalike.training.losses.pairwise import circle, contrastive, multi_similarity
from lookalike.training.losses.proxies import ArcFace, CosFace, NormalisedSoftmax, Proxies, ProxyAnchor
from lookalike.training.losses.ranking import recall_at_k, smooth_ap
from lookalike.training.losses.triplet import triplet_batch_hard, triplet_semi_hard
from lookalike.training.losses.weighted import hap2s_exponential, hap2s_polynomial
from lookalike.training.memory import CrossBatchMemory

Loss = Callable[[Tensor, Tensor], Tensor]

FUNCTIONS: dict[str, Callable[..., Tensor]] = {
    function.__name__: function
    for function in (
        triplet_semi_hard,
        triplet_batch_hard,
        triplet_batch_all,
        triplet_easy_positive,
        triplet_distance_weighted,
        contrastive,
        multi_similarity,
        circle,
        hap2s_exponential,
        hap2s_polynomial,
        supervised_contrastive,
        nt_xent,
        smooth_ap,
        recall_at_k,
    )
}
MODULES: dict[str, type[Proxies]] = {
    "proxy_anchor": ProxyAnchor,
    "normalised_softmax": NormalisedSoftmax,
    "cosface": CosFace,
    "arcface": ArcFace,
}


def make_loss(config: LossSection, *, classes: int | None = None, dim: int | None = None) -> Loss:
    """Return the loss that a run file asks for, as a function of embeddings and labels.

    It is a torch module where it has parameters (learned class vectors) or buffers (a memory): those belong
    into the optimiser and into checkpoints.

    Args:
        config: the run file's `loss` section; its auxiliary classifier is not made here.
        classes: how many labels there are in training; only losses with a vector a class need it.
        dim: d, length of an embedding; the same losses and a memory need it.

    Raises:
        ConfigError: classes or dim is needed and was not given, a length in `dimensions` exceeds dim, or a
            dotted path does not lead to a loss.
    """
    loss = _bare(config, classes, dim)
    if config.dimensions:
        loss = Matryoshka(loss, dimensions=_lengths(config.dimensions, dim))
    if isinstance(config, PairSection) and config.memory is not None:
        size, start = config.memory.size, config.memory.start
        loss = CrossBatchMemory(loss, size=size, dim=_given(dim, "dim", config.name), start=start)
    return loss


def _bare(config: LossSection, classes: int | None, dim: int | None) -> Loss:
    if isinstance(config, DottedLossConfig):
        return ForeignLoss(config.name, options=config.options, classes=classes, dim=dim)
    if config.name in FUNCTIONS:
        return partial(FUNCTIONS[config.name], **config.arguments)
    return MODULES[config.name](
        classes=_given(classes, "classes", config.name),
        dim=_given(dim, "dim", config.name),
        **config.arguments,
    )


def _given(value: int | None, key: str, name: str) -> int:
    if value is not None:
        return value
    raise ConfigError(
        f"the loss needs to know {key}",
        where=f"loss.name: {name}",
        saw="None",
        wanted="a number",
        do=f"call make_loss(config, {key}=...)",
    )


def _lengths(dimensions: tuple[int, ...], dim: int | None) -> tuple[int, ...]:
    """The lengths asked for, and the full one: without it the last dimensions would not be trained."""
    if dim is None:
        return dimensions
    if max(dimensions) > dim:
        raise ConfigError(
            "a length is longer than the embedding",
            where="loss.dimensions",
            saw=str(max(dimensions)),
            wanted=f"at most network.embedding_dim, {dim}",
            do="take it out, or raise network.embedding_dim",
        )
    return tuple(sorted({*dimensions, dim}))
