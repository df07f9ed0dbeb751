"""Every plot of a report by its name, as a matplotlib figure: for the page, and for files beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.figure import Figure as Plot

from lookalike.presenting import plots, plots_training
from lookalike.presenting.contents import ReportPage
from lookalike.presenting.plots_calibration import reliability
from lookalike.presenting.plots_identification import confusion_matrix, precision_recall
from lookalike.presenting.plots_map import embedding_map
from lookalike.presenting.plots_promise import calibration_curves

ALTS = {
    "recall": "Recall over the number of answers looked at; the figures are in the table above.",
    "classes": "How many of the judged pictures each class has.",
    "threshold": "Precision, recall and F1 over the similarity threshold.",
    "similarity": "Densities of the similarity of same-label and of different-label pairs.",
    "roc": "True-match rate over false-match rate, of the model and of the untrained backbone.",
    "precision_recall": "Precision over recall, of the model and of the untrained backbone.",
    "calibration": "Probability of a match, precision, recall and false-match rate over the similarity.",
    "reliability": "How many pairs are the same over how likely that was called.",
    "confusion": "What the queries of each class are taken for, and how many match nothing.",
    "map": "Where the embeddings of a sample of the pictures lie, with some of the pictures.",
    "training": "Learning curves: every metric over the epochs of the training.",
    "course": "Similarity of same-label and of different-label pairs over the epochs.",
}


def drawings(page: ReportPage) -> dict[str, Plot]:
    """The plots that a report has, in the order of ALTS; what there is nothing for is left out."""
    makers: dict[str, Callable[[], Plot]] = {**_of_pictures(page), **_of_pairs(page), **_of_training(page)}
    return {name: makers[name]() for name in ALTS if name in makers}


def _of_pictures(page: ReportPage) -> dict[str, Callable[[], Plot]]:
    made: dict[str, Callable[[], Plot]] = {}
    if any(name.startswith("recall@") for name in page.report.figures):
        made["recall"] = lambda: plots.recall_at_k(page.report.figures)
    if page.class_counts:
        made["classes"] = lambda: plots.class_distribution(page.class_counts)
    if (found := page.highlights) is not None:
        made["confusion"] = lambda: confusion_matrix(found.confusion)
    if (places := page.places) is not None:
        labels, paths = np.asarray(places.labels), places.paths
        made["map"] = lambda: embedding_map(places.projection, labels, paths=paths, boxes=places.boxes)
    return made


def _of_pairs(page: ReportPage) -> dict[str, Callable[[], Plot]]:
    made: dict[str, Callable[[], Plot]] = {}
    pairs, before, threshold = page.pairs, page.baseline_pairs, page.report.threshold
    if (calibration := page.calibration) is not None:
        made["calibration"] = lambda: calibration_curves(calibration, threshold)
    if not (pairs.same.any() and pairs.different.any()):
        return made
    made["roc"] = lambda: plots.roc(pairs, before)
    made["precision_recall"] = lambda: precision_recall(pairs, before)
    made["similarity"] = lambda: plots.similarity_histogram(pairs, threshold)
    made["threshold"] = lambda: plots.metrics_over_threshold(pairs, threshold)
    if calibration is not None:
        tried = page.class_pairs or pairs
        made["reliability"] = lambda: reliability(calibration.probability, tried)
    return made


def _of_training(page: ReportPage) -> dict[str, Callable[[], Plot]]:
    made: dict[str, Callable[[], Plot]] = {}
    shown = {name: values for name, values in page.history.items() if _tells(name, values)}
    if shown:
        made["training"] = lambda: plots_training.learning_curves(shown, start=page.start)
    if page.course:
        made["course"] = lambda: plots_training.similarity_course(page.course)
    return made


def _tells(name: str, values: Sequence[float]) -> bool:
    """Whether a curve adds something: not the middle of what the course draws, nor batches without fault."""
    return not name.endswith("_similarity") and not (name == "pairless" and not any(values))
