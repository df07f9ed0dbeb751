"""From a network to a model folder, checked: torch and onnxruntime must agree on real pictures.

Run as a module it makes the untrained model of a backbone: `python -m lookalike.training.export SPEC
FOLDER`, where SPEC is JSON. Anything that runs a model needs none of this.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from matplotlib.cbook import get_sample_data
from safetensors.numpy import save
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.errors import LookalikeError
from lookalike.models.maps import FEATURES, Composition
from lookalike.models.model import GRAPH, WEIGHTS, write_facts
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import Preprocess, prepare
from lookalike.records import Floats, Pixels
from lookalike.training.backbones import Features
from lookalike.training.folder import check_parity, making, model_facts
from lookalike.training.graph import note
from lookalike.training.pooling import GEM_POWERS, spoc

OPSET = 20
NETWORK_KEYS = ("backbone", "pretrained", "pooling", "stages", "quarters", "last_stride")


class Exported(nn.Module):
    """Features as they are written: the feature, the plain one beside it where asked for, and the maps."""

    def __init__(self, features: Features, *, plain: bool, maps: int) -> None:
        super().__init__()
        self.features, self.plain, self.maps = features, plain, maps

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """The feature [n, D], the mean of the last map [n, c], both unit rows, and maps [n, c, h, w]."""
        maps = self.features.maps(images)
        plain = [functional.normalize(spoc(maps[0]), dim=1)] if self.plain else []
        return (self.features.pooled(maps), *plain, *maps[: self.maps])


def export_features(
    features: Features, path: Path, *, pixels: Pixels, plain: bool = False
) -> onnx.ModelProto:
    """Write the features of a backbone as ONNX and check them against torch.

    The maps that are pooled have names of their own in the graph, map0 being the last, and its metadata says
    how the feature is made of them (`maps.Composition`). They are no outputs: those would cost time whenever
    a picture is embedded.

    Args:
        features: in evaluation mode.
        pixels: [n, size, size, 3] uint8, real pictures, to compare on.
        plain: give the mean of the last map, to unit length, as a second output, "feature" [n, c].

    Returns:
        The graph, whose output "embedding" is [n, D].

    Raises:
        ModelError: torch and onnxruntime differ by more than a cosine of 0.9999 on a picture.
    """
    composition = composition_of(features)
    names = [] if composition is None else list(composition.maps)
    outputs = ["embedding", "feature"] if plain else ["embedding"]
    exported = Exported(features, plain=plain, maps=len(names)).eval()
    graph = _traced(exported, size=features.preprocess.size, outputs=[*outputs, *names])
    del graph.graph.output[len(outputs) :]
    if composition is not None:
        note(graph, FEATURES, composition.to_json())
    onnx.save(graph, str(path))
    images = torch.from_numpy(pixels)
    with torch.inference_mode():
        check_parity(path, pixels, features(images).numpy())
        if plain:
            check_parity(path, pixels, exported(images)[1].numpy(), output="feature")
    return graph


def composition_of(features: Features) -> Composition | None:
    """How a feature is made of maps; None where the backbone gives tokens."""
    if features.tokens:
        return None
    pooling = features.pooling
    gem = "gem" in pooling.poolings
    return Composition(
        maps=[f"map{place}" for place in range(max(pooling.stages, *pooling.quartered, 1))],
        poolings=list(pooling.poolings),
        stages=pooling.stages,
        quarters=list(pooling.quartered),
        powers=pooling.power.detach().clamp(*GEM_POWERS).reshape(-1).tolist() if gem else [],
    )


def _traced(exported: nn.Module, *, size: int, outputs: list[str]) -> onnx.ModelProto:
    example = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter warns about its own internals
        program = torch.onnx.export(
            exported,
            (example,),
            input_names=["images"],
            output_names=outputs,
            dynamic_shapes=({0: torch.export.Dim("n")},),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None  # noqa: S101 - for the type checker: no file was asked for
    graph: onnx.ModelProto = program.model_proto
    return graph


def make_untrained(spec: Mapping[str, Any], folder: Path) -> None:
    """Make the model folder of a pretrained backbone, complete or not at all.

    Args:
        spec: backbone, and optionally pretrained, pooling, stages, quarters, last_stride, seed and
            preprocess (a mapping). Where the feature is another than the plain one, the graph gives that too,
            as the second output "feature": all choices of stages and poolings are then compared with one and
            the same vector. With last_stride 1 the plain one would take a second pass and is not given.
    """
    network = NetworkConfig.model_validate({key: spec[key] for key in NETWORK_KEYS if key in spec})
    torch.manual_seed(spec.get("seed", 0))
    features = Features(network, PreprocessConfig.model_validate(spec.get("preprocess", {}))).eval()
    plain = f"{network.backbone}, untrained"
    both = not network.is_plain and network.last_stride == 2
    with making(folder, keep=True) as place:
        export_features(features, place / GRAPH, pixels=sample_pixels(features.preprocess), plain=both)
        (place / WEIGHTS).write_bytes(save(named_weights(features)))
        facts = model_facts(
            name=plain if network.is_plain else f"{plain}, {_pooled(network)}",
            graph=place / GRAPH,
            dim=features.dim,
            preprocess=features.preprocess,
            network=network,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            baseline=plain if both else None,
            feature_dim=features.plain_dim if both else None,
        )
        write_facts(place, facts)


def _pooled(network: NetworkConfig) -> str:
    """What is pooled, in words: "spoc + mac of 3 stages"."""
    words = f"{' + '.join(network.pooling)} of {network.stages} stage{'s' if network.stages > 1 else ''}"
    words += f", quarters of {', '.join(map(str, network.quarters))}" if network.quarters else ""
    return words if network.last_stride == 2 else f"{words}, last stride 1"


def sample_pixels(preprocess: Preprocess) -> Pixels:
    """[8, size, size, 3] uint8: parts of a photograph that matplotlib ships, to compare graphs on."""
    photo = open_image(Path(str(get_sample_data("grace_hopper.jpg", asfileobj=False))))
    height, width = photo.shape[:2]
    parts = [
        photo[y : y + height // 2, x : x + width // 2] for y in (0, height // 2) for x in (0, width // 2)
    ]
    pictures = [photo, photo[:, ::-1], *parts, photo[::4, ::4], photo.transpose(1, 0, 2)]
    return np.stack([prepare(np.ascontiguousarray(picture), preprocess) for picture in pictures])


def named_weights(network: nn.Module) -> dict[str, Floats]:
    """A network's weights under their torch names."""
    return {name: value.detach().cpu().numpy() for name, value in network.state_dict().items()}


def main() -> int:
    """Make an untrained model; with code 2, the last line on stderr is what went wrong, its beats as JSON."""
    try:
        make_untrained(json.loads(sys.argv[1]), Path(sys.argv[2]))
    except LookalikeError as error:
        beats = {name: getattr(error, name) for name in ("what", "where", "saw", "wanted", "do")}
        sys.stderr.write(f"{json.dumps(beats)}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
