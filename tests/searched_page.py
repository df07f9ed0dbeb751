"""Twenty painted things, and the page that serves them: what the tests of the search and of the map share."""

from __future__ import annotations

import base64
import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import numpy as np
from PIL import Image

from in_browser import opened
from lookalike.calibrating import calibrate
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from painted import paint
from tiny_attributes import with_branch

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

THINGS, EACH = 20, 4
EVIL = "<img src=x onerror=globalThis.broken=1>"
TILES = ".view-search .tile > .picture"
SETTLED = (
    "!document.querySelector('.view-search [aria-busy]')"
    " && Boolean(document.querySelector('.view-search .answers h1')?.innerText)"
)
HAND = (
    "([text, name, type]) => { const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));"
    "const held = new DataTransfer(); held.items.add(new File([bytes], name, { type })); return held; }"
)


def paint_things(root: Path) -> Path:
    """Twenty things, four pictures each; the label and one file of the last are full of traps."""
    rng = np.random.default_rng(1)
    for thing in range(THINGS):
        colours = rng.integers(0, 256, 48)
        folder = root / (EVIL if thing == THINGS - 1 else f"thing{thing:02}")
        for number in range(EACH):
            name = EVIL if number == 0 and thing == THINGS - 1 else str(number)
            paint(folder, name, colours, 40, 100 * thing + number)
    return root


def index_of(pictures: Path, model: Path, place: Path) -> Path:
    """An index of them, with a model that has a threshold and knows attributes."""
    shutil.copytree(model, place / "model")
    table = ImageTable.read(pictures)
    calibrate(with_branch(Model.load(place / "model")), table)
    with Index.create(place / "things.idx", Model.load(place / "model")) as index:
        index.update(table, source=pictures)
    return place / "things.idx"


def shown(
    browser: Browser, address: str, view: str = "search", **options: int | str
) -> tuple[Tab, list[str]]:
    tab, faults = opened(browser, address, view, **options)  # type: ignore[arg-type]
    until(tab, SETTLED)
    return tab, faults


def until(tab: Tab, condition: str) -> None:
    """Wait for it; as a function, since the page lets no text be run."""
    tab.wait_for_function(f"() => {condition}")


def settle(tab: Tab, title: str) -> None:
    """Wait for the answers under a title."""
    tab.wait_for_function(
        f"text => {SETTLED} && document.querySelector('.answers h1').innerText === text", arg=title
    )


def asked(tab: Tab) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(tab.url).fragment.partition("?")[2])


def ids(tab: Tab) -> list[int]:
    return [int(each) for each in tab.eval_on_selector_all(TILES, "all => all.map(one => one.dataset.id)")]


def words(tab: Tab) -> list[str]:
    return [text.replace("\n", " ") for text in tab.locator(".view-search .tile-words").all_inner_texts()]


def labels(tab: Tab) -> list[str]:
    return tab.locator(".view-search .tile-label").all_inner_texts()


def give(tab: Tab, how: str, target: str, content: bytes, name: str, kind: str = "image/png") -> None:
    """Drop a file, or paste one."""
    held = tab.evaluate_handle(HAND, [base64.b64encode(content).decode(), name, kind])
    tab.evaluate(
        "([how, target, held]) => document.querySelector(target).dispatchEvent(how === 'paste'"
        " ? new ClipboardEvent('paste', { clipboardData: held, bubbles: true, cancelable: true })"
        " : new DragEvent(how, { dataTransfer: held, bubbles: true, cancelable: true }))",
        [how, target, held],
    )


def of(pictures: Path, thing: int, number: int) -> bytes:
    """A picture as it is nowhere in the index, of one of its things."""
    with Image.open(pictures / f"thing{thing:02}" / f"{number}.png") as image:
        pixels = np.asarray(image).copy()
    pixels[0, 0] ^= 3
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()
