"""kill -9 at every step of moving files away and back: nothing is lost, and both ways can be gone on with."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lookalike.duplicates.applying import apply_plan
from lookalike.duplicates.journal import journal_of, read_journal
from lookalike.duplicates.quarantine import quarantine_of
from lookalike.duplicates.undoing import undo_moves
from some_duplicates import Tree, group, made_plan, tree

TESTS = Path(__file__).parent.parent
FILES = {"a.png": b"one", "b.png": b"one", "sub/c.png": b"one", "d.png": b"two", "e.png": b"two"}
KEPT = {"a.png", "d.png"}
MTIME = 1_500_000_000_123_456_789

# Imports once and forks a child for every call. A child dies by SIGKILL at its n-th call of the system that
# changes something: before it, or after; a line of the journal may also be half written then.
SERVER = """
import builtins, errno, io, json, os, signal, sys
from pathlib import Path
from lookalike.duplicates import journal
from lookalike.duplicates.applying import apply_plan
from lookalike.duplicates.undoing import undo_moves

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def arm(last, links):
    count = 0

    def stepping(name):
        call = getattr(os, name)
        def step(*rest, **options):
            nonlocal count
            if name == "link" and not links and not str(rest[0]).endswith(".part"):
                raise OSError(errno.EXDEV, "another file system")
            count += 1
            if count == last:
                die()
            if name != "fsync":  # what was written outlives the process without it
                call(*rest, **options)
        return step

    for name in ("link", "unlink", "mkdir", "rmdir", "fsync", "rename", "utime", "chmod"):
        setattr(os, name, stepping(name))
    note = journal.Journal._note

    def half(self, values):
        nonlocal count
        count += 1
        if count == last:
            line = json.dumps(values) + "\\n"
            with open(self.path, "ab") as file:
                file.write(line[:len(line) // 2].encode())
            die()
        note(self, values)

    journal.Journal._note = half

for line in iter(sys.stdin.readline, ""):
    what, plan, last, links = json.loads(line)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            arm(last, links)
            (apply_plan if what == "apply" else undo_moves)(Path(plan))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Server:
    """Runs calls that die at a step."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
        )

    def call(self, what: str, plan: Path, *, last: int, links: bool) -> bool:
        """Whether the call lived to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps([what, str(plan), last, links]), file=self._process.stdin, flush=True)
        code = int(self._process.stdout.readline())
        assert code in (0, -signal.SIGKILL)
        return code == 0

    def close(self) -> None:
        self._process.communicate()


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced outlives a loss of power, which no test here is about; a busy disk takes its time."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def laid_out(place: Path) -> Path:
    """A fresh folder with a plan that moves three files of two groups."""
    for number, (name, content) in enumerate(FILES.items()):
        file = place / "p" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(MTIME, MTIME + number))
        file.chmod(0o600 + number)
    one = [place / "p" / name for name in ("a.png", "b.png", "sub/c.png")]
    return made_plan(place, group(one), group([place / "p/d.png", place / "p/e.png"], first=11))


def nothing_is_lost(plan: Path, before: Tree) -> None:
    """Every picture is at its place or in quarantine, whole; what is kept never moved."""
    root, away = tree(plan.parent / "p"), tree(quarantine_of(plan))
    whole = {name: root.get(name, away.get(name)) for name in before}
    assert {name: root[name] for name in KEPT} == {name: before[name] for name in KEPT}
    assert whole == before


def began(plan: Path) -> bool:
    """Whether there is anything to undo."""
    journal = read_journal(journal_of(plan))
    return bool(journal.entries or journal.folders)


def put_away(plan: Path, before: Tree) -> None:
    assert tree(plan.parent / "p") == {name: before[name] for name in KEPT}
    assert tree(quarantine_of(plan)) == {name: fact for name, fact in before.items() if name not in KEPT}


def brought_back(plan: Path, before: Tree) -> None:
    assert tree(plan.parent / "p") == before
    assert not quarantine_of(plan).exists()


@pytest.mark.parametrize("links", [True, False], ids=["one file system", "two file systems"])
@pytest.mark.parametrize("first", ["apply", "undo"])
@pytest.mark.parametrize("then", ["apply", "undo"])
def test_killed_at_every_step(server: Server, tmp_path: Path, first: str, then: str, links: bool) -> None:
    steps, lived = 0, False
    while not lived:
        steps += 1
        place = tmp_path / str(steps)
        place.mkdir()
        plan = laid_out(place)
        before = tree(place / "p")
        if first == "undo":
            apply_plan(plan)
        lived = server.call(first, plan, last=steps, links=links)
        nothing_is_lost(plan, before)
        if then == "apply":
            assert apply_plan(plan).stayed == ()
            put_away(plan, before)
        if then == "apply" or began(plan):
            assert undo_moves(plan).stayed == ()
        brought_back(plan, before)
    assert steps > 20


def test_killed_twice_in_a_row(server: Server, tmp_path: Path) -> None:
    for steps in range(1, 40, 3):
        place = tmp_path / str(steps)
        place.mkdir()
        plan = laid_out(place)
        before = tree(place / "p")
        for last, call in ((steps, "apply"), (9, "apply"), (steps, "undo"), (7, "undo")):
            if call == "apply" or began(plan):
                server.call(call, plan, last=last, links=steps % 2 == 0)
            nothing_is_lost(plan, before)
        assert apply_plan(plan).stayed == ()
        put_away(plan, before)
        undo_moves(plan)
        brought_back(plan, before)
