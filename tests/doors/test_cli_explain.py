from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from lookalike.cli import app
from lookalike.models.model import Model
from some_records import threshold


@pytest.fixture
def pictures(few: Path) -> tuple[str, str]:
    first, second = sorted(few.rglob("noto.png"))[:2]
    return str(first), str(second)


def run(*arguments: object) -> int:
    code = app([str(argument) for argument in arguments], standalone_mode=False)
    assert isinstance(code, int)
    return code


@pytest.mark.parametrize(("limit", "code", "verdict"), [(-1.0, 0, "MATCH"), (0.9999, 1, "NO MATCH")])
def test_picture_is_drawn_whatever_the_verdict(
    tiny: Model,
    pictures: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    limit: float,
    code: int,
    verdict: str,
) -> None:
    tiny.set_threshold(replace(threshold("f1"), similarity=limit))
    assert run("match", tiny.folder, *pictures, "--explain", tmp_path / "why.png") == code
    shown = capsys.readouterr()
    assert shown.out.startswith(verdict)
    assert f"picture  {tmp_path / 'why.png'}" in shown.err
    with Image.open(tmp_path / "why.png") as drawn:
        assert drawn.format == "PNG"


def test_picture_needs_no_threshold(tiny: Model, pictures: tuple[str, str], tmp_path: Path) -> None:
    """The verdict does: the command still fails, with the picture drawn."""
    assert run("match", tiny.folder, *pictures, "--explain", tmp_path / "why.svg") == 2
    assert "<svg" in (tmp_path / "why.svg").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["why.txt", "why", "nowhere/why.png"])
def test_file_that_cannot_be_written_is_refused_first(
    tiny: Model, pictures: tuple[str, str], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("match", tiny.folder / "not-looked-at", *pictures, "--explain", tmp_path / name) == 2
    shown = capsys.readouterr()
    assert name.partition("/")[0] in shown.err
    assert "not-looked-at" not in shown.err
