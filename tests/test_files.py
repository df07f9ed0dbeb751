from __future__ import annotations

import os
from pathlib import Path

import pytest

from lookalike.errors import LookalikeError
from lookalike.files import check_writable, sync_folder, write_atomically


def test_writes_and_replaces(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    write_atomically(target, b"one")
    write_atomically(target, b"two")
    assert target.read_bytes() == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match=r"cannot be written.*nowhere.*make the folder"):
        write_atomically(tmp_path / "nowhere" / "a", b"")


def test_a_place_is_judged_before_the_work_and_left_as_it_was(tmp_path: Path) -> None:
    check_writable(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(LookalikeError, match=r"cannot be written.*nowhere.*make the folder"):
        check_writable(tmp_path / "nowhere" / "a")
    with pytest.raises(LookalikeError, match="Is a directory"):
        check_writable(tmp_path)


def test_old_content_survives_a_failed_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a"
    write_atomically(target, b"old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(LookalikeError, match="No space left"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_a_folder_is_synced_and_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    sync_folder(tmp_path)
    assert synced == [tmp_path.stat().st_ino]
    monkeypatch.undo()
    with pytest.raises(OSError, match="nowhere"):
        sync_folder(tmp_path / "nowhere")
