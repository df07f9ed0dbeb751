"""The search in a real browser: pictures are dropped, pasted, clicked, combined, filtered; what fails."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import opened, paged
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from searched_page import (
    EVIL,
    TILES,
    asked,
    give,
    ids,
    index_of,
    labels,
    of,
    paint_things,
    settle,
    shown,
    until,
    words,
)
from tiny_attributes import NAMES

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_things(tmp_path_factory.mktemp("search") / "things")


@pytest.fixture(scope="module")
def address(pictures: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = index_of(pictures, tiny_folder, tmp_path_factory.mktemp("searched"))
    with paged(path, max_bytes=200_000) as (served, _):
        yield served


def test_a_dropped_picture_is_answered_with_similarity_and_verdict(
    browser: Browser, address: str, pictures: Path
) -> None:
    tab, faults = shown(browser, address)
    assert tab.inner_text(".answers h1") == "80 pictures"
    give(tab, "dragenter", "body", of(pictures, 3, 0), "mine.png")
    assert tab.get_by_text("Drop to search with it").is_visible()
    give(tab, "drop", "main", of(pictures, 3, 0), "mine.png")
    settle(tab, "Most alike")
    assert tab.get_by_text("Drop to search with it").is_hidden()
    assert labels(tab)[:4] == ["thing03"] * 4
    assert words(tab)[0].startswith("1.00 match")
    assert " no match " in words(tab)[-1]
    assert tab.locator(".tile").first.locator(".badge").count() == 1
    assert tab.locator(".tile").last.locator(".badge").count() == 0
    assert "match from 0." in tab.inner_text(".answers header")
    assert tab.inner_text(".chip-name") == "mine.png"
    assert faults == []


def test_a_picture_is_pasted_and_another_is_chosen(browser: Browser, address: str, pictures: Path) -> None:
    tab, faults = shown(browser, address)
    give(tab, "paste", "body", of(pictures, 5, 1), "pasted.png")
    settle(tab, "Most alike")
    assert labels(tab)[:4] == ["thing05"] * 4
    with tab.expect_file_chooser() as chooser:
        tab.get_by_role("button", name="Add picture").click()
    chooser.value.set_files({"name": "more.png", "mimeType": "image/png", "buffer": of(pictures, 6, 1)})
    settle(tab, "Most alike to all of it")
    assert set(labels(tab)[:8]) == {"thing05", "thing06"}
    assert [key for key, _ in asked(tab)] == ["file", "file"]
    give(tab, "dragenter", "body", of(pictures, 7, 1), "third.png")
    give(tab, "drop", ".drop-zone + .drop-zone", of(pictures, 7, 1), "third.png")
    until(tab, "document.querySelectorAll('.asking .chip').length === 3")
    assert tab.locator(".asking .chip-name").all_inner_texts() == ["pasted.png", "more.png", "third.png"]
    assert faults == []


def test_clicks_lead_through_the_collection_and_back(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address)
    first, second = ids(tab)[:2]
    tab.locator(TILES).first.click()
    settle(tab, "Most alike")
    assert asked(tab) == [("id", str(first))]
    assert first not in ids(tab)
    answers = ids(tab)
    tab.locator(TILES).nth(5).click()
    until(tab, f"location.hash === '#search?id={answers[5]}'")
    settle(tab, "Most alike")
    tab.go_back()
    until(tab, f"document.querySelector('{TILES}')?.dataset.id === '{answers[0]}'")
    assert ids(tab) == answers
    tab.go_back()
    settle(tab, "80 pictures")
    assert ids(tab)[:2] == [first, second]
    assert faults == []


def test_keys_move_in_the_grid_ask_on_and_combine(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    tab.locator(TILES).first.focus()
    found = ids(tab)
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowLeft")
    focused = "Number(document.activeElement.dataset.id)"
    assert tab.evaluate(focused) == found[1]
    tab.keyboard.press("ArrowDown")
    below = found.index(tab.evaluate(focused))
    top = "id => Math.round(document.querySelector(`.tile > [data-id='${id}']`).getBoundingClientRect().left)"
    assert below > 2
    assert tab.evaluate(top, found[below]) == tab.evaluate(top, found[1])
    assert tab.locator(".view-search .grid button[tabindex='0']").count() == 5  # one tile's, not all tiles'
    tab.keyboard.press("Home")
    tab.keyboard.press("+")
    until(tab, f"location.hash === '#search?id=1&id={found[0]}'")
    settle(tab, "Most alike to all of it")
    tab.locator(TILES).first.focus()
    third = ids(tab)[0]
    tab.keyboard.press("Enter")
    until(tab, f"location.hash === '#search?id={third}'")
    assert faults == []


def test_an_answer_is_compared_with_what_is_asked(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    other = ids(tab)[2]
    tab.locator(TILES).nth(2).focus()
    tab.keyboard.press("c")
    until(tab, f"location.hash === '#compare?a=1&b={other}'")
    tab.go_back()
    settle(tab, "Most alike")
    assert faults == []


def test_pictures_are_added_taken_away_weighed_and_removed(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    last = tab.locator(".view-search .tile").nth(20)
    other = ids(tab)[20]
    last.hover()
    last.get_by_role("button", name="Take away").click()
    settle(tab, "Most alike to all of it")
    assert asked(tab) == [("id", "1"), ("id", f"{other}:-0.5")]
    assert other not in ids(tab)
    assert not any("match" in each for each in words(tab))
    assert "a threshold is made for two pictures" in tab.inner_text(".answers header")
    weak = words(tab)
    tab.get_by_label("Weight of this picture").nth(1).select_option("-2")
    until(tab, f"location.hash.endsWith('{other}%3A-2')")
    settle(tab, "Most alike to all of it")
    assert words(tab) != weak
    tab.get_by_role("button", name="Remove this picture").first.click()
    until(tab, "document.querySelectorAll('.asking .chip').length === 1")
    tab.get_by_role("button", name="Start again").click()
    settle(tab, "80 pictures")
    assert faults == []


def test_attributes_are_asked_for_alone_and_with_a_picture(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    offered = tab.get_by_label("Add an attribute")
    assert offered.locator("option").all_inner_texts() == ["Add attribute", *NAMES]
    offered.select_option("red")
    until(tab, "location.hash.endsWith('attributes=red%3D1')")
    settle(tab, "Most alike to all of it")
    together = ids(tab)
    tab.get_by_role("button", name="With it; press for without").click()
    until(tab, "location.hash.endsWith('attributes=red%3D0')")
    settle(tab, "Most alike to all of it")
    assert ids(tab) != together
    tab.get_by_role("button", name="Remove this picture").click()
    settle(tab, "Most alike")
    assert len(ids(tab)) == 48
    assert faults == []


def test_filters_narrow_and_come_off_again(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address)
    tab.get_by_label("Label", exact=True).fill("thing07")
    until(tab, "[...document.querySelectorAll('#labels option')].some(one => one.value === 'thing07')")
    tab.keyboard.press("Enter")
    settle(tab, "4 pictures")
    assert set(labels(tab)) == {"thing07"}
    tab.get_by_role("button", name="Remove: label thing07").click()
    settle(tab, "80 pictures")
    tab.get_by_role("button", name="thing01 4", exact=True).focus()
    tab.keyboard.press("ArrowDown")
    tab.keyboard.press("Enter")
    settle(tab, "4 pictures")
    assert asked(tab) == [("folder", "things/thing02")]
    tab.locator(TILES).first.click()
    settle(tab, "Most alike")
    assert labels(tab) == ["thing02"] * 3
    tab.get_by_label("Filter", exact=True).fill("label = 'nothing'")
    tab.keyboard.press("Enter")
    settle(tab, "No answers")
    tab.get_by_role("button", name="Remove the filters").click()
    settle(tab, "Most alike")
    assert len(ids(tab)) == 48
    assert faults == []


def test_a_filter_that_is_not_understood_says_so_where_it_was_written(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "search?where=label+%3D")
    tab.wait_for_selector("#where-fault:not([hidden])")
    assert "the filter is not understood" in tab.inner_text("#where-fault").lower()
    assert tab.get_by_label("Filter", exact=True).get_attribute("aria-invalid") == "true"
    assert "The filter cannot be used" in tab.inner_text(".answers")
    assert [fault for fault in faults if "422" not in fault] == []
    tab.get_by_role("button", name="Remove the filters").click()
    settle(tab, "80 pictures")
    assert tab.locator("#where-fault").is_hidden()


def test_nothing_found_says_why(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1&lowest=0.9999")
    assert tab.inner_text(".answers h1") == "No answers"
    assert "Nothing has a similarity of 0.9999 or more" in tab.inner_text(".answers .state")
    tab.get_by_role("button", name="Remove: similarity from 0.9999").click()
    settle(tab, "Most alike")
    assert faults == []


def test_further_pages_follow_without_a_repetition(browser: Browser, address: str) -> None:
    for view, total in (("search", 80), ("search?id=1", 79)):
        tab, faults = shown(browser, address, view)
        assert len(ids(tab)) == 48
        tab.get_by_role("button", name="Show more").click()
        until(tab, f"document.querySelectorAll('{TILES}').length === {total}")
        assert len(set(ids(tab))) == total
        assert tab.get_by_role("button", name="Show more").is_hidden()
        assert tab.evaluate("document.activeElement === document.querySelectorAll('.tile > .picture')[48]")
        tab.evaluate("location.hash = '#map'")
        tab.wait_for_selector(".map-legend button")
        tab.go_back()
        tab.wait_for_selector(TILES)
        assert len(ids(tab)) == total  # kept as it was left
        assert faults == []


def test_hostile_labels_and_names_are_text(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address)
    tab.get_by_label("Label", exact=True).fill(EVIL)
    tab.keyboard.press("Enter")
    settle(tab, "4 pictures")
    assert labels(tab) == [EVIL] * 4
    assert any(f"{EVIL}.png" in each for each in words(tab))
    tab.locator(TILES).first.click()
    settle(tab, "Most alike")
    tab.wait_for_function("text => document.querySelector('.chip-name').innerText === text", arg=EVIL)
    tab.goto(f"{address}#map")
    tab.wait_for_selector(".map-legend bdi")
    assert EVIL in tab.locator(".map-legend bdi").all_inner_texts()
    assert tab.evaluate("globalThis.broken") is None
    assert faults == []


def test_uploads_that_cannot_be_used_say_what_and_what_to_do(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address)
    give(tab, "drop", "body", b"<html><body>no picture</body></html>", "page.png")
    tab.wait_for_selector(".answers .state[role=alert]")
    said = tab.locator(".answers .state")
    assert said.locator("h2").inner_text().startswith("page.png: ")
    assert said.locator("h2").inner_text().endswith(".")
    assert tab.get_by_role("button", name="Choose another picture").is_visible()
    assert said.locator("p.quiet").inner_text() != ""
    assert [fault for fault in faults if "415" not in fault] == []
    give(tab, "drop", "body", b"\0" * 300_000, "large.png")
    until(tab, "document.querySelector('.answers .state')?.innerText.includes('large.png')")
    assert "at most 0.2 MB" in said.inner_text()
    tab.reload()
    until(tab, "document.querySelector('.answers .state')?.innerText.includes('not here any more')")
    assert "Drop it again" in said.inner_text()


def test_a_token_opens_the_page_and_leaves_its_address(
    browser: Browser, pictures: Path, tiny: Model, tmp_path: Path
) -> None:
    token = "a-token-of-24-characters"
    with Index.create(tmp_path / "a.idx", tiny) as index:
        index.update(ImageTable.read(pictures), source=pictures)
    with paged(tmp_path / "a.idx", token=token) as (address, _):
        tab, faults = shown(browser, address, f"token={token}")
        assert token not in tab.url
        tab.reload()
        settle(tab, "80 pictures")
        assert faults == []
        stranger, _ = opened(browser, address)
        stranger.get_by_text("This server asks for a token").wait_for()
        stranger.get_by_label("Token").fill(token)
        stranger.get_by_role("button", name="Open").click()
        settle(stranger, "80 pictures")
