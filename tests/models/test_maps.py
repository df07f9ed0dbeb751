from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest

from lookalike.models.head import BranchedHead, LayeredHead
from lookalike.models.maps import FEATURES, MapGraph, as_outputs
from lookalike.models.model import GRAPH, Model, open_session
from lookalike.training.graph import AnyGraph, CombinedGraph, HeadGraph, note
from mapped_model import MEANS, SIDE, grown, mapped_graph, write_model


def pictures(count: int = 2) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, SIDE, SIDE, 3), dtype=np.uint8)


def test_maps_are_what_the_graph_computes(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", mapped_graph(), dim=3)
    graph = MapGraph.of(model)
    assert graph is not None
    (maps,) = graph.maps(pictures())
    expected = pictures().reshape(2, 4, 3, 4, 3, 3).mean((2, 4)).transpose(0, 3, 1, 2) / 255
    assert maps == pytest.approx(expected, abs=1e-6)
    assert graph.head == LayeredHead(1.0, ())
    assert [each.name for each in model.session.get_outputs()] == ["embedding"]


def test_declaring_outputs_changes_no_result(tmp_path: Path) -> None:
    """Names whose length takes two bytes in the file are found too."""
    graph = mapped_graph()
    long = "x" * 300
    for node in graph.graph.node:
        node.output[:] = [long if name == "map1" else name for name in node.output]
        node.input[:] = [long if name == "map1" else name for name in node.input]
    path = tmp_path / "long.onnx"
    onnx.save(graph, str(path))
    images = {"images": pictures()}
    embedding, maps = open_session(path, more=as_outputs([long])).run(["embedding", long], images)
    assert np.array_equal(embedding, open_session(path).run(None, images)[0])
    assert np.array_equal(maps, (pictures() / np.float32(255)).transpose(0, 3, 1, 2))


def test_appended_bytes_are_a_message_of_their_own() -> None:
    said = onnx.ModelProto.FromString(as_outputs(["a", "b" * 200]))
    assert [each.name for each in said.graph.output] == ["a", "b" * 200]
    expected = onnx.ModelProto()
    expected.graph.output.extend(onnx.ValueInfoProto(name=name) for name in ("a", "b" * 200))
    assert said == expected


def test_head_comes_out_of_the_graph(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    weight, bias = rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=2).astype(np.float32)
    deep = HeadGraph(0.5, [(weight, bias), (weight[:2] * 2, np.zeros(2, np.float32))])
    branches = CombinedGraph([rng.normal(size=(1, 2)).astype(np.float32) for _ in range(3)])
    heads: tuple[AnyGraph, ...] = (deep, branches)
    for number, head in enumerate(heads):
        model = write_model(tmp_path / str(number), grown(mapped_graph(), head), dim=head.dim)
        graph = MapGraph.of(model)
        assert graph is not None
        assert isinstance(graph.head, LayeredHead if number == 0 else BranchedHead)
        assert list(graph.head.constants()) == list(head.constants())
        for name, value in graph.head.constants().items():
            assert np.array_equal(value, head.constants()[name])


def test_graph_that_says_nothing_has_no_maps(tiny: Model, tmp_path: Path) -> None:
    assert MapGraph.of(tiny) is None
    unknown: list[dict[str, object]] = [{"poolings": ["rmac"]}, {"rotated": True}]
    for number, changed in enumerate(unknown):
        graph = mapped_graph(None)
        note(graph, FEATURES, json.dumps({**json.loads(MEANS.to_json()), **changed}))
        assert MapGraph.of(write_model(tmp_path / str(number), graph, dim=3)) is None


def test_graph_file_stays_as_it_is(tmp_path: Path) -> None:
    model = write_model(tmp_path / "model", mapped_graph(), dim=3)
    before = (model.folder / GRAPH).read_bytes()
    assert MapGraph.of(model) is not None
    assert (model.folder / GRAPH).read_bytes() == before
