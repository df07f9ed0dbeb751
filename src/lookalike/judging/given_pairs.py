"""Pairs that somebody decided on: similarities and verdicts enter; what calibration asks of pairs leaves.

Only these pairs are counted, no others of the same pictures. What is called the same, directly or by way of
others, is one thing: bounds rest on how much things differ, as those of labelled pictures do on labels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.calibration import BINS, Measured, measured_of
from lookalike.judging.pairs import ClassPairs, lower_edges
from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import PairHistogram


def measure_pairs(similarities: Doubles, same: NDArray[np.bool_], things: Ints, *, images: int) -> Measured:
    """Count given pairs by similarity, as `calibration.measure` counts all pairs of labelled pictures.

    Args:
        similarities: [p] float64, cosines.
        same: [p] whether a pair is of one thing.
        things: [p, 2] int64 from 0 on, the thing of either picture; equal where the pair is the same.
        images: that the pairs were made of.

    Raises:
        CalibrationError: there are no same or no different pairs, or all are equally alike.
    """
    bins = np.clip(((similarities + 1.0) * (BINS / 2)).astype(np.int64), 0, BINS - 1)
    classes = int(things.max(initial=-1)) + 1

    def count(edges: Doubles) -> ClassPairs:
        columns = np.searchsorted(edges, lower_edges(BINS)[bins], side="right") - 1
        counts = np.zeros((2, classes, len(edges)), np.int64)
        np.add.at(counts[0], (things[same, 0], columns[same]), 1)
        for side in (0, 1):  # a different pair counts for both of its things
            np.add.at(counts[1], (things[~same, side], columns[~same]), 1)
        return ClassPairs(edges, same=counts[0], different=counts[1])

    kinds = [np.bincount(bins[kind], minlength=BINS) for kind in (same, ~same)]
    histogram = PairHistogram(same=kinds[0], different=kinds[1])
    return measured_of(histogram, images=images, classes=classes, count=count)
