"""A run folder belongs to one training: it is claimed, held while written, and resumed only as it began.

Enters: the folder, the settings and the table. Leaves: the folder with config.yaml, split.parquet and
versions.json, or an error that says whose it is. What is trained and judged is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import filelock

from lookalike.config import RunConfig
from lookalike.errors import ConfigError, TrainingError
from lookalike.files import make_output_folder, write_atomically
from lookalike.presenting.pages import installed
from lookalike.runfile import dump_config, load_config
from lookalike.tables.table import ImageTable
from lookalike.training.processes import is_first

CONFIG, SPLIT, VERSIONS = "config.yaml", "split.parquet", "versions.json"
LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, and tell of a disk that cannot be written what to do about it.

    Raises:
        ConfigError: the folder cannot be made, or another process trains into it.
        TrainingError: the disk is full or fails in the middle.
    """
    make_output_folder(folder, what="the run folder")
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        if is_first():  # the others of several processes train into the same folder
            lock.acquire()
    except filelock.Timeout as error:
        raise ConfigError(
            "another training writes to this folder",
            where=folder,
            saw=f"{LOCK} held",
            do="wait until it has finished, or give another folder with --out",
        ) from error
    try:
        yield
    except OSError as error:
        raise TrainingError(
            "a file of the run cannot be read or written",
            where=error.filename or folder,
            saw=error.strerror or str(error),
            do="free some space, then run the same command with --resume",
        ) from error
    finally:
        lock.release()


def check_free(folder: Path, *taken: str) -> None:
    """Refuse a folder in which something was trained already.

    Args:
        taken: what a training leaves there.

    Raises:
        ConfigError: one of them is there.
    """
    found = [name for name in taken if (folder / name).exists()]
    if found:
        raise ConfigError(
            "the folder holds a run already",
            where=folder,
            saw=" and ".join(found),
            do="add --resume to go on with it, or give another folder with --out",
        )


def claim(folder: Path, settings: RunConfig, table: ImageTable) -> None:
    """Write what the run is, once its settings and its data are known to be good."""
    if not is_first():
        return
    write_atomically(folder / VERSIONS, json.dumps(installed(), indent=2).encode())
    table.save(folder / SPLIT)
    write_atomically(folder / CONFIG, dump_config(settings).encode())


def claimed(folder: Path, settings: RunConfig, data: ImageTable | str | Path | None) -> ImageTable | None:
    """The split table of the run that a folder holds; None where it holds none.

    Raises:
        ConfigError: settings or data are not those that the run began with.
    """
    if not (folder / CONFIG).exists():
        return None
    _check_settings(load_config(folder / CONFIG), settings, folder)
    table = ImageTable.read(folder / SPLIT)
    if data is not None:
        _check_data(table, data if isinstance(data, ImageTable) else ImageTable.read(data), folder)
    return table


def _check_settings(stored: RunConfig, asked: RunConfig, folder: Path) -> None:
    before, now = _flat(stored.model_dump(mode="json")), _flat(asked.model_dump(mode="json"))
    changed = [key for key in now if now[key] != before.get(key) and key != "data"]
    if changed:
        key = changed[0]
        raise ConfigError(
            "a resumed run cannot change its settings",
            where=f"{folder}: {key}",
            saw=f"{now[key]}",
            wanted=f"{before.get(key)}, as when it began",
            do="take the change back, or start a new run with --out",
        )


def _check_data(stored: ImageTable, asked: ImageTable, folder: Path) -> None:
    pictures = [
        set(zip(table.frame["image"], table.frame["label"], strict=True)) for table in (stored, asked)
    ]
    different = len(pictures[0] ^ pictures[1])
    if different:
        raise ConfigError(
            "a resumed run cannot change its data",
            where=folder,
            saw=f"{different:,} pictures that are new, gone or labelled otherwise",
            do="leave out --data to go on with the run's own, or start a new run with --out",
        )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat
