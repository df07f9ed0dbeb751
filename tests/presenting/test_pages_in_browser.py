"""Pages in a headless Chromium: no complaint, no request, every picture there, nothing off the side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from full_report import full_page
from lookalike.models.model import Model
from lookalike.presenting.contents import ReportPage
from lookalike.presenting.report import render_report, search_page
from lookalike.records import Hit, Hits

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

SIZES = {"phone": (390, 844), "desk": (1200, 900)}
NARROW = {"narrow": (320, 600)}
OPEN = "document.querySelectorAll('details').forEach(part => part.open = true)"
ASKED = "performance.getEntriesByType('resource').map(e => e.name).filter(name => !name.startsWith('data:'))"
INSIDE = "[...document.querySelectorAll('svg image')].map(image => image.href.baseVal.slice(0, 22))"
WAIT = "Promise.all([...document.images].map(image => image.decode())).then(() => true, () => false)"


@dataclass(frozen=True)
class Opened:
    """A page in a tab, and what it complained of or asked for."""

    tab: Tab
    faults: list[str]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> ReportPage:
    root = tmp_path_factory.mktemp("painted")
    return full_page(root, Model.load(_copied(tiny_folder, root.parent / f"{root.name}-model")))


def _copied(folder: Path, place: Path) -> Path:
    place.mkdir()
    for file in folder.iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    return place


@pytest.fixture(scope="module")
def pages(report: ReportPage, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every page that is opened, by its name."""
    place = tmp_path_factory.mktemp("pages")
    row = report.rows[0]
    hits = tuple(
        Hit(rank, rank, str(answer.path), answer.label, answer.similarity, answer.right)
        for rank, answer in enumerate(row.answers, start=1)
    )
    made = {
        "report": render_report(report),
        "bare": render_report(ReportPage(title="bare", report=report.report, pairs=report.pairs)),
        "search": search_page([Hits(str(row.query), hits, 0.5)], "search"),
    }
    for name, html in made.items():
        (place / f"{name}.html").write_text(html, encoding="utf-8")
    return {name: place / f"{name}.html" for name in made}


def opened(
    browser: Browser, page: Path, *, size: tuple[int, int], scheme: str = "light", script: bool = True
) -> Opened:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if scheme == "dark" else "light",
        java_script_enabled=script,
    )
    tab, faults = context.new_page(), list[str]()
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: None if asked.url[:5] in {"file:", "data:"} else faults.append(asked.url))
    tab.goto(page.as_uri())
    return Opened(tab, faults)


@pytest.fixture(scope="module", params=["report", "bare", "search"])
def each(request: pytest.FixtureRequest, browser: Browser, pages: dict[str, Path]) -> Iterator[Opened]:
    found = opened(browser, pages[request.param], size=SIZES["desk"])
    yield found
    found.tab.context.close()


def test_nothing_is_complained_of_and_nothing_is_asked_for(each: Opened) -> None:
    each.tab.evaluate(OPEN)
    assert each.tab.evaluate(WAIT)
    assert each.faults == []
    assert (
        each.tab.evaluate("performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'))")
        == []
    )
    assert each.tab.evaluate("globalThis.broken") is None, "a label is text, never a script"


def test_every_picture_is_there(each: Opened) -> None:
    each.tab.evaluate(OPEN)
    assert each.tab.evaluate(WAIT)
    sizes = each.tab.evaluate("[...document.images].map(image => [image.naturalWidth, image.clientWidth])")
    assert all(natural > 0 and shown > 0 for natural, shown in sizes)
    inside = each.tab.evaluate(
        "[...document.querySelectorAll('svg image')].map(i => i.href.baseVal.slice(0, 22))"
    )
    assert set(inside) <= {"data:image/png;base64,"}


def test_a_full_report_has_pictures_of_every_kind(browser: Browser, pages: dict[str, Path]) -> None:
    tab = opened(browser, pages["report"], size=SIZES["desk"]).tab
    for section in ("rows", "worst", "unmatched", "confused", "labels", "why", "triplets"):
        assert tab.locator(f"#{section} img").count() > 0, section
    for section in ("basis", "figures", "confused", "map", "threshold", "probability", "pairs", "training"):
        assert tab.locator(f"#{section} svg.plot").count() > 0, section
    tab.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [*SIZES, *NARROW])
@pytest.mark.parametrize("name", ["report", "search"])
def test_nothing_runs_off_the_side(
    browser: Browser, pages: dict[str, Path], name: str, size: str, scheme: str
) -> None:
    tab = opened(browser, pages[name], size={**SIZES, **NARROW}[size], scheme=scheme).tab
    tab.evaluate(OPEN)
    width = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1]
    tab.context.close()


def test_letters_stand_out_from_the_ground_in_either_scheme(browser: Browser, pages: dict[str, Path]) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        tab = opened(browser, pages["report"], size=SIZES["desk"], scheme=scheme).tab
        for place in ("body", ".quiet", "nav a", ".missing, .meaning", "summary"):
            assert contrast(tab, place) >= 4.5, (scheme, place)
        grounds.append(tab.evaluate("getComputedStyle(document.body).backgroundColor"))
        tab.context.close()
    assert grounds[0] != grounds[1]


def contrast(tab: Tab, place: str) -> float:
    """How much lighter one of letters and ground is, by WCAG 2.2: 4.5 is enough for small letters."""
    colours = tab.evaluate(
        "place => [getComputedStyle(document.querySelector(place)).color,"
        " getComputedStyle(document.body).backgroundColor]",
        place,
    )
    lights = sorted(_light(colour) for colour in colours)
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def _light(colour: str) -> float:
    parts = [int(part) / 255 for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_folded_parts_open_by_the_keyboard_and_without_a_script(
    browser: Browser, pages: dict[str, Path]
) -> None:
    tab = opened(browser, pages["report"], size=SIZES["phone"], script=False).tab
    first = tab.locator("details").first
    assert first.get_attribute("open") is None
    first.locator("summary").focus()
    tab.keyboard.press("Enter")
    assert first.get_attribute("open") is not None
    tab.context.close()
