"""The page of a description: the facts of the command, alone in one file, names as text."""

from __future__ import annotations

from pathlib import Path

import pytest

from html_page import Page
from lookalike.checkups.description import Description, describe, lines
from lookalike.cli import app
from lookalike.presenting.description_page import render_description
from lookalike.tables.table import ImageTable
from scenes import scene, untidy, write

EVIL = "<script>alert(1)<&"


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Description:
    root = untidy(tmp_path_factory.mktemp("mess") / "mess")
    write(root / "train" / EVIL / "a<b>.png", scene(200))
    return describe(ImageTable.read(root))


def test_the_page_says_what_the_command_says(found: Description) -> None:
    page = Page(render_description(found, data=EVIL, created="today"))
    assert not page.all("script")
    assert not page.all("link")
    shown = " ".join(page.text.values())
    words = " ".join(shown.split())
    for line in lines(found):
        assert " ".join(line.split()) in words
    assert f"Pictures of {EVIL}" in words
    assert "Made today" in words
    assert EVIL in found.single
    assert len(page.all("svg")) == 1


def test_without_classes_nothing_is_drawn(tmp_path: Path) -> None:
    write(tmp_path / "loose" / "a.png", scene(1))
    page = Page(render_description(describe(ImageTable.read(tmp_path / "loose")), data="loose"))
    assert not page.all("svg")
    assert "1 picture, 0 classes" in " ".join(page.words(name) for name in page.text)


def test_the_command_writes_it(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = untidy(tmp_path / "mess")
    page = tmp_path / "pictures.html"
    assert app(["describe", str(root), "--html", str(page)], standalone_mode=False) == 0
    assert "Pictures of" in page.read_text(encoding="utf-8")
    nowhere = tmp_path / "nowhere" / "pictures.html"
    assert app(["describe", str(root), "--html", str(nowhere)], standalone_mode=False) == 2
    assert "nowhere" in capfd.readouterr().err
