"""Another picture of a group is compared with in a real browser: decisions stand beside their own pair."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from in_browser import opened, paged
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Decision, Verdict
from lookalike.models.model import Model
from lookalike.serving.desk import Desk
from lookalike.tables.table import ImageTable
from scenes import cropped, halved, scene, write

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab

SIZE = (160, 120)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of one scene, and two of others."""
    root = tmp_path_factory.mktemp("keepers") / "album"
    for number in range(3):
        write(root / f"{number}.png", scene(number, *SIZE))
    write(root / "half.png", halved(scene(0, *SIZE)))
    write(root / "crop.jpg", cropped(scene(0, *SIZE)), quality=90)
    return root


@pytest.fixture
def served(album: Path, tiny_folder: Path, tmp_path: Path) -> Iterator[tuple[str, Desk]]:
    with Index.create(tmp_path / "album.idx", Model.load(tiny_folder)) as index:
        index.update(ImageTable.read(album), source=album)
    with paged(tmp_path / "album.idx") as (address, desk):
        yield address, desk


def decide(desk: Desk, first: str, second: str, verdict: Verdict) -> None:
    """As on an earlier visit."""
    store = desk.index.store
    hashes = {item.path: item.hash for root in store.roots() for item in store.items(root.id)}
    decision = Decision.of(hashes[first], hashes[second], verdict, made="2026-01-01T00:00:00+00:00")
    with store.writing() as writer:
        writer.decide([decision])


def said(tab: Tab) -> dict[str, str]:
    """What is said of each picture of the group in hand by name: compared with, or the decision."""
    members = tab.locator(".group .member")
    found = {}
    for place in range(members.count()):
        member = members.nth(place)
        name = member.locator(".member-name").inner_text().split("/")[-1]
        words = member.locator(".beside, .decided").all_inner_texts()
        found[name] = ", ".join(words)
    return found


def mark(tab: Tab, name: str) -> None:
    """Choose the picture of that name."""
    tab.locator(".member", has_text=name).locator(".picture").focus()


def test_decisions_stand_beside_the_pair_they_were_said_of(
    browser: Browser, served: tuple[str, Desk]
) -> None:
    address, desk = served
    decide(desk, "0.png", "half.png", "keep-both")
    decide(desk, "half.png", "crop.jpg", "same")
    tab, faults = opened(browser, address, "duplicates")
    tab.wait_for_selector(".group .member")
    both = "You: keep both"
    assert said(tab) == {"0.png": "compared with", "half.png": both, "crop.jpg": ""}
    mark(tab, "crop.jpg")
    tab.keyboard.press("x")
    tab.wait_for_selector(".member.reference .member-name:has-text('crop.jpg')")
    assert said(tab) == {"0.png": "", "half.png": "You: duplicates", "crop.jpg": "compared with"}
    mark(tab, "half.png")
    tab.keyboard.press("x")
    tab.wait_for_selector(".member.reference .member-name:has-text('half.png')")
    assert said(tab) == {"0.png": both, "half.png": "compared with", "crop.jpg": "You: duplicates"}
    mark(tab, "0.png")
    tab.keyboard.press("x")
    tab.wait_for_selector(".member.reference .member-name:has-text('0.png')")
    assert said(tab) == {"0.png": "compared with", "half.png": both, "crop.jpg": ""}
    assert faults == []
