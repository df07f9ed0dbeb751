"""A study by attributes: its trials are judged as an evaluation by attributes would, and its best on test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from html_page import Page
from lookalike.attribute_evaluation import evaluate_attributes
from lookalike.errors import ConfigError
from lookalike.models.attributes import AttributeBranch
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.run import train
from lookalike.training.tuning import Study, tune
from lookalike.training.tuning_attributes import attribute_figures, figures_of_model
from small_study import write_study
from tiny_attributes import COLOURS, NAMES, colour_values, paint

SECTIONS: dict[str, Any] = {
    "batches": None,
    "split": {"train": 0.5, "val": 0.25, "test": 0.25},
    "preprocess": {"size": 32},
    "network": {"backbone": "test_efficientnet", "pretrained": False},
    "training": None,
    "attributes": {},
    "search": {"network.embedding_dim": [2, 3], "network.powers": [[0.5], [1.0]]},
    "study": {"trials": 2},
}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of coloured pictures with attributes and no labels at all."""
    names = [f"{name}-{number}" for name in COLOURS for number in range(6)]
    folder = paint(tmp_path_factory.mktemp("colours"), *names)
    found = sorted(path.stem for path in folder.glob("*.png"))
    values = np.array([colour_values(COLOURS[name.split("-")[0]]) for name in found])
    frame = {channel: values[:, place].tolist() for place, channel in enumerate(NAMES)}
    pl.DataFrame({"image": [f"{name}.png" for name in found], **frame}).write_csv(folder / "pictures.csv")
    return folder / "pictures.csv"


@pytest.fixture(scope="module")
def study(colours: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    place = tmp_path_factory.mktemp("study")
    return tune(write_study(place, **SECTIONS), colours, out=place / "o")


def test_a_closed_form_is_searched_and_the_best_judged_on_test(study: Study) -> None:
    assert [(trial.state, trial.message) for trial in study.trials] == [("complete", "")] * 2
    assert study.best is not None
    assert study.model is not None
    assert study.best.values == (study.best.figures["map"],)
    assert set(study.best.solved) == {"power", "shrinkage", "map"}
    table = ImageTable.read(study.folder / "split.parquet")
    assert study.model.facts["training"]["images"] == len(table) - len(table.select("test"))
    judged = evaluate_attributes(study.model, table, split="test")
    assert judged.seen == 0
    assert study.attributes["map_one"].value == pytest.approx(judged["one"].figures["map"].value, abs=1e-6)
    page = Page((study.folder / "report.html").read_text())
    assert "map_one" in page.words("test")
    assert "No figures on test" not in page.words("test")
    note = "trained again on train and val and judged once on test"
    place = study.folder / f"trial_{study.best.number}" / "report.html"
    assert note in Page(place.read_text()).words("training")


def test_a_trial_has_the_figures_of_an_evaluation(study: Study, colours: Path, tmp_path: Path) -> None:
    assert study.settings is not None
    assert study.best is not None
    run = train(study.settings, colours, out=tmp_path / "run")
    table = ImageTable.read(tmp_path / "run" / "split.parquet")
    report = evaluate_attributes(run.model, table, split="val", draws=10)
    shown = {
        f"{name}_{kind.name}": figure.value for kind in report.kinds for name, figure in kind.figures.items()
    }
    figures = study.best.figures
    for name in set(figures) & set(shown):
        assert figures[name] == pytest.approx(shown[name], abs=2e-3)
    assert {"map_full", "map_one", "precision@1_composed"} <= set(figures) & set(shown)
    assert set(figures) <= set(attribute_figures())
    again = figures_of_model(run.model, table.select("val"))
    assert again == pytest.approx(figures, abs=2e-3)
    kinds = [name for name in ("full", "one", "several") if f"map_{name}" in figures]
    assert figures["map"] == pytest.approx(np.mean([figures[f"map_{name}"] for name in kinds]))


def test_a_study_by_attributes_that_is_finished_asks_test_no_more(
    study: Study, colours: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lookalike.training import tuning_verdict

    monkeypatch.setattr(tuning_verdict, "evaluate_attributes", None)
    again = tune(study.folder.parent / "small.yaml", colours, out=study.folder)
    assert again.attributes == study.attributes


@pytest.mark.parametrize("frozen", [True, False], ids=["frozen", "fine-tuned"])
def test_a_training_by_gradient_is_searched_too(
    colours: Path, cache: Path, tmp_path: Path, *, frozen: bool
) -> None:
    network = {**SECTIONS["network"], "head": "linear", "head_start": "random", "frozen": frozen}
    training = {"epochs": 2, "device": "cpu", "workers": 0, "learning_rate": 0.01}
    sections = {**SECTIONS, "network": network, "training": training, "study": {"trials": 1}}
    sections["search"] = {"attributes.margin": [0.1, 0.2]}
    found = tune(write_study(tmp_path, **sections), colours, out=tmp_path / "o")
    assert [(trial.state, trial.message) for trial in found.trials] == [("complete", "")]
    best = found.trials[0]
    assert list(best.course) == [1, 2]
    assert found.model is not None
    assert found.model.facts["training"]["epochs"] == best.epochs
    assert AttributeBranch(found.model).names == NAMES
    assert "map_one" in found.attributes


def test_a_figure_by_labels_is_refused(colours: Path, tmp_path: Path) -> None:
    path = write_study(tmp_path, **{**SECTIONS, "study": {"objective": "map@r"}})
    with pytest.raises(ConfigError, match=r"a metric is not computed.*saw 'map@r'.*did you mean map"):
        tune(path, colours, out=tmp_path / "o")
    assert parse_config({"attributes": {}}).attributes is not None
