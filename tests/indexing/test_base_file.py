"""The file of a base: named, whole or not there, and only ours removed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from lookalike.indexing.base_file import (
    BaseNote,
    base_path,
    bases_beside,
    remove_others,
    why_unusable,
    write_base,
)

NOTE = BaseNote(file="a.idx-base-3-0123abcd.faiss", generation=3, rows=500, exact_ms=21.5, recall=0.99)


def put(folder: Path, content: bytes = b"content") -> tuple[Path, BaseNote]:
    store = folder / "a.idx"

    def fill(file: Path) -> None:
        file.write_bytes(content)

    written = write_base(store, 3, fill)
    return store, replace(NOTE, file=written.file, size=written.size, checksum=written.checksum)


def test_a_note_comes_back_as_it_was() -> None:
    assert BaseNote.from_text(NOTE.text()) == NOTE


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "null",
        "[]",
        "{",
        "{}",
        json.dumps({**json.loads(NOTE.text()), "storage": "int4"}),
        json.dumps({**json.loads(NOTE.text()), "rows": "500"}),
        json.dumps({**json.loads(NOTE.text()), "wanted": 2.0}),
        json.dumps({**json.loads(NOTE.text()), "more": 1}),
    ],
    ids=[
        "none",
        "empty",
        "null",
        "list",
        "half",
        "nothing in it",
        "storage",
        "type",
        "wanted",
        "unknown key",
    ],
)
def test_a_note_that_is_not_understood_is_none(text: str | None) -> None:
    assert BaseNote.from_text(text) is None


@pytest.mark.parametrize(("high", "reached"), [(0.995, True), (0.99, True), (0.985, False)])
def test_a_recall_is_reached_unless_it_is_certainly_less(high: float, *, reached: bool) -> None:
    assert replace(NOTE, wanted=0.99, high=high).reached is reached


def test_a_note_is_told_in_words() -> None:
    note = replace(NOTE, wanted=0.99, recall=0.9914, low=0.985, high=0.995, queries=1000, size=138_100_000)
    assert note.in_words() == (
        "approximate, 99.1% of the ten most alike found (98.5% to 99.5%, measured on 1,000 of its own "
        "pictures; 99.0% wanted); int8, 138.1 MB"
    )
    assert "99.0% wanted, not reached" in replace(note, high=0.988).in_words()
    assert replace(note, queries=0).in_words() == (
        "approximate, recall not measured: nearly all pictures are copies of each other; int8, 138.1 MB"
    )
    assert replace(note, file="").in_words() == "exact, 21.5 ms a query when it was measured"
    asked = "; from 100 pictures on approximate where that takes 0.5 ms or more, as --exact-within asked"
    assert replace(note, file="", within=0.5).in_words().endswith(asked)
    assert replace(note, within=1.0).in_words().endswith("; exact where that takes less than 0.5 ms")
    assert "less than 0.5 ms" in replace(note, within=1.0, queries=0).in_words()


def test_a_file_is_written_whole_under_a_name_of_its_own(tmp_path: Path) -> None:
    store, note = put(tmp_path)
    assert note.file.startswith("a.idx-base-3-")
    assert base_path(store, note).read_bytes() == b"content"
    assert not why_unusable(store, note)
    assert put(tmp_path)[1].file != note.file


def test_what_cannot_be_filled_leaves_nothing(tmp_path: Path) -> None:
    def fail(file: Path) -> None:
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_base(tmp_path / "a.idx", 3, fail)
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_not_as_it_was_written_is_told(tmp_path: Path) -> None:
    store, note = put(tmp_path)
    file = base_path(store, note)
    file.write_bytes(b"contenT")
    assert "checksum" in why_unusable(store, note)
    file.write_bytes(b"conten")
    assert "size" in why_unusable(store, note)
    file.unlink()
    assert "missing" in why_unusable(store, note)
    file.mkdir()
    folder = replace(note, size=file.stat().st_size)
    assert "cannot be read" in why_unusable(store, folder)


@pytest.mark.parametrize(
    "name", ["b.idx-base-3-0123abcd.faiss", "../a.idx-base-3-0123abcd.faiss", "/etc/passwd", "a.idx"]
)
def test_a_note_that_names_another_file_is_not_followed(tmp_path: Path, name: str) -> None:
    assert "not the name" in why_unusable(tmp_path / "a.idx", replace(NOTE, file=name))


def test_only_our_own_files_are_removed(tmp_path: Path) -> None:
    store, note = put(tmp_path)
    _, older = put(tmp_path)
    ours = [older.file, "a.idx-base-1-00000000.faiss.new"]
    others = [
        "a.idx",
        "a.idx-wal",
        "b.idx-base-1-00000000.faiss",
        "xa.idx-base-1-00000000.faiss",
        "a.idx-base-1-00000000.faiss.old",
        "a.idx-base-1-0000000g.faiss",
        "a.idx-base-one-00000000.faiss",
        "axidx-base-1-00000000.faiss",
    ]
    for name in [*ours, *others]:
        (tmp_path / name).touch()
    (tmp_path / "a.idx-base-2-00000000.faiss").mkdir()
    assert [file.name for file in bases_beside(store)] == sorted([note.file, *ours])
    remove_others(store, keep=note.file)
    left = {file.name for file in tmp_path.iterdir()}
    assert left == {note.file, *others, "a.idx-base-2-00000000.faiss"}


def test_a_file_in_use_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, note = put(tmp_path)

    def refuse(_file: Path, *, missing_ok: bool) -> None:
        raise PermissionError(missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    remove_others(store, keep="")
    assert base_path(store, note).exists()


def test_a_link_to_the_index_has_the_base_of_the_index(tmp_path: Path) -> None:
    store, note = put(tmp_path)
    store.touch()
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "other.idx"
    link.symlink_to(store)
    assert not why_unusable(link, note)
