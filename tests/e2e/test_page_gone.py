"""The map of the served page when its server is gone: it says so and what to do, and goes on afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from in_browser import opened, paged
from searched_page import index_of, paint_things, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator
    from playwright.sync_api import Page as Tab

WORKING = {"state": "working", "stage": "", "done": 0, "total": 0, "stale": False, "message": ""}
A_WHILE = 5000  # milliseconds, longer than the page waits
TOLD, DO = "The server does not answer.", "See whether lookalike serve still runs, then try again."


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("gone")
    return index_of(paint_things(place / "things"), tiny_folder, place)


def mapped(browser: Browser, address: str) -> Tab:
    """The map in a window that has room for few pictures, and a clock that can be put forward."""
    tab, _ = opened(browser, address, "map", width=460, height=460)
    tab.wait_for_selector(".map-legend button")
    tab.wait_for_load_state("networkidle")
    tab.clock.install()
    return tab


def miss(tab: Tab) -> Locator:
    """Make room for pictures that were not fetched before the server went; what is said of it."""
    tab.set_viewport_size({"width": 1600, "height": 1200})
    alert = tab.locator("#messages [role=alert]")
    alert.wait_for()
    return alert


def look_again(tab: Tab) -> None:
    """Let the page look by itself whether the server is back, which it is not."""
    with tab.expect_event("requestfailed", lambda request: request.url.endswith("/v1/map")):
        tab.clock.fast_forward(A_WHILE)


def test_a_map_that_is_shown_stays_and_goes_on(browser: Browser, index: Path) -> None:
    with paged(index) as (address, _):
        tab = mapped(browser, address)
    alert = miss(tab)
    assert alert.locator("p").all_inner_texts() == [TOLD, DO]
    canvas = tab.locator(".map-canvas")
    for each in (alert, canvas):
        each.evaluate("one => { one.isFirst = true; }")
    look_again(tab)
    look_again(tab)
    assert alert.evaluate("one => one.isFirst")  # it is not said again
    assert canvas.is_visible()
    with paged(index, port=urlsplit(address).port or 0):
        with tab.expect_response(lambda answer: "/v1/thumb/" in answer.url and answer.ok):
            tab.clock.fast_forward(A_WHILE)
        alert.wait_for(state="detached")
        assert canvas.evaluate("one => one.isFirst")  # in the place and size that it was moved to


def test_a_map_that_is_not_there_yet_can_be_asked_for_again(browser: Browser, index: Path) -> None:
    with paged(index) as (address, _):
        tab, _ = opened(browser, address)
        tab.route("**/v1/map", lambda route: route.fulfill(json=WORKING))
        tab.clock.install()
        tab.get_by_role("link", name="Map").click()
        tab.get_by_role("heading", name="The map is being made").wait_for()
        tab.unroute("**/v1/map")
    look_again(tab)
    told = tab.locator(".map .state")
    told.get_by_role("heading", name=TOLD).wait_for()
    assert DO in told.inner_text()
    again = told.get_by_role("button", name="Try again")
    with tab.expect_event("requestfailed", lambda request: request.url.endswith("/v1/map")):
        again.click()
    with paged(index, port=urlsplit(address).port or 0):
        again.click()
        tab.wait_for_selector(".map-legend button")
        assert told.count() == 0


def test_a_map_that_was_left_asks_no_more(browser: Browser, index: Path) -> None:
    with paged(index) as (address, _):
        tab = mapped(browser, address)
        tab.get_by_role("link", name="Search").click()
        until(tab, "document.querySelector('.answers h1')?.innerText === '80 pictures'")
        tab.get_by_role("link", name="Map").click()
        until(tab, "!document.querySelector('.view-map').hidden")
    miss(tab)
    look_again(tab)
    tab.get_by_role("link", name="Search").click()
    until(tab, "document.querySelector('.view-map').hidden")
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(urlsplit(request.url).path))
    tab.clock.fast_forward(A_WHILE)
    tab.evaluate("fetch('/healthz').catch(() => null)")
    assert "/healthz" in asked
    assert "/v1/map" not in asked
