"""A whole run by attributes, without a label: its folder, its figures, and the command that searches it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from html_page import Page
from lookalike import train
from lookalike.cli import app
from lookalike.doors.console import run_lines
from lookalike.errors import TableError
from lookalike.indexing.index import Index
from lookalike.models.attributes import AttributeBranch
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.run import Run
from tiny_attributes import COLOURS, colour_values, paint
from tiny_attributes import NAMES as CHANNELS


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of coloured pictures with attributes and no labels at all."""
    folder = paint(
        tmp_path_factory.mktemp("colours"), *(f"{name}-{number}" for name in COLOURS for number in range(6))
    )
    names = sorted(path.stem for path in folder.glob("*.png"))
    values = np.array([colour_values(COLOURS[name.split("-")[0]]) for name in names])
    frame = {channel: values[:, place].tolist() for place, channel in enumerate(CHANNELS)}
    pl.DataFrame({"image": [f"{name}.png" for name in names], **frame}).write_csv(folder / "pictures.csv")
    return folder / "pictures.csv"


TINY_RUN = {
    "name": "colours",
    "split": {"train": 0.5, "val": 0.25, "test": 0.25},
    "preprocess": {"size": 32},
    "network": {"backbone": "test_efficientnet", "pretrained": False},
    "attributes": {},
}


@pytest.fixture(scope="module")
def run(colours: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(parse_config(TINY_RUN), colours, out=tmp_path_factory.mktemp("run") / "colours")


def test_a_run_without_labels_leaves_a_model_that_searches_by_attributes(run: Run, colours: Path) -> None:
    assert run.attributes is not None
    assert (run.evaluation, run.threshold) == (None, None)
    assert (run.folder / "attributes.json").exists()
    page = Page((run.folder / "report.html").read_text(encoding="utf-8"))
    assert "name: colours" in page.words("recipe")
    assert "Closed form: 3 attributes in 3 dimensions" in page.words("training")
    assert "test 10" in page.words("basis")
    assert f"report   {run.folder / 'report.html'}" in run_lines(run)
    figure = run.attributes["one"].figures["map"]
    assert figure.value > run.attributes["one"].references["chance"]["map"]
    assert figure.baseline is not None
    assert run.attributes.seen == 0
    assert [attempt["power"] for attempt in run.model.facts["attributes"]["closed_form"]][::4] == [0.5, 1.0]


def test_the_command_writes_the_page_too(run: Run, tmp_path: Path) -> None:
    split, page = run.folder / "split.parquet", tmp_path / "page.html"
    found = CliRunner().invoke(app, ["evaluate", str(run.model.folder), str(split), "--report", str(page)])
    assert found.exit_code == 0
    words = Page(page.read_text(encoding="utf-8"))
    assert "Asked by attributes, the first picture is right" in words.words()
    assert "No training is on record here" in words.words("training")
    assert set(json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))["kinds"]) >= {"one"}


@pytest.fixture(scope="module")
def index(run: Run, colours: Path) -> Path:
    """An index of all the pictures."""
    path = run.folder / "colours.idx"
    with Index.create(path, run.model) as made:
        made.update(ImageTable.read(colours))
    return path


def colours_of(output: str) -> list[str]:
    return [Path(line).stem.split("-")[0] for line in output.split()]


def test_the_command_searches_by_attributes_and_by_a_picture_with_changes(index: Path, colours: Path) -> None:
    command = ["search", str(index), "--paths", "-k", "3", "--attributes"]
    found = CliRunner().invoke(app, [*command, "red=1,green=0,blue=0"])
    assert (found.exit_code, colours_of(found.stdout)) == (0, ["red"] * 3)
    picture = str(colours.parent / "red-0.png")
    found = CliRunner().invoke(app, [*command, "green=1,red=0", picture])
    assert (found.exit_code, colours_of(found.stdout)) == (0, ["green"] * 3)
    found = CliRunner().invoke(app, ["search", str(index), "--attributes", "green=1,red=0", picture])
    assert found.stdout.splitlines()[0] == f"{picture}, but green=1,red=0"
    found = CliRunner().invoke(app, [*command[:2], "--json", "--attributes", "Red=yes"])
    answer = json.loads(found.stdout)
    assert (answer["query"], answer["threshold"], len(answer["hits"])) == ("red=1", None, 10)
    found = CliRunner().invoke(app, [*command, "rot=1"])
    assert (found.exit_code, found.stdout) == (2, "")
    assert "unknown attribute - attributes - saw 'rot', wanted one of the 3" in found.stderr
    found = CliRunner().invoke(app, [*command, "red=1", "--threshold", "strict"])
    assert (found.exit_code, "leave --threshold out" in found.stderr) == (2, True), found.stderr
    found = CliRunner().invoke(app, ["search", str(index)])
    assert (found.exit_code, "there are no pictures" in found.stderr) == (2, True)


def test_pictures_without_labels_cannot_be_split_by_class(colours: Path, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="no labels"):
        train(parse_config({**TINY_RUN, "split": {"by": "class"}}), colours, out=tmp_path / "run")


def test_a_head_is_trained_on_changed_pictures_of_a_frozen_backbone(
    colours: Path, cache: Path, tmp_path: Path
) -> None:
    changed = {
        **TINY_RUN,
        "network": {**TINY_RUN["network"], "head": "linear", "embedding_dim": 8},  # type: ignore[dict-item]
        "training": {"epochs": 1, "device": "cpu", "workers": 0},
        "image_augmentation": {"rotation": 0.1},
    }
    done = train(parse_config(changed), colours, out=tmp_path / "changed")
    assert done.model.facts["outputs"] == {"embedding": 3, "feature": done.model.facts["outputs"]["feature"]}
    assert done.model.facts["training"]["epochs"] == 1
    again = train(parse_config(changed), colours, out=tmp_path / "changed", resume=True)
    assert again.model.fingerprint == done.model.fingerprint


def test_a_fine_tuned_run_exports_both_branches(colours: Path, cache: Path, tmp_path: Path) -> None:
    tuned = {
        **TINY_RUN,
        "network": {**TINY_RUN["network"], "frozen": False, "embedding_dim": 8},  # type: ignore[dict-item]
        "training": {"epochs": 1, "device": "cpu", "workers": 0},
        "image_augmentation": True,
    }
    done = train(parse_config(tuned), colours, out=tmp_path / "tuned")
    assert done.attributes is not None
    assert AttributeBranch(done.model).encode({"red": True}).shape == (1, done.model.dim)
    assert (done.folder / "baseline").is_dir()
    assert done.attributes["one"].figures["map"].baseline is not None


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_what_was_trained_is_what_is_exported(
    colours: Path, cache: Path, tmp_path: Path, *, frozen: bool
) -> None:
    """From a random start, so that a later epoch is the best; the export compares both branches with it."""
    network = {**TINY_RUN["network"], "frozen": frozen, "head_start": "random", "embedding_dim": 8}  # type: ignore[dict-item]
    settings = {
        **TINY_RUN,
        "network": {**network, "head": "linear"},
        "training": {"epochs": 4, "device": "cpu", "workers": 0, "learning_rate": 0.01},
    }
    done = train(parse_config(settings), colours, out=tmp_path / "run")
    assert done.model.facts["training"]["epochs"] == 4
    assert AttributeBranch(done.model).encode({"red": True}).shape == (1, 8)
