"""A study as one self-contained HTML page: what was tried, what is best, why, and what it is worth on test.

Trials and an evaluation enter, a page leaves that needs no network, no script and no other file. Nothing is
searched or measured here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure as Plot

from lookalike.errors import EvaluationError
from lookalike.files import write_atomically
from lookalike.presenting import plots, plots_tuning, plots_tuning_keys
from lookalike.presenting.attribute_wording import TITLES
from lookalike.presenting.report import render
from lookalike.presenting.trials import (
    Objective,
    Trial,
    best_trial,
    duration_shown,
    figure_shown,
    finished,
    front,
    keys_of,
    shown,
)
from lookalike.records import Figure, Report

ENOUGH = 20  # finished trials from which importances are more than hints
MOST_KEYS = 4  # of which pairs are drawn as surfaces
MOST_TRIALS = 500  # of the table
FIGURES = ("recall@1", "map@r", "roc_auc")
BY_ATTRIBUTES = tuple(f"{name}_{kind}" for kind in TITLES for name in ("map", "precision@1"))


@dataclass(frozen=True)
class StudyPage:
    """What a study's page is made of.

    Attributes:
        title: the study's name.
        importances: objective's name, or "duration", to key to share; no key where nothing is known.
        report: figures on test of the best settings, trained once more; None: there are none, or those of
            `attributes`: of a study by attributes, name to figure.
        judged: how many models of this study test has judged, that one among them.
        learned: what that model learned from, as it shall be printed; folder: the name of its folder.
        course: name of the figure that trials were judged by after every epoch.
        recipe: the best settings as a run file; notes: what else to say, in sentences.
    """

    title: str
    objectives: tuple[Objective, ...]
    trials: Sequence[Trial]
    importances: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    report: Report | None = None
    attributes: Mapping[str, Figure] = field(default_factory=dict)
    judged: int = 0
    learned: str = ""
    course: str = "map@r"
    folder: str = ""
    recipe: str = ""
    notes: Sequence[str] = ()
    created: str = ""

    @property
    def figures(self) -> Mapping[str, Figure]:
        """On test; empty where there are none."""
        return self.report.figures if self.report else self.attributes

    @property
    def best(self) -> Trial | None:
        """The best trial."""
        return best_trial(self.trials, self.objectives)


class Drawing:
    """A plot of the page: its place in the page's links, its heading, its words, and itself as SVG."""

    def __init__(self, name: str, title: str, text: str, make: Callable[[], Plot]) -> None:
        self.name, self.title, self.text = name, title, text
        self.svg = Markup()
        try:
            self.svg = Markup(plots.to_svg(make(), alt=f"{title}. {text}"))  # noqa: S704 - all text is escaped
        except EvaluationError as nothing:
            self.text = f"Nothing to draw: {nothing.saw}."


def tried_in_words(trials: Sequence[Trial]) -> str:
    """How many settings were tried, and what became of them.

    >>> tried_in_words([Trial(0, "complete", {}, (0.5,)), Trial(1, "pruned", {})])
    '2 settings were tried: 1 to the end, 1 pruned.'
    """
    counts = {
        "to the end": len(finished(trials)),
        "pruned": sum(trial.state == "pruned" for trial in trials),
        "failed": sum(trial.state == "failed" and not trial.interrupted for trial in trials),
    }
    parts = [f"{count} {name}" for name, count in counts.items() if count]
    number = sum(trial.ended for trial in trials)
    return f"{number} setting{' was' if number == 1 else 's were'} tried: {', '.join(parts) or 'none'}."


def best_in_words(trials: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    """Which trial is the best, by what."""
    best = best_trial(trials, objectives)
    if best is None:
        return "No trial came to its end."
    values = ", ".join(
        f"{goal.name} {figure_shown(goal.name, value)}"
        for goal, value in zip(objectives, best.values, strict=True)
    )
    return f"Best on validation: trial {best.number}, {values}."


def study_lines(
    trials: Sequence[Trial],
    objectives: Sequence[Objective],
    *,
    figures: Mapping[str, Figure],
    folder: Path,
) -> list[str]:
    """What a study has found, for a person.

    Args:
        figures: on test; empty: there are none.
        folder: of the study.
    """
    lines = [tried_in_words(trials), best_in_words(trials, objectives)]
    best = best_trial(trials, objectives)
    if best is None:
        return lines
    lines += [f"  {key}: {shown(value)}" for key, value in best.params.items()]
    if figures:
        lines.append("Trained again and judged once on test, where the best does not look better than it is:")
        for name in told_figures(figures, objectives):
            figure = figures[name]
            lines.append(f"  {name} {figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})")
    lines.append(f"Settings: {folder / 'best.yaml'}")
    return [*lines, f"Report: {folder / 'report.html'}"]


def told_figures(figures: Mapping[str, Figure], objectives: Sequence[Objective]) -> list[str]:
    """The few figures on test that say most: what was searched for, and those that everybody knows."""
    names = dict.fromkeys([*(goal.name for goal in objectives), *FIGURES, *BY_ATTRIBUTES])
    return [name for name in names if name in figures]


def render_study(page: StudyPage) -> str:
    """The study as one HTML page that opens from disk, light and dark."""
    return render(
        "tuning.html.j2",
        title=f"Study {page.title}",
        page=page,
        best=page.best,
        headline=best_in_words(page.trials, page.objectives),
        tried=tried_in_words(page.trials),
        front={trial.number for trial in front(page.trials, page.objectives)},
        keys=keys_of(page.trials),
        told=told_figures(page.figures, page.objectives),
        shown=shown,
        figure=figure_shown,
        duration=duration_shown,
        rows=[trial for trial in page.trials if trial.ended][:MOST_TRIALS],
        drawings=drawings(page),
    )


def write_study(page: StudyPage, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_study(page).encode("utf-8"))


def drawings(page: StudyPage) -> list[Drawing]:
    """Every plot of a study."""
    trials, goals = page.trials, page.objectives
    goal = goals[0]
    shares = dict(page.importances.get(goal.name, {}))
    keys = sorted(shares, key=lambda key: -shares[key])[:MOST_KEYS] or None
    best = page.best.number if page.best else None
    count = len(finished(trials))
    hints = f" These are hints: {count} finished trials are few." if count < ENOUGH else ""
    several = [
        Drawing("pareto", "What is gained at what cost",
                "Trials by both objectives; the line joins those that no other one beats.",
                lambda: plots_tuning.pareto_front(trials, goals)),
    ]  # fmt: skip
    return [
        *(several if len(goals) > 1 else []),
        Drawing("history", "Optimisation history", "What each trial reached, and the best until then.",
                lambda: plots_tuning.optimisation_history(trials, goal)),
        Drawing("intermediate", "Intermediate values", "Each trial over its epochs; dashed ones were pruned.",
                lambda: plots_tuning.intermediate_values(trials, name=page.course, best=best)),
        Drawing("importances", "Importances",
                f"Which keys tell the trials that are best by {goal.name} from the rest, as shares.{hints}",
                lambda: plots_tuning.importances(shares, of=goal.name)),
        Drawing("durations", "Importances for duration",
                f"Which keys tell the shortest trials from the rest, as shares.{hints}",
                lambda: plots_tuning.importances(page.importances.get("duration", {}), of="duration")),
        Drawing("slices", "Slices", f"{goal.name} over each key; later trials are stronger.",
                lambda: plots_tuning_keys.slices(trials, goal)),
        Drawing("parallel", "Parallel coordinates", "Each trial as a line; better ones are stronger.",
                lambda: plots_tuning_keys.parallel_coordinates(trials, goals)),
        Drawing("contours", "Contours", f"{goal.name} over pairs of keys, weighted between the trials.",
                lambda: plots_tuning_keys.contours(trials, goal, keys=keys)),
    ]  # fmt: skip
