"""An Optuna storage, opened from its URL, and what is said where it cannot be opened, or fails later.

A URL enters; a storage leaves, or an error that says what to do. What is kept there is not decided here.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lookalike.errors import ConfigError, MissingExtraError, TrainingError
from lookalike.training.stops import calls_stay_whole

try:
    import optuna
    from optuna.exceptions import ExperimentalWarning, OptunaError
    from optuna.storages import BaseStorage
    from sqlalchemy import make_url
    from sqlalchemy.exc import IntegrityError, ProgrammingError, SQLAlchemyError
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "optuna", extra="tune") from error

HEARTBEAT_SECONDS, GRACE_SECONDS = 60, 180  # for processes on other machines
LOCK_SECONDS = 60  # that SQLite waits for another process to finish writing


def open_storage(url: str, *, attempts: int = 3) -> BaseStorage:
    """The storage, its tables made where there are none; another machine may be making them just now.

    It is the one that a study takes as it is: Optuna keeps trials in memory between it and the database, and
    a call must be whole with what is kept.
    """
    waiting = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    try:
        database = optuna.storages.RDBStorage(
            url,
            engine_kwargs=waiting,
            heartbeat_interval=HEARTBEAT_SECONDS,
            grace_period=GRACE_SECONDS,
        )
    except (IntegrityError, ProgrammingError):
        if attempts <= 1:
            raise
        time.sleep(1.0)
        return open_storage(url, attempts=attempts - 1)
    storage = optuna.storages.get_storage(database)
    calls_stay_whole(storage)
    return storage


def check_place(url: str) -> None:
    """Refuse an SQLite URL that names no file.

    Raises:
        ConfigError: it does not, or is no URL.
    """
    if not url.startswith("sqlite"):
        return
    with explained(url):
        place = make_url(url).database
    if place in (None, "", ":memory:"):
        raise ConfigError(
            "the study's storage is no file",
            where="--storage",
            saw=url,
            wanted="sqlite:///FILE; what is in memory is lost with the process",
            do="name a file, or leave --storage out: the study keeps one in its folder",
        )


@contextmanager
def hushed() -> Iterator[None]:
    """Hold back Optuna's talk; what a user needs to know is said by the study."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            warnings.filterwarnings("ignore", message="Heartbeat of storage")  # `beating` sees to it
            yield
    finally:
        optuna.logging.set_verbosity(level)


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Tell of a storage that cannot be opened what to do about it.

    Raises:
        ConfigError: it cannot.
    """
    try:
        yield
    except (SQLAlchemyError, OptunaError, ImportError, RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(
            "the study's storage cannot be opened",
            where=shown_url(url),
            saw=_first_line(error),
            wanted="the URL of a database, for example postgresql+psycopg://user@host/name",
            do=_remedy(url, error),
        ) from error


@contextmanager
def working(url: str) -> Iterator[None]:
    """Tell of a storage that fails in the middle what to do about it.

    Raises:
        TrainingError: it does.
    """
    try:
        yield
    except (SQLAlchemyError, OptunaError) as error:
        damaged = _damaged_file(url, error)
        again = "run the same command again; trials that ended are kept"
        raise TrainingError(
            "the study's storage failed",
            where=shown_url(url),
            saw=_first_line(error.__cause__ or error),
            do=_remedy(url, error)
            if damaged
            else f"see that the database is there and has space, then {again}",
        ) from error


def _remedy(url: str, error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "install the database's driver, for example pip install 'psycopg[binary]'"
    if damaged := _damaged_file(url, error):
        beside = f" and {damaged.parent / 'study.json'}" if (damaged.parent / "study.json").exists() else ""
        return f"move {damaged}{beside} away, then run the same command again: the study begins anew"
    return "check the URL and that the database is there; without --storage the study keeps a file"


def _damaged_file(url: str, error: BaseException) -> Path | None:
    """The file of a storage that is there and cannot be read as a database."""
    words = f"{error} {error.__cause__}"
    if not url.startswith("sqlite") or not ("malformed" in words or "not a database" in words):
        return None
    place = make_url(url).database
    return Path(place) if place and Path(place).exists() else None


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def shown_url(url: str) -> str:
    """A storage's URL without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return "--storage"
