"""What a report is made of, as one record: everything a page, or the pictures beside it, show.

Nothing is measured, drawn or put into words here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lookalike.judging.calibrated import Calibration
from lookalike.judging.pairs import ClassPairs
from lookalike.models.explanation import Explanation
from lookalike.open_threshold import OpenThreshold
from lookalike.presenting.highlights import Highlights
from lookalike.presenting.projection import Projection
from lookalike.records import Alarm, Box, PairHistogram, RankedRow, Report, Threshold


@dataclass(frozen=True)
class Places:
    """Where pictures lie: their projection, labels and files; `boxes`: the parts to show, where not all."""

    projection: Projection
    labels: Sequence[str]
    paths: Sequence[Path]
    boxes: Sequence[Box | None] = ()


@dataclass(frozen=True)
class Explained:
    """Why two pictures are alike, and which labels they have."""

    explanation: Explanation
    labels: tuple[str, str]

    @property
    def right(self) -> bool:
        """Whether they have one label."""
        return self.labels[0] == self.labels[1]


@dataclass(frozen=True)
class ReportPage:
    """What a report page is made of.

    Attributes:
        title: of the page, for example the run's name.
        report: the figures.
        pairs, baseline_pairs: similarities of all pairs, by the model and by the untrained backbone.
        history: metric name to one value an epoch; empty where nothing was trained by epochs.
        start: metric name to its value before the first epoch.
        course: one an epoch, split to the similarities of its pairs.
        alarms: what went wrong in the training; notes: what it brought, in sentences.
        candidates: settings of a closed-form head that were tried, each as name to number; the one with the
            highest "map@r" was taken. Empty where the head was made otherwise.
        rows: a fair sample of queries with their answers; worst: the queries that did worst.
        highlights: what else is worth a look; None: it was not looked for.
        explained: why some pictures are alike.
        places: where a fair sample of the pictures lie.
        calibration: the curve, probabilities and bands of the model; None before a calibration.
        thresholds: the model's further match thresholds by name; identification: those of the question which
            known thing a picture shows, if any.
        class_pairs: of the judged pictures, to try the probabilities on.
        recipe: the resolved run file, YAML; empty where the model has none.
        beside: whether the recipe was found in the run folder that the model lies in, with the run's report.
        versions: package to version.
        data: fingerprint of the table; trained_on: of the one that the model was trained on.
        split_counts: split to (images, classes); class_counts: class to judged pictures.
        created: when it was made, as it shall be printed.
    """

    title: str
    report: Report
    pairs: PairHistogram
    baseline_pairs: PairHistogram | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    start: Mapping[str, float] = field(default_factory=dict)
    course: Sequence[Mapping[str, PairHistogram]] = ()
    alarms: Sequence[Alarm] = ()
    notes: Sequence[str] = ()
    candidates: Sequence[Mapping[str, float]] = ()
    rows: Sequence[RankedRow] = ()
    worst: Sequence[RankedRow] = ()
    highlights: Highlights | None = None
    explained: Sequence[Explained] = ()
    places: Places | None = None
    calibration: Calibration | None = None
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    identification: Mapping[str, OpenThreshold] = field(default_factory=dict)
    class_pairs: ClassPairs | None = None
    recipe: str = ""
    beside: bool = False
    versions: Mapping[str, str] = field(default_factory=dict)
    data: str = ""
    trained_on: str = ""
    split_counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    class_counts: Mapping[str, int] = field(default_factory=dict)
    created: str = ""
