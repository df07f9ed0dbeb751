"""The commands decide and decisions: what a person says of two pictures, and what was said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_options import NOTHING, OK, AsJson, IndexFile

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.duplicates.decision_files import Row
    from lookalike.indexing.schema import Verdict
    from lookalike.indexing.store import Store


def decide(
    index_file: IndexFile,
    a: Annotated[str, typer.Argument(metavar="A", help="A picture by its path, or its id.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another picture.")],
    *,
    same: Annotated[bool, typer.Option("--same", help="One is a duplicate of the other.")] = False,
    different: Annotated[bool, typer.Option("--different", help="They are two pictures.")] = False,
    keep_both: Annotated[
        bool, typer.Option("--keep-both", help="Duplicates or not, both are to stay.")
    ] = False,
) -> None:
    """Decide on two pictures; it is remembered by their content."""
    from lookalike.doors.console import Talk
    from lookalike.duplicates.deciding import check_verdict, content_of
    from lookalike.duplicates.deciding import decide as keep
    from lookalike.indexing.store import Store

    flags: dict[Verdict, bool] = {"same": same, "different": different, "keep-both": keep_both}
    verdict = check_verdict([name for name, given in flags.items() if given])
    with Talk() as talk:
        store = Store(index_file)
        try:
            pair = {content_of(store, a), content_of(store, b)}
            before = [entry for entry in store.decisions() if {entry.first, entry.second} == pair]
            keep(store, a, b, verdict, made=_now())
            replaced = f", no longer {before[0].verdict}" if before and before[0].verdict != verdict else ""
            talk.say(f"{a} and {b}: {verdict}{replaced}")
            _tell_contradictions(store, talk)
        finally:
            store.close()


def decisions(
    index_file: IndexFile,
    *,
    export: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write them to this CSV or JSON file.")
    ] = None,
    import_: Annotated[
        Path | None, typer.Option("--import", metavar="FILE", help="Take decisions of such a file in.")
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write what train can learn from to this CSV file.")
    ] = None,
    forget: Annotated[
        tuple[str, str] | None, typer.Option(metavar="A B", help="Forget what was decided on two pictures.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List what was decided on pairs of pictures; 1: nothing."""
    from dataclasses import asdict

    from lookalike.doors.console import Talk, put_json, put_lines
    from lookalike.duplicates.deciding import rows_of
    from lookalike.indexing.store import Store

    _check_new(export, manifest)
    with Talk() as talk:
        store = Store(index_file)
        try:
            forgotten = _change(store, talk, import_, forget)
            rows = rows_of(store)
            _write(store, talk, rows, export, manifest)
            _tell_contradictions(store, talk)
        finally:
            store.close()
    if as_json:
        put_json([asdict(row) for row in rows])
    elif not (import_ or export or manifest or forget):
        put_lines(_lines(index_file, rows))
    raise typer.Exit(OK if forgotten and (rows or forget) else NOTHING)


def _check_new(export: Path | None, manifest: Path | None) -> None:
    """Refuse to write over what is no table of decisions, or no manifest of them."""
    from lookalike.duplicates.deciding import is_manifest
    from lookalike.duplicates.decision_files import read_rows
    from lookalike.files import check_replaceable

    if export is not None:
        check_replaceable(export, kind="a table of decisions", is_ours=lambda path: read_rows(path) or True)
    if manifest is not None:
        check_replaceable(manifest, kind="a manifest of decisions", is_ours=is_manifest)


def _change(store: Store, talk: Talk, taken: Path | None, forgotten: tuple[str, str] | None) -> bool:
    """Take in, then forget; whether there was what is to be forgotten, if anything is."""
    from lookalike.duplicates.deciding import forget, take_in

    if taken is not None:
        done = take_in(store, taken, made=_now())
        told = f"{done.added:,} new, {done.changed:,} changed"
        talk.say(f"{taken}: {told}" + (f", {done.older:,} older than what is known" if done.older else ""))
    if forgotten is None:
        return True
    found = forget(store, *forgotten)
    talk.say(f"{' and '.join(forgotten)}: {'forgotten' if found else 'nothing was decided on them'}")
    return found


def _write(store: Store, talk: Talk, rows: list[Row], export: Path | None, manifest: Path | None) -> None:
    from lookalike.duplicates.deciding import training_manifest
    from lookalike.duplicates.decision_files import write_rows
    from lookalike.presenting.duplicates_wording import counted

    if export is not None:
        write_rows(rows, export)
        talk.say(f"{counted(len(rows), 'decision')} written to {export}")
    if manifest is not None:
        pictures, labels, unknown = training_manifest(store, manifest)
        left_out = f"; left out, as the index has no such picture: {unknown:,}" if unknown else ""
        told = f"{counted(pictures, 'picture')} with {counted(labels, 'label')}"
        talk.say(f"{told} written to {manifest}{left_out}")


def _tell_contradictions(store: Store, talk: Talk) -> None:
    from lookalike.duplicates.agreement import contradictions
    from lookalike.duplicates.deciding import paths_of, told

    decided = store.decisions()
    found = contradictions(decided)
    paths = paths_of(store, decided) if found else {}
    for entry in found:
        talk.say(f"This contradicts itself: {told(entry, paths)}")


def _lines(index: Path, rows: list[Row]) -> list[str]:
    lines = [f"{index}: {len(rows):,} decision{'' if len(rows) == 1 else 's'}"]
    for row in rows:
        lines += [f"{row.verdict:<9}  {row.first or row.first_hash}"]
        lines += [f"{'':<9}  {row.second or row.second_hash}"]
    return lines


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")
