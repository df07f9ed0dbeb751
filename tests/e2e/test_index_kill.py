"""An index survives kill -9 at any moment: what was acknowledged is there, once, with its own vector."""

from __future__ import annotations

import os
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fake_embedder import FakeEmbedder, fake_model
from killed_writer import decision
from killing import Album, Course, Server, check_acknowledged, check_found, check_whole, stored
from lookalike.indexing.index import Index
from lookalike.indexing.store import Store
from lookalike.tables.table import ImageTable
from older_index import make_older

KILLS = 20  # of each course; there are ten courses
CTRL_CS = 12

CHANGES: dict[str, Callable[[Album], None]] = {
    "add": Album.add,
    "change": Album.rewrite,
    "prune": Album.shrink,
    "everything": Album.everything,
}


@pytest.fixture
def album(tmp_path: Path) -> Album:
    made = Album(tmp_path / "album", seed=7)
    made.add(100)
    return made


@pytest.fixture
def server(tmp_path: Path, album: Album) -> Iterator[Server]:
    path = tmp_path / "a.idx"
    Index.create(path, fake_model(tmp_path / "model")).close()
    made = Server(path, album.root)
    yield made
    made.close()


@pytest.fixture
def course(tmp_path: Path, album: Album, server: Server) -> Course:
    return Course(tmp_path / "a.idx", album, server)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("change", CHANGES)
def test_kill_at_random_moments_loses_nothing_doubles_nothing_mixes_nothing(
    course: Course, change: str, seed: int
) -> None:
    course.album.random.seed(seed)
    course.run(KILLS, lambda: CHANGES[change](course.album))
    assert course.acknowledged > KILLS // 2
    course.finish()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_base_is_built_whole_or_not_at_all(course: Course, seed: int) -> None:
    chance = course.album.random
    chance.seed(seed)
    course.album.add(100)
    course.finish()
    course.server.start("rebuild")
    course.server.end()
    killed = approximate = 0
    for _ in range(6 * KILLS):
        if killed == KILLS:
            break
        before = stored(course.index)
        inside = chance.random() < 0.5
        pid = course.server.start("rebuild", die_at=chance.randrange(40) if inside else None, of_all=True)
        if not inside:
            time.sleep(chance.uniform(0.0, 0.02))
            os.kill(pid, signal.SIGKILL)
        killed += course.server.end()[1] == -signal.SIGKILL
        assert stored(course.index) == before
        approximate += not check_found(course.index, course.album)
        course.album.everything()
        course.server.start(pause=0.0)
        assert course.server.end()[1] == 0
        approximate += not check_found(course.index, course.album)
    course.server.start("rebuild")
    assert course.server.end()[1] == 0
    course.finish()
    assert not check_found(course.index, course.album)
    assert len(list(course.index.parent.glob("*.faiss*"))) == 1
    assert killed == KILLS
    assert approximate > 0


def test_an_older_format_is_brought_to_this_one_whole_or_not_at_all(course: Course) -> None:
    course.finish()
    formats = set()
    for statement in range(5, 120, 6):
        make_older(course.index)
        older = stored(course.index)
        course.server.start(die_at=statement, of_all=True)
        course.server.end()
        with closing(sqlite3.connect(course.index)) as connection:
            formats.add(connection.execute("PRAGMA user_version").fetchone()[0])
        assert stored(course.index) == older
        check_whole(course.index, course.album)
    assert formats == {1, 2}
    course.finish()


def test_decisions_that_were_acknowledged_are_kept(course: Course) -> None:
    chance, decided, pairs = course.album.random, set[int](), 3000
    for first in range(0, KILLS * pairs, pairs):
        pid = course.server.start("decide", first=first, pairs=pairs)
        course.server.wait("decided", times=chance.randrange(1, 9))
        time.sleep(chance.uniform(0.0, 0.01))
        os.kill(pid, signal.SIGKILL)
        course.server.end()
        decided |= {number for line in course.server.lines for number in line.get("decided", [])}
        store = Store(course.index)
        kept = {entry.first: entry for entry in store.decisions()}
        store.close()
        for number in decided:
            assert kept[decision(number).first] == decision(number)
        # what was stored and not yet said: at most the three of one transaction a kill
        assert len(kept) <= len(decided) + 3 * (first // pairs + 1)
        assert len(kept) % 3 == 0


def test_a_source_is_forgotten_whole_or_not_at_all(course: Course) -> None:
    course.finish()
    for statement in (*range(6), *range(6, 2000, 23)):
        before = stored(course.index)
        course.server.start("drop", die_at=statement)
        _, code = course.server.end()
        check_whole(course.index, course.album)
        after = stored(course.index)
        assert after in (before, {})
        if code == 0:
            break
        if not after:  # killed after the commit
            course.finish()
    assert statement > 5
    assert not after


def test_a_source_that_another_one_overlaps_is_forgotten_whole_or_not_at_all(
    course: Course, tmp_path: Path
) -> None:
    """What lies in the folder of the other stays as that one's, in the moment in which the rest goes."""
    names = sorted(file.name for file in course.album.root.iterdir())
    manifest = tmp_path / "list.csv"
    manifest.write_text("image,label\n" + "".join(f"{course.album.root / name},cat\n" for name in names[:60]))
    with Index.open(course.index) as index:
        index.update(ImageTable.read(manifest), source=manifest, embed=FakeEmbedder())
    course.server.start(pause=0.0)
    assert course.server.end()[1] == 0
    for name in names[:20]:
        (course.album.root / name).unlink()
    before, unfinished = stored(course.index), 0
    for statement in range(0, 2000, 3):
        course.server.start("drop", die_at=statement, source=str(manifest))
        _, code = course.server.end()
        check_whole(course.index, course.album)
        if code == 0 or stored(course.index) != before:
            break
        unfinished += 1
    after = {item.id: item for item in stored(course.index).values()}
    assert unfinished > 20
    assert sorted(Path(item.path).name for item in after.values()) == names[20:]
    assert len({item.root for item in after.values()}) == 1
    for item in before.values():
        if Path(item.path).name in names[20:]:
            assert after[item.id].label == item.label
    with Index.open(course.index) as index:
        assert index.sources == (str(course.album.root),)


def test_a_run_after_a_kill_embeds_only_the_rest(tmp_path: Path, album: Album, server: Server) -> None:
    path = tmp_path / "a.idx"
    pid = server.start(pause=0.005)
    server.wait("put", times=3)
    os.kill(pid, signal.SIGKILL)
    server.end()
    kept = len(stored(path))
    assert 0 < kept < 100
    embedder = FakeEmbedder()
    with Index.open(path) as index:
        update = index.update(ImageTable.read(album.root), embed=embedder)
    assert (update.added, update.unchanged) == (100 - kept, kept)
    assert len(embedder.embedded) == 100 - kept


def test_ctrl_c_keeps_what_was_embedded(tmp_path: Path, album: Album, server: Server) -> None:
    path = tmp_path / "a.idx"
    pid = server.start(commit_seconds=1000.0, pause=0.005)
    server.wait("done", times=4)
    os.kill(pid, signal.SIGINT)
    batches, code = server.end()
    assert code == 130
    assert len(batches) == 1
    assert 24 <= len(stored(path)) < 100
    check_whole(path, album)


def test_ctrl_c_at_random_moments_loses_nothing(course: Course) -> None:
    stopped = 0
    for _ in range(CTRL_CS):
        before = stored(course.index)
        pid = course.server.start(commit_seconds=0.01)
        course.server.wait("done", times=1 + course.album.random.randrange(6))
        time.sleep(course.album.random.uniform(0.0, 0.012))
        os.kill(pid, signal.SIGINT)
        batches, code = course.server.end()
        assert code in (0, 130)
        stopped += code == 130
        check_acknowledged(stored(course.index), batches)
        course.check(before, batches)
        course.album.everything()
    assert stopped > CTRL_CS // 2
    course.finish()
