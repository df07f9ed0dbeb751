"""Decisions by rows: what joins by way of others, and which of two indexes has the last word."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.duplicates.agreement import moment_of
from lookalike.duplicates.decided import Decided, decided
from lookalike.duplicates.records import Band
from lookalike.indexing.schema import Decision, Verdict

NAMES = "abcdef"  # of which "f" is in no index


def of(pair: str, verdict: Verdict, made: str = "2026-01-01") -> Decision:
    return Decision.of(pair[0].encode(), pair[1].encode(), verdict, made=made)


def told(*stores: list[Decision]) -> Decided:
    contents: Any = SimpleNamespace(
        hashes=[name.encode() for name in NAMES[:-1]],
        stores=[SimpleNamespace(decisions=lambda said=said: said) for said in stores],
    )
    return decided(contents)


def names(pairs: set[tuple[int, int]]) -> set[str]:
    return {NAMES[first] + NAMES[second] for first, second in pairs}


def test_same_joins_by_way_of_others_also_of_those_that_are_gone() -> None:
    found = told([of("ba", "same"), of("cb", "same"), of("df", "same"), of("fe", "same")])
    assert names(found.same) == {"ab", "bc", "ac", "de"}
    assert (found.verdict(2, 0), found.verdict(0, 3)) == ("same", None)


def test_what_was_said_of_a_pair_itself_comes_first() -> None:
    found = told([of("ab", "same"), of("bc", "same"), of("ac", "different"), of("cd", "same"),
                  of("bd", "keep-both"), of("aa", "keep-both")])  # fmt: skip
    assert names(found.different) == {"ac"}
    assert "ac" not in names(found.same)
    assert (found.verdict(1, 3), found.verdict(0, 0)) == ("keep-both", "keep-both")


PAIRS = [first + second for first in NAMES for second in NAMES if first < second]


@given(st.dictionaries(st.sampled_from(PAIRS), st.sampled_from(["same", "different", "keep-both"])))
def test_same_is_the_transitive_closure(said: dict[str, Verdict]) -> None:
    joined = {frozenset(pair) for pair, verdict in said.items() if verdict == "same"}
    for via in NAMES:  # Warshall
        for pair in PAIRS:
            if {frozenset((pair[0], via)), frozenset((via, pair[1]))} <= joined:
                joined.add(frozenset(pair))
    found = told([of(pair, verdict) for pair, verdict in said.items()])
    wanted = {pair for pair in PAIRS if frozenset(pair) in joined and "f" not in pair}
    assert names(found.same) == {pair for pair in wanted if said.get(pair) != "different"}


@pytest.mark.parametrize(
    ("early", "late"),
    [
        ("yesterday", "2026-01-01"),
        ("2026-01-01T12:30:00+02:00", "2026-01-01T11:00:00+00:00"),
        ("2026-01-01T11:00:00", "2026-01-01T11:00:01Z"),
        ("2026-01-01", "2026-01-01T00:00:01.5"),
    ],
    ids=["no time", "zones", "no zone", "day"],
)
def test_of_two_indexes_the_later_one_stands(early: str, late: str) -> None:
    assert moment_of(early) < moment_of(late)
    first, second = [of("ab", "different", early)], [of("ab", "same", late)]
    for stores in ((first, second), (second, first)):
        assert names(told(*stores).same) == {"ab"}
        assert not told(*stores).different


def test_what_is_alike_one_of_two_that_are_the_same_is_alike_the_other_too() -> None:
    decisions = Decided(same={(0, 1), (2, 3)})
    assert decisions.through({(1, 4): Band.SAME_THING, (1, 5): Band.NEAR_COPY}) == {
        (0, 4): (Band.SAME_THING, 1),
        (0, 5): (Band.NEAR_COPY, 1),
    }
    assert decisions.through({(0, 1): Band.NEAR_COPY, (4, 5): Band.NEAR_COPY}) == {}
    assert decisions.through({(0, 2): Band.SAME_THING, (1, 2): Band.SAME_PIXELS}) == {
        (0, 3): (Band.SAME_THING, 2),
        (1, 3): (Band.SAME_PIXELS, 2),
    }
