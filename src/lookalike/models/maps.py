"""The feature maps inside a graph, and what the graph says of how its embedding is made of them.

A model enters; for pictures its maps leave, and the head that follows them. A graph names its maps in its
metadata. They are values inside it and no outputs, so that embedding costs nothing more; here they are
declared outputs of a second session. Graphs of older exports, and of backbones that give tokens, name none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from lookalike.models.head import FixedHead, LayeredHead, constant_names, head_of
from lookalike.models.model import GRAPH, Model, open_session
from lookalike.records import Floats, Pixels

if TYPE_CHECKING:
    import onnxruntime

FEATURES, HEAD = "lookalike.features", "lookalike.head"  # keys of a graph's metadata; values are JSON

_GRAPH, _OUTPUT, _NAME = 7, 12, 1  # fields of ModelProto, GraphProto and ValueInfoProto in onnx.proto


@dataclass(frozen=True)
class Composition:
    """How a feature is made of maps: every pooling of the first `stages` maps, then quarters of some.

    Attributes:
        maps: names of the values in the graph, [n, c, h, w] each, the last map first.
        poolings: of "spoc", "mac" and "gem", in the order of the feature.
        stages: how many maps are pooled.
        quarters: which maps' quarters are added, counted from 1.
        powers: p of gem for each of the pooled maps; empty without gem.
    """

    maps: Sequence[str]
    poolings: Sequence[str]
    stages: int
    quarters: Sequence[int]
    powers: Sequence[float]

    def to_json(self) -> str:
        """As it stands in a graph's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def of_metadata(cls, metadata: Mapping[str, str]) -> Composition | None:
        """Read what a graph says; None where it says nothing, or something that is not known here."""
        said: dict[str, Any] = json.loads(metadata.get(FEATURES, "{}"))
        known = {field.name for field in fields(cls)}
        return cls(**said) if set(said) == known and set(said["poolings"]) <= {"spoc", "mac", "gem"} else None


class MapGraph:
    """A model's graph, opened so that it gives its feature maps.

    Attributes:
        composition: how the feature is made of the maps.
        head: what follows the feature.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, composition: Composition, head: FixedHead
    ) -> None:
        self.composition = composition
        self.head = head
        self._session = session

    @classmethod
    def of(cls, model: Model) -> MapGraph | None:
        """Open a model's graph once more, with its maps as outputs; None where it names none."""
        metadata = model.session.get_modelmeta().custom_metadata_map
        composition = Composition.of_metadata(metadata)
        if composition is None:
            return None
        said = json.loads(metadata[HEAD]) if HEAD in metadata else None
        constants = constant_names(said) if said is not None else []
        session = open_session(model.folder / GRAPH, more=as_outputs([*composition.maps, *constants]))
        if said is None:
            return cls(session, composition, LayeredHead(1.0, ()))
        blank = np.zeros((1, *session.get_inputs()[0].shape[1:]), np.uint8)
        values = session.run(constants, {"images": blank})
        return cls(session, composition, head_of(said, dict(zip(constants, values, strict=True))))

    def maps(self, pixels: Pixels) -> tuple[Floats, ...]:
        """[n, size, size, 3] uint8, prepared pictures, to their maps [n, c, h, w], the last one first."""
        return tuple(self._session.run(list(self.composition.maps), {"images": pixels}))


def as_outputs(names: Sequence[str]) -> bytes:
    """Bytes that, appended to a graph file, declare values inside the graph as outputs.

    Two messages of Protocol Buffers, one after the other, are read as one: lists are joined. What is appended
    is a model that has nothing but a graph that has nothing but outputs, each with a name alone.

    Reference: Protocol Buffers Documentation, Encoding, "Last One Wins"; onnx.proto for the field numbers.
    """
    outputs = [_field(_OUTPUT, _field(_NAME, name.encode())) for name in names]
    return _field(_GRAPH, b"".join(outputs))


def _field(number: int, content: bytes) -> bytes:
    """A field of Protocol Buffers whose content has a length."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])
