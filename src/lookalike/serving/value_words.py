"""What is wrong with a value that was sent, in plain words: what a check of values found enters, texts leave.

A place is named as its sender wrote it, with where it stands: in the body, the query string or the path. What
the fields of a body may be called is read from its description. What is not told here has pydantic's words.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Details = Mapping[str, Any]  # one of pydantic's `ValidationError.errors()`
Schema = Mapping[str, Any]

_SOURCES = {"body": "the body", "query": "the query string", "path": "the path"}
_WHOLE, _NUMBER, _TRUTH = "a whole number", "a number", "true or false"
_WANTED = {
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "int_parsing_size": "a smaller whole number",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "a finite number",
    "bool_type": _TRUTH,
    "bool_parsing": _TRUTH,
    "string_type": "a text",
    "string_unicode": "a text that is UTF-8",
    "list_type": "a list",
    "model_type": "an object",
    "dict_type": "an object",
    "model_attributes_type": "an object",
    "none_required": "null",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than": "less than {lt}",
    "less_than_equal": "at most {le}",
    "string_too_short": "at least {min_length} letters",
    "string_too_long": "at most {max_length} letters",
    "too_short": "at least {min_length} entries",
    "too_long": "at most {max_length} entries",
    "enum": "{expected}",
    "literal_error": "{expected}",
}
_LONGEST_SHOWN = 80
_ALL = "GET /openapi.json says what is understood"


@dataclass(frozen=True, slots=True)
class Misfit:
    """What does not fit, and what to do about it."""

    message: str
    hint: str


def misfit(errors: Sequence[Details], *, body: Schema | None = None) -> Misfit:
    """The first of some errors in words, a name that is not known before others; and how many more there are.

    Args:
        errors: their places begin with body, query or path.
        body: the JSON schema of the body, where there is one.
    """
    first = next((error for error in errors if error["type"] == "extra_forbidden"), errors[0])
    place = _steps(first)
    alike = [error for error in errors if _steps(error) == place]  # of a union each part has its say
    others = len({_steps(error) for error in errors}) - 1
    more = f" ({others} more like it)" if others else ""
    named = _named(place)
    if first["type"] == "extra_forbidden":
        known = fields_at(body, place[1:-1]) if body and place[0] == "body" else []
        hint = unknown(str(place[-1]), known) if known else f"Leave it out; {_ALL}."
        return Misfit(_plain(f"{named}: there is no such field{more}"), hint)
    if first["type"] == "missing":
        return Misfit(_plain(f"{named}: it is missing{more}"), f"Send it; {_ALL}.")
    hint = f"Change it; {_ALL}."
    if first["type"] == "value_error":
        return Misfit(_plain(f"{named}: {first['msg'].removeprefix('Value error, ')}{more}"), hint)
    saw = _shown(first.get("input"))
    wanted = " or ".join(dict.fromkeys(map(_wanted, alike)))
    return Misfit(_plain(f"{named}: saw {saw}; wanted {wanted}{more}"), hint)


def unknown(name: str, known: Sequence[str]) -> str:
    """What to do about a name that is not known, where others are.

    >>> unknown("kk", ["k", "skip"]), unknown("x", [])
    ('Did you mean k? Known are: k, skip.', 'Leave it out: there are none.')
    """
    if not known:
        return "Leave it out: there are none."
    near = difflib.get_close_matches(name, known, n=1)
    advice = f"Did you mean {near[0]}?" if near else "Leave it out."
    return f"{advice} Known are: {', '.join(known)}."


def fields_at(schema: Schema, place: Sequence[str | int]) -> list[str]:
    """The names of the fields of an object in a body.

    Args:
        place: keys and positions that lead to it.
    """
    shared = schema.get("$defs", {})
    found = _objects(schema, shared)
    for step in place:
        inner = [
            each.get("items", {}) if isinstance(step, int) else each.get("properties", {}).get(step, {})
            for each in found
        ]
        found = [each for part in inner for each in _objects(part, shared)]
    return list(dict.fromkeys(name for each in found for name in each.get("properties", {})))


def _objects(schema: Schema, shared: Mapping[str, Schema]) -> list[Schema]:
    """A schema, or those that it names in place of itself."""
    if "$ref" in schema:
        return _objects(shared.get(schema["$ref"].rpartition("/")[2], {}), shared)
    if "anyOf" in schema:
        return [each for part in schema["anyOf"] for each in _objects(part, shared)]
    return [schema]


def _steps(error: Details) -> tuple[str | int, ...]:
    """A place without the names that pydantic gives to parts of a union."""
    return tuple(part for part in error["loc"] if isinstance(part, int) or not {"[", "("} & {*part})


def _named(place: Sequence[str | int]) -> str:
    """A place as its sender calls it.

    >>> _named(["body", "query", 0, "id"]), _named(["path", "id"]), _named(["body"])
    ('query[0].id in the body', 'id in the path', 'the body')
    """
    source = _SOURCES.get(str(place[0]), str(place[0])) if place else "the request"
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place[1:])
    return f"{steps.removeprefix('.')} in {source}" if steps else source


def _wanted(error: Details) -> str:
    words = _WANTED.get(error["type"])
    if words is None:
        return str(error["msg"])
    return words.format(**{key: _figure(value) for key, value in error.get("ctx", {}).items()}) or "nothing"


def _figure(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."


def _plain(text: str) -> str:
    """A text that can be sent: half of a letter, which JSON can say, is told by its number."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
