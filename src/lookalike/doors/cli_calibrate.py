"""The command calibrate: which similarity means "the same"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_identify import Asked, Strangers, Vote, calibrate_open, is_open
from lookalike.doors.cli_judge import Root
from lookalike.doors.cli_look import Data
from lookalike.doors.cli_search import AsJson, ModelName

if TYPE_CHECKING:
    from lookalike.judging.calibrated import Calibration
    from lookalike.models.model import Model
    from lookalike.records import Skipped, Threshold

Wanted = Annotated[
    str,
    typer.Option(help="f1, accuracy, precision=0.99, recall=0.9 or false-match-rate=0.001."),
]
OfCopies = Annotated[
    bool,
    typer.Option("--copies", help="Look at no label: copies of one picture, against other pictures."),
]
WithBands = Annotated[
    bool, typer.Option("--bands", help="Tell same picture and near copy from same thing, by edited copies.")
]
Curve = Annotated[Path | None, typer.Option(help="Write what every threshold gives to this CSV file.")]


def calibrate(
    model: ModelName,
    data: Data,
    *,
    split: Annotated[str, typer.Option(help="Where the pairs come from: val, or all.")] = "val",
    root: Root = None,
    target: Wanted = "f1",
    confidence: Annotated[float, typer.Option(help="With which the promise holds.")] = 0.95,
    name: Annotated[str, typer.Option(help="Under which the model keeps the threshold.")] = "default",
    copies: OfCopies = False,
    bands: WithBands = False,
    curve: Curve = None,
    question: Asked = None,
    vote: Vote = None,
    strangers: Strangers = None,
    as_json: AsJson = False,
) -> None:
    """Choose the similarity that means "the same", or from which on a picture is a known thing."""
    if is_open(question, vote=vote, strangers=strangers):
        calibrate_open(
            model, data, root=root, name=name, as_json=as_json, split=split, target=target,
            confidence=confidence, vote=vote, stranger_share=strangers,
            refused={"copies": copies, "bands": bands, "curve": curve},
        )  # fmt: skip
        return
    _calibrate_pairs(
        model, data, root=root, curve=curve, as_json=as_json, split=split, target=target,
        confidence=confidence, name=name, copies=copies, bands=bands,
    )  # fmt: skip


def _calibrate_pairs(
    model: str, data: str, *, root: Path | None, curve: Path | None, as_json: bool, name: str, **options: Any
) -> None:
    from lookalike.calibrating import calibrate as choose
    from lookalike.doors.console import Talk, put, put_json, tell_notes, tell_skipped
    from lookalike.files import check_writable, write_atomically
    from lookalike.judging.calibrated import curve_csv
    from lookalike.models.bands import left_out
    from lookalike.models.model import DEFAULT, Model
    from lookalike.models.verdicts import calibration_of
    from lookalike.tables.table import ImageTable

    if curve is not None:
        check_writable(curve)
    table = ImageTable.read(data, root=root)
    skipped: list[Skipped] = []
    with Talk() as talk:
        tell_notes(talk, table)
        opened = Model.load(model, say=talk.say)
        for caution in _cautions(opened, name=name, split=options["split"], untrained=model == DEFAULT):
            talk.say(caution)
        try:
            threshold = choose(
                opened, table, name=name, progress=talk.stage("embed"), skipped=skipped.extend, **options
            )
        finally:
            tell_skipped(talk, skipped)
        kept = calibration_of(opened)
        if options["bands"] and kept is not None and (missing := left_out(kept.bands)):
            talk.say(missing)
    if as_json:
        put_json(_values(threshold, kept, skipped))
    else:
        put("\n".join(_lines(threshold, kept if name == DEFAULT else None)))
    if curve is not None and kept is not None:
        write_atomically(curve, curve_csv(kept).encode())


def _cautions(model: Model, *, name: str, split: str, untrained: bool) -> Iterator[str]:
    """What a new threshold replaces, and what to know of it."""
    if before := model.thresholds.get(name):
        yield f"This replaces {name}: similarity >= {before.similarity:.4f}, {before.promise}"
    if split == "test":
        yield "Figures of the split test flatter a threshold that was chosen on it: choose on val"
    if untrained:
        yield f"The threshold of the untrained model is kept in {model.folder}, for all that use it"


def _lines(threshold: Threshold, kept: Calibration | None) -> list[str]:
    from lookalike.doors.console import band_lines

    said = f"similarity >= {threshold.similarity:.4f} means {threshold.meaning}: {threshold.promise}"
    return [said, *(band_lines(kept) if kept is not None else [])]


def _values(threshold: Threshold, kept: Calibration | None, skipped: list[Skipped]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(threshold),
        "promise": threshold.promise,
        "bands": [asdict(band) for band in kept.bands] if kept is not None else [],
        "prior": kept.probability.prior if kept is not None else None,
        "skipped": [asdict(entry) for entry in skipped],
    }
