from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_image

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError, ModelError
from lookalike.models.model import Model
from lookalike.pictures.preprocess import normalise, prepare
from lookalike.training.backbones import Features, wheel_weights
from lookalike.training.export import export_features, make_untrained, sample_pixels
from lookalike.training.pooling import quarters

DAISY = 985  # of ImageNet's thousand


def test_shipped_weights_see_a_daisy() -> None:
    """With another preprocessing the same photograph is a lampshade."""
    features = Features(NetworkConfig(), PreprocessConfig(crop=None))
    whole = timm.create_model("tf_efficientnet_lite0", pretrained=False).eval()
    whole.load_state_dict(wheel_weights(whole))
    photo = prepare(np.ascontiguousarray(load_sample_image("flower.jpg")), features.preprocess)
    pixels = torch.from_numpy(normalise(photo[None], features.preprocess))
    with torch.inference_mode():
        assert whole(pixels).argmax().item() == DAISY
        own = features.eval()(torch.from_numpy(photo[None]))
        pooled = whole.forward_features(pixels).mean((2, 3))
    assert torch.allclose(own, torch.nn.functional.normalize(pooled, dim=1), atol=1e-5)


def test_weights_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ModelError, match="do not fit the backbone"):
        wheel_weights(timm.create_model("resnet18", pretrained=False))


@pytest.mark.parametrize("pooling", ["spoc", "mac", "gem"])
def test_features_are_unit_rows(pooling: str) -> None:
    network = NetworkConfig(backbone="resnet18", pretrained=False, pooling=(pooling,))  # type: ignore[arg-type]
    features = Features(network, PreprocessConfig(size=64)).eval()
    with torch.inference_mode():
        out = features(torch.from_numpy(sample_pixels(features.preprocess)))
    assert out.shape == (8, 512)
    assert torch.allclose(out.norm(dim=1), torch.ones(8), atol=1e-4)


def test_transformer_pools_its_own_tokens() -> None:
    name = "vit_tiny_patch16_224"
    features = Features(NetworkConfig(backbone=name, pretrained=False), PreprocessConfig()).eval()
    with torch.inference_mode():
        assert features(torch.zeros(2, 224, 224, 3, dtype=torch.uint8)).shape == (2, 192)
    with pytest.raises(ConfigError, match=r"pools its tokens itself.*network\.pooling"):
        Features(NetworkConfig(backbone=name, pretrained=False, pooling=("gem",)), PreprocessConfig())
    with pytest.raises(ConfigError, match=r"pools its tokens itself.*network\.stages.*saw 2 on vit_tiny"):
        Features(NetworkConfig(backbone=name, pretrained=False, stages=2), PreprocessConfig())


def small(backbone: str, **network: Any) -> Features:
    """Features of a backbone with random weights, for pictures of 64 pixels."""
    torch.manual_seed(0)
    config = NetworkConfig(backbone=backbone, pretrained=False, **network)
    return Features(config, PreprocessConfig(size=64)).eval()


@pytest.mark.parametrize(
    ("backbone", "intermediates", "channels"),
    [
        ("resnet18", [-1, -2, -3], [512, 256, 128]),
        ("mobilenetv2_035", [None, -1, None], [1280, 112, 56]),  # of which timm gives stage 6 alone
        ("convnext_atto", [-1, -2, -3], [320, 160, 80]),
        ("resnetv2_18", [None, -2, -3], [512, 256, 128]),  # the last stage, normalised
    ],
)
def test_last_stages_are_pooled_side_by_side(
    backbone: str, intermediates: list[int | None], channels: list[int]
) -> None:
    features = small(backbone, stages=3, pooling=("mac", "spoc"))
    images = torch.from_numpy(sample_pixels(features.preprocess))
    pixels = torch.from_numpy(normalise(images.numpy(), features.preprocess))
    with torch.inference_mode():
        found = features(images)
        last = features.backbone.forward_features(pixels)
        known = features.backbone.forward_intermediates(pixels, intermediates_only=True)
    parts = found.split([*channels, *channels], dim=1)
    assert found.shape[1] == features.dim == 2 * features.descriptor_dim == 2 * sum(channels)
    assert features.plain_dim == channels[0]
    for part in parts:
        assert torch.allclose(part.norm(dim=1), torch.full((8,), 6**-0.5), atol=1e-5)
    maps = [last, *(None if i is None else known[i] for i in intermediates[1:])]
    for place, each in enumerate(maps):
        if each is not None:
            unit = torch.nn.functional.normalize
            assert torch.allclose(parts[place] * 6**0.5, unit(each.amax((2, 3)), dim=1), atol=1e-4)
            assert torch.allclose(parts[place + 3] * 6**0.5, unit(each.mean((2, 3)), dim=1), atol=1e-4)


def test_default_backbone_pools_its_last_convolution_and_two_stages() -> None:
    features = small("efficientnet_lite0", stages=3, pooling=("spoc", "mac"))
    assert (features.plain_dim, features.dim) == (1280, 2 * (1280 + 320 + 192))
    assert features.hooked == ("blocks.5", "blocks.6")


def test_quarters_reach_deeper_than_the_poolings() -> None:
    features = small("resnet18", stages=1, quarters=(3, 1))
    images = torch.from_numpy(sample_pixels(features.preprocess))
    with torch.inference_mode():
        found = features(images)
        maps = features.maps(images)
    assert found.shape[1] == features.dim == 512 + 4 * 128 + 4 * 512
    assert [each.shape[1] for each in maps] == [512, 256, 128]
    third = torch.nn.functional.normalize(quarters(maps[2]), dim=1)
    assert torch.allclose(found[:, 512:1024] * 3**0.5, third, atol=1e-5)


def test_quarters_of_a_stage_that_is_not_there_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"fewer stages - network\.quarters - saw 9 on resnet18"):
        small("resnet18", quarters=(9,))


def test_hooks_leave_no_trace() -> None:
    features = small("resnet18", stages=2)
    features(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))
    assert not any(module._forward_hooks for module in features.modules())


@pytest.mark.parametrize(("backbone", "most"), [("resnet18", 5), ("efficientnet_lite0", 8)])
def test_stages_that_are_not_there_are_refused(backbone: str, most: int) -> None:
    message = rf"fewer stages - network\.stages - saw 9 on {backbone}, wanted 1 to {most}"
    with pytest.raises(ConfigError, match=message):
        small(backbone, stages=9)
    assert small(backbone, stages=most).dim > 0


def test_stage_of_several_maps_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"not one map - network\.stages - saw a list, wanted a tensor"):
        small("hrnet_w18_small", stages=2)


@pytest.mark.parametrize("backbone", ["resnet18", "resnet26", "resnet26d", "resnetaa34d"])
def test_last_stride_of_a_resnet_can_be_taken_out(backbone: str) -> None:
    usual, kept = small(backbone), small(backbone, last_stride=1)
    images = torch.from_numpy(sample_pixels(usual.preprocess))
    assert usual.backbone.state_dict().keys() == kept.backbone.state_dict().keys()
    kept.load_state_dict(usual.state_dict())
    with torch.inference_mode():
        assert usual.maps(images)[0].shape[2:] == (2, 2)
        assert kept.maps(images)[0].shape[2:] == (4, 4)
        assert kept(images).shape == usual(images).shape
        first = [features.backbone.layer3[-1] for features in (usual, kept)]
        outputs: list[torch.Tensor] = []
        for features, module in zip((usual, kept), first, strict=True):
            handle = module.register_forward_hook(lambda _m, _i, out: outputs.append(out))
            features(images)
            handle.remove()
    assert torch.equal(*outputs), "nothing before the last stage changes"


@pytest.mark.parametrize("backbone", ["efficientnet_lite0", "convnext_atto", "resnetblur18"])
def test_last_stride_of_other_backbones_is_refused(backbone: str) -> None:
    message = rf"cannot keep its resolution - network\.last_stride - saw 1 on {backbone}"
    with pytest.raises(ConfigError, match=message):
        small(backbone, last_stride=1)


def test_unknown_backbone_names_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"unknown backbone.*resnet19.*a timm name such as .*resnet"):
        Features(NetworkConfig(backbone="resnet19", pretrained=False), PreprocessConfig())


def test_weights_without_a_network_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("name resolution failed")

    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(
        ModelError, match=r"weights cannot be loaded.*resnet18.*name resolution.*efficientnet_lite0"
    ):
        Features(NetworkConfig(backbone="resnet18"), PreprocessConfig())


def test_own_preprocessing_is_taken_and_can_be_changed() -> None:
    own = Features(
        NetworkConfig(backbone="resnet18", pretrained=False), PreprocessConfig(crop=None)
    ).preprocess
    published = timm.get_pretrained_cfg("resnet18")
    assert published is not None
    assert (own.size, own.crop, own.mean) == (224, published.crop_pct, published.mean)
    changed = PreprocessConfig(size=96, resize="pad")
    other = Features(NetworkConfig(backbone="resnet18", pretrained=False), changed).preprocess
    assert (other.size, other.resize, other.mean) == (96, "pad", own.mean)


def test_export_agrees_with_torch_on_photographs(tmp_path: Path) -> None:
    network = NetworkConfig(backbone="resnet18", pretrained=False)
    features = Features(network, PreprocessConfig(size=64)).eval()
    pixels = sample_pixels(features.preprocess)
    export_features(features, tmp_path / "a.onnx", pixels=pixels)
    with torch.inference_mode():
        torch_rows = features(torch.from_numpy(pixels)).numpy()
    from lookalike.models.model import open_session

    rows = open_session(tmp_path / "a.onnx").run(None, {"images": pixels[:3]})[0]
    assert np.allclose(rows, torch_rows[:3], atol=1e-5)


def test_export_that_computes_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = {"backbone": "resnet18", "pretrained": False, "preprocess": {"size": 64}}
    real = Features.forward

    def drift(self: Features, images: torch.Tensor) -> torch.Tensor:
        rows = real(self, images)
        return rows if torch.compiler.is_compiling() else rows.roll(1, dims=1)

    monkeypatch.setattr(Features, "forward", drift)
    with pytest.raises(ModelError, match="does not compute what the network computes"):
        make_untrained(spec, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_untrained_model_is_complete(tmp_path: Path) -> None:
    spec = {"backbone": "resnet18", "pretrained": False, "preprocess": {"size": 64}, "seed": 5}
    make_untrained(spec, tmp_path / "model")
    model = Model.load(tmp_path / "model")
    assert (model.dim, model.preprocess.size, model.name) == (512, 64, "resnet18, untrained")
    assert {path.name for path in model.folder.iterdir()} == {
        "model.onnx",
        "model.json",
        "weights.safetensors",
    }
    make_untrained(spec, tmp_path / "again")
    assert np.allclose(
        Model.load(tmp_path / "again").embed_pixels(sample_pixels(model.preprocess)),
        model.embed_pixels(sample_pixels(model.preprocess)),
        atol=1e-6,
    )


@pytest.mark.parametrize(
    "chosen",
    [{"stages": 2, "pooling": ["mac", "gem"]}, {"last_stride": 1, "stages": 2}, {"quarters": [2, 1]}],
    ids=["stages", "stride", "quarters"],
)
def test_untrained_model_gives_the_plain_feature_too(tmp_path: Path, chosen: dict[str, Any]) -> None:
    spec = {"backbone": "resnet18", "pretrained": False, "preprocess": {"size": 64}, "seed": 5}
    make_untrained({**spec, **chosen}, tmp_path / "model")
    model = Model.load(tmp_path / "model")
    pixels = sample_pixels(model.preprocess)
    torch.manual_seed(5)
    network = NetworkConfig.model_validate({"backbone": "resnet18", "pretrained": False, **chosen})
    features = Features(network, PreprocessConfig(size=64)).eval()
    with torch.inference_mode():
        expected = features(torch.from_numpy(pixels)).numpy()
    assert np.allclose(model.embed_pixels(pixels), expected, atol=1e-5)
    assert model.dim == features.dim
    assert model.name.startswith("resnet18, untrained, ")
    assert model.has_baseline is ("last_stride" not in chosen)
    if model.has_baseline:
        torch.manual_seed(5)
        plain = Features(NetworkConfig(backbone="resnet18", pretrained=False), PreprocessConfig(size=64))
        with torch.inference_mode():
            plain_rows = plain.eval()(torch.from_numpy(pixels)).numpy()
        assert model.facts["baseline"] == "resnet18, untrained"
        assert model.facts["outputs"] == {"embedding": features.dim, "feature": 512}
        assert np.allclose(model.embed_pixels(pixels, output="feature"), plain_rows, atol=1e-5)


def test_learned_power_is_exported(tmp_path: Path) -> None:
    features = small("resnet18", stages=2, pooling=("gem",))
    with torch.no_grad():
        features.pooling.power.copy_(torch.tensor([1.5, 6.0]))
    pixels = sample_pixels(features.preprocess)
    export_features(features, tmp_path / "a.onnx", pixels=pixels)  # checks itself against torch
    with torch.inference_mode():
        expected = features(torch.from_numpy(pixels)).numpy()
        features.pooling.power.fill_(3.0)
        assert not np.allclose(features(torch.from_numpy(pixels)).numpy(), expected, atol=1e-3)


@pytest.mark.parametrize("number", [1, 2])
def test_maps_too_small_for_quarters_are_refused(number: int) -> None:
    network = NetworkConfig(backbone="resnet18", pretrained=False, quarters=(number,))
    size = 32 if number == 1 else 16
    with pytest.raises(ConfigError, match=r"too small to have quarters.*preprocess\.size"):
        Features(network, PreprocessConfig(size=size))
