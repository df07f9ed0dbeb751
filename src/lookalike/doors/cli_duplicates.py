"""The commands duplicates, apply and undo: what is there twice, putting it away, and bringing it back."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_options import NOTHING, OK, AsJson, IndexFile, OpenPage, Page, style_of
from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.duplicates.applying import Stayed
    from lookalike.duplicates.records import Band, Duplicates
    from lookalike.indexing.index import Index

PlanFile = Annotated[Path, typer.Argument(metavar="PLAN", help="What duplicates --plan wrote.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Bands = Annotated[
    list[str] | None,
    typer.Option(metavar="BAND", help="exact, same-pixels, near-copy or same-thing; may be repeated."),
]
Library = Annotated[
    Path | None,
    typer.Option(metavar="LIBRARY", help="Only what is in this other index, or folder of this one, too."),
]
Similarity = Annotated[float | None, typer.Option(help="From which on two pictures show the same thing.")]
Threshold = Annotated[
    str | None, typer.Option(metavar="NAME", help="For the same thing: one of the model's thresholds.")
]
Keep = Annotated[
    str | None,
    typer.Option(metavar="RULE", help="What stays: resolution,bytes,format,oldest,newest,name,folder:F."),
]
Where = Annotated[
    str | None, typer.Option(metavar="FILTER", help="Only pictures that fit: \"label = 'cat'\".")
]
Folder = Annotated[Path | None, typer.Option("--in", metavar="FOLDER", help="Only pictures below it.")]
NewPlan = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write what would go, for review and for apply.")
]
MOST_STAYED = 20  # files that are named


def duplicates(
    index_file: IndexFile,
    *,
    band: Bands = None,
    against: Library = None,
    similarity: Similarity = None,
    threshold: Threshold = None,
    mirrored: Annotated[bool, typer.Option("--mirrored", help="Mirror images are near copies.")] = False,
    keep: Keep = None,
    where: Where = None,
    folder: Folder = None,
    plan: NewPlan = None,
    html: Page = None,
    open_page: OpenPage = False,
    as_json: AsJson = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print the groups alone, a line each.")] = False,
) -> None:
    """Find pictures that are there twice; nothing is moved (exit code 0: found some, 1: none)."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.duplicates.finding import check_looked_at
    from lookalike.presenting.duplicates_wording import cautions, open_groups

    _check_new(plan, html, index_file)
    style = style_of(json=as_json, jsonl=jsonl)
    _check_same_thing(band or (), similarity=similarity, threshold=threshold)
    with Talk() as talk:
        found, roots = _find(
            index_file, against, talk, threshold=threshold, similarity=similarity, mirrored=mirrored,
            **_given(band, keep, where, folder),
        )  # fmt: skip
        tell_skipped(talk, found.skipped)
        for text in cautions(found):
            talk.say(text)
    _put(found, index_file, style=style)
    if plan is not None:
        _write_plan(found, plan, index_file, roots)
    if html is not None or open_page:
        _show_page(found, html, index_file, browser=open_page)
    check_looked_at(found, index_file)
    raise typer.Exit(OK if open_groups(found) else NOTHING)


def apply(
    plan: PlanFile,
    *,
    quarantine: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Where to; PLAN-quarantine beside it if left out.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move what a plan says to a quarantine folder; nothing is deleted (1: something stayed)."""
    from dataclasses import asdict

    from lookalike.doors.console import Talk, put_json, put_lines
    from lookalike.duplicates.applying import apply_plan
    from lookalike.presenting.duplicates_wording import counted, in_bytes

    with Talk() as talk:
        done = apply_plan(plan, quarantine=quarantine, dry_run=dry_run, progress=talk.stage("move"))
        _tell_stayed(talk, done.stayed)
        if done.inside and done.moved:
            talk.say(
                f"The quarantine {done.quarantine} lies among the pictures. An index leaves it out, other "
                "programs do not; --quarantine FOLDER names a place outside"
            )
    if as_json:
        put_json({**asdict(done), "bytes": done.bytes})
    else:
        verb = "would be moved" if dry_run else "moved"
        before = f", {done.before:,} before" if done.before else ""
        moved = f"{counted(len(done.moved), 'file')} {verb} to {done.quarantine}"
        told = [f"{moved}, {in_bytes(done.bytes)}{before}"]
        if done.moved and not dry_run:
            back, then = f"undo {_quoted(plan)}", f"index {_quoted(done.index)} --prune"
            told += [f"back: lookalike {back}", f"then: lookalike {then}"]
        put_lines(told)
    raise typer.Exit(NOTHING if done.stayed else OK)


def undo(
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan that was applied, or its journal.")],
    *,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring back what apply moved; nothing is overwritten (1: something stayed)."""
    from dataclasses import asdict

    from lookalike.doors.console import Talk, put_json, put_lines
    from lookalike.duplicates.undoing import undo_moves
    from lookalike.presenting.duplicates_wording import counted

    with Talk() as talk:
        done = undo_moves(plan, dry_run=dry_run, progress=talk.stage("bring back"))
        _tell_stayed(talk, done.stayed)
    if as_json:
        put_json(asdict(done))
    else:
        nothing = not done.restored and not done.stayed
        brought = f"{counted(len(done.restored), 'file')} {'would be' if dry_run else 'brought'} back"
        told = ["everything is back already" if nothing else brought]
        if done.restored and not dry_run and done.index:
            told.append(f"then: lookalike index {_quoted(done.index)}")
        put_lines(told)
    raise typer.Exit(NOTHING if done.stayed else OK)


def _check_new(plan: Path | None, page: Path | None, index_file: Path) -> None:
    """Refuse to write over what is no plan, or no page of duplicates."""
    from lookalike.duplicates.journal import check_new_plan
    from lookalike.duplicates.plans import check_index
    from lookalike.files import check_replaceable
    from lookalike.presenting.duplicates_page import is_page

    if plan is not None:
        check_new_plan(plan)
        check_index(index_file)
    if page is not None:
        check_replaceable(page, kind="a page of duplicates", is_ours=is_page)


def _bands(names: Sequence[str]) -> list[Band]:
    import difflib

    from lookalike.duplicates.records import Band

    known = {str(band).replace(" ", "-"): band for band in Band}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise LookalikeError(
                "there is no such band",
                where="--band",
                saw=name,
                wanted=", ".join(known),
                do=f"did you mean {near[0]}?" if near else "name one of them, or leave it out",
            )
    return [known[name] for name in names]


def _check_same_thing(bands: Sequence[str], **limits: object) -> None:
    """Refuse a limit that nothing would ask for."""
    for name, value in limits.items():
        if value is not None and "same-thing" not in bands:
            what, do = "this limit is for what shows the same thing", "add --band same-thing, or leave it out"
            raise LookalikeError(what, where=f"--{name}", saw=str(value), do=do)


def _given(
    bands: Sequence[str] | None, keep: str | None, where: str | None, folder: Path | None
) -> dict[str, Any]:
    """What was asked for; what was not is left to the core."""
    from lookalike.indexing.selection import Selection

    given = {
        "bands": _bands(bands) if bands else None,
        "keep": keep,
        "selection": Selection(where or "", folder) if where or folder else None,
    }
    return {name: value for name, value in given.items() if value is not None}


def _find(
    index_file: Path, against: Path | None, talk: Talk, *, threshold: str | None, similarity: float | None,
    mirrored: bool, **options: Any,
) -> tuple[Duplicates, tuple[str, ...]]:  # fmt: skip
    """What is found, and the folders that the index was made from."""
    from contextlib import ExitStack

    from lookalike.duplicates.finding import find_duplicates
    from lookalike.duplicates.limits import Wishes
    from lookalike.indexing.index import Index

    with ExitStack() as stack:
        index = stack.enter_context(Index.open(index_file))
        library = against
        if against is not None and against.is_file():
            library = stack.enter_context(Index.open(against))  # type: ignore[assignment]
        limit = _similarity(index, threshold, similarity)
        wishes = Wishes(against=library, similarity=limit, mirrored=mirrored, **options)
        found = find_duplicates(index, wishes, watcher=talk)
        return found, tuple(root.path for root in index.store.roots())


def _similarity(index: Index, threshold: str | None, similarity: float | None) -> float | None:
    if threshold is None:
        return similarity
    if similarity is not None:
        what, do = "a threshold has its similarity", "leave out --similarity, or --threshold"
        raise LookalikeError(what, where="--similarity", saw=f"--threshold {threshold} too", do=do)
    return index.model.require_threshold(threshold).similarity


def _put(found: Duplicates, index_file: Path, *, style: str) -> None:
    from lookalike.doors.console import put_json, put_lines
    from lookalike.presenting.duplicates_wording import group_values, lines, values

    if style == "json":
        put_json(values(found, index=index_file))
    elif style == "jsonl":
        for group in found.groups:
            put_json(group_values(group), indent=None)
    else:
        put_lines(lines(found, index=index_file))


def _write_plan(found: Duplicates, path: Path, index_file: Path, roots: tuple[str, ...]) -> None:
    from lookalike.doors.console import visible
    from lookalike.duplicates.plans import plan_of, write_plan
    from lookalike.presenting.duplicates_wording import counted, in_bytes

    created = datetime.now(UTC).isoformat(timespec="seconds")
    plan = plan_of(found, index=index_file, created=created, roots=roots)
    write_plan(plan, path)
    told = f"{counted(plan.moves, 'file')} would go, {in_bytes(plan.bytes)}"
    line = f"plan  {path}: {told}; look at it, then: lookalike apply {_quoted(path)}"
    typer.echo(visible(line), err=True)


def _show_page(found: Duplicates, path: Path | None, index_file: Path, *, browser: bool) -> None:
    import tempfile
    import webbrowser

    from lookalike.doors.console import visible
    from lookalike.presenting.duplicates_page import write_duplicates

    if path is None:
        with tempfile.NamedTemporaryFile(prefix="lookalike-", suffix=".html", delete=False) as file:
            path = Path(file.name)
    created = datetime.now().astimezone().isoformat(sep=" ", timespec="minutes")
    write_duplicates(found, path, index=index_file, created=created)
    typer.echo(visible(f"page  {path}"), err=True)
    if browser:
        webbrowser.open(path.resolve().as_uri())


def _tell_stayed(talk: Talk, stayed: Sequence[Stayed]) -> None:
    if stayed:
        talk.say(f"{len(stayed):,} stayed:")
    for entry in stayed[:MOST_STAYED]:
        talk.say(f"  {entry.path}: {entry.reason}")
    if len(stayed) > MOST_STAYED:
        talk.say(f"  and {len(stayed) - MOST_STAYED:,} more; --json lists all")


def _quoted(path: str | Path) -> str:
    return shlex.quote(str(path))
