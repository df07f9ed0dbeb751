"""The command compare, on tiny models."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import Run
from painted import much_alike
from tiny_model import write_tiny_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that carries its untrained backbone, another one, and pictures."""
    folder = tmp_path_factory.mktemp("compare")
    for name in ("fine", "coarse"):
        (folder / name).mkdir()
        write_tiny_model(folder / name, name=name, fields=4 if name == "fine" else 1, feature=name == "fine")
    much_alike(folder / "pictures", things=12)
    return folder


def test_two_models_are_compared(run: Run, place: Path, tmp_path: Path) -> None:
    code, out, _ = run("compare", place / "coarse", place / "fine", place / "pictures", "--split", "all")
    assert code == 0
    assert out.startswith(f"A: {place / 'coarse'}, coarse (")
    assert "B is better by" in out
    page = tmp_path / "page.html"
    code, worse, _ = run("compare", place / "fine", place / "coarse", place / "pictures", "--report", page)
    assert "A is better by" in page.read_text(encoding="utf-8")
    assert (code, "A is better by" in worse) == (0, True)  # an answer, whichever it is


def test_untrained_means_the_backbone_of_the_other(run: Run, place: Path) -> None:
    both = [
        json.loads(run("compare", *names, place / "pictures", "--json")[1])
        for names in (("untrained", place / "fine"), (place / "fine", "untrained"))
    ]
    assert [told["models"]["a"]["name"] for told in both] == ["tiny, untrained", "fine"]
    gain, loss = (told["figures"]["map"]["difference"]["value"] for told in both)
    assert gain == -loss > 0


def test_what_cannot_be_compared_is_refused(run: Run, place: Path, tmp_path: Path) -> None:
    for arguments, beats in (
        ((place / "coarse", tmp_path / "none", place / "pictures"), ("no model lies here", "none")),
        ((place / "coarse", "untrained", place / "pictures"), ("carries no untrained backbone", "coarse")),
        (("untrained", "untrained", place / "pictures"), ("no model lies here", "untrained")),
        ((place / "coarse", place / "fine", tmp_path / "gone"), ("no such file or folder", "gone")),
        (("x", "y", "z", "--report", tmp_path / "no" / "p.html"), ("a file cannot be written", "p.html")),
    ):
        code, out, err = run("compare", *arguments)
        assert (code, out) == (2, "")
        assert all(beat in err for beat in beats), err
