"""Read a YAML run file, with overrides. An unknown key is an error that names the nearest key."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError

from lookalike.config import RunConfig
from lookalike.errors import ConfigError


def load_config(path: Path, *, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file and apply `key=value` overrides.

    Args:
        path: a YAML file.
        overrides: "loss.margin=0.2": a dotted key and a YAML value; the last one of a key wins.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or names an unknown key or a bad value.
    """
    return parse_config(apply_overrides(_read_yaml(path), overrides), where=path)


def parse_config(values: Mapping[str, Any], *, where: object = "config") -> RunConfig:
    """Validate a nested mapping as a run config.

    Raises:
        ConfigError: an unknown key (with the nearest known one) or a value out of range.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise _explain(error, where=where) from error


def dump_config(config: RunConfig) -> str:
    """The whole config, defaults included, as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def known_keys(section: type[BaseModel] = RunConfig, prefix: str = "") -> Iterator[str]:
    """Every dotted key that a run file may use."""
    for name, field in section.model_fields.items():
        yield prefix + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from known_keys(kind, f"{prefix}{name}.")


def apply_overrides(values: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return the mapping with `a.b=value` entries set; values are read as YAML.

    Raises:
        ConfigError: an entry has no `=`, or goes through something that is not a section.
    """
    result = dict(values)
    for entry in overrides:
        key, equals, value = entry.partition("=")
        if not equals:
            raise ConfigError(
                "an override is not key=value",
                where=f"--set {entry}",
                saw=repr(entry),
                do="write for example --set loss.margin=0.2",
            )
        _set_dotted(result, key.strip().split("."), _yaml_value(entry, value), entry)
    return result


def _set_dotted(values: dict[str, Any], keys: Sequence[str], value: object, entry: str) -> None:
    *parents, last = keys
    for key in parents:
        inner = values.get(key) or {}
        if not isinstance(inner, Mapping):
            raise ConfigError(
                "an override goes through a plain value",
                where=f"--set {entry}",
                saw=f"{key} = {inner!r}",
                wanted="a section",
                do="name the section's own key",
            )
        values[key] = inner = dict(inner)
        values = inner
    values[last] = value


def _yaml_value(entry: str, text: str) -> object:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            "an override's value is not YAML",
            where=f"--set {entry}",
            saw=repr(text),
            do="quote it, for example --set name='a: b'",
        ) from error


def _read_yaml(path: Path) -> Mapping[str, Any]:
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            "the run file cannot be read",
            where=path,
            saw=error.strerror or str(error),
            do="name a YAML file such as recipes/emoji.yaml",
        ) from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(
            "the run file is not YAML",
            where=path,
            saw=str(error),
            do="mend the line that is named; compare recipes/emoji.yaml",
        ) from error
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise ConfigError(
            "the run file is not a mapping",
            where=path,
            saw=type(values).__name__,
            wanted="keys and values",
            do="compare recipes/emoji.yaml",
        )
    return values


def _explain(error: ValidationError, *, where: object) -> ConfigError:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"]]
    key = ".".join(part for part in parts if not part[:1].isupper() and part != "bool") or "run file"
    if first["type"] == "extra_forbidden":
        near = _nearest(key)
        return ConfigError(
            "unknown key",
            where=f"{where}: {key}",
            saw=repr(key),
            do=f"did you mean {near}?" if near else "see docs/config.md for the keys",
        )
    return ConfigError(
        "a value does not fit",
        where=f"{where}: {key}",
        saw=repr(first.get("input")),
        wanted=_plainly(str(first["msg"])),
        do="see docs/config.md for what the key takes",
    )


def _plainly(message: str) -> str:
    """A validator's message without its own dialect."""
    text = re.sub(r"^Value error, |^Input should be |, unable to parse .*$", "", message)
    return re.sub(r"a valid dictionary or instance of \w+", "a section: keys of its own", text)


def _nearest(key: str) -> str | None:
    by_last = {name.rsplit(".", 1)[-1]: name for name in known_keys()}
    names = {**by_last, **{name: name for name in known_keys()}}
    for asked in (key, key.rsplit(".", 1)[-1]):
        if close := difflib.get_close_matches(asked, names, n=1):
            return names[close[0]]
    return None
