"""Settings that a training will not make use of, to be said before it begins.

Settings and labels enter; keys and sentences leave. What cannot be trained with is refused elsewhere.
"""

from __future__ import annotations

import numpy as np

from lookalike.config import RunConfig
from lookalike.config_loss import PairSection
from lookalike.errors import LookalikeError
from lookalike.records import Labels
from lookalike.training.batches import ClassBatches

# what a closed-form head has no use for, and the keys among them that it has
_BY_GRADIENT = ("loss", "training", "batches")
_ALSO_SOLVED = ("loss.dimensions", "training.views", "batches.class_list", "batches.total_examples_per_class")
_OF_THE_BACKBONE = [
    f"training.{key}"
    for key in (
        "backbone_learning_rate",
        "layer_decay",
        "unfreeze",
        "head_warmup_epochs",
        "freeze_batch_norm",
        "sizes",
        "refit",
    )
]
_BY_LABELS = ("training.refit", "training.views", "calibration.target", "calibration.confidence")


def unused(settings: RunConfig) -> list[str]:
    """The keys that differ from their defaults, but that this kind of training has no use for."""
    asked, default = settings.model_dump(), RunConfig().model_dump()
    changed = [
        f"{section}.{key}"
        for section in (*_BY_GRADIENT, "network", "calibration")
        for key, value in asked[section].items()
        if value != default[section].get(key)
    ]
    network = settings.network
    keys = ["network.dropout"] if network.resolved_head != "feed_forward" else []
    keys += ["batches.category_share"] if settings.batches.category is None else []
    keys += _OF_THE_BACKBONE if network.frozen else []
    keys += _BY_LABELS if settings.attributes is not None else []
    if network.resolved_head == "closed_form":
        solved = () if settings.attributes is not None else _ALSO_SOLVED
        keys += [key for key in changed if key.startswith(_BY_GRADIENT) and key not in solved]
        keys += ["image_augmentation"] if settings.attributes is not None and settings.augment else []
        changed += ["image_augmentation"]
    return [key for key in dict.fromkeys(keys) if key in changed]


def unused_in_words(settings: RunConfig) -> list[str]:
    """The same as a sentence, where there are any."""
    keys = unused(settings)
    if not keys:
        return []
    network = settings.network
    kind = f"head {network.resolved_head} on a {'frozen' if network.frozen else 'fine-tuned'} backbone"
    kind += ", trained by attributes," if settings.attributes is not None else ""
    return [f"With {kind} these have no effect: {', '.join(keys)}."]


def memory_in_words(settings: RunConfig, labels: Labels) -> list[str]:
    """What a memory of earlier batches cannot be of use for.

    Args:
        labels: [n], of the training pictures.
    """
    loss, batches = settings.loss, settings.batches
    by_gradient = settings.attributes is None and settings.network.resolved_head != "closed_form"
    if not (by_gradient and isinstance(loss, PairSection) and loss.memory is not None):
        return []
    said = []
    if len(labels) < loss.memory.size:
        said.append(
            f"loss.memory.size is {loss.memory.size:,} for {len(labels):,} training pictures: it holds "
            f"each more than once, the older ones out of date; {len(labels):,} or less is enough."
        )
    try:
        steps = batches.steps_per_epoch or len(_sampler(settings, labels))
    except LookalikeError:  # what is wrong with the batches is said by the training
        return said
    steps *= settings.training.epochs
    if loss.memory.start >= steps:
        said.append(
            f"loss.memory is never used: it begins after {loss.memory.start:,} steps, and the training has "
            f"{steps:,} at most; set loss.memory.start lower, or train for more epochs."
        )
    return said


def _sampler(settings: RunConfig, labels: Labels) -> ClassBatches:
    batches = settings.batches
    return ClassBatches(
        np.asarray(labels),
        classes=batches.classes,
        images=batches.images,
        class_list=batches.class_list,
        total_examples_per_class=batches.total_examples_per_class,
        seed=settings.seed,
    )
