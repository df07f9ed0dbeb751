"""A slip in the settings is refused before a picture is opened and before the run folder is made."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch

from lookalike import ImageTable, train
from lookalike.errors import ConfigError, LookalikeError, MissingExtraError, TableError
from lookalike.models.model import Model
from lookalike.records import Progress
from lookalike.runfile import parse_config
from lookalike.training import distributed
from lookalike.training.distributed import check_device
from lookalike.training.preflight import by_gradient, check_lengths, check_stages

LINEAR = {"head": "linear", "embedding_dim": 16}
FINE = {"frozen": False, "backbone": "test_efficientnet", "pretrained": False, "embedding_dim": 16}


class Impatient:
    """Fails as soon as work begins."""

    def say(self, _: str) -> None:
        pass

    def stage(self, name: str) -> Progress:
        raise AssertionError(f"{name} was begun")


def settings(**changes: Any) -> Any:
    base: dict[str, Any] = {
        "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
        "network": LINEAR,
        "training": {"epochs": 1, "device": "cpu", "workers": 0, **changes.pop("training", {})},
    }
    return parse_config({**base, **changes})


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"loss": {"name": "no_such_package.Loss"}}, ConfigError, r"pip install no-such-package"),
        (
            {"loss": {"name": "pytorch_metric_learning.losses.CircleLoss", "options": {"gama": 2}}},
            ConfigError,
            r"did you mean options\.gamma\?",
        ),
        (
            {"training": {"loggers": ["csv", "neptune"]}},
            MissingExtraError,
            r"pip install 'lookalike\[neptune\]'",
        ),
        ({"training": {"device": "mps"}}, ConfigError, r"device is not there.*training\.device=auto"),
        (
            {"batches": {"category": "colour"}},
            ConfigError,
            r"no such column.*batches\.category - saw 'colour'",
        ),
        ({"batches": {"class_list": ["nothing"]}}, ConfigError, r"unknown label.*batches\.class_list"),
        ({"attributes": {"names": ["smilling"]}}, TableError, r"smilling"),
    ],
)
def test_settings_are_checked_before_a_picture_is_opened(
    few: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    kind: type[LookalikeError],
    message: str,
) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "neptune" else find(name))
    with pytest.raises(kind, match=message):
        train(settings(**changes), few, out=tmp_path / "run", watcher=Impatient())
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"network": {**LINEAR, "embedding_dim": None}, "loss": {"dimensions": [2000]}},
            r"longer than the embedding.*saw 2000, wanted at most 1280",
        ),
        ({"network": {**LINEAR, "head_start": "identity"}}, r"wanted null or 1280"),
        ({"network": FINE, "training": {"unfreeze": 40}}, r"fewer stages.*training\.unfreeze - saw 40"),
    ],
)
def test_what_only_the_backbone_can_tell_is_checked_before_pictures_are_opened(
    few: Path, backbone: Model, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    assert backbone.dim == 1280
    with pytest.raises(ConfigError, match=message):
        train(settings(**changes), few, out=tmp_path / "run", watcher=Impatient())


def test_a_closed_form_needs_no_loggers_and_no_device(few: Path, tmp_path: Path) -> None:
    config = settings(network={}, training={"device": "mps", "loggers": ["neptune"]})
    with pytest.raises(AssertionError, match="features of train was begun"):
        train(config, few, out=tmp_path / "run", watcher=Impatient())


def test_what_is_trained_by_gradient() -> None:
    assert by_gradient(settings())
    assert not by_gradient(settings(network={}))
    assert not by_gradient(settings(network={}, attributes={}))
    assert by_gradient(settings(network={"head": "linear", "head_start": "random"}, attributes={}))


def test_lengths_that_fit_pass() -> None:
    check_lengths(settings(loss={"dimensions": [8]}), feature_dim=1280)
    check_lengths(settings(network={**LINEAR, "head_start": "identity"}), feature_dim=16)
    check_stages(settings(network=FINE, training={"unfreeze": 1, "sizes": [32]}, preprocess={"size": 32}))


def test_more_devices_than_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "choose_precision", lambda *_, **__: "32-true")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    asked = settings(training={"device": "gpu", "devices": 3}).training
    with pytest.raises(ConfigError, match=r"training\.devices - saw 3 where torch finds 2"):
        check_device(asked, fine_tuned=True)
    check_device(settings(training={"device": "gpu", "devices": 2}).training, fine_tuned=True)
    check_device(settings(training={"device": "gpu", "devices": "auto"}).training, fine_tuned=True)


def test_columns_of_the_table_are_what_a_category_may_be(few: Path) -> None:
    assert "label" in ImageTable.read(few).frame.columns
