"""The cache: where it lies, and folders that are whole for everybody or not there."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import filelock
import pytest

from lookalike.cache import cache_folder, make_once
from lookalike.errors import LookalikeError


def write(folder: Path) -> None:
    (folder / "a").write_text("a")


def is_whole(folder: Path) -> bool:
    return (folder / "a").is_file()


def test_the_folder_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("LOOKALIKE_CACHE")
    assert cache_folder().name == "lookalike"


def test_a_folder_is_filled_once(tmp_path: Path) -> None:
    made: list[Path] = []

    def fill(folder: Path) -> None:
        made.append(folder)
        write(folder)

    for _ in range(3):
        make_once(tmp_path / "below" / "x", fill, is_whole=is_whole)
    assert len(made) == 1
    assert made[0] != tmp_path / "below" / "x"
    assert (tmp_path / "below" / "x" / "a").read_text() == "a"


def test_a_damaged_folder_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "left").touch()
    make_once(tmp_path / "x", write, is_whole=is_whole)
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["a"]


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    def fill(folder: Path) -> None:
        write(folder)
        raise error

    with pytest.raises(type(error)):
        make_once(tmp_path / "x", fill, is_whole=is_whole)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == []


def test_a_full_disk_is_one_error(tmp_path: Path) -> None:
    def fill(folder: Path) -> None:
        write(folder)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(
        LookalikeError, match=r"cache cannot be written - .* - saw No space left.* - .*LOOKALIKE_CACHE"
    ):
        make_once(tmp_path / "x", fill, is_whole=is_whole)
    assert not any(path.is_dir() for path in tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LookalikeError, match=r"cache cannot be written - .*LOOKALIKE_CACHE"):
        make_once(tmp_path / "file" / "x", write, is_whole=is_whole)


def test_who_comes_second_waits(tmp_path: Path) -> None:
    made: list[Path] = []
    begun, go_on = threading.Event(), threading.Event()

    def fill(folder: Path) -> None:
        made.append(folder)
        begun.set()
        go_on.wait(10)
        write(folder)

    def run() -> None:
        make_once(tmp_path / "x", fill, is_whole=is_whole)

    workers = [threading.Thread(target=run) for _ in range(3)]
    workers[0].start()
    assert begun.wait(10)
    for worker in workers[1:]:
        worker.start()
    go_on.set()
    for worker in workers:
        worker.join(10)
    assert len(made) == 1
    assert is_whole(tmp_path / "x")


KILLED = """
import os, sys
from pathlib import Path
from lookalike.cache import make_once
def fill(folder):
    (folder / "a").write_text("half")
    os.kill(os.getpid(), 9)
make_once(Path(sys.argv[1]), fill, is_whole=lambda folder: (folder / "a").is_file())
"""


def test_a_kill_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "x")], check=False, timeout=60)
    left = [path for path in tmp_path.iterdir() if path.is_dir()]
    assert [path.name[:3] for path in left] == [".x."]
    make_once(tmp_path / "x", write, is_whole=is_whole)
    assert (tmp_path / "x" / "a").read_text() == "a"
    assert not left[0].exists()


def test_without_locks_the_slower_one_takes_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object, **__: object) -> None:
        raise NotImplementedError

    def fill(folder: Path) -> None:
        make_once(tmp_path / "x", write, is_whole=is_whole)
        write(folder)

    monkeypatch.setattr(filelock.FileLock, "acquire", no_locks)
    make_once(tmp_path / "x", fill, is_whole=is_whole)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["x"]
