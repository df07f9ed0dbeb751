from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from sklearn.datasets import load_sample_image

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError, ModelError
from lookalike.model import Model
from lookalike.preprocess import normalise, prepare
from lookalike.training.backbones import Features, wheel_weights
from lookalike.training.export import export_features, make_untrained, sample_pixels

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
    network = NetworkConfig(backbone="resnet18", pretrained=False, pooling=pooling)  # type: ignore[arg-type]
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
        Features(NetworkConfig(backbone=name, pretrained=False, pooling="gem"), PreprocessConfig())


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
    from lookalike.model import open_session

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
