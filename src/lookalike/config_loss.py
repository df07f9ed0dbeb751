"""What the `loss` section of a run file may say: one section a loss, told apart by `name`.

Defaults are those of the functions in training/losses. Making the loss is that room's business.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from lookalike.section import Positive, Section

AboveZero = Annotated[float, Field(ge=1e-6, le=1e6)]  # what float32 can count with
Count = Annotated[int, Field(ge=0)]
DistanceName = Literal["euclidean", "squared", "cosine"]
DEFAULT = "triplet_semi_hard"


class MemoryConfig(Section):
    """Embeddings of earlier batches that a batch is compared with too."""

    size: Positive = 4096  # rows that are remembered
    start: Count = 1000  # steps before it is used


class AuxiliaryConfig(Section):
    """A classifier on the first descriptor, trained beside the loss."""

    weight: AboveZero = 1.0
    smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    temperature: AboveZero = 0.5


class LossSection(Section):
    """What every loss can be asked."""

    name: str
    dimensions: tuple[Positive, ...] = ()  # Matryoshka: the first so many are usable too
    auxiliary: AuxiliaryConfig | None = None

    @field_validator("dimensions")
    @classmethod
    def _lengths_differ(cls, lengths: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(lengths)) < len(lengths):
            raise ValueError("lengths that differ")
        return lengths

    @property
    def arguments(self) -> dict[str, Any]:
        """What the loss itself is called or made with."""
        return {key: getattr(self, key) for key in type(self).model_fields if key not in COMMON}


class PairSection(LossSection):
    """A loss that can compare a batch with further rows."""

    memory: MemoryConfig | None = None


class ProxySection(LossSection):
    """A loss with one learned vector a class."""

    learning_rate: AboveZero | None = None  # of the vectors; null: training.learning_rate


COMMON = frozenset({*LossSection.model_fields, "memory", "learning_rate"})


def _hard_margin(value: object) -> object:
    if value == "soft":
        raise ValueError("a number: soft belongs to triplet_batch_hard, triplet_easy_positive and hap2s")
    return value


HardMargin = Annotated[AboveZero, BeforeValidator(_hard_margin)]
Margin = AboveZero | Literal["soft"]  # soft: log(1 + exp(.))


class TripletSemiHardConfig(LossSection):
    """Every positive against the nearest negative beyond it."""

    name: Literal["triplet_semi_hard"] = "triplet_semi_hard"
    margin: HardMargin = 1.0
    distance: DistanceName = "euclidean"


class TripletBatchHardConfig(LossSection):
    """The farthest positive against the nearest negative."""

    name: Literal["triplet_batch_hard"] = "triplet_batch_hard"
    margin: Margin = "soft"
    distance: DistanceName = "euclidean"
    skip_negatives: Count = 0  # so many of the nearest are left out: they may carry a wrong label
    skip_positives: Count = 0


class TripletBatchAllConfig(LossSection):
    """All triplets that are not solved yet."""

    name: Literal["triplet_batch_all"] = "triplet_batch_all"
    margin: HardMargin = 0.2
    distance: DistanceName = "euclidean"


class TripletEasyPositiveConfig(LossSection):
    """The nearest positive against one negative."""

    name: Literal["triplet_easy_positive"] = "triplet_easy_positive"
    negatives: Literal["semi_hard", "hard"] = "semi_hard"
    margin: Margin = "soft"
    temperature: AboveZero | None = None  # of the soft margin; null: 0.1
    distance: DistanceName = "cosine"

    @model_validator(mode="after")
    def _temperature_fits(self) -> TripletEasyPositiveConfig:
        if self.temperature is not None and self.margin != "soft":
            raise ValueError("a temperature beside margin: soft only; leave it out, or set margin: soft")
        return self


class TripletDistanceWeightedConfig(LossSection):
    """Every positive against a negative drawn evenly over distances."""

    name: Literal["triplet_distance_weighted"] = "triplet_distance_weighted"
    margin: HardMargin = 0.2
    distance: DistanceName = "euclidean"
    cutoff: Annotated[float, Field(ge=0.0, le=2.0)] = 0.5
    farthest: Annotated[float, Field(gt=0.0, le=2.0)] = 1.4


class ContrastiveConfig(PairSection):
    """Pairs, each on its own."""

    name: Literal["contrastive"] = "contrastive"
    margin: AboveZero = 0.5


class MultiSimilarityConfig(PairSection):
    """Hard pairs, weighted by all others of the anchor."""

    name: Literal["multi_similarity"] = "multi_similarity"
    alpha: AboveZero = 2.0
    beta: AboveZero = 50.0
    base: Annotated[float, Field(gt=-1.0, lt=1.0)] = 0.5
    epsilon: Annotated[float, Field(ge=0.0)] | None = 0.1  # slack of the pair mining; null: all pairs


class CircleConfig(PairSection):
    """Pairs, weighted by how far they are from where they should be."""

    name: Literal["circle"] = "circle"
    margin: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.4
    gamma: AboveZero = 80.0


class Hap2sExponentialConfig(PairSection):
    """An anchor's weighted distance to its positives against that to its negatives."""

    name: Literal["hap2s_exponential"] = "hap2s_exponential"
    sigma: AboveZero = 0.5
    margin: Margin = "soft"


class Hap2sPolynomialConfig(PairSection):
    """The same with polynomial weights."""

    name: Literal["hap2s_polynomial"] = "hap2s_polynomial"
    alpha: AboveZero = 10.0
    margin: Margin = "soft"


class SupervisedContrastiveConfig(PairSection):
    """Positives should be likely among all rows."""

    name: Literal["supervised_contrastive"] = "supervised_contrastive"
    temperature: AboveZero = 0.1


class NtXentConfig(PairSection):
    """Every positive should be likely among the negatives."""

    name: Literal["nt_xent"] = "nt_xent"
    temperature: AboveZero = 0.1


class SmoothApConfig(PairSection):
    """Average precision, smoothed."""

    name: Literal["smooth_ap"] = "smooth_ap"
    temperature: AboveZero = 0.01


class RecallAtKConfig(PairSection):
    """Recall@k, smoothed."""

    name: Literal["recall_at_k"] = "recall_at_k"
    ks: Annotated[tuple[Annotated[int, Field(ge=1, le=10**6)], ...], Field(min_length=1)] = (1, 2, 4, 8, 16)
    temperature: AboveZero = 0.01


class ProxyAnchorConfig(ProxySection):
    """Class vectors gather their rows."""

    name: Literal["proxy_anchor"] = "proxy_anchor"
    alpha: AboveZero = 32.0
    margin: AboveZero = 0.1


class NormalisedSoftmaxConfig(ProxySection):
    """Cross-entropy of cosines to class vectors."""

    name: Literal["normalised_softmax"] = "normalised_softmax"
    temperature: AboveZero = 0.05


class CosFaceConfig(ProxySection):
    """The same with a margin in cosine."""

    name: Literal["cosface"] = "cosface"
    margin: AboveZero = 0.35
    scale: AboveZero = 64.0


class ArcFaceConfig(ProxySection):
    """The same with a margin in angle."""

    name: Literal["arcface"] = "arcface"
    margin: Annotated[float, Field(gt=0.0, lt=math.pi)] = 0.5  # radians
    scale: AboveZero = 64.0


class DottedLossConfig(ProxySection):
    """Any function or class of another package that is called with embeddings and labels."""

    name: Annotated[str, Field(pattern=r"^\w+(\.\w+)+$")]  # such as pytorch_metric_learning.losses.CircleLoss
    options: dict[str, Any] = Field(default_factory=dict)


def _with_name(values: object) -> object:
    if isinstance(values, Mapping) and "name" not in values:
        return {**values, "name": DEFAULT}
    return values


def _kind(values: object) -> str:
    name = values.get("name") if isinstance(values, Mapping) else getattr(values, "name", None)
    return "dotted" if isinstance(name, str) and "." in name else "own"


OwnLoss = (
    TripletSemiHardConfig
    | TripletBatchHardConfig
    | TripletBatchAllConfig
    | TripletEasyPositiveConfig
    | TripletDistanceWeightedConfig
    | ContrastiveConfig
    | MultiSimilarityConfig
    | CircleConfig
    | Hap2sExponentialConfig
    | Hap2sPolynomialConfig
    | SupervisedContrastiveConfig
    | NtXentConfig
    | SmoothApConfig
    | RecallAtKConfig
    | ProxyAnchorConfig
    | NormalisedSoftmaxConfig
    | CosFaceConfig
    | ArcFaceConfig
)
LossConfig = Annotated[
    Annotated[OwnLoss, Field(discriminator="name"), BeforeValidator(_with_name), Tag("own")]
    | Annotated[DottedLossConfig, Tag("dotted")],
    Discriminator(_kind),
]
LOSSES: dict[str, type[LossSection]] = {kind.model_fields["name"].default: kind for kind in get_args(OwnLoss)}
