"""The thresholds for identification that a model folder keeps, by name, in identification.json.

They lie beside those for two pictures, which answer another question, and are bound to the fingerprint of
the model that they were made with. A file enters; records leave that everything after can rely on, or a
ModelError. How they are made is not known here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any, get_args, get_type_hints

from lookalike.errors import CalibrationError, ModelError
from lookalike.files import write_atomically
from lookalike.judging.calibrated import made_for_another
from lookalike.judging.open_calibration import OpenTarget
from lookalike.judging.similarity import GAP
from lookalike.open_threshold import MOST_VOTES, OpenThreshold

FORMAT = 1
_AGAIN = "make it again: lookalike calibrate MODEL DATA --question identification"
_HINTS = get_type_hints(OpenThreshold)
_MOST = 2**53  # of a count
_RANGES = {  # of a number; counts are 0 or more, all others shares
    "similarity": (-1.0 - GAP, 1.0 + GAP),
    "vote": (1, MOST_VOTES),
    "stranger_share": (math.ulp(0.0), math.nextafter(1.0, 0.0)),
    "confidence": (0.5, math.nextafter(1.0, 0.0)),
}


def open_thresholds_file(folder: Path, *, dimensions: int | None = None) -> Path:
    """Where a model folder keeps them; those of a shortened model lie beside it."""
    return folder / ("identification.json" if dimensions is None else f"identification_{dimensions}.json")


def write_open_thresholds(path: Path, thresholds: Mapping[str, OpenThreshold]) -> None:
    """Write thresholds, all or none.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    kept = {name: asdict(threshold) for name, threshold in thresholds.items()}
    values = {"format": FORMAT, "thresholds": kept}
    write_atomically(path, json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False).encode())


def read_open_thresholds(path: Path) -> dict[str, OpenThreshold]:
    """Read what `write_open_thresholds` wrote; empty where there is no file.

    Raises:
        ModelError: the file is damaged or of another format version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version, kept = values["format"], values["thresholds"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    if version != FORMAT:
        what, do = "the thresholds are of another format version", f"update lookalike, or {_AGAIN}"
        raise ModelError(what, where=path, saw=f"format {version}", wanted=f"format {FORMAT}", do=do)
    if not isinstance(kept, dict):
        raise _damaged(path, f"thresholds that are {type(kept).__name__}")
    return {name: _threshold(path, name, value) for name, value in kept.items()}


def check_made_for(path: Path, threshold: OpenThreshold, *, fingerprint: str) -> OpenThreshold:
    """The threshold, once it is sure that it belongs to the model.

    Raises:
        ModelError: it was made for another one, for example before the graph was exchanged.
    """
    if threshold.fingerprint != fingerprint:
        raise made_for_another(path, saw=threshold.fingerprint, wanted=fingerprint)
    return threshold


def check_question(folder: Path, name: str, *, dimensions: int | None = None) -> None:
    """Refuse the name of a threshold for identification where one for two pictures is wanted.

    Raises:
        ModelError: there is one of that name, or the file is damaged.
    """
    path = open_thresholds_file(folder, dimensions=dimensions)
    if name in read_open_thresholds(path):
        raise ModelError(
            "the threshold answers another question",
            where=path,
            saw=f"{name}, from which on a picture is one of the known things",
            wanted="a threshold from which on two pictures show the same",
            do="ask which known thing it is: lookalike identify INDEX IMAGE",
        )


def _threshold(path: Path, name: str, value: Any) -> OpenThreshold:
    needed = {entry.name for entry in fields(OpenThreshold) if entry.default is MISSING}
    if not isinstance(value, dict) or not needed <= set(value) <= set(_HINTS):
        raise _damaged(path, f"{name} without all of its facts, or with others")
    for key, entry in value.items():
        if not _fits(key, entry, get_args(_HINTS[key]) or (_HINTS[key],)):
            raise _damaged(path, f"{name}.{key} = {json.dumps(entry)[:80]}")
    if not value.get("fingerprint"):
        raise _damaged(path, f"{name} without the fingerprint of a model")
    return OpenThreshold(**value)


def _fits(key: str, value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, (int, float)):
        low, high = _RANGES.get(key, (0, 1 if float in kinds else _MOST))
        fit = isinstance(value, kinds) or float in kinds
        return fit and not isinstance(value, bool) and low <= value <= high
    return isinstance(value, kinds) and (key != "target" or _is_target(str(value)))


def _is_target(text: str) -> bool:
    try:
        OpenTarget.parse(text)
    except CalibrationError:
        return False
    return True


def _damaged(path: Path, saw: str) -> ModelError:
    return ModelError(
        "the thresholds for identification are damaged",
        where=path,
        saw=saw.partition("\n")[0][:200],
        wanted="what lookalike calibrate wrote",
        do=_AGAIN,
    )
