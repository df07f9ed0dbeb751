from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.runfile import dump_config, known_keys, load_config, parse_config

ROOT = Path(__file__).parent.parent


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == RunConfig()


def test_dump_reads_back(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "name: a\nnetwork: {head: feed_forward, hidden: [512, 256]}\n"))
    assert load_config(write(tmp_path, dump_config(config))) == config


@pytest.mark.parametrize("recipe", sorted(ROOT.glob("recipes/*.yaml")), ids=lambda path: path.stem)
def test_recipes_are_valid(recipe: Path) -> None:
    assert load_config(recipe).name == recipe.stem


def test_overrides_win_and_nest(tmp_path: Path) -> None:
    path = write(tmp_path, "loss: {margin: 1.0}\n")
    config = load_config(
        path, overrides=["loss.margin=0.3", "network.hidden=[8, 4]", "network.head=feed_forward"]
    )
    assert config.loss.margin == 0.3
    assert config.network.hidden == (8, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lose: {margin: 1}", r"unknown key - .*: lose - .*did you mean loss\?"),
        ("loss: {margn: 1}", r"unknown key - .*loss\.margn.*did you mean loss\.margin\?"),
        ("embeding_dim: 64", r"did you mean network\.embedding_dim\?"),
        ("zzzz: 1", r"see docs/config\.md"),
        ("network: {embedding_dim: 0}", r"does not fit.*network\.embedding_dim.*saw 0"),
        ("loss: {name: tripplet}", r"loss\.name.*'triplet_semi_hard' or 'triplet_batch_hard'"),
        ("loss: {name: triplet_semi_hard, margin: soft}", "belongs to triplet_batch_hard"),
        ("network: {frozen: false, head: closed_form}", "solved on a frozen backbone"),
        ("network: {hidden: [8]}", "belong to head: feed_forward"),
        ("split: {train: 0.9}", r"train \+ val \+ test must be 1"),
        (
            "image_augmentation: {zom: 0.1}",
            r"image_augmentation\.zom.*did you mean image_augmentation\.zoom\?",
        ),
        ("name: a/b", "does not fit"),
        ("- a\n- b", "not a mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_errors_name_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text))


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read.*none\.yaml.*No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("margin", "not key=value"),
        ("seed.deep=1", "goes through a plain value"),
        ("name=[", "not YAML"),
        ("los.margin=1", r"did you mean loss\?"),
    ],
)
def test_bad_overrides_are_explained(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, "seed: 1\n"), overrides=[override])


@pytest.mark.parametrize(
    ("frozen", "head", "used"),
    [(True, None, "closed_form"), (False, None, "linear"), (True, "linear", "linear")],
)
def test_head_follows_the_backbone(frozen: bool, head: str | None, used: str) -> None:
    config = parse_config({"network": {"frozen": frozen, "head": head}})
    assert config.network.resolved_head == used


def test_augmentation_is_off_on_or_spelled_out() -> None:
    assert RunConfig().augment is None
    everything = parse_config({"image_augmentation": True}).augment
    assert everything is not None
    assert everything.rotation == 0.2
    some = parse_config({"image_augmentation": {"rotation": 0}}).augment
    assert some is not None
    assert (some.rotation, some.zoom) == (0, 0.3)


def test_docs_list_every_key_with_its_default() -> None:
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8").partition("## For users")[0]
    listed = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", text, re.MULTILINE))
    sections = {key.rsplit(".", 1)[0] for key in known_keys() if "." in key} - {"image_augmentation"}
    assert set(known_keys()) - sections <= set(listed)
    values = RunConfig(image_augmentation=parse_config({"image_augmentation": True}).augment or True)
    for key, default in listed.items():
        if re.fullmatch(r"`[^`]*`", default) and key in set(known_keys()) and key != "image_augmentation":
            value = values.model_dump(mode="json")
            for part in key.split("."):
                value = value[part]
            assert yaml.safe_load(default.strip("`")) == value, key
