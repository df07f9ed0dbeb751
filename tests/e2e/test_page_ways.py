"""Ways through the served page in a real browser: going back, a server that is gone, a session that ends."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from in_browser import opened, paged
from searched_page import TILES, asked, give, ids, index_of, of, paint_things, settle, shown, until

if TYPE_CHECKING:
    from playwright.sync_api import Browser

SAVE = """similarity => fetch("/v1/thresholds/default", { method: "PUT", body: JSON.stringify({ similarity }),
  headers: { "Content-Type": "application/json" } }).then(({ status }) => status)"""
FIGURE = """async ([similarity, match, threshold]) => {
  const { shownThreshold, tile } = await import("/static/tiles.js");
  const item = { id: 1, name: "one.png", label: "", similarity, match };
  const made = tile({ thumb: () => "" }, item, {}, { asked: true, threshold });
  return [made.querySelector("strong").textContent, shownThreshold(threshold)]; }"""
HINTED = """async () => { const { hintFor, mayPass } = await import("/static/hints.js");
  return [hintFor("no_such_item", "GET /v1/items lists them."), hintFor("other", "Do this."),
    mayPass({ status: 503, code: "busy" }), mayPass({ status: 422, code: "unusable" })]; }"""
CUT = """async ([text, width]) => {
  const { cut } = await import("/static/cutting.js");
  const made = cut(text), frame = document.createElement("div"), end = document.createRange();
  frame.style.width = `${width}px`;
  frame.append(made);
  document.body.append(frame);
  end.selectNodeContents(made.lastChild);
  const over = end.getBoundingClientRect().right - made.getBoundingClientRect().right;
  return { title: made.title, text: made.innerText, end: made.lastChild.textContent, over };
}"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return paint_things(tmp_path_factory.mktemp("ways") / "things")


@pytest.fixture(scope="module")
def address(pictures: Path, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    path = index_of(pictures, tiny_folder, tmp_path_factory.mktemp("gone"))
    with paged(path, writable=True) as (served, _):
        yield served


def test_a_threshold_that_was_saved_meanwhile_judges_the_answers(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1")
    tab.evaluate("location.hash = '#map'")
    tab.wait_for_selector(".map-legend button")
    assert tab.evaluate(SAVE, 0.4321) == 200
    tab.go_back()
    until(tab, "document.querySelector('.answers header').innerText.includes('match from 0.4321 on')")
    assert faults == []


def test_a_picture_that_is_in_the_collection_is_said_to_be(
    browser: Browser, address: str, pictures: Path
) -> None:
    tab, faults = shown(browser, address)
    give(tab, "drop", "main", (pictures / "thing03" / "0.png").read_bytes(), "mine.png")
    settle(tab, "Most alike")
    known = tab.get_by_role("link", name="This very picture is in the collection")
    known.click()
    settle(tab, "Most alike")
    (key, _) = asked(tab)[0]
    assert key == "id"
    assert known.is_hidden()
    assert faults == []


def test_a_file_of_an_earlier_load_is_not_another_one(browser: Browser, address: str, pictures: Path) -> None:
    tab, faults = shown(browser, address)
    give(tab, "drop", "main", of(pictures, 3, 0), "one.png")
    settle(tab, "Most alike")
    tab.reload()
    until(tab, "document.querySelector('.answers .state')?.innerText.includes('not here any more')")
    give(tab, "drop", "main", of(pictures, 4, 0), "two.png")
    settle(tab, "Most alike")
    tab.go_back()
    until(tab, "document.querySelector('.answers .state')?.innerText.includes('not here any more')")
    assert tab.inner_text(".chip-name") == "not here any more"
    assert tab.get_by_role("button", name="Choose another picture").is_visible()
    assert faults == []


def test_a_view_that_cannot_be_fetched_says_why_and_comes_later(browser: Browser, address: str) -> None:
    tab, _ = shown(browser, address)
    tab.wait_for_load_state("networkidle")  # else what is under way says the same in a message
    tab.context.set_offline(True)
    tab.get_by_role("link", name="Compare").click()
    tab.get_by_role("heading", name="The server does not answer.").wait_for()
    assert tab.inner_text("nav [aria-current]") == "Compare"
    assert tab.locator(".view-search").is_hidden()
    tab.context.set_offline(False)
    tab.get_by_role("button", name="Try again").click()
    tab.get_by_role("heading", name="Compare two pictures").wait_for()
    tab.get_by_role("heading", name="The server does not answer.").wait_for(state="hidden")
    until(tab, "!document.querySelector('#messages > *')")


def test_a_field_that_is_left_with_its_view_changes_nothing(browser: Browser, address: str) -> None:
    tab, faults = opened(browser, address, "map")
    tab.wait_for_selector(".map-legend button")
    tab.get_by_role("link", name="Search").click()
    settle(tab, "80 pictures")
    tab.get_by_label("Label", exact=True).press_sequentially("thing0")
    tab.go_back()
    until(tab, "document.querySelector('.view-search').hidden")
    tab.evaluate("() => new Promise((done) => setTimeout(done, 50))")
    assert tab.evaluate("location.hash") == "#map"
    tab.go_forward()
    settle(tab, "80 pictures")
    assert asked(tab) == []
    assert tab.get_by_label("Label", exact=True).input_value() == ""
    assert faults == []


def test_what_was_said_of_a_failure_goes_when_it_works(browser: Browser, address: str) -> None:
    tab, _ = shown(browser, address)
    tab.context.set_offline(True)
    tab.get_by_role("button", name="Show more").click()
    tab.locator("#messages [role=alert]").wait_for()
    tab.context.set_offline(False)
    tab.get_by_role("button", name="Show more").click()
    until(tab, f"document.querySelectorAll('{TILES}').length === 80")
    assert tab.locator("#messages > *").count() == 0


def test_a_session_that_ended_asks_for_the_token(
    browser: Browser, pictures: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    token = "a-token-of-24-characters"
    with paged(index_of(pictures, tiny_folder, tmp_path), token=token) as (locked, _):
        tab, _ = shown(browser, locked, f"token={token}")
        tab.context.clear_cookies()
        tab.locator(TILES).first.click()
        tab.get_by_text("This server asks for a token").wait_for()
        tab.get_by_label("Token").fill("another-token-of-24-letters")
        tab.get_by_role("button", name="Open").click()
        tab.locator("#messages [role=alert]").wait_for()
        tab.get_by_label("Token").fill(token)
        tab.get_by_role("button", name="Open").click()
        settle(tab, "Most alike")
        assert tab.locator("#messages > *").count() == 0


def test_going_back_finds_the_place_in_the_collection(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, width=800)
    tab.get_by_role("button", name="Show more").click()
    until(tab, f"document.querySelectorAll('{TILES}').length === 80")
    tab.locator(TILES).nth(70).scroll_into_view_if_needed()
    there = tab.evaluate("() => new Promise((done) => setTimeout(() => done(scrollY), 60))")
    tab.locator(TILES).nth(70).click()
    settle(tab, "Most alike")
    assert tab.evaluate("scrollY") < there
    tab.go_back()
    settle(tab, "80 pictures")
    assert len(ids(tab)) == 80
    tab.wait_for_function("there => Math.abs(scrollY - there) < 40", arg=there)
    assert faults == []


def test_a_picture_is_pasted_while_a_field_has_the_cursor(
    browser: Browser, address: str, pictures: Path
) -> None:
    tab, faults = shown(browser, address)
    tab.get_by_label("Label", exact=True).focus()
    give(tab, "paste", ".filters input", of(pictures, 5, 1), "pasted.png")
    settle(tab, "Most alike")
    assert faults == []


@pytest.mark.parametrize(
    ("similarity", "match", "threshold", "words"),
    [
        (0.6345, False, 0.6349, ["0.63", "0.6349"]),
        (0.628, False, 0.63, ["0.628", "0.63"]),
        (0.634951, True, 0.6349, ["0.635", "0.6349"]),
        (0.91, True, 0.6349, ["0.91", "0.6349"]),
    ],
)
def test_a_similarity_does_not_contradict_its_verdict(
    browser: Browser, address: str, similarity: float, match: bool, threshold: float, words: list[str]
) -> None:
    tab, _ = opened(browser, address)
    assert tab.evaluate(FIGURE, [similarity, match, threshold]) == words


def test_no_verdicts_have_their_true_reason(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1:-1")
    assert "what is alike, not what is unlike" in tab.inner_text(".answers header")
    assert faults == []


def test_hints_are_for_the_person_at_the_page(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address)
    ours, other, busy, wrong = tab.evaluate(HINTED)
    assert "GET" not in ours
    assert other == "Do this."
    assert (busy, wrong) == (True, False)


def test_unseen_characters_of_a_name_are_shown_and_commands_stay(browser: Browser, address: str) -> None:
    tab, _ = opened(browser, address)
    shape = "async (name) => (await import('/static/make.js')).make('bdi', { textContent: name }).textContent"
    assert tab.evaluate(shape, "a\u202egnp.exe\n\u00e9") == "a\\u202egnp.exe\\u000a\u00e9"
    whole = "async (text) => (await import('/static/elements.js')).sentence(text)"
    assert tab.evaluate(whole, "lookalike index again") == "lookalike index again."
    assert tab.evaluate(whole, "the filter is wrong") == "The filter is wrong."


@pytest.mark.parametrize("width", [140, 400])
@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("holiday/a_very_long_name_of_a_picture_0001.png", "0001.png"),
        ("WWWWWWWWWWWWWWWWWWWWWWWWWWWWW.WEBP", "WWWW.WEBP"),
        ("woman with a hat: dark skin tone", "n tone"),
        ("猫猫猫猫猫猫猫猫猫猫猫猫猫猫猫猫.jpg", "猫猫猫猫.jpg"),
        ("short.png", "short.png"),
    ],
    ids=["long", "wide", "label", "signs", "short"],
)
def test_a_name_is_cut_in_its_middle(browser: Browser, address: str, name: str, end: str, width: int) -> None:
    tab, _ = opened(browser, address)
    found = tab.evaluate(CUT, [name, width])
    assert (found["title"], found["text"], found["end"]) == (name, name, end)
    assert found["over"] < 1  # its end is whole


def test_a_slider_is_filled_on_the_side_that_is_enough(browser: Browser, address: str) -> None:
    tab, faults = shown(browser, address, "search?id=1&lowest=0.4", color_scheme="light")
    with Image.open(io.BytesIO(tab.get_by_label("Similarity at least").screenshot())) as drawn:
        width, height = drawn.size
        line = [drawn.convert("RGB").getpixel((int(width * share), height // 2)) for share in (0.2, 0.8)]
    assert line == [(0xC9, 0xC9, 0xCF), (0x0A, 0x5F, 0xB4)]
    assert faults == []
