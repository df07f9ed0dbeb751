"""Figures of every kind are told in their unit and by their direction."""

from __future__ import annotations

import pytest

from lookalike.judging import figure_wording as wording
from lookalike.records import Figure

EER = Figure(0.05, 0.04, 0.06, 0.12, (-0.08, -0.06), better="lower")
RANK = Figure(1.646, 1.2, 1234.5, 3.0, (-1.97, -0.746), better="lower", unit="rank")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recall@1", "queries whose most similar picture is right"),
        ("recall@16", "queries with a right picture among the first 16"),
        ("precision@4", "right pictures among the first 4"),
        ("map", "mean average precision: how early all right pictures come"),
        ("ndcg@8", "right pictures among the first 8, early ones weighing more; 100 at best"),
        ("ap@4", "average precision of the first 4 answers"),
        ("macro_map@r", "map@r as the mean of the classes' means: every class weighs the same"),
        ("tmr@0.001", "same-label pairs that match where 0.1% of the different-label ones do"),
        ("something new", ""),
    ],
)
def test_figures_are_explained(name: str, words: str) -> None:
    assert wording.meaning(name) == words


@pytest.mark.parametrize(
    ("value", "baseline", "shown"),
    [(0.5, 0.4, "+10.0"), (0.4, 0.5, "−10.0"), (0.4, 0.4, "+0.0"), (0.4, None, "–")],
)
def test_a_difference_has_a_sign(value: float, baseline: float | None, shown: str) -> None:
    assert wording.difference(Figure(value, 0.0, 1.0, baseline)) == shown


def test_what_was_not_measured_is_a_dash() -> None:
    assert wording.percent(float("nan")) == "–"


@pytest.mark.parametrize(
    ("figure", "verdict"),
    [
        (EER, "helped"),
        (Figure(0.12, 0.1, 0.14, 0.05, (0.06, 0.08), better="lower"), "did not help"),
        (Figure(0.04, 0.03, 0.06, 0.05, (-0.02, 0.01), better="lower"), "not measurably"),
        (Figure(0.05, 0.03, 0.06, 0.05, (-0.02, 0.01), better="lower"), "did not help"),
        (Figure(0.04, 0.03, 0.045, 0.05, better="lower"), "helped"),
        (RANK, "helped"),
    ],
)
def test_where_lower_is_better_a_fall_helps(figure: Figure, verdict: str) -> None:
    assert wording.verdict(figure) == verdict


def test_ranks_are_not_told_in_percent() -> None:
    assert (wording.shown(RANK.value, RANK.unit), wording.span(RANK)) == ("1.65", "1.20–1,234.50")
    assert (wording.difference(RANK), wording.gain(RANK)) == ("−1.35", "−1.97 to −0.75")
    assert (wording.shown(EER.value), wording.span(EER), wording.gain(EER)) == (
        "5.0",
        "4.0–6.0",
        "−8.0 to −6.0",
    )


def test_what_is_not_known_is_a_dash() -> None:
    bare = Figure(float("nan"), float("nan"), 0.5)
    assert (wording.shown(None), wording.shown(bare.value, "rank"), wording.span(bare)) == (
        "–",
        "–",
        "––50.0",
    )
    assert (wording.gain(bare), wording.signed(None), wording.signed(float("nan"))) == ("–", "–", "–")


def test_table_marks_what_is_read_the_other_way() -> None:
    lines = wording.table_lines({"map": Figure(0.5, 0.4, 0.6), "eer": EER, "first_rank": RANK})
    assert [line.split("  ")[0] for line in lines[1:4]] == ["map", "eer ↓", "first_rank ↓"]
    assert len({len(line) for line in lines[:3]}) == 1
    assert lines[4] == "↓ lower is better; first_rank: a rank, not percent"
    assert len(wording.table_lines({"map": Figure(0.5, 0.4, 0.6)})) == 2


def test_json_has_no_nan() -> None:
    nan = float("nan")
    assert wording.plain({"a": nan, "b": (1.0, nan), "c": "x", "d": float("inf"), "e": None}) == {
        "a": None, "b": [1.0, None], "c": "x", "d": None, "e": None,
    }  # fmt: skip
