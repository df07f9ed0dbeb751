"""What the command line shows: data on stdout, talk and progress on stderr, bars only on a terminal."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import rich.console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lookalike.hits import BY_SIMILARITY
from lookalike.models.model import DEFAULT, DEFAULT_BACKBONE
from lookalike.models.verdicts import calibration_of, in_percent
from lookalike.open_calibrating import open_thresholds
from lookalike.open_wording import threshold_line
from lookalike.presenting.attribute_wording import attribute_lines
from lookalike.presenting.wording import HEADLINE, copies_in_words, summary, verdict
from lookalike.records import Hit, Hits, Match, Skipped
from lookalike.records import Progress as Callback

if TYPE_CHECKING:
    from lookalike.indexing.store import IndexInfo
    from lookalike.judging.calibrated import Calibration
    from lookalike.models.model import Model
    from lookalike.tables.table import ImageTable
    from lookalike.training.run import Run

_REFUSED = "No match threshold: of val's pictures none could be chosen that keeps what was asked for."


_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # also what turns the writing round


class Talk:
    """Watcher on stderr. Use as a context, so that bars are taken down in the end."""

    def __init__(self) -> None:
        self._console = rich.console.Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Talk:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    @property
    def is_watched(self) -> bool:
        """Whether a terminal shows what is said; a job that nobody watches says little."""
        return self._console.is_terminal

    def say(self, text: str, *more: str) -> None:
        """Print a sentence, or some lines, above the bars."""
        self._console.print("\n".join(map(visible, (text, *more))), markup=False)

    def stage(self, name: str) -> Callback:
        """Begin a bar."""
        task = self._bars.add_task(visible(name), total=None)

        def count(done: int, total: int) -> None:
            self._bars.update(task, completed=done, total=total or None, visible=not total or done < total)

        return count


def visible(text: str) -> str:
    """A line with what a terminal would obey, not show, as escapes: a file's name may hold anything.

    >>> visible("a\\x1b[2Jb\\nc.png")
    'a\\\\x1b[2Jb\\\\nc.png'
    """
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def put_lines(lines: Iterable[str]) -> None:
    """Print lines for a person to read; each stays one line, whatever names it holds."""
    put("\n".join(map(visible, lines)))


def put(text: str) -> None:
    """Print a line of data. Bytes of a file name that are not UTF-8 come out as they went in."""
    data = text.encode("utf-8", "surrogateescape") + b"\n"
    sys.stdout.flush()
    sys.stdout.buffer.write(data)


def put_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a value as JSON; never NaN, which is not JSON."""
    put(json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False, default=str))


def tell_notes(talk: Talk, table: ImageTable) -> None:
    """Say what reading a table put right."""
    for note in table.notes:
        talk.say(note)


def tell_skipped(talk: Talk, skipped: Iterable[Skipped], *, show: int = 5) -> None:
    """Say how many pictures were left out and why; the first few by name."""
    entries = list(skipped)
    if not entries:
        return
    talk.say(f"Left out {_pictures(len(entries))}:")
    for entry in entries[:show]:
        talk.say(f"  {entry.path}: {entry.reason}" + (f" ({entry.detail})" if entry.detail else ""))
    if len(entries) > show:
        talk.say(f"  and {len(entries) - show:,} more")


def put_answers(answer: Hits, *, style: str, changes: str = "") -> None:
    """Print one query's answers.

    Args:
        style: "text" for a table, "json", "jsonl", "paths", or "zero" for paths ended by a zero byte.
        changes: attributes that were asked for beside the query's picture; a table's heading says them.
    """
    if style in ("json", "jsonl"):
        put_json(asdict(answer), indent=2 if style == "json" else None)
    elif style == "paths":
        for hit in answer.hits:
            put(visible(hit.path) if sys.stdout.isatty() else hit.path)
    elif style == "zero":
        sys.stdout.buffer.write(b"".join(os.fsencode(hit.path) + b"\0" for hit in answer.hits))
    else:
        put_lines(_answer_lines(answer, changes))


def _answer_lines(answer: Hits, changes: str) -> Iterator[str]:
    yield f"{answer.query}, but {changes}" if changes else answer.query
    if answer.order != BY_SIMILARITY:
        yield f"  ranked by {answer.order}; similarities are those to the query alone"
    if not answer.exact:
        yield "  approximate: the index says how much is found (lookalike info)"
    yield from map(_hit_line, answer.hits)
    if not answer.hits:
        yield f"  no match: {answer.nothing}" if answer.nothing else "  no match"


def _hit_line(hit: Hit) -> str:
    verdict = {None: "", True: "match", False: "no match"}[hit.match]
    if hit.probability is not None:
        verdict = f"{verdict:<8}  {in_percent(hit.probability):>6}  {hit.band or '':<12}"
    copies = f"  ({copies_in_words(hit.copies)})" if hit.copies else ""
    line = f"  {hit.rank:>3}  {hit.similarity:.4f}  {verdict:<8}  {hit.label or '':<20}  {hit.path}"
    return f"{line.rstrip()}{copies}"


def match_lines(found: Match) -> list[str]:
    """The verdict on two pictures, how likely it is, and the threshold's promise."""
    verdict = "MATCH" if found.match else "NO MATCH"
    lines = [f"{verdict}  similarity {found.similarity:.4f}, threshold {found.threshold.similarity:.4f}"]
    if found.probability is not None and found.prior is not None:
        band = f"{found.band}: " if found.band else ""
        where = f"where {in_percent(found.prior)} of such pairs are (--prior gives another share)"
        lines.append(f"{band}{in_percent(found.probability)} likely to be {found.threshold.meaning}, {where}")
    return [*lines, found.threshold.promise]


def match_values(found: Match) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "match": found.match,
        "similarity": found.similarity,
        "threshold": found.threshold.similarity,
        "promise": found.threshold.promise,
        "probability": found.probability,
        "prior": found.prior,
        "band": found.band,
    }


def band_lines(calibration: Calibration) -> list[str]:
    """The bands of a model, the highest first."""
    return [f"{band.name:<12}  from {band.similarity:.4f}: {band.words}" for band in calibration.bands]


def run_lines(run: Run) -> list[str]:
    """What a training brought, and where it lies."""
    lines = ["No figures: see above."]
    if run.evaluation is not None:
        lines = summary(run.evaluation.report, no_threshold=_REFUSED)
    lines = attribute_lines(run.attributes) if run.attributes is not None else lines
    lines += ["", f"model    {run.model.folder}"]
    if run.evaluation is not None or run.attributes is not None:
        lines.append(f"report   {run.folder / 'report.html'}")
    return [*lines, f"next     lookalike index photos.idx FOLDER --model {_better(run)}"]


def _better(run: Run) -> str | Path:
    """The model to go on with: the trained one, or the untrained one where training did not help."""
    report = run.evaluation.report if run.evaluation is not None else None
    figure = report.figures.get(HEADLINE) if report is not None else None
    if report is None or figure is None or verdict(figure) != "did not help":
        return run.model.folder
    baseline = run.folder / "baseline"
    if baseline.is_dir():
        return baseline
    return DEFAULT if report.baseline.startswith(f"{DEFAULT_BACKBONE},") else run.model.folder


def model_lines(model: Model) -> list[str]:
    """What a model is, for a person; `info --json` has every fact."""
    network, training = model.facts["network"], model.facts["training"]
    backbone = f"{network['backbone']} ({'frozen' if network['frozen'] else 'fine-tuned'})"
    preprocess = model.preprocess
    facts = {
        "folder": model.folder,
        "made": model.facts["created"],
        "network": f"{backbone}, head {network['head']}" if training else f"{backbone}, without a head",
        "trained on": f"{training['images']:,} pictures of {training['classes']:,} classes"
        if training
        else "nothing of yours: pretrained weights as they came",
        "pictures": f"{preprocess.resize} to {preprocess.size} x {preprocess.size} pixels",
        "fingerprint": model.fingerprint,
    }
    if names := model.facts.get("attributes", {}).get("names"):
        facts["attributes"] = ", ".join(names)
    thresholds = [
        f"threshold {name}: similarity >= {entry.similarity:.4f} means {entry.meaning}: {entry.promise}"
        for name, entry in model.thresholds.items()
    ] or ["no match threshold: lookalike calibrate makes one"]
    named = open_thresholds(model).items()
    thresholds += [f"threshold {name}: {threshold_line(entry)}" for name, entry in named]
    kept = calibration_of(model)
    bands = band_lines(kept) if kept is not None else []
    return [f"{model.name}: {model.dim} numbers a picture", *_aligned(facts), *thresholds, *bands]


def index_lines(info: IndexInfo) -> list[str]:
    """What an index holds, for a person; `info --json` has every fact."""
    unusable = f", {info.unusable:,} that cannot be used" if info.unusable else ""
    facts = {
        "model": f"{info.model} ({info.model_folder})",
        "fingerprint": info.fingerprint,
        "made": info.created,
        "size": f"{info.bytes / 1e6:,.1f} MB, {info.dim} numbers a picture, {info.vectors}",
        "search": _searched(info),
    }
    roots = [f"{root.items:,} from {root.source}" for root in info.roots]
    return [f"{info.path}: {_pictures(info.items)}{unusable}", *_aligned(facts), *roots]


def _searched(info: IndexInfo) -> str:
    if info.base is None or info.base_fault:
        return f"exact, as {info.base_fault}" if info.base_fault else "exact"
    since = f"{info.newer:,} newer ones are all compared" if info.newer else ""
    outdated = f"{info.outdated:,} of its pictures are gone or changed" if info.outdated else ""
    return "; ".join(part for part in (info.base.in_words(), since, outdated) if part)


def _aligned(facts: Mapping[str, object]) -> list[str]:
    width = max(map(len, facts))
    return [f"{name:{width}}  {value}" for name, value in facts.items()]


def _pictures(count: int) -> str:
    return f"{count:,} picture{'' if count == 1 else 's'}"
