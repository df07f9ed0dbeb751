"""The threshold is moved in a real browser: its figures are those of lookalike, and it can be saved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from in_browser import goes_sideways, opened, paged
from lookalike.indexing.index import Index
from lookalike.judging.calibration import BINS, metrics_at
from lookalike.judging.pairs import pair_histogram
from lookalike.models.model import Model
from lookalike.records import PairHistogram
from lookalike.serving.boundary import COLUMNS
from lookalike.serving.desk import Desk
from lookalike.threshold import BY_HAND
from painted import much_alike
from some_records import threshold

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

THINGS = 12
NAMES = {
    "right_matches": "right_matches",
    "wrong_matches": "wrong_matches",
    "missed_matches": "missed_matches",
    "right_rejections": "right_rejections",
}
SHARES = ("precision", "recall", "false_match_rate")


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve things, four pictures each, in an index with a model of its own."""
    place = tmp_path_factory.mktemp("threshold")
    model = Model.load(shutil.copytree(tiny_folder, place / "model"))
    with Index.create(place / "painted.idx", model) as made:
        made.update(much_alike(place / "painted", things=THINGS), source=place / "painted")
    return place / "painted.idx"


@pytest.fixture(scope="module")
def served(index: Path) -> Iterator[tuple[str, Desk]]:
    """Served; only the test that saves a threshold writes."""
    with paged(index, writable=True) as (address, desk):
        yield address, desk


def pairs(desk: Desk) -> PairHistogram:
    """The same pairs, counted anew."""
    found = desk.index.store.snapshot()
    facts = desk.index.store.facts(found.ids.tolist())
    labels = np.array([facts[number].label for number in found.ids.tolist()])
    return pair_histogram(found.vectors, labels, bins=BINS)


def looked_at(browser: Browser, address: str, **options: int) -> tuple[Tab, list[str]]:
    tab, faults = opened(browser, address, "threshold", **options)
    tab.wait_for_selector(".histogram path")
    return tab, faults


def settled(tab: Tab) -> None:
    """Waits until the server has answered for where the line is."""
    tab.wait_for_selector(".promise:not(.is-old)")


def shown(tab: Tab) -> dict[str, float]:
    """The figures that the page says: counts as they are read, shares as they were worked out."""
    counts = {
        name: float(tab.inner_text(f"[data-figure={name}] .cell-count").replace(",", "")) for name in NAMES
    }
    shares = {
        name: float(str(tab.get_attribute(f"[data-figure={name}] strong", "data-value"))) for name in SHARES
    }
    return counts | shares


def similarity(tab: Tab) -> float:
    """Where the line is: the lower edge of a column of the histogram."""
    return -1.0 + 2.0 / COLUMNS * int(tab.input_value(".threshold-slider"))


def test_the_page_counts_as_lookalike_does(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = looked_at(browser, address)
    settled(tab)
    tab.route("**/v1/boundary/at*", lambda _: None)  # from here on the server says nothing
    histogram = pairs(desk)
    tab.focus(".threshold-slider")
    seen: set[float] = set()
    filled = np.flatnonzero((histogram.same + histogram.different).reshape(COLUMNS, -1).any(axis=1))
    for column in (0, *filled[:: len(filled) // 6].tolist(), COLUMNS):
        tab.fill(".threshold-slider", str(column))
        tab.keyboard.press("ArrowRight")
        expected = metrics_at(histogram, similarity(tab))
        found = shown(tab)
        assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-12)
        seen.add(found["wrong_matches"])
    assert len(seen) > 2
    assert faults == []


def test_a_typed_number_is_measured_exactly_by_the_server(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = looked_at(browser, address)
    tab.fill(".threshold-number", "0.4321")
    tab.keyboard.press("Tab")
    settled(tab)
    expected = metrics_at(pairs(desk), 0.4321)
    found = shown(tab)
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-12)
    assert tab.inner_text("[data-figure=recall] dd") == "100%"  # no range whose ends read the same
    histogram = pairs(desk)
    places = (place / 1000 for place in range(1000))
    strict = next(place for place in places if metrics_at(histogram, place)["recall"] < 0.8)
    tab.fill(".threshold-number", str(strict))
    tab.keyboard.press("Tab")
    settled(tab)
    assert " to " in tab.inner_text("[data-figure=recall] dd")
    assert tab.inner_text(".promise")
    assert faults == []


def test_pairs_at_the_boundary_are_right_or_wrong_by_word_and_lead_to_compare(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    tab, faults = looked_at(browser, served[0])
    settled(tab)
    just_in, just_out = tab.locator(".boundary > div").all()
    assert just_in.locator(".pair").count() == just_out.locator(".pair").count() == 8
    values = [float(text) for text in just_in.locator(".pair .number").all_inner_texts()]
    assert values == sorted(values)
    for side, words in ((just_in, {"right", "wrong"}), (just_out, {"right", "missed"})):
        assert {
            text.split("\n")[-1].strip("✓✗ ") for text in side.locator(".pair-verdict").all_inner_texts()
        } <= words
    just_in.locator(".pair").first.click()
    tab.wait_for_url("**/#compare?a=*&b=*")
    assert [fault for fault in faults if "compare" in fault] == []


def test_a_threshold_is_saved_under_a_name(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = looked_at(browser, address)
    tab.focus(".threshold-slider")
    tab.keyboard.press("PageUp")
    wanted = similarity(tab)
    settled(tab)
    tab.fill(".save-threshold input", "careful")
    tab.click(".save-threshold button")
    tab.wait_for_selector(".saved li:has-text('careful')")
    assert Model.load(desk.model.folder).thresholds["careful"].similarity == pytest.approx(wanted)
    assert "careful" in str(tab.text_content(".histogram .saved-mark"))
    assert "Replace" in tab.inner_text(".save-threshold button")
    tab.keyboard.press("Escape")
    tab.focus(".threshold-slider")
    tab.keyboard.press("Home")
    tab.click("text=Go there")
    assert similarity(tab) == pytest.approx(wanted)
    assert faults == []


def test_a_promise_is_replaced_once_that_is_confirmed_and_put_back(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    address, desk = served
    desk.model.set_threshold(threshold("precision=0.95"), name="strict")
    tab, faults = looked_at(browser, address)
    tab.fill(".threshold-number", "0.5")
    tab.keyboard.press("Tab")
    tab.fill(".save-threshold input", "strict")
    tab.click(".save-threshold button")
    assert "at least 95% of matches are right" in tab.inner_text("dialog.replacing")
    tab.click("dialog.replacing >> text=Leave it")
    assert Model.load(desk.model.folder).thresholds["strict"].target == "precision=0.95"
    tab.click(".save-threshold button")
    tab.click("dialog.replacing >> text=Replace it")
    tab.wait_for_selector(".saved-done >> text=Saved as strict")
    assert Model.load(desk.model.folder).thresholds["strict"].target == BY_HAND
    tab.click(".saved-done >> text=Undo")
    tab.wait_for_selector(".saved-done >> text=Put back")
    assert Model.load(desk.model.folder).thresholds["strict"].target == "precision=0.95"
    assert tab.locator(".saved li:has-text('strict') >> text=Remove").count() == 0
    assert faults == []


def test_one_that_was_set_by_hand_is_removed(browser: Browser, served: tuple[str, Desk]) -> None:
    address, desk = served
    tab, faults = looked_at(browser, address)
    tab.fill(".save-threshold input", "for a while")
    tab.click(".save-threshold button")
    tab.click(".saved li:has-text('for a while') >> text=Remove")
    tab.wait_for_selector(".saved-done >> text=Removed: for a while")
    assert tab.locator(".saved li:has-text('for a while')").count() == 0
    assert "for a while" not in Model.load(desk.model.folder).thresholds
    assert faults == []


def test_the_address_keeps_where_the_line_is(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = looked_at(browser, served[0])
    tab.fill(".threshold-number", "0.4321")
    tab.keyboard.press("Tab")
    settled(tab)
    assert tab.url.endswith("#threshold?at=0.4321")
    tab.reload()
    settled(tab)
    assert tab.input_value(".threshold-number") == "0.4321"
    assert faults == []


def test_names_of_thresholds_stay_in_the_histogram_and_apart(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    address, desk = served
    for name, similarity in (("near the edge of it", 0.99), ("one", 0.5), ("two beside it", 0.501)):
        desk.boundary.save(name, similarity)
    tab, faults = looked_at(browser, address)
    tab.wait_for_selector(".saved-mark >> nth=2")
    boxes = [mark.bounding_box() for mark in tab.locator(".saved-mark text").all()]
    frame = tab.locator(".histogram").bounding_box()
    assert frame
    kept = [box for box in boxes if box]
    for place, box in enumerate(kept):
        assert frame["x"] <= box["x"]
        assert box["x"] + box["width"] <= frame["x"] + frame["width"]
        for other in kept[:place]:
            apart = box["x"] >= other["x"] + other["width"] or other["x"] >= box["x"] + box["width"]
            assert apart or abs(box["y"] - other["y"]) >= 10
    for name in ("near the edge of it", "one", "two beside it"):
        desk.boundary.remove(name)
    assert faults == []


def test_a_server_that_does_not_write_says_how_to_start_it(browser: Browser, index: Path) -> None:
    with paged(index) as (address, _):
        tab, faults = looked_at(browser, address)
        assert "lookalike serve INDEX --writable" in tab.inner_text(".named")
        assert tab.locator(".save-threshold").count() == 0
        assert faults == []


def test_without_labels_the_view_says_what_to_do(browser: Browser, tiny: Model, tmp_path: Path) -> None:
    table = much_alike(tmp_path / "painted", things=2)
    table = type(table)(table.root, table.frame.drop("label"))
    with Index.create(tmp_path / "bare.idx", tiny) as made:
        made.update(table, source=tmp_path / "painted")
    with paged(tmp_path / "bare.idx") as (address, _):
        tab, faults = opened(browser, address, "threshold")
        tab.wait_for_selector(".state")
        assert "No picture of this index has a label" in tab.inner_text(".state")
        assert "folder" in tab.inner_text(".state p")
        assert [fault for fault in faults if "409" not in fault] == []


def test_a_phone_has_no_sideways_scrolling(browser: Browser, served: tuple[str, Desk]) -> None:
    tab, faults = looked_at(browser, served[0], width=390, height=844)
    settled(tab)
    assert not goes_sideways(tab)
    assert faults == []
