"""What a YAML run file may say. An unknown key is an error that names the nearest key."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lookalike.errors import ConfigError

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A part of a run file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitConfig(Section):
    """How a table without splits is divided into train, val and test."""

    by: Literal["ratio", "class", "group"] = "ratio"  # ratio: stratified; class: no label on two sides
    train: Share = 0.7
    val: Share = 0.2
    test: Share = 0.1

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitConfig:
        if abs(self.train + self.val + self.test - 1.0) > 1e-6:
            raise ValueError(f"train + val + test must be 1, got {self.train + self.val + self.test:g}")
        return self


class PreprocessConfig(Section):
    """How pictures become pixels; what is left out is the backbone's own."""

    size: Annotated[int, Field(ge=16, le=1024)] | None = None  # side in pixels
    resize: Literal["crop", "pad"] = "crop"  # shorter side to size and centre crop, or pad to a square
    # share of the shorter side that is kept; null: the backbone's own, which trims the border
    crop: Annotated[float, Field(gt=0.0, le=1.0)] | None = 1.0


class NetworkConfig(Section):
    """What turns pixels into an embedding."""

    backbone: str = "efficientnet_lite0"  # or any timm name
    pretrained: bool = True
    frozen: bool = True  # False: the backbone is fine-tuned
    pooling: Literal["spoc", "mac", "gem"] = "spoc"  # mean, max, generalised mean with a learned power
    # null: closed_form on a frozen backbone, linear on a fine-tuned one
    head: Literal["closed_form", "linear", "feed_forward"] | None = None
    head_start: Literal["closed_form", "random"] = "closed_form"  # where training of a linear head begins
    embedding_dim: Annotated[int, Field(ge=2, le=8192)] = 128
    hidden: tuple[Positive, ...] = ()  # feed_forward: units of Linear -> BatchNorm -> ReLU -> Dropout blocks
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    # closed form: the candidates; the pair with the best map@r on val is taken
    powers: tuple[Annotated[float, Field(gt=0.0, le=2.0)], ...] = (0.5, 1.0)
    shrinkages: tuple[Annotated[float, Field(gt=0.0)], ...] = (0.1, 0.3, 1.0, 3.0)

    @model_validator(mode="after")
    def _parts_fit(self) -> NetworkConfig:
        if self.head == "closed_form" and not self.frozen:
            raise ValueError("head closed_form is solved on a frozen backbone; use head: linear to fine-tune")
        if self.hidden and self.head != "feed_forward":
            raise ValueError("hidden units belong to head: feed_forward")
        return self

    @property
    def resolved_head(self) -> Literal["closed_form", "linear", "feed_forward"]:
        """The head that is used: closed_form on a frozen backbone, linear on a fine-tuned one."""
        return self.head or ("closed_form" if self.frozen else "linear")


class LossConfig(Section):
    """What a gradient-trained head minimises."""

    name: Literal["triplet_semi_hard", "triplet_batch_hard"] = "triplet_semi_hard"
    margin: Annotated[float, Field(gt=0.0)] | Literal["soft"] = 0.2  # soft: log(1 + exp(.)), batch-hard only
    distance: Literal["euclidean", "squared", "cosine"] = "euclidean"

    @model_validator(mode="after")
    def _margin_fits(self) -> LossConfig:
        if self.margin == "soft" and self.name != "triplet_batch_hard":
            raise ValueError("margin: soft belongs to triplet_batch_hard")
        return self


class BatchConfig(Section):
    """P classes x K images make a batch."""

    classes: Annotated[int, Field(ge=2)] = 32
    images: Annotated[int, Field(ge=2)] = 4
    class_list: tuple[str, ...] | None = None  # train on these labels only
    total_examples_per_class: Annotated[int, Field(ge=2)] | None = None  # cap


class AugmentConfig(Section):
    """Random changes to training pictures, as fractions; 0 or false switches one off."""

    zoom: Share = 0.3
    horizontal_flip: bool = True
    rotation: Share = 0.2  # of a full turn: 0.2 = +-72 degrees
    translation: Share = 0.2
    brightness: Share = 0.2
    contrast: Share = 0.2


class TrainingConfig(Section):
    """How long, how fast and where a head (and backbone) is trained by gradient."""

    epochs: Positive = 50
    early_stopping_patience: Positive | None = 10  # epochs without a better val map@r; null: never stop early
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    backbone_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0
    device: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    workers: Annotated[int, Field(ge=0)] | None = None  # decoding processes; null: processors - 1


class CalibrationConfig(Section):
    """The match threshold that is made after training, on val."""

    target: str = "f1"  # f1, precision=0.99 or false-match-rate=0.001
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95


class RunConfig(Section):
    """One training run."""

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] = "run"
    seed: Annotated[int, Field(ge=0)] = 0
    data: str | None = None  # folder or manifest; --data wins
    split: SplitConfig = SplitConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    image_augmentation: AugmentConfig | bool = False
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = LossConfig()
    batches: BatchConfig = BatchConfig()
    training: TrainingConfig = TrainingConfig()
    calibration: CalibrationConfig = CalibrationConfig()

    @property
    def augment(self) -> AugmentConfig | None:
        """The augmentation that is used; None when it is switched off."""
        if isinstance(self.image_augmentation, bool):
            return AugmentConfig() if self.image_augmentation else None
        return self.image_augmentation


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
        ConfigError: an entry has no `=`, or its key passes through something that is not a section.
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
    if values is None:
        return {}
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
        wanted=str(first["msg"]),
        do="see docs/config.md for what the key takes",
    )


def _nearest(key: str) -> str | None:
    known = list(known_keys())
    by_last = {name.rsplit(".", 1)[-1]: name for name in known}
    close = difflib.get_close_matches(key, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    last = difflib.get_close_matches(key.rsplit(".", 1)[-1], list(by_last), n=1, cutoff=0.6)
    return by_last[last[0]] if last else None
