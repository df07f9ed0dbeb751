"""The study file: settings that stay, spaces to search, and how; all of it tried before anything runs.

A YAML file enters: a run file with two sections more, `study` and `search`. A StudyFile leaves, whose spaces
are known to fit the run file, or an error that names the key. Nothing is searched here.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError

from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.keys import described, field_at
from lookalike.runfile import apply_overrides, parse_config, read_yaml
from lookalike.section import Positive, Section, parts_of
from lookalike.training.spaces import Choices, Space, is_space, read_space
from lookalike.training.tuning_combinations import COMBINATIONS, combinations, placed

STAYING = {  # keys that trials cannot differ in, and why
    "name": "it is the study's own",
    "data": "trials on other pictures cannot be compared",
    "split": "trials on other splits cannot be compared",
    "seed": "to choose a seed is to choose luck",
    "calibration": "trials have no threshold",
    "attributes.names": "trials that answer other questions cannot be compared",
}
_TRIED = 8  # runs of a candidate, of which one must fit the data


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class StudyConfig(Section):
    """How to search."""

    # figures of evaluate on val, and of an embedding "milliseconds" and "dimensions"; several: a front.
    # By attributes, where none is named: map
    objective: Annotated[tuple[str, ...], BeforeValidator(_one_or_several), Field(min_length=1)] = ("map@r",)
    trials: Positive = 20  # how many are wanted, over all processes
    timeout: Annotated[float, Field(gt=0.0)] | None = None  # seconds after which no further trial begins
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "hyperband", "none"] = "median"
    startup_trials: Annotated[int, Field(ge=0)] = 5  # at random, and never pruned by the median
    warmup_epochs: Annotated[int, Field(ge=0)] = 1  # before the median may prune
    seed: Annotated[int, Field(ge=0, lt=2**32)] | None = None  # of the search; null: the run's


@dataclass(frozen=True)
class StudyFile:
    """A study file that is known to fit.

    Attributes:
        study: how to search.
        fixed: what stays, as a run file has it.
        spaces: dotted key to what it may be.
        path: where it was read.
    """

    study: StudyConfig
    fixed: Mapping[str, Any]
    spaces: Mapping[str, Space]
    path: Path

    @property
    def base(self) -> RunConfig:
        """The run of the first candidates that fit each other: for what all trials share."""
        return _parsed(self.fixed, next(_fitting(self.fixed, self.spaces)), self.path)

    @property
    def by_attributes(self) -> bool:
        """Whether trials learn from attributes, not from labels."""
        return self.base.attributes is not None

    @property
    def longest(self) -> int:
        """The most epochs that a trial may have."""
        some = itertools.islice(_fitting(self.fixed, self.spaces), COMBINATIONS)
        return max(_parsed(self.fixed, chosen, self.path).training.epochs for chosen in some)

    def of_candidates(self) -> Iterator[list[RunConfig]]:
        """For every choice, and every end of a range, some runs that it may be part of."""
        for key, space in self.spaces.items():
            for candidate in space.ends():
                alone = {**self.spaces, key: Choices((candidate,))}
                some = itertools.islice(_fitting(self.fixed, alone), _TRIED)
                yield [_parsed(self.fixed, chosen, self.path) for chosen in some]

    def means(self, fixed: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """What some runs come to with what stays here, and with what stays there, key by key.

        Raises:
            ConfigError: no run of such values can be.
        """
        for chosen in itertools.islice(_fitting(self.fixed, self.spaces), _TRIED):
            pair = (_parsed(values, chosen, self.path) for values in (self.fixed, fixed))
            here, there = (config.model_dump(mode="json") for config in pair)
            yield here, there

    @property
    def seed(self) -> int:
        """Of the search."""
        return self.base.seed if self.study.seed is None else self.study.seed

    def run_file(self, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """What stays, with what was chosen, as a run file's keys and values."""
        return placed(self.fixed, chosen)

    def settings(self, chosen: Mapping[str, Any]) -> RunConfig:
        """The run of what was chosen.

        Raises:
            ConfigError: the choices do not go together.
        """
        return _parsed(self.fixed, chosen, self.path)

    def identity(self) -> dict[str, Any]:
        """What makes it the study that it is, in plain values: another is not continued under its name."""
        searched = {key: space.plain() for key, space in self.spaces.items()}
        return {"objective": list(self.study.objective), "search": searched, "fixed": dict(self.fixed)}


def load_study(path: Path, *, overrides: Sequence[str] = ()) -> StudyFile:
    """Read a study file and try all of it.

    Args:
        overrides: "key=value" entries that win over the file, for example "study.trials=30".

    Raises:
        ConfigError: the file cannot be read, names an unknown key, or a space holds what its key does not
            take; the message names the key.
    """
    values = apply_overrides(read_yaml(path), overrides)
    study = _study(values.pop("study", None), path)
    search = values.pop("search", None)
    if not isinstance(search, Mapping) or not search:
        raise ConfigError(
            "the study file searches nothing",
            where=f"{path}: search",
            saw="no such section" if search is None else repr(search),
            wanted="keys of a run file, each with choices or a range",
            do="write for example search: {network.embedding_dim: [128, 256, 512]}",
        )
    found = dict(_flat(search, "", path))
    _check_places(found, values, path)
    whole = {key: read_space(value, where=f"{path}: search.{key}") for key, value in found.items()}
    spaces = {key: _fitted(key, values, whole) for key in whole}
    file = StudyFile(study, values, spaces, path)
    _try(file)
    if file.by_attributes and "objective" not in study.model_fields_set:
        return replace(file, study=study.model_copy(update={"objective": ("map",)}))
    return file


def _study(values: Any, path: Path) -> StudyConfig:
    try:
        return StudyConfig.model_validate({} if values is None else values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else ""
    field = StudyConfig.model_fields.get(name)
    known = ", ".join(StudyConfig.model_fields)
    near = difflib.get_close_matches(name, StudyConfig.model_fields, n=1)
    raise ConfigError(
        "a value does not fit" if field or not name else "unknown key",
        where=f"{path}: study{'.' if name else ''}{name}",
        saw=repr(values[name] if name else values),
        wanted=described(field) if field else f"{known}",
        do=f"did you mean study.{near[0]}?"
        if near and not field
        else f"change study{'.' if name else ''}{name}",
    )


def _flat(values: Mapping[str, Any], prefix: str, path: Path) -> Iterator[tuple[str, Any]]:
    """Dotted key to space, of dotted keys and nested sections."""
    for name, value in values.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and value and not is_space(value):
            yield from _flat(value, f"{key}.", path)
        else:
            yield key, value


def _check_places(found: Mapping[str, Any], fixed: Mapping[str, Any], path: Path) -> None:
    """Refuse keys that cannot be searched, that are searched and stay, or lie in one another."""
    for key in found:
        parts = key.split(".")
        if reason := _why_it_stays(key):
            raise _misplaced(
                "a key cannot be searched", key, path, saw="it in search",
                do=f"set it beside search, where it stays for all trials: {reason}",
            )  # fmt: skip
        if _is_said(fixed, parts):
            raise _misplaced(
                "a key is searched and stays", key, path, saw="it in search and in the file's other keys",
                do=f"take {key} out of one of them",
            )  # fmt: skip
        if inside := [other for other in found if other.startswith(f"{key}.")]:
            raise _misplaced(
                "a key lies in another one that is searched", inside[0], path, saw=f"{key} in search too",
                do=f"search one of them, or write whole sections as the choices of {key}",
            )  # fmt: skip


def _why_it_stays(key: str) -> str | None:
    """Why trials cannot differ in a key: it is one that stays, lies in one, or holds one; None: they can."""
    for place, reason in STAYING.items():
        if f"{key}.".startswith(f"{place}.") or place.startswith(f"{key}."):
            return reason
    return None


def _misplaced(what: str, key: str, path: Path, *, saw: str, do: str) -> ConfigError:
    return ConfigError(what, where=f"{path}: {key}", saw=saw, do=do)


def _is_said(values: object, parts: Sequence[str]) -> bool:
    for part in parts:
        if not isinstance(values, Mapping) or part not in values:
            return False
        values = values[part]
    return True


def _fitted(key: str, fixed: Mapping[str, Any], spaces: Mapping[str, Space]) -> Space:
    """The space with numbers of the kind that its key takes, whichever of the choices its section may be."""
    fields = [
        field
        for chosen in itertools.islice(combinations(spaces), COMBINATIONS)
        if (field := field_at(key.split("."), placed(fixed, {**chosen, key: None}))) is not None
    ]
    if not fields:
        return spaces[key]  # an unknown key: what was meant is said where it is tried
    found = {part for field in fields for part in parts_of(field.annotation)}
    return spaces[key].fitted({kind for kind in (int, float) if kind in found})


def _try(file: StudyFile) -> None:
    """Let the run file's own checks see every choice and every end of a range."""
    for key, space in file.spaces.items():
        for candidate in space.ends():
            alone = {key: Choices((candidate,))}
            if next(_fitting(file.fixed, {**file.spaces, **alone}), None) is not None:
                continue
            raise _refusal(file, key, alone)


def _refusal(file: StudyFile, key: str, alone: Mapping[str, Space]) -> ConfigError:
    """What the run file says of a candidate; best of that which is said of its own key."""
    errors = []
    for chosen in itertools.islice(combinations({**file.spaces, **alone}), COMBINATIONS):
        try:
            _parsed(file.fixed, chosen, file.path)
        except ConfigError as error:
            errors.append(error)
    own = [error for error in errors if f": {key}" in error.where]
    return (own or errors)[0]


def _fitting(fixed: Mapping[str, Any], spaces: Mapping[str, Space]) -> Iterator[dict[str, Any]]:
    """Combinations of candidates that the run file takes."""
    for chosen in combinations(spaces):
        try:
            parse_config(placed(fixed, chosen))
        except ConfigError:
            continue
        yield chosen


def _parsed(fixed: Mapping[str, Any], chosen: Mapping[str, Any], path: Path) -> RunConfig:
    return parse_config(placed(fixed, chosen), where=path)
