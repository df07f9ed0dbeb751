"""The map opens from disk, asks for nothing, shows what lies under the pointer, and takes names as text."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from html_page import Page
from lookalike.presenting import map_page as module
from lookalike.presenting.map_page import MOST_BYTES, map_page
from lookalike.presenting.projection import Projection
from lookalike.presenting.sheets import across, jpeg
from lookalike.tables.table import ImageTable

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

EVIL = "</script><script>globalThis.broken = 1</script><img src=x onerror='globalThis.broken = 2'>&\"\u2028"
KINDS = ("round", "long", "flat")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> ImageTable:
    """Thirty pictures of ten labels, each of one colour; the first label is full of traps."""
    root = tmp_path_factory.mktemp("pictures")
    for number in range(30):
        path = root / str(number % 10) / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (60, 60), (8 * number, 200, 40)).save(path)
    frame = ImageTable.read(root).frame
    frame = frame.with_columns(
        label=pl.when(pl.col("label") == "0").then(pl.lit(EVIL)).otherwise("thing " + pl.col("label")),
        kind=pl.Series([None, *(KINDS[number % 3] for number in range(29))]),
        weight=pl.Series(range(30)),
        same=pl.lit("always"),
    )
    return ImageTable(root, frame)


def grid(count: int, *, across: int = 6) -> Projection:
    rows = np.arange(count)
    return Projection(np.stack([rows % across, -(rows // across)], axis=1).astype(np.float32), "pca", 0.25)


@pytest.fixture(scope="module")
def html(table: ImageTable) -> str:
    return map_page(table, grid(30), title=EVIL)


def opened(
    browser: Browser, html: str, folder: Path, *, width: int = 1000, **options: Any
) -> tuple[Tab, list[str]]:
    """The page in a tab of its own, and what went wrong in it or left the disk."""
    (folder / "map.html").write_text(html, encoding="utf-8")
    tab = browser.new_context(viewport={"width": width, "height": 700}, **options).new_page()
    faults: list[str] = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: None if asked.url[:5] in ("file:", "data:") else faults.append(asked.url))
    tab.goto(f"file://{folder}/map.html")
    tab.wait_for_function("globalThis.map !== undefined && document.getElementById('sheet').complete")
    return tab, faults


def data_of(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    return dict(json.loads(found[1]))


def test_page_is_whole_and_only_its_own_script_may_run(html: str) -> None:
    found = Page(html)
    assert found.all("script") == [{"type": "application/json", "id": "data"}, {"type": "module"}]
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import", re.sub(r"base64,[^\"]*", "", html))
    policy = next(tag for tag in found.all("meta") if tag.get("http-equiv") == "Content-Security-Policy")
    assert re.search(
        r"default-src 'none'; .*; script-src 'sha256-[\w+/=]{44}'; base-uri", str(policy["content"])
    )
    assert "The plane shows 25% of what tells them apart (PCA)." in found.words()
    assert found.words().startswith(EVIL.replace("\u2028", ""))


def test_data_keeps_proportions_and_every_name(html: str, table: ImageTable) -> None:
    data = data_of(html)
    x, y = np.array(data["x"]), np.array(data["y"])
    assert (x[1] - x[0], y[0] - y[6]) == (20_000, 20_000)  # a fifth of the longer side each
    assert (x.min(), x.max(), y.min()) == (0, 100_000, 0)
    assert data["names"] == table.frame["image"].to_list()
    assert [column["name"] for column in data["columns"]] == ["label", "kind"]  # neither numbers nor one word
    for column in data["columns"]:
        read = [column["values"][code] for code in column["codes"]]
        assert read == table.frame[column["name"]].fill_null("").to_list()
    labels = table.labels[data["order"]]
    assert len(set(labels[:10])) == len(set(labels[10:20])) == 10  # by turns


def test_a_browser_has_nothing_to_complain_of(browser: Browser, html: str, tmp_path: Path) -> None:
    tab, faults = opened(browser, html, tmp_path)
    assert tab.evaluate("document.getElementById('sheet').naturalWidth") == 6 * 96
    assert tab.evaluate("globalThis.broken") is None
    assert faults == []


def test_hovering_shows_picture_label_and_path(
    browser: Browser, html: str, table: ImageTable, tmp_path: Path
) -> None:
    tab, faults = opened(browser, html, tmp_path)
    frame = tab.locator(".map-view").bounding_box()
    assert frame
    for row in (0, 17):
        x, y = tab.evaluate(f"map.placeOf({row})")
        tab.mouse.move(frame["x"] + x, frame["y"] + y)
        shown = tab.locator(".map-card")
        for text in (
            table.labels[row].replace("\u2028", ""),
            table.frame["image"][row],
            table.frame["kind"][row],
        ):
            assert (text or "") in shown.inner_text().replace("\u2028", "")
        picture = "document.querySelector('.map-card canvas').getContext('2d')"
        pixel = f"Array.from({picture}.getImageData(48, 48, 1, 1).data)"
        number = int(Path(table.frame["image"][row]).stem)
        assert np.allclose(tab.evaluate(pixel)[:3], (8 * number, 200, 40), atol=6)
    tab.mouse.move(frame["x"] + 2, frame["y"] + 2)
    assert tab.locator(".map-card").is_hidden()
    assert tab.evaluate("globalThis.broken") is None
    assert faults == []


def test_search_and_legend_bring_labels_out(browser: Browser, html: str, tmp_path: Path) -> None:
    tab, faults = opened(browser, html, tmp_path)
    names = tab.locator(".map-legend bdi")
    assert names.count() == 10
    tab.locator("input[type=search]").fill("THING 3")
    assert names.all_inner_texts() == ["thing 3"]
    tab.locator("input[type=search]").fill("4/14.png")
    assert names.all_inner_texts() == ["thing 4"]
    tab.locator("input[type=search]").fill("nowhere")
    assert names.count() == 0
    tab.locator("input[type=search]").fill("")
    tab.locator(".map-legend button").nth(2).click()
    assert tab.locator(".map-legend button[aria-pressed=true]").count() == 1
    tab.get_by_role("button", name="show all labels").click()
    assert tab.locator(".map-legend button[aria-pressed=true]").count() == 0
    tab.locator("select").select_option("kind")
    assert names.all_inner_texts() == ["not known", "flat", "long", "round"]
    assert faults == []


def painted(tab: Tab) -> int:
    """How many pixels of the map are not its ground."""
    tab.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    count = (
        "(() => { const map = document.querySelector('.map-canvas');"
        "const { data } = map.getContext('2d').getImageData(0, 0, map.width, map.height);"
        "let on = 0; for (let i = 3; i < data.length; i += 4) on += data[i] > 100; return on; })()"
    )
    return int(tab.evaluate(count))


def test_pictures_can_be_left_out_and_picks_dim_the_others(
    browser: Browser, html: str, tmp_path: Path
) -> None:
    tab, _ = opened(browser, html, tmp_path)
    everything = painted(tab)
    assert everything > 30 * 40 * 40
    tab.locator(".map-legend button").nth(2).click()
    assert painted(tab) < everything / 5
    tab.locator("input[type=checkbox]").uncheck()
    assert 0 < painted(tab) < 3 * 100


def test_keys_move_zoom_and_go_through_pictures(
    browser: Browser, html: str, table: ImageTable, tmp_path: Path
) -> None:
    tab, faults = opened(browser, html, tmp_path)
    tab.locator(".map-canvas").focus()
    first, second = tab.evaluate("[map.placeOf(0), map.placeOf(1)]")
    tab.keyboard.press("ArrowRight")
    assert tab.evaluate("map.placeOf(0)")[0] < first[0]
    tab.keyboard.press("+")
    wider = tab.evaluate("[map.placeOf(0), map.placeOf(1)]")
    assert wider[1][0] - wider[0][0] == pytest.approx(1.5 * (second[0] - first[0]))
    tab.keyboard.press("0")
    assert tab.evaluate("map.placeOf(0)") == first
    order = data_of(html)["order"]
    for key, place in (("n", 0), ("n", 1), ("p", 0), ("p", 29)):
        tab.keyboard.press(key)
        assert table.frame["image"][order[place]] in tab.locator(".map-card").inner_text()
    tab.keyboard.press("Escape")
    assert tab.locator(".map-card").is_hidden()
    assert faults == []


def test_wheel_and_drag_keep_what_is_under_the_pointer(browser: Browser, html: str, tmp_path: Path) -> None:
    tab, _ = opened(browser, html, tmp_path)
    frame = tab.locator(".map-view").bounding_box()
    assert frame
    x, y = tab.evaluate("map.placeOf(8)")
    tab.mouse.move(frame["x"] + x, frame["y"] + y)
    tab.mouse.wheel(0, -400)
    tab.wait_for_function("map.placeOf(9)[0] - map.placeOf(8)[0] > 150")
    assert tab.evaluate("map.placeOf(8)") == pytest.approx([x, y], abs=1)
    tab.mouse.down()
    tab.mouse.move(frame["x"] + x + 50, frame["y"] + y - 30)
    tab.mouse.up()
    assert tab.evaluate("map.placeOf(8)") == pytest.approx([x + 50, y - 30], abs=1)


def test_a_phone_shows_map_and_legend_without_scrolling_aside(
    browser: Browser, html: str, tmp_path: Path
) -> None:
    tab, faults = opened(browser, html, tmp_path, width=360, has_touch=True, color_scheme="dark")
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
    frame = tab.locator(".map-view").bounding_box()
    assert frame
    assert frame["width"] > 350
    x, y = tab.evaluate("map.placeOf(20)")
    tab.touchscreen.tap(frame["x"] + x, frame["y"] + y)
    assert tab.locator(".map-card").is_visible()
    card = tab.locator(".map-card").bounding_box()
    assert card
    assert card["x"] >= 0
    assert card["x"] + card["width"] <= 360
    assert faults == []


def test_only_a_fair_sample_has_small_pictures_where_there_are_many(
    table: ImageTable, monkeypatch: pytest.MonkeyPatch, browser: Browser, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "MOST_PICTURES", 10)
    html = map_page(table, grid(30), title="many")
    assert "10 of them, a fair sample, have a small picture here." in Page(html).words()
    data = data_of(html)
    assert data["tiles"] == {"count": 10, "side": 96, "across": 4}
    assert len(set(table.labels[data["order"][:10]])) == 10
    tab, faults = opened(browser, html, tmp_path)
    tab.evaluate(f"map.choose({data['order'][-1]})")
    assert tab.locator(".map-card canvas").count() == 0
    assert faults == []


@pytest.mark.parametrize(("count", "side"), [(1764, 96), (1765, 64), (4097, 48), (7225, 48)])
def test_tiles_shrink_so_that_a_sheet_keeps_within_4096_pixels(count: int, side: int) -> None:
    chosen = next(side for most, side in module.SIDES if count <= most)
    assert chosen == side
    assert across(count) * side <= 4096


def test_the_page_stays_below_fifteen_megabytes() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4096, 4096, 3), dtype=np.uint8))
    assert len(jpeg(noise, most=MOST_BYTES)) * 4 / 3 < 11e6


def test_unlabelled_pictures_and_a_layout_of_neighbours(
    table: ImageTable, browser: Browser, tmp_path: Path
) -> None:
    plain = replace(table, frame=table.frame.select("image", label=pl.lit(None, pl.String)))
    html = map_page(plain, Projection(grid(30).places, "umap"), title="plain")
    assert "How far apart says little (UMAP)." in Page(html).words()
    assert data_of(html)["columns"] == []
    tab, faults = opened(browser, html, tmp_path)
    tab.evaluate("map.choose(3)")
    assert tab.locator(".map-card").inner_text().strip() == table.frame["image"][3]
    assert faults == []


def test_many_labels_are_listed_in_part(table: ImageTable, browser: Browser, tmp_path: Path) -> None:
    frame = pl.concat([table.frame] * 8).with_columns(label=pl.Series([f"label {n:03}" for n in range(240)]))
    html = map_page(replace(table, frame=frame), grid(240, across=16), title="many")
    tab, faults = opened(browser, html, tmp_path)
    assert tab.locator("select").input_value() == "kind"  # which colours tell apart
    assert tab.locator(".map-grey").is_hidden()
    tab.locator("select").select_option("label")
    assert "240 values, too many for colours" in tab.locator(".map-grey").inner_text()
    assert tab.locator(".map-legend button").count() == 200
    assert tab.locator(".map-legend li").last.inner_text() == "and 40 more: search for them"
    tab.locator("input[type=search]").fill("label 239")
    assert tab.locator(".map-legend bdi").all_inner_texts() == ["label 239"]
    assert faults == []
