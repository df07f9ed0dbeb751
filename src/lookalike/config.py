"""What a run file may say: every key, what it takes, and its default. Reading one is runfile's business."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from lookalike.config_loss import LossConfig as LossConfig
from lookalike.config_loss import TripletSemiHardConfig
from lookalike.config_split import SplitConfig as SplitConfig
from lookalike.section import Positive as Positive
from lookalike.section import Section as Section
from lookalike.section import Share as Share

Pooling = Literal["spoc", "mac", "gem"]  # mean, max, generalised mean with a learned power
HeadKind = Literal["closed_form", "linear", "feed_forward", "cgd"]
HeadStart = Literal["closed_form", "identity", "random"]
CONVNET = "similarity_convnet"  # a small backbone for pictures of 32 pixels, without pretrained weights


class PreprocessConfig(Section):
    """How pictures become pixels; what is left out is the backbone's own."""

    size: Annotated[int, Field(ge=16, le=1024)] | None = None  # side in pixels
    resize: Literal["crop", "pad"] = "crop"  # shorter side to size and centre crop, or pad to a square
    # share of the shorter side that is kept; null: the backbone's own, which trims the border
    crop: Annotated[float, Field(gt=0.0, le=1.0)] | None = 1.0


def _one_or_several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class NetworkConfig(Section):
    """What turns pixels into an embedding."""

    backbone: str = "efficientnet_lite0"  # or similarity_convnet, or any timm name
    pretrained: bool = True
    frozen: bool = True  # False: the backbone is fine-tuned
    # one or several: a feature is every pooling of every stage, side by side
    pooling: Annotated[tuple[Pooling, ...], BeforeValidator(_one_or_several), Field(min_length=1)] = ("spoc",)
    stages: Positive = 1  # how many of the backbone's last feature maps are pooled
    # of which feature maps, the last one being 1, the means of the four quarters are added: where things are
    quarters: tuple[Positive, ...] = ()
    last_stride: Literal[1, 2] = 2  # 1: a ResNet's last stage does not down-sample (CGD's backbone)
    # null: closed_form on a frozen backbone, linear on a fine-tuned one
    head: HeadKind | None = None
    head_start: HeadStart | None = None  # null: closed_form for a linear head, random for the others
    embedding_dim: Annotated[int, Field(ge=2, le=8192)] | None = 128  # null: as long as the feature
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
        if self.head == "feed_forward" and "hidden" not in self.model_fields_set:  # []: none of them
            raise ValueError("head feed_forward has hidden units; set hidden: [512], or use head: linear")
        if len(set(self.pooling)) < len(self.pooling):
            raise ValueError("a pooling is named twice")
        if len(set(self.quarters)) < len(self.quarters):
            raise ValueError("a map is named twice among the quarters")
        if self.head == "cgd" and self.quarters:
            raise ValueError("head cgd gives each pooling its part; quarters belong to the other heads")
        if self.head == "cgd" and self.embedding_dim and self.embedding_dim % len(self.pooling):
            fitting = self.embedding_dim - self.embedding_dim % -len(self.pooling)
            raise ValueError(
                f"head cgd gives each of {len(self.pooling)} poolings an equal part of embedding_dim; "
                f"use embedding_dim: {fitting}"
            )
        if self.head_start == "closed_form" and self.resolved_head in ("feed_forward", "cgd"):
            raise ValueError(f"head_start closed_form belongs to head: linear; leave it out for {self.head}")
        if self.head_start in ("identity", "random") and self.resolved_head == "closed_form":
            raise ValueError(
                f"head_start {self.head_start} belongs to a head trained by gradient: head: linear"
            )
        return self

    @model_validator(mode="after")
    def _weights_exist(self) -> NetworkConfig:
        if self.backbone == CONVNET and self.pretrained:
            raise ValueError(f"random weights: {CONVNET} has no others; set network.pretrained: false")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether a feature is the plain one: the mean of the last map of the backbone as it is."""
        chosen = (self.pooling, self.stages, self.quarters, self.last_stride)
        return chosen == (("spoc",), 1, (), 2)

    @property
    def resolved_head(self) -> HeadKind:
        """The head that is used: closed_form on a frozen backbone, linear on a fine-tuned one."""
        return self.head or ("closed_form" if self.frozen else "linear")

    @property
    def resolved_start(self) -> HeadStart:
        """Where the head begins: the closed form where it is linear, random weights for the others."""
        fitting: HeadStart = "closed_form" if self.resolved_head in ("closed_form", "linear") else "random"
        return self.head_start or fitting


class BatchConfig(Section):
    """P classes x K images make a batch."""

    classes: Annotated[int, Field(ge=2)] = 32
    images: Annotated[int, Field(ge=2)] = 4
    class_list: tuple[str, ...] | None = None  # train on these labels only
    total_examples_per_class: Annotated[int, Field(ge=2)] | None = None  # cap
    steps_per_epoch: Positive | None = None  # batches; null: until every picture came once
    category: str | None = None  # an attribute column; classes of one category meet in a batch
    category_share: Share = 0.5  # of a batch's classes that are of one category


class AugmentConfig(Section):
    """Random changes to training pictures, as fractions; 0, false or null switches one off."""

    zoom: Share = 0.3
    horizontal_flip: bool = True
    rotation: Share = 0.2  # of a full turn: 0.2 = +-72 degrees
    translation: Share = 0.2
    brightness: Share = 0.2
    contrast: Share = 0.2
    random_resized_crop: tuple[Share, Share] | None = None  # share of the area that is kept, least and most
    saturation: Share = 0.0
    hue: Annotated[float, Field(ge=0.0, le=0.5)] = 0.0  # of the colour circle: 0.1 = +-36 degrees
    grey: Share = 0.0  # share of pictures that lose their colour
    channel_gain: Share = 0.0  # red, green and blue each by their own factor within 1 +- this

    @model_validator(mode="after")
    def _crop_is_a_range(self) -> AugmentConfig:
        low, high = self.random_resized_crop or (1.0, 1.0)
        if not 0.0 < low <= high:
            raise ValueError(f"random_resized_crop must be 0 < least <= most <= 1, got {low:g}, {high:g}")
        return self


class TrainingConfig(Section):
    """How long, how fast and where a head (and backbone) is trained by gradient."""

    epochs: Positive = 50
    early_stopping_patience: Positive | None = 10  # epochs without a better val map@r; null: never stop early
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    learning_rate: Annotated[float, Field(gt=0.0)] = 1e-3
    backbone_learning_rate: Annotated[float, Field(gt=0.0)] = 1e-4
    layer_decay: Annotated[float, Field(gt=0.0, le=1.0)] | None = None  # a stage's rate over that of the next
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.0  # of weights; never of biases and norms
    schedule: Literal["constant", "cosine"] = "constant"
    warmup: Annotated[float, Field(ge=0.0)] = 0.0  # below 1: share of all steps; from 1 on: epochs
    gradient_clip: Annotated[float, Field(gt=0.0)] | None = None  # longest gradient, as a norm
    ema: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None  # decay of the averaged weights
    # of a fine-tuned backbone with a linear head: solve the head again at the end, and keep the better on val
    refit: bool = True
    # of a fine-tuned backbone: what the loss sees, all that is pooled or the last map's mean alone; the head
    # is solved on all in the end either way
    learn_through: Literal["all", "last"] = "all"
    unfreeze: Literal["all"] | Positive = "all"  # of a fine-tuned backbone: all, or the last N stages
    head_warmup_epochs: Annotated[int, Field(ge=0)] = 0  # the head alone first
    freeze_batch_norm: bool = True  # keep a pretrained backbone's statistics
    sizes: tuple[
        Annotated[int, Field(ge=16, le=1024)], ...
    ] = ()  # picture sizes, in turn; (): preprocess.size
    views: Positive | None = 8  # frozen backbone, augmented: views cached; null: run it in every epoch
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    device: Literal["auto", "cpu", "gpu", "mps"] = "auto"
    devices: Positive | Literal["auto"] = 1  # on each machine
    nodes: Positive = 1  # machines
    strategy: Literal["auto", "ddp"] = "auto"
    workers: Annotated[int, Field(ge=0)] | None = None  # decoding processes; null: processors - 1
    checkpoint_minutes: Annotated[float, Field(gt=0.0)] | None = None  # also within an epoch
    loggers: tuple[Literal["tensorboard", "csv", "mlflow", "wandb", "neptune"], ...] = ("tensorboard", "csv")

    @model_validator(mode="after")
    def _backbone_learns(self) -> TrainingConfig:
        if self.head_warmup_epochs and self.head_warmup_epochs >= self.epochs:
            raise ValueError(f"head_warmup_epochs must be below epochs, which is {self.epochs}")
        return self


class CalibrationConfig(Section):
    """The match threshold that is made after training, on val."""

    target: str = "f1"  # or accuracy, precision=0.99, recall=0.9, false-match-rate=0.001
    confidence: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95


LABELS_ONLY = ("ema", "head_warmup_epochs", "checkpoint_minutes", "devices", "nodes", "strategy")


class AttributeConfig(Section):
    """Pictures and attributes (smiling, male, ...) in one space: search by attributes. Needs no labels."""

    names: tuple[str, ...] | None = None  # null: all columns of 0 and 1, -1 and 1, or false and true
    # units of the attribute branch's Linear -> BatchNorm -> ReLU blocks; null: none where the space begins
    # as the closed form, 300 and 300 where it begins at random
    hidden: tuple[Positive, ...] | None = None
    margin: Annotated[float, Field(gt=0.0)] = 0.1  # of the triplet (picture, its attributes, others)
    hard_share: Share = 0.5  # of negatives that are the positive with some attributes flipped
    flips: Positive = 3  # at most so many
    mask_share: Share = 0.5  # of triplets that state some of the attributes only
    batch: Annotated[int, Field(ge=2)] = 128  # pictures

    @model_validator(mode="after")
    def _names_differ(self) -> AttributeConfig:
        if self.names is not None and len(set(self.names)) < len(self.names):
            raise ValueError("an attribute is named twice")
        return self


class RunConfig(Section):
    """One training run."""

    name: Annotated[str, Field(pattern=r"^[\w-][\w.-]*$")] = "run"  # of the folder in runs/
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: str | None = None  # folder or manifest; --data wins
    split: SplitConfig = SplitConfig()
    preprocess: PreprocessConfig = PreprocessConfig()
    image_augmentation: AugmentConfig | bool = False
    network: NetworkConfig = NetworkConfig()
    loss: LossConfig = TripletSemiHardConfig()
    batches: BatchConfig = BatchConfig()
    training: TrainingConfig = TrainingConfig()
    calibration: CalibrationConfig = CalibrationConfig()
    attributes: AttributeConfig | None = None  # given: trained by attributes, not by labels

    @model_validator(mode="after")
    def _trained_by_one_thing(self) -> RunConfig:
        if self.attributes is None:
            return self
        for name in ("loss", "batches"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"{name} belongs to training by labels; attributes has keys of its own")
        for name in LABELS_ONLY:
            if getattr(self.training, name) != type(self.training).model_fields[name].default:
                raise ValueError(f"training.{name} belongs to training by labels; leave it out")
        network = self.network
        if self.attributes.hidden and "closed_form" in (network.resolved_head, network.head_start):
            raise ValueError("attributes.hidden goes with network: {head: linear, head_start: random}")
        return self

    @model_validator(mode="after")
    def _solved_in_the_end(self) -> RunConfig:
        solved = not self.network.frozen and self.network.resolved_head == "linear" and self.training.refit
        if self.training.learn_through == "last" and not (solved and self.attributes is None):
            raise ValueError(
                "training.learn_through: last goes with network: {frozen: false, head: linear} and "
                "training: {refit: true}"
            )
        return self

    @model_validator(mode="after")
    def _loss_fits(self) -> RunConfig:
        dim, longest = self.network.embedding_dim, max(self.loss.dimensions, default=0)
        if dim and longest > dim:
            raise ValueError(f"loss.dimensions go up to network.embedding_dim, {dim}, got {longest}")
        if self.loss.auxiliary is not None and self.network.frozen:
            raise ValueError("loss.auxiliary teaches the backbone; set network.frozen: false")
        return self

    @property
    def attribute_start(self) -> HeadStart:
        """Where pictures and attributes begin: the head's start, and random with hidden units."""
        hidden = self.attributes is not None and self.attributes.hidden
        return "random" if hidden else self.network.resolved_start

    @property
    def learned(self) -> RunConfig:
        """The run as its loss sees it: with the mean of the last map alone, where it learns through that."""
        if self.training.learn_through == "all":
            return self
        alone = {"stages": 1, "pooling": ("spoc",), "quarters": ()}
        return self.model_copy(update={"network": self.network.model_copy(update=alone)})

    @property
    def attribute_hidden(self) -> tuple[int, ...]:
        """The attribute branch's hidden units."""
        if self.attributes is not None and self.attributes.hidden is not None:
            return self.attributes.hidden
        return () if self.network.resolved_start == "closed_form" else (300, 300)

    @property
    def augment(self) -> AugmentConfig | None:
        """The augmentation that is used; None when it is switched off."""
        if isinstance(self.image_augmentation, bool):
            return AugmentConfig() if self.image_augmentation else None
        return self.image_augmentation
