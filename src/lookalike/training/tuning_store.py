"""Where a study is kept: an Optuna storage that several processes and machines share, and survives any death.

A study file enters; an Optuna study leaves that is known to be this file's, and its trials as plain records.
Which process lives is another room's business (tuning_workers). Nothing is trained here.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from lookalike.errors import ConfigError
from lookalike.presenting.trials import Objective, State, Trial
from lookalike.training.spaces import Range, Space
from lookalike.training.tuning_space import StudyFile
from lookalike.training.tuning_storage import check_place, explained, hushed, open_storage, shown_url

ABOUT, CONTENT, IDENTITY, JUDGED = "lookalike", "content", "identity.", "judged."  # of a study; of a trial:
WORKER, MESSAGE, EPOCHS, SOLVED, FIGURES = "worker", "message", "epochs", "solved", "figures"
REFITTED = "refitted"
COURSE = "course"  # with several objectives, where Optuna takes no reports
_ANEW = "start under another name: --set name=... (and another --out, where one was given)"
FREE = (  # keys that change nothing of what a trial brings
    *("data", "calibration", "training.device", "training.devices", "training.nodes", "training.workers"),
    *("training.loggers", "training.checkpoint_minutes"),
)
STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "running",
}


def open_study(file: StudyFile, url: str, *, objectives: tuple[Objective, ...], data: str) -> optuna.Study:
    """The study of a file, made where there is none.

    Args:
        url: of an Optuna storage, for example sqlite:///study.db.
        data: fingerprint of the table.

    Raises:
        ConfigError: the storage cannot be opened, or its study of that name is another one.
    """
    check_place(url)
    name = file.base.name
    about = {**file.identity(), "data": data}
    ways = optuna.study.StudyDirection
    directions = [ways.MAXIMIZE if goal.better == "higher" else ways.MINIMIZE for goal in objectives]
    with hushed(), explained(url):
        study = optuna.create_study(
            storage=open_storage(url), study_name=name, directions=directions, load_if_exists=True
        )
        empty = not study.get_trials(deepcopy=False)
        kept = study.user_attrs.get(ABOUT)  # looked for after the trials: it is there before them
        if kept is None and empty:
            study.set_metric_names([goal.name for goal in objectives])
            study.set_user_attr(ABOUT, about)
            kept = about
    if kept is None or not _means_the_same(kept, about, file):
        _check_same(kept, about, name=name, where=shown_url(url))
    with explained(url):
        if not identities(study):
            study.set_user_attr(f"{IDENTITY}{uuid.uuid4().hex}", True)  # noqa: FBT003 - a value
    return study


def identities(study: optuna.Study) -> set[str]:
    """What tells this study from one of the same name elsewhere; several where machines began it at once."""
    return {key.removeprefix(IDENTITY) for key in study.user_attrs if key.startswith(IDENTITY)}


def count_judged(study: optuna.Study, model: str | None = None) -> int:
    """How many models of a study test has judged, with this one where it is given."""
    if model is not None and f"{JUDGED}{model}" not in study.user_attrs:
        study.set_user_attr(f"{JUDGED}{model}", True)  # noqa: FBT003 - a value
    return sum(key.startswith(JUDGED) for key in study.user_attrs)


def check_content(study: optuna.Study, digests: Mapping[str, str]) -> None:
    """Refuse pictures whose files hold something else than when the study began.

    Args:
        digests: split to a digest of what its pictures' files hold.

    Raises:
        ConfigError: they do.
    """
    kept = study.user_attrs.get(CONTENT)
    if kept is None:
        study.set_user_attr(CONTENT, dict(digests))
        return
    changed = [name for name in digests if kept.get(name) != digests[name]]
    if changed:
        raise ConfigError(
            "pictures have changed since the study began",
            where=f"study {study.study_name}: split {' and '.join(changed)}",
            saw="files of the same names with other content",
            wanted="the pictures that the study began with",
            do=f"put them back, or {_ANEW}",
        )


def _means_the_same(kept: Mapping[str, Any], about: Mapping[str, Any], file: StudyFile) -> bool:
    """Whether what stays only says in other words what was said when the study began: a default, say."""
    before, now = ({**json.loads(json.dumps(values)), "fixed": None} for values in (kept, about))
    if before != now:
        return False
    try:
        pairs = list(file.means(kept["fixed"]))
    except ConfigError:
        return False
    return all(_counting(here) == _counting(there) for here, there in pairs)


def _counting(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Dotted key to value, of those that count."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            found |= _counting(value, f"{prefix}{key}.")
        elif not _is_free(f"{prefix}{key}") and prefix + key != "data":
            found[f"{prefix}{key}"] = value
    return found


def _check_same(kept: Any, about: Mapping[str, Any], *, name: str, where: str) -> None:
    remedy = f"take the change back, or {_ANEW}"
    if kept is None:
        raise ConfigError(
            "the storage has a study of that name that lookalike did not make",
            where=where,
            saw=name,
            do="start under another name: --set name=...",
        )
    before, now = (_flat(json.loads(json.dumps(values))) for values in (kept, about))
    changed = [key for key in (*now, *before) if now.get(key) != before.get(key) and not _is_free(key)]
    if not changed:
        return
    key = changed[0]
    others = [_spoken(other) for other in dict.fromkeys(changed[1:]) if other != key]
    if key == "data":
        saw, wanted = "other pictures, labels or splits", "those that the study began with"
    else:
        saw = json.dumps(now[key]) if key in now else "nothing"
        wanted = f"{json.dumps(before[key]) if key in before else 'nothing'}, as when it began"
    raise ConfigError(
        "the study file has changed since the study began",
        where=f"{where}, study {name}: {_spoken(key)}",
        saw=saw,
        wanted=wanted,
        do=f"{remedy}; changed too: {', '.join(others)}" if others else remedy,
    )


def _spoken(key: str) -> str:
    return key.removeprefix("fixed.")


def _is_free(key: str) -> bool:
    spoken = _spoken(key)
    return key != "data" and any(spoken == free or spoken.startswith(f"{free}.") for free in FREE)


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted key to value, of what stays; spaces whole."""
    found = {"objective": values["objective"], "data": values["data"]}
    found |= {f"search.{key}": space for key, space in values["search"].items()}

    def walk(inner: Mapping[str, Any], prefix: str) -> None:
        for key, value in inner.items():
            if isinstance(value, Mapping) and value:
                walk(value, f"{prefix}{key}.")
            else:
                found[f"{prefix}{key}"] = value

    walk(values["fixed"], "fixed.")
    return found


def trials_of(study: optuna.Study, spaces: Mapping[str, Space]) -> list[Trial]:
    """Every trial that was begun, in order; those whose process was ended say so."""
    with hushed():
        return [_plain(trial, spaces) for trial in study.get_trials(deepcopy=False)]


def _plain(trial: FrozenTrial, spaces: Mapping[str, Space]) -> Trial:
    known = trial.user_attrs
    interrupted = trial.state == TrialState.FAIL and MESSAGE not in known
    message = "its process was ended" if interrupted else known.get(MESSAGE, "")
    values = tuple(trial.values) if trial.state == TrialState.COMPLETE else ()
    return Trial(
        number=trial.number,
        state=STATES[trial.state],
        params={key: spaces[key].value(value) for key, value in trial.params.items() if key in spaces},
        values=values,
        course=dict(sorted(_course(trial).items())),
        epochs=int(known.get(EPOCHS, 0)),
        solved=known.get(SOLVED, {}),
        refitted=known.get(REFITTED, {}),
        seconds=trial.duration.total_seconds() if trial.duration else None,
        message=message,
        figures=known.get(FIGURES, {}),
        interrupted=interrupted,
        logarithmic={key: space.log for key, space in spaces.items() if isinstance(space, Range)},
    )


def _course(trial: FrozenTrial) -> dict[int, float]:
    kept = trial.user_attrs.get(COURSE, {})
    return trial.intermediate_values or {int(epoch): value for epoch, value in kept.items()}


def count_done(trials: list[FrozenTrial]) -> int:
    """Trials that came to an end of their own: finished, pruned, or failed with a message."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return sum(trial.state in ended or MESSAGE in trial.user_attrs for trial in trials)


def new_sampler(file: StudyFile, number: int) -> BaseSampler:
    """The sampler of one trial: what it draws hangs on seed, number and earlier trials alone.

    A study that was stopped then goes on as it would have, and no two processes draw alike.
    """
    seed = int(uuid.uuid5(uuid.NAMESPACE_OID, f"{file.seed} {number}").int % 2**32)
    if file.study.sampler == "random":
        return RandomSampler(seed=seed)
    with hushed():
        return TPESampler(
            seed=seed,
            n_startup_trials=file.study.startup_trials,
            multivariate=True,
            constant_liar=True,  # what others are just trying is not tried too
        )


def new_pruner(file: StudyFile) -> optuna.pruners.BasePruner:
    """What says that a trial need not go on."""
    study = file.study
    if study.pruner == "none" or len(study.objective) > 1:
        return optuna.pruners.NopPruner()
    if study.pruner == "median":
        return optuna.pruners.MedianPruner(
            n_startup_trials=study.startup_trials, n_warmup_steps=study.warmup_epochs + 1
        )
    return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=file.longest, reduction_factor=3)
