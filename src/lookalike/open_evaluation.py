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
from lookalike.judging.bounds import ErrorShare
from lookalike.judging.decisions import Decisions, OpenCounts, count_at, decide, open_curve
from lookalike.judging.intervals import check_classes, draw_weights, percentile_interval
from lookalike.judging.open_errors import Errors, candidates, of_known, of_strangers
from lookalike.judging.similarity import Doubles
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
_SURE = 0.975  # of one end of a 95 % interval
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
    value = float(getattr(counts, name))
    low, high = percentile_interval(getattr(drawn, name))
    return Figure(
        value, min(low, value), max(high, value), better="lower" if name in LOWER_IS_BETTER else "higher"
    )


def drawn_counts(
    decisions: Decisions, similarity: float, *, stranger_share: float, draws: int, seed: int
) -> OpenCounts:
    """The outcomes at a threshold when the classes are drawn again, each [draws] float64.

    A class drawn m times asks m times, and a wrong answer counts m_a + m_b - 1 times, for the class that
    asked and the class it was taken for. That says which draws are better and which worse; how far apart they
    lie is taken from how many independent errors the errors are worth (see `open_errors`), so that a few
    errors, or none, leave room for more. NaN for draws without a stranger or without a known thing.

    Raises:
        EvaluationError: pictures of fewer than two classes ask.
    """
    check_classes(decisions.classes)
    count, classes, known = len(decisions.names), decisions.classes, decisions.known
    missed = known & (decisions.similarity < similarity)
    wrong = (Errors.of_strangers(decisions, 1.0), Errors.of_known(decisions, 1.0))
    by_class = [
        np.bincount(classes, minlength=count),
        *(np.bincount(classes[part], minlength=count) for part in (known, missed)),
        *(errors.by_class(np.array([similarity]), count)[:, 0] for errors in wrong),
    ]
    sums = np.stack(by_class, axis=1)
    parts = [weights @ sums for weights in draw_weights(count, draws=draws, seed=seed)]
    drawn = np.concatenate(parts) - [0, 0, 0, *sums[:, 3:].sum(axis=0) / 2]
    asked, there = (np.where(column > 0, column, np.nan) for column in drawn.T[:2])
    edges = np.union1d(candidates(open_curve(decisions), classes=count), similarity)
    at = len(edges) - 1 - int(np.searchsorted(edges, similarity))
    shares = (of_strangers(decisions, edges, _SURE).at(at), of_known(decisions, edges, _SURE).at(at))
    rng = np.random.default_rng((seed, draws))
    taken = asked * _spread(drawn[:, 3] / asked, shares[0], rng)
    mistaken = np.minimum(there * _spread(drawn[:, 4] / there, shares[1], rng), there - drawn[:, 2])
    right = there - drawn[:, 2] - mistaken
    return OpenCounts(similarity, right, mistaken, drawn[:, 2], taken, asked - taken, stranger_share)


def _spread(drawn: Doubles, share: ErrorShare, rng: np.random.Generator) -> Doubles:
    """Draws of a share of errors, as far apart as its independent trials say (Jeffreys), in their order."""
    rate, worth = float(share.share[0]), float(share.trials[0])
    there = np.flatnonzero(~np.isnan(drawn))
    values = rng.beta(rate * worth + 0.5, (1.0 - rate) * worth + 0.5, len(there))
    found = np.full(len(drawn), np.nan)
    found[there[np.argsort(drawn[there], kind="stable")]] = np.sort(values)
    return found
