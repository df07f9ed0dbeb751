"""The page of `search --html`: queries, answers, and a verdict only where there is a threshold."""

from __future__ import annotations

from html_page import Page
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
    assert "two.png Nothing was found." in words
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
