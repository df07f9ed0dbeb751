"""The commands for identification: what they print, their exit codes, and options that belong elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from commands import Run, fails
from lookalike.models.model import Model
from lookalike.open_calibrating import keep_open_threshold, open_thresholds, require_open_threshold
from some_open_threshold import some_open_threshold


@pytest.fixture
def index(few: Path, tiny: Model, tmp_path: Path, run: Run) -> Path:
    path, pictures = tmp_path / "a.idx", tmp_path / "pictures"
    for folder in sorted(few.iterdir())[:3]:
        shutil.copytree(folder, pictures / folder.name)
    assert run("index", path, pictures, "--model", tiny.folder)[0] == 0
    return path


def known(few: Path) -> Path:
    return min(min(few.iterdir()).rglob("*.png"))


def test_calibrate_asks_the_other_question(run: Run, tiny: Model, few: Path) -> None:
    code, out, _ = run("calibrate", tiny.folder, few, "--question", "identification")
    kept = require_open_threshold(tiny)
    assert (code, kept.target, kept.vote) == (0, "f1", 1)
    assert out.strip() == (
        f"similarity >= {kept.similarity:.4f} is a known thing, the nearest picture decides: {kept.promise}"
    )
    assert Model.load(tiny.folder).thresholds == {}
    options = ("--vote", 3, "--strangers", 0.2, "--target", "accuracy", "--name", "three", "--json")
    code, out, _ = run("calibrate", tiny.folder, few, "--question", "identification", *options)
    three = open_thresholds(tiny)["three"]
    assert (three.vote, three.stranger_share, three.target) == (3, 0.2, "accuracy")
    values = json.loads(out)
    assert (values["similarity"], values["promise"], values["skipped"]) == (
        three.similarity,
        three.promise,
        [],
    )
    _, _, err = run("calibrate", tiny.folder, few, "--question", "identification")
    assert f"This replaces identify: similarity >= {kept.similarity:.4f} is a known thing" in err


def test_calibrate_refuses_what_cannot_be_promised(run: Run, tiny: Model, few: Path) -> None:
    target = "false-identification-rate=0.001"
    code, out, err = run("calibrate", tiny.folder, few, "--question", "identification", "--target", target)
    assert (code, out) == (2, "")
    assert "the labelled pictures do not support the target" in err
    assert open_thresholds(tiny) == {}


def test_calibrate_refuses_the_split_test(run: Run, tiny: Model, few: Path) -> None:
    code, out, err = run("calibrate", tiny.folder, few, "--question", "identification", "--split", "test")
    assert (code, out) == (2, "")
    assert "a threshold is not chosen on the pictures it is judged by" in err
    assert open_thresholds(tiny) == {}


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        (("--vote", 3), "identification"),
        (("--strangers", 0.3), "identification"),
        (("--vote", 3, "--question", "verification"), "identification"),
        (("--bands", "--question", "identification"), "verification"),
        (("--copies", "--question", "identification"), "verification"),
    ],
)
def test_options_of_the_other_question_are_refused(
    run: Run, tiny: Model, few: Path, options: tuple[object, ...], wanted: str
) -> None:
    code, out, err = run("calibrate", tiny.folder, few, *options)
    assert (code, out) == (2, "")
    assert f"the option is for another question - {options[0]} - saw" in err
    assert f"wanted --question {wanted} - say --question {wanted}, or leave {options[0]} out" in err


def test_evaluate_judges_the_threshold(run: Run, tiny: Model, few: Path, tmp_path: Path) -> None:
    code, _, err = run("evaluate", tiny.folder, few, "--question", "identification", "--split", "all")
    assert (code, "has no threshold for identification" in err) == (2, True)
    kept = keep_open_threshold(tiny, some_open_threshold())
    code, out, _ = run("evaluate", tiny.folder, few, "--question", "identification", "--split", "all")
    assert (code, out.splitlines()[-1].endswith(kept.promise)) == (0, True)
    assert "true_identification_rate" in out
    code, _, err = run(
        "evaluate", tiny.folder, few, "--question", "identification", "--report", tmp_path / "r.html"
    )
    assert (code, "the option is for another question - --report" in err) == (2, True)
    out = run("evaluate", tiny.folder, few, "--question", "identification", "--split", "all", "--json")[1]
    assert json.loads(out)["threshold"]["similarity"] == 0.7


def test_identify_names_or_not_by_its_exit_code(run: Run, tiny: Model, index: Path, few: Path) -> None:
    picture = known(few)
    keep_open_threshold(tiny, some_open_threshold(similarity=0.9, vote=1))
    code, out, _ = run("identify", index, picture)
    found = re.fullmatch(
        rf"{picture}\n  {picture.parent.name}  similarity (0\.\d{{4}}), threshold 0\.9000\n", out
    )
    assert (code, found is not None) == (0, True), out
    assert found is not None
    assert 0.9 <= float(found[1]) < 1.0  # of another picture: it does not answer to itself
    keep_open_threshold(tiny, some_open_threshold(similarity=1.0, vote=3), name="strict")
    other = max(max(few.iterdir()).rglob("*.png"))
    code, out, _ = run("identify", index, other, "--threshold", "strict")
    assert code == 1
    assert out.startswith(f"{other}\n  no match (most alike: ")
    assert out.endswith("of 3 votes\n")
    assert run("identify", index, other, picture, "--threshold", "identify")[0] == 0


def test_identify_prints_json(run: Run, tiny: Model, index: Path, few: Path) -> None:
    picture = known(few)
    kept = keep_open_threshold(tiny, some_open_threshold(similarity=0.9, vote=2))
    found = json.loads(run("identify", index, picture, "--json")[1])
    assert (found["query"], found["label"], found["candidate"]) == (str(picture), *[picture.parent.name] * 2)
    assert (found["threshold"], found["promise"]) == (0.9, kept.promise)
    assert [hit["rank"] for hit in found["neighbours"]] == [1, 2]
    lines = run("identify", index, picture, picture, "--jsonl")[1].splitlines()
    assert [json.loads(line) for line in lines] == [found, found]
    code, out, err = run("identify", index, picture, picture, "--json")
    assert (code, out, "--json is for one picture" in err) == (2, "", True)


def test_identify_prints_in_one_way(run: Run, index: Path, few: Path) -> None:
    shown = run("identify", index, next(few.glob("*/noto.png")), "--json", "--jsonl")
    fails(shown, "answers are printed in one way", "saw --json and --jsonl", "leave --jsonl out")


def test_identify_says_that_a_larger_gallery_takes_more_strangers(
    run: Run, tiny: Model, index: Path, few: Path
) -> None:
    keep_open_threshold(tiny, some_open_threshold(gallery=5))
    err = run("identify", index, known(few))[2]
    assert "pictures, the threshold was made with 5: more strangers may be taken for something" in err
    target = "false-identification-rate=0.1"
    keep_open_threshold(tiny, some_open_threshold(gallery=5, target=target, confidence=0.95, bound=0.08))
    err = run("identify", index, known(few))[2]
    assert "pictures, the threshold was made with 5: up to " in err
    keep_open_threshold(tiny, some_open_threshold(gallery=500))
    assert "the threshold was made" not in run("identify", index, known(few))[2]


def test_identify_fails_where_nothing_can_be_asked(
    run: Run, tiny: Model, index: Path, few: Path, tmp_path: Path
) -> None:
    code, out, err = run("identify", index, known(few))
    assert (code, out) == (2, "")
    assert f"lookalike calibrate {tiny.folder} DATA --question identification" in err
    keep_open_threshold(tiny, some_open_threshold())
    code, out, err = run("identify", index, tmp_path / "gone.png")
    assert (code, out) == (2, "")
    assert "there is nothing to search by" in err
    code, _, err = run("identify", index, tmp_path / "gone.png", known(few))
    assert code == 0
    assert "gone.png: missing" in err


def test_an_empty_index_knows_nothing(run: Run, tiny: Model, few: Path, tmp_path: Path) -> None:
    from lookalike.indexing.index import Index

    Index.create(tmp_path / "empty.idx", tiny).close()
    keep_open_threshold(tiny, some_open_threshold())
    code, out, _ = run("identify", tmp_path / "empty.idx", known(few))
    assert (code, out.splitlines()[1]) == (1, "  no match: the index holds no labelled picture")


def test_info_lists_the_threshold(run: Run, tiny: Model) -> None:
    kept = keep_open_threshold(tiny, some_open_threshold())
    said = f"is a known thing, the nearest picture decides: {kept.promise}"
    assert f"threshold identify: similarity >= 0.7000 {said}" in run("info", tiny.folder)[1]
