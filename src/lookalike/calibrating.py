"""The verb calibrate: a labelled table and a model enter; a threshold leaves, and is kept in the model.

Which similarity it is, and what it promises, is calibration's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from lookalike.calibration import choose_threshold
from lookalike.card import refresh_threshold
from lookalike.embedding import embed_table
from lookalike.evaluation import left_out, part_of
from lookalike.model import Model
from lookalike.records import Progress, Skipped, Threshold
from lookalike.roles import check_answers, pair_exclusions
from lookalike.table import ImageTable


def calibrate(
    model: Model,
    table: ImageTable,
    *,
    split: str = "val",
    target: str = "f1",
    confidence: float = 0.95,
    name: str = "default",
    progress: Progress | None = None,
    skipped: Callable[[Sequence[Skipped]], object] = lambda _: None,
) -> Threshold:
    """Choose the similarity that means "the same" on labelled pairs, and store it in the model.

    Pairs of one group are left out; where rows have roles, a pair is a query and a picture of the gallery.

    Args:
        split: where the pairs come from; never the one you report on. A table without splits is taken
            whole.
        target: "f1", "precision=0.99" (of the matches) or "false-match-rate=0.001" (of different pairs).
        confidence: with which the promise holds.
        name: under which the model keeps it; "default" is the one that `match` and `search` use.
        skipped: told which pictures could not be used, before the threshold is chosen.

    Raises:
        CalibrationError: the target is not understood, or the pairs do not support it.
        TableError, EvaluationError: as in `evaluate`.
    """
    part = part_of(table, split)
    check_answers(part)
    embedded = embed_table(model, part, progress=progress)
    skipped(left_out(part, embedded))
    usable = part.take(embedded.rows)
    threshold = choose_threshold(
        embedded.embeddings.vectors,
        usable.labels,
        target=target,
        confidence=confidence,
        identity=pair_exclusions(usable, identity=embedded.identity),
        split=split if table.has_splits else "all",
    )
    threshold = replace(threshold, seen=model.count_seen(embedded.hashes))
    model.set_threshold(threshold, name=name)
    refresh_threshold(model)
    return threshold
