"""One process writes, another one searches: every answer is of one committed moment, and none goes back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from fake_embedder import DIM, fake_model, vector_of
from lookalike.indexing.index import Index
from lookalike.records import Floats, Hits

TESTS = Path(__file__).parent.parent
SECONDS = 60.0 if "LOOKALIKE_LONG_TESTS" in os.environ else 3.0
ALL = 1000  # more than there are, and no more than a base is asked for
FEW, MANY = 40, 400  # pictures in the beginning; a base needs a hundred

State = dict[int, str]  # id to label


def queries() -> Floats:
    values = np.random.default_rng(5).standard_normal((2, DIM)).astype(np.float32)
    unit: Floats = values / np.linalg.norm(values, axis=1, keepdims=True)
    return unit


def check_answer(query: Floats, answer: Hits) -> State:
    """What an answer says was stored, each similarity being that of the content that it claims to be."""
    state: State = {}
    for hit in answer.hits:
        assert hit.label is not None
        wanted = float(query @ vector_of(hit.label.encode()))
        assert abs(hit.similarity - wanted) < 1e-6
        state[hit.id] = hit.label
    assert len(state) == len(answer.hits)
    similarities = [hit.similarity for hit in answer.hits]
    assert similarities == sorted(similarities, reverse=True)
    return state


def read_while(writer: subprocess.Popen[str], path: Path) -> tuple[list[State], set[bool]]:
    """Search until the writer has ended, mostly with one open index, sometimes with a new one.

    Returns:
        What was seen, and whether everything was compared for it.
    """
    asked, states, exact = queries(), list[State](), set[bool]()
    model = fake_model(path.parent / "model")
    index = Index.open(path, model=model)
    while writer.poll() is None:
        answers = index.search(asked, k=ALL, names=["", ""])
        exact |= {answer.exact for answer in answers}
        found = [check_answer(*each) for each in zip(asked, answers, strict=True)]
        assert found[0] == found[1], "one search, two moments"
        states.append(found[0])
        if len(states) % 50 == 0:
            index.close()
            index = Index.open(path, model=model)
    index.close()
    return states, exact


@pytest.mark.parametrize(("seed", "pictures"), [(1, FEW), (2, MANY)], ids=["all in memory", "base"])
def test_a_reader_sees_one_committed_moment_after_the_other(tmp_path: Path, seed: int, pictures: int) -> None:
    path, folder = tmp_path / "a.idx", tmp_path / "pictures"
    folder.mkdir()
    Index.create(path, fake_model(tmp_path / "model")).close()
    arguments = [str(path), str(folder), str(SECONDS), str(seed), str(pictures)]
    command = [sys.executable, str(TESTS / "busy_writer.py"), *arguments]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    committed: list[State] = [{}]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
        listener = threading.Thread(target=listen, args=(writer, committed))
        listener.start()
        seen, exact = read_while(writer, path)
        listener.join()
    assert writer.returncode == 0
    check_order(seen, committed)
    assert (False in exact) is (pictures == MANY)


def listen(writer: subprocess.Popen[str], committed: list[State]) -> None:
    assert writer.stdout is not None
    for line in writer.stdout:
        committed.append({int(number): label for number, label in json.loads(line).items()})


def check_order(seen: list[State], committed: list[State]) -> None:
    """Each state that was seen is a committed one, and they come in the order of the commits."""
    place, different = 0, 0
    for state in seen:
        before = place
        while place < len(committed) and committed[place] != state:
            place += 1
        assert place < len(committed), "a state that was never committed, or one of before"
        different += place > before
    assert different > 5, "the reader saw too little"
