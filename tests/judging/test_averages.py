"""Averages by class and the curve over k, by hand and against pytorch-metric-learning."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
import torch
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

from lookalike.errors import EvaluationError
from lookalike.judging import averages
from lookalike.judging.averages import class_averages, cmc, macro_averages
from lookalike.judging.metrics import retrieval, summarise
from vectors_for_judging import clusters


def uneven() -> tuple[np.ndarray, np.ndarray]:
    """Classes of 2 to 12 pictures, and one of a single picture."""
    vectors, labels = clusters(8, 12, noise=1.2, seed=5)
    kept = np.concatenate([np.flatnonzero(labels == label)[: max(1, 2 * label)] for label in range(7)])
    return vectors[kept], labels[kept]


def test_averages_by_hand() -> None:
    vectors, labels = uneven()
    found = retrieval(vectors, labels)
    each = class_averages(found, labels)
    assert each.labels.tolist() == [1, 2, 3, 4, 5, 6]  # class 0 has one picture: nothing to find
    assert each.queries.tolist() == [2, 4, 6, 8, 10, 12]
    for name, values in found.values.items():
        by_class = [
            np.mean([v for v, y in zip(values, labels, strict=True) if y == label]) for label in each.labels
        ]
        assert each.values[name] == pytest.approx(by_class), name
        assert macro_averages(found, labels)[name] == pytest.approx(np.mean(by_class)), name
    weighed = {name: values @ each.queries / each.queries.sum() for name, values in each.values.items()}
    assert weighed == pytest.approx(summarise(found))
    assert macro_averages(found, labels) != pytest.approx(summarise(found))


def test_pytorch_metric_learning_agrees() -> None:
    vectors, labels = uneven()
    several = labels > 0  # theirs counts a class of one picture as 0
    ours = macro_averages(retrieval(vectors[several], labels[several]), labels[several])
    theirs = AccuracyCalculator(
        include=("precision_at_1", "mean_average_precision_at_r", "r_precision"),
        k="max_bin_count",
        avg_of_avgs=True,
        device=torch.device("cpu"),
    ).get_accuracy(torch.tensor(vectors[several]), torch.tensor(labels[several]))
    assert ours["recall@1"] == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert ours["map@r"] == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)
    assert ours["r_precision"] == pytest.approx(theirs["r_precision"], abs=1e-6)


def test_labels_as_text_and_beyond_float() -> None:
    vectors, labels = uneven()
    found = retrieval(vectors, labels)
    expected = class_averages(found, labels)
    for other in (labels + 2**62, np.array([f"thing {label}" for label in labels])):
        each = class_averages(found, other)
        assert np.array_equal(each.values["map"], expected.values["map"])
        assert len(set(each.labels.tolist())) == 6


def test_cmc_is_recall_at_every_k() -> None:
    vectors, labels = uneven()
    found = retrieval(vectors, labels, ks=range(1, 61))
    curve = cmc(found, last=60)
    assert curve == pytest.approx([summarise(found)[f"recall@{k}"] for k in range(1, 61)])
    assert curve[0] < curve[-1] == 1.0
    assert np.array_equal(cmc(found, last=5), curve[:5])
    assert len(cmc(found)) == 50


def test_cmc_beyond_the_gallery_stays_level() -> None:
    vectors, labels = clusters(2, 3, noise=0.1)
    assert cmc(retrieval(vectors, labels), last=9).tolist() == [1.0] * 9


def test_what_cannot_be_averaged_is_refused() -> None:
    vectors, labels = uneven()
    found = retrieval(vectors, labels, figures=["recall@1"])
    with pytest.raises(EvaluationError, match="saw only recall@1"):
        cmc(found)
    with pytest.raises(EvaluationError, match="saw 3 labels for 43 queries"):
        class_averages(found, labels[:3])


def test_example_is_true() -> None:
    result = doctest.testmod(averages)
    assert (result.failed, result.attempted) == (0, 6)
