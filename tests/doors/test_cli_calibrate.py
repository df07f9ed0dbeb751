"""calibrate, match and info as commands, run in this process."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from commands import Run
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from painted import much_alike


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return run


@pytest.fixture
def hard(tmp_path: Path) -> ImageTable:
    return much_alike(tmp_path / "hard", things=12)


def test_threshold_bands_and_curve(run: Run, tiny: Model, hard: ImageTable, tmp_path: Path) -> None:
    curve = tmp_path / "curve.csv"
    _, out, err = run("calibrate", tiny.folder, hard.root, "--target", "accuracy", "--curve", curve)
    first, *bands = out.splitlines()
    assert first.startswith("similarity >= 0.")
    assert "means the same: best accuracy: " in first
    assert [line.split("  ")[0] for line in bands][-2:] == ["same thing", "related"]
    assert curve.read_text().splitlines()[0] == "similarity,precision,recall,f1,false_match_rate"
    assert len(curve.read_text().splitlines()) > 10
    assert "No band" not in err
    _, _, err = run("calibrate", tiny.folder, hard.root, "--name", "strict", "--target", "recall=0.1")
    assert "This replaced" not in err
    code, _, err = run("calibrate", tiny.folder, hard.root, "--name", "strict", "--bands")
    assert (code, "bands begin at the threshold default" in err) == (2, True)
    _, _, err = run("calibrate", tiny.folder, hard.root, "--bands")
    assert "This replaced default: similarity >= " in err
    again = f"calibrate {tiny.folder} DATA --split all --target accuracy --name default"
    assert f"To have that again: lookalike {again}" in err
    assert "No band for same picture and near copy" in err
    _, out, _ = run("info", tiny.folder)
    assert "threshold strict: similarity >= " in out
    assert "\nsame thing    from 0." in out
    assert "\nrelated       from 0." in out


def test_calibration_as_values(run: Run, tiny: Model, hard: ImageTable) -> None:
    _, out, _ = run("calibrate", tiny.folder, hard.root, "--json")
    found = json.loads(out)
    assert found["prior"] == pytest.approx(12 * 6 / (48 * 47 / 2))
    assert {band["name"] for band in found["bands"]} >= {"same thing"}
    assert (found["basis"], found["groups"]) == ("labels", 0)


def test_nothing_is_said_to_be_kept_where_nothing_was(
    run: Run, hard: ImageTable, tmp_path: Path, tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Model, "load", lambda *_, **__: tiny)
    few = tmp_path / "few.csv"
    few.write_text(f"first,second,verdict\n{hard.paths[0]},{hard.paths[1]},same\n")
    code, _, err = run("calibrate", "default", "--pairs", few)
    assert (code, "too few decisions" in err, "is kept in" in err) == (2, True, False)
    code, _, err = run("calibrate", "default", hard.root)
    assert (code, f"is kept in {tiny.folder}" in err) == (0, True)


def test_curve_and_values_are_those_just_measured(
    run: Run, tiny: Model, hard: ImageTable, tmp_path: Path
) -> None:
    usual, further = tmp_path / "usual.csv", tmp_path / "further.csv"
    run("calibrate", tiny.folder, hard.root, "--curve", usual)
    named = ("--name", "copied", "--copies", "--curve", further, "--json")
    found = json.loads(run("calibrate", tiny.folder, hard.root, *named)[1])
    assert usual.read_text() != further.read_text()
    assert found["prior"] == pytest.approx(
        found["same_pairs"] / (found["same_pairs"] + found["different_pairs"])
    )
    assert found["bands"] == []


def test_names_and_splits_that_are_refused(run: Run, tiny: Model, hard: ImageTable, tmp_path: Path) -> None:
    for name in ("", "identify"):
        code, out, err = run("calibrate", tiny.folder, hard.root, "--name", name)
        assert (code, out, "the name of the threshold does not fit" in err) == (2, "", True)
    asked = ("--question", "identification", "--name", "default")
    code, out, err = run("calibrate", tiny.folder, hard.root, *asked)
    assert (code, out) == (2, "")
    assert "default, which is for the other question" in err
    split = tmp_path / "split.parquet"
    hard.with_splits(np.where(np.arange(48) < 24, "val", "test")).save(split)
    code, out, err = run("calibrate", tiny.folder, split, "--split", "test")
    assert (code, out) == (2, "")
    assert "never on the pictures it is judged by" in err


def test_copies(run: Run, tiny: Model, hard: ImageTable) -> None:
    _, out, _ = run("calibrate", tiny.folder, hard.root, "--copies", "--target", "false-match-rate=0.2")
    assert "means copies of one picture: at most 20% of different pairs match" in out
    picture = hard.paths[0]
    code, out, _ = run("match", tiny.folder, picture, picture)
    assert code == 0
    verdict, likely, promise = out.splitlines()
    assert verdict.startswith("MATCH  similarity 1.0000, threshold ")
    assert "% likely to be copies of one picture, where " in likely
    assert "not your notion of the same thing" in promise


def test_match_says_how_likely_it_is(run: Run, tiny: Model, hard: ImageTable) -> None:
    picture, other = hard.paths[0], hard.paths[20]
    run("calibrate", tiny.folder, hard.root)
    _, out, _ = run("match", tiny.folder, picture, picture, "--json")
    usual = json.loads(out)
    _, out, _ = run("match", tiny.folder, picture, picture, "--prior", "0.0001", "--json")
    rare = json.loads(out)
    assert usual["match"] is True
    assert usual["prior"] == pytest.approx(12 * 6 / (48 * 47 / 2))
    assert 0 < rare["probability"] < usual["probability"] < 1
    assert rare["prior"] == 0.0001
    code, out, _ = run("match", tiny.folder, picture, other)
    assert code == 1
    assert "NO MATCH" in out
    assert "likely to be the same, where 6.4% of such pairs are (--prior gives another share)" in out


def test_search_says_how_likely_its_answers_are(run: Run, tiny: Model, hard: ImageTable) -> None:
    run("calibrate", tiny.folder, hard.root)
    run("index", "here.idx", hard.root, "--model", tiny.folder)
    _, out, _ = run("search", "here.idx", hard.paths[0], "-k", "40", "--json")
    hits = json.loads(out)["hits"]
    chances = [hit["probability"] for hit in hits]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.5 > chances[-1]
    assert {"same thing", "different"} <= {hit["band"] for hit in hits}
    _, out, _ = run("search", "here.idx", hard.paths[0], "-k", "1", "--html", "page.html")
    assert "%  same thing" in out
    page = Path("page.html").read_text(encoding="utf-8")
    assert "%, same thing" in page
    assert "The percentage says how many pairs" in page
