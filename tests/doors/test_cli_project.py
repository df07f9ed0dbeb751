"""The command writes a map, says where it is and what was left out, and refuses in one line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from commands import Run
from lookalike.presenting.projector import ORDER


@pytest.fixture
def pictures(few: Path, tmp_path: Path) -> Path:
    """Three things, each in a folder of its own, and a file that only has the name of a picture."""
    root = tmp_path / "pictures"
    for folder in sorted(few.iterdir())[:3]:
        shutil.copytree(folder, root / folder.name)
    (next(root.iterdir()) / "broken.png").write_bytes(b"no picture")
    return root


def test_a_map_is_written_and_named(run: Run, pictures: Path, tiny_folder: Path, tmp_path: Path) -> None:
    code, out, err = run("project", tiny_folder, pictures, "-o", tmp_path / "map")
    count = len(list(pictures.rglob("*.png"))) - 1
    assert code == 0
    assert out.splitlines() == [
        f"{count} pictures",
        f"map          {tmp_path}/map/map.html",
        f"tensorboard  tensorboard --logdir {tmp_path}/map",
        f"vectors      {tmp_path}/map/embeddings.parquet",
    ]
    assert "Left out 1 picture:" in err
    assert "broken.png: not an image" in err
    assert sorted(path.name for path in (tmp_path / "map").iterdir()) == sorted(ORDER)


@pytest.mark.parametrize(
    ("options", "beats"),
    [
        (("--split", "dev"), "there is no such split - split - saw dev"),
        (("--method", "tsne"), "there is no such projection - method - saw tsne, wanted pca or umap"),
        (("-o", "pictures/map"), "the map would lie among the pictures"),
        (("-o", "pictures"), "the folder holds other files"),
    ],
    ids=["split", "method", "among", "foreign"],
)
def test_what_cannot_be_is_said_in_one_line(
    run: Run,
    pictures: Path,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    beats: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("project", tiny_folder, pictures, "-o", "map", *options)
    assert (code, out) == (2, "")
    [line] = [line for line in err.splitlines() if line.startswith("error:")]
    assert beats in line
    assert not (tmp_path / "map").exists()
