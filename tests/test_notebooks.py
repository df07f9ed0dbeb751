"""The notebooks run as they stand, from top to bottom, and are kept without what they show."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SHOWN = {  # what the cells show, at least
    "tiny_imagenet_evaluation": {"image/png": 4, "text/html": 5},
    "cifar10_tutorial": {"image/png": 6, "text/html": 3},
}
SAID = {
    "tiny_imagenet_evaluation": ("ROC AUC 0.", "semi-hard", "MATCH: similarity", "recall@1", "map.html"),
    "cifar10_tutorial": ("F1 0.", "match something", "pictures; 50 labels", "map.html"),
}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_kept_notebooks_have_no_outputs(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    named = re.findall(r"\.\./((?:recipes|docs)/[\w.]+)", path.read_text(encoding="utf-8"))
    assert [file for file in named if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, cache: Path, tmp_path: Path) -> None:
    for name in ("examples", "recipes"):
        (tmp_path / name).symlink_to(ROOT / name)
    place = tmp_path / "notebooks"
    place.mkdir()
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=900,
        kernel_name="python3",
        resources={"metadata": {"path": str(place)}},
        extra_arguments=["--IPKernelApp.log_level=CRITICAL"],  # it warns of its own network address
    )
    own = {"PYTHONWARNINGS": "error", "IPYTHONDIR": str(tmp_path / "ipython")}
    client.execute(env={**os.environ, **own})
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    kinds = Counter(kind for output in outputs for kind in output.get("data", {}))
    assert {kind: kinds[kind] >= least for kind, least in SHOWN[path.stem].items()} == dict.fromkeys(
        SHOWN[path.stem], True
    )
    text = "".join(_text(output) for output in outputs)
    assert [words for words in SAID[path.stem] if words not in text] == []


def _text(output: Any) -> str:
    return str(output.get("text", "")) + str(output.get("data", {}).get("text/html", ""))
