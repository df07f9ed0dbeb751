"""The threshold that a saved one took the place of: kept in the model's folder, so that it can be put back.

A model and what is about to be saved enter; the threshold of before leaves, in any process, for as long as
nothing else was saved under its name. A file that cannot be read counts as none: nothing but putting back
needs it. Saving and putting back are the core's business (setting).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lookalike.calibrating import calibration_before
from lookalike.errors import ModelError
from lookalike.files import write_atomically
from lookalike.judging.calibrated import Calibration, calibration_from
from lookalike.models.facts import check_thresholds
from lookalike.models.model import DEFAULT, Model
from lookalike.records import Threshold


@dataclass(frozen=True)
class Replaced:
    """A threshold of before; of the default one also what was measured with it, where anything was."""

    threshold: Threshold
    calibration: Calibration | None


def note_replaced(model: Model, name: str, *, by: Threshold) -> None:
    """Keep what the model has under a name, before another threshold is saved there.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    kept, before = _read(model), model.thresholds.get(name)
    if before == by:
        return
    if before is not None:
        calibration = calibration_before(model) if name == DEFAULT else None
        kept[name] = {
            "by": asdict(by),
            "threshold": asdict(before),
            "calibration": None if calibration is None else asdict(calibration),
        }
    elif kept.pop(name, None) is None:
        return
    write_atomically(_file(model), json.dumps(kept, ensure_ascii=False, allow_nan=False).encode())


def replaced(model: Model, name: str) -> Replaced | None:
    """What the model's threshold of a name replaced; None where nothing, or that is not known any more."""
    now, entry = model.thresholds.get(name), _read(model).get(name)
    try:
        if now is None or entry is None or entry["by"] != asdict(now):
            return None
        check_thresholds(model.folder, {name: entry["threshold"]}, inside="replaced")
        calibration = entry["calibration"]
        return Replaced(
            Threshold(**entry["threshold"]), None if calibration is None else calibration_from(calibration)
        )
    except (ModelError, ValueError, KeyError, TypeError, OverflowError):
        return None


def _read(model: Model) -> dict[str, Any]:
    try:
        kept = json.loads(_file(model).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _file(model: Model) -> Path:
    """Beside the thresholds; a shortened model has its own, as it has thresholds."""
    is_whole = model.dim == model.facts["dim"]
    return model.folder / ("replaced.json" if is_whole else f"replaced_{model.dim}.json")
