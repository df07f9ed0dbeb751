"""The recipes of the four systems: each is as published, and runs on its data set as it lies on disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from lookalike.cli import app
from lookalike.config import RunConfig
from lookalike.models.model import Model
from lookalike.runfile import apply_overrides, load_config, parse_config
from lookalike.training.backbones import Features
from lookalike.training.export import make_untrained
from lookalike.training.losses import multi_similarity
from lookalike.training.network import Network, make_head
from small_systems import small_cars196, small_celeba, small_cifar10, small_tiny_imagenet

RECIPES = Path(__file__).parent.parent / "recipes"
SMALL = ("training.epochs=1", "training.workers=0", "batches.classes=4", "batches.images=2")
TINY_RESNET = ("network.backbone=test_resnet", "network.pretrained=false", "preprocess.size=64")
BY_CLASS = ("split={by: class, train: 0.5, val: 0.4, test: 0.1}",)
Write = Callable[[Path, Path], str]
RUNS: Mapping[str, tuple[Write, tuple[str, ...]]] = {
    "tiny_imagenet_triplet": (small_tiny_imagenet, SMALL),
    "celeba_attributes": (small_celeba, (*SMALL[:2], *TINY_RESNET, "attributes.batch=8")),
    "cars196_ranking": (small_cars196, (*SMALL, *TINY_RESNET, *BY_CLASS)),
    "cars196_cgd": (small_cars196, (*SMALL, *TINY_RESNET, *BY_CLASS)),
    "cifar10_similarity": (small_cifar10, (*SMALL[:2], "batches.steps_per_epoch=3")),
}


def recipe(name: str, *overrides: str) -> RunConfig:
    return load_config(RECIPES / f"{name}.yaml", overrides=overrides)


@pytest.fixture
def quick(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Untrained models are made in this process: a process of its own would load torch once more."""
    monkeypatch.setattr("lookalike.models.model._make_untrained", make_untrained)
    return cache


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", RUNS)
def test_recipe_runs_on_its_data_set(
    name: str, sample: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write, overrides = RUNS[name]
    data = write(tmp_path / "data", sample)
    out = tmp_path / "run"
    sets = [part for override in overrides for part in ("--set", override)]
    code = app(
        ["train", str(RECIPES / f"{name}.yaml"), "--data", data, "--out", str(out), *sets],
        standalone_mode=False,
    )
    said = capfd.readouterr()
    assert code == 0, said.err
    assert pl.read_csv(out / "metrics.csv").height == 1
    model, config = Model.load(out / "model"), recipe(name, *overrides)
    assert (model.name, model.dim) == (name, config.network.embedding_dim)
    assert model.facts["training"]["images"] > 0
    if name == "celeba_attributes":
        assert len(model.facts["attributes"]["names"]) == 40
        assert "precision@1" in said.out
    else:
        assert "recall@8" in said.out
        assert model.threshold is not None


@pytest.mark.parametrize(
    ("name", "dim", "feature"),
    [("celeba_attributes", 300, 2048), ("cars196_ranking", 512, 2048), ("cars196_cgd", 1536, 3 * 2048)],
)
def test_recipe_has_the_network_of_its_system(name: str, dim: int, feature: int) -> None:
    config = recipe(name, "network.pretrained=false", "preprocess.size=64")
    assert config.network.backbone == "resnet50"
    features = Features(config.network, config.preprocess)
    network = Network(features, make_head(config.network, inputs=features.dim)).eval()
    assert features.dim == feature
    with torch.inference_mode():
        assert network(torch.zeros(1, 64, 64, 3, dtype=torch.uint8)).shape == (1, dim)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        (
            "tiny_imagenet_triplet",
            {
                "seed": 0,
                "image_augmentation": False,
                "network": {"frozen": True, "hidden": [512, 256], "dropout": 0.5, "embedding_dim": 128},
                "loss": {"name": "triplet_semi_hard", "margin": 1.0},
                "training": {"epochs": 50, "early_stopping_patience": 10, "optimizer": "adam"},
                "split": {"by": "ratio", "train": 0.7, "val": 0.2, "test": 0.1},
            },
        ),
        (
            "celeba_attributes",
            {"attributes": {"hidden": [300, 300], "margin": 0.1, "flips": 3, "mask_share": 0.0}},
        ),
        (
            "cars196_ranking",
            {
                "preprocess": {"resize": "pad"},
                "network": {"pooling": ["spoc"], "head": "cgd", "last_stride": 2, "frozen": False},
                "loss": {"name": "hap2s_exponential", "sigma": 0.5, "margin": "soft"},
                "training": {"learning_rate": 1e-4, "backbone_learning_rate": 1e-4, "optimizer": "adam"},
            },
        ),
        ("cars196_cgd", {"network": {"pooling": ["spoc", "mac", "gem"], "last_stride": 2}}),
        (
            "cifar10_similarity",
            {
                "batches": {"classes": 10, "images": 8, "steps_per_epoch": 4000},
                "training": {"epochs": 3, "learning_rate": 2e-3, "backbone_learning_rate": 2e-3},
            },
        ),
    ],
)
def test_recipe_says_what_was_published(name: str, published: dict[str, Any]) -> None:
    said = recipe(name).model_dump(mode="json")
    for section, wanted in published.items():
        found = said[section] if not isinstance(wanted, dict) else {key: said[section][key] for key in wanted}
        assert found == wanted, section


def test_both_cars196_recipes_teach_a_classifier_beside() -> None:
    for name in ("cars196_ranking", "cars196_cgd"):
        auxiliary = recipe(name).loss.auxiliary
        assert auxiliary is not None
        assert auxiliary.temperature == 0.5


def test_published_losses_fit_the_options_of_the_recipe() -> None:
    """With all pictures on one spot: 1.66 for seven positives, 0.71 for 72 negatives."""
    labels = torch.arange(10).repeat_interleave(8)
    spot = torch.nn.functional.normalize(torch.ones(80, 4), dim=1)
    loss = multi_similarity(spot, labels, **recipe("cifar10_similarity").loss.arguments).item()
    by_hand = math.log1p(7 * math.exp(-0.5)) + math.log1p(72 * math.exp(10)) / 20
    assert loss == pytest.approx(by_hand, abs=1e-4)
    assert loss == pytest.approx(2.37, abs=0.005)
    later = multi_similarity(spot, labels, alpha=2.0, beta=40.0, epsilon=0.1).item()
    assert later == pytest.approx(1.24, abs=0.005)


def test_overrides_reach_what_users_are_told_to_change() -> None:
    values = recipe("tiny_imagenet_triplet").model_dump(mode="json")
    augmented = parse_config(apply_overrides(values, ["image_augmentation=true"])).augment
    assert augmented is not None
    shares = (
        augmented.zoom,
        augmented.rotation,
        augmented.translation,
        augmented.brightness,
        augmented.contrast,
    )
    assert (shares, augmented.horizontal_flip) == ((0.3, 0.2, 0.2, 0.2, 0.2), True)
