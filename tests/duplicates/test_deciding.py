"""Decisions: kept by content, taken elsewhere, contradictions told, and written as a table for a training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_embedder import FakeEmbedder, fake_model
from lookalike.duplicates.agreement import contradictions, links_of, things_of
from lookalike.duplicates.deciding import (
    Imported,
    check_agreement,
    decide,
    forget,
    paths_of,
    rows_of,
    take_in,
    told,
    training_manifest,
)
from lookalike.duplicates.decision_files import Row, read_rows, write_rows
from lookalike.errors import LookalikeError, StoreError, TableError
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Decision
from lookalike.indexing.store import Store
from lookalike.models.embedding import content_hash
from lookalike.tables.table import ImageTable

NAMES = "abcd"


def fill(place: Path, root: Path) -> Path:
    """An index of what lies in a folder."""
    file = place / "photos.idx"
    if file.exists():
        index = Index.open(file, model=fake_model(place / "model"))
    else:
        index = Index.create(file, fake_model(place / "model"))
    with index:
        index.update(ImageTable.read(root), embed=FakeEmbedder(), prune=True)
    return file


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    root.mkdir()
    for name in NAMES:
        (root / f"{name}.png").write_bytes(name.encode())
    return root


@pytest.fixture
def store(root: Path, tmp_path: Path) -> Iterator[Store]:
    store = Store(fill(tmp_path, root))
    yield store
    store.close()


def verdicts(store: Store) -> list[tuple[str, str, str]]:
    return [(Path(row.first).name, Path(row.second).name, row.verdict) for row in rows_of(store)]


def test_a_decision_survives_renaming_indexing_and_removal(store: Store, root: Path, tmp_path: Path) -> None:
    a, b = root / "a.png", root / "b.png"
    decide(store, str(a), str(b), "different", made="2026-01-01")
    (root / "sub").mkdir()
    a.rename(root / "sub/renamed.png")
    b.unlink()
    fill(tmp_path, root)
    (row,) = rows_of(store)
    assert row.verdict == "different"
    assert {row.first, row.second} == {str(root / "sub/renamed.png"), ""}
    shutil.copy(root / "c.png", b)
    b.write_bytes(b"b")
    fill(tmp_path, root)
    (row,) = rows_of(store)
    assert {Path(row.first).name, Path(row.second).name} == {"renamed.png", "b.png"}


def test_the_last_verdict_stands_whatever_the_order(store: Store, root: Path) -> None:
    a, b = str(root / "a.png"), str(root / "b.png")
    decide(store, a, b, "same", made="1")
    decide(store, b, a, "keep-both", made="2")
    assert [row[2] for row in verdicts(store)] == ["keep-both"]
    assert forget(store, a, b)
    assert not forget(store, a, b)
    assert verdicts(store) == []


def test_pictures_by_id_hash_and_outside_the_index(store: Store, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "new.png"
    outside.write_bytes(b"new")
    (number,) = store.ids_at(root / "a.png")
    decide(store, str(number), str(outside), "same", made="1")
    decide(store, content_hash(b"b").hex(), str(root / "c.png"), "same", made="1")
    pairs = {frozenset((entry.first, entry.second)) for entry in store.decisions()}
    contents = ((b"a", b"new"), (b"b", b"c"))
    assert pairs == {frozenset(content_hash(content) for content in pair) for pair in contents}


@pytest.mark.parametrize("name", ["nothing.png", "99999", "9" * 400, "x\0y", ""])
def test_what_is_no_picture_is_refused(store: Store, root: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"there is no such picture - .* - .*wanted a picture of .*--json"):
        decide(store, str(root / "a.png"), name, "same", made="1")


def test_copies_byte_for_byte_can_be_kept_but_not_told_apart(
    store: Store, root: Path, tmp_path: Path
) -> None:
    shutil.copy(root / "a.png", root / "copy.png")
    fill(tmp_path, root)
    a, copy = str(root / "a.png"), str(root / "copy.png")
    for b in (copy, a):
        with pytest.raises(StoreError, match=r"have the same content - .*--keep-both"):
            decide(store, a, b, "different", made="1")
    with pytest.raises(StoreError, match=r"have the same content - .* wanted two pictures"):
        decide(store, a, a, "keep-both", made="1")
    decision = decide(store, a, copy, "keep-both", made="1")
    assert decision.first == decision.second
    assert store.decisions() == [decision]


def test_parts_of_one_picture_are_named_by_their_ids(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "m.csv").write_text("image,box\na.png,0 0 9 9\na.png,0 0 5 5\n")
    with Index.create(tmp_path / "i.idx", fake_model(tmp_path / "m")) as index:
        index.update(ImageTable.read(tmp_path / "m.csv"), embed=FakeEmbedder())
    store = Store(tmp_path / "i.idx")
    with pytest.raises(StoreError, match=r"several parts of this picture - .* by its id"):
        decide(store, str(tmp_path / "a.png"), "1", "same", made="1")
    decide(store, "1", "2", "different", made="1")
    store.close()


@pytest.mark.parametrize("kind", [".csv", ".json"])
def test_what_is_exported_can_be_taken_in_elsewhere(
    store: Store, root: Path, tmp_path: Path, kind: str
) -> None:
    for b, verdict in zip("bcd", ("same", "different", "keep-both"), strict=True):
        decide(store, str(root / "a.png"), str(root / f"{b}.png"), verdict, made="2026-01-01")  # type: ignore[arg-type]
    file = tmp_path / f"decisions{kind}"
    write_rows(rows_of(store), file)
    assert read_rows(file) == rows_of(store)
    (tmp_path / "other").mkdir()
    other = Store(fill(tmp_path / "other", root))
    assert take_in(other, file, made="now") == Imported(3, 0, 0)
    assert other.decisions() == store.decisions()
    assert take_in(other, file, made="now") == Imported(0, 0, 0)
    other.close()


def test_of_two_decisions_on_a_pair_the_later_stands(store: Store, root: Path, tmp_path: Path) -> None:
    a, b = str(root / "a.png"), str(root / "b.png")
    file = tmp_path / "d.csv"
    file.write_text(f"first,second,verdict,made\np/a.png,p/b.png,same,2026-01-02\n{a},p/c.png,different,\n")
    decide(store, a, b, "different", made="2026-01-03")
    assert take_in(store, file, made="2026-01-09") == Imported(1, 0, 1)
    assert sorted(verdict for *_, verdict in verdicts(store)) == ["different", "different"]
    decide(store, a, b, "different", made="2026-01-01")
    assert take_in(store, file, made="2026-01-09") == Imported(0, 1, 0)


def test_times_are_compared_as_times(store: Store, root: Path, tmp_path: Path) -> None:
    a, b = str(root / "a.png"), str(root / "b.png")
    file = tmp_path / "d.csv"
    decide(store, a, b, "different", made="2026-01-01T10:00:00+00:00")
    file.write_text("first,second,verdict,made\np/a.png,p/b.png,same,2026-01-01T11:00:00+02:00\n")
    assert take_in(store, file, made="2026-01-09") == Imported(0, 0, 1)
    file.write_text("first,second,verdict,made\np/a.png,p/b.png,same,2026-01-01T09:00:00-02:00\n")
    assert take_in(store, file, made="2026-01-09") == Imported(0, 1, 0)


def test_one_content_may_be_kept_twice_and_is_never_different(store: Store, tmp_path: Path) -> None:
    digest = content_hash(b"a").hex()
    row = Row("", "", "keep-both", "", digest, digest)
    write_rows([row], tmp_path / "d.csv")
    assert take_in(store, tmp_path / "d.csv", made="2026-01-01") == Imported(1, 0, 0)
    write_rows([replace(row, verdict="different")], tmp_path / "d.csv")
    with pytest.raises(TableError, match=rf"saw {digest} and {digest} with equal bytes, wanted two contents"):
        take_in(store, tmp_path / "d.csv", made="2026-01-01")
    assert [entry.verdict for entry in store.decisions()] == ["keep-both"]


@pytest.mark.parametrize(
    ("name", "content", "beats"),
    [
        ("d.txt", "", r"not kept in files of this format - .*wanted .csv or .json - name a file that"),
        ("d.csv", "first,second\n", r"no column verdict - .*saw columns first, second"),
        ("d.csv", "first,second,verdict\na,b,alike\n", r"decision 1, verdict - saw 'alike', wanted same"),
        ("d.csv", "first,second,verdict\n,b,same\n", r"decision 1, first - saw nothing, wanted a path or a"),
        ("d.csv", 'first,second,verdict\n"a', r"cannot be read - .* - saw .* - write it as CSV"),
        ("d.csv", "first,second,verdict\na,b,same\n", r"decided on cannot be read - .*saw a: No such file"),
        ("d.csv", "first,second,verdict,first_hash\na,b,same,zz\n", r"first_hash - saw 'zz', wanted 32 hexa"),
        (
            "d.csv",
            "first,second,verdict,made\na,b,same,yesterday\n",
            r"1, made - saw 'yesterday', wanted a time as",
        ),
        (
            "d.csv",
            "first,second,verdict\np/a.png,p/a.png,different\n",
            r"different from itself - .*p/a.png with",
        ),
        ("d.json", "{}", r"not a list of objects - .*--export wrote"),
        ("d.json", "[", r"cannot be read - .* - write it as JSON"),
        (
            "d.json",
            '[{"first": 3, "second": "b", "verdict": "same"}]',
            r"decision 1, first - saw 3, wanted a",
        ),
    ],
)
def test_files_that_are_not_understood(
    store: Store, tmp_path: Path, name: str, content: str, beats: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(TableError, match=beats):
        take_in(store, tmp_path / name, made="1")
    assert store.decisions() == []


def test_a_file_that_is_not_there_or_not_text(store: Store, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"cannot be read - .*No such file"):
        read_rows(tmp_path / "d.csv")
    (tmp_path / "d.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TableError, match="saw a file that is not UTF-8"):
        read_rows(tmp_path / "d.csv")


def decision(pair: str, verdict: str) -> Decision:
    return Decision.of(pair[0].encode(), pair[1].encode(), verdict, made="")  # type: ignore[arg-type]


PAIRS = st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")).map("".join)


@given(st.dictionaries(PAIRS.filter(lambda pair: pair[0] < pair[1]), st.sampled_from(["same", "different"])))
def test_contradictions_are_those_of_the_transitive_closure(drawn: dict[str, str]) -> None:
    decisions = [decision(pair, verdict) for pair, verdict in drawn.items()]
    joined = {frozenset(pair) for pair, verdict in drawn.items() if verdict == "same"}
    closure = {(a, b): frozenset((a, b)) in joined or a == b for a in "abcdef" for b in "abcdef"}
    for via in "abcdef":  # Warshall
        for a in "abcdef":
            for b in "abcdef":
                closure[a, b] |= closure[a, via] and closure[via, b]
    wrong = {pair for pair, verdict in drawn.items() if verdict == "different" and closure[pair[0], pair[1]]}
    found = contradictions(decisions)
    assert {(entry.different.first + entry.different.second).decode() for entry in found} == wrong
    for entry in found:
        links = links_of(entry)
        assert links[0] == (entry.chain[0], entry.chain[-1])
        assert all(frozenset((a + b).decode()) in joined for a, b in links[1:])
    things = things_of(decisions)
    assert sorted(name for thing in things for name in thing) == sorted(
        {name.encode() for pair in drawn for name in pair}
    )
    for thing in things:
        assert all(closure[a.decode(), b.decode()] for a, b in pairwise(thing))
    firsts = [thing[0].decode() for thing in things]
    assert not any(closure[a, b] for a in firsts for b in firsts if a != b)


def test_a_contradiction_names_the_pictures(store: Store, root: Path, tmp_path: Path) -> None:
    a, b, c = (str(root / f"{name}.png") for name in "abc")
    decide(store, a, b, "same", made="1")
    decide(store, b, c, "same", made="1")
    decide(store, a, c, "different", made="1")
    decisions = store.decisions()
    (found,) = contradictions(decisions)
    words = told(found, paths_of(store, decisions))
    ends = {found.chain[0], found.chain[-1]}
    assert ends == {content_hash(b"a"), content_hash(b"c")}
    assert f" = {b} = " in words
    assert "but" in words
    with pytest.raises(TableError, match=rf"contradict each other - .* = {b} = .*--forget"):
        training_manifest(store, tmp_path / "m.csv")
    check_agreement([], {}, where="")


def test_the_manifest_is_a_table_that_train_reads(store: Store, root: Path, tmp_path: Path) -> None:
    decide(store, str(root / "a.png"), str(root / "b.png"), "same", made="1")
    decide(store, str(root / "b.png"), str(root / "c.png"), "different", made="1")
    decide(store, str(root / "c.png"), str(root / "d.png"), "keep-both", made="1")
    decide(store, content_hash(b"gone").hex(), str(root / "c.png"), "different", made="1")
    assert training_manifest(store, tmp_path / "m.csv") == (3, 2, 1)
    table = ImageTable.read(tmp_path / "m.csv")
    labels = {path.name: label for path, label in zip(table.paths, table.labels, strict=True)}
    assert labels["a.png"] == labels["b.png"] != labels["c.png"]
    assert set(labels) == {"a.png", "b.png", "c.png"}


def test_manifests_that_cannot_be_made(store: Store, root: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no decisions to learn from - .*decide INDEX A B --same"):
        training_manifest(store, tmp_path / "m.csv")
    with pytest.raises(TableError, match=r"is a CSV file - .*name it m.csv"):
        training_manifest(store, tmp_path / "m.parquet")
    with pytest.raises(LookalikeError, match="cannot be written"):
        write_rows([], tmp_path / "nowhere/d.csv")


def test_a_file_that_cannot_hold_decisions_is_not_to_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# Read me")
    with pytest.raises(
        TableError, match=r"of this format - .*decisions INDEX --export FILE.csv wrote"
    ) as error:
        read_rows(tmp_path / "README.md")
    assert "README.csv" not in str(error.value)
    with pytest.raises(TableError, match=r"name it README\.csv"):
        write_rows([], tmp_path / "README.md")


def test_rows_as_json_are_what_they_were(store: Store, root: Path, tmp_path: Path) -> None:
    decide(store, str(root / "a.png"), str(root / "b.png"), "same", made="1")
    write_rows(rows_of(store), tmp_path / "d.json")
    (value,) = json.loads((tmp_path / "d.json").read_text())
    assert value["first_hash"] < value["second_hash"]
