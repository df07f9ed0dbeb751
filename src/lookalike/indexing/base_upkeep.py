"""When an approximate base pays, and keeping it: a store enters, and a base is built where one is needed.

Exact search stays as long as it is fast enough, which is measured. One process builds at a time; searches go
on meanwhile with the base that is there. What a base is and how it is built stands elsewhere.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import filelock

from lookalike.errors import LookalikeError, StoreError
from lookalike.indexing.base import find_base
from lookalike.indexing.base_build import FEWEST, RECALL, build_base, measured_ms
from lookalike.indexing.base_file import NOTE, STORAGES, BaseNote, Storage, bases_beside, remove_others
from lookalike.indexing.store import Store
from lookalike.records import Progress

NOTHING_NOTED = BaseNote(file="", generation=0, rows=0, exact_ms=0.0)
EXACT_MS = 20.0  # an exact search that answers sooner needs no base
TAIL_SHARE = 0.05  # of the base's vectors: so many that came after it are searched exactly beside it
GONE_SHARE = 0.2  # of the base's vectors: so many of them may be gone or changed

_STILL_VALID = 1.25  # times as many vectors as when it was timed: then the time grew in proportion


def refresh_base(
    store: Store,
    *,
    recall: float | None = None,
    storage: Storage | None = None,
    exact_within: float | None = None,
    progress: Progress | None = None,
) -> BaseNote | None:
    """Build the store's base where one is needed and no other process does it already.

    Args:
        recall, storage: as `build_base` takes them; None is what the last base was built with, else its
            default. A base that was built with others is built again.
        exact_within: milliseconds that an exact search may take for there to be no base, > 0; None is what
            was asked for before, else `EXACT_MS`.

    Returns:
        The note of the base that was built; None where nothing had to be done, or another process does it.

    Raises:
        StoreError: the recall, the storage or the milliseconds are none, or as `build_base` does.
    """
    _check(store.path, recall, storage, exact_within)
    with _one_at_a_time(store.path) as may_build:
        if not may_build or not needs_base(store, recall=recall, storage=storage, exact_within=exact_within):
            return None
        noted = _noted(store)
        return build_base(
            store,
            recall=recall or noted.wanted or RECALL,
            storage=storage or noted.storage,
            within=exact_within or noted.within,
            progress=progress,
        )


def refresh_in_background(
    path: Path, *, recall: float | None = None, storage: Storage | None = None
) -> threading.Thread:
    """Do it in a thread of its own with its own opening of the index, for a process that lives long.

    A failure leaves everything as it was: searches go on, and the next refresh tries again.

    Raises:
        StoreError: the recall or the storage is none.
    """
    _check(path, recall, storage, None)

    def work() -> None:
        try:
            store = Store(path)
            try:
                refresh_base(store, recall=recall, storage=storage)
            finally:
                store.close()
        except LookalikeError:
            return

    thread = threading.Thread(target=work, name="lookalike-base", daemon=True)
    thread.start()
    return thread


def needs_base(
    store: Store,
    *,
    recall: float | None = None,
    storage: Storage | None = None,
    exact_within: float | None = None,
) -> str:
    """Why a base has to be built, in a few words; empty where there is no need.

    How long an exact search takes is measured where it is not known for about so many vectors, and noted. A
    base that is not needed any more, because so much was removed, is removed too. Arguments are those of
    `refresh_base`.

    Raises:
        StoreError: the recall, the storage or the milliseconds are none, or a vector fails its checksum.
    """
    _check(store.path, recall, storage, exact_within)
    rows, noted = store.size(), _noted(store)
    chosen = replace(
        noted,
        wanted=recall or noted.wanted,
        storage=storage or noted.storage,
        within=exact_within or noted.within,
    )
    if not noted.file and (chosen != noted or not _is_about(rows, noted.rows)):
        noted = _note_exact(store, chosen, rows, measured_ms(store, rows))
    exact_ms = _now(noted, rows)
    limit = chosen.within or EXACT_MS
    if rows < FEWEST or exact_ms < (limit / 2 if noted.file else limit):
        if noted.file:
            _note_exact(store, chosen, rows, exact_ms)
            remove_others(store.path, keep="")
        return ""
    base, why_not = find_base(store)
    if base is None:
        return f"an exact search takes {exact_ms:.0f} ms, and of a base {why_not}"
    if chosen != noted:
        return "another recall, storage or limit is asked for"
    return _why_stale(store, base.note)


def mend_base(store: Store) -> list[str]:
    """Remove what killed builds left and a base that cannot be used, and build one where it is needed.

    Returns:
        What was done, a sentence each.

    Raises:
        StoreError: as `build_base` does.
    """
    done: list[str] = []
    with _one_at_a_time(store.path) as may_build:
        if not may_build:
            return ["the approximate base was left alone: another process builds it"]
        base, why_not = find_base(store)
        keep = base.note.file if base is not None else ""
        others = sum(file.name != keep for file in bases_beside(store.path))
        if base is None and store.meta().get(NOTE) is not None:
            store.note_base(NOTHING_NOTED.text())
            done.append(f"the approximate base was given up: {why_not}")
        remove_others(store.path, keep=keep)
        if others:
            done.append(f"files of bases that were not in use removed: {others}")
    built = refresh_base(store)
    return done if built is None else [*done, f"an approximate base of {built.rows:,} pictures was built"]


def _check(path: Path, recall: float | None, storage: str | None, within: float | None) -> None:
    """Refuse what no base can be built with, before it is noted."""
    fits = (recall is None or 0.0 < recall <= 1.0) and storage in (None, *STORAGES)
    if fits and (within is None or 0.0 < within < math.inf):
        return
    raise StoreError(
        "no approximate base can be like this",
        where=path,
        saw=f"recall {recall}, storage {storage}, exact within {within} ms",
        wanted=f"a recall above 0, at most 1, a storage of {', '.join(STORAGES)}, milliseconds above 0",
        do="for example recall 0.99; without them a base is as the last one was",
    )


def _why_stale(store: Store, note: BaseNote) -> str:
    came, gone = store.tail_size(note.generation, last=note.last)
    if came > TAIL_SHARE * note.rows:
        return f"{came:,} pictures came after the base of {note.rows:,}"
    if gone > GONE_SHARE * note.rows:
        return f"{gone:,} of the base's {note.rows:,} pictures are gone or changed"
    return ""


def _noted(store: Store) -> BaseNote:
    return BaseNote.from_text(store.meta().get(NOTE)) or NOTHING_NOTED


def _now(noted: BaseNote, rows: int) -> float:
    """What an exact search takes with another number of vectors than when it was timed."""
    return noted.exact_ms * rows / max(noted.rows, 1)


def _is_about(rows: int, timed: int) -> bool:
    return timed / _STILL_VALID <= rows <= timed * _STILL_VALID


def _note_exact(store: Store, chosen: BaseNote, rows: int, exact_ms: float) -> BaseNote:
    """That there is no base; what was asked of one is kept for the time when there is."""
    note = replace(
        NOTHING_NOTED,
        generation=store.generation(),
        rows=rows,
        exact_ms=exact_ms,
        wanted=chosen.wanted,
        storage=chosen.storage,
        within=chosen.within,
    )
    store.note_base(note.text())
    return note


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[bool]:
    """Hold `<path>-base.lock`; whether it could be taken. The system lets go of it when the process dies."""
    lock = filelock.FileLock(f"{path.resolve()}-base.lock", timeout=0)
    try:
        lock.acquire()
    except (filelock.Timeout, OSError):  # another process builds, or nothing can be written here
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
