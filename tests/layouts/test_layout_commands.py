"""The commands with published data sets in place of folders; run in this process."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from commands import Run
from published import drawn, from_tree, write_cub200, write_inshop


@pytest.fixture
def shop(tmp_path: Path, sample: Path) -> Path:
    return write_inshop(tmp_path / "shop", from_tree(sample, classes=6, each=4))


def test_evaluating_by_name(run: Run, shop: Path, tiny_folder: Path) -> None:
    code, out, _ = run("evaluate", tiny_folder, f"inshop:{shop}", "--split", "test", "--json")
    assert code == 0
    assert json.loads(out)["queries"] == 3  # one of each garment on the test side


def test_a_recognised_folder_is_said(run: Run, shop: Path) -> None:
    code, out, err = run("describe", shop)
    assert code == 0
    assert f"this is In-shop Clothes Retrieval by its files, and is read as inshop:{shop}" in out + err


def test_an_index_goes_on_with_the_name(
    run: Run,
    shop: Path,
    tmp_path: Path,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(shop.parent)
    index = tmp_path / "a.idx"
    assert run("index", index, "inshop+boxes:shop", "--model", tiny_folder)[0] == 0
    monkeypatch.chdir(tmp_path.parent)
    code, _, err = run("index", index)
    assert code == 0
    assert "24 unchanged" in err
    shutil.rmtree(shop)
    code, _, err = run("index", index)
    assert code == 2
    assert (
        f"a source of the index is gone - inshop+boxes:{shop} - saw no such file or folder, 24 pictures"
        in err
    )
    code, _, err = run("index", index, "--drop", f"inshop+boxes:{shop}")
    assert code == 0
    assert "dropped, with 24 pictures" in err


def test_what_is_wrong_is_one_line(run: Run, tmp_path: Path) -> None:
    code, out, err = run("describe", "cub20:birds")
    assert (code, out) == (2, "")
    assert "did you mean cub200:birds?" in err
    root = write_cub200(tmp_path, drawn("a", "b"))
    (root / "classes.txt").write_text("1 001.a\n2\n")
    code, out, err = run("describe", f"cub200:{root}")
    assert (code, out) == (2, "")
    assert len([line for line in err.splitlines() if line.startswith("error:")]) == 1
    assert f"{root / 'classes.txt'}: line 2 - saw '2', wanted 2: class, label" in err
