"""What a threshold does to the labelled pictures of an index: figures at any similarity, and pairs around it.

An index enters; a histogram of all pairs of its labelled pictures leaves, or of a part of many, figures with
intervals, and the nearest pairs on either side. A similarity can be saved as one of the model's thresholds;
choosing one for a promise is calibration's business.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.errors import CalibrationError
from lookalike.indexing.index import Index
from lookalike.judging.calibration import BINS, Measured, measure, metrics_at
from lookalike.judging.intervals import percentile_interval
from lookalike.judging.pair_intervals import AT_THRESHOLD, figure_draws
from lookalike.judging.pairs import ClassPairs, lower_edges
from lookalike.judging.similarity import Doubles, Ints
from lookalike.models.model import FACTS
from lookalike.records import Threshold
from lookalike.serving.labelled_sample import Sample, draw, nothing
from lookalike.serving.nearest_pairs import NearestPairs, Pair
from lookalike.serving.problems import Problem
from lookalike.serving.replaced import note_replaced, replaced
from lookalike.setting import by_hand, remove_threshold, reread, restore_threshold, set_threshold

COLUMNS = 2048  # of the histogram that is shown, from -1 to 1
CONFIDENCE = 0.95

_MOST_CELLS = 2**22  # classes x edges
_FINEST, _COARSEST = BINS // 2048, BINS // 16  # bins of one step between edges


@dataclass(frozen=True)
class Around:
    """A similarity as a threshold: what it does, and the pairs that it just lets in and just leaves out.

    Attributes:
        figures: as of `metrics_at`; intervals: of AT_THRESHOLD, at CONFIDENCE; None where nothing matches.
        threshold: what saving it would keep.
        above, below: the nearest pairs on either side, the nearest first.
    """

    figures: dict[str, float]
    intervals: dict[str, tuple[float, float] | None]
    threshold: Threshold
    above: Sequence[Pair]
    below: Sequence[Pair]


class Border:
    """All pairs of a sample, compared once.

    Attributes:
        seen: how many of the pictures the model was trained on.
        generation: of the index at that time.
    """

    def __init__(self, sample: Sample, *, seen: int, generation: int) -> None:
        self.sample, self.seen, self.generation = sample, seen, generation
        self.pairs: Measured = measure(sample.vectors, sample.labels, identity=sample.identity)
        self._counts = _counts(self.pairs)
        self._nearest = NearestPairs(sample.vectors, sample.labels, sample.identity, self.pairs.histogram)

    def histogram(self) -> tuple[Doubles, Ints, Ints]:
        """Lower edges of COLUMNS columns, rising from -1, and the same and the different pairs in each."""
        kinds = (self.pairs.histogram.same, self.pairs.histogram.different)
        same, different = (part.reshape(COLUMNS, -1).sum(axis=1) for part in kinds)
        return lower_edges(COLUMNS), same, different

    def figures(self, similarity: float) -> tuple[dict[str, float], dict[str, tuple[float, float] | None]]:
        """What a threshold does to all pairs, exact; and intervals by drawing the labels again.

        Intervals are counted at the nearest of a few hundred edges or more, and moved by what the figures
        differ from there.
        """
        exact = metrics_at(self.pairs.histogram, similarity)
        edges = self._counts.edges
        place = int(np.argmin(np.abs(edges - similarity)))
        near = metrics_at(self.pairs.histogram, float(edges[place]))
        drawn = figure_draws(_two_columns(self._counts, place), {}, edge=float(edges[place]))
        matches = exact["right_matches"] + exact["wrong_matches"] > 0
        intervals: dict[str, tuple[float, float] | None] = {}
        for name in AT_THRESHOLD:
            moved = np.clip(drawn[name] + (exact[name] - near[name]), 0.0, 1.0)
            told = matches or name != "precision"
            intervals[name] = percentile_interval(moved, confidence=CONFIDENCE) if told else None
        return exact, intervals

    def nearest(self, similarity: float, *, count: int) -> tuple[list[Pair], list[Pair]]:
        """The nearest pairs at or above a similarity, and those below; see `NearestPairs`."""
        return self._nearest.around(similarity, count=count)


class Boundary:
    """What any threshold does to an index' labelled pictures; safe to use from several threads.

    Pairs are compared when they are first asked for.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._border: Border | None = None
        self._noted = 0  # when model.json was written that is known here

    def border(self, *, fresh: bool = True) -> Border:
        """All pairs, compared.

        Args:
            fresh: as the index is now; else as it was when it was last compared.

        Raises:
            Problem: there is nothing to compare.
        """
        with self._lock:
            kept, now = self._border, self._index.store.generation()
            if kept is None or (fresh and kept.generation != now):
                self._border = kept = self._measured()
            return kept

    def at(self, similarity: float, *, count: int) -> Around:
        """What a similarity would do as a threshold, on the pairs that were compared last.

        Args:
            count: of pairs on each side.

        Raises:
            Problem: there is nothing to compare.
            CalibrationError: the similarity is none.
        """
        border = self.border(fresh=False)
        threshold = by_hand(self._index.model, similarity, pairs=border.pairs, seen=border.seen)
        figures, intervals = border.figures(similarity)
        above, below = border.nearest(similarity, count=count)
        ids = border.sample.ids
        named = [[pair.of(ids) for pair in pairs] for pairs in (above, below)]
        return Around(figures, intervals, threshold, *named)

    def thresholds(self) -> dict[str, Threshold]:
        """The model's thresholds by name, also those that others stored since it was opened.

        Raises:
            ModelError: the model folder is not there any more, or was trained again since.
        """
        with self._lock:
            self._follow()
            return dict(self._index.model.thresholds)

    def save(self, name: str, similarity: float) -> Threshold:
        """Store a similarity in the model, measured on the pairs that were compared last.

        Raises:
            Problem: there is nothing to compare.
            CalibrationError: the similarity, or the name, does not fit.
            ModelError: the model folder is not there any more, or was trained again since.
        """
        border, model = self.border(fresh=False), self._index.model
        with self._lock:
            reread(model)
            wanted = by_hand(model, similarity, pairs=border.pairs, seen=border.seen)
            note_replaced(model, name, by=wanted)
            return set_threshold(model, similarity, name=name, pairs=border.pairs, seen=border.seen)

    def undo(self, name: str, *, saved: float | None = None) -> Threshold:
        """Put back the threshold that was there before it was last saved, by this process or another one.

        Args:
            saved: the similarity that is to be taken back; None: whatever was saved last.

        Raises:
            Problem: none was replaced, it is put back already, or it was changed otherwise since.
            ModelError: the model folder is not there any more, or was trained again since.
        """
        with self._lock:
            reread(self._index.model)
            now, before = self._index.model.thresholds.get(name), replaced(self._index.model, name)
            if now is None or before is None or saved not in (None, now.similarity):
                hint = "A threshold can be put back once, as long as nothing else changed it since."
                raise Problem(409, "nothing_replaced", "No threshold of that name was replaced here.", hint)
            restore_threshold(self._index.model, before.threshold, name=name, calibration=before.calibration)
            return before.threshold

    def remove(self, name: str) -> None:
        """Forget a threshold that was set by hand.

        Raises:
            Problem: there is none of that name, or it was not set by hand.
            ModelError: the model folder is not there any more, or was trained again since.
        """
        with self._lock:
            self._follow()
            if name not in self._index.model.thresholds:
                hint = "Look the thresholds up again: somebody removed it."
                raise Problem(404, "no_such_threshold", "There is no threshold of that name.", hint)
            try:
                remove_threshold(self._index.model, name)
            except CalibrationError as error:
                hint = f"It was {error.saw.removeprefix('it was ')}: {error.do}."
                raise Problem(
                    409, "not_by_hand", f"The threshold {name} was not set by hand.", hint
                ) from error

    def _follow(self) -> None:
        try:
            written = (self._index.model.folder / FACTS).stat().st_mtime_ns
        except OSError:  # reading it says what is wrong
            written = -1
        if written != self._noted:
            reread(self._index.model)
            self._noted = written

    def _measured(self) -> Border:
        sample, generation = draw(self._index)
        try:
            return Border(sample, seen=self._index.model.count_seen(sample.hashes), generation=generation)
        except CalibrationError as error:
            raise nothing(f"{error.what[:1].upper()}{error.what[1:]}: {error.saw}.", error.do) from error


def _counts(pairs: Measured) -> ClassPairs:
    """The pairs of every class between edges, as fine as memory allows, over all similarities there are."""
    filled = np.flatnonzero(pairs.histogram.same + pairs.histogram.different)
    first, last = int(filled[0]), int(filled[-1]) + 1
    step = _FINEST
    while pairs.classes * (last - first) / step > _MOST_CELLS and step < _COARSEST:
        step *= 2
    places = np.arange(first // step * step, min(last + step, BINS), step)
    edges = lower_edges(BINS)[np.unique(np.append(places, 0))]
    return pairs.count(edges)


def _two_columns(pairs: ClassPairs, place: int) -> ClassPairs:
    """What lies below an edge, and what lies at or above it."""
    if place == 0:
        same, different = (part.sum(axis=1, keepdims=True) for part in (pairs.same, pairs.different))
        return ClassPairs(pairs.edges[:1], same, different)
    same, different = (
        np.stack([part[:, :place].sum(axis=1), part[:, place:].sum(axis=1)], axis=1)
        for part in (pairs.same, pairs.different)
    )
    return ClassPairs(pairs.edges[[0, place]], same, different)
