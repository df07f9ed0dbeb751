"""Two pictures are compared in a real browser: one zoom for both, the difference, the verdict, a decision."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import goes_sideways, opened, paged
from lookalike.calibrating import calibrate
from lookalike.indexing.index import Index
from lookalike.matching import match
from lookalike.models.model import Model
from lookalike.serving.desk import Desk
from lookalike.tables.table import ImageTable
from painted import much_alike

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

BRIGHTEST = """() => {
  const shown = document.querySelector('.pane-difference canvas');
  const copy = new OffscreenCanvas(shown.width, shown.height);
  const pen = copy.getContext('2d', { willReadFrequently: true });
  pen.drawImage(shown, 0, 0);
  const { data } = pen.getImageData(0, 0, copy.width, copy.height);
  return Math.max(...data.filter((_, place) => place % 4 < 3));
}"""
MOVED = "name => document.querySelector(`.pane-${name} .compare-layer`).style.transform"


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three things, four pictures each, and a copy of one."""
    root = tmp_path_factory.mktemp("compared") / "painted"
    much_alike(root, things=3)
    shutil.copy(root / "thing00/0.png", root / "thing00/copy.png")
    return root


@pytest.fixture(scope="module")
def served(
    painted: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Desk]]:
    """Served with a model that is calibrated; no test leaves a decision behind."""
    place = tmp_path_factory.mktemp("served")
    model = Model.load(shutil.copytree(tiny_folder, place / "model"))
    calibrate(model, ImageTable.read(painted), target="f1", split="all")
    with Index.create(place / "painted.idx", model) as index:
        index.update(ImageTable.read(painted), source=painted)
    with paged(place / "painted.idx") as (address, desk):
        yield address, desk


def number(desk: Desk, path: Path) -> int:
    (found,) = desk.index.store.ids_at(path)
    return found


def compared(
    browser: Browser, served: tuple[str, Desk], a: Path, b: Path, **options: int
) -> tuple[Tab, list[str]]:
    address, desk = served
    tab, faults = opened(browser, address, f"compare?a={number(desk, a)}&b={number(desk, b)}", **options)
    tab.wait_for_selector(".judged-figures")
    tab.wait_for_function(
        "() => [...document.querySelectorAll('.compare-pane img')].every(each => each.naturalWidth > 0)"
    )
    return tab, faults


def places(tab: Tab) -> list[str]:
    """Where both pictures are, and how large."""
    return [str(tab.evaluate(MOVED, name)) for name in "ab"]


def seen(tab: Tab) -> list[str]:
    return [name for name in "ab" if tab.is_visible(f".pane-{name} img")]


def test_zoom_and_place_are_one_for_both(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    start = places(tab)
    assert start[0] == start[1]
    tab.hover(".pane-a")
    tab.mouse.wheel(0, -300)
    tab.wait_for_function(
        "before => document.querySelector('.pane-b .compare-layer').style.transform !== before", arg=start[1]
    )
    wheeled = places(tab)
    assert wheeled[0] == wheeled[1]
    tab.focus(".pane-b")
    for key in ("+", "ArrowRight", "ArrowDown"):
        before = places(tab)
        tab.keyboard.press(key)
        after = places(tab)
        assert after[0] == after[1] != before[1]
    box = tab.locator(".pane-a").bounding_box()
    assert box
    tab.mouse.move(box["x"] + 200, box["y"] + 200)
    tab.mouse.down()
    tab.mouse.move(box["x"] + 150, box["y"] + 220)
    tab.mouse.up()
    dragged = places(tab)
    assert dragged[0] == dragged[1] != after[1]
    tab.keyboard.press("0")
    assert places(tab) == start
    tab.dblclick(".pane-b")
    assert tab.inner_text(".compare-scale") == "2.0 ×"
    assert faults == []


PINCH = """() => {
  const pane = document.querySelector('.pane-b'), box = pane.getBoundingClientRect();
  const touch = (kind, pointerId, share) => pane.dispatchEvent(new PointerEvent(kind, {
    pointerId, pointerType: 'touch', bubbles: true,
    clientX: box.left + share * box.width, clientY: box.top + box.height / 2,
  }));
  touch('pointerdown', 1, 0.4);
  touch('pointerdown', 2, 0.6);
  touch('pointermove', 1, 0.2);
  touch('pointermove', 2, 0.8);
  touch('pointerup', 1, 0.2);
  touch('pointerup', 2, 0.8);
}"""


def test_two_fingers_zoom_both(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    tab.evaluate(PINCH)
    assert tab.inner_text(".compare-scale") == "3.0 ×"  # as far apart as the fingers went
    assert places(tab)[0] == places(tab)[1] != ""
    assert faults == []


def test_the_difference_of_two_equal_pictures_is_black(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing00/copy.png")
    tab.click(".segment:has-text('Difference')")
    assert tab.evaluate(BRIGHTEST) == 0
    assert "No pixel differs" in tab.inner_text(".compare-controls")
    tab.click(".segment:has-text('× 16')")
    assert tab.evaluate(BRIGHTEST) == 0
    assert faults == []


def test_the_difference_of_two_others_is_not(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    tab.click(".segment:has-text('Difference')")
    once = tab.evaluate(BRIGHTEST)
    assert once > 30
    assert "% of the pixels differ" in tab.inner_text(".compare-controls")
    tab.click(".segment:has-text('× 4')")
    assert tab.evaluate(BRIGHTEST) == min(255, 4 * once)
    assert faults == []


def test_f_puts_one_over_the_other(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    assert seen(tab) == ["a", "b"]
    tab.keyboard.press("f")
    assert seen(tab) == ["a"]
    tab.keyboard.press("f")
    assert seen(tab) == ["b"]
    assert "B is in front" in tab.inner_text(".compare-controls")
    tab.click(".segment:has-text('Slide')")
    tab.focus(".compare-controls input[type=range]:visible")
    tab.keyboard.press("Home")
    assert (
        tab.evaluate("getComputedStyle(document.querySelector('.pane-b')).clipPath")
        == "inset(0px 0px 0px 0%)"
    )
    tab.click(".segment:has-text('Fade')")
    assert tab.evaluate("getComputedStyle(document.querySelector('.pane-b')).opacity") == "0.5"
    assert faults == []


@pytest.mark.parametrize(("other", "word"), [("thing00/1.png", "Match"), ("thing01/0.png", "No match")])
def test_the_verdict_is_that_of_match(
    browser: Browser, served: tuple[str, Desk], painted: Path, other: str, word: str
) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / other)
    found = match(served[1].model, painted / "thing00/0.png", painted / other)
    said = tab.inner_text(".judged")
    assert tab.inner_text(".judged-word") == word
    assert f"Similarity {found.similarity:.3f}" in said
    assert f"threshold {found.threshold.similarity:.3f}" in said
    assert found.threshold.promise in said
    assert faults == []


def test_without_a_threshold_the_similarity_is_told_and_what_to_do(
    browser: Browser, painted: Path, tiny: Model, tmp_path: Path
) -> None:
    with Index.create(tmp_path / "bare.idx", tiny) as index:
        index.update(ImageTable.read(painted), source=painted)
    with paged(tmp_path / "bare.idx") as served:
        tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing00/1.png")
        assert "Similarity 0." in tab.inner_text(".judged")
        assert "lookalike calibrate" in tab.inner_text(".judged")
        assert tab.locator(".judged-word").count() == 0
        assert [fault for fault in faults if "409" not in fault] == []


def test_a_decision_is_kept_and_taken_back(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    decisions = served[1].index.store.decisions
    tab.click(".compare-decision button:has-text('Not duplicates')")
    tab.wait_for_selector(".compare-decision button:has-text('Undo')")
    assert [entry.verdict for entry in decisions()] == ["different"]
    tab.click(".compare-decision button:has-text('Undo')")
    tab.wait_for_selector("text=Nothing is decided of the two.")
    assert decisions() == []
    assert faults == []


def test_a_decision_of_before_is_told_and_taken_back(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    tab.get_by_role("button", name="Duplicates", exact=True).click()
    tab.wait_for_selector(".compare-decision >> text=Undo")
    tab.reload()
    tab.wait_for_selector("text=You said on")
    assert "they are duplicates" in tab.inner_text(".compare-decision")
    assert not tab.is_visible(".compare-decision >> text=Undo")
    tab.click(".compare-decision >> text=Take back")
    tab.wait_for_selector("text=Nothing is decided of the two.")
    assert served[1].index.store.decisions() == []
    assert not tab.is_visible(".compare-decision >> text=Take back")
    assert faults == []


def test_swapped_pictures_are_named_as_they_lie(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing01/0.png")
    tab.keyboard.press("f")
    tab.wait_for_selector("text=A is in front: thing00/0.png")
    tab.click("text=Swap")
    tab.wait_for_selector("text=A is in front: thing01/0.png")
    assert faults == []


def test_a_difference_of_one_picture_says_what_is_missing(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = opened(browser, served[0], f"compare?a={number(served[1], painted / 'thing00/0.png')}")
    tab.click(".segment:has-text('Difference')")
    tab.wait_for_selector(".pane-difference >> text=Two pictures that this browser can show")
    assert faults == []


def test_own_files_are_compared_and_not_decided_on(
    browser: Browser, served: tuple[str, Desk], painted: Path
) -> None:
    tab, faults = opened(browser, served[0], "compare")
    for side in "ab":
        tab.wait_for_selector(f".pane-{side} >> text=Choose a picture")
    tab.set_input_files(
        ".view-compare input[type=file]", [painted / "thing00/0.png", painted / "thing00/1.png"]
    )
    tab.wait_for_selector(".judged-word")
    found = match(served[1].model, painted / "thing00/0.png", painted / "thing00/1.png")
    assert f"Similarity {found.similarity:.3f}" in tab.inner_text(".judged")
    assert not tab.is_visible(".compare-decision")
    tab.click("text=Swap")
    tab.wait_for_function("() => document.querySelector('.compare-fact .name').innerText === '1.png'")
    assert faults == []


def test_why_is_drawn(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(browser, served, painted / "thing00/0.png", painted / "thing00/1.png")
    tab.click("text=Show where they are alike")
    tab.wait_for_function("() => document.querySelector('.why-map').naturalWidth > 0")
    assert faults == []


def test_an_unknown_picture_is_told(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = opened(browser, served[0], "compare?a=999999")
    tab.wait_for_selector(".message.alert")
    tab.wait_for_selector(".pane-a >> text=Choose a picture")
    assert [fault for fault in faults if "404" not in fault] == []


def test_a_phone_has_no_sideways_scrolling(browser: Browser, served: tuple[str, Desk], painted: Path) -> None:
    tab, faults = compared(
        browser, served, painted / "thing00/0.png", painted / "thing01/0.png", width=390, height=844
    )
    assert not goes_sideways(tab)
    assert faults == []
