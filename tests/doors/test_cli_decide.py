"""The commands decide, decisions and calibrate --pairs, run in this process."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from commands import Run, fails
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from painted import much_alike


@pytest.fixture
def pictures(few: Path, tmp_path: Path) -> list[Path]:
    """Four pictures of different things."""
    root = tmp_path / "p"
    root.mkdir()
    for folder in sorted(few.iterdir())[:4]:
        shutil.copy(folder / "noto.png", root / f"{folder.name}.png")
    return sorted(root.iterdir())


@pytest.fixture
def index(pictures: list[Path], tiny_folder: Path, tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "a.idx"
    assert run("index", path, pictures[0].parent, "--model", tiny_folder)[0] == 0
    return path


def test_decisions_are_kept_listed_and_forgotten(run: Run, index: Path, pictures: list[Path]) -> None:
    a, b, c, _ = pictures
    assert run("decisions", index)[:2] == (1, f"{index}: 0 decisions\n")
    code, out, err = run("decide", index, a, b, "--same")
    assert (code, out, err) == (0, "", f"{a} and {b}: same\n")
    assert "different, no longer same" in run("decide", index, b, a, "--different")[2]
    assert run("decide", index, a, c, "--keep-both")[0] == 0
    code, out, _ = run("decisions", index)
    assert (code, out.splitlines()[0]) == (0, f"{index}: 2 decisions")
    assert {str(a), str(b), str(c)} <= set(out.split())
    rows = json.loads(run("decisions", index, "--json")[1])
    assert sorted(row["verdict"] for row in rows) == ["different", "keep-both"]
    assert "forgotten" in run("decisions", index, "--forget", a, b)[2]
    code, _, err = run("decisions", index, "--forget", a, b)
    assert (code, "nothing was decided on them" in err) == (1, True)


def test_one_verdict_at_a_time(run: Run, index: Path, pictures: list[Path]) -> None:
    a, b, *_ = pictures
    fails(run("decide", index, a, b), "one of three", "saw none", "--same, --different or --keep-both")
    fails(run("decide", index, a, b, "--same", "--different"), "saw --same and --different")
    fails(run("decide", index, a, "nothing.png", "--same"), "there is no such picture", "nothing.png")


def test_contradictions_are_told_at_once(run: Run, index: Path, pictures: list[Path], tmp_path: Path) -> None:
    a, b, c, _ = pictures
    for pair in ((a, b), (b, c)):
        assert "contradicts" not in run("decide", index, *pair, "--same")[2]
    code, _, err = run("decide", index, a, c, "--different")
    assert code == 0
    assert f" = {b} = " in err
    assert "This contradicts itself" in run("decisions", index)[2]
    fails(
        run("decisions", index, "--manifest", tmp_path / "m.csv"),
        "decisions contradict each other",
        "--forget",
    )


def test_export_import_and_manifest(
    run: Run, index: Path, pictures: list[Path], tiny_folder: Path, tmp_path: Path
) -> None:
    a, b, c, _ = pictures
    run("decide", index, a, b, "--same")
    run("decide", index, a, c, "--different")
    out, manifest, other = tmp_path / "d.csv", tmp_path / "m.csv", tmp_path / "other.idx"
    code, _, err = run("decisions", index, "--export", out, "--manifest", manifest)
    assert (code, "2 decisions written to" in err, "3 pictures with 2 labels" in err) == (0, True, True)
    assert len(ImageTable.read(manifest)) == 3
    assert run("index", other, pictures[0].parent, "--model", tiny_folder)[0] == 0
    assert "2 new, 0 changed" in run("decisions", other, "--import", out)[2]
    assert run("decisions", other, "--json")[1] == run("decisions", index, "--json")[1]
    run("decide", other, a, b, "--keep-both")
    out.write_text(f"first,second,verdict,made\n{a},{b},same,2000-01-01\n")
    assert "0 new, 0 changed, 1 older" in run("decisions", other, "--import", out)[2]


def test_one_of_a_thing_is_told_as_one(run: Run, index: Path, pictures: list[Path], tmp_path: Path) -> None:
    run("decide", index, pictures[0], pictures[1], "--same")
    _, _, err = run("decisions", index, "--export", tmp_path / "d.csv", "--manifest", tmp_path / "m.csv")
    assert err == (
        f"1 decision written to {tmp_path}/d.csv\n2 pictures with 1 label written to {tmp_path}/m.csv\n"
    )


def test_calibrate_on_decided_pairs(run: Run, tiny: Model, tmp_path: Path) -> None:
    table = much_alike(tmp_path / "hard")
    labels = table.labels.tolist()
    pairs = tmp_path / "pairs.csv"
    with pairs.open("w", newline="") as file:
        rows = [
            (table.paths[a], table.paths[b], "same" if labels[a] == labels[b] else "different")
            for a in range(len(labels))
            for b in range(a + 1, min(a + 6, len(labels)))
        ]
        csv.writer(file).writerows([("first", "second", "verdict"), *rows])
    code, out, err = run("calibrate", tiny.folder, "--pairs", pairs, "--curve", tmp_path / "c.csv")
    assert (code, err) == (0, "")
    assert "somebody decided on" in out
    assert (tmp_path / "c.csv").exists()
    assert (
        json.loads(run("calibrate", tiny.folder, "--pairs", pairs, "--json", "--name", "x")[1])["basis"]
        == "decisions"
    )
    fails(run("calibrate", tiny.folder), "there is nothing to calibrate on", "name DATA, or --pairs FILE")
    for options in (("--copies",), ("--question", "identification"), ("--root", tmp_path)):
        fails(
            run("calibrate", tiny.folder, "--pairs", pairs, *options),
            "--pairs says itself",
            options[0].lstrip("-"),
        )
    fails(run("calibrate", tiny.folder, tmp_path, "--pairs", pairs), "--pairs says itself", "leave out DATA")
    assert run("info", tiny.folder)[0] == 0
