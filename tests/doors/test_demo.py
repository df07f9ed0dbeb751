from __future__ import annotations

from pathlib import Path

import pytest

from lookalike.cli import app
from lookalike.doors import demo
from lookalike.errors import TableError


def test_plan_names_files_that_are_there_and_commands_that_exist(tmp_path: Path) -> None:
    plan = demo.plan(tmp_path / "out")
    assert [command[0] for command in plan.commands] == [
        *("describe", "train", "index", "search", "match", "match", "info"),
    ]
    known = {
        command.name or command.callback.__name__ for command in app.registered_commands if command.callback
    }
    assert {command[0] for command in (*plan.commands, plan.page)} <= known
    pictures = [word for command in plan.commands for word in command if word.endswith(".png")]
    assert len(pictures) == 5
    assert all(Path(picture).is_file() for picture in pictures)


def test_each_demo_has_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folders = []
    for _ in range(3):
        folders.append(demo.plan(None).report.parent)
        folders[-1].mkdir(parents=True)
    assert [folder.name for folder in folders] == ["demo", "demo2", "demo3"]


def test_missing_sample_is_explained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "SAMPLE", Path("examples/nothing"))
    with pytest.raises(TableError, match=r"sample is not here.*lookalike train RUN\.yaml --data FOLDER"):
        demo.plan(None)
