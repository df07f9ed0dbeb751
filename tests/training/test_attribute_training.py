"""From one split's features to what is exported: which attributes are learned, both ways, and the files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

from attribute_sides import NAMES, config, side
from listening import Listener
from lookalike.config import AttributeConfig
from lookalike.errors import ConfigError, ModelError, TableError
from lookalike.models.attributes import BASELINE, BRANCH
from lookalike.models.model import open_session
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_data import AttributeSide, learnable, left_out_in_words
from lookalike.training.attribute_export import check_branch
from lookalike.training.attribute_solve import indicators
from lookalike.training.attributes import train_attributes
from lookalike.training.side import Trained


def trained(folder: Path, watcher: Listener, **options: Any) -> Trained:
    first, second = side(150, seed=1), side(60, seed=2)
    return train_attributes(
        config(**options), first, second, plain=first.features, folder=folder, resume=False, watcher=watcher
    )


@pytest.mark.parametrize(
    "options", [{"head": "closed_form"}, {"start": "random"}, {"attributes": {"hidden": [9]}}]
)
def test_what_is_exported_computes_what_was_trained(tmp_path: Path, options: dict[str, Any]) -> None:
    watcher = Listener()
    made = trained(tmp_path, watcher, training={"epochs": 2}, **options)
    branch = made.attributes
    assert branch is not None
    facts = branch.write(tmp_path)
    assert facts["names"] == list(NAMES)
    assert facts["parity"] > 0.9999
    assert set(facts["val_map"]) == {"full", "one", "several"}
    session = open_session(tmp_path / BRANCH)
    values = np.array([[1, 0, 0, -1], [1, 1, -1, -1]], np.float32)
    (found,) = session.run(["embedding"], {"attributes": values})
    assert found == pytest.approx(branch.graph.apply(indicators(values.astype(np.int8))), abs=1e-5)
    assert found.shape[1] == made.head.dim
    assert {name.split(".")[0] for name in made.weights} == {"head", "attributes"}
    closed = options.get("head") == "closed_form"
    assert (found.shape[1], len(facts["closed_form"]), bool(made.history)) == (
        (4, 8, False) if closed else (16, 0, True)
    )
    assert any("Closed form: 4 attributes in 4 dimensions" in said for said in watcher.said) == closed


def test_the_baseline_is_made_of_the_pictures_that_state_something(tmp_path: Path) -> None:
    blank = {name: [None] * 30 + side(150, seed=1).table.frame[name][30:].to_list() for name in NAMES}
    first, second = side(150, seed=1, **blank), side(60, seed=2)
    made = train_attributes(
        config(head="closed_form"), first, second,
        plain=first.features, folder=tmp_path, resume=False, watcher=Listener(),
    )  # fmt: skip
    assert made.attributes is not None
    made.attributes.write(tmp_path)
    assert load_file(tmp_path / BASELINE)["mean"] == pytest.approx(first.features[30:].mean(axis=0), abs=1e-6)


def test_a_branch_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    made = trained(tmp_path, Listener(), head="closed_form")
    assert made.attributes is not None
    wrong = replace(made.attributes, expected=-made.attributes.expected)
    with pytest.raises(ModelError, match="does not compute what was trained"):
        wrong.write(tmp_path)
    probes, expected = made.attributes.probes, made.attributes.expected
    assert check_branch(tmp_path / BRANCH, probes, expected) > 0.9999
    onnx.checker.check_model(onnx.load(str(tmp_path / BRANCH)), full_check=True)


def test_attributes_that_nobody_could_learn_are_left_out_and_named() -> None:
    table = side(40, seed=1, always=[1] * 40, never=[0] * 40, word=["a"] * 40).table
    names, left_out = learnable(table, AttributeConfig())
    assert names == NAMES
    assert left_out == ("always", "never")
    [said] = left_out_in_words(left_out)
    assert said == "attributes left out, being the same in all training pictures: 2: always, never"
    assert left_out_in_words(()) == ()
    assert learnable(table, AttributeConfig(names=("hat", "male"))) == (("hat", "male"), ())


def test_what_cannot_be_learned_is_refused() -> None:
    table = side(40, seed=1, always=[1] * 40).table
    with pytest.raises(TableError, match=r"cannot be learned - attributes.names - saw 'always'"):
        learnable(table, AttributeConfig(names=("hat", "always")))
    with pytest.raises(TableError, match=r"no such attribute .* 'hat'"):
        learnable(table, AttributeConfig(names=("hatt",)))
    bare = ImageTable(table.root, table.frame.select("image", "label"))
    with pytest.raises(TableError, match=r"no attributes to learn .* saw 0 columns .* docs/attributes.md"):
        learnable(bare, AttributeConfig())
    alike = side(3, seed=1, **{name: [1] * 3 for name in NAMES})
    with pytest.raises(TableError, match="3 pictures with a stated attribute, all alike"):
        AttributeSide.of(alike, NAMES)


def test_pictures_that_state_nothing_are_left_out() -> None:
    blank = {name: [None, None, *side(40, seed=1).table.frame[name][2:].to_list()] for name in NAMES}
    kept = AttributeSide.of(side(40, seed=1, **blank), NAMES)
    assert len(kept.values) == len(kept.side.features) == len(kept.side.hashes) == len(kept.side.table) == 38
    assert kept.side.table.frame["image"][0] == "1-2.png"


@pytest.mark.parametrize(
    ("values", "beat"),
    [
        ({"loss": {"margin": 0.7}}, "loss belongs to training by labels"),
        ({"batches": {"images": 9}}, "batches belongs to training by labels"),
        ({"training": {"ema": 0.9}}, "training.ema belongs to training by labels"),
        ({"attributes": {"hidden": [300]}}, "head: linear, head_start: random"),
        ({"attributes": {"hard_shar": 0.1}}, "did you mean attributes.hard_share?"),
        ({"attributes": {"hard_share": 1.1}}, "attributes.hard_share"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(values: dict[str, Any], beat: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_config({"attributes": {}, **values})
    assert beat in str(error.value)


def test_the_branch_is_the_document_own_where_it_begins_at_random() -> None:
    def hidden(**values: Any) -> tuple[int, ...]:
        return parse_config({"attributes": {}, **values}).attribute_hidden

    assert hidden() == ()
    assert hidden(network={"head": "linear"}) == ()
    assert hidden(network={"head": "linear", "head_start": "random"}) == (300, 300)
    assert hidden(network={"head": "linear"}, attributes={"hidden": [7]}) == (7,)
