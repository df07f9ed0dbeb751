"""The page of duplicates: whole, alone, bounded, with every name as text; and the same in words."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from html_page import Page
from lookalike.duplicates.records import Band, Duplicates
from lookalike.errors import SkipReason
from lookalike.presenting.duplicates_page import MOST_BLANK, MOST_MEMBERS, render_duplicates, write_duplicates
from lookalike.presenting.duplicates_wording import MOST_GROUPS, cautions, lines, totals, values
from lookalike.records import Skipped
from scenes import scene, write
from some_duplicates import WORDS, duplicates, group, member

EVIL = "<b>&'\".png"
INDEX = Path("photos.idx")


@pytest.fixture
def found(tmp_path: Path) -> Duplicates:
    """A group of three, one of which is kept too; one of fifteen; one that is settled; a blank picture."""
    paths = []
    for number in range(20):
        paths.append(tmp_path / "album" / (EVIL if number == 1 else f"{number}.png"))
        write(paths[-1], scene(number, 24, 24))
    many = group(paths[3:18], band=Band.EXACT, first=20)
    settled = group(paths[18:20], settled=(1,), first=50)
    return duplicates(many, group(paths[:3], settled=(2,)), settled, blank=(member(paths[0], 99),))


@pytest.fixture
def page(found: Duplicates) -> Page:
    return Page(render_duplicates(found, index=INDEX, created="today"))


def test_the_page_stands_alone(page: Page) -> None:
    assert not page.all("script")
    assert not page.all("link")
    images = page.all("img")
    assert len(images) == MOST_MEMBERS + 3 + 1
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in images)
    assert all(image["alt"] for image in images)


def test_what_stays_and_what_goes_is_marked(page: Page, found: Duplicates) -> None:
    kinds = [str(span["class"]) for span in page.all("span") if str(span.get("class")).startswith("kind")]
    assert kinds.count("kind keep") == 2
    assert kinds.count("kind stay") == 1
    assert kinds.count("kind go") == MOST_MEMBERS - 1 + 1
    words = page.words("groups")
    assert "Somebody decided to keep both." in words
    assert "It has the most pixels." in words
    assert found.groups[1].evidence[0].why in words
    assert EVIL in words
    assert "64 × 48 PNG" in words
    assert "and 3 more; --json lists all" in words


def test_the_page_says_totals_limits_and_when(page: Page, found: Duplicates) -> None:
    assert "2 groups of duplicates among 10 pictures: 15 files could go" in page.words()
    assert "1 group not shown: it was decided that nothing is to go." in page.words()
    assert "Made today." in page.words()
    footer = "Every picture of a group is within the limits of its first one, or was decided to be the same."
    assert footer in page.words()
    assert WORDS in page.words("limits")
    assert [(total.name, total.groups, total.removable) for total in totals(found)] == [
        ("exact", 1, 14),
        ("near copy", 1, 1),
        ("all", 2, 15),
    ]
    assert "exact 1 15 14" in page.words("totals")


def test_large_results_are_bounded(found: Duplicates, tmp_path: Path) -> None:
    write_duplicates(found, tmp_path / "page.html", index=INDEX, most=1)
    page = Page((tmp_path / "page.html").read_text())
    assert "1 more group is not shown here; --json lists all." in page.words("groups")
    blank = replace(found, blank=found.blank * (MOST_BLANK + 1))
    page = Page(render_duplicates(blank, index=INDEX))
    assert f"The first {MOST_BLANK} of {MOST_BLANK + 1} are shown" in page.words("blank")
    told = "\n".join(lines(replace(blank, groups=found.groups[:1] * (MOST_GROUPS + 2)), index=INDEX))
    assert told.count("\n   keep  ") == MOST_GROUPS
    assert "and 2 groups more; --json and --html show them" in told
    assert "  and 5 more" in told


def test_nothing_found_is_said_plainly() -> None:
    page = Page(render_duplicates(duplicates(), index=INDEX))
    assert "No duplicates among 10 pictures." in page.words()
    assert "groups" not in page.text
    assert lines(duplicates(), index=INDEX) == ["photos.idx: No duplicates among 10 pictures."]


def test_cautions_say_what_is_missing(found: Duplicates) -> None:
    skipped = (Skipped("a.png", SkipReason.MISSING),)
    said = cautions(replace(found, notes=("Note.",), complete=False, skipped=skipped))
    assert said[0] == "Note."
    assert "too many likely pairs" in said[1]
    page = Page(render_duplicates(replace(found, skipped=skipped), index=INDEX))
    assert "1 picture left out: missing (no such file)." in page.words()
    away = (Skipped("a.png", SkipReason.QUARANTINE), Skipped("b.png", SkipReason.QUARANTINE))
    words = Page(render_duplicates(replace(found, skipped=away), index=INDEX)).words()
    assert "2 pictures left out: put away in a quarantine." in words
    assert "missing" not in words


def test_values_are_plain_and_whole(found: Duplicates) -> None:
    told = json.loads(json.dumps(values(found, index=INDEX)))
    assert [group["settled"] for group in told["groups"]] == [False, False, True]
    actions = [[member["action"] for member in group["members"]] for group in told["groups"]]
    assert actions[1:] == [["keep", "move", "keep"], ["keep", "keep"]]
    assert told["groups"][1]["members"][1]["similarity"] == 0.97
    assert told["groups"][1]["members"][0]["similarity"] is None
    assert len(told["groups"][0]["members"][0]["hash"]) == 32
