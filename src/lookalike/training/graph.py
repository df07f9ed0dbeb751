"""The head as ONNX, grown onto a backbone's graph; `head` has the same thing in numpy to check it by."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from lookalike.models.head import BranchedHead, LayeredHead
from lookalike.models.head import Layer as Layer
from lookalike.models.maps import HEAD


class HeadGraph(LayeredHead):
    """A head of layers as exported."""

    @property
    def dim(self) -> int:
        """d, the length of an embedding."""
        return int(self.layers[-1][0].shape[1])

    def nodes(self, feature: str) -> list[onnx.NodeProto]:
        """The head as nodes, from the value of that name to "embedding"."""
        nodes = [
            helper.make_node("Sign", [feature], ["head.sign"]),
            helper.make_node("Abs", [feature], ["head.size"]),
            helper.make_node("Pow", ["head.size", "head.power"], ["head.raised"]),
            helper.make_node("Mul", ["head.sign", "head.raised"], ["head.signed"]),
            *_unit_nodes("head.signed", "head.x0"),
        ]
        last = len(self.layers) - 1
        for i in range(len(self.layers)):
            affine = [f"head.x{i}", f"head.weight{i}", f"head.bias{i}"]
            nodes.append(helper.make_node("Gemm", affine, [f"head.y{i}"]))
            if i < last:
                nodes.append(helper.make_node("Relu", [f"head.y{i}"], [f"head.x{i + 1}"]))
        leaving = f"head.y{last}"
        if self.residual:
            nodes.append(helper.make_node("Add", ["head.x0", leaving], ["head.sum"]))
            leaving = "head.sum"
        return [*nodes, *_unit_nodes(leaving, "embedding")]


class CombinedGraph(BranchedHead):
    """A head of branches as exported."""

    @property
    def dim(self) -> int:
        """d, the length of an embedding."""
        return sum(weight.shape[1] for weight in self.branches)

    def nodes(self, feature: str) -> list[onnx.NodeProto]:
        """The head as nodes, from the value of that name to "embedding"."""
        count = len(self.branches)
        parts = [f"head.part{i}" for i in range(count)]
        nodes = [helper.make_node("Split", [feature], parts, axis=1, num_outputs=count)]
        for i, part in enumerate(parts):
            nodes.append(helper.make_node("MatMul", [part, f"head.weight{i}"], [f"head.y{i}"]))
            nodes += _unit_nodes(f"head.y{i}", f"head.unit{i}")
        units = [f"head.unit{i}" for i in range(count)]
        nodes.append(helper.make_node("Concat", units, ["head.combined"], axis=1))
        return [*nodes, *_unit_nodes("head.combined", "embedding")]


AnyGraph = HeadGraph | CombinedGraph


def grow_head(backbone: onnx.ModelProto, head: AnyGraph, *, keep_feature: bool) -> onnx.ModelProto:
    """Append a head to a backbone's graph.

    Args:
        backbone: a graph whose output "embedding" is the feature that the head starts from, [n, D]; where it
            has a second output, "feature", that is the plain feature of the untrained backbone.
        head: what to append; its output takes the name "embedding".
        keep_feature: give the plain feature as a second output, "feature".
    """
    grown = onnx.ModelProto()
    grown.CopyFrom(backbone)
    graph = grown.graph
    outputs = list(graph.output)
    source = "feature" if len(outputs) == 1 else "head.feature"
    _rename(graph, old="embedding", new=source)
    outputs[0].name = source
    graph.node.extend(head.nodes(source))
    graph.initializer.extend(_constants(head))
    del graph.output[:]
    rows = outputs[0].type.tensor_type.shape.dim[0].dim_param or "n"
    graph.output.append(helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [rows, head.dim]))
    if keep_feature:
        graph.output.append(outputs[-1])
    note(grown, HEAD, json.dumps(head.described))
    onnx.checker.check_model(grown)
    return grown


def note(graph: onnx.ModelProto, key: str, value: str) -> None:
    """Write something about a graph into its metadata, where onnxruntime reads it."""
    graph.metadata_props.append(onnx.StringStringEntryProto(key=key, value=value))


def load_graph(path: Path) -> onnx.ModelProto:
    """Read a graph whose weights lie inside the file."""
    return onnx.load(str(path))


def _rename(graph: onnx.GraphProto, *, old: str, new: str) -> None:
    for node in graph.node:
        node.input[:] = [new if name == old else name for name in node.input]
        node.output[:] = [new if name == old else name for name in node.output]


def _unit_nodes(source: str, target: str) -> list[onnx.NodeProto]:
    length, safe = f"{target}.length", f"{target}.safe"
    return [
        helper.make_node("ReduceL2", [source, "head.axis"], [length], keepdims=1),
        helper.make_node("Max", [length, "head.tiny"], [safe]),
        helper.make_node("Div", [source, safe], [target]),
    ]


def _constants(head: AnyGraph) -> list[TensorProto]:
    shared: dict[str, NDArray[np.generic]] = {
        "head.axis": np.array([1], np.int64),
        "head.tiny": np.array(1e-12, np.float32),
    }
    return [numpy_helper.from_array(value, name) for name, value in {**shared, **head.constants()}.items()]
