"""Settings without an effect are named before the training, each with what it would take."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lookalike.runfile import parse_config
from lookalike.training.unused import memory_in_words, unused, unused_in_words

LABELS = np.repeat(np.arange(20).astype(str), 5)  # 100 pictures; 8 x 5 make 3 batches an epoch


def test_keys_without_effect_are_named() -> None:
    keys = {"loss": {"margin": 0.5}, "training": {"epochs": 3, "device": "gpu"}, "batches": {"classes": 8}}
    solved = unused(parse_config(keys))
    assert solved == ["loss.margin", "training.epochs", "training.device", "batches.classes"]
    assert unused(parse_config({**keys, "network": {"head": "linear"}})) == []
    idle = {"training": {"sizes": [96], "unfreeze": 2}, "batches": {"category_share": 0.3}}
    frozen = parse_config({**idle, "network": {"head": "linear", "dropout": 0.5}})
    wanted = {"training.sizes", "training.unfreeze", "network.dropout", "batches.category_share"}
    assert set(unused(frozen)) == wanted
    assert unused(parse_config({**idle, "network": {"frozen": False}})) == ["batches.category_share"]
    attributes = parse_config({"attributes": {}, "image_augmentation": True, "training": {"epochs": 3}})
    assert set(unused(attributes)) == {"image_augmentation", "training.epochs"}
    assert unused(parse_config({"batches": {"class_list": ["a"]}})) == []
    asked = {
        "attributes": {},
        "calibration": {"target": "precision=0.9"},
        "training": {"views": 3, "refit": False},
    }
    trained = parse_config({**asked, "network": {"head": "linear", "frozen": False}})
    assert set(unused(trained)) == {"training.views", "training.refit", "calibration.target"}


def test_they_are_said_in_one_sentence() -> None:
    assert unused_in_words(parse_config({})) == []
    [said] = unused_in_words(parse_config({"training": {"epochs": 3}, "loss": {"margin": 0.5}}))
    assert said == (
        "With head closed_form on a frozen backbone these have no effect: loss.margin, training.epochs."
    )
    [said] = unused_in_words(parse_config({"attributes": {}, "training": {"epochs": 3}}))
    assert said.startswith("With head closed_form on a frozen backbone, trained by attributes, these have")


def with_memory(memory: dict[str, Any], *, name: str = "contrastive", **sections: Any) -> list[str]:
    values: dict[str, Any] = {
        "network": {"head": "linear"},
        "loss": {"name": name, "memory": memory},
        "batches": {"classes": 8, "images": 5},
        "training": {"epochs": 10},
    }
    return memory_in_words(parse_config({**values, **sections}), LABELS)


def test_a_memory_that_is_never_used() -> None:
    assert with_memory({"size": 64, "start": 29}) == []
    [said] = with_memory({"size": 64, "start": 30})
    assert said.startswith(
        "loss.memory is never used: it begins after 30 steps, and the training has 30 at most;"
    )
    assert with_memory({"size": 64, "start": 30}, batches={"steps_per_epoch": 4}) == []


def test_a_memory_of_more_than_all_pictures() -> None:
    assert with_memory({"size": 100, "start": 0}) == []
    [said] = with_memory({"size": 101, "start": 0})
    assert said.startswith("loss.memory.size is 101 for 100 training pictures: it holds each more than once")


@pytest.mark.parametrize("sections", [{"network": {}}, {"batches": {"classes": 8, "class_list": ["0"]}}])
def test_what_is_no_training_or_cannot_be_one_says_nothing_of_its_steps(sections: dict[str, Any]) -> None:
    assert with_memory({"size": 64, "start": 10**6}, **sections) == []
