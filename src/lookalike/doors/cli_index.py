"""The command that makes an index and brings it up to date."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_options import IndexFile, expand
from lookalike.doors.opening import open_or_create
from lookalike.doors.patience import Patience
from lookalike.errors import LookalikeError, StoreError, TableError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.indexing.base_file import Storage as BaseStorage
    from lookalike.indexing.index import Index
    from lookalike.indexing.upkeep import Update
    from lookalike.indexing.vector_rows import VectorStorage
    from lookalike.records import Progress, Skipped
    from lookalike.tables.table import ImageTable


class BaseKept(StrEnum):
    """How what makes a large index fast can be kept."""

    INT8 = "int8"
    FLOAT16 = "float16"


class VectorsKept(StrEnum):
    """How vectors can be kept."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"


Data = Annotated[
    list[str] | None,
    typer.Argument(help="Folders, manifests, NAME:FOLDER; none: those it has; - reads them from stdin."),
]
Drop = Annotated[
    list[str] | None,
    typer.Option(metavar="SOURCE", help="Forget a source with its pictures; no file is touched."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until another process that writes has finished.")]
Vectors = Annotated[
    VectorsKept | None, typer.Option(help="How a new index keeps them; float16: half the space.")
]
Recall = Annotated[
    float | None,
    typer.Option(
        min=0.01, max=1.0, help="Share of the true answers that a search of a large index has to find."
    ),
]
Storage = Annotated[
    BaseKept | None,
    typer.Option(help="How what makes a large index fast is kept; int8: half the space."),
]
ExactWithin = Annotated[
    float | None,
    typer.Option(
        metavar="MS",
        min=0.001,
        help="Search exactly as long as that takes at most so many milliseconds (20).",
    ),
]


def index(
    index_file: IndexFile,
    data: Data = None,
    *,
    model: Annotated[str | None, typer.Option(help="Model folder; default: the untrained one.")] = None,
    skipped: Annotated[Path | None, typer.Option(help="List what was left out in this JSONL file.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove pictures whose file is gone.")] = False,
    drop: Drop = None,
    wait: Wait = False,
    vectors: Vectors = None,
    recall: Recall = None,
    storage: Storage = None,
    exact_within: ExactWithin = None,
) -> None:
    """Make an index, or bring it up to date."""
    from lookalike.doors.console import Talk
    from lookalike.files import check_writable

    if skipped is not None:
        check_writable(skipped)
    sources = _sources(data or [])
    with Talk() as talk:
        patience = Patience(index_file, talk, wait=wait)
        kept: VectorStorage | None = None if vectors is None else vectors.value
        with patience.of(lambda: open_or_create(index_file, model, sources, talk, vectors=kept)) as opened:
            run = _Run(opened, talk, patience, prune=prune)
            run.bring_up_to_date(sources or (() if drop else opened.sources))
            run.drop(drop or ())
            run.forget_emptied()
            run.make_fast(recall, None if storage is None else storage.value, exact_within)
            run.tell()
    if skipped is not None:
        _write_skipped(run.left_out, skipped)
    if run.unread:
        raise run.unread[0]


class _Run:
    """One call of the command, and what came of it.

    Attributes:
        done: an update for each source that could be read; unread: why the others could not.
        left_out: the pictures that cannot be used.
    """

    def __init__(self, opened: Index, talk: Talk, patience: Patience, *, prune: bool) -> None:
        self._opened, self._talk, self._patience, self._prune = opened, talk, patience, prune
        self.done: list[Update] = []
        self.unread: list[LookalikeError] = []
        self.left_out: list[Skipped] = []
        self._before: dict[str, int] = {}  # pictures of each source, where one of them is gone
        if any(_was_there(opened, source) for source in opened.sources):
            self._before = {root.source: root.items for root in opened.info().roots}

    def bring_up_to_date(self, sources: Sequence[str]) -> None:
        """One source after the other; where one cannot be read the others are up to date all the same.

        What one misses another may have: nothing is removed, or said to be missing, before all were compared.
        """
        gone: list[str] = []
        for source in sources:
            try:
                self._update(source)
            except TableError as error:
                if _was_there(self._opened, source):
                    gone.append(source)
                else:
                    self.unread.append(error)
        self._settle()
        for source in gone:  # after the others, so that what moved there is not lost
            if not _pictures_of(self._opened, source) and (self._prune or self._had_pictures(source)):
                self._drop(source)
            else:
                self.unread.append(_source_is_gone(self._opened, source))

    def drop(self, sources: Sequence[str]) -> None:
        """Forget sources."""
        from lookalike.layouts import placed

        for source in sources:
            if placed(source)[0] not in self._opened.sources:
                raise StoreError(
                    "the index has no such source",
                    where=self._opened.path,
                    saw=source,
                    wanted=f"one of {', '.join(self._opened.sources) or 'no source'}",
                    do="name it as lookalike info lists it",
                )
            self._drop(source)

    def forget_emptied(self) -> None:
        """Forget sources that are gone and whose pictures were all found again under others by this run."""
        for source in self._opened.sources:
            gone = self._had_pictures(source) and _was_there(self._opened, source)
            if gone and not _pictures_of(self._opened, source):
                self._drop(source)

    def make_fast(self, recall: float | None, storage: BaseStorage | None, within: float | None) -> None:
        """Build what a large index needs to be searched fast; nothing is lost where it is stopped."""
        stages: list[Progress] = []

        def count(done: int, total: int) -> None:
            if not stages:  # mostly there is nothing to build, and no bar to show
                stages.append(self._talk.stage("make search fast"))
            stages[0](done, total)

        built = self._opened.refresh(recall=recall, storage=storage, exact_within=within, progress=count)
        if built is not None and self._talk.is_watched:
            self._talk.say(
                f"Searches are approximate from here on: {built.rows:,} pictures, see lookalike info"
            )

    def tell(self) -> None:
        """Say what came of it: in one line where nobody watches."""
        from lookalike.doors.console import tell_skipped
        from lookalike.indexing.upkeep import in_words

        if self._talk.is_watched:
            tell_skipped(self._talk, self.left_out)
        if self._talk.is_watched and self.done:
            self._talk.say(f"pictures in {self._opened.path}: {len(self._opened):,}")
        elif self.done:
            out = f", {len(self.left_out):,} left out (--skipped FILE lists them)" if self.left_out else ""
            done = in_words(self.done)
            self._talk.say(f"{self._opened.path}: {done}{out}; {len(self._opened):,} in all")

    def _update(self, source: str) -> None:
        from lookalike.doors.console import tell_notes

        table, done = self._patience.of(lambda: self._read_and_update(source))
        self.done.append(done)
        self.left_out += [*table.skipped, *done.skipped]
        if self._talk.is_watched:
            tell_notes(self._talk, table)
        if not done.missing:
            self._tell_one(done)

    def _settle(self) -> None:
        from lookalike.indexing.upkeep import remove_gone, settled

        settle = partial(remove_gone if self._prune else settled, self._opened.store)
        for place, done in enumerate(self.done):
            if done.missing:
                self.done[place] = self._patience.of(partial(settle, done))
                self._tell_one(self.done[place])

    def _tell_one(self, done: Update) -> None:
        from lookalike.indexing.upkeep import in_words

        if self._talk.is_watched:
            self._talk.say(f"{done.source}: {in_words([done])}")
        index_file, source = shlex.quote(str(self._opened.path)), shlex.quote(done.source)
        for folder in done.away:
            self._talk.say(
                f"{folder}: empty, as where a disk is not mounted; what is missing below it was kept. Mount "
                f"the disk; or, if all is truly gone, remove the empty folder and run the same command again"
                f"; or lookalike index {index_file} --drop {source} forgets the source"
            )

    def _read_and_update(self, source: str) -> tuple[ImageTable, Update]:
        from lookalike.tables.table import ImageTable

        stage = self._talk.stage(f"index {source}")
        table = ImageTable.read(source)
        return table, self._opened.update(table, source=source, progress=stage)

    def _had_pictures(self, source: str) -> bool:
        from lookalike.layouts import placed

        return self._before.get(placed(source)[0], 0) > 0

    def _drop(self, source: str) -> None:
        moved = self._had_pictures(source) and not _pictures_of(self._opened, source)
        removed = self._patience.of(lambda: self._opened.drop(source))
        told = "for it is gone and all its pictures are elsewhere" if moved else f"with {removed:,} pictures"
        self._talk.say(f"{source}: dropped, {told}")


def _sources(data: Sequence[str]) -> list[str]:
    sources = list(expand(data))
    if data and not sources:
        raise LookalikeError(
            "there is nothing to index",
            where="stdin",
            saw="not one line",
            do="give a folder or manifest on each line",
        )
    return sources


def _was_there(opened: Index, source: str) -> bool:
    """Whether the index has this source, and there is certainly no such folder or file any more."""
    from lookalike.layouts import placed
    from lookalike.pictures.finding import is_absent

    name, path = placed(source)
    return name in opened.sources and is_absent(path)


def _pictures_of(opened: Index, source: str) -> int:
    from lookalike.layouts import placed

    return sum(root.items for root in opened.info().roots if root.source == placed(source)[0])


def _source_is_gone(opened: Index, source: str) -> StoreError:
    index_file, place = shlex.quote(str(opened.path)), shlex.quote(source)
    left = _pictures_of(opened, source)
    moved = f"mount it; or, if it moved, lookalike index {index_file} FOLDER finds its pictures again; "
    return StoreError(
        "a source of the index is gone",
        where=source,
        saw=f"no such file or folder, {left:,} pictures of it in the index",
        do=f"{moved if left else ''}lookalike index {index_file} --drop {place} forgets it",
    )


def _write_skipped(entries: Iterable[Skipped], path: Path) -> None:
    import json
    from dataclasses import asdict

    from lookalike.files import write_atomically

    lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
    write_atomically(path, "".join(lines).encode("utf-8", "surrogateescape"))
