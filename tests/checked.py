"""What the doctor said of a set: how it is asked, and one finding or all verdicts of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lookalike.checkups.checkup import Checkup, doctor
from lookalike.checkups.findings import Finding
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable

Look = Callable[[Path | str], Checkup]


def looking(model: Path) -> Look:
    """The doctor with a model, without a word on the way."""
    loaded = Model.load(model)
    return lambda data: doctor(ImageTable.read(data), model=loaded)


def of(checkup: Checkup, name: str) -> Finding:
    (found,) = [entry for entry in checkup.findings if entry.name == name]
    return found


def verdicts(checkup: Checkup) -> dict[str, str]:
    return {entry.name: str(entry.verdict) for entry in checkup.findings}
