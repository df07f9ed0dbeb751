"""The attribute branch as a file of the model folder: written, and checked under onnxruntime."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper
from safetensors.numpy import save

from lookalike.errors import ModelError
from lookalike.models.attributes import BASELINE, BRANCH, ENCODING
from lookalike.models.model import open_session
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values
from lookalike.training.folder import MINIMUM_COSINE
from lookalike.training.graph import HeadGraph, grow_head

OPSET, IR = 20, 10


@dataclass(frozen=True)
class TrainedBranch:
    """An attribute branch that is to be exported.

    Attributes:
        names: a attributes, in the order of the values.
        graph: from `indicators` [q, 2a] to unit rows.
        probes: [q, a] values to check the export on; expected: [q, d], what the trained branch gives.
        baseline: the `prototypes` of untrained features.
        facts: how it was made, for model.json.
    """

    names: Sequence[str]
    graph: HeadGraph
    probes: Values
    expected: Floats
    baseline: Mapping[str, Floats]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def write(self, place: Path) -> dict[str, Any]:
        """Write the branch into a model folder, checked, and return what model.json says of it.

        Raises:
            ModelError: the graph does not compute what was trained.
        """
        path = place / BRANCH
        onnx.save(branch_graph(self.graph, attributes=len(self.names)), str(path))
        (place / BASELINE).write_bytes(save(dict(self.baseline)))
        return {
            "names": list(self.names),
            "encoding": ENCODING,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "parity": check_branch(path, self.probes, self.expected),
            **self.facts,
        }


def branch_graph(head: HeadGraph, *, attributes: int) -> onnx.ModelProto:
    """The graph from "attributes" [q, a], 1 present, -1 absent, 0 not stated, to "embedding" [q, d]."""
    nodes = [
        helper.make_node("Sign", ["attributes"], ["sign"]),
        helper.make_node("Relu", ["sign"], ["present"]),
        helper.make_node("Neg", ["sign"], ["negated"]),
        helper.make_node("Relu", ["negated"], ["absent"]),
        helper.make_node("Concat", ["present", "absent"], ["embedding"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "attributes",
        [helper.make_tensor_value_info("attributes", TensorProto.FLOAT, ["q", attributes])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["q", 2 * attributes])],
    )
    stated = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR)
    return grow_head(stated, head, keep_feature=False)


def check_branch(path: Path, probes: Values, expected: Floats) -> float:
    """Compare a branch's embeddings with what they should be.

    Args:
        probes: [q, a] values; expected: [q, d] unit rows.

    Returns:
        The lowest cosine over the probes.

    Raises:
        ModelError: it is below 0.9999.
    """
    seen: Floats = open_session(path).run(["embedding"], {"attributes": probes.astype(np.float32)})[0]
    cosine = float(np.min(np.sum(seen * expected, axis=1)))
    if not cosine >= MINIMUM_COSINE:
        raise ModelError(
            "the exported attribute branch does not compute what was trained",
            where=path.name,
            saw=f"cosine {cosine:.6f} on the worst of {len(probes)} queries",
            wanted=f"at least {MINIMUM_COSINE}",
            do="try another torch or onnxruntime release, then add --resume; no model was written",
        )
    return cosine
