"""The command identify, and what calibrate and evaluate do for "which known thing is it, or none?"."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_options import (
    NOTHING,
    OK,
    AsJson,
    IndexFile,
    check_style,
    nothing_asked,
    picture_paths,
    style_of,
)
from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.identifying import Identification
    from lookalike.indexing.index import Index
    from lookalike.models.model import Model
    from lookalike.open_threshold import OpenThreshold
    from lookalike.records import Skipped
    from lookalike.tables.table import ImageTable


class Question(StrEnum):
    """What a threshold answers."""

    VERIFICATION = "verification"
    IDENTIFICATION = "identification"


Asked = Annotated[
    Question | None,
    typer.Option(
        "--question",
        help="verification: are two pictures the same? identification: which known thing is it, or none?",
    ),
]
Vote = Annotated[
    int | None,
    typer.Option("--vote", min=1, help="For identification: how many of the nearest pictures vote."),
]
Strangers = Annotated[
    float | None,
    typer.Option("--strangers", help="For identification: the share of strangers among all who will ask."),
]
Images = Annotated[
    list[str], typer.Argument(metavar="IMAGE...", help="Pictures or folders; - reads paths from stdin.")
]


def is_open(question: Question | None, **options: float | None) -> bool:
    """Whether a command asks which known thing it is.

    Raises:
        LookalikeError: it does not, and has options that are for that question alone.
    """
    if question is Question.IDENTIFICATION:
        return True
    for name, value in options.items():
        if value is not None:
            saw = f"{value:g}, and the question whether two pictures are the same"
            raise _misplaced(name, saw, "identification")
    return False


def calibrate_open(
    model: str,
    data: str,
    *,
    root: Path | None,
    name: str | None,
    as_json: bool,
    refused: Mapping[str, object],
    **options: Any,
) -> None:
    """Choose a threshold for identification and say what it promises.

    Args:
        name: None: the one that `identify` uses.
        refused: options of the other question; one that is given is an error.
        options: of `calibrate_identification`; what is None is left to it.
    """
    from dataclasses import asdict

    from lookalike.doors.console import put, put_json, tell_skipped
    from lookalike.judging.target import check_name
    from lookalike.models.model import DEFAULT
    from lookalike.open_calibrating import IDENTIFY, calibrate_identification
    from lookalike.open_wording import threshold_line

    _check_refused(refused)
    name = IDENTIFY if name is None else name
    check_name(name, but=DEFAULT)
    given = {key: value for key, value in options.items() if value is not None}
    skipped: list[Skipped] = []
    with _opened(model, data, root) as (opened, table, talk):
        for caution in _cautions(opened, name=name, untrained=model == DEFAULT):
            talk.say(caution)
        try:
            threshold = calibrate_identification(
                opened, table, name=name, progress=talk.stage("embed"), skipped=skipped.extend, **given
            )
        finally:
            tell_skipped(talk, skipped)
    if as_json:
        left_out = [asdict(entry) for entry in skipped]
        put_json({**asdict(threshold), "promise": threshold.promise, "skipped": left_out})
    else:
        put(threshold_line(threshold))


def judge_open(
    model: str, data: str, *, root: Path | None, split: str, as_json: bool, refused: Mapping[str, object]
) -> None:
    """Judge a model's threshold for identification, and print what was found.

    Args:
        refused: options of the other question; one that is given is an error.
    """
    from lookalike.doors.console import put, put_json, tell_skipped
    from lookalike.open_evaluation import identification_report
    from lookalike.open_wording import identification_json, identification_lines

    _check_refused(refused)
    with _opened(model, data, root) as (opened, table, talk):
        found = identification_report(opened, table, split=split, progress=talk.stage("embed"))
        tell_skipped(talk, found.skipped)
    if as_json:
        put_json(identification_json(found))
    else:
        put("\n".join(identification_lines(found)))


def identify(
    index_file: IndexFile,
    images: Images,
    *,
    threshold: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Which of the model's thresholds; calibrate --question identification makes them.",
        ),
    ] = "identify",
    as_json: AsJson = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one line of JSON per picture.")] = False,
) -> None:
    """Say which label of an index a picture carries, or none (exit code 0: any known, 1: none)."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.identifying import Identification
    from lookalike.identifying import identify as ask
    from lookalike.indexing.ready import open_ready

    style = style_of(json=as_json, jsonl=jsonl)
    paths, unfit = picture_paths(images)
    check_style(style, pictures=len(paths))
    skipped: list[Skipped] = [*unfit]
    known: list[bool] = []
    with Talk() as talk, open_ready(index_file, say=talk.say) as opened:
        for answer in ask(opened, paths, threshold=threshold):
            if isinstance(answer, Identification):
                if not known:
                    _tell_growth(talk, opened, answer.threshold)
                _put(answer, style=style)
                known.append(answer.known)
            else:
                skipped.append(answer)
        tell_skipped(talk, skipped)
    if not known:
        raise nothing_asked(skipped)
    raise typer.Exit(OK if any(known) else NOTHING)


@contextmanager
def _opened(model: str, data: str, root: Path | None) -> Iterator[tuple[Model, ImageTable, Talk]]:
    from lookalike.doors.console import Talk, tell_notes
    from lookalike.models.model import Model
    from lookalike.tables.table import ImageTable

    table = ImageTable.read(data, root=root)
    with Talk() as talk:
        tell_notes(talk, table)
        yield Model.load(model, say=talk.say), table, talk


def _cautions(model: Model, *, name: str, untrained: bool) -> Iterator[str]:
    """What a new threshold replaces, and what to know of it."""
    from lookalike.open_calibrating import open_thresholds
    from lookalike.open_wording import threshold_line

    if before := open_thresholds(model).get(name):
        yield f"This replaces {name}: {threshold_line(before)}"
    if untrained:
        yield f"The threshold of the untrained model is kept in {model.folder}, for all that use it"


def _check_refused(options: Mapping[str, object]) -> None:
    for option, value in options.items():
        if value:
            raise _misplaced(option, f"{option}, and the question which known thing it is", "verification")


def _misplaced(option: str, saw: str, question: str) -> LookalikeError:
    return LookalikeError(
        "the option is for another question",
        where=f"--{option}",
        saw=saw,
        wanted=f"--question {question}",
        do=f"say --question {question}, or leave --{option} out",
    )


def _tell_growth(talk: Talk, index: Index, threshold: OpenThreshold) -> None:
    """More pictures than the threshold was made with take more strangers for something."""
    if len(index) > threshold.gallery:
        rate = threshold.expected_rate(len(index))
        more = "more strangers" if rate is None else f"up to {100 * rate:.2g}% of strangers"
        talk.say(
            f"The index holds {len(index):,} pictures, the threshold was made with {threshold.gallery:,}: "
            f"{more} may be taken for something"
        )


def _put(found: Identification, *, style: str) -> None:
    from dataclasses import asdict

    from lookalike.doors.console import put_json, put_lines

    if style != "text":
        threshold = {"threshold": found.threshold.similarity, "promise": found.threshold.promise}
        put_json({**asdict(found), **threshold}, indent=2 if style == "json" else None)
        return
    if found.similarity is None:
        put_lines([found.query, "  no match: the index holds no labelled picture"])
        return
    votes = f", {found.votes} of {len(found.neighbours)} votes" if found.threshold.vote > 1 else ""
    alike = f"similarity {found.similarity:.4f}, threshold {found.threshold.similarity:.4f}{votes}"
    verdict = found.label if found.known else f"no match (most alike: {found.candidate})"
    put_lines([found.query, f"  {verdict}  {alike}"])
