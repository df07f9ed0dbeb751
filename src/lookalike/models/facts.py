"""The plain files of a model folder, read and checked: model.json and seen.npy.

A folder enters; facts leave that everything after can rely on, or a ModelError says which of them is wrong.
Keys at the top of model.json that are not known here are let through, because newer versions add some. The
graph is opened elsewhere (model); what its outputs must be is checked here.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import ModelError
from lookalike.judging.calibrated import made_for_another
from lookalike.pictures.finding import is_there
from lookalike.records import Threshold
from lookalike.threshold import BASES, BY_HAND, TARGETS, read_target

FORMAT = 1
GRAPH, FACTS, SEEN = "model.onnx", "model.json", "seen.npy"

Kinds = Mapping[str, tuple[type, ...]]

_TOP: Kinds = {
    "name": (str,),
    "created": (str,),
    "dim": (int,),
    "fingerprint": (str,),
    "preprocess": (dict,),
    "outputs": (dict,),
    "baseline": (str, NoneType),
    "network": (dict,),
    "training": (dict,),
    "thresholds": (dict,),
}
_NETWORK: Kinds = {"backbone": (str,), "frozen": (bool,), "head": (str, NoneType)}
_TRAINING: Kinds = {"images": (int,), "classes": (int,)}
_HINTS = get_type_hints(Threshold)
_THRESHOLD: Kinds = {
    entry.name: get_args(_HINTS[entry.name]) or (_HINTS[entry.name],) for entry in fields(Threshold)
}
_OPTIONAL = {entry.name for entry in fields(Threshold) if entry.default is not MISSING}
_WORDS = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    list: "a list",
    NoneType: "null",
}
_AGAIN = "copy the model folder again from where it was made, or train it again"


def read_facts(folder: Path) -> dict[str, Any]:
    """Read model.json of a folder, and see that the graph lies beside it.

    Raises:
        ModelError: no model lies there, it is of another format version, or a fact is missing or wrong.
    """
    try:
        facts: dict[str, Any] = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        version = facts["format"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _no_model(folder, error) from error
    if version != FORMAT:
        raise ModelError(
            "the model is of another format version",
            where=folder / FACTS,
            saw=f"format {version}",
            wanted=f"format {FORMAT}",
            do="update lookalike (pip install -U lookalike) or train the model again",
        )
    check_facts(folder, facts)
    if not (folder / GRAPH).is_file():
        raise ModelError(
            "the model's graph is missing",
            where=folder / GRAPH,
            saw="no such file",
            do="copy the whole model folder again, or train it again",
        )
    return facts


def check_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """See that all that is read off model.json is there and of the right kind.

    Raises:
        ModelError: something is missing or wrong; the message names the key.
    """
    _check(folder, facts, _TOP)
    _check(folder, facts["network"], _NETWORK, inside="network.")
    if facts["training"]:
        _check(folder, facts["training"], _TRAINING, inside="training.")
    outputs = facts["outputs"]
    _check(folder, outputs, dict.fromkeys(("embedding", *outputs), (int,)), inside="outputs.")
    if outputs["embedding"] != facts["dim"]:
        wanted = f"{outputs['embedding']}, the length of the output embedding"
        raise _damaged(folder, "dim", saw=str(facts["dim"]), wanted=wanted)
    check_thresholds(folder, facts["thresholds"], inside="thresholds")
    _check_shortened(folder, {"dimensions": [], "shortened": {}, **facts})


def check_outputs(folder: Path, facts: Mapping[str, Any], graph: Mapping[str, Sequence[Any]]) -> None:
    """See that the graph gives what model.json says.

    Args:
        graph: output to shape, each length a number where the graph fixes it.

    Raises:
        ModelError: an output is not there, or is of another length.
    """
    for name, length in facts["outputs"].items():
        there = graph[name][-1] if graph.get(name) else None
        if name not in graph or (isinstance(there, int) and there != length):
            raise ModelError(
                f"{FACTS} and the graph do not belong together",
                where=f"{folder / FACTS}: outputs.{name}",
                saw=str(length),
                wanted=f"{there}, as in {GRAPH}" if name in graph else f"one of {', '.join(graph)}",
                do=_AGAIN,
            )


def own_threshold(threshold: Threshold, folder: Path, fingerprint: str) -> Threshold:
    """The threshold, once it is sure that it belongs to the model.

    Raises:
        ModelError: it was made for another one, for example before the graph was exchanged.
    """
    if threshold.fingerprint not in ("", fingerprint):
        raise made_for_another(folder / FACTS, saw=threshold.fingerprint, wanted=fingerprint)
    return threshold


def read_seen(folder: Path) -> NDArray[np.uint64]:
    """The content hashes of seen.npy: [n] uint64, sorted; empty where the folder has none.

    Raises:
        ModelError: the file is not what a training wrote.
    """
    path = folder / SEEN
    try:
        with path.open("rb") as file:
            seen: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
    except FileNotFoundError:
        return np.zeros(0, np.uint64)
    except (OSError, ValueError, EOFError, MemoryError, OverflowError) as error:
        raise _unlike_seen(path, str(error).partition("\n")[0]) from error
    if seen.ndim != 1 or seen.dtype.kind != "u" or seen.dtype.itemsize != 8:
        raise _unlike_seen(path, f"{seen.dtype} {seen.shape}")
    return seen


def _check_shortened(folder: Path, facts: Mapping[str, Any]) -> None:
    """What only models whose leading dimensions can be used alone have."""
    _check(folder, facts, {"dimensions": (list,), "shortened": (dict,)})
    dimensions = {str(place): length for place, length in enumerate(facts["dimensions"])}
    _check(folder, dimensions, dict.fromkeys(dimensions, (int,)), inside="dimensions.")
    _check(folder, facts["shortened"], dict.fromkeys(facts["shortened"], (dict,)), inside="shortened.")
    for length, thresholds in facts["shortened"].items():
        check_thresholds(folder, thresholds, inside=f"shortened.{length}")


def check_thresholds(folder: Path, thresholds: Mapping[str, Any], *, inside: str) -> None:
    """Look whether thresholds by name are what a model keeps.

    They can be made again, so a wrong one is not the end of the model.

    Raises:
        ModelError: one of them is not.
    """
    for name, threshold in thresholds.items():
        place = f"{inside}.{name}"
        do = f"take {place} out of the file, then make it again: lookalike calibrate {folder} DATA"
        _check(folder, {place: threshold}, {place: (dict,)}, do=do)
        unknown = sorted(set(threshold) - set(_THRESHOLD))
        if unknown:
            newer = "update lookalike (pip install -U lookalike) where a newer one made it; else " + do
            saw, wanted = "a key that is not known", ", ".join(_THRESHOLD)
            raise _damaged(folder, f"{place}.{unknown[0]}", saw=saw, wanted=wanted, do=newer)
        known = {key: kinds for key, kinds in _THRESHOLD.items() if key in threshold or key not in _OPTIONAL}
        _check(folder, threshold, known, inside=f"{place}.", do=do)
        if read_target(threshold["target"]) is None:
            wanted = f"{TARGETS}; {BY_HAND}"
            raise _damaged(folder, f"{place}.target", saw=threshold["target"], wanted=wanted, do=do)
        _check_ranges(folder, threshold, inside=f"{place}.", do=do)


def _check_ranges(folder: Path, threshold: Mapping[str, Any], *, inside: str, do: str) -> None:
    for key, value in threshold.items():
        if key == "basis" and value not in BASES:
            raise _damaged(folder, inside + key, saw=value[:80], wanted=" or ".join(BASES), do=do)
        low, high = (-1, 1) if key == "similarity" else (0, 1 if float in _THRESHOLD[key] else math.inf)
        if isinstance(value, (int, float)) and not low <= value <= high:
            wanted = f"{low} or more" if high == math.inf else f"between {low} and {high}"
            raise _damaged(folder, inside + key, saw=str(value)[:80], wanted=wanted, do=do)


def _check(
    folder: Path, values: Mapping[str, Any], kinds: Kinds, *, inside: str = "", do: str = _AGAIN
) -> None:
    for key, wanted in kinds.items():
        if key not in values or not _fits(values[key], wanted):
            saw = json.dumps(values[key])[:80] if key in values else "nothing"
            words = " or ".join(_WORDS[kind] for kind in wanted)
            raise _damaged(folder, inside + key, saw=saw, wanted=words, do=do)


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    if isinstance(value, (int, float)) and float in kinds:
        return -sys.float_info.max <= value <= sys.float_info.max  # also of a whole number that is no float
    return isinstance(value, kinds)


def _damaged(folder: Path, key: str, *, saw: str, wanted: str, do: str = _AGAIN) -> ModelError:
    return ModelError(
        "the model's facts are damaged", where=f"{folder / FACTS}: {key}", saw=saw, wanted=wanted, do=do
    )


def _unlike_seen(path: Path, saw: str) -> ModelError:
    return ModelError(
        "the list of the pictures that were trained on is damaged",
        where=path,
        saw=saw,
        wanted="the hashes that a training wrote",
        do=_AGAIN,
    )


def _no_model(folder: Path, error: Exception) -> ModelError:
    inner = folder / "model"
    return ModelError(
        "no model lies here",
        where=folder,
        saw=_what_lies_at(folder, error),
        wanted=f"a folder with {GRAPH} and {FACTS}",
        do=f"name {inner}"
        if is_there(inner / FACTS)
        else 'name the folder runs/NAME/model of a training, or the word "default"',
    )


def _what_lies_at(folder: Path, error: Exception) -> str:
    if not is_there(folder):
        return "nothing"
    if folder.is_file():
        return "a file"
    missing = isinstance(error, FileNotFoundError)
    return f"a folder without {FACTS}" if missing else f"{FACTS} that cannot be read: {error}"
