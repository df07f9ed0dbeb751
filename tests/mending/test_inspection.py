"""Every fault that an inspection looks for is planted, found, counted, and told apart from the others."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from album import Album
from fake_embedder import DIM, FakeEmbedder, fake_model, vector_of
from lookalike.checkups.findings import Finding, Verdict
from lookalike.errors import StoreError
from lookalike.indexing.base_file import BaseNote
from lookalike.indexing.faults import is_index
from lookalike.indexing.index import Index
from lookalike.indexing.vector_rows import checksum_of
from lookalike.mending import findings_around, findings_rows
from lookalike.mending.inspection import Inspection, inspect_index
from lookalike.tables.table import ImageTable
from older_index import make_older
from spoiled import closed_album, spoil, tear, without_pages
from stores import four_beats, read_only_copy

OK, LOOK, MEND = Verdict.OK, Verdict.LOOK, Verdict.MEND


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return closed_album(tmp_path)


def look(album: Album) -> Inspection:
    return inspect_index(album.path, model=album.model)


def found(album: Album, name: str) -> Finding:
    finding = look(album).finding(name)
    assert finding is not None
    return finding


def not_in_order(inspection: Inspection) -> dict[str, Verdict]:
    return {entry.name: entry.verdict for entry in inspection.findings if entry.verdict is not OK}


def test_a_whole_index_is_in_order_and_nothing_is_changed(album: Album) -> None:
    before = album.path.read_bytes()
    inspection = look(album)
    assert not_in_order(inspection) == {}
    assert (inspection.verdict, inspection.beyond_mending) == (OK, False)
    assert album.path.read_bytes() == before
    assert inspection.lines()[-1] == f"0 to mend, 0 to look at, {len(inspection.findings)} in order"
    assert inspection.to_json()["verdict"] == "ok"
    names = [entry.name for entry in inspection.findings]
    assert len(set(names)) == len(names)


FAULTS = {
    "a vector of another content": ("UPDATE vectors SET vector = zeroblob(32) WHERE id = 3", "vectors", 1),
    "a short vector": ("UPDATE vectors SET vector = x'00' WHERE id < 3", "vectors", 2),
    "a vector that is none": ("UPDATE vectors SET vector = 5 WHERE id = 3", "vectors", 1),
    "vectors in each other's place": (
        "UPDATE vectors SET vector = (SELECT vector FROM vectors AS other WHERE other.id = 5) WHERE id = 4",
        "vectors",
        1,
    ),
    "a picture without a vector": ("DELETE FROM vectors WHERE id IN (3, 4, 5)", "unembedded", 3),
    "attributes that are no JSON": ("UPDATE items SET attributes = '{' WHERE id = 3", "facts", 1),
    "attributes that are a list": ("UPDATE items SET attributes = '[]' WHERE id = 3", "facts", 1),
    "no path": ("UPDATE items SET path = '' WHERE id = 3", "facts", 1),
    "a label that is a blob": ("UPDATE items SET label = x'ff' WHERE id = 3", "facts", 1),
    "a print of the wrong length": ("UPDATE looks SET print = x'00'", "looks", 30),
    "a picture without width": (
        "UPDATE looks SET width = 0 WHERE hash = (SELECT max(hash) FROM looks)",
        "looks",
        1,
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_in_the_file_is_found_and_can_be_mended(album: Album, fault: str) -> None:
    statement, name, number = FAULTS[fault]
    spoil(album.path, statement)
    inspection = look(album)
    assert not_in_order(inspection) == {name: MEND}
    finding = inspection.finding(name)
    assert finding is not None
    assert finding.figure == number
    assert finding.command == f"lookalike doctor {album.path} --repair"
    assert not inspection.beyond_mending
    assert inspection.lines()[0].startswith("MEND  ")


@pytest.mark.parametrize(
    ("factor", "why"), [(2.0, "length 2, wanted 1"), (np.nan, "length nan"), (np.inf, "length inf")]
)
def test_a_vector_that_is_not_of_unit_length_is_found_though_its_checksum_is_right(
    album: Album, factor: float, why: str
) -> None:
    blob = (vector_of(b"x") * factor).astype("<f4").tobytes()
    connection = sqlite3.connect(album.path)
    with connection:
        values = (blob, checksum_of(7, blob))
        connection.execute("UPDATE vectors SET vector = ?, checksum = ? WHERE id = 7", values)
    connection.close()
    finding = found(album, "vectors")
    assert (finding.verdict, finding.figure) == (MEND, 1)
    assert why in finding.entries[0]


def test_float16_vectors_may_be_as_long_as_they_round(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((2000, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    blobs = [row.astype("<f2").tobytes() for row in rows]
    whole = [(n, blob, checksum_of(n, blob)) for n, blob in enumerate(blobs, start=1)]
    assert list(findings_rows.unsound(whole, dim=DIM, kind="float16")) == []
    long = (rows[0] * 1.1).astype("<f2").tobytes()
    bad = [(1, long, checksum_of(1, long)), (2, blobs[0][:-2], checksum_of(2, blobs[0][:-2]))]
    told = list(findings_rows.unsound(bad, dim=DIM, kind="float16"))
    assert told == [(2, "14 bytes, wanted 16"), (1, "length 1.1, wanted 1")]


def test_a_vector_of_no_picture_is_found(album: Album) -> None:
    spoil(album.path, "INSERT INTO vectors SELECT 99, vector, checksum, changed FROM vectors WHERE id = 3")
    inspection = look(album)
    # it is under another id, so its checksum is wrong too, and it names an item that is not there
    assert not_in_order(inspection) == {"database": MEND, "vectors": MEND, "orphans": MEND}


def test_rows_that_name_others_that_are_not_there_are_beyond_mending(album: Album) -> None:
    spoil(album.path, "UPDATE items SET root = 9 WHERE id = 3")
    inspection = look(album)
    finding = inspection.finding("database")
    assert finding is not None
    assert finding.entries == ("items 3 names roots that are not there",)
    assert inspection.beyond_mending


def test_looks_that_nobody_needs_only_take_room(album: Album) -> None:
    spoil(album.path, "INSERT INTO looks SELECT zeroblob(16), 4, 3, 'PNG', 7, 0, print FROM looks LIMIT 1")
    finding = found(album, "looks")
    assert (finding.verdict, finding.figure) == (LOOK, 1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE decisions SET verdict = 'perhaps'",
        "UPDATE decisions SET second = x'ffff'",
        "PRAGMA ignore_check_constraints=1; UPDATE decisions SET first = x'ff' || zeroblob(15)",
    ],
)
def test_a_decision_that_is_none_is_told_and_stays(album: Album, statement: str) -> None:
    spoil(album.path, *statement.split("; "))
    inspection = look(album)
    assert inspection.finding("decisions") is not None
    assert found(album, "decisions").verdict is LOOK
    connection = sqlite3.connect(album.path)
    assert connection.execute("SELECT count(*) FROM decisions").fetchone() == (1,)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("DELETE FROM meta WHERE key = 'fingerprint'", "fingerprint"),
        ("UPDATE meta SET value = 'x' WHERE key = 'generation'", "generation"),
        ("UPDATE meta SET value = 'float7' WHERE key = 'vectors'", "'float7'"),
    ],
)
def test_lost_notes_are_found(album: Album, statement: str, told: str) -> None:
    spoil(album.path, statement)
    inspection = inspect_index(album.path)
    finding = inspection.finding("notes")
    assert finding is not None
    assert told in finding.what
    assert inspection.beyond_mending


def test_a_note_that_only_the_model_can_say_again_asks_for_the_model(album: Album) -> None:
    spoil(album.path, "DELETE FROM meta WHERE key = 'fingerprint'")
    assert found(album, "notes").command == f"lookalike doctor {album.path} --repair --model FOLDER"


@pytest.mark.parametrize("made", ["'yesterday'", "''", "x'00'", "'2026-13-01T00:00:00+00:00'", "'now'"])
def test_a_decision_without_a_time_is_told(album: Album, made: str) -> None:
    spoil(album.path, f"UPDATE decisions SET made = {made}")
    finding = found(album, "decisions")
    assert (finding.verdict, finding.figure) == (LOOK, 1)
    assert "whose time cannot be read; they count all the same" in finding.what


@pytest.mark.parametrize(
    ("statement", "noted"),
    [
        ("UPDATE meta SET value = '7' WHERE key = 'dim'", "7 float32"),
        ("UPDATE meta SET value = 'float16' WHERE key = 'vectors'", "8 float16"),
    ],
)
def test_a_wrong_note_of_the_vectors_makes_no_vector_unsound(
    album: Album, statement: str, noted: str
) -> None:
    spoil(album.path, statement)
    inspection = look(album)
    assert not_in_order(inspection) == {"shape": MEND}
    assert not inspection.beyond_mending
    told = f"{noted} values a vector are noted, the vectors have 8 float32 values"
    assert found(album, "shape").what == told


def test_a_torn_page_is_found(album: Album) -> None:
    tear(album.path, lambda content: without_pages(content, 3, 4))
    inspection = look(album)
    assert inspection.beyond_mending
    assert "--repair" in inspection.findings[0].command


@pytest.mark.parametrize("keep", [0, 100, 5000])
def test_a_file_that_was_cut_is_a_finding_and_no_error(album: Album, keep: int) -> None:
    tear(album.path, lambda content: content[:keep])
    inspection = look(album)
    assert [entry.name for entry in inspection.findings] == ["database"]
    assert inspection.beyond_mending


def test_an_older_format_is_told(album: Album) -> None:
    make_older(album.path)
    before = album.path.read_bytes()
    inspection = look(album)
    assert not_in_order(inspection) == {"version": LOOK}
    assert album.path.read_bytes() == before
    spoil(album.path, "UPDATE vectors SET vector = x'00' WHERE id = 3")
    assert not_in_order(look(album)) == {"version": LOOK, "vectors": MEND}


def noted(album: Album, **facts: object) -> str:
    """Note a base in the index; the file's name."""
    name = f"{album.path.name}-base-1-0123abcd.faiss"
    values = {"file": name, "generation": 1, "rows": 30, "exact_ms": 1.0, "size": 3, **facts}
    note = BaseNote(**values).text()  # type: ignore[arg-type]
    connection = sqlite3.connect(album.path)
    with connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('base', ?)", (note,))
    connection.close()
    return name


def test_a_base_that_is_missing_or_damaged_is_found(album: Album) -> None:
    file = album.path.with_name(noted(album))
    assert "is missing" in found(album, "base").what
    file.write_bytes(b"too long")
    assert "another size" in found(album, "base").what
    file.write_bytes(b"abc")
    finding = found(album, "base")
    assert "checksum" in finding.what
    assert finding.verdict is MEND


def test_a_base_of_a_later_moment_is_found(album: Album) -> None:
    from hashlib import sha256

    checksum = sha256(b"abc").hexdigest()
    album.path.with_name(noted(album, generation=9999, checksum=checksum)).write_bytes(b"abc")
    assert "later moment" in found(album, "base").what


def test_a_note_of_a_base_that_says_nothing_is_found(album: Album) -> None:
    spoil(album.path, "INSERT OR REPLACE INTO meta VALUES ('base', '{')")
    assert found(album, "base").verdict is MEND


def test_leftovers_of_killed_builds_are_found(album: Album) -> None:
    for name in ("base-3-0123abcd.faiss.new", "base-2-0123abcd.faiss", "mine.faiss"):
        album.path.with_name(f"{album.path.name}-{name}").write_bytes(b"half")
    finding = found(album, "base")
    assert (finding.verdict, finding.figure) == (LOOK, 2)


def test_a_source_that_is_not_there_is_not_called_gone(album: Album) -> None:
    album.root.rename(album.root.with_name("elsewhere"))
    inspection = look(album)
    assert not_in_order(inspection) == {"sources": LOOK, "files": LOOK}
    finding = inspection.finding("sources")
    assert finding is not None
    assert finding.entries == (f"{album.root}, with 30 pictures",)
    assert finding.command == f"lookalike index {album.path} --drop {album.root}"
    assert "no picture's file could be looked at" in found(album, "files").what


def test_files_of_a_source_that_is_away_are_not_called_as_they_were(album: Album, tmp_path: Path) -> None:
    spoil(
        album.path,
        "INSERT INTO roots (id, path, source) VALUES (9, '/nowhere/at/all', '/nowhere/at/all')",
        "UPDATE items SET root = 9 WHERE id <= 4",
    )
    finding = found(album, "files")
    assert finding.verdict is OK
    assert finding.what == (
        "26 pictures on the disk as they were embedded; 4 of sources that are not there were not looked at"
    )


def test_what_could_not_be_looked_at_is_told_in_plain_words_and_with_one_remedy(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    def torn(*_: object) -> list[int]:
        raise sqlite3.DatabaseError("database disk image is malformed")

    for name in ("unsound_vectors", "without_vector", "vectors_of_nobody"):
        monkeypatch.setattr(findings_rows, name, torn)
    inspection = look(album)
    wrong = [entry for entry in inspection.findings if "could not be looked at" in entry.what]
    assert [entry.what for entry in wrong] == [
        f"{name}: could not be looked at (database disk image is malformed)"
        for name in ("vectors", "pictures without a vector", "vectors of no picture")
    ]
    assert [bool(entry.do) for entry in wrong] == [True, False, False]


def test_an_empty_file_is_told_as_one_and_nothing_is_said_to_mend_it(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(b"")
    assert is_index(path)
    (finding,) = inspect_index(path).findings
    assert (finding.what, finding.command) == (
        "the file is empty",
        f"lookalike index {tmp_path / 'a-new.idx'} DATA",
    )
    assert "backup" in finding.do


def test_files_that_are_gone_or_changed_are_counted(album: Album) -> None:
    (album.root / "000.png").unlink()
    album.write("001.png", "another")
    os.utime(album.root / "002.png", ns=(5, 5))
    inspection = look(album)
    assert not_in_order(inspection) == {"files": LOOK}
    finding = inspection.finding("files")
    assert finding is not None
    assert finding.what == "of 30 pictures on the disk: 1 gone, 2 changed since"
    assert finding.entries[0] == f"{album.root / '000.png'}: gone"
    assert finding.command == f"lookalike index {album.path}"


def test_files_that_may_not_be_looked_at_are_counted(album: Album) -> None:
    spoil(album.path, f"UPDATE items SET path = '{'x' * 300}' WHERE id = 3")
    assert "1 not to be looked at" in found(album, "files").what


def test_another_model_and_none_are_found(album: Album, tmp_path: Path) -> None:
    other = inspect_index(album.path, model=fake_model(tmp_path / "other", fingerprint="e" * 64))
    assert not_in_order(other) == {"model": MEND}
    shutil.rmtree(tmp_path / "model")
    assert not_in_order(inspect_index(album.path)) == {"model": MEND}


def test_a_process_that_writes_is_told(album: Album) -> None:
    with Index.open(album.path, model=album.model) as index, index._store.writing():
        assert found(album, "writer").verdict is LOOK
    assert found(album, "writer").verdict is OK


def test_little_room_is_told(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(9, 8, 1000))
    finding = found(album, "space")
    assert (finding.verdict, finding.what) == (LOOK, f"only 1,000 bytes free on its disk, {size_of(album)}")


def size_of(album: Album) -> str:
    return f"and the index takes {album.path.stat().st_size // 1024:,} KB"


def test_what_waits_beside_the_file_is_told(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(album, "journal").figure == 0
    with Index.open(album.path, model=album.model) as index:
        album.write("new.png")
        index.update(ImageTable.read(album.root), embed=FakeEmbedder())
        finding = found(album, "journal")
        assert (finding.verdict, finding.figure > 0) == (OK, True)
        monkeypatch.setattr(findings_around, "LONG_JOURNAL", 10)
        assert found(album, "journal").verdict is LOOK


@pytest.fixture
def read_only(album: Album) -> Iterator[Path]:
    with read_only_copy(album.path) as copy:
        yield copy


def test_a_read_only_index_can_be_inspected(read_only: Path, album: Album) -> None:
    inspection = inspect_index(read_only, model=album.model)
    assert set(not_in_order(inspection)) <= {"writer", "sources", "files"}
    assert inspection.finding("writer") is not None
    assert "cannot be written" in str(inspection.finding("writer")) or "writable" in str(
        inspection.finding("writer")
    )


def test_no_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        inspect_index(tmp_path / "no.idx")
    four_beats(error, "no index lies here")


def test_an_index_is_told_from_data(album: Album, tmp_path: Path) -> None:
    assert is_index(album.path)
    assert not is_index(album.root)
    assert not is_index(album.root / "000.png")
    assert not is_index(tmp_path / "no.idx")
    assert not is_index(tmp_path / ("x" * 300))
    tear(album.path, lambda content: bytes(4096) + content[4096:])
    assert is_index(album.path)  # its lock file lies beside it
    Path(f"{album.path}.lock").unlink()
    assert not is_index(album.path)
