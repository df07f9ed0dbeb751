"""The served page says what it means, in a real browser: names, rings, promises, and what its buttons do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import opened, paged
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving.desk import Desk
from lookalike.tables.table import ImageTable
from scenes import scene, write
from searched_page import TILES, asked, index_of, paint_things, settle, shown, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RINGS = """async ([name, values, codes]) => {
  const { drawMap } = await import("/static/map.js"), place = document.createElement("div"), pen = CanvasRenderingContext2D.prototype;
  const frames = async () => { for (let i = 0; i < 3; i += 1) await new Promise(requestAnimationFrame); };
  document.body.append(place);
  const map = drawMap(place, { x: codes.map((_, row) => row * 7), y: codes.map((_, row) => row % 11), names: codes.map(String), columns: [{ name, values, codes }], order: [...codes.keys()] });
  await frames();
  const { arc } = pen;
  let rings = 0;
  pen.arc = function (...all) { rings += 1; return arc.apply(this, all); };
  map.choose(0);
  await frames();
  pen.arc = arc;
  return rings; }"""  # noqa: E501
INTERVAL = """async () => {
  const { createFigures } = await import("/static/threshold_figures.js"), made = createFigures();
  const counts = { right_matches: 1, wrong_matches: 1, missed_matches: 1, right_rejections: 1 };
  made.show({ precision: 0.7, recall: 0.75, false_match_rate: 0.1, ...counts }, { recall: [0.65, 0.88] });
  return made.element.textContent; }"""
DRAWN = "() => document.querySelector('.map-canvas').toDataURL()"
PUT_OFF = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"


@pytest.fixture(scope="module")
def served(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Desk]]:
    place = tmp_path_factory.mktemp("meant")
    with paged(index_of(paint_things(place / "things"), tiny_folder, place), writable=True) as found:
        yield found


@pytest.fixture(scope="module")
def unlabelled(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures in one folder, of which nothing is known."""
    place = tmp_path_factory.mktemp("unlabelled")
    for number in range(3):
        write(place / "album" / f"{number}.png", scene(number, 60, 60))
    with Index.create(place / "album.idx", Model.load(tiny_folder)) as index:
        index.update(ImageTable.read(place / "album"), source=place / "album")
    return place / "album.idx"


def test_a_folder_that_all_share_is_not_repeated(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = shown(browser, served[0], "search?folder=things%2Fthing03")
    names = tab.locator(".view-search .tile-name")
    assert names.all_inner_texts() == ["0.png", "1.png", "2.png", "3.png"]
    assert names.first.locator("bdi").get_attribute("title") == "things/thing03/0.png"
    assert "things/thing03/0.png" in str(tab.locator(TILES).first.get_attribute("aria-label"))
    several, _ = shown(browser, served[0], "search")
    assert several.locator(".view-search .tile-name").nth(4).inner_text().startswith("thing0")
    assert faults == []


def test_a_folder_without_folders_cannot_be_opened(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = shown(browser, served[0])
    tab.locator(".folder-open[aria-expanded=true]").wait_for()
    assert tab.get_by_role("button", name="Folders in things", exact=True).is_enabled()
    inner = tab.locator(".folders ul .folder-open")
    assert inner.count() == 20
    assert not inner.first.is_visible()
    assert inner.first.is_disabled()
    assert faults == []


def test_a_picture_is_looked_at_large_with_what_is_known_of_it(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    tab, faults = shown(browser, served[0], "search?id=1")
    tile = tab.locator(TILES).nth(2)
    number, name = tile.get_attribute("data-id"), str(tile.get_attribute("title"))
    tile.press("i")
    until(tab, "document.querySelector('.details').innerText.includes('PNG')")
    dialog = tab.get_by_role("dialog", name="A picture of the collection")
    assert name in dialog.inner_text()
    assert name.split("/")[1] in dialog.locator("dd").first.inner_text()  # its label
    assert f"/v1/thumb/{number}?s=1024" in str(dialog.locator("img").get_attribute("src"))
    tab.keyboard.press("Escape")
    assert not dialog.is_visible()
    assert tab.evaluate("document.activeElement.dataset.id") == number
    tab.locator(".tile").nth(2).hover()
    tab.get_by_role("button", name="Look at it large").nth(2).click()
    dialog.get_by_role("button", name="Most alike to this").click()
    settle(tab, "Most alike")
    assert asked(tab) == [("id", number)]
    assert faults == []


def test_what_a_verdict_promises_stands_beside_the_answers(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    tab, faults = shown(browser, served[0], "search?id=1")
    promise = served[1].model.thresholds["default"].promise
    header = tab.inner_text(".answers header")
    assert f"on: {promise.split(' (')[0]}" in header
    assert "%: how likely they show the same" in header
    assert promise not in header  # how it was measured is said where two are compared
    assert faults == []


def test_a_promise_is_said_once(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = opened(browser, served[0], "threshold")
    tab.wait_for_selector(".promise:not(.is-old):not(:empty)")
    said = tab.inner_text(".view-threshold")
    assert said.count(served[1].model.thresholds["default"].promise) == 1
    assert "every index of this model and lookalike match follow" in said
    assert faults == []


def test_intervals_and_scales_are_named(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = opened(browser, served[0], "compare?a=1&b=2")
    tab.wait_for_selector(".line-end")
    assert tab.locator(".line-end").all_inner_texts() == ["0", "1"]
    assert "75% (95% interval 65% to 88%)" in tab.evaluate(INTERVAL)
    assert faults == []


def test_a_decision_says_that_it_is_about_duplicates(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = opened(browser, served[0], "compare?a=1&b=5")
    tab.wait_for_selector(".judged-word")
    said = tab.inner_text(".compare-decision")
    assert "Are they duplicates of each other?" in said
    assert "lookalike duplicates --plan" in said
    assert tab.locator(".compare-decision .row button:visible").all_inner_texts() == [
        "Duplicates",
        "Not duplicates",
    ]
    tab.get_by_role("button", name="Duplicates", exact=True).click()
    tab.wait_for_selector(".compare-decision >> text=may move one of them away", state="visible")
    until(tab, "document.querySelector('.compare-decision [role=status]').innerText.includes('--plan')")
    tab.get_by_role("button", name="Undo").click()
    tab.wait_for_selector("text=Nothing is decided of the two.")
    assert faults == []


@pytest.mark.parametrize(
    ("name", "values", "sizes", "rings"),
    [
        ("label", ["a", "b"], [3, 40], 3),
        ("label", ["a", "b"], [100, 40], 100),
        ("label", ["a", "b"], [101, 40], 1),
        ("hat", ["0", "1"], [3, 40], 1),
    ],
    ids=["few", "most", "many", "flag"],
)
def test_rings_are_around_groups_that_say_something(
    browser: Browser, served: tuple[str, Desk], name: str, values: list[str], sizes: list[int], rings: int
) -> None:
    tab, _ = opened(browser, served[0], "compare")
    codes = [code for code, size in enumerate(sizes) for _ in range(size)]
    assert tab.evaluate(RINGS, [name, values, codes]) == rings


def test_looking_for_what_is_not_there_says_so(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = opened(browser, served[0], "map")
    tab.wait_for_selector(".map-legend button")
    tab.get_by_role("checkbox").uncheck()
    tab.evaluate(PUT_OFF)
    before = tab.evaluate(DRAWN)
    tab.fill(".map-side input[type=search]", "xyzzy")
    tab.evaluate(PUT_OFF)
    assert "xyzzy" in tab.inner_text(".map-missing")
    assert tab.evaluate(DRAWN) == before  # nothing fades
    tab.fill(".map-side input[type=search]", "thing03")
    tab.evaluate(PUT_OFF)
    assert not tab.is_visible(".map-missing")
    assert tab.evaluate(DRAWN) != before
    assert faults == []


def test_pictures_without_labels_are_to_be_labelled(browser: Browser, unlabelled: Path) -> None:
    with paged(unlabelled) as (address, _):
        tab, _ = opened(browser, address, "threshold")
        tab.wait_for_selector(".view-threshold .state")
        assert tab.inner_text(".view-threshold .state code") == "lookalike index INDEX labelled.csv"
        assert tab.get_by_role("button", name="Try again").count() == 0
        tab.evaluate("location.hash = '#map'")
        tab.get_by_placeholder("find a file").wait_for()
        assert tab.locator(".map-legend button").count() == 0


def test_the_button_of_the_token_stands_beside_its_field(browser: Browser, unlabelled: Path) -> None:
    with paged(unlabelled, token="a-token-of-24-characters") as (address, _):
        tab, _ = opened(browser, address)
        field, button = tab.get_by_label("Token"), tab.get_by_role("button", name="Open")
        button.wait_for()
        boxes = [each.bounding_box() for each in (field, button)]
        bottoms = [round(box["y"] + box["height"]) for box in boxes if box]
        assert len(set(bottoms)) == 1
