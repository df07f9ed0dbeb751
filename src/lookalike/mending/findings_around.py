"""What an inspection finds around an index file: its base, its pictures, its model, room on the disk.

An index that is open for reading enters; a Finding leaves for each thing that is looked at. Files of pictures
are asked for their size and time, never opened. Nothing is mended here.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import filelock

from lookalike.checkups.findings import Finding, Verdict, count
from lookalike.errors import LookalikeError
from lookalike.indexing.base_file import NOTE, BaseNote, bases_beside, why_unusable
from lookalike.indexing.database import companions, format_of
from lookalike.indexing.file_format import FORMAT
from lookalike.indexing.made_by import check_model, find_model
from lookalike.indexing.store import Store, absolute
from lookalike.indexing.vector_reading import FETCH
from lookalike.layouts import placed
from lookalike.mending.findings_rows import MOST_ENTRIES, Opened
from lookalike.models.model import Model
from lookalike.pictures.finding import is_absent

LONG_JOURNAL = 64 * 2**20  # bytes: SQLite takes a journal in at every 4 MB, where no reader holds it up


def version(opened: Opened) -> Finding:
    """The version of the file's format."""
    found = format_of(opened.connection)
    if found < FORMAT:
        what = f"format {found}, of an older lookalike; the next update brings it to format {FORMAT}"
        return Finding("version", Verdict.LOOK, found, what, "bring it up to date", opened.bring)
    return Finding("version", Verdict.OK, found, f"format {found}, the newest")


def base(opened: Opened) -> Finding:
    """The file that FAISS builds: derived, so whatever is wrong with it costs time and nothing else."""
    note = BaseNote.from_text(opened.meta.get(NOTE))
    noted = note.file if note is not None else ""
    if NOTE in opened.meta and note is None:
        return _broken_base(opened, "what is noted of the approximate base cannot be read")
    if note is not None and noted:
        if why := why_unusable(opened.path, note):
            return _broken_base(opened, f"the approximate base cannot be used: {why}")
        if note.generation > int(opened.meta["generation"]):
            return _broken_base(opened, "the approximate base is of a later moment than the index")
    leftovers = [file.name for file in bases_beside(opened.path) if file.name != noted]
    if leftovers:
        what = f"{count(len(leftovers), 'file')} of earlier or killed builds; they only take room"
        do = "remove them"
        return Finding("base", Verdict.LOOK, len(leftovers), what, do, opened.mend, entries=tuple(leftovers))
    if note is None or not noted:
        return Finding("base", Verdict.OK, 0, "no approximate base: searches are exact")
    recall = f"recall {note.recall:.3f} measured" if note.queries else "recall not measured"
    what = f"an approximate base of {count(note.rows, 'vector')} is whole, {recall}"
    return Finding("base", Verdict.OK, note.rows, what)


def sources(opened: Opened) -> Finding:
    """Folders and manifests that the pictures come from, and that are not there now."""
    roots = opened.rows("SELECT source, path, (SELECT count(*) FROM items WHERE root = roots.id) FROM roots")
    away = [
        (source, pictures)
        for source, path, pictures in roots
        if is_absent(placed(source)[1]) or is_absent(path)
    ]
    if not away:
        return Finding(
            "sources", Verdict.OK, len(roots), f"{count(len(roots), 'source')} of pictures can be reached"
        )
    what = f"{count(len(away), 'source')} of {len(roots):,} not there; searches go on finding their pictures"
    do = "mount the disk; where it moved, index its new place; where it is truly gone, forget it"
    drop = f"{opened.bring} --drop {shlex.quote(away[0][0])}"  # one at a time: nobody forgets all in passing
    entries = tuple(f"{source}, with {count(pictures, 'picture')}" for source, pictures in away)
    return Finding("sources", Verdict.LOOK, len(away), what, do, drop, entries=entries)


@dataclass
class _Files:
    """Counts of files that are not as the index knows them, and some of each by name."""

    gone: int = 0
    changed: int = 0
    hidden: int = 0
    entries: list[str] = field(default_factory=list)

    def take(self, file: str, stamp: tuple[int, int]) -> None:
        try:
            facts = os.stat(file)  # noqa: PTH116 - Path() costs twice the system's call, once a picture
        except (FileNotFoundError, NotADirectoryError):
            self.gone += 1
            self._list(f"{file}: gone")
        except (OSError, ValueError) as error:
            self.hidden += 1
            self._list(f"{file}: {error}")
        else:
            if (facts.st_size, facts.st_mtime_ns) != stamp:
                self.changed += 1
                self._list(f"{file}: changed")

    def _list(self, entry: str) -> None:
        if len(self.entries) < MOST_ENTRIES:
            self.entries.append(entry)


def files(opened: Opened) -> Finding:
    """Pictures that are not as they were when they were embedded, of sources that are there."""
    seen, total = _Files(), 0
    for file, size, mtime_ns in _listed(opened):
        seen.take(file, (size, mtime_ns))
        total += 1
    wrong = seen.gone + seen.changed + seen.hidden
    if not wrong:
        return _as_embedded(opened, total)
    counts = {"gone": seen.gone, "changed since": seen.changed, "not to be looked at": seen.hidden}
    told = ", ".join(f"{number:,} {name}" for name, number in counts.items() if number)
    what = f"of {count(total, 'picture')} on the disk: {told}"
    do = "bring it up to date; --prune forgets what is gone"
    return Finding("files", Verdict.LOOK, wrong, what, do, opened.bring, entries=tuple(seen.entries))


def _as_embedded(opened: Opened, total: int) -> Finding:
    """All files are as they were, as far as they could be looked at."""
    away = opened.number("SELECT count(*) FROM items WHERE size >= 0") - total
    if away and not total:
        what = "no picture's file could be looked at: the sources are not there"
        return Finding("files", Verdict.LOOK, away, what, "look again when they are")
    left = f"; {away:,} of sources that are not there were not looked at" if away else ""
    what = f"{count(total, 'picture')} on the disk as they were embedded{left}"
    return Finding("files", Verdict.OK, total, what)


def _listed(opened: Opened) -> Iterator[tuple[str, int, int]]:
    roots = {root: path for root, path in opened.rows("SELECT id, path FROM roots") if not is_absent(path)}
    total, done = opened.number("SELECT count(*) FROM items"), 0
    tell = opened.watcher.stage("look at files")
    cursor = opened.connection.execute("SELECT root, path, size, mtime_ns FROM items ORDER BY id")
    while part := cursor.fetchmany(FETCH):
        for root, path, size, mtime_ns in part:
            if root in roots and path and size >= 0:  # less than 0: marked, to be embedded again
                yield absolute(roots[root], path), size, mtime_ns
        done += len(part)
        tell(done, total)


def model(opened: Opened, given: Model | None = None) -> Finding:
    """The model whose embeddings the index holds; without it no picture can be asked for."""
    try:
        store = Store(opened.path)
        try:
            if given is not None:
                check_model(store, given)
            found = given or find_model(store)
        finally:
            store.close()
    except LookalikeError as error:
        return Finding(
            "model", Verdict.MEND, 1, f"{error.what}: saw {error.saw}, wanted {error.wanted}", error.do
        )
    return Finding("model", Verdict.OK, 0, f"model {found.name} is there, and is the one that made the index")


def journal(opened: Opened, waiting: int) -> Finding:
    """What SQLite keeps beside the file; `waiting`: its bytes before the file was opened."""
    name = companions(opened.path)[0].name
    if waiting > LONG_JOURNAL:
        what = f"{waiting / 2**20:,.0f} MB wait in {name}: a reader that never closes holds them up"
        do = "end programs that keep the index open for hours; the next command takes them in"
        return Finding("journal", Verdict.LOOK, waiting, what, do)
    if waiting:
        what = f"{waiting / 1024:,.0f} KB in {name} belong to the index: copy both, or neither"
        return Finding("journal", Verdict.OK, waiting, what)
    return Finding("journal", Verdict.OK, 0, "nothing waits beside the file to be taken in")


def writer(opened: Opened) -> Finding:
    """Whether a process brings the index up to date now; a lock file without a process holds nobody up."""
    lock = filelock.FileLock(f"{opened.path.resolve()}.lock", timeout=0)
    try:
        with lock:
            return Finding("writer", Verdict.OK, 0, "no other process writes to it")
    except filelock.Timeout:
        what = "another process writes to it now; what was found is of the moment in which it was read"
        return Finding("writer", Verdict.LOOK, 1, what, "wait until it has finished before you mend anything")
    except OSError as error:
        what = f"nothing can be written beside it: {error.strerror or error}"
        do = "make the folder writable, or copy the index elsewhere; searching works as it is"
        return Finding("writer", Verdict.LOOK, 1, what, do)


def space(opened: Opened) -> Finding:
    """Room on the disk: a rebuilt base or a rescued copy takes about as much as the index."""
    size = opened.path.stat().st_size + waiting(opened.path)
    free = shutil.disk_usage(opened.path.resolve().parent).free
    told = f"{_bytes(free)} free on its disk, and the index takes {_bytes(size)}"
    if free < size:
        do = "free some space: mending and rebuilding may need as much again as the index takes"
        return Finding("space", Verdict.LOOK, free, f"only {told}", do)
    return Finding("space", Verdict.OK, free, told)


def _broken_base(opened: Opened, what: str) -> Finding:
    do = "give it up, and build it again where it is needed; until then searches are exact, and slower"
    return Finding("base", Verdict.MEND, 1, what, do, opened.mend)


def _bytes(number: int) -> str:
    for unit in ("bytes", "KB", "MB"):
        if number < 1024:
            return f"{number:,.0f} {unit}"
        number //= 1024
    return f"{number:,.0f} GB"


def waiting(path: Path) -> int:
    """Bytes of commits that are not in the file yet."""
    try:
        return companions(path)[0].stat().st_size
    except OSError:
        return 0
