"""The rule of what stays: what each criterion prefers, what it says, and what it refuses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookalike.duplicates.keepers import KEEP, KeepRule
from lookalike.duplicates.records import Member
from lookalike.errors import ConfigError

PLAIN = Member(1, "/b/picture.jpg", "", (400, 300), 1000, "JPEG", 10**18, None, b"1")
DAY = 24 * 3600 * 10**9


@pytest.mark.parametrize(
    ("rule", "better", "said"),
    [
        ("resolution", {"size": (800, 600)}, "the most pixels (800 x 600)"),
        ("bytes", {"bytes": 2000}, "the largest file (2,000 bytes)"),
        ("format", {"format": "PNG"}, "the better format (PNG)"),
        ("oldest", {"mtime_ns": 10**18 - DAY}, "the oldest file (2001-09-08)"),
        ("newest", {"mtime_ns": 10**18 + DAY}, "the newest file (2001-09-10)"),
        ("name", {"path": "/z/a.jpg"}, "the shortest name"),
        ("folder:/z", {"path": "/z/picture.jpg"}, "its place in /z"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_criterion_keeps_the_better_one(rule: str, better: dict[str, Any], said: str) -> None:
    keeper = replace(PLAIN, id=2, **better)
    asked = KeepRule.parse(rule)
    assert min([PLAIN, keeper], key=asked.key) == keeper
    assert asked.reason(keeper, [PLAIN]) == f"It has {said}."


def test_later_criteria_decide_among_equals() -> None:
    small, old = replace(PLAIN, size=(10, 10), mtime_ns=1), replace(PLAIN, id=2, mtime_ns=10**18 - DAY)
    rule = KeepRule.parse("resolution, oldest")
    assert sorted([PLAIN, small, old], key=rule.key) == [old, PLAIN, small]
    said = "It has the most pixels (400 x 300) and among equals the oldest file (2001-09-08)."
    assert rule.reason(old, [PLAIN, small]) == said


def test_equals_go_by_their_path_and_it_says_so() -> None:
    twin, rule = replace(PLAIN, id=2, path="/a/picture.jpg"), KeepRule.parse("bytes")
    assert min([PLAIN, twin], key=rule.key) == twin
    assert rule.reason(twin, [PLAIN]) == "Like one other by bytes, it comes first by its path."
    less = replace(PLAIN, id=3, bytes=1)
    said = "It has the largest file (1,000 bytes); like one other by bytes, it comes first by its path."
    assert rule.reason(twin, [PLAIN, less]) == said


def test_a_folder_is_not_another_one_that_begins_like_it() -> None:
    rule = KeepRule.parse("folder:/z")
    inside, beside = replace(PLAIN, path="/z/p.jpg"), replace(PLAIN, path="/za/p.jpg")
    assert rule.key(inside) < rule.key(beside)


def test_the_library_stays_whatever_the_rule() -> None:
    old, rule = replace(PLAIN, size=(1, 1), library=True), KeepRule.parse(KEEP)
    assert min([PLAIN, old], key=rule.key) == old
    assert rule.reason(old, [PLAIN]) == "It belongs to the library that was compared against."


@pytest.mark.parametrize(
    ("text", "saw", "do"),
    [
        ("resolutoin", "resolutoin", "did you mean resolution?"),
        (" ,", "nothing", KEEP),
        ("folder:", "folder:", ""),
    ],
)
def test_what_is_no_rule_is_refused(text: str, saw: str, do: str) -> None:
    with pytest.raises(ConfigError) as caught:
        KeepRule.parse(text)
    assert caught.value.saw == saw
    assert do in caught.value.do
    assert "folder:PATH" in caught.value.wanted


def test_the_usual_criteria_decide_after_those_asked_for() -> None:
    small, rule = replace(PLAIN, id=2, path="/a/a.jpg", size=(10, 10)), KeepRule.parse("folder:/z")
    assert min([PLAIN, small], key=rule.key) == PLAIN
    assert "the most pixels" in rule.reason(PLAIN, [small])


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    KeepRule.parse(f"folder:{tmp_path}").check_folders()
    with pytest.raises(ConfigError, match="there is no such folder - keep - saw folder:/nowhere"):
        KeepRule.parse("resolution,folder:/nowhere").check_folders()


def test_what_was_enlarged_counts_for_what_it_shows() -> None:
    rule = KeepRule.parse("resolution")
    enlarged = replace(PLAIN, id=2, size=(800, 600), shown=(400, 300), bytes=9000)
    larger, smaller = replace(PLAIN, id=3, size=(600, 450)), replace(PLAIN, id=4, size=(200, 150))
    assert sorted([enlarged, smaller, larger, PLAIN], key=rule.key) == [larger, PLAIN, enlarged, smaller]
    assert (
        rule.reason(PLAIN, [enlarged]) == "It has the most detail (400 x 300; what is larger shows no more)."
    )
    assert rule.reason(enlarged, [smaller]) == "It has the most pixels (800 x 600)."
