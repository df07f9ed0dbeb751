"""Read a YAML run file, with overrides. What is wrong with one is said in misfits.py."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.misfits import explain


def load_config(path: Path, *, overrides: Sequence[str] = ()) -> RunConfig:
    """Read a run file and apply `key=value` overrides.

    Args:
        path: a YAML file.
        overrides: "loss.margin=0.2": a dotted key and a YAML value; the last one of a key wins.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or names an unknown key or a bad value.
    """
    try:
        return parse_config(apply_overrides(read_yaml(path), overrides), where=path)
    except ConfigError as error:
        raise _whole_section(error, overrides) from error


def parse_config(values: Mapping[str, Any], *, where: object = "config") -> RunConfig:
    """Validate a nested mapping as a run config.

    Raises:
        ConfigError: unknown keys (each with the nearest known one) or a value out of range.
    """
    try:
        return RunConfig.model_validate(values)
    except ValidationError as error:
        raise explain(error, values, where=where) from error


def dump_config(config: RunConfig) -> str:
    """The whole config, defaults included, as YAML that `load_config` reads back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


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


def _whole_section(error: ConfigError, overrides: Sequence[str]) -> ConfigError:
    """What to write where another loss was named over the options of the one in the run file."""
    names = [entry.partition("=")[2].strip() for entry in overrides if entry.startswith("loss.name=")]
    if not names or ": loss." not in error.where or not error.what.startswith("unknown key"):
        return error
    return ConfigError(
        error.what,
        where=error.where,
        saw=f"{error.saw}, of the loss that --set loss.name={names[-1]} replaces",
        do=f'name the loss without those options: --set "loss={{name: {names[-1]}}}"; {error.do}',
    )


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
        return _parsed(text)
    except yaml.YAMLError as error:
        raise ConfigError(
            "an override's value is not YAML",
            where=f"--set {entry}",
            saw=f"{text!r}: {_problem(error)}",
            do="quote it, for example --set name='a: b'",
        ) from error


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The keys and values of a YAML file; none of an empty one.

    Raises:
        ConfigError: it cannot be read, is not YAML, or holds something else.
    """
    try:
        values = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            "the run file cannot be read",
            where=path,
            saw=error.strerror or str(error),
            do="name a YAML file that can be read; an empty one takes every default",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(
            "the run file is not UTF-8 text",
            where=path,
            saw=f"byte {error.object[error.start]:#04x} at position {error.start}",
            do="save it as UTF-8; it may be another kind of file",
        ) from error
    except yaml.YAMLError as error:
        raise ConfigError(
            "the run file is not YAML",
            where=f"{path}{_place(error)}",
            saw=_problem(error),
            do="mend that line: key: value, or key: {key: value}, indented by spaces",
        ) from error
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise ConfigError(
            "the run file is not a mapping",
            where=path,
            saw=type(values).__name__,
            wanted="keys and values",
            do="write for example name: run",
        )
    return values


class _Loader(yaml.SafeLoader):
    """Plain values only, and a key that is written twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - of the interface
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(
                    None, None, f"the key {key.value} for the second time", key.start_mark
                )
            seen.add(str(key.value))
        return super().construct_mapping(node, deep=deep)


def _parsed(text: str) -> Any:
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _problem(error: yaml.YAMLError) -> str:
    """The parser's finding on one line."""
    text = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
    return str(text).replace("character '\\t'", "a tab").replace("\n", " ")
