from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic_core import to_jsonable_python

from lookalike.config import RunConfig
from lookalike.config_loss import COMMON, LOSSES
from lookalike.errors import ConfigError
from lookalike.keys import field_at, known_keys
from lookalike.runfile import dump_config, load_config, parse_config
from lookalike.training.tuning_space import load_study

ROOT = Path(__file__).parent.parent
# keys of some losses only, with one that has them
OWNERS = {
    "loss.options": {"name": "a.b"},
    "loss.learning_rate": {"name": "arcface"},
    "loss.memory.size": {"name": "circle"},
    "loss.memory.start": {"name": "circle"},
}
# their default is null, which stands for what the page says
COMPUTED = {"loss.learning_rate"}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_config(write(tmp_path, "")) == RunConfig()


def test_dump_reads_back(tmp_path: Path) -> None:
    config = load_config(write(tmp_path, "name: a\nnetwork: {head: feed_forward, hidden: [512, 256]}\n"))
    assert load_config(write(tmp_path, dump_config(config))) == config


RECIPES = sorted(ROOT.glob("recipes/*.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_recipes_are_valid(recipe: Path) -> None:
    if recipe.stem.endswith("_study"):
        assert load_study(recipe).base.name == recipe.stem
    else:
        assert load_config(recipe).name == recipe.stem


def test_overrides_win_and_nest(tmp_path: Path) -> None:
    path = write(tmp_path, "loss: {margin: 1.0}\n")
    config = load_config(
        path, overrides=["loss.margin=0.3", "network.hidden=[8, 4]", "network.head=feed_forward"]
    )
    assert config.loss.arguments["margin"] == 0.3
    assert config.network.hidden == (8, 4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lose: {margin: 1}", r"unknown key - .*: lose - saw lose: \{margin: 1\} - did you mean loss\?"),
        ("loss: {margn: 1}", r"unknown key - .*loss\.margn.*did you mean loss\.margin\?"),
        ("embeding_dim: 64", r"did you mean network\.embedding_dim\?"),
        ("embedding_dim: 64", r"did you mean network\.embedding_dim\?"),
        ("epochs: 1", r"did you mean training\.epochs\?"),
        ("classes: 4", r"did you mean batches\.classes\?"),
        ("network: {epochs: 1}", r"did you mean training\.epochs\?"),
        ("margin: 1", r"did you mean loss\.margin or attributes\.margin\?"),
        ("zzzz: 1", "a run file takes name, seed, data, .*loss"),
        ("training: {zzzz: 1}", "training takes epochs, "),
        ("seed: {zzzz: 1}", r"seed - saw \{zzzz: 1\}, wanted a whole number >= 0"),
        ("1: 2", r": 1 - saw 1: 2"),
        (
            "loss: {margn: 1, foo: 2}\nnetwork: {hiden: [3]}",
            r"unknown keys - .*: network\.hiden, loss\.margn, loss\.foo - saw hiden: \[3\], margn: 1, "
            r"foo: 2 - "
            r"network\.hiden: did you mean network\.hidden\?; loss\.margn: did you mean loss\.margin\?; "
            r"loss\.foo: loss takes name, ",
        ),
        ("lose: 1\nnetwork: {embedding_dim: 0}", r"unknown key - .*: lose"),
        (
            "network: {embedding_dim: 0}",
            r"network\.embedding_dim - saw 0, wanted a whole number >= 2 and <= 8192",
        ),
        ("network: {embedding_dim: x}", r"leave it out for its default, 128"),
        ("loss: {name: triplet_semi_hard, margin: soft}", "belongs to triplet_batch_hard"),
        ("network: {frozen: false, head: closed_form}", "solved on a frozen backbone"),
        ("network: {hidden: [8]}", "belong to head: feed_forward"),
        (
            "network: {hidden: [8, x]}",
            r"network\.hidden - saw \[8, 'x'\], wanted a list, each entry a whole number > 0",
        ),
        ("network: {hidden: 8}", r"network\.hidden - saw 8, wanted a list"),
        (
            "network: {backbone: [a]}",
            r"network\.backbone - saw \['a'\], wanted text - .*default, 'efficientnet_lite0'",
        ),
        ("network: {pretrained: maybe}", "wanted true or false"),
        ("network: 5", r"wanted a section: keys of its own - write for example network: \{backbone: "),
        ("split: {train: 0.9}", r"train \+ val \+ test must be 1"),
        ("split: {by: clas}", r"wanted ratio or class or group or column - did you mean class\?"),
        ("training: {epochs: 1.5}", r"saw 1\.5, wanted a whole number > 0"),
        ("training: {epochs: null}", r"saw null, wanted a whole number > 0"),
        (
            "training: {learning_rate: fast}",
            r"saw 'fast', wanted a number > 0 - change training\.learning_rate",
        ),
        (
            "training: {learning_rate: -1, epochs: 0}",
            r"training\.epochs - saw 0.*; look at training\.learning_rate too",
        ),
        ("calibration: {target: [1]}", "wanted text"),
        ("data: [1]", "wanted text, or null"),
        ("seed: " + "9" * 90, r"saw 9+\.\.\."),
        ("image_augmentation: 3", "wanted a section: keys of its own, or true or false"),
        (
            "image_augmentation: {zom: 0.1}",
            r"image_augmentation\.zom.*did you mean image_augmentation\.zoom\?",
        ),
        ("image_augmentation: {zoom: 2}", r"image_augmentation\.zoom - saw 2, wanted a number >= 0 and <= 1"),
        ("name: a/b", "does not fit.*wanted text of letters, digits, dashes"),
        ("- a\n- b", "not a mapping"),
        ("a: [", r"not YAML - .*run\.yaml, line 1, column 5 - saw expected the node content"),
        ("a: 1\nb:\n\tc: 2", r"line 3, column 1 - saw found a tab .*indented by spaces"),
        ("a: 1\n b: 2", r"line 2, column 3 - saw mapping values are not allowed here"),
        ("a: \x07", r"not YAML.*run\.yaml - saw special characters are not allowed"),
        ("seed: 1\nname: x\nseed: 2", r"line 3, column 1 - saw the key seed for the second time"),
        ("loss: {margin: 1, margin: 2}", "the key margin for the second time"),
        ("a: !!python/name:os.system", "could not determine a constructor"),
    ],
)
def test_errors_name_key_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text))


def test_messages_are_one_line(tmp_path: Path) -> None:
    for text in ("a: [", "loss: {margn: 1}", "a: 1\n b: 2"):
        with pytest.raises(ConfigError) as caught:
            load_config(write(tmp_path, text))
        assert "\n" not in str(caught.value)
        assert "docs/" not in str(caught.value)  # which an installed package does not have


def test_another_kind_of_file_is_explained(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(ConfigError, match=r"not UTF-8 text.*byte 0x89 at position 0"):
        load_config(tmp_path / "run.yaml")


def test_known_keys_are_listed_once() -> None:
    keys = list(known_keys())
    assert len(keys) == len(set(keys))
    assert {"seed", "loss", "loss.name", "loss.gamma", "loss.options", "loss.memory.size"} < set(keys)


def test_missing_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read.*none\.yaml.*No such file"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("margin", "not key=value"),
        ("seed.deep=1", "goes through a plain value"),
        ("name=[", r"not YAML.*saw '\[': expected the node content"),
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
    """The options that only some losses take stand in docs/losses.md."""
    text = (ROOT / "docs" / "config.md").read_text(encoding="utf-8").partition("## For users")[0]
    listed = dict(re.findall(r"^\| `([\w.]+)` \| (.*?) \|", text, re.MULTILINE))
    sections = {key.rsplit(".", 1)[0] for key in known_keys() if "." in key} - {"image_augmentation"}
    own = {f"loss.{key}" for kind in LOSSES.values() for key in kind.model_fields if key not in COMMON}
    assert set(known_keys()) - sections - own <= set(listed)
    assert set(listed) <= set(known_keys())
    written = {
        key: default.strip("`") for key, default in listed.items() if re.fullmatch(r"`[^`]*`", default)
    }
    for key, default in written.items():
        field = field_at(key.split("."), {"loss": OWNERS.get(key, {})})
        assert field is not None, key
        if key not in COMPUTED:
            value = to_jsonable_python(field.get_default(call_default_factory=True))
            assert yaml.safe_load(default) == value, key


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"attributes": {"names": ["odd", "odd"]}}, "an attribute is named twice"),
        ({"training": {"epochs": 3, "head_warmup_epochs": 3}}, "must be below epochs, which is 3"),
        ({"loss": {"name": "multi_similarity", "epsilon": -1}}, r"loss\.epsilon"),
    ],
)
def test_settings_that_could_not_work_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(values)


@pytest.mark.parametrize("options", ["margin: 0.3", "margin: 0.3, distance: cosine"])
def test_another_loss_over_options_of_the_first_says_how_to_replace_both(
    tmp_path: Path, options: str
) -> None:
    path = write(tmp_path, f"loss: {{name: triplet_semi_hard, {options}}}\n")
    message = (
        r"of the loss that --set loss\.name=nt_xent replaces - .*--set \"loss=\{name: nt_xent\}\"; .*margin"
    )
    with pytest.raises(ConfigError, match=message):
        load_config(path, overrides=["loss.name=nt_xent"])
    with pytest.raises(ConfigError) as plain:
        load_config(path, overrides=["loss.name=nt_xen"])
    assert "did you mean nt_xent?" in str(plain.value)
    assert "replaces" not in str(plain.value)
    assert load_config(path, overrides=["loss={name: nt_xent}"]).loss.name == "nt_xent"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {learning_rate: .inf}", r"saw \.inf, wanted a number > 0, neither infinite nor \.nan"),
        ("training: {weight_decay: -.inf}", r"saw -\.inf"),
        ("split: {train: .nan}", r"split\.train - saw \.nan, wanted a number >= 0 and <= 1 -"),
        ("training: {unfreeze: true}", r"training\.unfreeze - saw true, wanted all, or a whole number > 0"),
        ("seed: true", r"seed - saw true, wanted a whole number >= 0"),
        ("training: {learning_rate: false}", r"learning_rate - saw false, wanted a number > 0"),
        ("loss: {name: circle, memory: {size: true}}", r"loss\.memory\.size - saw true"),
        ("training: {devices: true}", r"training\.devices - saw true"),
    ],
)
def test_numbers_are_finite_and_true_is_none(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_config(write(tmp_path, text))


def test_true_and_false_stay_where_they_belong(tmp_path: Path) -> None:
    text = "network: {frozen: false}\nimage_augmentation: true\nloss: {name: a.b, options: {flag: true}}\n"
    config = load_config(write(tmp_path, text))
    assert (config.network.frozen, config.image_augmentation) == (False, True)
    assert config.loss.options == {"flag": True}  # type: ignore[union-attr]
