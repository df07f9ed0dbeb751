"""Trainings that leave nothing but a network: heads on features, many of them, to be compared.

Features and settings enter; what was best on validation leaves. What a run writes is trainer.py's business.
"""

from __future__ import annotations

from typing import cast

import pytorch_lightning as lightning
from torch import nn

from lookalike.config import RunConfig
from lookalike.training.keeping import EpochEnd, Kept, Told, patience_of
from lookalike.training.optimisers import choose_precision
from lookalike.training.sources import Source
from lookalike.training.trainer import (
    PLAIN,
    Fitted,
    fitted_of,
    interruptible,
    new_learner,
    quiet,
)


def fit_in_memory(
    head: nn.Module,
    config: RunConfig,
    *,
    train: Source,
    val: Source,
    epoch: EpochEnd | None = None,
    until: int | None = None,
) -> Fitted:
    """Train a head as `trainer.fit` does, on the processor, and write nothing.

    Only loss, gradient and figures on val are measured, so nothing raises an alarm either.

    Args:
        epoch: told each epoch's row; what it raises ends the training and is raised.
        until: train for so many epochs and keep what there is then, whatever val says; 0: the start. None:
            keep what was best on val, and stop when nothing is gained any more.

    Raises:
        BatchError: a batch from which the loss cannot learn.
        TrainingError: loss or gradient are not finite.
    """
    learner, start_state = new_learner(head, config, train, val, measured=False)
    start = cast(float, learner.start)
    kept = Kept(until)
    patience = patience_of(config.training) if until is None else []
    with quiet(), interruptible():
        trainer = lightning.Trainer(
            accelerator="cpu",
            devices=1,
            precision=choose_precision(config.training, fine_tuned=False),
            max_epochs=config.training.epochs,
            gradient_clip_val=config.training.gradient_clip,
            logger=False,
            callbacks=[*patience, kept, *([] if epoch is None else [Told(epoch)])],
            **PLAIN,
        )
        if until != 0:
            trainer.fit(learner)
    if kept.state is None or (until is None and kept.best <= start):
        return fitted_of(learner, trainer, start_state, start)
    return fitted_of(learner, trainer, kept.state, kept.best)
