"""The map of the served page in a real browser: a line around pictures makes a list; the page on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from matplotlib.path import Path as Outline

from in_browser import goes_sideways, opened, paged
from searched_page import asked, ids, index_of, paint_things, settle

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab


@pytest.fixture(scope="module")
def address(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("mapped")
    with paged(index_of(paint_things(place / "things"), tiny_folder, place)) as (served, _):
        yield served


def draw_around(tab: Tab) -> None:
    """A line around everything, by the mouse."""
    frame = tab.locator(".map-canvas").bounding_box()
    assert frame
    corners = [
        (3, 3),
        (frame["width"] - 3, 3),
        (frame["width"] - 3, frame["height"] - 3),
        (3, frame["height"] - 3),
    ]
    tab.mouse.move(frame["x"] + 3, frame["y"] + 3)
    tab.mouse.down()
    for x, y in corners[1:]:
        tab.mouse.move(frame["x"] + x, frame["y"] + y, steps=4)
    tab.mouse.up()


def test_a_line_on_the_map_makes_a_list_to_search_with(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "map")
    tab.wait_for_selector(".map-legend button")
    tab.get_by_role("button", name="draw a line").click()
    draw_around(tab)
    assert tab.inner_text(".map-chosen h2") == "80 pictures"
    assert tab.locator(".map-thumbs button").count() == 60
    tab.get_by_role("button", name="Open as grid").click()
    tab.wait_for_selector(".map-grid .tile")
    assert tab.locator(".map-grid .tile").count() == 60
    tab.go_back()
    tab.wait_for_selector(".map-grid", state="hidden")
    assert tab.inner_text(".map-chosen h2") == "80 pictures"
    tab.go_forward()
    tab.wait_for_selector(".map-grid .tile")
    tab.get_by_role("button", name="Back to the map").click()
    tab.wait_for_selector(".map-grid", state="hidden")
    tab.get_by_role("button", name="Choose none").click()
    assert tab.locator(".map-chosen").is_hidden()
    tab.locator(".map-legend button").first.click()
    tab.get_by_role("button", name="list these 4 pictures").click()
    assert tab.inner_text(".map-chosen h2") == "4 pictures"
    tab.get_by_role("button", name="Search with these").click()
    settle(tab, "Most alike to all of it")
    assert len(asked(tab)) == 4
    assert not {int(value) for _, value in asked(tab)} & set(ids(tab))
    assert faults == []


def test_shift_draws_as_well_and_a_click_moves_nothing(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "map")
    tab.wait_for_selector(".map-legend button")
    assert "too many for colours" in tab.inner_text(".map-grey")
    tab.locator(".map-legend button").first.click()
    assert tab.locator(".map-grey").is_hidden()
    tab.get_by_role("button", name="show all labels").click()
    tab.keyboard.down("Shift")
    draw_around(tab)
    tab.keyboard.up("Shift")
    assert tab.inner_text(".map-chosen h2") == "80 pictures"
    assert faults == []


PLACES = """async () => {
  const { isInside, spread, withRoom, within } = await import("/static/map_places.js");
  let seed = 7;
  const any = (most) => { seed = (seed * 48271) % 2147483647; return seed % most; };
  const x = Array.from({ length: 800 }, () => any(1000)), y = x.map(() => any(1000)), rows = [...spread(800)];
  const box = { west: 200, east: 700, south: 100, north: 900 };
  const line = [[100.3, 100.7], [900.3, 200.1], [500.3, 500.2], [800.7, 900.1], [150.9, 800.3]];
  return { x, y, rows, line, room: withRoom(rows, x, y, 60), some: within(rows, x, y, box, 100),
    inside: x.keys().filter((row) => isInside(line, x[row], y[row])).toArray() };
}"""


def test_places_are_found_as_a_slower_way_finds_them(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address)
    found = tab.evaluate(PLACES)
    x, y, rows = np.array(found["x"]), np.array(found["y"]), found["rows"]
    assert sorted(rows) == list(range(800))
    taken: list[int] = []
    for row in rows:
        if not any(abs(x[row] - x[other]) < 60 and abs(y[row] - y[other]) < 60 for other in taken):
            taken.append(row)
    assert found["room"] == taken
    boxed = [row for row in rows if 200 <= x[row] <= 700 and 100 <= y[row] <= 900]
    assert found["some"] == boxed[:100]
    places = np.stack([x, y], axis=1)
    assert found["inside"] == np.flatnonzero(Outline(found["line"]).contains_points(places)).tolist()


@pytest.mark.parametrize("view", ["search", "search?id=1&id=2:-1&label=thing03", "map"])
def test_a_phone_shows_everything_without_scrolling_aside(browser: Browser, address: str, view: str) -> None:
    tab, faults = opened(browser, address, view, width=390, height=844, has_touch=True, is_mobile=True)
    tab.wait_for_selector(".tile > .picture, .map-legend button")
    assert not goes_sideways(tab)
    small = tab.evaluate(
        "[...document.querySelectorAll('main button, main select, header a')].filter(one => one.offsetParent)"
        ".map(one => [one.innerText || one.title, one.getBoundingClientRect()])"
        ".filter(([, { width, height }]) => Math.min(width, height) < 39.5).map(([name]) => name)"
    )
    assert small == []
    assert faults == []


FIRST = """async columns => { const { firstColumn } = await import("/static/map_looks.js");
  const many = count => Array.from({ length: count }, (_, place) => `v${place}`);
  const listed = values => Array.isArray(values) ? values : many(values);
  return firstColumn(columns.map(([name, values]) => ({ name, values: listed(values) }))); }"""
WORDS = """async ([name, values]) => { const { wordsOf } = await import("/static/map_looks.js");
  return values.map(value => wordsOf({ name, values }, value)); }"""
FLAG = ["0", "1"]


@pytest.mark.parametrize(
    ("columns", "first"),
    [
        ([("label", 3), ("kind", 5), ("red", FLAG)], 0),  # the labels, where colours tell them apart
        ([("label", 40), ("red", FLAG), ("kind", 5), ("size", 3)], 2),  # else what is told apart best
        ([("label", 40), ("red", FLAG)], 0),  # a flag says less than labels in grey
        ([("folder", 40), ("red", FLAG)], 1),
        ([("folder", 40), ("kind", 17)], 0),
        ([], 0),
    ],
    ids=["labels", "many-labels", "labels-and-flag", "flag", "too-many", "none"],
)
def test_a_map_begins_with_the_labels_where_there_are_some(
    browser: Browser, address: str, columns: list[tuple[str, int | list[str]]], first: int
) -> None:
    tab, _ = opened(browser, address)
    assert tab.evaluate(FIRST, [list(column) for column in columns]) == first


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["red", FLAG], ["no red", "red"]),
        (["red", ["", "0", "1"]], ["not known", "no red", "red"]),
        (["label", FLAG], FLAG),
        (["year", ["0", "1", "2"]], ["0", "1", "2"]),
        (["none", ["0"]], ["0"]),
    ],
    ids=["flag", "not-known", "label", "number", "zeros"],
)
def test_the_legend_of_a_flag_says_what_it_is_about(
    browser: Browser, address: str, column: list[object], words: list[str]
) -> None:
    tab, _ = opened(browser, address)
    assert tab.evaluate(WORDS, column) == words
