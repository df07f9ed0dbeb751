"""A model that runs in microseconds: its embedding is the picture at 4 x 4 pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from lookalike.config import NetworkConfig
from lookalike.models.model import GRAPH, write_facts
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Pixels
from lookalike.training.folder import model_facts

TINY = Preprocess(
    size=32, resize="crop", crop=1.0, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)


def pixels(count: int, seed: int = 0) -> Pixels:
    """Random prepared pictures."""
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def write_tiny_model(
    folder: Path, *, name: str = "tiny", offset: float = 0.0, fields: int = 4, feature: bool = False
) -> None:
    """Write a model whose embedding is the picture at 4 x 4 pixels; `offset` makes it another model.

    With fewer fields it sees less; with a feature, its untrained backbone sees one field.
    """
    graph = tiny_graph(offset=offset, fields=fields)
    if feature:
        seen = onnx.compose.add_prefix(tiny_graph(offset=offset, fields=1), "coarse/", rename_inputs=False)
        graph.graph.node.extend(seen.graph.node)
        graph.graph.initializer.extend(seen.graph.initializer)
        graph.graph.node.append(helper.make_node("Identity", ["coarse/embedding"], ["feature"]))
        graph.graph.output.append(helper.make_tensor_value_info("feature", TensorProto.FLOAT, ["n", 3]))
    onnx.save(graph, str(folder / GRAPH))
    facts = model_facts(
        name=name,
        graph=folder / GRAPH,
        dim=3 * fields**2,
        baseline="tiny, untrained" if feature else None,
        feature_dim=3 if feature else None,
        preprocess=TINY,
        network=NetworkConfig(),
        created="2026-01-01T00:00:00+00:00",
    )
    write_facts(folder, facts)


def tiny_graph(*, offset: float = 0.0, fields: int = 4) -> onnx.ModelProto:
    """The graph: uint8 [n, 32, 32, 3] to float32 [n, 3 * fields²] unit rows."""
    width, dim = 32 // fields, 3 * fields**2
    constants = {
        "middle": np.array(127.4 + offset, np.float32),
        "flat": np.array([0, dim], np.int64),
        "axis": np.array([1], np.int64),
        "tiny": np.array(1e-6, np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["channels"], ["pooled"], kernel_shape=[width, width], strides=[width, width]
        ),
        helper.make_node("Sub", ["pooled", "middle"], ["centred"]),
        helper.make_node("Reshape", ["centred", "flat"], ["rows"]),
        helper.make_node("ReduceL2", ["rows", "axis"], ["length"], keepdims=1),
        helper.make_node("Max", ["length", "tiny"], ["safe"]),
        helper.make_node("Div", ["rows", "safe"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", 32, 32, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", dim])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
