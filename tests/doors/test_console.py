from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lookalike.doors.console import (
    Talk,
    index_lines,
    model_lines,
    put,
    put_answers,
    put_json,
    put_lines,
    run_lines,
    tell_skipped,
)
from lookalike.errors import SkipReason
from lookalike.indexing.base_file import BaseNote
from lookalike.indexing.store import IndexInfo, RootInfo
from lookalike.models.model import Model
from lookalike.records import Figure, Hit, Hits, Report, Skipped
from some_records import threshold

ANSWER = Hits(
    "q.png", (Hit(1, 7, "a b.png", "cup", 0.5, match=True), Hit(2, 8, "c.png", None, 0.25, match=None))
)


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("paths", "a b.png\nc.png\n"),
        ("zero", "a b.png\0c.png\0"),
        ("text", "q.png\n    1  0.5000  match     cup                   a b.png\n    2  0.2500"),
    ],
)
def test_answers_in_each_style(capfdbinary: pytest.CaptureFixture[bytes], style: str, expected: str) -> None:
    put_answers(ANSWER, style=style)
    put_json("end")
    assert capfdbinary.readouterr().out.decode().startswith(expected)


def test_answers_as_json(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put_answers(ANSWER, style="jsonl")
    line = capfdbinary.readouterr().out.decode()
    assert line.count("\n") == 1
    assert json.loads(line)["hits"][0] == {
        "rank": 1, "id": 7, "path": "a b.png", "label": "cup", "similarity": 0.5, "match": True,
            "probability": None, "band": None, "copies": [],
    }  # fmt: skip


def test_no_answer_says_so_and_why(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put_answers(Hits("q.png", ()), style="text")
    put_answers(Hits("q.png", (), nothing="the index is empty"), style="text")
    told = b"q.png\n  no match\nq.png\n  no match: the index is empty\n"
    assert capfdbinary.readouterr().out == told


def test_answers_tell_what_was_folded_how_they_are_ranked_and_where_they_are_not_exact(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    found = tuple(Hit(n, n, f"{n}.png", None, 0.5, copies=tuple(range(n - 1))) for n in (1, 2, 3))
    put_answers(Hits("q.png", found, exact=False, order="alpha-qe"), style="text")
    lines = capfdbinary.readouterr().out.decode().splitlines()
    assert lines[1] == "  ranked by alpha-qe; similarities are those to the query alone"
    assert lines[2] == "  approximate: the index says how much is found (lookalike info)"
    assert [line.rpartition(".png")[2] for line in lines[3:]] == ["", "  (+1 copy)", "  (+2 copies)"]


def test_odd_file_names_come_out_as_they_went_in(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put("caf\udcff")
    assert capfdbinary.readouterr().out == b"caf\xff\n"


def test_paths_are_as_they_are_but_on_a_terminal(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Hits("q.png", (Hit(1, 7, "a\x1b[31m\u202egpj.png", None, 0.5),))
    put_answers(found, style="paths")
    assert capfdbinary.readouterr().out.decode() == "a\x1b[31m\u202egpj.png\n"
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    put_answers(found, style="paths")
    assert capfdbinary.readouterr().out == b"a\\x1b[31m\\u202egpj.png\n"


def test_names_stay_one_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put_lines(["a\nb\r\t\x7f\x9b", "caf\udcff \u00e9"])
    assert capfdbinary.readouterr().out == b"a\\nb\\r\\t\\x7f\\x9b\ncaf\xff \xc3\xa9\n"


def test_json_is_never_nan() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        put_json(float("nan"))


def test_talk_goes_to_stderr_without_bars_or_markup(capfd: pytest.CaptureFixture[str]) -> None:
    with Talk() as talk:
        count = talk.stage("work")
        count(1, 2)
        count(2, 2)
        talk.say("a [bold]b[/bold]")
        talk.say("one", "an\x1b[2J\nother")
        talk.stage("a folder [/x]\x1b[2J")
        tell_skipped(talk, [])
        tell_skipped(talk, [Skipped(f"{i}.png", SkipReason.EMPTY, "0 bytes") for i in range(7)])
    shown = capfd.readouterr()
    assert shown.out == ""
    assert "a [bold]b[/bold]" in shown.err
    assert "one\nan\\x1b[2J\\nother\n" in shown.err
    assert "Left out 7 pictures" in shown.err
    assert "0.png: empty (0 bytes)" in shown.err
    assert "and 2 more" in shown.err
    assert "\x1b" not in shown.err


def test_a_model_is_told_in_words(tiny: Model) -> None:
    lines = model_lines(tiny)
    assert lines[0] == "tiny: 48 numbers a picture"
    assert "trained on   nothing of yours: pretrained weights as they came" in lines
    assert lines[-1].startswith("no match threshold")
    tiny.set_threshold(threshold("f1"))
    tiny.set_threshold(threshold("precision=0.9"), name="strict")
    told = model_lines(tiny)
    assert [line.split(":")[0] for line in told[-2:]] == ["threshold default", "threshold strict"]


def test_an_index_is_told_in_words() -> None:
    roots = (RootInfo("/a", 3, 1), RootInfo("/b", 1, 0))
    info = IndexInfo("a.idx", 4, 1, roots, "tiny", "/m", "f" * 64, 48, 2_000_000, "2026")
    lines = index_lines(info)
    assert lines[0] == "a.idx: 4 pictures, 1 that cannot be used"
    assert lines[-2:] == ["3 from /a", "1 from /b"]
    assert "size         2.0 MB, 48 numbers a picture, float32" in lines
    assert "search       exact" in lines
    note = BaseNote(file="b", generation=1, rows=4, exact_ms=30.0)
    assert f"search       {note.in_words()}" in index_lines(replace(info, base=note))
    older = replace(info, base=note, newer=12, outdated=3)
    since = "12 newer ones are all compared; 3 of its pictures are gone or changed"
    assert f"search       {note.in_words()}; {since}" in index_lines(older)
    unusable = replace(info, base=note, base_fault="b is missing")
    assert "search       exact, as b is missing" in index_lines(unusable)


def test_heading_of_a_picture_with_changes_says_them(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    put_answers(Hits("q.png", ()), style="text", changes="smiling=1")
    assert capfdbinary.readouterr().out == b"q.png, but smiling=1\n  no match\n"


@pytest.mark.parametrize(
    ("value", "backbone", "folder", "model"),
    [
        (0.6, "efficientnet_lite0", True, "run/model"),
        (0.4, "efficientnet_lite0", True, "run/baseline"),
        (0.4, "efficientnet_lite0", False, "default"),
        (0.4, "similarity_convnet", False, "run/model"),
    ],
)
def test_what_is_advised_after_training_is_the_better_model(
    tmp_path: Path, value: float, backbone: str, model: str, *, folder: bool
) -> None:
    if folder:
        (tmp_path / "run" / "baseline").mkdir(parents=True)
    report = Report(
        {"recall@1": Figure(value, value, value, 0.5)}, "test", 9, 9, 3, 0, (), "run", "ab",
        baseline=f"{backbone}, untrained",
    )  # fmt: skip
    run: Any = SimpleNamespace(
        folder=tmp_path / "run",
        model=SimpleNamespace(folder=tmp_path / "run" / "model"),
        evaluation=SimpleNamespace(report=report),
        attributes=None,
    )
    wanted = tmp_path / model if "/" in model else model
    lines = run_lines(run)
    assert lines[-1] == f"next     lookalike index photos.idx FOLDER --model {wanted}"
    assert not any("lookalike calibrate" in line for line in lines)
