"""The real commands, from pictures that are there twice to putting them away and bringing them back."""

from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import pytest

from commands import lookalike
from scenes import cropped, halved, scene, write
from some_duplicates import tree


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Twenty scenes and, in another folder, copies of the first three: the same, smaller, cropped as JPEG."""
    root = tmp_path / "album"
    for number in range(20):
        write(root / f"{number:02}.png", scene(number, 160, 120))
        os.utime(root / f"{number:02}.png", ns=(10**18, 10**18))
    (root / "copies").mkdir()
    shutil.copy(root / "00.png", root / "copies/same.png")
    write(root / "copies/small.png", halved(scene(1, 160, 120)))
    write(root / "copies/crop.jpg", cropped(scene(2, 160, 120)), quality=90)
    return root


def test_the_whole_way(album: Path, tiny_folder: Path, tmp_path: Path) -> None:
    index, plan, pairs = tmp_path / "a.idx", tmp_path / "plan.json", tmp_path / "pairs.csv"
    before = tree(album)
    assert lookalike("index", index, album, "--model", tiny_folder).returncode == 0

    found = lookalike("duplicates", index, "--plan", plan, "--json")
    assert found.returncode == 0, found.stderr
    goes = [member["path"] for group in json.loads(found.stdout)["groups"] for member in group["members"]
            if member["action"] == "move"]  # fmt: skip
    copies = sorted(str(path) for path in (album / "copies").iterdir())
    assert sorted(goes) == copies
    assert tree(album) == before

    done = lookalike("apply", plan)
    assert (done.returncode, "3 files moved" in done.stdout) == (0, True), done.stderr
    assert list((album / "copies").iterdir()) == []
    assert {**tree(album), **tree(tmp_path / "plan-quarantine")} == before
    assert lookalike("undo", plan).returncode == 0
    assert tree(album) == before
    assert not (tmp_path / "plan-quarantine").exists()

    decided = lookalike("decide", index, album / "01.png", album / "copies/small.png", "--different")
    assert decided.returncode == 0, decided.stderr
    assert lookalike("decisions", index, "--export", pairs).returncode == 0
    with pairs.open() as file:
        assert [row["verdict"] for row in csv.DictReader(file)] == ["different"]
    again = json.loads(lookalike("duplicates", index, "--json").stdout)
    assert {group["keeper"] for group in again["groups"]} == {str(album / "00.png"), str(album / "02.png")}
    few = lookalike("calibrate", tiny_folder, "--pairs", pairs)
    assert few.returncode == 2
    assert "30 more that are same and 29 more that are different" in few.stderr
    assert "Traceback" not in few.stderr
