"""The doors hold no opinions: what the command line leaves out is what Python leaves out."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from lookalike import calibrating, cli, comparison, evaluation, identifying, matching, search
from lookalike.attribute_search import search_attributes, search_composed
from lookalike.checkups import checkup
from lookalike.doors import (
    cli_calibrate,
    cli_compare,
    cli_duplicates,
    cli_identify,
    cli_index,
    cli_judge,
    cli_look,
    cli_match,
    cli_project,
    cli_search,
    cli_serve,
    cli_tune,
)
from lookalike.duplicates import applying, undoing
from lookalike.duplicates.limits import Wishes
from lookalike.indexing.index import Index
from lookalike.presenting import projector
from lookalike.serving.settings import Settings
from lookalike.training import tuning


@pytest.mark.parametrize(
    ("door", "core", "names"),
    [
        (cli_judge.evaluate, evaluation.evaluate, ("split",)),
        (cli_compare.compare, comparison.compare, ("split",)),
        (
            cli_calibrate.calibrate,
            calibrating.calibrate,
            ("split", "target", "confidence", "copies", "bands"),
        ),
        (
            cli_search.search,
            search.search_images,
            ("k", "skip", "copies", "collapse", "rerank", "probability", "threshold"),
        ),
        (cli_match.match_, matching.match, ("threshold",)),
        (cli_identify.identify, identifying.identify, ("threshold",)),
        (cli_project.project, projector.write_projector, ("split", "method")),
        (cli_index.index, Index.update, ("prune",)),
        (cli_look.doctor, checkup.doctor, ("similarity",)),
        (cli_tune.tune, tuning.tune, ("jobs",)),
        (cli_duplicates.duplicates, Wishes, ("mirrored", "similarity", "against")),
        (cli_duplicates.apply, applying.apply_plan, ("quarantine", "dry_run")),
        (cli_duplicates.undo, undoing.undo_moves, ("dry_run",)),
        (
            cli_serve.serve,
            Settings,
            ("host", "port", "workers", "max_bytes", "max_pixels", "max_files", "decode_seconds", "log"),
        ),
    ],
)
def test_defaults_are_those_of_the_core(
    door: Callable[..., Any], core: Callable[..., Any], names: tuple[str, ...]
) -> None:
    ours, theirs = inspect.signature(door).parameters, inspect.signature(core).parameters
    assert {name: ours[name].default for name in names} == {name: theirs[name].default for name in names}
    defaults = {name for name in ours if ours[name].default not in (None, False, inspect.Parameter.empty)}
    assert defaults <= set(names), "a default of the door's own"


@pytest.mark.parametrize(
    "way", [search.search_together, search.search_ids, search_attributes, search_composed]
)
def test_every_way_of_searching_has_the_same_defaults(way: Callable[..., Any]) -> None:
    usual, own = inspect.signature(search.search_images).parameters, inspect.signature(way).parameters
    shared = [name for name in own if name in usual and name not in ("index", "queries")]
    assert {"k", "skip", "collapse", "selection"} <= set(shared)
    assert {name: own[name].default for name in shared} == {name: usual[name].default for name in shared}


def test_train_leaves_every_default_to_the_core() -> None:
    defaults = [entry.default for entry in inspect.signature(cli.train).parameters.values()]
    assert set(defaults) <= {None, False, inspect.Parameter.empty}
