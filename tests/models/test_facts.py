"""What model.json and seen.npy may say: everything that is read off them is checked, and named when wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.errors import ModelError
from lookalike.models.facts import FACTS, SEEN
from lookalike.models.model import Model, write_seen
from some_records import threshold
from tiny_model import pixels

Facts = dict[str, Any]


@pytest.fixture
def calibrated(tiny: Model) -> Model:
    tiny.set_threshold(threshold("precision=0.95"))
    return tiny


def change(model: Model, edit: Callable[[Facts], object]) -> None:
    facts = json.loads((model.folder / FACTS).read_text())
    edit(facts)
    (model.folder / FACTS).write_text(json.dumps(facts))


@pytest.mark.parametrize(
    "key",
    [
        "name",
        "created",
        "dim",
        "fingerprint",
        "preprocess",
        "outputs",
        "baseline",
        "network",
        "training",
        "thresholds",
    ],
)
def test_a_missing_fact_is_named(calibrated: Model, key: str) -> None:
    change(calibrated, lambda facts: facts.pop(key))
    with pytest.raises(
        ModelError, match=rf"facts are damaged.*model\.json: {key} - saw nothing.*copy the model"
    ):
        Model.load(calibrated.folder)


@pytest.mark.parametrize(
    ("key", "value", "beats"),
    [
        ("name", 3, r"name - saw 3, wanted text"),
        ("dim", 17, r"dim - saw 17, wanted 48, the length of the output embedding"),
        ("dim", True, r"dim - saw true, wanted a whole number"),
        ("dim", "48", r'dim - saw "48", wanted a whole number'),
        ("outputs", {}, r"outputs\.embedding - saw nothing"),
        ("outputs", {"embedding": 48, "feature": None}, r"outputs\.feature - saw null"),
        ("preprocess", [], r"preprocess - saw \[\], wanted an object"),
        ("baseline", 1, r"baseline - saw 1, wanted text or null"),
        ("network", {"backbone": "a", "head": None}, r"network\.frozen - saw nothing, wanted true or false"),
        ("training", {"images": 3}, r"training\.classes - saw nothing"),
        ("dimensions", 8, r"dimensions - saw 8, wanted a list"),
        ("dimensions", [8, "16"], r'dimensions\.1 - saw "16"'),
        ("shortened", {"8": 1}, r"shortened\.8 - saw 1, wanted an object"),
        (
            "shortened",
            {"8": {"default": {}}},
            r"shortened\.8\.default\.similarity - saw nothing, wanted a number",
        ),
        ("thresholds", {"default": 0.5}, r"thresholds\.default - saw 0\.5, wanted an object"),
    ],
)
def test_a_wrong_fact_is_named(calibrated: Model, key: str, value: object, beats: str) -> None:
    change(calibrated, lambda facts: facts.update({key: value}))
    with pytest.raises(ModelError, match=rf"facts are damaged - .*model\.json: {beats}"):
        Model.load(calibrated.folder)


@pytest.mark.parametrize("size", ["big", float("inf"), None, -1])
def test_wrong_preprocessing_is_refused(tiny: Model, size: object) -> None:
    change(tiny, lambda facts: facts["preprocess"].update(size=size))
    with pytest.raises(ModelError, match="the preprocessing is not understood"):
        Model.load(tiny.folder)


@pytest.mark.parametrize(
    ("entry", "beats"),
    [
        ({"similarity": "0.7"}, r'default\.similarity - saw "0\.7", wanted a number'),
        ({"similarity": float("nan")}, r"default\.similarity - saw NaN"),
        ({"similarity": 1.5}, r"default\.similarity - saw 1\.5, wanted between -1 and 1"),
        ({"similarity": 10**400}, r"default\.similarity - saw 1000+, wanted a number"),
        ({"recall": -0.1}, r"default\.recall - saw -0\.1, wanted between 0 and 1"),
        ({"bound": 1.1}, r"default\.bound - saw 1\.1, wanted between 0 and 1"),
        ({"images": float("inf")}, r"default\.images - saw Infinity, wanted a whole number"),
        ({"same_pairs": -1}, r"default\.same_pairs - saw -1, wanted 0 or more"),
        ({"basis": "guesses"}, r"default\.basis - saw guesses, wanted labels or copies"),
        ({"seen": 0.5}, r"default\.seen - saw 0\.5, wanted a whole number"),
        (
            {"target": "precision=high"},
            r"default\.target - saw precision=high, wanted f1, accuracy, precision=x",
        ),
        ({"target": "best"}, r"default\.target - saw best"),
        ({"extra": 1}, r"default\.extra - saw a key that is not known, .* - update lookalike"),
    ],
)
def test_a_wrong_threshold_says_how_to_make_it_again(calibrated: Model, entry: Facts, beats: str) -> None:
    change(calibrated, lambda facts: facts["thresholds"]["default"].update(entry))
    with pytest.raises(ModelError, match=rf"thresholds\.{beats}.*lookalike calibrate .* DATA"):
        Model.load(calibrated.folder)


def test_facts_without_a_bottom_are_refused(tiny: Model) -> None:
    (tiny.folder / FACTS).write_text("[" * 10**6)
    with pytest.raises(ModelError, match=r"model\.json that cannot be read"):
        Model.load(tiny.folder)


def test_what_older_and_newer_versions_write_is_read(calibrated: Model) -> None:
    change(calibrated, lambda facts: facts.update(later={"a": 1}))
    change(calibrated, lambda facts: [facts.pop("dimensions"), facts["thresholds"]["default"].pop("seen")])
    change(calibrated, lambda facts: facts["thresholds"]["default"].update(similarity=1))
    again = Model.load(calibrated.folder)
    assert again.facts["later"] == {"a": 1}
    assert (again.dimensions, again.require_threshold().seen) == ((), 0)


@pytest.mark.parametrize("target", ["f1", "precision=0.95", "false-match-rate=.001", "precision=9e-1"])
def test_every_threshold_that_is_written_is_read(tiny: Model, target: str) -> None:
    tiny.set_threshold(threshold(target, confidence=None))
    assert Model.load(tiny.folder).require_threshold() == threshold(target, confidence=None)


@pytest.mark.parametrize("outputs", [{"embedding": 17}, {"embedding": 48, "feature": 5}])
def test_the_graph_must_give_what_is_said(calibrated: Model, outputs: dict[str, int]) -> None:
    change(calibrated, lambda facts: facts.update(dim=outputs["embedding"], outputs=outputs))
    with pytest.raises(
        ModelError, match=r"do not belong together - .*model\.json: outputs\.\w+ - saw \d+, wanted"
    ):
        Model.load(calibrated.folder).embed_pixels(pixels(1))


def damaged(folder: Path, kind: str) -> None:
    path = folder / SEEN
    if kind == "archive":
        np.savez(folder / "seen", a=np.zeros(3))
        (folder / "seen.npz").rename(path)
    elif kind in ("float", "table"):
        np.save(path, np.zeros((3, 2), np.uint64) if kind == "table" else np.zeros(3))
    else:
        content = {"junk": b"junk", "empty": b"", "cut": path.read_bytes()[:-3], "huge": _huge()}
        path.write_bytes(content[kind])


def _huge() -> bytes:
    header = b"{'descr': '<u8', 'fortran_order': False, 'shape': (99999999999999999,), }\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize("kind", ["junk", "empty", "cut", "huge", "archive", "float", "table"])
def test_a_damaged_list_of_training_pictures(tiny: Model, kind: str) -> None:
    write_seen(tiny.folder, [bytes([i]) * 16 for i in range(4)])
    damaged(tiny.folder, kind)
    with pytest.raises(ModelError, match=r"trained on is damaged - .*seen\.npy - saw .+ - copy the model"):
        tiny.count_seen([b"a" * 16])


def test_a_name_that_no_file_can_have_is_no_model() -> None:
    with pytest.raises(ModelError, match=r"no model lies here.*saw nothing"):
        Model.load("a" * 300)
