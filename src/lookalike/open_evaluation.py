"""How well a model names known things and turns strangers away, at a threshold that was calibrated before.

Labelled pictures of another split than the threshold's enter; figures with 95 % intervals (bootstrap over
classes) leave, with the decisions that plots are drawn from. Every picture asks twice, as in calibration: as
a known thing, and as a stranger with its label left out of the gallery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lookalike.evaluation import left_out, part_of
from lookalike.judging.decisions import Decisions, OpenCounts, count_at, decide, open_curve
from lookalike.judging.intervals import check_classes, draw_weights, percentile_interval
from lookalike.judging.strangers import ask_twice
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.open_calibrating import IDENTIFY, require_open_threshold
from lookalike.open_threshold import OpenThreshold
from lookalike.records import Figure, Floats, Labels, Progress, Skipped
from lookalike.tables.roles import Roles, check_answers, roles_of
from lookalike.tables.table import ImageTable

FIGURES = (
    "true_identification_rate",
    "wrong_identification_rate",
    "false_identification_rate",
    "precision",
    "f1",
    "accuracy",
)
LOWER_IS_BETTER = ("wrong_identification_rate", "false_identification_rate")


@dataclass(frozen=True)
class OpenEvaluation:
    """What was decided about the pictures of a split, and how often rightly.

    Attributes:
        figures: name to Figure, each in [0, 1].
        counts: the outcomes at the threshold.
        curve: the outcomes at every threshold, falling.
        decisions: what each query is taken for; query i is row `queries[i]` of the judged table.
        threshold: at which it was judged.
        split: of the table.
        seen: how many of the pictures the model was trained on; figures on them flatter.
        skipped: pictures that could not be used.
    """

    figures: Mapping[str, Figure]
    counts: OpenCounts
    curve: OpenCounts
    decisions: Decisions
    threshold: OpenThreshold
    split: str = "all"
    seen: int = 0
    skipped: tuple[Skipped, ...] = ()


def identification_report(
    model: Model,
    table: ImageTable,
    *,
    split: str = "test",
    threshold: str = IDENTIFY,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> OpenEvaluation:
    """Judge a model's threshold for identification on one split of a table.

    Args:
        split: another than the threshold was chosen on; a table without splits is taken whole.
        threshold: the name of one of the model's thresholds for identification.
        draws: of the bootstrap over classes.

    Raises:
        ModelError: the model has no such threshold.
        TableError, EvaluationError: as in `evaluate`, or all pictures are of one label.
    """
    limit = require_open_threshold(model, threshold)
    part = part_of(table, split)
    check_answers(part)
    embedded = embed_table(model, part, progress=progress)
    usable = part.take(embedded.rows)
    found = judge_open(
        embedded.embeddings.vectors,
        usable.labels,
        roles_of(usable, identity=embedded.identity),
        threshold=limit,
        draws=draws,
        seed=seed,
    )
    name = split if table.has_splits else "all"
    seen, skipped = model.count_seen(embedded.hashes), left_out(part, embedded)
    return OpenEvaluation(
        found.figures, found.counts, found.curve, found.decisions, limit, name, seen, skipped
    )


def judge_open(
    vectors: Floats,
    labels: Labels,
    roles: Roles,
    *,
    threshold: OpenThreshold,
    draws: int = 1000,
    seed: int = 0,
) -> OpenEvaluation:
    """Judge embeddings, [n, d] float32, with their labels, [n], at a threshold.

    Args:
        roles: who asks whom, and what is no answer to what.

    Raises:
        EvaluationError: all pictures are of one label, or no two are.
    """
    asked = ask_twice(
        vectors,
        labels,
        queries=roles.queries,
        gallery=roles.gallery,
        excluded=roles.excluded,
        k=threshold.vote,
    )
    decisions, share = decide(asked, vote=threshold.vote), threshold.stranger_share
    curve = open_curve(decisions, stranger_share=share)
    counts = count_at(decisions, threshold.similarity, stranger_share=share)
    drawn = drawn_counts(decisions, threshold.similarity, stranger_share=share, draws=draws, seed=seed)
    figures = {name: _figure(name, counts, drawn) for name in FIGURES}
    return OpenEvaluation(figures, counts, curve, decisions, threshold)


def _figure(name: str, counts: OpenCounts, drawn: OpenCounts) -> Figure:
    low, high = percentile_interval(getattr(drawn, name))
    return Figure(
        float(getattr(counts, name)), low, high, better="lower" if name in LOWER_IS_BETTER else "higher"
    )


def drawn_counts(
    decisions: Decisions, similarity: float, *, stranger_share: float, draws: int, seed: int
) -> OpenCounts:
    """The outcomes at a threshold when the classes that ask are drawn again, each [draws] float64.

    Raises:
        EvaluationError: pictures of fewer than two classes ask.
    """
    _, classes = np.unique(decisions.classes, return_inverse=True)
    count = check_classes(classes)
    known, accepted = decisions.known, decisions.known & (decisions.similarity >= similarity)
    right = accepted & (decisions.taken == decisions.classes)
    false = decisions.stranger_similarity >= similarity
    outcomes = (right, accepted & ~right, known & ~accepted, false, ~false)
    sums = np.stack([np.bincount(classes, part, minlength=count) for part in outcomes], axis=1)
    parts = [weights @ sums for weights in draw_weights(count, draws=draws, seed=seed)]
    named, mistaken, missed, intruded, turned_away = np.concatenate(parts).T
    return OpenCounts(similarity, named, mistaken, missed, intruded, turned_away, stranger_share)
