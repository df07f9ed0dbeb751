"""A map is written only where nothing of anybody else lies, and whole or not at all."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import EvaluationError, LookalikeError, MissingExtraError
from lookalike.models.model import Model
from lookalike.presenting import projector
from lookalike.presenting.projection import project
from lookalike.presenting.projector import check_folder, write_files, write_projector
from lookalike.tables.table import ImageTable


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    """Eight pictures of two labels."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(8):
        path = root / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    return ImageTable.read(root)


def written(table: ImageTable, folder: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(len(table), 6)).astype(np.float32)
    write_files(table, vectors, project(vectors), folder, title="a map")


@pytest.mark.parametrize("name", ["notes.txt", "metadata.tsv"])
def test_a_folder_of_somebody_elses_files_is_left_alone(
    pictures: ImageTable, tiny: Model, tmp_path: Path, name: str
) -> None:
    mine = tmp_path / "mine" / name
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(
        LookalikeError, match=f"holds other files - .* the first: {name} - name a new or empty"
    ):
        write_projector(tiny, pictures, mine.parent)
    assert mine.read_text() == "mine"
    assert list(mine.parent.iterdir()) == [mine]


@pytest.mark.parametrize("content", ["{", "[]", '{"madeBy": "somebody"}'])
def test_a_configuration_of_another_program_is_left_alone(
    pictures: ImageTable, tmp_path: Path, content: str
) -> None:
    (tmp_path / "projector_config.json").write_text(content)
    with pytest.raises(LookalikeError, match=r"the first: projector_config\.json"):
        check_folder(tmp_path, pictures)


@pytest.mark.parametrize("place", ["map", "a/map", "a/../map"])
def test_a_map_does_not_lie_among_the_pictures(pictures: ImageTable, place: str) -> None:
    with pytest.raises(LookalikeError, match="the map would lie among the pictures"):
        check_folder(pictures.root / place, pictures)


def test_a_map_may_lie_beside_a_manifest_and_hidden_files(pictures: ImageTable, tmp_path: Path) -> None:
    saved = pictures.root / "saved.parquet"
    pictures.save(saved)
    check_folder(pictures.root / "map", ImageTable.read(saved))
    saved.unlink()
    (tmp_path / ".DS_Store").touch()
    check_folder(tmp_path, pictures)


def test_a_file_in_the_place_of_the_folder_is_said(pictures: ImageTable, tmp_path: Path) -> None:
    (tmp_path / "map").touch()
    with pytest.raises(LookalikeError, match=r"the map cannot be written - .*map - saw Not a directory"):
        check_folder(tmp_path / "map", pictures)


def test_a_full_disk_leaves_the_earlier_map(
    pictures: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(pictures, tmp_path / "map")
    before = {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()}

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(projector, "_write_configs", full)
    with pytest.raises(LookalikeError, match=r"cannot be written - .* saw No space left on device"):
        written(pictures.take(np.arange(5)), tmp_path / "map")
    assert {path.name: path.read_bytes() for path in (tmp_path / "map").iterdir()} == before


def test_what_cannot_be_is_said_before_anything_is_embedded(
    pictures: ImageTable, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "embed_table", None)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lookalike\[map\]'"):
        write_projector(tiny, pictures, tmp_path / "map", method="umap")
    with pytest.raises(EvaluationError, match="no such projection"):
        write_projector(tiny, pictures, tmp_path / "map", method="tsne")  # type: ignore[arg-type]
    assert not (tmp_path / "map").exists()


def test_two_pictures_are_too_few(pictures: ImageTable, tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(EvaluationError, match="cannot be laid out in a plane"):
        write_projector(tiny, pictures.take(np.array([1, 2])), tmp_path / "map")
    assert not (tmp_path / "map").exists()
