"""The attribute branch of an exported model: what is stated in, unit vectors out, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import LookalikeError, ModelError
from lookalike.models.attributes import BRANCH, AttributeBranch, find_name, in_words, parse_attributes
from lookalike.models.model import FACTS, Model, write_facts
from tiny_attributes import NAMES, branch_weights, with_branch

CELEBA = (
    "Smiling",
    "Male",
    "Wearing_Hat",
    "Wearing_Necktie",
    "no_beard",
    "No_Beard",
    "kw:heart",
    "sub:heart",
)


@pytest.fixture
def branch(tiny: Model) -> AttributeBranch:
    return AttributeBranch(with_branch(tiny))


def fails(text: str, *beats: str, names: tuple[str, ...] = CELEBA) -> None:
    with pytest.raises(LookalikeError) as error:
        parse_attributes(text, names)
    for beat in beats:
        assert beat in str(error.value)


def test_a_query_is_one_unit_vector_of_what_is_stated(branch: AttributeBranch) -> None:
    weights = branch_weights()
    found = branch.encode({"red": True, "blue": False})
    assert found.shape == (1, 48)
    assert found.dtype == np.float32
    wanted = weights[0] + weights[3 + 2]
    assert found[0] == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)


def test_left_open_is_not_absent(branch: AttributeBranch) -> None:
    open_, absent = branch.encode({"red": True}), branch.encode({"red": True, "green": False, "blue": False})
    assert float(open_[0] @ absent[0]) < 0.9
    assert branch.values({"red": True}).tolist() == [[1, 0, 0]]


def test_several_queries_are_embedded_as_one_by_one(branch: AttributeBranch) -> None:
    values = np.array([[1, 0, -1], [0, 1, 0], [-1, -1, -1]], np.int8)
    together = branch.embed(values)
    assert np.linalg.norm(together, axis=1) == pytest.approx(1.0, abs=1e-6)
    for row, alone in zip(values, together, strict=True):
        assert branch.embed(row[None])[0] == pytest.approx(alone, abs=1e-6)


@pytest.mark.parametrize("values", [[[1, 0]], [1, 0, 0], [[2, 0, 0]], [[0, 0, 0]]])
def test_numbers_that_are_no_values_are_refused(branch: AttributeBranch, values: list[object]) -> None:
    with pytest.raises(ValueError, match=r"values must be|states nothing"):
        branch.embed(np.array(values, np.int8))


def test_stating_nothing_or_the_unknown_is_refused(branch: AttributeBranch) -> None:
    with pytest.raises(LookalikeError, match="no attribute is stated - attributes - saw nothing - state one"):
        branch.encode({})
    with pytest.raises(LookalikeError, match=r"unknown attribute .* did you mean green?"):
        branch.encode({"gren": True})


def test_text_is_read_loosely_and_written_back(branch: AttributeBranch) -> None:
    stated = parse_attributes(" smiling=1, MALE = no ,wearing hat=TRUE,", CELEBA)
    assert stated == {"Smiling": True, "Male": False, "Wearing_Hat": True}
    assert parse_attributes(in_words(stated), CELEBA) == stated
    assert branch.parse("red=0") == {"red": False}


def test_a_name_may_hold_an_equals_sign() -> None:
    assert parse_attributes("a=b=1", ("a=b",)) == {"a=b": True}


def test_a_name_as_written_wins_over_one_that_is_alike() -> None:
    assert find_name("no_beard", CELEBA) == "no_beard"
    with pytest.raises(LookalikeError, match=r"several attributes are meant .* no_beard or No_Beard"):
        find_name("NO BEARD", CELEBA)


def test_what_is_wrong_with_a_text_is_said() -> None:
    fails(
        "Smiling",
        "not name=1 or name=0",
        "saw 'Smiling'",
        "write Smiling=1 for present, Smiling=0 for absent",
    )
    fails("Smiling=2", "not name=1 or name=0", "write Smiling=1")
    fails("Smilling=1", "unknown attribute", "saw 'Smilling'", "one of the 8", "did you mean Smiling?")
    fails("heart=1", "unknown attribute", "did you mean kw:heart or sub:heart?")
    fails("zzzzz=1", "unknown attribute", "the first of them: Smiling, Male")
    fails("=1", "unknown attribute")
    fails("Male=1,male=0", "stated twice", "Male", "state it once")
    fails(" , ", "no attribute is stated", "state one, for example Smiling=1")


def test_a_model_without_attributes_says_so(tiny: Model) -> None:
    with pytest.raises(ModelError, match=r"knows no attributes .* section attributes: .*emoji_attributes"):
        AttributeBranch(tiny)


@pytest.mark.parametrize(
    "facts",
    [
        [],
        {},
        {"names": ["a"]},
        {"names": [], "sha256": "0"},
        {"names": ["a", "a"], "sha256": "0"},
        {"names": [1], "sha256": "0"},
        {"names": "a", "sha256": "0"},
    ],
)
def test_damaged_facts_are_refused(tiny: Model, facts: object) -> None:
    broken = Model(tiny.folder, {**tiny.facts, "attributes": facts})
    with pytest.raises(ModelError, match="does not say which attributes the model knows"):
        AttributeBranch(broken)


def test_a_branch_that_was_changed_or_lost_is_refused(tiny: Model) -> None:
    model = with_branch(tiny)
    path = model.folder / BRANCH
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ModelError, match="attribute branch was changed or damaged"):
        AttributeBranch(model)
    path.unlink()
    with pytest.raises(ModelError, match=r"attribute branch cannot be read .* No such file"):
        AttributeBranch(model)


def test_model_json_says_what_the_numbers_mean(tiny: Model) -> None:
    facts = json.loads((with_branch(tiny).folder / FACTS).read_text(encoding="utf-8"))["attributes"]
    assert facts["names"] == list(NAMES)
    assert facts["encoding"] == {"present": 1, "absent": -1, "not stated": 0}
    assert facts["parity"] > 0.9999


def test_running_the_branch_needs_no_torch(tiny: Model, tmp_path: Path) -> None:
    import subprocess
    import sys

    folder = with_branch(tiny).folder
    code = (
        "import sys; from lookalike.models.model import Model;"
        "from lookalike.models.attributes import AttributeBranch;"
        f"branch = AttributeBranch(Model.load({str(folder)!r}));"
        "print(branch.encode({'red': True}).shape, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout.split("\n")[0] == "(1, 48) False"


def test_an_attribute_that_was_left_out_is_told_from_a_typo(tiny: Model) -> None:
    model = with_branch(tiny)
    facts = dict(model.facts)
    write_facts(model.folder, {**facts, "attributes": {**facts["attributes"], "left_out": ["always_there"]}})
    branch = AttributeBranch(Model.load(model.folder))
    assert branch.left_out == ("always_there",)
    for state in (lambda: branch.parse("Always there=1"), lambda: branch.encode({"always_there": True})):
        with pytest.raises(
            LookalikeError, match=r"could not learn.*the same in all training pictures.*train with"
        ):
            state()
    with pytest.raises(LookalikeError, match=r"unknown attribute - attributes - saw 'always_their'"):
        branch.parse("always_their=1")
    assert AttributeBranch(with_branch(tiny)).left_out == ()
