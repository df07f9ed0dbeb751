"""The doctor's page: whole, alone, and with every name as text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from html_page import Page
from lookalike.checkups.checkup import Checkup, doctor
from lookalike.models.model import Model
from lookalike.presenting import checkup_page
from lookalike.presenting.checkup_page import render_checkup, write_checkup
from lookalike.tables.table import ImageTable
from scenes import cropped, scene, tidy, untidy, write

EVIL = "<script>alert(1)</script>&"


@pytest.fixture(scope="module")
def checkup(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Checkup:
    root = untidy(tmp_path_factory.mktemp("mess") / "mess")
    write(root / "train" / EVIL.replace("/", "") / "a<b>.png", scene(200))
    write(root / "test" / EVIL.replace("/", "") / "a<b>.png", cropped(scene(200)))
    return doctor(ImageTable.read(root), model=Model.load(tiny_folder))


@pytest.fixture(scope="module")
def page(checkup: Checkup) -> Page:
    return Page(render_checkup(checkup, data=EVIL, created="today"))


def test_the_page_stands_alone(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    sources = [str(image["src"]) for image in page.all("img")]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert all(image["alt"] for image in page.all("img"))


def test_every_finding_is_there_with_its_remedy(checkup: Checkup, page: Page) -> None:
    text = page.words("findings")
    for found in checkup.findings:
        assert found.what in text
        assert found.command in text
        assert found.setting in text
    assert len([mark for mark in page.all("span") if "mark" in str(mark.get("class"))]) == len(
        checkup.findings
    )


def test_headline_and_total(page: Page) -> None:
    words = page.words()
    assert "Something should be mended before training." in words
    assert "to mend" in words
    assert "Made today." in words
    assert f"Checkup of {EVIL}" in words


def test_pairs_stand_side_by_side_with_their_names_and_labels(page: Page) -> None:
    near = page.words("near")
    assert "thing 0/leak.jpg" in near
    assert "thing 0, test" in near
    assert "differ by 0." in near
    assert "a<b>.png" in near
    assert "thing 2/double.png" in page.words("doubtful")
    assert "thing 1/copy.png" in page.words("copies")


def test_what_is_left_out_is_listed(page: Page) -> None:
    text = page.words("left-out")
    assert "train/thing 0/blank.png thing 0 one colour" in text
    assert "train/thing 0/0.png thing 0 near-duplicate of test/thing 0/leak.jpg" in text


def test_plots_are_drawn(page: Page) -> None:
    labels = [str(svg.get("aria-label")) for svg in page.all("svg")]
    assert labels == ["Pictures of each class, the largest first.", "Width and height of every picture."]


def test_long_lists_say_that_they_are_cut(checkup: Checkup, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup_page, "MOST_PAIRS", 1)
    monkeypatch.setattr(checkup_page, "MOST_ENTRIES", 1)
    page = Page(render_checkup(checkup, data="a"))
    assert "The first 1 of 3 are shown" in page.words("near")
    assert "and 1 more" in page.words("findings")


def test_many_copies_are_counted(tiny_folder: Path, tmp_path: Path) -> None:
    for number in range(6):
        write(tmp_path / "a" / f"{number}.png", scene(1))
    found = doctor(ImageTable.read(tmp_path), model=Model.load(tiny_folder))
    page = Page(render_checkup(found, data="a"))
    assert "6 times" in page.words("copies")
    assert len(page.all("img")) == 4


def test_a_tidy_set_has_little_to_say(tiny_folder: Path, tmp_path: Path) -> None:
    found = doctor(ImageTable.read(tidy(tmp_path, classes=3, images=20)), model=Model.load(tiny_folder))
    page = Page(render_checkup(found, data="a"))
    assert "Nothing has to be mended" in page.words()
    assert "All are 96 × 96 pixels." in page.words("sizes")
    assert page.words("near").endswith("None.")
    assert page.words("left-out").endswith("Nothing.")


def test_incomplete_comparison_is_said(checkup: Checkup) -> None:
    near = replace(checkup.examination.near, complete=False)
    part = replace(checkup, examination=replace(checkup.examination, near=near))
    assert (
        "there were more, the most alike of them were taken" in Page(render_checkup(part, data="a")).words()
    )


def test_a_set_without_anything_usable_has_a_page(tiny_folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", b"")
    found = doctor(ImageTable.read(tmp_path), model=Model.load(tiny_folder))
    write_checkup(found, tmp_path / "page.html", data="a")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert not page.all("svg")
    assert "cannot be used" in page.words("left-out")
