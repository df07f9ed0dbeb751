"""A model folder takes its name whole, keeps the old one until then, and clears up after killed processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import filelock
import pytest

from lookalike.models.model import FACTS
from lookalike.training.folder import making

LONG_AGO = (1e9, 1e9)


def write(folder: Path, content: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).write_text(content)
    return folder


def make(folder: Path, content: str, *, keep: bool = False) -> str:
    with making(folder, keep=keep) as place:
        write(place, content)
    return (folder / FACTS).read_text()


def test_a_cache_keeps_the_model_of_the_process_that_was_faster(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with making(target, keep=True) as place:
        write(place, "slow")
        assert make(target, "fast", keep=True) == "fast"
        opened = (target / FACTS).stat().st_ino
    assert (target / FACTS).read_text() == "fast"
    assert (target / FACTS).stat().st_ino == opened
    assert list(tmp_path.iterdir()) == [target]


def test_a_cache_replaces_what_is_no_whole_model(tmp_path: Path) -> None:
    target = tmp_path / "model"
    write(target, "half").joinpath(FACTS).rename(target / "other")
    assert make(target, "whole", keep=True) == "whole"
    assert [path.name for path in target.iterdir()] == [FACTS]
    assert list(tmp_path.iterdir()) == [target]


def killed(target: Path) -> None:
    """Make a model in a process that is killed before the new one takes its name."""
    code = (
        "import os, sys; from pathlib import Path; from lookalike.training.folder import making\n"
        "rename = Path.rename\n"
        "def stop(self, to):\n"
        "    if '.making-' in str(self): os.kill(os.getpid(), 9)\n"
        "    return rename(self, to)\n"
        "Path.rename = stop\n"
        "with making(Path(sys.argv[1])) as place: (place / 'model.json').write_text('new')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_process_that_is_killed_between_the_names_loses_nothing(tmp_path: Path) -> None:
    target = write(tmp_path / "model", "old")
    killed(target)
    assert not target.exists()
    assert (tmp_path / "model.old" / FACTS).read_text() == "old"

    def fail() -> None:
        with making(target):
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        fail()
    assert (target / FACTS).read_text() == "old"
    assert make(target, "new") == "new"
    assert not (tmp_path / "model.old").exists()


def test_a_name_that_cannot_be_taken_leaves_the_old_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, rename = write(tmp_path / "model", "old"), Path.rename

    def refuse(self: Path, to: Path) -> Path:
        if ".making-" in str(self):
            raise OSError(5, "Input/output error")
        return rename(self, to)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        make(target, "new")
    assert (target / FACTS).read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_leftovers_of_killed_processes_are_swept_and_no_others(tmp_path: Path) -> None:
    target = tmp_path / "model"
    killed(target)
    (left,) = tmp_path.glob(".making-*")
    living, young = tmp_path / ".making-living", tmp_path / ".making-young"
    for folder in (living, young):
        write(folder / "model", "half")
    with filelock.FileLock(living / "lock"):
        for folder in (left, living):
            os.utime(folder, LONG_AGO)
        make(target, "one")
    assert set(tmp_path.iterdir()) == {target, living, young}
