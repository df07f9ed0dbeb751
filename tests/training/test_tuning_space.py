"""The study file: what it may say, and that every slip is found before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lookalike.errors import ConfigError
from lookalike.training.spaces import Choices, Range
from lookalike.training.tuning_space import load_study
from small_study import STUDY, write_study

ROOT = Path(__file__).parents[2]


def searched(folder: Path, **spaces: Any) -> Path:
    return write_study(folder, search={key.replace("__", "."): space for key, space in spaces.items()})


def test_a_study_file_is_a_run_file_with_spaces(tmp_path: Path) -> None:
    file = load_study(write_study(tmp_path), overrides=["study.trials=9"])
    assert file.study.trials == 9
    assert file.spaces["network.embedding_dim"] == Choices((8, 16))
    assert isinstance(file.spaces["training.learning_rate"], Range)
    config = file.settings(
        {"network.embedding_dim": 16, "network.hidden": [16], "training.learning_rate": 0.001}
    )
    assert config.network.hidden == (16,)
    assert config.batches.classes == 8
    assert file.run_file({"network.dropout": 0.5})["network"] == {"head": "feed_forward", "dropout": 0.5}
    assert file.base.network.hidden == ()


def test_sections_may_be_nested_and_be_choices_themselves(tmp_path: Path) -> None:
    losses = [{"name": "triplet_batch_hard", "margin": "soft"}, {"name": "multi_similarity"}]
    file = load_study(
        write_study(tmp_path, network={}, search={"network": {"embedding_dim": [8, 16]}, "loss": losses})
    )
    assert set(file.spaces) == {"network.embedding_dim", "loss"}
    assert file.settings({"loss": losses[1]}).loss.name == "multi_similarity"


def test_whole_numbers_are_fractions_where_the_key_takes_them(tmp_path: Path) -> None:
    file = load_study(
        searched(
            tmp_path,
            network__hidden=[[]],
            training__warmup={"low": 0, "high": 1},
            loss__margin={"low": 1, "high": 2},
        )
    )
    assert not any(space.whole for space in file.spaces.values() if isinstance(space, Range))


def test_candidates_need_fit_one_combination_only(tmp_path: Path) -> None:
    file = load_study(write_study(tmp_path, network={"head_start": "random"}, search={
        "network.head": ["linear", "feed_forward"], "network.hidden": [[], [8]]}))  # fmt: skip
    with pytest.raises(ConfigError, match="hidden units belong to head: feed_forward"):
        file.settings({"network.head": "linear", "network.hidden": [8]})


@pytest.mark.parametrize("recipe", ["emoji_study", "tiny_imagenet_study"])
def test_recipes_are_study_files(recipe: str) -> None:
    file = load_study(ROOT / "recipes" / f"{recipe}.yaml")
    assert file.base.name == recipe
    if recipe.startswith("tiny"):
        units = file.spaces["network.hidden"].ends()
        assert (len(units), units[0], units[-1]) == (8, [], [1024, 512])
        training = file.base.training
        assert (file.study.trials, training.epochs, training.early_stopping_patience) == (15, 50, 3)


@pytest.mark.parametrize(
    ("spaces", "message"),
    [
        ({"network__embeding_dim": [8]}, r"unknown key - .*did you mean network\.embedding_dim"),
        ({"network__droput": {"low": 0, "high": 0.5}}, r"unknown key - .*did you mean network\.dropout"),
        ({"network__embedding_dim": []}, r"nothing to choose from - .*search\.network\.embedding_dim"),
        ({"network__dropout": {"low": 0.5, "high": 0.1}}, "ends before it begins"),
        (
            {"network__dropout": {"low": 0, "high": 1}},
            r"network\.dropout - saw 1.0, wanted a number >= 0 and < 1",
        ),
        ({"training__optimizer": ["adam", "adan"]}, "saw 'adan'.*did you mean adam"),
        ({"network__stages": {"low": 0, "high": 3}}, r"network\.stages - saw 0, wanted a whole number > 0"),
        ({"network__stages": {"low": 1, "high": 2.5}}, "takes whole numbers"),
        ({"training__optimizer": {"low": 1, "high": 2}}, "takes no range"),
        ({"network__hidden": [[8], [0]]}, r"network\.hidden"),
        ({"loss__sigma": [1.0]}, "sigma belongs to"),
        ({"seed": [0, 1]}, "a key cannot be searched - .*to choose a seed is to choose luck"),
        ({"split__train": [0.5, 0.6]}, "a key cannot be searched - .*cannot be compared"),
        ({"name": ["a"]}, "a key cannot be searched"),
        ({"attributes": [None, {}]}, "a key cannot be searched - .*answer other questions"),
        ({"attributes.names": [["red"]]}, "a key cannot be searched - .*answer other questions"),
        ({"batches__classes": [8]}, r"a key is searched and stays - .*batches\.classes"),
        ({"loss": [{"name": "multi_similarity"}], "loss__margin": [0.1]}, r"lies in another.*loss\.margin"),
    ],
    ids=str,
)
def test_spaces_that_do_not_fit_are_refused(tmp_path: Path, spaces: dict[str, Any], message: str) -> None:
    path = searched(tmp_path, **{"network__hidden": [[]], **spaces})
    with pytest.raises(ConfigError, match=message):
        load_study(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"search": None}, "searches nothing.*no such section"),
        ({"search": {}}, "searches nothing"),
        ({"search": [1]}, "searches nothing"),
        ({"study": {"trails": 3}}, r"unknown key - .*study\.trails - saw 3.*did you mean study\.trials"),
        ({"study": {"trials": 0}}, r"study\.trials - saw 0, wanted a whole number > 0"),
        (
            {"study": {"pruner": "medain"}},
            r"study\.pruner - saw 'medain', wanted median or hyperband or none",
        ),
        ({"study": 3}, "study - saw 3"),
        ({"training": {"epochs": 0}}, r"training\.epochs - saw 0"),
    ],
    ids=str,
)
def test_a_file_that_is_no_study_is_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_study(write_study(tmp_path, **changes))


def test_a_study_by_attributes_searches_what_training_by_attributes_has(tmp_path: Path) -> None:
    sections = {"batches": None, "network": {"head": "linear"}, "attributes": {}}
    file = load_study(write_study(tmp_path, **sections, search={"attributes.margin": [0.1, 0.2]}))
    assert file.by_attributes
    assert file.study.objective == ("map",)
    named = {**sections, "search": {"attributes.margin": [0.1, 0.2]}, "study": {"objective": "map_one"}}
    assert load_study(write_study(tmp_path, **named)).study.objective == ("map_one",)
    assert load_study(write_study(tmp_path)).study.objective == ("map@r",)


def test_the_file_itself_is_read_like_a_run_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_study(tmp_path / "none.yaml")
    assert load_study(write_study(tmp_path)).identity()["fixed"]["name"] == STUDY["name"]
