"""What is wrong with a run file, in plain words: a validation error enters, a ConfigError leaves."""

from __future__ import annotations

import difflib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from lookalike.errors import ConfigError
from lookalike.keys import SECTION, choices, described, field_at, sections_in, what_was_meant
from lookalike.section import FINITE

_UNKNOWN = ("extra_forbidden", "invalid_key")
_TAG = ("union_tag_invalid", "union_tag_not_found")
_LONGEST_SHOWN = 80


def explain(
    error: ValidationError, values: Mapping[str, Any], *, where: object, within: Sequence[str] = ()
) -> ConfigError:
    """Say which keys are unknown, all of them; or else which value does not fit, and what it should be.

    Args:
        values: a run file's.
        where: the file that they came from.
        within: the keys of the section that was validated; none: all of the values were.
    """
    found = error.errors(include_url=False)
    keys = [_key((*within, *details["loc"]), values) for details in found]
    unknown = [key for key, details in zip(keys, found, strict=True) if details["type"] in _UNKNOWN]
    if unknown:
        return _unknown_keys(list(dict.fromkeys(unknown)), values, where)
    first = found[0]
    key = (*keys[0], "name") if first["type"] in _TAG else keys[0]
    others = [".".join(other) for other in dict.fromkeys(keys) if other != keys[0][: len(other)]]
    if first["type"] == "value_error":
        return _refused(key, str(first["ctx"]["error"]), values, where, others)
    return _misfit(key, values, where, others, finite=first["type"] == FINITE)


def _key(place: Sequence[int | str], values: object) -> tuple[str, ...]:
    """The keys of a place in an error, without list positions and the tags of alternatives."""
    keys: list[str] = []
    for part in place:
        if isinstance(values, Mapping) and part in values:
            keys.append(str(part))
            values = values[part]
        elif isinstance(values, Sequence) and isinstance(part, int):
            values = values[part] if part < len(values) else None
    return tuple(keys)


def _unknown_keys(
    unknown: Sequence[tuple[str, ...]], values: Mapping[str, Any], where: object
) -> ConfigError:
    names = [".".join(key) for key in unknown]
    advice = [what_was_meant(key, values) for key in unknown]
    many = len(unknown) > 1
    return ConfigError(
        "unknown keys" if many else "unknown key",
        where=f"{where}: {', '.join(names)}",
        saw=", ".join(f"{key[-1]}: {_shown(_at(key, values))}" for key in unknown),
        do="; ".join(f"{name}: {text}" for name, text in zip(names, advice, strict=True))
        if many
        else advice[0],
    )


def _refused(
    key: tuple[str, ...], message: str, values: Mapping[str, Any], where: object, others: Sequence[str]
) -> ConfigError:
    """What a section's own check says: what it wants, then, after a semicolon, what to do."""
    wanted, _, remedy = message.partition("; ")
    return ConfigError(
        "a value does not fit",
        where=f"{where}: {'.'.join(key) or 'run file'}",
        saw=_shown(_at(key, values)) if key else ", ".join(map(str, values)),
        wanted=wanted,
        do=_and_others(remedy or f"change {'.'.join(key) or 'these keys'}", others),
    )


def _misfit(
    key: tuple[str, ...],
    values: Mapping[str, Any],
    where: object,
    others: Sequence[str],
    *,
    finite: bool = False,
) -> ConfigError:
    field, value, name = field_at(key, values), _at(key, values), ".".join(key) or "run file"
    if field is None and key[-1:] == ("name",):
        parent = field_at(key[:-1], values)
        return _no_such_name(name, value, sections_in(parent.annotation if parent else None), where)
    wanted = described(field) if field else SECTION
    if finite and "<" not in wanted:
        wanted += ", neither infinite nor .nan"
    return ConfigError(
        "a value does not fit",
        where=f"{where}: {name}",
        saw=_shown(value),
        wanted=wanted,
        do=_and_others(_remedy(name, value, field), others),
    )


def _no_such_name(name: str, value: object, kinds: Sequence[type[BaseModel]], where: object) -> ConfigError:
    names = [kind.model_fields["name"].default for kind in kinds]
    names = [known for known in names if known is not PydanticUndefined]
    near = difflib.get_close_matches(str(value), names, n=1, cutoff=0.5)
    return ConfigError(
        "a value does not fit",
        where=f"{where}: {name}",
        saw=_shown(value),
        wanted=f"{', '.join(names)}, or a dotted path such as package.module.Name",
        do=f"did you mean {near[0]}?" if near else "choose one of these",
    )


def _remedy(name: str, value: object, field: Any) -> str:
    if field is None:
        return "write keys and values"
    near = difflib.get_close_matches(str(value), choices(field.annotation), n=1)
    if near:
        return f"did you mean {near[0]}?"
    default = field.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        first = next(iter(type(default).model_fields))
        return f"write for example {name}: {{{first}: {_shown(getattr(default, first))}}}"
    if default is PydanticUndefined:
        return f"change {name}"
    return f"change {name}, or leave it out for its default, {_shown(default)}"


def _and_others(remedy: str, others: Sequence[str]) -> str:
    return f"{remedy}; look at {', '.join(others)} too" if others else remedy


def _at(key: Sequence[str], values: object) -> object:
    for part in key:
        named = {str(key): value for key, value in values.items()} if isinstance(values, Mapping) else {}
        values = named.get(part)
    return values


def _shown(value: object) -> str:
    """A value as a run file has it, on one line and not too long."""
    if isinstance(value, str):
        text = repr(value)
    elif isinstance(value, tuple | list):
        text = f"[{', '.join(_shown(entry) for entry in value)}]"
    elif isinstance(value, Mapping):
        text = f"{{{', '.join(f'{key}: {_shown(entry)}' for key, entry in value.items())}}}"
    elif isinstance(value, float) and not math.isfinite(value):
        text = ".nan" if math.isnan(value) else ".inf" if value > 0 else "-.inf"
    else:
        text = json.dumps(value, default=str)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 3]}..."
