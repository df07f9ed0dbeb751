"""The keys of a run file: which there are, which one was meant, and what each takes, in plain words.

All of it is read off the sections in config.py, so that a message cannot say something else than is true.
"""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from lookalike.config import RunConfig

_NEAR = 0.75  # a key of another section must be this like, to be the one that was meant
SECTION = "a section: keys of its own"
_PATTERNS = {
    r"^[\w-][\w.-]*$": "letters, digits, dashes, underscores and, not first, dots",
    r"^\w+(\.\w+)+$": "names joined by dots",
}
_WORDS: dict[object, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    type(None): "null",
}
_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def known_keys(section: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[str]:
    """Every dotted key that a run file may use, once."""
    seen: set[str] = set()
    for name, field in section.model_fields.items():
        inner = (
            key for kind in sections_in(field.annotation) for key in known_keys(kind, f"{prefix}{name}.")
        )
        for key in (prefix + name, *inner):
            if key not in seen:
                seen.add(key)
                yield key


def sections_in(annotation: object) -> list[type[BaseModel]]:
    """The sections that a key may hold; several where one of its own keys tells them apart."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [kind for part in get_args(annotation) for kind in sections_in(part)]


def section_at(keys: Sequence[str], values: object) -> type[BaseModel] | None:
    """The section that the keys lead to, given what stands there; None where they lead elsewhere."""
    section: type[BaseModel] | None = RunConfig
    for key in keys:
        if section is None or key not in section.model_fields:
            return None
        values = values.get(key) if isinstance(values, Mapping) else None
        section = _chosen(sections_in(section.model_fields[key].annotation), values)
    return section


def field_at(keys: Sequence[str], values: object) -> FieldInfo | None:
    """What the section says of the last key; None where there is no such key."""
    if not keys:
        return None
    section = section_at(keys[:-1], values)
    return section.model_fields.get(keys[-1]) if section else None


def what_was_meant(keys: Sequence[str], values: object) -> str:
    """Advice on an unknown key: the one that was meant, whose it is, or which there are."""
    *parents, last = keys
    section, place = section_at(parents, values), ".".join(parents)
    own = list(section.model_fields) if section else []
    if owners := _owners(parents, last):
        name = section.model_fields["name"].default if section else place
        return f"{last} belongs to {', '.join(owners)}; {name} takes {', '.join(own)}"
    near = difflib.get_close_matches(last, own, n=1)
    elsewhere = [key for key in known_keys() if key.endswith(f".{last}")]
    if elsewhere and (not near or len(elsewhere) == 1):
        return f"did you mean {' or '.join(elsewhere)}?"
    if near:
        return f"did you mean {'.'.join([*parents, near[0]])}?"
    by_last = {name.rsplit(".", 1)[-1]: name for name in reversed(list(known_keys()))}
    if near := difflib.get_close_matches(last, by_last, n=1, cutoff=_NEAR):
        return f"did you mean {by_last[near[0]]}?"
    return f"{place or 'a run file'} takes {', '.join(own)}" if own else f"{place} has no keys of its own"


def described(field: FieldInfo) -> str:
    """What a key takes, for example "a whole number > 0, or null"."""
    return _describe(field.annotation, field.metadata)


def choices(annotation: object) -> list[str]:
    """The words that a key takes, its sections' names among them."""
    if get_origin(annotation) is Literal:
        return [str(value) for value in get_args(annotation)]
    return [word for part in get_args(annotation) for word in choices(part)]


def _chosen(kinds: list[type[BaseModel]], values: object) -> type[BaseModel] | None:
    if len(kinds) < 2:
        return kinds[0] if kinds else None
    name = values.get("name") if isinstance(values, Mapping) else None
    named = [kind for kind in kinds if kind.model_fields["name"].default == name]
    if named or name is None:
        return (named or kinds)[0]
    return kinds[-1] if "." in str(name) else None  # the last takes any dotted path


def _owners(parents: Sequence[str], last: str) -> list[str]:
    """Names of the sections that may stand in a place and do have the key."""
    field = field_at(parents, {})
    kinds = sections_in(field.annotation) if field else []
    owners = [kind.model_fields["name"].default for kind in kinds if last in kind.model_fields]
    return [name for name in owners if isinstance(name, str)] if len(kinds) > 1 else []


def _describe(annotation: object, metadata: Sequence[object]) -> str:
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _describe(
            parts[0], [fact for extra in parts[1:] for fact in getattr(extra, "metadata", [extra])]
        )
    if get_origin(annotation) in (Union, types.UnionType):
        return ", or ".join(dict.fromkeys(_describe(part, metadata) for part in parts))
    if get_origin(annotation) is Literal:
        return " or ".join(str(part) for part in parts)
    if get_origin(annotation) is tuple:
        count = "" if ... in parts else f" of {len(parts)}"
        return f"a list{count}{_bounds(metadata)}, each entry {_describe(parts[0], [])}"
    if sections_in(annotation) or get_origin(annotation) is dict:
        return SECTION
    return _WORDS.get(annotation, str(annotation)) + _bounds(metadata)


def _bounds(metadata: Sequence[object]) -> str:
    """Such as " > 0 and <= 1"; what a text looks like; how many a list has."""
    found = [
        (sign, getattr(fact, name))
        for fact in metadata
        for name, sign in _SIGNS.items()
        if hasattr(fact, name)
    ]
    text = " and ".join(f"{sign} {value:g}" for sign, value in found)
    for fact in metadata:
        if pattern := getattr(fact, "pattern", None):
            text = f"of {_PATTERNS.get(pattern, f'the form {pattern}')}"
        if least := getattr(fact, "min_length", None):
            text = f"of {least} or more"
    return f" {text}" if text else ""
