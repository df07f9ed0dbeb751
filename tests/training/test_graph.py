from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from lookalike.errors import ModelError
from lookalike.models.model import GRAPH, Model, open_session
from lookalike.training.folder import check_parity, making
from lookalike.training.graph import AnyGraph, CombinedGraph, HeadGraph, grow_head, load_graph
from lookalike.training.network import CombinedHead, Head
from tiny_model import pixels


def random_head(
    rng: np.random.Generator, sizes: list[int], power: float, *, residual: bool = False
) -> HeadGraph:
    layers = [
        (rng.normal(size=(a, b)).astype(np.float32), rng.normal(size=b).astype(np.float32))
        for a, b in pairwise(sizes)
    ]
    return HeadGraph(power, layers, residual=residual)


def some_heads() -> list[AnyGraph]:
    """One of each kind, for features of 48 numbers."""
    rng = np.random.default_rng(1)
    branches = [rng.normal(size=(16, 4)).astype(np.float32) for _ in range(3)]
    return [
        random_head(rng, [48, 8], 0.5),
        random_head(rng, [48, 16, 8], 0.5),
        random_head(rng, [48, 16, 48], 1.0, residual=True),
        CombinedGraph(branches),
        CombinedGraph([rng.normal(size=(48, 8)).astype(np.float32)]),
    ]


def slow_apply(head: HeadGraph, feature: np.ndarray) -> np.ndarray:
    """One row, one number at a time, in double precision."""
    raised = [np.sign(x) * abs(float(x)) ** head.power for x in feature]
    length = sum(x * x for x in raised) ** 0.5
    entering = hidden = [x / length for x in raised]
    for place, (weight, bias) in enumerate(head.layers):
        hidden = [
            sum(hidden[i] * float(weight[i, j]) for i in range(len(hidden))) + float(bias[j])
            for j in range(weight.shape[1])
        ]
        if place < len(head.layers) - 1:
            hidden = [max(0.0, x) for x in hidden]
    if head.residual:
        hidden = [a + b for a, b in zip(entering, hidden, strict=True)]
    length = sum(x * x for x in hidden) ** 0.5
    return np.array([x / length for x in hidden])


@pytest.mark.parametrize("sizes", [[48, 8], [48, 16, 8], [48, 16, 48]])
@pytest.mark.parametrize("power", [0.5, 1.0])
def test_numpy_agrees_with_a_slow_loop(sizes: list[int], power: float) -> None:
    rng = np.random.default_rng(0)
    head = random_head(rng, sizes, power, residual=sizes[-1] == 48)
    features = rng.normal(size=(4, 48)).astype(np.float32)
    expected = np.stack([slow_apply(head, row) for row in features])
    assert np.allclose(head.apply(features), expected, atol=1e-5)


@pytest.mark.parametrize("kind", range(5))
@pytest.mark.parametrize("keep", [True, False])
def test_grown_graph_computes_the_head(tiny: Model, tmp_path: Path, kind: int, keep: bool) -> None:
    head = some_heads()[kind]
    path = tmp_path / GRAPH
    onnx.save(grow_head(load_graph(tiny.folder / GRAPH), head, keep_feature=keep), str(path))
    images = pixels(3)
    features = tiny.embed_pixels(images)
    session = open_session(path)
    assert [output.name for output in session.get_outputs()] == ["embedding", "feature"][: 2 if keep else 1]
    results = session.run(None, {"images": images})
    assert np.allclose(results[0], head.apply(features), atol=1e-5)
    assert session.get_outputs()[0].shape[1] == head.dim == results[0].shape[1]
    if keep:
        assert np.allclose(results[1], features, atol=1e-6)


@pytest.mark.parametrize("keep", [True, False])
def test_plain_feature_of_a_richer_backbone_stays_the_second_output(
    tiny: Model, tmp_path: Path, keep: bool
) -> None:
    rich = load_graph(tiny.folder / GRAPH)  # of twice its plain feature, which it gives too
    rich.graph.node.extend(
        [
            onnx.helper.make_node("Identity", ["embedding"], ["feature"]),
            onnx.helper.make_node("Concat", ["embedding", "embedding"], ["rich"], axis=1),
        ]
    )
    for node in rich.graph.node:
        node.output[:] = [{"embedding": "plain", "rich": "embedding"}.get(name, name) for name in node.output]
        node.input[:] = ["plain" if name == "embedding" else name for name in node.input]
    rich.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 96
    rich.graph.output.append(onnx.helper.make_tensor_value_info("feature", onnx.TensorProto.FLOAT, ["n", 48]))
    head = random_head(np.random.default_rng(1), [96, 8], 0.5)
    path = tmp_path / GRAPH
    onnx.save(grow_head(rich, head, keep_feature=keep), str(path))
    session, images = open_session(path), pixels(3)
    plain = tiny.embed_pixels(images)
    results = session.run(None, {"images": images})
    assert [output.name for output in session.get_outputs()] == ["embedding", "feature"][: 2 if keep else 1]
    assert np.allclose(results[0], head.apply(np.concatenate([plain, plain], axis=1)), atol=1e-5)
    if keep:
        assert np.allclose(results[1], plain, atol=1e-6)


def test_backbone_graph_is_left_as_it_was(tiny: Model) -> None:
    backbone = load_graph(tiny.folder / GRAPH)
    before = backbone.SerializeToString()
    grow_head(backbone, random_head(np.random.default_rng(1), [48, 8], 1.0), keep_feature=True)
    assert backbone.SerializeToString() == before


@pytest.mark.parametrize("hidden", [(), (16,), (16, 12)])
def test_torch_head_exports_what_it_computes(hidden: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    head = Head(48, 8, hidden=hidden, dropout=0.5, power=0.5)
    features = torch.nn.functional.normalize(torch.randn(64, 48), dim=1)
    for _ in range(20):
        head(features * torch.rand(48))  # moves BatchNorm's statistics off their start
    head.eval()
    with torch.inference_mode():
        expected = head(features).numpy()
    assert np.allclose(head.as_graph().apply(features.numpy()), expected, atol=1e-5)


def test_residual_and_combined_heads_export_what_they_compute() -> None:
    torch.manual_seed(0)
    features = torch.nn.functional.normalize(torch.randn(64, 48), dim=1)
    residual = Head(48, 48, hidden=(16,), residual=True)
    torch.nn.init.normal_(residual.last.weight)
    for _ in range(20):
        residual(features * torch.rand(48))
    for head in (residual.eval(), CombinedHead(48, 12, descriptors=3), Head.identity(48)):
        with torch.inference_mode():
            expected = head(features).numpy()
        assert np.allclose(head.as_graph().apply(features.numpy()), expected, atol=1e-5)


def test_parity_refuses_a_gap(tiny: Model) -> None:
    images = pixels(4)
    right = tiny.embed_pixels(images)
    assert check_parity(tiny.folder / GRAPH, images, right) > 0.99999
    wrong = right.copy()
    wrong[2] = np.roll(wrong[2], 1)
    with pytest.raises(ModelError, match=r"does not compute what the network computes.*at least 0\.9999"):
        check_parity(tiny.folder / GRAPH, images, wrong)
    with pytest.raises(ModelError):
        check_parity(tiny.folder / GRAPH, images, np.full_like(right, np.nan))


def test_folder_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "model"

    def fail() -> None:
        with making(target) as place:
            (place / "half").write_text("x")
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []
    for content in ("one", "two"):
        with making(target) as place:
            (place / "whole").write_text(content)
        assert (target / "whole").read_text() == content
    assert list(tmp_path.iterdir()) == [target]
