"""The command calibrate: which similarity means "the same"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_identify import Asked, Strangers, Vote, calibrate_open, is_open
from lookalike.doors.cli_judge import Root
from lookalike.doors.cli_look import Data
from lookalike.doors.cli_search import AsJson, ModelName

if TYPE_CHECKING:
    from lookalike.judging.calibrated import Calibration
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
Name = Annotated[
    str | None,
    typer.Option(help="Under which the model keeps it; else default, or identify for identification."),
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
    name: Name = None,
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
    model: str, data: str, *, root: Path | None, curve: Path | None, as_json: bool, name: str | None,
    **options: Any,
) -> None:  # fmt: skip
    from dataclasses import replace

    from lookalike.calibrating import calibrate as choose
    from lookalike.doors.console import Talk, tell_notes, tell_skipped
    from lookalike.files import check_writable
    from lookalike.models.bands import left_out
    from lookalike.models.model import DEFAULT, Model
    from lookalike.tables.table import ImageTable

    name = DEFAULT if name is None else name
    if curve is not None:
        check_writable(curve)
    table = ImageTable.read(data, root=root)
    skipped: list[Skipped] = []
    measured: list[Calibration] = []
    with Talk() as talk:
        tell_notes(talk, table)
        opened = Model.load(model, say=talk.say)
        before = opened.thresholds.get(name)
        if model == DEFAULT:
            talk.say(f"The threshold of the untrained model is kept in {opened.folder}, for all that use it")
        try:
            threshold = choose(
                opened, table, name=name, progress=talk.stage("embed"),
                skipped=skipped.extend, measured=measured.append, **options,
            )  # fmt: skip
        finally:
            tell_skipped(talk, skipped)
        if before is not None:
            talk.say(f"This replaced {name}: similarity >= {before.similarity:.4f}, {before.promise}")
        if options["bands"] and (missing := left_out(measured[0].bands)):
            talk.say(missing)
    found = measured[0] if name == DEFAULT else replace(measured[0], bands=())  # no other names similarities
    _put(threshold, found, skipped, as_json=as_json)
    if curve is not None:
        _write_curve(curve, found)


def _put(threshold: Threshold, measured: Calibration, skipped: list[Skipped], *, as_json: bool) -> None:
    from lookalike.doors.console import put, put_json

    if as_json:
        put_json(_values(threshold, measured, skipped))
    else:
        put("\n".join(_lines(threshold, measured)))


def _write_curve(path: Path, measured: Calibration) -> None:
    from lookalike.files import write_atomically
    from lookalike.judging.calibrated import curve_csv

    write_atomically(path, curve_csv(measured).encode())


def _lines(threshold: Threshold, measured: Calibration) -> list[str]:
    from lookalike.doors.console import band_lines

    said = f"similarity >= {threshold.similarity:.4f} means {threshold.meaning}: {threshold.promise}"
    return [said, *band_lines(measured)]


def _values(threshold: Threshold, measured: Calibration, skipped: list[Skipped]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        **asdict(threshold),
        "promise": threshold.promise,
        "bands": [asdict(band) for band in measured.bands],
        "prior": measured.probability.prior,
        "skipped": [asdict(entry) for entry in skipped],
    }
