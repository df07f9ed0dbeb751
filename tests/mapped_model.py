"""A small model whose graph names its maps: its pixels are its first map, means of 3 x 3 of them its last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from lookalike.config import NetworkConfig
from lookalike.models.maps import FEATURES, Composition
from lookalike.models.model import GRAPH, Model, write_facts
from lookalike.pictures.preprocess import Preprocess
from lookalike.training.folder import model_facts
from lookalike.training.graph import AnyGraph, grow_head, note

SIDE = 12
SMALL = Preprocess(SIDE, "crop", 1.0, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
MEANS = Composition(maps=["map0"], poolings=["spoc"], stages=1, quarters=[], powers=[])


def mapped_graph(composition: Composition | None = MEANS) -> onnx.ModelProto:
    """uint8 [n, 12, 12, 3] to the mean of map0; map0 is [n, 3, 4, 4], map1 the pixels [n, 3, 12, 12]."""
    constants = {"bright": np.array(255, np.float32), "axes": np.array([2, 3], np.int64)}
    constants |= {"axis": np.array([1], np.int64)}
    nodes = [
        helper.make_node("Cast", ["images"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["float"], ["channels"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["channels", "bright"], ["map1"]),
        helper.make_node("AveragePool", ["map1"], ["map0"], kernel_shape=[3, 3], strides=[3, 3]),
        helper.make_node("ReduceMean", ["map0", "axes"], ["mean"], keepdims=0),
        helper.make_node("ReduceL2", ["mean", "axis"], ["length"], keepdims=1),
        helper.make_node("Div", ["mean", "length"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "mapped",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    if composition is not None:
        note(model, FEATURES, composition.to_json())
    return model


def write_model(
    folder: Path,
    graph: onnx.ModelProto,
    *,
    dim: int,
    preprocess: Preprocess = SMALL,
    dimensions: Sequence[int] = (),
) -> Model:
    """A model folder around a graph."""
    folder.mkdir(parents=True)
    onnx.save(graph, str(folder / GRAPH))
    facts = model_facts(
        name="mapped",
        graph=folder / GRAPH,
        dim=dim,
        preprocess=preprocess,
        network=NetworkConfig(),
        created="2026-01-01T00:00:00+00:00",
        dimensions=dimensions,
    )
    write_facts(folder, facts)
    return Model.load(folder)


def grown(base: onnx.ModelProto, head: AnyGraph | None) -> onnx.ModelProto:
    """A graph with a head, or as it is."""
    return base if head is None else grow_head(base, head, keep_feature=False)


def with_patch(path: Path, *, row: int, column: int, seed: int, side: int = SIDE, patch: int = 3) -> Path:
    """A picture of dark bluish noise with one bright red square at a place."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 40, (side, side, 3), dtype=np.uint8)
    pixels[..., seed % 2 + 1] += 60  # the grounds of two pictures differ in colour
    pixels[row : row + patch, column : column + patch] = (255, 0, 0)
    Image.fromarray(pixels).save(path)
    return path
