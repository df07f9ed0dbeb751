"""Adding to the collection and taking out of it in a real browser: what became of each, and what stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import opened, paged
from lookalike.serving.desk import Desk
from searched_page import TILES, asked, give, ids, index_of, labels, of, paint_things, settle, shown, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, FilePayload
    from playwright.sync_api import Page as Tab

ADD = "dialog.adding button[type=submit]"
COURSE = ".adding-course [role=status]"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_things(tmp_path_factory.mktemp("adding") / "things")


@pytest.fixture
def served(pictures: Path, tiny_folder: Path, tmp_path: Path) -> Iterator[tuple[str, Desk]]:
    path = index_of(pictures, tiny_folder, tmp_path)
    with paged(path, writable=True, max_bytes=100_000, max_files=2) as (address, desk):
        yield address, desk


def picture(pictures: Path, thing: int, name: str) -> FilePayload:
    """A picture that the collection does not have."""
    return {"name": name, "mimeType": "image/png", "buffer": of(pictures, thing, 0)}


def choose(tab: Tab, files: list[FilePayload]) -> None:
    tab.set_input_files("dialog.adding input[type=file]", files)


def told(tab: Tab) -> dict[str, list[str]]:
    """Names of the pictures, by what became of them."""
    kinds = ("added", "known", "unused")
    return {kind: tab.locator(f".adding-{kind} li .cut").all_inner_texts() for kind in kinds}


def added(tab: Tab, said: str) -> None:
    tab.wait_for_function(f"text => document.querySelector('{COURSE}').innerText === text", arg=said)


def test_pictures_are_added_and_each_is_told_what_became_of_it(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    address, desk = served
    tab, faults = shown(browser, address)
    tab.get_by_role("button", name="Add to the collection").click()
    assert tab.get_by_role("dialog", name="Add to the collection").is_visible()
    assert tab.is_disabled(ADD)
    known = (pictures / "thing03" / "0.png").read_bytes()
    page = {"name": "page.png", "mimeType": "image/png", "buffer": b"<html>no picture</html>"}
    large = {"name": "large.png", "mimeType": "image/png", "buffer": b"\0" * 300_000}
    seen = {"name": "known.png", "mimeType": "image/png", "buffer": known}
    new = [picture(pictures, thing, f"new{thing}.png") for thing in (1, 2)]
    choose(tab, [new[0], page, seen, large, new[1]])  # type: ignore[list-item]
    field = tab.get_by_label("Label of all of them")
    field.fill("thing0")
    until(
        tab, "[...document.querySelectorAll('#labels-to-give option')].some(one => one.value === 'thing01')"
    )
    field.fill("a new thing")
    tab.click(ADD)
    added(tab, "2 added, 1 known already, 2 could not be used.")
    kinds = {"added": ["new1.png", "new2.png"], "known": ["known.png"], "unused": ["page.png", "large.png"]}
    assert told(tab) == kinds
    assert "Not an image" in tab.inner_text(".adding-unused")
    assert "at most 0.1 MB" in tab.inner_text(".adding-unused")
    assert field.input_value() == ""
    until(tab, "document.querySelector('#collection').innerText.startsWith('82 pictures')")
    tab.keyboard.press("Escape")
    settle(tab, "82 pictures")
    tab.get_by_label("Label", exact=True).focus()
    until(tab, "[...document.querySelectorAll('#labels option')].some(one => one.value === 'a new thing')")
    tab.get_by_label("Label", exact=True).fill("a new thing")
    tab.keyboard.press("Enter")
    settle(tab, "2 pictures")
    assert labels(tab) == ["a new thing"] * 2
    assert "things.idx-added" in tab.inner_text(".folders")
    assert len(desk.index) == 82
    assert [fault for fault in faults if "415" not in fault] == []


def test_an_upload_that_is_not_in_the_collection_can_be_added(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    tab, faults = shown(browser, served[0])
    give(tab, "drop", "main", of(pictures, 4, 0), "mine.png")
    settle(tab, "Most alike")
    tab.get_by_role("button", name="Add this picture to the collection").click()
    assert tab.locator(".adding-files .cut").all_inner_texts() == ["mine.png"]
    tab.click(ADD)
    added(tab, "1 added.")
    tab.get_by_role("button", name="Close", exact=True).click()
    tab.get_by_role("link", name="This very picture is in the collection").click()
    settle(tab, "Most alike")
    assert asked(tab)[0][0] == "id"
    assert faults == []


def test_dropped_pictures_are_added_where_they_are_dropped_for_it(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    tab, faults = opened(browser, served[0], "map")
    tab.wait_for_selector(".map-legend button")
    give(tab, "dragenter", "body", of(pictures, 5, 0), "mine.png")
    give(tab, "drop", ".drop-zone:last-child", of(pictures, 5, 0), "mine.png")
    give(tab, "drop", "dialog.adding", of(pictures, 6, 0), "another.png")
    give(tab, "paste", "dialog.adding", of(pictures, 7, 0), "third.png")
    names = ["mine.png", "another.png", "third.png"]
    assert tab.locator(".adding-files .cut").all_inner_texts() == names
    tab.click(ADD)
    added(tab, "3 added.")
    assert told(tab)["added"] == names
    assert tab.inner_text("nav [aria-current]") == "Map"
    until(tab, "document.querySelector('.map-about').innerText.startsWith('83 pictures')")
    assert faults == []


def test_what_was_not_sent_is_sent_later(browser: Browser, served: tuple[str, Desk], pictures: Path) -> None:
    tab, _ = shown(browser, served[0])
    tab.wait_for_load_state("networkidle")
    tab.get_by_role("button", name="Add to the collection").click()
    choose(tab, [picture(pictures, thing, f"{thing}.png") for thing in range(5)])
    tab.context.set_offline(True)
    tab.click(ADD)
    added(tab, "Nothing was added. 5 pictures not sent yet.")
    assert "The server does not answer" in tab.inner_text(".adding-course [role=alert]")
    tab.context.set_offline(False)
    tab.get_by_role("button", name="Go on with 5 pictures").click()
    added(tab, "5 added.")
    assert tab.inner_text(".adding-course [role=alert]") == ""


def test_a_label_that_cannot_be_kept_is_told_and_another_one_given(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    tab, _ = shown(browser, served[0])
    tab.get_by_role("button", name="Add to the collection").click()
    choose(tab, [picture(pictures, thing, f"{thing}.png") for thing in range(2)])
    tab.get_by_label("Label of all of them").fill("0.5")
    tab.keyboard.press("Enter")
    added(tab, "Nothing was added. 2 pictures not sent yet.")
    assert "The label cannot be kept" in tab.inner_text(".adding-course [role=alert]")
    tab.get_by_label("Label of all of them").fill("half")
    tab.keyboard.press("Enter")
    added(tab, "2 added.")


def test_a_picture_is_taken_out_once_that_is_confirmed(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    address, desk = served
    tab, faults = shown(browser, address)
    first = ids(tab)[0]
    tab.locator(TILES).first.click()
    settle(tab, "Most alike")
    out = tab.get_by_role("button", name="Take the asked picture out of the collection")
    out.click()
    said = tab.get_by_role("dialog", name="Take this picture out of the collection?")
    assert "Its file stays" in said.inner_text()
    assert "comes back when that folder is indexed again" in said.inner_text()
    assert tab.evaluate("document.activeElement.innerText") == "Leave it"
    tab.keyboard.press("Enter")
    assert said.is_hidden()
    assert len(desk.index) == 80
    files = sorted(pictures.rglob("*.png"))
    out.click()
    said.get_by_role("button", name="Take it out").click()
    settle(tab, "79 pictures")
    assert first not in ids(tab)
    assert len(desk.index) == 79
    assert sorted(pictures.rglob("*.png")) == files
    assert tab.inner_text("#collection").startswith("79 pictures")
    assert faults == []


def test_a_server_that_only_reads_offers_nothing_of_it(
    browser: Browser, pictures: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    with paged(index_of(pictures, tiny_folder, tmp_path)) as (address, _):
        tab, faults = shown(browser, address)
        give(tab, "dragenter", "body", of(pictures, 3, 0), "mine.png")
        assert tab.get_by_text("Drop to search with it").is_visible()
        for text in ("Add to the collection", "Drop to add it to the collection"):
            assert tab.get_by_text(text).locator("visible=true").count() == 0
        give(tab, "drop", "main", of(pictures, 3, 0), "mine.png")
        settle(tab, "Most alike")
        assert tab.get_by_role("button", name="Add this picture").count() == 0
        tab.locator(TILES).first.click()
        until(tab, "location.hash.startsWith('#search?id=')")
        settle(tab, "Most alike")
        assert tab.get_by_role("button", name="Take the asked picture").count() == 0
        assert faults == []


def test_a_phone_shows_the_dialogs_without_scrolling_aside(
    browser: Browser, served: tuple[str, Desk], pictures: Path
) -> None:
    tab, _ = shown(browser, served[0], "search?id=1", width=390, height=844)
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    tab.get_by_role("button", name="Take the asked picture out of the collection").click()
    assert tab.evaluate("document.querySelector('dialog.removing').getBoundingClientRect().right") <= 390
    tab.keyboard.press("Escape")
    tab.evaluate("location.hash = '#search'")
    settle(tab, "80 pictures")
    tab.get_by_role("button", name="Add to the collection").click()
    choose(tab, [picture(pictures, 1, "a name that is much too long for its place 0001.png")])
    assert tab.evaluate("document.querySelector('dialog.adding').scrollWidth") <= 390
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
