"""Triplet losses on gentler triplets than the hardest: easy positives, and negatives of every distance.

Embeddings [n, d] and labels [n] enter, a scalar leaves. How the triplets are picked stands in mining.py.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lookalike.config_loss import TripletDistanceWeightedConfig, TripletEasyPositiveConfig
from lookalike.training.distances import Distance, as_batch
from lookalike.training.losses.triplet import Margin, mean_of_triplets
from lookalike.training.mining import EasyNegatives, mine_distance_weighted, mine_easy_positive
from lookalike.training.options import checked

_TEMPERATURE = 0.1  # the paper's


def triplet_easy_positive(
    embeddings: Tensor,
    labels: Tensor,
    *,
    negatives: EasyNegatives = "semi_hard",
    margin: Margin = "soft",
    temperature: float | None = None,
    distance: Distance = "cosine",
) -> Tensor:
    """Ask every anchor's nearest positive to be nearer than one negative.

    log(1 + exp((D_ap - D_an) / temperature)) or, with a margin in numbers, max(0, D_ap - D_an + margin); mean
    over the anchors that have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        negatives: semi_hard: the nearest beyond the positive, or the farthest where there is none; hard: the
            nearest.
        margin: "soft", or > 0 in units of the distance.
        temperature: of the soft margin, > 0, smaller = sharper; None: 0.1.
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: an option is none of the above, or a temperature is set beside a margin in numbers.

    Reference:
        Xuan et al., Improved Embeddings with Easy Positive Triplet Mining, WACV 2020 (arXiv:1904.04370); its
        log-softmax over the two similarities is the soft margin on the cosine distance. Anchors without a
        negative beyond the positive are not dropped.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0., 1.], [-0.6, 0.8]])
    >>> round(triplet_easy_positive(z, torch.tensor([0, 0, 1, 1]), temperature=1.0).item(), 4)
    0.4846
    """
    asked = checked(TripletEasyPositiveConfig, margin=margin, temperature=temperature)
    rows, labels = as_batch(embeddings, labels, distance=distance)
    mined = mine_easy_positive(rows, labels, negatives=negatives)
    sharpness = asked.temperature or _TEMPERATURE
    return mean_of_triplets(rows, mined, asked.margin, distance, temperature=sharpness)


def triplet_distance_weighted(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    distance: Distance = "euclidean",
    cutoff: float = 0.5,
    farthest: float = 1.4,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Ask every positive pair to be nearer, by a margin, than a negative drawn evenly over distances.

    max(0, D_ap - D_an + margin), mean over the positive pairs, each with a negative that is drawn anew.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: > 0, in units of the distance.
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s.
        cutoff: in [0, 2]; nearer negatives are weighted as if they lay there.
        farthest: in (0, 2]; negatives at or beyond are drawn only where there is no nearer one.
        generator: of the draws; None: torch's own.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: an option is none of the above.

    Reference:
        Wu et al., Sampling Matters in Deep Embedding Learning, ICCV 2017 (arXiv:1706.07567): its sampling,
        under the triplet loss that the paper compares; not its margin loss, whose border is learned.
    """
    asked = checked(TripletDistanceWeightedConfig, margin=margin, cutoff=cutoff, farthest=farthest)
    rows, labels = as_batch(embeddings, labels, distance=distance)
    mined = mine_distance_weighted(rows, labels, cutoff=cutoff, farthest=farthest, generator=generator)
    return mean_of_triplets(rows, mined, asked.margin, distance)
