"""Every file is read back by what it was written for; names are harmless; nobody's files are touched."""

from __future__ import annotations

import json
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.errors import TableError
from lookalike.models.model import Model
from lookalike.presenting import projector
from lookalike.presenting.projection import project
from lookalike.presenting.projector import ORDER, write_files, write_projector
from lookalike.presenting.sheets import across
from lookalike.records import Floats, Progress
from lookalike.tables.table import ImageTable

EVIL = 'a\tb\nc\r\u2028"quoted" <script>é中'


def unit(n: int, d: int = 6) -> Floats:
    values = np.random.default_rng(0).normal(size=(n, d))
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), np.float32)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    """Twelve pictures of four labels, of which one cannot be opened."""
    root = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(12):
        path = root / "abcd"[number % 4] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)).save(path)
    (root / "a" / "0.png").write_bytes((root / "a" / "0.png").read_bytes()[:300])
    return ImageTable.read(root)


def named(table: ImageTable, labels: Sequence[str | None], **more: Any) -> ImageTable:
    """The table with other labels and further columns."""
    frame = table.frame.with_columns(pl.Series("label", labels, dtype=pl.String))
    return replace(table, frame=frame.with_columns(**{name: pl.Series(more[name]) for name in more}))


def written(table: ImageTable, folder: Path, **options: Any) -> Floats:
    vectors = unit(len(table))
    write_files(table, vectors, project(vectors), folder, title="a map", **options)
    return vectors


def lines_as_the_projector_reads(path: Path) -> list[list[str]]:
    """Its script divides at line ends and tabs, knows no quotes, and drops lines without a sign."""
    return [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


class Plugin:
    """TensorBoard's own projector plugin over a folder, asked as its page asks."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what TensorBoard itself imports
            from tensorboard.plugins.base_plugin import TBContext
            from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
            from werkzeug.test import Client

        class NoRuns:
            def list_runs(self, *_: Any, **__: Any) -> list[Any]:
                return []

        plugin = ProjectorPlugin(TBContext(logdir=str(folder), data_provider=NoRuns()))
        self._ask = {route: Client(app) for route, app in plugin.get_plugin_apps().items()}

    def get(self, route: str, **query: str) -> Any:
        answer = self._ask[route].get(f"/?{urlencode(query)}")
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer


def test_tensorboard_serves_what_was_written(pictures: ImageTable, tmp_path: Path) -> None:
    vectors = written(pictures, tmp_path / "map")
    plugin = Plugin(tmp_path / "map")
    assert plugin.get("/runs").json == ["."]
    [embedding] = plugin.get("/info", run=".").json["embeddings"]
    assert embedding == {
        "tensorName": "a_map",
        "tensorShape": [12, 6],
        "tensorPath": "tensors.tsv",
        "metadataPath": "metadata.tsv",
        "sprite": {"imagePath": "sprite.png", "singleImageDim": [64, 64]},
    }
    served = plugin.get("/tensor", run=".", name="a_map").get_data()
    assert np.array_equal(np.frombuffer(served, np.float32).reshape(12, 6), vectors)
    metadata = plugin.get("/metadata", run=".", name="a_map", num_rows="100000").get_data(as_text=True)
    assert metadata == (tmp_path / "map" / "metadata.tsv").read_text(encoding="utf-8")
    assert plugin.get("/sprite_image", run=".", name="a_map").mimetype == "image/png"


def test_both_configurations_say_the_same(pictures: ImageTable, tmp_path: Path) -> None:
    from google.protobuf import json_format, text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    written(pictures, tmp_path / "map")
    text = (tmp_path / "map" / "projector_config.pbtxt").read_text(encoding="utf-8")
    parsed = json_format.MessageToDict(text_format.Parse(text, ProjectorConfig()))
    standalone = json.loads((tmp_path / "map" / "projector_config.json").read_text(encoding="utf-8"))
    assert standalone.pop("madeBy") == "lookalike"
    assert parsed == standalone


def test_sprite_is_a_square_of_tiles_in_row_order(pictures: ImageTable, tmp_path: Path) -> None:
    written(pictures, tmp_path / "map")
    with Image.open(tmp_path / "map" / "sprite.png") as sprite:
        assert sprite.size == (4 * 64, 4 * 64)
        first = np.asarray(sprite)[:64, :64]
        second = np.asarray(sprite)[:64, 64:128]
    assert (first[32, 2] > 200).all()  # the one that cannot be opened: a grey tile
    assert (second[:10, :3] == 255).all()  # 30 x 40 pixels are not enlarged


@pytest.mark.parametrize(
    ("count", "tile"), [(1, 64), (16_384, 64), (16_385, 63), (100_000, 25), (262_144, 16), (262_145, 0)]
)
def test_tiles_shrink_so_that_a_sprite_keeps_within_8192_pixels(count: int, tile: int) -> None:
    assert projector._tile(count) == tile
    assert across(count) * tile <= 8192


def test_too_many_pictures_are_said(
    pictures: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(pictures, tmp_path / "map")
    monkeypatch.setattr(projector, "WIDEST", 60)
    monkeypatch.setattr(projector, "MOST_SHOWN", 10)
    vectors = unit(12)
    notes = write_files(pictures, vectors, project(vectors), tmp_path / "map", title="a map")
    assert notes == (
        "TensorBoard shows the first 10 of 12 pictures; the other files have all",
        "There is no sprite.png: it has room for 9 pictures, which are 12",
    )
    assert not (tmp_path / "map" / "sprite.png").exists()  # nor the one of before
    assert "sprite" not in (tmp_path / "map" / "projector_config.pbtxt").read_text()
    [embedding] = Plugin(tmp_path / "map").get("/info", run=".").json["embeddings"]
    assert "sprite" not in embedding


def test_metadata_has_a_line_for_each_picture_whatever_it_is_called(
    pictures: ImageTable, tmp_path: Path
) -> None:
    table = named(pictures, [EVIL, None, *"abcdefghij"], file=["own"] * 12, maker=[EVIL] * 12, size=range(12))
    written(table, tmp_path / "map")
    header, first, second, *rest = lines_as_the_projector_reads(tmp_path / "map" / "metadata.tsv")
    assert header == ["label", "file", "path", "file (attribute)", "maker", "size"]
    clean = 'a b c  "quoted" <script>é中'
    assert first == [clean, "0.png", "a/0.png", "own", clean, "0"]
    assert second[0] == ""
    assert len(rest) == 10
    assert {len(row) for row in rest} == {6}


def test_half_characters_become_whole_ones() -> None:
    assert projector._cell("half\udcff\x85\x00") == "half\ufffd  "


def test_pictures_without_labels_still_have_columns_with_a_header(
    pictures: ImageTable, tmp_path: Path
) -> None:
    written(named(pictures, [None] * 12), tmp_path / "map")
    lines = lines_as_the_projector_reads(tmp_path / "map" / "metadata.tsv")
    assert lines[:2] == [["file", "path"], ["0.png", "a/0.png"]]
    assert pl.read_parquet(tmp_path / "map" / "embeddings.parquet")["label"].null_count() == 12


def test_parquet_has_a_list_of_numbers_for_each_picture(pictures: ImageTable, tmp_path: Path) -> None:
    table = pictures.with_splits(np.array(["train"] * 6 + ["test"] * 6))
    vectors = written(table, tmp_path / "map")
    found = pl.read_parquet(tmp_path / "map" / "embeddings.parquet")
    kinds = [pl.String, pl.String, pl.String, pl.String, pl.Float32, pl.Float32, pl.List(pl.Float32)]
    assert found.schema == dict(zip(("id", "path", "label", "split", "x", "y", "vector"), kinds, strict=True))
    assert np.array_equal(np.array(found["vector"].to_list(), np.float32), vectors)
    assert np.array_equal(found.select("x", "y").to_numpy(), project(vectors).places)
    assert found["id"].to_list() == table.ids.tolist()
    assert [Path(path) for path in found["path"]] == table.paths
    assert found["label"].to_list() == table.labels.tolist()
    assert found["split"].to_list() == ["train"] * 6 + ["test"] * 6


class Told:
    """A watcher that remembers the stages."""

    def __init__(self) -> None:
        self.done: dict[str, tuple[int, int]] = {}

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def stage(self, name: str, /) -> Progress:
        return lambda done, total: self.done.__setitem__(name, (done, total))


def test_a_model_maps_what_can_be_used_and_reports_the_rest(
    pictures: ImageTable, tiny: Model, tmp_path: Path
) -> None:
    told = Told()
    made = write_projector(tiny, pictures, tmp_path / "new" / "map", watcher=told)
    assert [Path(entry.path).name for entry in made.skipped] == ["0.png"]
    assert len(made.table) == len(made.projection.places) == 11
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(ORDER)
    assert told.done == {"embed": (12, 12), "small pictures": (11, 11), "map": (11, 11)}
    found = pl.read_parquet(made.folder / "embeddings.parquet")
    assert found["vector"].list.len().unique().to_list() == [48]


def test_a_split_is_mapped_alone_and_an_earlier_map_is_replaced(
    pictures: ImageTable, tiny: Model, tmp_path: Path
) -> None:
    table = pictures.with_splits(np.array(["train"] * 6 + ["test"] * 6))
    write_projector(tiny, table, tmp_path / "map")
    made = write_projector(tiny, table, tmp_path / "map", split="test")
    assert set(made.table.frame["split"]) == {"test"}
    assert len(pl.read_parquet(tmp_path / "map" / "embeddings.parquet")) == 6
    assert sorted(path.name for path in made.folder.iterdir()) == sorted(ORDER)
    with pytest.raises(TableError, match="there is no such split"):
        write_projector(tiny, table, tmp_path / "map", split="dev")


def test_a_name_becomes_part_of_an_address(pictures: ImageTable, tmp_path: Path) -> None:
    vectors = unit(12)
    for title, wanted in ((' a "b"/\n&ü', "a_b"), ("中", "embeddings")):
        write_files(pictures, vectors, project(vectors), tmp_path / "map", title=title)
        [embedding] = Plugin(tmp_path / "map").get("/info", run=".").json["embeddings"]
        assert embedding["tensorName"] == wanted
