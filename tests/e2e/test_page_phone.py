"""Every view of the served page on a narrow window, in a real browser: nothing is wider than it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import goes_sideways, opened, paged
from searched_page import SETTLED, index_of, paint_things, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ANSWERED = f"document.querySelector('.tile > .picture') && {SETTLED}"
VIEWS = {
    "search": ANSWERED,
    "search?id=1": ANSWERED,
    "search?" + "&".join(f"id={number}" for number in range(1, 4)): ANSWERED,
    "search?" + "&".join(f"id={number}" for number in range(1, 17)): ANSWERED,
    "compare": "document.querySelector('.compare-empty')",
    "compare?a=1&b=2": "document.querySelector('.judged-word')",
    "duplicates": "document.querySelector('.group')",
    "threshold": "document.querySelector('.histogram path')",
    "map": "document.querySelector('.map-legend button')",
}
IDS = ["collection", "one", "three", "sixteen", "nothing", "two", "duplicates", "threshold", "map"]


@pytest.fixture(scope="module")
def address(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("narrow")
    with paged(index_of(paint_things(place / "things"), tiny_folder, place), writable=True) as (served, _):
        yield served


@pytest.mark.parametrize(("view", "shows"), VIEWS.items(), ids=IDS)
def test_no_view_is_wider_than_a_narrow_window(browser: Browser, address: str, view: str, shows: str) -> None:
    tab, faults = opened(browser, address, view, width=390, height=844)
    until(tab, shows)
    assert not goes_sideways(tab)
    assert faults == []


def test_the_headline_of_the_duplicates_has_the_width_of_the_window(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "duplicates", width=390, height=844)
    tab.wait_for_selector(".review-tools:not([hidden])")
    box = tab.locator(".review-head > div").first.bounding_box()
    assert box
    assert box["width"] > 340
    assert faults == []


def test_a_picture_that_is_looked_at_large_fits(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "search?id=1", width=390, height=844)
    until(tab, ANSWERED)
    tab.locator(".tile > .picture").first.press("i")
    tab.wait_for_selector("dialog.details[open]")
    assert not goes_sideways(tab)
    assert tab.evaluate("document.querySelector('.details').scrollWidth <= innerWidth")
    assert faults == []
