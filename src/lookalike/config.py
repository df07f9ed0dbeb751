"""What a run file may say: every key, what it takes, and its default. Reading one is runfile's business."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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
