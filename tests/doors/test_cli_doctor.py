"""doctor INDEX as a command, run in this process."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from commands import Run
from scenes import scene, write
from spoiled import spoil, tear, without_pages


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def index(tmp_path: Path, tiny_folder: Path, run: Run) -> Path:
    model = tmp_path / "model"
    shutil.copytree(tiny_folder, model)
    for seed in range(12):
        write(tmp_path / "pictures" / f"{seed:02}.png", scene(seed))
    assert run("index", "a.idx", "pictures", "--model", model)[0] == 0
    return tmp_path / "a.idx"


def vectors(index: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(index)
    found = connection.execute("SELECT id, vector, checksum FROM vectors ORDER BY id").fetchall()
    connection.close()
    return found


def test_a_whole_index_is_0(run: Run, index: Path) -> None:
    code, out, err = run("doctor", "a.idx")
    assert (code, err) == (0, "")
    assert "ok    12 vectors with the right checksum and of unit length" in out
    assert out.splitlines()[-1].startswith("0 to mend, 0 to look at, ")


def test_damaged_vectors_are_1_and_repair_embeds_them_again(run: Run, index: Path) -> None:
    before = vectors(index)
    spoil(index, "UPDATE vectors SET vector = x'00' WHERE id IN (2, 5)")
    code, _, err = run("search", "a.idx", "pictures/00.png")
    assert (code, "lookalike doctor a.idx says what is wrong" in err) == (2, True)
    code, out, _ = run("doctor", "a.idx")
    assert code == 1
    assert (
        out.splitlines()[0] == "MEND  2 vectors cannot be trusted; searches are refused until they are mended"
    )
    assert "      -> embed them again from the files: lookalike doctor a.idx --repair" in out
    code, out, _ = run("doctor", "a.idx", "--repair")
    assert code == 0
    assert out.splitlines()[:3] == [
        "mended  2 damaged vectors were dropped",
        "mended  2 pictures have to be embedded again",
        "mended  2 pictures embedded again",
    ]
    assert vectors(index) == before


def test_what_cannot_be_embedded_now_leaves_1_and_the_command(run: Run, index: Path) -> None:
    spoil(index, "UPDATE vectors SET vector = x'00' WHERE id = 2")
    Path("pictures/01.png").unlink()
    code, out, _ = run("doctor", "a.idx", "--repair")
    assert code == 1
    assert "      -> go on with: lookalike index a.idx" in out
    assert run("index", "a.idx", "--prune")[0] == 0
    assert run("doctor", "a.idx")[0] == 0


def test_json_says_the_same(run: Run, index: Path) -> None:
    spoil(index, "UPDATE vectors SET vector = x'00' WHERE id = 2")
    code, out, _ = run("doctor", "a.idx", "--json")
    told = json.loads(out)
    assert (code, told["verdict"], told["repaired"]) == (1, "mend", None)
    (found,) = [entry for entry in told["findings"] if entry["verdict"] == "mend"]
    assert (found["name"], found["figure"]) == ("vectors", 1)
    code, out, _ = run("doctor", "a.idx", "--repair", "--json")
    told = json.loads(out)
    assert (code, told["verdict"]) == (0, "ok")
    assert told["repaired"]["done"][-1] == "1 picture embedded again"


def test_an_index_beyond_mending_is_saved_beside_itself(run: Run, index: Path) -> None:
    tear(index, lambda content: without_pages(content, 0, 1))
    torn = index.read_bytes()
    code, _, err = run("search", "a.idx", "pictures/00.png")
    assert (code, "lookalike doctor a.idx --repair" in err) == (2, True)
    code, out, _ = run("doctor", "a.idx")
    assert code == 1
    assert "SQLite cannot open it any more" in out
    code, out, _ = run("doctor", "a.idx", "--repair")
    assert code == 1  # the old one is as broken as it was
    assert (
        "mended  saved into a-saved.idx: 12 pictures, 12 of them with their vectors, and 0 decisions" in out
    )
    assert "      -> go on with: lookalike index a-saved.idx" in out
    assert index.read_bytes() == torn
    assert run("index", "a-saved.idx")[0] == 0
    assert run("doctor", "a-saved.idx")[0] == 0


def test_another_model_is_told(run: Run, index: Path, tiny_folder: Path) -> None:
    shutil.rmtree("model")
    code, out, _ = run("doctor", "a.idx")
    assert code == 1
    assert "MEND  the index's model cannot be opened" in out
    assert run("doctor", "a.idx", "--model", tiny_folder)[0] == 0


@pytest.mark.parametrize("option", ["--html", "--manifest"])
def test_what_is_for_pictures_is_refused_of_an_index(run: Run, index: Path, option: str) -> None:
    code, _, err = run("doctor", "a.idx", option, "out.csv")
    assert code == 2
    assert "the option goes with pictures, not with an index - a.idx" in err
    assert option in err


def test_pictures_are_not_repaired(run: Run, index: Path) -> None:
    code, _, err = run("doctor", "pictures", "--repair")
    assert code == 2
    assert "only an index can be repaired - pictures - saw --repair" in err
