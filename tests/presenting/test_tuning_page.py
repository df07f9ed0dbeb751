"""A study's page: what was tried, what is best, every plot, and no file but itself."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from html_page import Page
from lookalike.presenting.trials import Objective, Trial, best_trial
from lookalike.presenting.tuning_page import StudyPage, drawings, render_study, study_lines, write_study
from lookalike.records import Figure, Report
from small_study import made_up_trials

MAP, DIMS = Objective("map@r"), Objective("dimensions", "lower")
IMPORTANCES = {"map@r": {"network.hidden": 0.7, "network.dropout": 0.3}, "duration": {"network.hidden": 1.0}}
EVIL = "<script>alert(1)</script>&"
PLOTS = ["history", "intermediate", "importances", "durations", "slices", "parallel", "contours"]
REPORT = Report(
    figures={"map@r": Figure(0.41, 0.35, 0.47, baseline=0.3), "recall@1": Figure(0.7, 0.6, 0.8)},
    split="test",
    queries=90,
    gallery=90,
    classes=10,
    without_partner=0,
    skipped=(),
    model="small",
    fingerprint="f",
    baseline="efficientnet_lite0, untrained",
)


def page(trials: list[Trial], *goals: Objective) -> StudyPage:
    return StudyPage(
        EVIL, goals, trials, IMPORTANCES, report=REPORT, learned="train and val", recipe=f"name: {EVIL}"
    )


def test_every_plot_is_there() -> None:
    drawn = drawings(page(made_up_trials(), MAP))
    assert [drawing.name for drawing in drawn if drawing.svg] == PLOTS
    both = drawings(page(made_up_trials(objectives=2), MAP, DIMS))
    assert [drawing.name for drawing in both if drawing.svg] == ["pareto", *PLOTS]


def test_the_page_says_what_was_tried_and_what_it_is_worth() -> None:
    trials = made_up_trials()
    best = best_trial(trials, [MAP])
    assert best is not None
    shown = Page(render_study(page(trials, MAP)))
    assert f"trial {best.number}, map@r {best.values[0]:.4f}" in shown.words()
    assert "19 settings were tried: 16 to the end, 2 pruned, 1 failed." in shown.words()
    assert "the best of many looks better there than it is" in shown.words()
    assert "what it is worth was measured once, on test" in shown.words()
    assert "Test has judged" not in shown.words()
    assert "map@r 0.410 0.350 to 0.470 0.300" in shown.words("test")
    assert "trained again on train and val" in shown.words("test")
    assert "no such column" in shown.words("trials")
    assert "pruned" in shown.words("trials")
    assert len(shown.all("svg")) == len(PLOTS)


def test_the_page_is_one_file_and_every_text_is_text() -> None:
    trials = made_up_trials()
    trials[0] = replace(trials[0], message=EVIL, params={**trials[0].params, "training.optimizer": EVIL})
    shown = Page(render_study(page(trials, MAP)))
    assert not shown.all("script")
    assert not shown.all("link")
    assert not shown.all("img")
    assert EVIL in shown.words("recipe")


def test_a_study_without_an_end_has_a_page_too(tmp_path: Path) -> None:
    trials = [Trial(0, "failed", {"network.dropout": 0.1}, message="no such column")]
    write_study(StudyPage("small", (MAP,), trials), tmp_path / "report.html")
    shown = Page((tmp_path / "report.html").read_text())
    assert "No trial came to its end." in shown.words()
    assert "Nothing to draw" in shown.words("history")
    assert "No figures on test." in shown.words("test")
    assert "measured once, on test" not in shown.words()
    assert study_lines(trials, (MAP,), figures={}, folder=tmp_path) == [
        "1 setting was tried: 1 failed.",
        "No trial came to its end.",
    ]


def test_the_page_says_how_many_models_test_has_judged() -> None:
    shown = Page(render_study(replace(page(made_up_trials(), MAP), judged=3, folder="trial_7_2")))
    assert "Test has judged 3 models of this study" in shown.words()
    assert "report.html in the folder trial_7_2." in shown.words("test")


def test_importances_of_few_trials_are_called_hints() -> None:
    few, many = (Page(render_study(page(made_up_trials(count), MAP))) for count in (20, 40))
    assert "These are hints: 16 finished trials are few." in few.words("importances")
    assert "hints" not in many.words("importances")
    unknown = page(made_up_trials(), MAP)
    shown = Page(render_study(replace(unknown, importances={"map@r": {}, "duration": {}})))
    assert "no key that tells the best trials from the rest" in shown.words("importances")


def test_lines_and_points_have_a_colour_that_a_dark_page_answers() -> None:
    drawn = {drawing.name: str(drawing.svg) for drawing in drawings(page(made_up_trials(), MAP))}
    for name in ("slices", "parallel"):
        assert drawn[name].count("var(--plot-blue") >= 16
        assert set(re.findall(r"#[0-9a-f]{6}", drawn[name])) <= {"#0a5fb4", "#8e8e93", "#ffffff"}


@pytest.mark.parametrize("report", [REPORT, None], ids=["judged", "not judged"])
def test_lines_name_the_best_settings(report: Report | None, tmp_path: Path) -> None:
    figures = report.figures if report else {}
    lines = study_lines(made_up_trials(), (MAP,), figures=figures, folder=tmp_path)
    assert any(line.startswith("  network.hidden: ") for line in lines)
    assert any("map@r 0.410 (0.350 to 0.470)" in line for line in lines) == (report is not None)
    assert lines[-1] == f"Report: {tmp_path / 'report.html'}"
