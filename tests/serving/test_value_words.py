"""What is said of values that do not fit: in plain words, by the names that their sender knows."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from lookalike.serving.value_words import Misfit, fields_at, misfit


class Kind(StrEnum):
    CAT = "cat"
    DOG = "dog"


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: int = Field(ge=1)
    weight: float = Field(1.0, gt=-2, lt=2, allow_inf_nan=False)


class Asked(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    k: int = Field(le=9)
    name: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    copies: bool = False
    way: Annotated[Kind, Field(strict=False)] | Literal[""] = ""
    entries: list[Inner] = Field([], min_length=0, max_length=2)
    first: Inner | None = None

    @field_validator("name")
    @classmethod
    def _is_no_x(cls, name: str | None) -> str | None:
        if name == "x":
            raise ValueError("give another name")
        return name


def told(values: object) -> Misfit:
    with pytest.raises(ValidationError) as error:
        Asked.model_validate(values)
    found = [{**each, "loc": ("body", *each["loc"])} for each in error.value.errors()]
    return misfit(found, body=Asked.model_json_schema())


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"k": "x"}, 'k in the body: saw "x"; wanted a whole number'),
        ({"k": 1.5}, "k in the body: saw 1.5; wanted a whole number"),
        ({"k": None}, "k in the body: saw null; wanted a whole number"),
        ({"k": 10}, "k in the body: saw 10; wanted at most 9"),
        ({}, "k in the body: it is missing"),
        ({"k": 1, "name": 5}, "name in the body: saw 5; wanted a text"),
        ({"k": 1, "name": ""}, 'name in the body: saw ""; wanted at least 1 letters'),
        ({"k": 1, "name": "long"}, 'name in the body: saw "long"; wanted at most 3 letters'),
        ({"k": 1, "name": "x"}, "name in the body: give another name"),
        ({"k": 1, "copies": "yes"}, 'copies in the body: saw "yes"; wanted true or false'),
        ({"k": 1, "way": "é"}, "way in the body: saw \"é\"; wanted 'cat' or 'dog' or ''"),
        ({"k": 1, "entries": 3}, "entries in the body: saw 3; wanted a list"),
        ({"k": 1, "entries": [3]}, "entries[0] in the body: saw 3; wanted an object"),
        ({"k": 1, "entries": [{"id": 0}]}, "entries[0].id in the body: saw 0; wanted at least 1"),
        (
            {"k": 1, "entries": [{"id": 1}, {"id": 1, "weight": -2}]},
            "entries[1].weight in the body: saw -2; wanted more than -2",
        ),
        (
            {"k": 1, "first": {"id": 1, "weight": 2.5}},
            "first.weight in the body: saw 2.5; wanted less than 2",
        ),
        (
            {"k": 1, "first": {"id": 1, "weight": math.inf}},
            "first.weight in the body: saw Infinity; wanted a finite number",
        ),
        ({"k": 1, "first": {"id": 1, "weight": "2"}}, 'first.weight in the body: saw "2"; wanted a number'),
        ({"k": "x", "copies": 3}, 'k in the body: saw "x"; wanted a whole number (1 more like it)'),
        ([], "the body: saw []; wanted an object"),
    ],
    ids=str,
)
def test_each_kind_of_value_has_plain_words(values: object, message: str) -> None:
    assert told(values).message == message
    assert told(values).hint.endswith("; GET /openapi.json says what is understood.")


def test_too_many_entries_are_counted() -> None:
    message = told({"k": 1, "entries": [{"id": 1}] * 3}).message
    assert message == f"entries in the body: saw {json.dumps([{'id': 1}] * 3)}; wanted at most 2 entries"


@pytest.mark.parametrize(
    ("values", "place", "hint"),
    [
        ({"kk": 1}, "kk", "Did you mean k? Known are: k, name, copies, way, entries, first."),
        (
            {"k": 1, "entries": [{"id": 1, "wieght": 1}]},
            "entries[0].wieght",
            "Did you mean weight? Known are",
        ),
        ({"k": 1, "first": {"id": 1, "zzz": 1}}, "first.zzz", "Leave it out. Known are: id, weight."),
    ],
    ids=["key", "in a list", "in an object"],
)
def test_an_unknown_name_comes_before_all_else(values: object, place: str, hint: str) -> None:
    found = told(values)
    assert found.message.startswith(f"{place} in the body: there is no such field")
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    ("kind", "sent", "wanted"),
    [
        (int, "x", "a whole number"),
        (int, "9" * 5000, "a smaller whole number"),
        (float, "x", "a number"),
        (bool, "perhaps", "true or false"),
        (dict[str, int], 3, "an object"),
    ],
    ids=["int", "long int", "float", "bool", "dict"],
)
def test_texts_of_an_address_are_read(kind: Any, sent: object, wanted: str) -> None:
    with pytest.raises(ValidationError) as error:
        TypeAdapter(kind).validate_python(sent)
    for source, named in {"query": "the query string", "path": "the path"}.items():
        found = misfit([{**each, "loc": (source, "id")} for each in error.value.errors()])
        assert found.message.startswith(f"id in {named}: saw ")
        assert found.message.endswith(f"; wanted {wanted}")


def error(**values: object) -> Mapping[str, Any]:
    return {"type": "of_tomorrow", "loc": ("body",), "msg": "Input should be new", "input": 1} | values


def test_what_is_not_known_has_the_words_of_the_check() -> None:
    assert misfit([error()]).message == "the body: saw 1; wanted Input should be new"
    assert misfit([error(loc=())]).message.startswith("the request: saw 1")
    assert misfit([error(loc=("header", "a"))]).message.startswith("a in header: saw 1")
    no_name = misfit([error(type="extra_forbidden", loc=("query", "a"))], body=Asked.model_json_schema())
    assert no_name.hint == "Leave it out; GET /openapi.json says what is understood."


def test_half_a_letter_can_be_told() -> None:
    for half in (error(input="\ud800"), error(loc=("body", "\ud800"))):
        assert "\\ud800" in misfit([half]).message.encode("utf-8").decode("utf-8")


def test_a_long_value_is_cut() -> None:
    assert len(misfit([error(input="a" * 999)]).message) < 150


def test_the_fields_of_no_object_are_none() -> None:
    schema = Asked.model_json_schema()
    assert fields_at(schema, ["entries", 0]) == ["id", "weight"]
    assert fields_at(schema, ["k"]) == fields_at(schema, ["no", 1]) == fields_at({}, ["k"]) == []
