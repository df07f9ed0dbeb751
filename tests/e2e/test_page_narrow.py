"""The page where it is narrow, and what is heard: nothing goes sideways, figures are as they are seen."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import goes_sideways, opened, paged
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from scenes import halved, scene, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NARROW, LARGE_COUNT = 320, "12,375,000"
TOKEN = "0123456789abcdef-token"
READY = {
    "search": ".view-search .tile",
    "compare?a=1&b=2": ".compare-facts .compare-about",
    "duplicates": ".review-tools:not([hidden])",
    "threshold": ".promise:not(.is-old)",
}
HEADINGS = "[...document.querySelectorAll('h1, h2, h3, h4')].filter(e => e.offsetParent).map(e => e.tagName)"


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Things by label, two pictures each and one copy; one folder, and so one label, is a blank."""
    place = tmp_path_factory.mktemp("narrow")
    for number, label in enumerate(("cat", "dog", " ")):
        for other in range(2):
            write(place / "things" / label / f"{other}.png", scene(10 * number + other, 96, 96))
    write(place / "things" / "cat" / "small.png", halved(scene(0, 96, 96)))
    model = Model.load(shutil.copytree(tiny_folder, place / "model"))
    with Index.create(place / "a.idx", model) as made:
        made.update(ImageTable.read(place / "things"), source=place / "things")
    return place / "a.idx"


@pytest.fixture(scope="module")
def address(index: Path) -> Iterator[str]:
    with paged(index) as (found, _):
        yield found


@pytest.mark.parametrize("view", READY)
def test_no_view_goes_sideways(browser: Browser, address: str, view: str) -> None:
    tab, _ = opened(browser, address, view, width=NARROW, height=640)
    tab.wait_for_selector(READY[view])
    assert not goes_sideways(tab)


def test_after_the_last_group_no_command_goes_sideways(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "duplicates", width=NARROW, height=640)
    tab.wait_for_selector(".group")
    tab.keyboard.press("j")
    tab.wait_for_selector(".group-end")
    assert not goes_sideways(tab)


@pytest.mark.parametrize("width", [NARROW, 390, 1280])
def test_large_counts_stay_in_their_cells(browser: Browser, address: str, width: int) -> None:
    tab, _ = opened(browser, address, "threshold", width=width)
    tab.wait_for_selector(READY["threshold"])
    tab.evaluate(
        "text => document.querySelectorAll('.cell-count').forEach(e => { e.textContent = text; })",
        LARGE_COUNT,
    )
    assert tab.evaluate(
        "[...document.querySelectorAll('.cell')].every(cell => cell.scrollWidth <= cell.clientWidth)"
    )
    assert not goes_sideways(tab)


@pytest.mark.parametrize("at", ["0.4321", "1"])
def test_the_figures_that_are_read_out_are_those_that_are_seen(
    browser: Browser, address: str, at: str
) -> None:
    tab, _ = opened(browser, address, f"threshold?at={at}")
    tab.wait_for_selector(READY["threshold"])
    shown = [
        f"{name.lower()} {tab.inner_text(f'[data-figure={key}] strong')}"
        for key, name in (
            ("precision", "Precision"),
            ("recall", "Recall"),
            ("false_match_rate", "False-match rate"),
        )
    ]
    words = f"{float(at):.4f}: {', '.join(shown)}"
    assert tab.get_attribute(".threshold-slider", "aria-valuetext") == words
    assert str(tab.get_attribute(".histogram", "aria-label")).endswith(f"Threshold {words}")
    assert tab.input_value(".threshold-number") == f"{float(at):.4f}"


def test_the_exact_answer_is_read_out_when_it_comes(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address)

    def other(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        told = answer.json()
        told["figures"]["recall"] = 0.123
        route.fulfill(response=answer, json=told)  # type: ignore[attr-defined]

    tab.route("**/v1/boundary/at*", other)
    tab.goto(f"{address}#threshold?at=0.5")
    tab.wait_for_selector(READY["threshold"])
    assert "recall 12%" in str(tab.get_attribute(".threshold-slider", "aria-valuetext"))


def test_headings_begin_with_the_first_level(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "search")
    tab.wait_for_selector(READY["search"])
    assert tab.evaluate(HEADINGS)[:1] == ["H1"]


def test_a_name_of_blanks_is_a_name(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address, "search")
    tab.wait_for_selector(".folder-name")
    names = tab.locator(".folder-name").all_inner_texts()
    assert any(re.match(r"\\u0020\s*2$", name) for name in names), names
    tab.goto(f"{address}#map")
    tab.wait_for_selector("text=\\u0020")


def test_the_token_can_be_typed_at_once(browser: Browser, index: Path) -> None:
    with paged(index, token=TOKEN) as (address, _):
        tab, _ = opened(browser, address)
        tab.wait_for_selector("input[type=password]")
        tab.keyboard.type(TOKEN)
        tab.keyboard.press("Enter")
        tab.wait_for_selector(READY["search"])
