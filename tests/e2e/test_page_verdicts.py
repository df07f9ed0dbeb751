"""A model whose only threshold is no default: every view of the page judges by it, and says so."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import opened, paged
from lookalike.calibrating import calibrate
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from searched_page import paint_things, shown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WORDS = """async thresholds => {
  const { calledAs, judgedBy, offersChoice, thresholdOf } = await import("/static/thresholds.js");
  const name = thresholdOf("", thresholds), offers = offersChoice(thresholds);
  return [name, offers, name && calledAs(name, thresholds), name && judgedBy(name, thresholds)];
}"""


@pytest.fixture(scope="module")
def address(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("named")
    pictures = paint_things(place / "things")
    shutil.copytree(tiny_folder, place / "model")
    table = ImageTable.read(pictures)
    calibrate(Model.load(place / "model"), table, name="strict")
    with Index.create(place / "things.idx", Model.load(place / "model")) as index:
        index.update(table, source=pictures)
    with paged(place / "things.idx") as (served, _):
        yield served


def test_every_view_judges_by_the_only_threshold_and_names_it(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    assert "(strict)" in tab.inner_text(".answers header")
    assert tab.locator(".tile .verdict").count() > 0
    assert tab.get_by_label("Threshold").locator("option").all_inner_texts()[0].startswith("strict (")
    tab.evaluate("location.hash = '#compare?a=1&b=2'")
    tab.wait_for_selector(".judged-word")
    assert "(strict)" in tab.inner_text(".judged-figures")
    assert tab.locator(".compare-verdict select").input_value() == "strict"
    tab.evaluate("location.hash = '#threshold'")
    tab.wait_for_selector(".promise:not(:empty)")
    assert tab.inner_text(".promise").lower().startswith("strict: ")
    assert faults == []


@pytest.mark.parametrize(
    ("thresholds", "chosen", "judge"),
    [
        ({}, "", ""),
        ({"copies": "a copy"}, "", ""),  # a copy is not asked for: a verdict on it would mislead
        ({"copies": "a copy"}, "copies", "copies"),
        ({"copies": "a copy", "strict": "the same"}, "", "strict"),
        ({"strict": "the same", "default": "the same"}, "", "default"),
    ],
)
def test_answers_are_judged_by_what_says_the_same(
    browser: Browser, address: str, thresholds: dict[str, str], chosen: str, judge: str
) -> None:
    tab, _ = opened(browser, address)
    told = {name: {"similarity": 0.5, "meaning": meaning} for name, meaning in thresholds.items()}
    asked = """async ([chosen, told]) => (await import("/static/thresholds.js")).judgeOf(chosen, told)"""
    assert tab.evaluate(asked, [chosen, told]) == judge


@pytest.mark.parametrize(
    ("thresholds", "words"),
    [
        ({}, ["", False, "", ""]),
        ({"default": "the same"}, ["default", False, "default", ""]),
        ({"a": "the same", "default": "the same"}, ["default", True, "default", ""]),
        ({"b": "the same"}, ["b", True, "b", " (b)"]),
        (
            {"b": "copies of one picture"},
            ["b", True, "b: copies of one picture", " (b: copies of one picture)"],
        ),
        (
            {"copies": "copies of one picture"},
            ["copies", True, "copies of one picture", " (copies of one picture)"],
        ),
        (
            {"default": "copies of one picture"},
            ["default", False, "default: copies of one picture", " (default: copies of one picture)"],
        ),
    ],
    ids=["none", "default", "both", "other", "other-copies", "copies", "default-copies"],
)
def test_a_threshold_is_called_by_its_name_and_by_what_matches(
    browser: Browser, address: str, thresholds: dict[str, str], words: list[str | bool]
) -> None:
    tab, _ = opened(browser, address)
    told = {name: {"similarity": 0.5, "meaning": meaning} for name, meaning in thresholds.items()}
    assert tab.evaluate(WORDS, told) == words
