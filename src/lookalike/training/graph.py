"""The head as ONNX: grown onto a backbone's graph, and the same thing in numpy to check it by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lookalike.records import Floats

Layer = tuple[Floats, Floats]  # weight [in, out], bias [out]


@dataclass(frozen=True)
class HeadGraph:
    """A head as exported: signed power, unit length, affine layers with ReLU between, unit length."""

    power: float
    layers: Sequence[Layer]

    def apply(self, features: Floats) -> Floats:
        """[n, D] features to [n, d] unit rows, in numpy: what the graph must agree with."""
        hidden = _unit(np.sign(features) * np.abs(features) ** self.power)
        for place, (weight, bias) in enumerate(self.layers):
            hidden = hidden @ weight + bias
            if place < len(self.layers) - 1:
                hidden = np.maximum(hidden, 0)
        return _unit(hidden).astype(np.float32)


def grow_head(backbone: onnx.ModelProto, head: HeadGraph, *, keep_feature: bool) -> onnx.ModelProto:
    """Append a head to a backbone's graph.

    Args:
        backbone: a graph whose output "embedding" is the feature, [n, D].
        head: what to append; its output takes the name "embedding".
        keep_feature: give the feature as a second output, "feature".
    """
    grown = onnx.ModelProto()
    grown.CopyFrom(backbone)
    graph = grown.graph
    feature = graph.output[0]
    _rename(graph, old="embedding", new="feature")
    dim = head.layers[-1][0].shape[1]
    graph.node.extend(_nodes(head))
    graph.initializer.extend(_constants(head))
    del graph.output[:]
    rows = feature.type.tensor_type.shape.dim[0].dim_param or "n"
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [rows, dim]))
    if keep_feature:
        graph.output.append(feature)
    onnx.checker.check_model(grown)
    return grown


def load_graph(path: Path) -> onnx.ModelProto:
    """Read a graph whose weights lie inside the file."""
    return onnx.load(str(path))


def _rename(graph: onnx.GraphProto, *, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]
    graph.output[0].name = new


def _nodes(head: HeadGraph) -> list[onnx.NodeProto]:
    nodes = [
        helper.make_node("Sign", ["feature"], ["head.sign"]),
        helper.make_node("Abs", ["feature"], ["head.size"]),
        helper.make_node("Pow", ["head.size", "head.power"], ["head.raised"]),
        helper.make_node("Mul", ["head.sign", "head.raised"], ["head.signed"]),
        *_unit_nodes("head.signed", "head.x0"),
    ]
    last = len(head.layers) - 1
    for i in range(len(head.layers)):
        affine = [f"head.x{i}", f"head.weight{i}", f"head.bias{i}"]
        nodes.append(helper.make_node("Gemm", affine, [f"head.y{i}"]))
        if i < last:
            nodes.append(helper.make_node("Relu", [f"head.y{i}"], [f"head.x{i + 1}"]))
    return [*nodes, *_unit_nodes(f"head.y{last}", "embedding")]


def _unit_nodes(source: str, target: str) -> list[onnx.NodeProto]:
    length, safe = f"{target}.length", f"{target}.safe"
    return [
        helper.make_node("ReduceL2", [source, "head.axis"], [length], keepdims=1),
        helper.make_node("Max", [length, "head.tiny"], [safe]),
        helper.make_node("Div", [source, safe], [target]),
    ]


def _constants(head: HeadGraph) -> list[TensorProto]:
    values: dict[str, NDArray[np.generic]] = {
        "head.power": np.array(head.power, np.float32),
        "head.axis": np.array([1], np.int64),
        "head.tiny": np.array(1e-12, np.float32),
    }
    for i, (weight, bias) in enumerate(head.layers):
        values[f"head.weight{i}"], values[f"head.bias{i}"] = weight, bias
    return [numpy_helper.from_array(value, name) for name, value in values.items()]


def _unit(rows: NDArray[np.floating]) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, 1e-12), dtype=np.float32)
