"""The command calibrate: which similarity means "the same"."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_identify import Asked, Strangers, Vote, calibrate_open, is_open
from lookalike.doors.cli_judge import Root
from lookalike.doors.cli_options import AsJson, ModelName
from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from collections.abc import Callable

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
MaybeData = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="Pictures with labels: folder, manifest or NAME:FOLDER; or --pairs."),
]
Pairs = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Pairs that were decided on, as decisions --export writes them."),
]
Curve = Annotated[Path | None, typer.Option(help="Write what every threshold gives to this CSV file.")]


def calibrate(
    model: ModelName,
    data: MaybeData = None,
    *,
    pairs: Pairs = None,
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
    asks_open = is_open(question, vote=vote, strangers=strangers)
    if pairs is not None:
        _check_alone(DATA=data, root=root, copies=copies, bands=bands, question=asks_open)
        _calibrate_decided(
            model, pairs, curve=curve, as_json=as_json, target=target, confidence=confidence, name=name
        )
        return
    if data is None:
        what, do = "there is nothing to calibrate on", "name DATA, or --pairs FILE"
        raise LookalikeError(what, where="calibrate", saw="neither pictures nor pairs", do=do)
    if asks_open:
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


def _check_alone(**others: object) -> None:
    for name, value in others.items():
        if value not in (None, False):
            saw = "identification" if name == "question" else str(value)
            do = f"leave out {name if name.isupper() else f'--{name}'}"
            raise LookalikeError("--pairs says itself what is the same", where=name, saw=saw, do=do)


def _calibrate_decided(model: str, pairs: Path, *, curve: Path | None, **options: Any) -> None:
    from lookalike.duplicates.calibrating_pairs import calibrate_pairs
    from lookalike.files import check_writable

    if curve is not None:
        check_writable(curve)
    _choose(calibrate_pairs, model, pairs, curve=curve, bands=False, **options)


def _calibrate_pairs(
    model: str, data: str, *, root: Path | None, curve: Path | None, bands: bool, **options: Any
) -> None:
    from functools import partial

    from lookalike.calibrating import calibrate as choose
    from lookalike.files import check_writable
    from lookalike.models.model import DEFAULT
    from lookalike.tables.table import ImageTable

    options["name"] = DEFAULT if options["name"] is None else options["name"]
    if curve is not None:
        check_writable(curve)
    table = ImageTable.read(data, root=root)
    _choose(
        partial(choose, bands=bands), model, table, curve=curve, bands=bands, notes=table.notes, **options
    )


def _choose(
    choose: Callable[..., Threshold], model: str, source: Any, *, name: str | None, curve: Path | None,
    as_json: bool, bands: bool, notes: tuple[str, ...] = (), **options: Any,
) -> None:  # fmt: skip
    """Choose and keep a threshold, by labels or by decisions, and say what it promises."""
    from dataclasses import replace

    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.models.bands import left_out
    from lookalike.models.model import DEFAULT, Model

    kept = DEFAULT if name is None else name
    skipped: list[Skipped] = []
    measured: list[Calibration] = []
    with Talk() as talk:
        for note in notes:
            talk.say(note)
        opened = Model.load(model, say=talk.say)
        before = opened.thresholds.get(kept)
        try:
            threshold = choose(
                opened, source, name=name, progress=talk.stage("embed"),
                skipped=skipped.extend, measured=measured.append, **options,
            )  # fmt: skip
        finally:
            tell_skipped(talk, skipped)
        if model == DEFAULT:
            talk.say(f"The threshold of the untrained model is kept in {opened.folder}, for all that use it")
        if before is not None:
            talk.say(f"This replaced {kept}: similarity >= {before.similarity:.4f}, {before.promise}")
            talk.say(f"To have that again: {_again(model, before, kept)}")
        if bands and (missing := left_out(measured[0].bands)):
            talk.say(missing)
    found = measured[0] if kept == DEFAULT else replace(measured[0], bands=())  # no other names similarities
    _put(threshold, found, skipped, as_json=as_json)
    if curve is not None:
        _write_curve(curve, found)


def _again(model: str, before: Threshold, name: str) -> str:
    """How to choose an earlier threshold again: the command, on the material that it was chosen on."""
    import shlex

    from lookalike.threshold import BY_HAND, COPIES, DECISIONS

    if before.target == BY_HAND:
        return f"save {before.similarity:.6g} as {name} in the page of lookalike serve INDEX --writable"
    of_decisions = before.basis == DECISIONS
    source = ["--pairs", "FILE"] if of_decisions else ["DATA", "--split", before.split]
    words = ["lookalike", "calibrate", model, *source, "--target", before.target]
    words += ["--copies"] if before.basis == COPIES else []
    words += ["--confidence", f"{before.confidence:g}"] if before.confidence else []
    return shlex.join([*words, "--name", name])


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
