"""What is written is read again, and nothing else is believed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lookalike.errors import ModelError
from lookalike.judging.open_kept import (
    check_made_for,
    check_question,
    open_thresholds_file,
    read_open_thresholds,
    write_open_thresholds,
)
from some_open_threshold import some_open_threshold


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return open_thresholds_file(tmp_path)


def test_what_is_written_is_read(path: Path) -> None:
    assert read_open_thresholds(path) == {}
    kept = {
        "identify": some_open_threshold(),
        "streng ✓": some_open_threshold(confidence=0.95, bound=0.01, vote=5),
    }
    write_open_thresholds(path, kept)
    assert read_open_thresholds(path) == kept


def test_shortened_models_have_a_file_of_their_own(tmp_path: Path) -> None:
    assert open_thresholds_file(tmp_path).name == "identification.json"
    assert open_thresholds_file(tmp_path, dimensions=32).name == "identification_32.json"


def change(path: Path, **changes: Any) -> None:
    write_open_thresholds(path, {"identify": some_open_threshold()})
    values = json.loads(path.read_text(encoding="utf-8"))
    facts = values["thresholds"]["identify"]
    facts.update(changes)
    values["thresholds"]["identify"] = {key: value for key, value in facts.items() if value != "gone"}
    path.write_text(json.dumps(values), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "saw"),
    [
        ({"similarity": "high"}, 'identify.similarity = "high"'),
        ({"similarity": float("nan")}, "identify.similarity = NaN"),
        ({"vote": 1.5}, "identify.vote = 1.5"),
        ({"vote": True}, "identify.vote = true"),
        ({"target": None}, "identify.target = null"),
        ({"vote": 0}, "identify.vote = 0"),
        ({"vote": -1}, "identify.vote = -1"),
        ({"vote": 10**6}, "identify.vote = 1000000"),
        ({"similarity": 5.0}, "identify.similarity = 5.0"),
        ({"similarity": -1.5}, "identify.similarity = -1.5"),
        ({"similarity": 10**400}, "identify.similarity = 1000"),
        ({"stranger_share": 0}, "identify.stranger_share = 0"),
        ({"stranger_share": 1.0}, "identify.stranger_share = 1.0"),
        ({"stranger_share": 7.0}, "identify.stranger_share = 7.0"),
        ({"confidence": 1.0}, "identify.confidence = 1.0"),
        ({"bound": 1.5}, "identify.bound = 1.5"),
        ({"precision": -0.1}, "identify.precision = -0.1"),
        ({"gallery": -1}, "identify.gallery = -1"),
        ({"target": "precision=abc"}, 'identify.target = "precision=abc"'),
        ({"target": "recall"}, 'identify.target = "recall"'),
        ({"fingerprint": ""}, "identify without the fingerprint of a model"),
        ({"fingerprint": "gone"}, "identify without the fingerprint of a model"),
        ({"known": "gone"}, "identify without all of its facts"),
        ({"colour": 1}, "identify without all of its facts, or with others"),
    ],
)
def test_damaged_facts_are_named(path: Path, changes: dict[str, Any], saw: str) -> None:
    change(path, **changes)
    with pytest.raises(ModelError) as caught:
        read_open_thresholds(path)
    assert f"the thresholds for identification are damaged - {path} - saw {saw}" in str(caught.value)
    assert "lookalike calibrate MODEL DATA --question identification" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "[" * 100_000, '{"format": 1}', '{"format": 1, "thresholds": 3}']
)
def test_a_file_of_something_else_is_damaged(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match="the thresholds for identification are damaged"):
        read_open_thresholds(path)


def test_optional_facts_may_be_left_out(path: Path) -> None:
    change(path, split="gone", seen="gone")
    assert read_open_thresholds(path) == {"identify": some_open_threshold()}


def test_a_newer_format_is_refused(path: Path) -> None:
    path.write_text('{"format": 9, "thresholds": {}}', encoding="utf-8")
    with pytest.raises(
        ModelError, match=r"of another format version .* saw format 9, wanted format 1 - update"
    ):
        read_open_thresholds(path)


def test_another_models_threshold_is_refused(path: Path) -> None:
    own = some_open_threshold(fingerprint="a" * 64)
    assert check_made_for(path, own, fingerprint="a" * 64) == own
    with pytest.raises(
        ModelError, match=r"made for another model .* saw fingerprint aaaaaaaaaaaa, wanted bbbb"
    ):
        check_made_for(path, own, fingerprint="b" * 64)


def test_the_other_question_is_pointed_at(path: Path) -> None:
    write_open_thresholds(path, {"identify": some_open_threshold()})
    check_question(path.parent, "default")
    with pytest.raises(ModelError, match=r"answers another question .* lookalike identify INDEX IMAGE"):
        check_question(path.parent, "identify")
