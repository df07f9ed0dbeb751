"""What gradient training minimises: functions of embeddings [n, d] and labels [n] that return a scalar.

Each works alone in any PyTorch loop. Losses with learned class vectors are modules, made with classes
and dim.
"""

from lookalike.training.distances import Distance
from lookalike.training.losses.batch_all import triplet_batch_all
from lookalike.training.losses.contrast import nt_xent, supervised_contrastive
from lookalike.training.losses.matryoshka import Matryoshka
from lookalike.training.losses.mined import triplet_distance_weighted, triplet_easy_positive
from lookalike.training.losses.pairwise import circle, contrastive, multi_similarity
from lookalike.training.losses.proxies import ArcFace, Classification, CosFace, NormalisedSoftmax, ProxyAnchor
from lookalike.training.losses.ranking import recall_at_k, smooth_ap
from lookalike.training.losses.registry import Loss, make_loss
from lookalike.training.losses.triplet import triplet_batch_hard, triplet_loss, triplet_semi_hard
from lookalike.training.losses.weighted import hap2s_exponential, hap2s_polynomial
from lookalike.training.memory import CrossBatchMemory

__all__ = [
    "ArcFace",
    "Classification",
    "CosFace",
    "CrossBatchMemory",
    "Distance",
    "Loss",
    "Matryoshka",
    "NormalisedSoftmax",
    "ProxyAnchor",
    "circle",
    "contrastive",
    "hap2s_exponential",
    "hap2s_polynomial",
    "make_loss",
    "multi_similarity",
    "nt_xent",
    "recall_at_k",
    "smooth_ap",
    "supervised_contrastive",
    "triplet_batch_all",
    "triplet_batch_hard",
    "triplet_distance_weighted",
    "triplet_easy_positive",
    "triplet_loss",
    "triplet_semi_hard",
]
