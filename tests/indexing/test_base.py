"""An approximate base: built, opened, searched, and never used when it is not what it should be."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from based_store import DIM, add, clustered, remove, store_of
from lookalike.errors import StoreError
from lookalike.indexing.base import Base, find_base
from lookalike.indexing.base_build import FEWEST, build_base, lists_for
from lookalike.indexing.base_file import STORAGES, BaseNote, Storage, base_path, bases_beside
from lookalike.indexing.store import Store
from lookalike.records import Floats

ROWS = 1200
VECTORS = clustered(ROWS)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(tmp_path / "a.idx", VECTORS)


def opened(store: Store) -> Base:
    base, why_not = find_base(store)
    assert base is not None, why_not
    return base


def nearest_ids(query: Floats, *, k: int, among: Floats = VECTORS) -> set[int]:
    return set((np.argsort(-(among @ query), kind="stable")[:k] + 1).tolist())


def found(base: Base, queries: Floats, *, k: int = 10) -> float:
    """Recall of the first k without comparing anything exactly, self among them."""
    ids, _ = base.search(queries, k=k)
    hits = [len(nearest_ids(query, k=k) & set(row)) for query, row in zip(queries, ids.tolist(), strict=True)]
    return sum(hits) / (k * len(queries))


@pytest.mark.parametrize("storage", STORAGES)
def test_what_is_built_is_found_again(store: Store, storage: Storage) -> None:
    note = build_base(store, recall=0.95, storage=storage)
    base = opened(store)
    assert base.note == note == BaseNote.from_text(store.meta()["base"])
    assert (note.rows, note.last, note.dim, note.storage, note.wanted) == (ROWS, ROWS, DIM, storage, 0.95)
    assert base.generation == store.generation()
    assert note.recall >= 0.9
    assert note.exact_ms > 0
    assert found(base, VECTORS[::40]) >= 0.95


def test_a_float16_base_takes_two_bytes_a_value(store: Store) -> None:
    sizes = [build_base(store, storage=storage).size for storage in STORAGES]
    assert sizes[1] - sizes[0] == pytest.approx(ROWS * DIM, rel=0.02)


def test_one_seed_gives_one_file(store: Store) -> None:
    notes = [build_base(store, seed=seed) for seed in (1, 1, 2)]
    assert notes[0].checksum == notes[1].checksum != notes[2].checksum
    assert notes[0].file != notes[1].file


def test_the_older_base_goes_when_the_newer_one_is_noted(store: Store) -> None:
    build_base(store)
    note = build_base(store)
    assert [file.name for file in bases_beside(store.path)] == [note.file]


def test_more_answers_are_found_as_well(store: Store) -> None:
    build_base(store)
    base = opened(store)
    assert [base.fetch_for(k) for k in (1, 10, 1000, 5000)] == sorted(
        min(base.fetch_for(k), ROWS) for k in (1, 10, 1000, 5000)
    )
    assert base.fetch_for(10) == base.note.fetch
    for k in (1, 50, 400, 5000):
        ids, similarities = base.search(VECTORS[:3], k=k)
        assert ids.shape == similarities.shape == (3, base.fetch_for(k))
        assert min(k, ROWS) <= ids.shape[1] <= ROWS
    assert found(base, VECTORS[::40], k=300) >= 0.95


def test_similarities_are_roughly_the_true_ones_and_fall(store: Store) -> None:
    build_base(store)
    ids, similarities = opened(store).search(VECTORS[:5], k=10)
    true = np.einsum("qd,qfd->qf", VECTORS[:5], VECTORS[ids - 1])
    assert np.abs(similarities - true).max() < 0.02
    assert (np.diff(similarities, axis=1) <= 0).all()


def test_what_is_excluded_is_not_proposed(store: Store) -> None:
    build_base(store)
    base = opened(store)
    excluded = np.array([1, 2, 3, 500, 9_999_999])
    ids, _ = base.search(VECTORS[:3], k=10, excluded=excluded)
    assert not np.isin(ids, excluded).any()
    ids, _ = base.search(VECTORS[:3], k=10, excluded=np.zeros(0, np.int64))
    assert (ids[:, 0] == [1, 2, 3]).all()


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_filter_finds_as_much_as_without(store: Store, share: float) -> None:
    build_base(store)
    base = opened(store)
    allowed = np.flatnonzero(np.random.default_rng(0).random(ROWS) < share) + 1
    queries = VECTORS[::40]
    ids, _ = base.search(queries, k=10, allowed=allowed)
    assert np.isin(ids[ids >= 0], allowed).all()
    hits = 0
    for query, row in zip(queries, ids.tolist(), strict=True):
        best = allowed[np.argsort(-(VECTORS[allowed - 1] @ query))[:10]]
        hits += len(set(best.tolist()) & set(row))
    assert hits >= 0.95 * 10 * len(queries)


def test_a_filter_that_keeps_what_lies_elsewhere_finds_it(store: Store) -> None:
    build_base(store)
    base = opened(store)
    by_likeness = np.argsort(VECTORS @ VECTORS[0])
    allowed = np.sort(by_likeness[:200] + 1)  # those that are least like the query
    ids, _ = base.search(VECTORS[:1], k=10, allowed=allowed)
    best = set((by_likeness[:200][::-1][:10] + 1).tolist())
    assert len(best & set(ids[0].tolist())) >= 9


def test_a_filter_and_what_is_excluded_work_together(store: Store) -> None:
    build_base(store)
    base = opened(store)
    allowed, excluded = np.arange(1, 30), np.arange(1, 28)
    ids, _ = base.search(VECTORS[:2], k=10, allowed=allowed, excluded=excluded)
    assert set(ids[ids >= 0].tolist()) == {28, 29}
    nothing, _ = base.search(VECTORS[:2], k=10, allowed=np.zeros(0, np.int64))
    assert (nothing == -1).all()


def test_a_batch_is_answered_as_one_query_is(store: Store) -> None:
    build_base(store)
    base = opened(store)
    together, _ = base.search(VECTORS[:20], k=10)
    alone = np.concatenate([base.search(VECTORS[row : row + 1], k=10)[0] for row in range(20)])
    assert np.array_equal(together, alone)


def test_a_batch_with_a_filter_is_answered_as_one_query_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lookalike.indexing.base.QUERIES", 8)
    build_base(store)
    base, allowed = opened(store), np.arange(1, ROWS, 3)
    together, _ = base.search(VECTORS[:20], k=10, allowed=allowed)
    alone = [base.search(VECTORS[row : row + 1], k=10, allowed=allowed)[0] for row in range(20)]
    assert np.array_equal(together, np.concatenate(alone))
    assert base.search(VECTORS[:0], k=10, allowed=allowed)[0].shape[0] == 0


def test_what_came_later_does_not_make_a_base_unusable(store: Store) -> None:
    generation = build_base(store).generation
    add(store, clustered(5, seed=3))
    remove(store, [1])
    assert opened(store).generation == generation < store.generation()


def flip(file: Path, note: BaseNote) -> None:
    content = bytearray(file.read_bytes())
    content[note.size // 2] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path, BaseNote], object]] = {
    "missing": lambda file, _: file.unlink(),
    "size": lambda file, note: os.truncate(file, note.size - 1),
    "checksum": flip,
}


@pytest.mark.parametrize("reason", DAMAGES)
def test_a_damaged_file_is_not_used(store: Store, reason: str) -> None:
    note = build_base(store)
    DAMAGES[reason](base_path(store.path, note), note)
    assert Base.open(store) is None
    assert reason in find_base(store)[1]


def test_a_file_that_is_overwritten_while_it_is_open_proposes_no_id_that_cannot_be(store: Store) -> None:
    build_base(store)
    base = opened(store)
    file = base_path(store.path, base.note)
    with file.open("r+b") as content:
        head = content.read(base.note.size // 3)
        content.seek(len(head))
        content.write(np.random.default_rng(3).bytes(base.note.size - len(head)))
    allowed = np.arange(1, ROWS, dtype=np.int64)
    for among in (None, allowed):
        ids, _ = base.search(VECTORS[:50], k=10, allowed=among)
        assert ids.max() <= ROWS


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"generation": 99}, "another index"),
        ({"dim": 8}, "another index"),
        ({"file": "b.idx-base-1-00000000.faiss"}, "not the name"),
        ({"rows": 7}, "something else"),
        ({"file": ""}, "none was built"),
    ],
    ids=["later generation", "other dim", "other index", "other rows", "no file"],
)
def test_a_note_that_does_not_fit_is_not_followed(
    store: Store, change: dict[str, object], reason: str
) -> None:
    note = build_base(store)
    store.note_base(replace(note, **change).text())  # type: ignore[arg-type]
    base, why_not = find_base(store)
    assert base is None
    assert reason in why_not


def test_no_note_and_a_strange_note_are_no_base(store: Store) -> None:
    assert find_base(store) == (None, "none was built")
    store.note_base("{")
    assert find_base(store) == (None, "its note is not understood")


def test_a_file_of_another_kind_is_not_used(store: Store) -> None:
    note = build_base(store)
    content = b"x" * 100
    base_path(store.path, note).write_bytes(content)
    store.note_base(replace(note, size=100, checksum=hashlib.sha256(content).hexdigest()).text())
    assert "cannot be opened" in find_base(store)[1]


def test_a_base_that_is_replaced_meanwhile_is_looked_for_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = build_base(store)
    read = store.meta
    seen: list[BaseNote] = []

    def meta() -> dict[str, str]:
        noted = read()
        if not seen:
            seen.append(build_base(Store(store.path)))  # right after the note was read
        return noted

    monkeypatch.setattr(store, "meta", meta)
    assert opened(store).note == seen[0] != old


@pytest.mark.parametrize("recall", [0.0, 1.1, -1.0])
def test_a_recall_that_is_none_is_refused(store: Store, recall: float) -> None:
    with pytest.raises(ValueError, match="recall"):
        build_base(store, recall=recall)


def test_too_few_vectors_are_refused(tmp_path: Path) -> None:
    few = store_of(tmp_path / "few.idx", VECTORS[: FEWEST - 1])
    with pytest.raises(ValueError, match="99 vectors are too few"):
        build_base(few)


def test_a_full_disk_is_said_and_leaves_the_old_base(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    note = build_base(store)

    def full(*_arguments: object) -> None:
        raise RuntimeError("Error in void write()\nwrite error: No space left on device")

    monkeypatch.setattr("faiss.write_index", full)
    with pytest.raises(StoreError, match=r"cannot be written - .* - saw write error: No space left.* - free"):
        build_base(store)
    assert opened(store).note == note


def test_progress_counts_every_row_twice(store: Store) -> None:
    seen: list[tuple[int, int]] = []
    build_base(store, progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (2 * ROWS, 2 * ROWS)


def test_lists_are_many_enough_and_never_starved() -> None:
    for rows in (100, 1000, 50_000, 3_000_000):
        lists = lists_for(rows)
        assert 1 <= lists <= rows / 39
        assert lists <= 8 * rows**0.5


KILLED = """
import faiss, os, signal, sys
from pathlib import Path
from lookalike.indexing import base_build
from lookalike.indexing.store import Store

def cut(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def half(index, name, write=faiss.write_index):
    write(index, name)
    os.truncate(name, os.path.getsize(name) // 2)
    cut()

moment = sys.argv[2]
if moment == "writing":
    faiss.write_index = half
elif moment == "written":
    Store.note_base = cut
elif moment == "noted":
    base_build.remove_others = cut
else:
    base_build.choose_effort = cut
base_build.build_base(Store(Path(sys.argv[1])), seed=5)
"""


@pytest.mark.parametrize("moment", ["filling", "writing", "written", "noted"])
def test_a_build_that_is_killed_leaves_a_base_in_use(store: Store, moment: str) -> None:
    old = build_base(store)
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.path), moment], capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    base = opened(store)
    assert (base.note == old) == (moment != "noted")
    assert found(base, VECTORS[::40]) >= 0.95
    left = [file.name for file in bases_beside(store.path)]
    assert len(left) == (1 if moment == "filling" else 2)
    newest = build_base(store)
    assert [file.name for file in bases_beside(store.path)] == [newest.file]


def test_a_process_in_which_another_package_replaced_the_search_is_served() -> None:
    script = (
        "import sys, faiss.contrib.torch_utils, pytest; "
        "sys.exit(pytest.main(['-q', '-x', '-p', 'no:cacheprovider', sys.argv[1], "
        "'-k', 'what_is_excluded_is_not or a_filter_and_what_is_excluded']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, __file__], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout
