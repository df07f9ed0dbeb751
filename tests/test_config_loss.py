"""What the loss section takes, and that every loss keeps its own options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from lookalike.config import LossConfig, RunConfig
from lookalike.config_loss import COMMON, LOSSES, CircleConfig, DottedLossConfig, PairSection, ProxySection
from lookalike.errors import ConfigError
from lookalike.runfile import dump_config, parse_config


def loss(**values: Any) -> LossConfig:
    return parse_config({"loss": values}).loss


@pytest.mark.parametrize("name", LOSSES)
def test_each_loss_by_its_name(name: str) -> None:
    config = loss(name=name)
    assert type(config) is LOSSES[name]
    assert config.arguments.keys().isdisjoint({"name", "dimensions", "auxiliary", "memory", "learning_rate"})


@pytest.mark.parametrize("name", [*LOSSES, "some_package.losses.Loss"])
def test_dump_reads_back(name: str) -> None:
    extra: dict[str, Any] = {"options": {"m": [1, {"a": None}]}} if "." in name else {}
    auxiliary = {"weight": 0.5, "smoothing": 0.2}
    loss = {"name": name, "dimensions": [32, 64], "auxiliary": auxiliary, **extra}
    config = parse_config({"network": {"frozen": False}, "loss": loss})
    assert parse_config(yaml.safe_load(dump_config(config))) == config


def test_the_default_is_told_by_no_name() -> None:
    assert loss() == RunConfig().loss
    assert loss(margin=1.0) == loss(name="triplet_semi_hard", margin=1.0)


def test_sections_may_be_given_as_such() -> None:
    assert RunConfig(loss=CircleConfig(gamma=256)).loss == loss(name="circle", gamma=256)


def test_memory_belongs_to_losses_over_pairs_and_rates_to_learned_vectors() -> None:
    for name, kind in LOSSES.items():
        for key, value, section in (("memory", {}, PairSection), ("learning_rate", 0.1, ProxySection)):
            if issubclass(kind, section):
                assert getattr(loss(name=name, **{key: value}), key) is not None
            else:
                with pytest.raises(ConfigError, match=rf"loss\.{key}.*belongs to .*; {name} takes name"):
                    loss(name=name, **{key: value})


def test_dotted_paths_take_options() -> None:
    config = loss(name="pytorch_metric_learning.losses.CircleLoss", options={"m": 0.3})
    assert isinstance(config, DottedLossConfig)
    assert config.options == {"m": 0.3}
    assert loss(name="a.b") != loss(name="a.b", options={"m": 1})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "tripplet_semi_hard"}, r"saw 'tripplet_semi_hard'.*did you mean triplet_semi_hard\?"),
        ({"name": "multisimilarity"}, r"did you mean multi_similarity\?"),
        ({"name": "zzzzz"}, r"loss\.name.*circle, .*or a dotted path.*choose one of these"),
        ({"name": 7}, r"loss\.name - saw 7"),
        ({"name": None}, r"loss\.name - saw null"),
        ({"name": "a..b"}, r"loss\.name.*text of names joined by dots"),
        ({"name": "a.b", "option": {}}, r"did you mean loss\.options\?"),
        ({"name": "circle", "gama": 1}, r"did you mean loss\.gamma\?"),
        (
            {"name": "nt_xent", "margin": 1},
            r"margin belongs to .*circle.*; nt_xent takes name, .*temperature",
        ),
        ({"margin": "soft"}, "soft belongs to triplet_batch_hard"),
        (
            {"name": "triplet_batch_hard", "margin": "sof"},
            r">= 1e-06 and <= 1e\+06, or soft - did you mean soft\?",
        ),
        ({"name": "triplet_batch_hard", "margin": 0}, r"wanted a number >= 1e-06 and <= 1e\+06, or soft"),
        ({"name": "triplet_easy_positive", "margin": 0.2, "temperature": 0.1}, "set margin: soft"),
        ({"name": "circle", "margin": 1}, r"wanted a number > 0 and < 1"),
        ({"name": "recall_at_k", "ks": []}, r"wanted a list of 1 or more, each entry a whole number >= 1"),
        ({"dimensions": [8, 8]}, "lengths that differ"),
        ({"dimensions": [8, 0]}, r"saw \[8, 0\], wanted a list, each entry a whole number > 0"),
        ({"name": "circle", "memory": {"sise": 3}}, r"did you mean loss\.memory\.size\?"),
        ({"name": "circle", "memory": {"start": -1}}, r"memory\.start - saw -1, wanted a whole number >= 0"),
        ({"auxiliary": {"smoothing": 1.0}}, r"smoothing - saw 1\.0, wanted a number >= 0 and < 1"),
    ],
)
def test_errors_name_key_and_remedy(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loss(**values)


@pytest.mark.parametrize("value", ["circle", None, 3, []])
def test_a_loss_is_a_section(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"wanted a section.*loss: \{name: 'triplet_semi_hard'\}"):
        parse_config({"loss": value})


def test_the_page_lists_every_loss_with_every_option_and_its_default() -> None:
    page = Path(__file__).parent.parent / "docs" / "losses.md"
    lines = re.findall(r"`(loss: \{.*?\})` \|", page.read_text(encoding="utf-8"))
    said = [yaml.safe_load(line)["loss"] for line in lines]
    listed = {
        values["name"]: values
        for values in said
        if COMMON.isdisjoint(set(values) - {"name", "learning_rate"})
    }
    assert list(listed) == list(LOSSES)
    for name, kind in LOSSES.items():
        section = kind(name=name)
        expected = {"name": name, **section.model_dump(mode="json", include=set(section.arguments))}
        expected |= {"learning_rate": None} if issubclass(kind, ProxySection) else {}
        assert listed[name] == expected
    for values in said:
        parse_config({"network": {"frozen": False}, "loss": values})
