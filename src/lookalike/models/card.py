"""The model card: README.md of a model folder, for whoever is handed the folder without the run."""

from __future__ import annotations

from collections.abc import Sequence

from lookalike.files import write_atomically
from lookalike.judging.figure_wording import difference, footnote, gain, headlines, marked, shown
from lookalike.models.model import CARD, DEFAULT, Model
from lookalike.models.verdicts import calibration_of, in_percent
from lookalike.records import Figure, Report

_UNMEASURED = "Not measured: `lookalike evaluate MODEL DATA --split test`."
SAME, USE = "## What counts as the same\n", "## Use\n"


def write_card(model: Model, report: Report | None, *, measured: Sequence[str] = ()) -> None:
    """Write what a model is, how good it is and how to use it, as Markdown, into its folder.

    Args:
        measured: figures of another kind than a Report's, as lines of text.
    """
    write_atomically(model.folder / CARD, render_card(model, report, measured=measured).encode())


def refresh_threshold(model: Model) -> None:
    """Bring the card's word on what counts as the same up to date, after a calibration."""
    path = model.folder / CARD
    if not path.exists() or model.dim != model.facts["dim"]:  # the card speaks of whole embeddings
        return
    before, _, rest = path.read_text(encoding="utf-8").partition(SAME)
    _, use, after = rest.partition(USE)
    if use:
        write_atomically(path, f"{before}{SAME}\n{_thresholds(model)}\n{use}{after}".encode())


def render_card(model: Model, report: Report | None, *, measured: Sequence[str] = ()) -> str:
    """The card's text."""
    names = model.facts.get("attributes", {}).get("names", ())
    by_attributes = f"lookalike search photos.idx --attributes {names[0]}=1\n" if names else ""
    lines = "\n".join(("```", *measured, "```\n"))
    parts = [
        f"# {model.name}\n",
        _about(model),
        "## How good it is\n",
        _figures(report) if report else lines if measured else f"{_UNMEASURED}\n",
        SAME,
        _thresholds(model),
        USE,
        "```shell\nlookalike index photos.idx FOLDER --model MODEL\nlookalike search photos.idx PICTURE\n"
        f"{by_attributes}lookalike match MODEL A B\n```\n",
        "`MODEL` is this folder. Running it needs `pip install lookalike`, not torch.\n",
    ]
    return "\n".join(parts)


def _about(model: Model) -> str:
    training, network = model.facts["training"], model.facts["network"]
    lines = [
        f"An image similarity model of lookalike, made {model.facts['created'][:10]}. It turns a picture "
        f"into {model.dim} numbers; the cosine of two such vectors says how alike the pictures are.\n",
        f"- backbone: {network['backbone']}, {'frozen' if network['frozen'] else 'fine-tuned'}",
        f"- head: {network['head'] or 'the default one'}",
        f"- pictures: {model.preprocess.size} x {model.preprocess.size} pixels, {model.preprocess.resize}",
        f"- fingerprint: `{model.fingerprint[:16]}`",
    ]
    if names := model.facts.get("attributes", {}).get("names"):
        lines.append(f"- attributes that can be asked for: {', '.join(names)}")
    if training:
        lines.insert(1, f"- trained on: {training['images']:,} pictures of {training['classes']:,} classes")
    if data := training.get("data"):
        lines.append(f"- data and split: `{data[:16]}`")
    return "\n".join(lines) + "\n"


def _figures(report: Report) -> str:
    head = (
        f"On {report.split}, {report.how}: {report.queries:,} queries among {report.gallery:,} pictures of "
        f"{report.classes:,} classes. In percent, with 95% intervals over classes; the difference from the "
        "untrained backbone has its own, because both answered the same queries.\n\n"
        "| figure | value | interval | untrained | difference | interval |\n|---|---|---|---|---|---|\n"
    )
    told = headlines(report)
    rows = [f"| {marked(name, figure)} | {' | '.join(_cells(figure))} |\n" for name, figure in told.items()]
    notes = footnote(told)
    return head + "".join(rows) + (f"\n{notes}\n" if notes else "")


def _cells(figure: Figure) -> list[str]:
    low, high = (shown(end, figure.unit) for end in (figure.low, figure.high))
    before = shown(figure.baseline, figure.unit)
    return [shown(figure.value, figure.unit), f"{low} to {high}", before, difference(figure), gain(figure)]


def _thresholds(model: Model) -> str:
    threshold = model.threshold
    if threshold is None:
        return "No threshold yet: `lookalike calibrate MODEL DATA --split val`.\n"
    said = [f"Similarity {threshold.similarity:.4f} or more: {threshold.promise}.\n"]
    said += [
        f"- threshold `{name}`: {entry.similarity:.4f} or more: {entry.promise}"
        for name, entry in model.thresholds.items()
        if name != DEFAULT
    ]
    kept = calibration_of(model)
    if kept is None:
        return "\n".join(said).rstrip() + "\n"
    said += [f"- {band.name}: {band.similarity:.4f} or more: {band.words}" for band in kept.bands]
    share = in_percent(kept.probability.prior)
    said.append(f"- probabilities of a match: {kept.probability.kind}, where {share} of pairs are the same")
    return "\n".join(said) + "\n"
