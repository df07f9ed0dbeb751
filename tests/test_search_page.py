"""The page of `search --html`: queries, answers, and a verdict only where there is a threshold."""

from __future__ import annotations

from html_page import Page
from lookalike.hits import Part
from lookalike.presenting.report import search_page
from lookalike.records import Hit, Hits

EVIL = "<script>alert('x')</script>&\"'"


def hits(query: str, *found: bool | None, threshold: float | None = 0.7) -> Hits:
    answers = (
        Hit(rank, rank, f"/pictures/{EVIL}/{rank}.png", None if rank == 2 else "cat", 1 - rank / 10, match)
        for rank, match in enumerate(found, start=1)
    )
    return Hits(query, tuple(answers), threshold)


def test_search_page_shows_answers_with_label_similarity_and_verdict() -> None:
    found = Page(search_page([hits("/q/one.png", True, False), hits("/q/two.png")], "Two <queries>"))
    words = found.words()
    assert "Two <queries>" in words
    assert "similarity is at least 0.700" in words
    assert "one.png 0.900 cat 1.png match 0.800 2.png no match" in words
    assert "two.png No match." in words
    kinds = [str(attrs["class"]).strip() for attrs in found.all("figure")]
    assert kinds == ["tile query", "tile right", "tile", "tile query"]
    assert not found.all("script")
    assert f"/pictures/{EVIL}/1.png" in [attrs["title"] for attrs in found.all("img")]


def test_search_page_without_threshold_gives_no_verdict() -> None:
    found = Page(search_page([hits("/q/one.png", None, threshold=None)], "Search"))
    assert "no verdict" in found.words()
    assert "lookalike calibrate MODEL DATA" in found.words()
    assert [str(attrs["class"]).strip() for attrs in found.all("figure")] == ["tile query", "tile"]


def test_search_page_of_nothing_says_so() -> None:
    assert "No picture was asked for." in Page(search_page([], "Search")).words()


def test_search_page_shows_what_was_asked_for_in_words() -> None:
    asked = "smiling=1,male=0"
    alone = Page(search_page([hits(asked, None, threshold=None)], "Search", attributes=asked))
    assert [str(attrs["class"]).strip() for attrs in alone.all("figure")] == ["tile"]
    composed = Page(search_page([hits("/q/one.png", None, threshold=None)], "Search", attributes=asked))
    assert [str(attrs["class"]).strip() for attrs in composed.all("figure")] == ["tile query", "tile"]
    for page in (alone, composed):
        assert f"Asked for: {asked}" in page.words()
        assert "calibrate" not in page.words()


def test_search_page_says_why_there_is_no_answer() -> None:
    shown = Page(search_page([Hits("/q/one.png", (), 0.7, nothing="the <index> is empty")], "Search"))
    assert "No match: the <index> is empty." in shown.words()


def test_search_page_counts_copies_and_names_another_order() -> None:
    answers = (
        Hit(1, 1, "/p/1.png", None, 0.7, True, 0.9, "near copy", copies=(4, 9)),
        Hit(2, 2, "/p/2.png", None, 0.8, False, copies=(5,)),
        Hit(3, 3, "/p/3.png", None, 0.6, False),
    )
    words = Page(search_page([Hits("/q/one.png", answers, 0.7, order="averaging")], "Search")).words()
    assert "0.700 1.png match, 90.0%, near copy, +2 copies" in words
    assert "0.800 2.png no match, +1 copy" in words
    assert words.endswith("0.600 3.png no match")
    assert "ranked by averaging" in words
    plain = Page(search_page([Hits("/q/one.png", answers[2:], 0.7)], "Search")).words()
    assert "ranked" not in plain
    assert "cop" not in plain


def test_search_page_shows_every_picture_of_a_combination_with_its_weight() -> None:
    parts = (Part("/q/one.png", 1.0), Part("/q/two.png", -0.5))
    asked = Hits("/q/one.png − 0.5 × /q/two.png", (Hit(1, 1, "/p/1.png", None, 0.7),), parts=parts)
    found = Page(search_page([asked], "Search"))
    kinds = [str(attrs["class"]).strip() for attrs in found.all("figure")]
    assert kinds == ["tile query", "tile query", "tile"]
    assert "one.png + 1 q/two.png − 0.5 0.700" in found.words()
    assert "because a threshold is made for two pictures" in found.words()
    assert "calibrate" not in found.words()
