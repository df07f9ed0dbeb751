"""Exported graphs name their maps; what places add sums to what the graph computes, with torch's layers."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
import torch

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.models.explanation import explain
from lookalike.models.maps import FEATURES, Composition, MapGraph
from lookalike.training.backbones import Features
from lookalike.training.export import composition_of, export_features, sample_pixels
from lookalike.training.graph import AnyGraph
from lookalike.training.network import CombinedHead, Head
from mapped_model import grown, write_model

SIZE = 44


def features(**chosen: object) -> Features:
    torch.manual_seed(0)
    network = NetworkConfig(backbone="similarity_convnet", pretrained=False, **chosen)  # type: ignore[arg-type]
    own = Features(network, PreprocessConfig(size=SIZE))
    with torch.no_grad():
        for name, value in own.named_parameters():
            if name == "pooling.power":
                value.copy_(torch.tensor([2.3, 4.1]))
        own.train()  # let BatchNorm see something
        own(torch.from_numpy(sample_pixels(own.preprocess)))
    return own.eval()


@pytest.fixture(scope="module")
def rich() -> Features:
    return features(pooling=("spoc", "mac", "gem"), stages=2, quarters=(1, 2))


@pytest.fixture(scope="module")
def rich_graph(rich: Features, tmp_path_factory: pytest.TempPathFactory) -> onnx.ModelProto:
    path = tmp_path_factory.mktemp("rich") / "a.onnx"
    return export_features(rich, path, pixels=sample_pixels(rich.preprocess), plain=True)


def torch_heads(inputs: int) -> dict[str, AnyGraph | None]:
    torch.manual_seed(1)
    heads = {
        "none": None,
        "powered": Head(inputs, 6, power=0.5),
        "feed forward": Head(inputs, 6, hidden=(16, 12), dropout=0.3),
        "residual": Head(inputs, inputs, hidden=(16,), residual=True),
        "cgd": CombinedHead(inputs, 16, descriptors=4),
    }
    made: dict[str, AnyGraph | None] = {}
    for name, head in heads.items():
        if head is not None:
            for value in head.parameters():
                torch.nn.init.normal_(value, std=0.3)
            head.train()(torch.randn(16, inputs))  # BatchNorm's statistics
            head.eval()
        made[name] = None if head is None else head.as_graph()
    return made


@pytest.mark.parametrize("kind", ["none", "powered", "feed forward", "residual", "cgd"])
def test_places_sum_to_the_similarity(
    kind: str, rich: Features, rich_graph: onnx.ModelProto, few: Path, tmp_path: Path
) -> None:
    head = torch_heads(rich.dim)[kind]
    model = write_model(
        tmp_path / "model",
        grown(rich_graph, head),
        dim=rich.dim if head is None else head.dim,
        preprocess=rich.preprocess,
    )
    a, b = sorted(few.rglob("noto.png"))[:2]
    found = explain(model, a, b)
    assert found.method == "exact"
    assert found.heat_a.shape == (10, 10)
    assert found.heat_a.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.heat_b.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.answer_to(4, 5).sum() == pytest.approx(found.heat_a[4, 5], abs=1e-6)


def test_graph_names_its_maps_and_keeps_its_outputs(rich: Features, rich_graph: onnx.ModelProto) -> None:
    assert [each.name for each in rich_graph.graph.output] == ["embedding", "feature"]
    said = Composition.of_metadata({each.key: each.value for each in rich_graph.metadata_props})
    assert said is not None
    assert (said.maps, said.poolings, said.stages) == (["map0", "map1"], ["spoc", "mac", "gem"], 2)
    assert said.quarters == [1, 2]
    assert said.powers == pytest.approx([2.3, 4.1])
    made = {name for node in rich_graph.graph.node for name in node.output}
    assert {"map0", "map1"} <= made


def test_maps_are_those_of_torch(rich: Features, rich_graph: onnx.ModelProto, tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", rich_graph, dim=rich.dim, preprocess=rich.preprocess)
    graph = MapGraph.of(model)
    assert graph is not None
    pixels = sample_pixels(rich.preprocess)
    with torch.inference_mode():
        expected = rich.maps(torch.from_numpy(pixels))
    for own, theirs in zip(graph.maps(pixels), expected, strict=True):
        assert own == pytest.approx(theirs.numpy(), abs=1e-4)


def test_map_that_only_has_quarters_is_named() -> None:
    said = composition_of(features(quarters=(2,)))
    assert said is not None
    assert (said.maps, said.stages, said.quarters, said.powers) == (["map0", "map1"], 1, [2], [])


def test_tokens_have_no_maps(tmp_path: Path) -> None:
    network = NetworkConfig(backbone="test_vit", pretrained=False)
    tokens = Features(network, PreprocessConfig()).eval()
    assert composition_of(tokens) is None
    graph = export_features(tokens, tmp_path / "a.onnx", pixels=sample_pixels(tokens.preprocess))
    assert FEATURES not in {each.key for each in graph.metadata_props}
    model = write_model(tmp_path / "model", graph, dim=tokens.dim, preprocess=tokens.preprocess)
    assert MapGraph.of(model) is None
    assert model.embed_pixels(sample_pixels(tokens.preprocess)).shape == (8, tokens.dim)
