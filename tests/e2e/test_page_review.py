"""Duplicates are reviewed by keyboard in a real browser, and what is decided is in the index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import goes_sideways, opened, paged
from lookalike.indexing.adding import remove_items
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving.desk import Desk
from lookalike.tables.table import ImageTable
from scenes import cropped, halved, scene, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

PRESSED = """key => {
  for (let n = 0; n < 5; n += 1) document.dispatchEvent(new KeyboardEvent('keydown', { key }));
}"""
EVIL = "<img src=x onerror=globalThis.broken=1>"


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight scenes, and copies of three: byte for byte, half as large, cropped; one name is full of traps."""
    root = tmp_path_factory.mktemp("review") / "album"
    for number in range(8):
        write(root / f"{number:02}.png", scene(number, 160, 120))
    (root / "copies").mkdir()
    shutil.copy(root / "00.png", root / "copies/same.png")
    write(root / f"copies/{EVIL}.png", halved(scene(1, 160, 120)))
    write(root / "copies/crop.jpg", cropped(scene(2, 160, 120)), quality=90)
    return root


def indexed(album: Path, model: Path, place: Path) -> Path:
    """The album in an index."""
    with Index.create(place / "album.idx", Model.load(model)) as index:
        index.update(ImageTable.read(album), source=album)
    return place / "album.idx"


@pytest.fixture(scope="module")
def shared(
    album: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Desk]]:
    """The album, served; its groups are found once."""
    with paged(indexed(album, tiny_folder, tmp_path_factory.mktemp("served"))) as (address, desk):
        yield address, desk


@pytest.fixture
def served(shared: tuple[str, Desk]) -> Iterator[tuple[str, Desk]]:
    """The same, and afterwards nothing is decided."""
    yield shared
    store = shared[1].index.store
    with store.writing() as writer:
        writer.forget_decisions([(entry.first, entry.second) for entry in store.decisions()])


def reviewed(browser: Browser, address: str, **options: int) -> tuple[Tab, list[str]]:
    tab, faults = opened(browser, address, "duplicates", **options)
    tab.wait_for_selector(".group")
    return tab, faults


def verdicts(desk: Desk) -> list[str]:
    return sorted(entry.verdict for entry in desk.index.store.decisions())


def title(tab: Tab, wanted: str) -> None:
    """Waits until the group in hand is that."""
    tab.wait_for_function("text => document.querySelector('.group h2')?.innerText === text", arg=wanted)


def has_focus_on_a_picture(tab: Tab) -> bool:
    return bool(tab.evaluate("document.activeElement.closest('.member.is-chosen') !== null"))


def test_groups_are_decided_on_by_keys_and_taken_back(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = reviewed(browser, address)
    title(tab, "Group 1 of 3")
    assert "exact" in tab.inner_text(".group-facts").lower()
    tab.keyboard.press("j")
    title(tab, "Group 2 of 3")
    assert has_focus_on_a_picture(tab)

    tab.keyboard.press("d")
    title(tab, "Group 2 of 2")
    assert verdicts(desk) == ["different"]
    assert has_focus_on_a_picture(tab)
    tab.keyboard.press("u")
    title(tab, "Group 2 of 3")
    assert verdicts(desk) == []
    assert has_focus_on_a_picture(tab)

    tab.keyboard.press("s")
    title(tab, "Group 3 of 3")
    tab.keyboard.press("b")
    tab.wait_for_selector(".group-end")
    assert verdicts(desk) == ["keep-both", "same"]
    assert "lookalike apply plan.json" in tab.inner_text(".group-end")
    assert "2 decisions" in tab.inner_text(".group-end")
    assert faults == []


def test_undo_restores_what_was_decided_before(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = reviewed(browser, address)
    tab.keyboard.press("j")
    title(tab, "Group 2 of 3")
    tab.keyboard.press("s")
    title(tab, "Group 3 of 3")
    tab.keyboard.press("k")
    title(tab, "Group 2 of 3")
    assert "You: duplicates" in tab.inner_text(".member.go")
    tab.keyboard.press("Shift+K")
    title(tab, "Group 2 of 2")
    assert verdicts(desk) == ["keep-both"]
    tab.keyboard.press("u")
    title(tab, "Group 2 of 3")
    assert verdicts(desk) == ["same"]
    tab.click("text=Undo")
    tab.wait_for_function("() => document.querySelector('.decided') === null")
    assert verdicts(desk) == []
    assert tab.is_disabled(".review-tools button:first-child")
    assert faults == []


def test_copies_cannot_be_told_apart_and_the_page_says_so(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = reviewed(browser, address)
    tab.keyboard.press("d")
    tab.wait_for_selector(".message.alert")
    assert "equal byte for byte" in tab.inner_text(".message.alert")
    assert verdicts(desk) == []
    tab.keyboard.press("ArrowLeft")  # the one that the other is compared with
    assert tab.is_disabled("[data-verdict=same]")
    tab.keyboard.press("s")
    tab.wait_for_selector(".done >> text=The others are compared with this one")
    assert [fault for fault in faults if "422" not in fault] == []


def test_keys_are_shown_and_a_picture_is_looked_at_large(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = reviewed(browser, served[0])
    tab.keyboard.press("?")
    assert tab.is_visible("dialog.keys")
    tab.keyboard.press("Escape")
    assert not tab.is_visible("dialog.keys")
    chosen = tab.evaluate("document.activeElement.dataset.member")
    tab.keyboard.press("Enter")
    assert tab.locator("dialog.large img").count() == 2
    tab.keyboard.press("ArrowLeft")
    assert tab.locator("dialog.large img").count() == 1  # the one that is compared with, alone
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Escape")
    assert tab.evaluate("document.activeElement.dataset.member") == chosen
    tab.keyboard.press("Space")
    tab.click("text=Compare in detail")
    tab.wait_for_url(f"**/#compare?a={chosen}&b=*")
    assert faults == []


def test_keys_that_come_fast_wait_for_each_other(browser: Browser, tiny_folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "album"
    for number in range(6):
        write(root / f"{number}.png", scene(number, 160, 120))
        write(root / f"half/{number}.png", halved(scene(number, 160, 120)))
    with paged(indexed(root, tiny_folder, tmp_path)) as (address, desk):
        tab, faults = reviewed(browser, address)
        title(tab, "Group 1 of 6")
        tab.evaluate(PRESSED, "d")
        title(tab, "Group 1 of 1")
        assert verdicts(desk) == ["different"] * 5
        tab.evaluate(PRESSED, "u")
        title(tab, "Group 1 of 6")
        tab.wait_for_selector(".review-tools button:first-child:disabled")
        assert verdicts(desk) == []
        assert faults == []


def test_what_was_decided_is_taken_back_after_a_reload(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = reviewed(browser, address)
    tab.keyboard.press("j")
    title(tab, "Group 2 of 3")
    tab.keyboard.press("s")
    title(tab, "Group 3 of 3")
    tab.reload()
    title(tab, "Group 3 of 3")  # where it was
    assert tab.is_disabled(".review-tools button:first-child")
    tab.click(".review-tools >> text=Decided")
    tab.wait_for_selector(".decided-list li img")
    assert "duplicates" in tab.inner_text(".decided-list li")
    tab.click(".decided-list >> text=Take back")
    tab.wait_for_selector(".decided-list li", state="detached")
    assert verdicts(desk) == []
    assert faults == []


def test_what_is_decided_on_already_is_not_shown_first(browser: Browser, served: tuple[str, Desk]) -> None:
    address, _ = served
    tab, faults = reviewed(browser, address)
    title(tab, "Group 1 of 3")
    tab.keyboard.press("s")
    title(tab, "Group 2 of 3")
    again, more = reviewed(browser, address)
    title(again, "Group 2 of 3")
    assert faults == more == []


def test_another_picture_is_compared_with_and_stays_what_it_is(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    address, desk = served
    tab, faults = reviewed(browser, address)
    tab.keyboard.press("j")
    title(tab, "Group 2 of 3")
    before = tab.get_attribute(".member.reference .picture", "data-member")
    other = tab.get_attribute(".member.go .picture", "data-member")
    tab.keyboard.press("x")
    tab.wait_for_selector(f".member.reference [data-member='{other}']")
    assert tab.get_attribute(".member.keep .picture", "data-member") == before  # a plan does not heed it
    assert tab.get_attribute(".member.go .picture", "data-member") == other
    assert verdicts(desk) == []
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("ArrowRight")
    if tab.is_disabled("[data-verdict=same]"):
        tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("Enter")
    pictures = tab.locator("dialog.large figure img")
    assert f"/{other}?" in str(
        pictures.first.get_attribute("src")
    )  # the left side is that of what is compared with
    assert f"/{before}?" in str(pictures.last.get_attribute("src"))
    tab.keyboard.press("d")
    title(tab, "Group 2 of 2")
    assert verdicts(desk) == ["different"]
    assert faults == []


def test_kinds_are_tabs_and_a_group_is_read_out(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = reviewed(browser, served[0])
    assert "Group 1 of 3. exact, 2 pictures" in tab.inner_text(".review > [role=status]")
    tab.click(".band-tab:has-text('near copy')")
    title(tab, "Group 1 of 2")
    assert tab.get_attribute(".band-tab[aria-current]", "href") == "#duplicates?band=near+copy"
    assert "similarity" in tab.inner_text(".member.go .why")
    assert tab.evaluate("globalThis.broken") is None
    assert EVIL in tab.inner_text(".view-duplicates")
    assert faults == []


def test_a_changed_index_is_told_and_looked_at_again(
    browser: Browser, album: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    path = indexed(album, tiny_folder, tmp_path)
    with paged(path) as (address, _):
        tab, faults = reviewed(browser, address)
        assert not tab.is_visible(".notice")
        with Index.open(path) as index:
            (gone,) = index.store.ids_at(album / "copies/crop.jpg")
            remove_items(index, [gone])
        tab.keyboard.press("j")
        tab.wait_for_selector(".notice")
        tab.click(".notice button")
        title(tab, "Group 1 of 2")
        assert not tab.is_visible(".notice")
        assert faults == []


def test_a_phone_has_no_sideways_scrolling(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = reviewed(browser, served[0], width=390, height=844)
    assert not goes_sideways(tab)
    tab.keyboard.press("Enter")
    assert not goes_sideways(tab)
    assert faults == []


def test_a_server_that_does_not_answer_is_told_and_asked_again(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    tab, _ = opened(browser, served[0], "threshold")
    tab.wait_for_selector(".view-threshold h1")
    tab.route("**/v1/groups*", lambda route: route.abort())
    tab.click("nav >> text=Duplicates")
    tab.wait_for_selector(".review .state")
    assert "does not answer" in tab.inner_text(".review .state")
    tab.unroute("**/v1/groups*")
    tab.click(".review .state button")
    title(tab, "Group 1 of 3")
    assert has_focus_on_a_picture(tab)
