from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import MissingExtraError, ModelError
from lookalike.models import model as model_module
from lookalike.models.model import FACTS, GRAPH, Model, untrained, write_seen
from some_records import threshold
from tiny_model import pixels, write_tiny_model


def test_embeds_to_unit_rows(tiny: Model) -> None:
    vectors = tiny.embed_pixels(pixels(3))
    assert vectors.shape == (3, tiny.dim)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_batch_gives_what_single_pictures_give(tiny: Model) -> None:
    batch = pixels(5)
    singly = np.concatenate([tiny.embed_pixels(batch[i : i + 1]) for i in range(5)])
    assert np.allclose(tiny.embed_pixels(batch), singly, atol=1e-6)


def test_threshold_is_stored_and_read_back(tiny: Model) -> None:
    with pytest.raises(ModelError, match=r"no match threshold.*lookalike calibrate"):
        tiny.require_threshold()
    wanted = threshold("precision=0.95")
    tiny.set_threshold(wanted)
    tiny.set_threshold(replace(wanted, similarity=0.9), name="strict")
    again = Model.load(tiny.folder)
    assert tiny.require_threshold() == again.require_threshold() == wanted
    assert again.thresholds["strict"].similarity == 0.9
    with pytest.raises(ModelError, match=r"named default, strict.*--threshold strict, or make"):
        again.require_threshold("strikt")
    assert again.fingerprint == tiny.fingerprint


def test_fingerprint_tells_models_apart(tiny: Model, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    write_tiny_model(other, offset=1.0)
    assert Model.load(other).fingerprint != tiny.fingerprint


def test_changed_graph_is_refused(tiny: Model) -> None:
    graph = tiny.folder / GRAPH
    graph.write_bytes(graph.read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"changed or damaged.*copy the folder again"):
        Model.load(tiny.folder)


def test_other_format_version_is_refused(tiny: Model) -> None:
    facts = json.loads((tiny.folder / FACTS).read_text())
    (tiny.folder / FACTS).write_text(json.dumps({**facts, "format": 99}))
    with pytest.raises(
        ModelError, match=r"another format version.*format 99, wanted format 1.*pip install -U"
    ):
        Model.load(tiny.folder)


@pytest.mark.parametrize("content", [None, "", "[]", "{}", "{"])
def test_no_model_is_explained(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / FACTS).write_text(content)
    with pytest.raises(ModelError, match=r'no model lies here.*runs/NAME/model.*"default"'):
        Model.load(tmp_path)


def test_missing_graph_is_explained(tiny: Model) -> None:
    (tiny.folder / GRAPH).unlink()
    with pytest.raises(ModelError, match="graph is missing"):
        Model.load(tiny.folder)


def test_broken_graph_is_explained(tiny: Model) -> None:
    (tiny.folder / GRAPH).write_bytes(b"no graph")
    with pytest.raises(ModelError, match="onnxruntime cannot open"):
        model_module.open_session(tiny.folder / GRAPH)


def test_onnxruntime_is_told_to_send_nothing(tiny: Model) -> None:
    code = (
        "import os, sys; from lookalike.models.model import Model\n"
        "Model.load(sys.argv[1]).session; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    )
    free = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    command = [sys.executable, "-c", code, str(tiny.folder)]
    assert subprocess.run(command, env=free, capture_output=True, text=True, check=True).stdout == "1\n"


def test_counts_pictures_it_was_trained_on(tiny: Model) -> None:
    hashes = [bytes([i]) * 16 for i in range(10)]
    assert tiny.count_seen(hashes) == 0
    write_seen(tiny.folder, hashes[:4])
    assert tiny.count_seen(hashes[2:]) == 2
    assert tiny.count_seen([]) == 0


def test_untrained_needs_torch_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lookalike\[train\]'"):
        Model.load("default")


def test_unknown_backbone_is_explained(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beside the pictures is not run, whatever its name."""
    (tmp_path / "timm.py").write_text("raise SystemExit('a stranger was run')")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ModelError,
        match=r"^unknown backbone - network\.backbone - saw efficientnet_lite9, wanted .* - see timm",
    ):
        untrained({"backbone": "efficientnet_lite9"})
    assert not list((cache / "models").glob("*lite9*/*"))


def test_default_is_the_untrained_backbone(backbone: Model) -> None:
    assert Model.load("default").fingerprint == backbone.fingerprint
    assert (backbone.dim, backbone.preprocess.size, backbone.preprocess.mean) == (1280, 224, (0.5, 0.5, 0.5))


def broken_export(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
    return subprocess.CompletedProcess(
        [], 1, stdout="", stderr="OSError: [Errno 28] No space left on device\n"
    )


def test_a_cache_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "file" / "x"))
    with pytest.raises(ModelError, match=r"cache cannot be written - .*saw Not a directory.*LOOKALIKE_CACHE"):
        Model.load("default")
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path))
    monkeypatch.setattr(subprocess, "run", broken_export)
    with pytest.raises(ModelError, match=r"cache cannot be written - .*No space left.*LOOKALIKE_CACHE"):
        Model.load("default")


def test_a_damaged_cached_model_says_what_to_delete(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny: Model
) -> None:
    def export(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(shutil.copytree(tiny.folder, command[-1]))
        (folder / GRAPH).write_bytes(b"half")
        return subprocess.CompletedProcess(command, 0, stdout="", stderr="")

    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(subprocess, "run", export)
    with pytest.raises(ModelError, match=r"changed or damaged - .* - delete the folder .*/cache/models/"):
        Model.load("default")
