"""Further processes that search with the first one, on one machine.

A search enters; processes run while a block does, and end with it. What they find is in the storage.
"""

from __future__ import annotations

import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NoReturn

import optuna

from lookalike.errors import LookalikeError
from lookalike.presenting.trials import Objective
from lookalike.records import SILENT, Watcher
from lookalike.tables.table import ImageTable
from lookalike.training.claim import SPLIT
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_search import Search
from lookalike.training.tuning_space import StudyFile
from lookalike.training.tuning_storage import working
from lookalike.training.tuning_store import open_study

_PATIENCE_SECONDS = 10.0  # for a process that was asked to end


def new_search(
    file: StudyFile, study: optuna.Study, folder: Path, table: ImageTable, objectives: tuple[Objective, ...],
    *, jobs: int, watcher: Watcher,
) -> Search:  # fmt: skip
    """One process's part of a study, as its file asks for it."""
    timeout = file.study.timeout
    return Search(
        file, study, folder, Material(table, watcher), objectives,
        wanted=file.study.trials, jobs=jobs, watcher=watcher,
        deadline=math.inf if timeout is None else time.monotonic() + timeout,
    )  # fmt: skip


@contextmanager
def helpers(search: Search, url: str, *, count: int) -> Iterator[None]:
    """Further processes that search too, and end with the block."""
    context = multiprocessing.get_context("spawn")
    end = None if math.isinf(search.deadline) else search.deadline - time.monotonic()
    part = (search.file, url, search.folder, search.objectives, search.jobs, end)
    processes = [context.Process(target=_help, args=part) for _ in range(count)]
    for process in processes:
        process.start()
    try:
        yield
        for process in processes:
            process.join()
            if process.exitcode:
                search.watcher.say(
                    f"A process of the search ended before its time (exit code {process.exitcode}); the "
                    "others went on without it."
                )
    finally:
        _end_processes(processes)


def _end_processes(processes: Sequence[SpawnProcess]) -> None:
    for process in processes:
        if process.is_alive():
            process.terminate()
    for process in processes:
        process.join(_PATIENCE_SECONDS)
        if process.is_alive():
            process.kill()
            process.join()


def _help(
    file: StudyFile,
    url: str,
    folder: Path,
    objectives: tuple[Objective, ...],
    jobs: int,
    seconds: float | None,
) -> None:
    """Search in a process of its own; what goes wrong is in the trials, and told by the first process.

    Raises:
        SystemExit: it went wrong.
    """

    def end(_number: int, _frame: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)
    table = ImageTable.read(folder / SPLIT)
    try:
        with working(url):
            study = open_study(file, url, objectives=objectives, data=table.fingerprint())
            search = new_search(file, study, folder, table, objectives, jobs=jobs, watcher=SILENT)
            search.deadline = math.inf if seconds is None else time.monotonic() + seconds
            search.run()
    except (LookalikeError, KeyboardInterrupt):
        raise SystemExit(1) from None
