"""Whose a study's folder is: one study's, of one database, for as long as it is there.

A folder and a study enter; the folder with study.json leaves, or an error that says whose it is. What lies in
it beside that is not decided here.
"""

from __future__ import annotations

import json
from pathlib import Path

import optuna

from lookalike.errors import ConfigError
from lookalike.files import check_writable, make_output_folder, write_atomically
from lookalike.training.tuning_store import identities

OWNER = "study.json"


def make_folder(folder: Path, name: str) -> None:
    """Make a study's folder, and see that it can be written and holds no study of another name.

    Raises:
        ConfigError: it cannot be made, or another study is there.
        LookalikeError: it cannot be written.
    """
    make_output_folder(folder, what="the study's folder")
    check_writable(folder / OWNER)
    known = _owner(folder).get("name", name)
    if known != name:
        raise _taken(folder, saw=f"study {known}", wanted=f"study {name}, or none")


def take_folder(folder: Path, study: optuna.Study) -> None:
    """Say in a folder that it is this study's; to be called by one process at a time.

    Raises:
        ConfigError: it is that of a study of the same name in another database.
    """
    known, own = _owner(folder).get("identity"), identities(study)
    if known is None:
        values = {"name": study.study_name, "identity": min(own)}
        write_atomically(folder / OWNER, json.dumps(values, indent=2).encode())
    elif known not in own:
        raise _taken(
            folder,
            saw=f"what came of a study {study.study_name} in another database",
            wanted="the database that it began in",
        )


def _owner(folder: Path) -> dict[str, str]:
    """What study.json says; nothing where there is none that can be read."""
    try:
        values = json.loads((folder / OWNER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _taken(folder: Path, *, saw: str, wanted: str) -> ConfigError:
    return ConfigError(
        "the folder holds another study",
        where=folder / OWNER,
        saw=saw,
        wanted=wanted,
        do=f"give another folder with --out, or delete {folder / OWNER} to begin anew in this one",
    )
