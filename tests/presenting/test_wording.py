"""The words a reader acts on are true to the figures, and the JSON keeps its contract."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from lookalike.errors import SkipReason
from lookalike.presenting import wording
from lookalike.records import Figure, Report, Skipped, Threshold

PRECISE = Threshold(0.51234, "precision=0.95", 0.96, 0.4, 0.57, 0.0004, 0.95, 0.951, 20, 500, 60, 9)
REPORT = Report(
    figures={
        "recall@1": Figure(0.463, 0.41, 0.513, 0.369, (0.06, 0.13)),
        "map@r": Figure(0.289, 0.25, 0.33, 0.21),
    },
    split="test",
    queries=1712,
    gallery=1734,
    classes=120,
    without_partner=22,
    skipped=(Skipped("cat/1.png", SkipReason.TRUNCATED, "ends early"),),
    model="emoji",
    fingerprint="ab" * 32,
    baseline="efficientnet_lite0, untrained",
)


@pytest.mark.parametrize(
    ("baseline", "gain", "verdict", "words"),
    [
        (0.369, (0.06, 0.13), "helped", "helped by 9.4 percentage points (+6.0 to +13.0)."),
        (0.45, (0.005, 0.02), "helped", "helped by 1.3 percentage points (+0.5 to +2.0)."),
        (0.369, (-0.01, 0.2), "not measurably", "measurably (+9.4 percentage points, −1.0 to +20.0)."),
        (0.369, (0.0, 0.2), "not measurably", "did not help measurably"),
        (0.463, (-0.1, 0.1), "did not help", "did not help (+0.0 percentage points, −10.0 to +10.0). Keep"),
        (0.5, (-0.1, 0.05), "did not help", "did not help (−3.7 percentage points, −10.0 to +5.0). Keep"),
        (0.6, (-0.2, -0.1), "did not help", "did not help (−13.7 percentage points, −20.0 to −10.0). Keep"),
        (0.46, (-0.2, -0.1), "did not help", "Keep the untrained model."),
        (0.369, (float("nan"), float("nan")), "not measurably", "did not help measurably"),
        (0.369, None, "helped", "helped by 9.4 percentage points."),
        (0.45, None, "not measurably", "did not help measurably (+1.3 percentage points)."),
        (None, None, "no baseline", "There is no figure of the untrained backbone"),
    ],
)  # fmt: skip
def test_whether_training_helped(
    baseline: float | None, gain: tuple[float, float] | None, verdict: str, words: str
) -> None:
    figure = Figure(0.463, 0.41, 0.513, baseline, gain)
    assert wording.verdict(figure) == verdict
    said = wording.comparison(replace(REPORT, figures={"recall@1": figure}))
    assert words in said
    assert ("helped by" in said) == (verdict == "helped")
    assert baseline is None or said.startswith(f"Without training it is {100 * baseline:.1f}%: training ")


def test_the_claim_and_how_sure_it_is() -> None:
    assert wording.claim(REPORT) == "For 46.3% of the queries the most similar picture is the right one."
    assert wording.interval(REPORT) == "The 95% interval is 41.0–51.3%."


def test_without_the_headline_figure_nothing_is_claimed() -> None:
    bare = replace(REPORT, figures={"map": Figure(0.1, 0.0, 0.2)})
    assert wording.claim(bare) == "recall@1 was not measured."
    assert wording.interval(bare) == ""
    assert "no figure" in wording.comparison(bare)


def test_the_basis_names_split_sizes_and_what_was_left_out() -> None:
    assert wording.basis(REPORT) == (
        "Measured on the split test, each picture against all others: 1,712 queries among 1,734 pictures "
        "of 120 classes; left out for want of a partner: 22; files that could not be used: 1."
    )
    assert wording.basis(replace(REPORT, split="all")).startswith(
        "Measured on the whole data set, each picture"
    )


def test_the_basis_names_the_protocol() -> None:
    asked = replace(REPORT, protocol="query-gallery", groups=7, only_own_group=3)
    assert wording.basis(asked) == (
        "Measured on the split test, queries against a gallery, answers of the query's own group left out: "
        "1,712 queries among 1,734 pictures of 120 classes; left out for want of a partner: 22, of which 3 "
        "have one in their own group only; files that could not be used: 1."
    )
    plain = wording.report_json(REPORT)
    assert (plain["protocol"], plain["groups"], plain["only_own_group"]) == ("self", 0, 0)
    assert wording.report_json(asked)["protocol"] == "query-gallery"


def test_figures_on_pictures_that_were_trained_on_are_called_flattering() -> None:
    assert wording.caution(REPORT) == ""
    assert wording.caution(replace(REPORT, seen=1700)).startswith(
        "1,700 of the 1,734 judged pictures were trained on"
    )


@pytest.mark.parametrize(
    ("target", "measured", "kept"),
    [
        ("precision=0.95", {"precision": 0.951}, True),
        ("precision=0.95", {"precision": 0.95}, True),
        ("precision=0.95", {"precision": 0.949}, False),
        ("recall=0.9", {"recall": 0.95}, True),
        ("recall=0.9", {"recall": 0.85}, False),
        ("false-match-rate=0.001", {"false_match_rate": 0.0009}, True),
        ("false-match-rate=0.001", {"false_match_rate": 0.0011}, False),
        ("precision=0.95", {"precision": float("nan")}, None),
        ("precision=0.95", {}, None),
        ("f1", {"f1": 0.9}, None),
    ],
)
def test_whether_a_threshold_keeps_its_promise_here(
    target: str, measured: dict[str, float], kept: bool | None
) -> None:
    report = replace(REPORT, threshold=replace(PRECISE, target=target), at_threshold=measured)
    assert wording.threshold_kept(report) is kept


def test_what_a_threshold_does_is_told_with_its_interval() -> None:
    here = {"precision": 0.957, "recall": 0.428, "false_match_rate": 0.00042}
    report = replace(REPORT, threshold=PRECISE, at_threshold={**here, "right_matches": 9, "wrong_matches": 1})
    assert "95.7% of matches are right, 42.8% of same pairs match, 0.042% of" in wording.at_threshold(report)
    known = replace(report, at_threshold_intervals={"precision": (0.91, 0.98)})
    assert "95.7% (91.0–98.0) of matches are right, 42.8% of" in wording.at_threshold(known)


def test_a_threshold_is_not_judged_on_the_pictures_it_was_chosen_on() -> None:
    chosen = replace(PRECISE, split=REPORT.split)
    report = replace(REPORT, threshold=chosen, at_threshold={"precision": 1.0})
    assert wording.threshold_kept(report) is None
    assert wording.threshold_kept(replace(report, threshold=PRECISE)) is True


def test_a_threshold_that_is_judged_by_what_it_was_chosen_on_flatters() -> None:
    assert wording.threshold_caution(REPORT) == ""
    assert wording.threshold_caution(replace(REPORT, threshold=PRECISE)) == ""
    on_val = replace(REPORT, split="val", threshold=replace(PRECISE, split="val"))
    assert wording.summary(on_val)[-1] == (
        "The threshold was chosen on the split val too, so what it does here flatters it; judge it on test."
    )
    on_all = replace(REPORT, split="all", threshold=replace(PRECISE, split="all"))
    assert wording.summary(on_all)[-1].startswith(
        "The threshold was chosen on a whole data set: if on this one"
    )


def test_a_threshold_for_copies_is_not_judged_by_labels() -> None:
    of_copies = replace(PRECISE, basis="copies")
    report = replace(REPORT, threshold=of_copies, at_threshold={"precision": 1.0})
    assert wording.threshold_kept(report) is None
    assert any(
        "means copies of one picture: at least 95%" in line
        for line in wording.summary(replace(report, at_threshold={}))
    )


def test_no_threshold_promises_nothing() -> None:
    assert wording.threshold_kept(REPORT) is None


def test_summary_has_every_figure_in_straight_columns() -> None:
    lines = wording.summary(replace(REPORT, threshold=PRECISE, seen=3))
    assert lines[0] == wording.claim(REPORT)
    assert "training helped" in lines[1]
    assert lines[3].startswith("3 of the 1,734")
    table = lines[5:8]
    assert table[1:] == [
        "recall@1     46.3     41.0–51.3       36.9        +9.4     +6.0 to +13.0",
        "map@r        28.9     25.0–33.0       21.0        +7.9                 –",
    ]
    assert len({len(line) for line in table}) == 1
    assert lines[8] == ""
    assert lines[-1].startswith("similarity >= 0.5123 means the same: at least 95% of matches are right")


def test_summary_keeps_to_the_figures_a_person_sees_first() -> None:
    more = {**REPORT.figures, "recall@2": Figure(0.5, 0.4, 0.6), "macro_map": Figure(0.5, 0.4, 0.6)}
    lines = wording.summary(replace(REPORT, figures=more))
    assert not any(line.startswith(("recall@2", "macro_map")) for line in lines)
    assert lines[7] == "2 more figures: evaluate --json"
    assert list(wording.details(replace(REPORT, figures=more))) == ["recall@2", "macro_map"]


def test_summary_without_threshold_names_the_command_that_makes_one() -> None:
    assert wording.summary(REPORT)[-1].endswith("lookalike calibrate MODEL DATA --split val makes one.")


def test_json_keeps_its_contract() -> None:
    report = replace(REPORT, threshold=PRECISE, at_threshold={"precision": 0.94})
    found = json.loads(json.dumps(wording.report_json(report), allow_nan=False))
    assert found["recall@1"] == {
        "value": 0.463, "low": 0.41, "high": 0.513, "baseline": 0.369, "gain": [0.06, 0.13],
        "better": "higher", "unit": "share",
    }  # fmt: skip
    assert found["map@r"]["value"] == 0.289
    assert found["skipped"] == [{"path": "cat/1.png", "reason": "truncated", "detail": "ends early"}]
    assert {key: found[key] for key in ("queries", "gallery", "classes", "without_partner", "seen")} == {
        "queries": 1712, "gallery": 1734, "classes": 120, "without_partner": 22, "seen": 0,
    }  # fmt: skip
    assert (found["split"], found["model"], found["fingerprint"]) == ("test", "emoji", "ab" * 32)
    assert found["threshold"]["similarity"] == 0.51234
    assert found["at_threshold"] == {"precision": 0.94}


def test_json_says_null_for_what_is_not_known() -> None:
    nan = float("nan")
    unsure = Figure(0.1, nan, nan, gain=(nan, 0.1))
    found = wording.report_json(replace(REPORT, figures={"map": unsure}, baseline=""))
    assert {key: found["map"][key] for key in ("value", "low", "high", "baseline", "gain")} == {
        "value": 0.1, "low": None, "high": None, "baseline": None, "gain": [None, 0.1],
    }  # fmt: skip
    assert (found["threshold"], found["at_threshold"], found["baseline"]) == (None, None, None)
