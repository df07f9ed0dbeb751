"""What the commands do before, after and instead of the work; run in this process."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path

import polars as pl
import pytest

from commands import Run, fails
from lookalike.cli import Terminated
from lookalike.doors import cli_index
from lookalike.doors.console import Talk
from lookalike.errors import LookalikeError
from lookalike.indexing.base_file import STORAGES
from lookalike.indexing.database import writer_lock
from lookalike.indexing.store import Store
from lookalike.indexing.vector_rows import VECTOR_STORAGES
from lookalike.models.model import Model

LONG = "x" * 300 + ".png"
BAD_NAME = os.fsdecode(b"q\xff.png")


@pytest.fixture
def pictures(few: Path, tmp_path: Path) -> Path:
    """Three things, each in a folder of its own."""
    root = tmp_path / "pictures"
    for folder in sorted(few.iterdir())[:3]:
        shutil.copytree(folder, root / folder.name)
    return root


@pytest.fixture
def index(pictures: Path, tiny_folder: Path, tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "a.idx"
    assert run("index", path, pictures, "--model", tiny_folder)[0] == 0
    return path


@pytest.fixture
def query(pictures: Path) -> Path:
    return min(pictures.rglob("noto.png"))


def test_a_folder_that_moved_can_be_put_right(run: Run, index: Path, pictures: Path, query: Path) -> None:
    count = len(list(pictures.rglob("*.png")))
    moved = pictures.rename(pictures.with_name("moved"))
    command = f"lookalike index {index} --drop {pictures} forgets it"
    fails(run("index", index), "a source of the index is gone", str(pictures), "FOLDER finds", command)
    code, _, err = run("index", index, moved)
    assert (code, f"{count} moved" in err) == (0, True)
    assert f"{pictures}: dropped, for it is gone and all its pictures are elsewhere" in err
    assert run("index", index)[0] == 0
    found = run("search", index, moved / query.relative_to(pictures), "--paths", "-k", 100)[1].splitlines()
    assert len(found) == count - 1
    assert all(Path(path).is_file() for path in found)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("prune", [False, True])
def test_what_moves_between_two_sources_is_never_called_missing(
    run: Run, index: Path, pictures: Path, turned: bool, prune: bool
) -> None:
    other = pictures.with_name("other")
    other.mkdir()
    shutil.copy(min(pictures.rglob("*.png")), other / "first.png")
    assert run("index", index, other)[0] == 0
    count = len(list(pictures.rglob("*.png")))
    max(pictures.rglob("*.png")).rename(other / "moved.png")
    sources = [other, pictures] if turned else [pictures, other]
    code, _, err = run("index", index, *sources, *(["--prune"] if prune else []))
    assert (code, f": 1 moved, {count} unchanged; {count + 1} in all" in err) == (0, True)


def test_a_source_is_not_dropped_while_a_picture_is_left_of_it(run: Run, index: Path, pictures: Path) -> None:
    count = len(list(pictures.rglob("*.png")))
    moved = pictures.rename(pictures.with_name("moved"))
    min(moved.rglob("*.png")).unlink()
    code, _, err = run("index", index, moved)
    assert (code, f"{count - 1} moved" in err, ": dropped," in err) == (0, True, False)
    fails(run("index", index), "a source of the index is gone", "1 pictures of it in the index")


def test_an_inbox_that_was_always_empty_is_not_dropped_while_it_is_away(
    run: Run, index: Path, pictures: Path
) -> None:
    inbox = pictures.with_name("inbox")
    inbox.mkdir()
    shutil.copy(min(pictures.rglob("*.png")), inbox / "a.png")
    assert run("index", index, inbox)[0] == 0
    (inbox / "a.png").unlink()
    (inbox / "b.png").write_bytes(b"")
    assert run("index", index, inbox, "--prune")[0] in (0, 2)
    shutil.rmtree(inbox)
    fails(run("index", index), "a source of the index is gone", "--drop")


def test_what_cannot_be_used_any_more_is_counted(run: Run, index: Path, pictures: Path) -> None:
    count = len(list(pictures.rglob("*.png")))
    min(pictures.rglob("*.png")).write_bytes(b"")
    _, _, err = run("index", index)
    out = "1 left out (--skipped FILE lists them)"
    assert err == f"{index}: 1 no longer usable, {count - 1} unchanged, {out}; {count - 1} in all\n"


def test_of_one_picture_that_cannot_be_used_no_index_is_made(
    run: Run, tmp_path: Path, tiny_folder: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    new = tmp_path / "new.idx"
    fails(run("index", new, tmp_path / "bad.png", "--model", tiny_folder), "bad.png")
    assert not new.exists()


@pytest.mark.parametrize("prune", [False, True])
def test_a_source_that_is_not_there_keeps_its_pictures_until_it_is_dropped_by_name(
    run: Run, index: Path, pictures: Path, prune: bool
) -> None:
    count = len(list(pictures.rglob("*.png")))
    pictures.rename(pictures.with_name("unmounted"))
    for sources in ([], [pictures]):
        fails(run("index", index, *sources, *["--prune"] * prune), "a source of the index is gone")
    assert json.loads(run("info", index, "--json")[1])["items"] == count
    code, _, err = run("index", index, "--drop", pictures)
    assert (code, f"{pictures}: dropped, with {count} pictures" in err) == (0, True)
    assert json.loads(run("info", index, "--json")[1])["roots"] == []
    fails(run("index", index, "--drop", pictures), "no such source", "lookalike info")


def test_an_empty_mount_point_keeps_its_pictures(run: Run, index: Path, pictures: Path) -> None:
    count = len(list(pictures.rglob("*.png")))
    pictures.rename(pictures.with_name("unmounted"))
    pictures.mkdir()
    fails(run("index", index, "--prune"), "there are no pictures in the folder", str(pictures))
    assert json.loads(run("info", index, "--json")[1])["items"] == count


def test_an_empty_folder_of_a_source_keeps_its_pictures_and_is_told(
    run: Run, index: Path, pictures: Path
) -> None:
    folder = next(file.parent for file in sorted(pictures.rglob("*.png")) if file.parent != pictures)
    count, lost = len(list(pictures.rglob("*.png"))), len(list(folder.rglob("*.png")))
    folder.rename(pictures.with_name("unmounted"))
    folder.mkdir()
    code, _, err = run("index", index, "--prune")
    assert code == 0
    assert f"{folder}: empty, as where a disk is not mounted" in err
    assert "remove the empty folder" in err
    assert f"lookalike index {index} --drop {pictures} forgets the source" in err
    assert json.loads(run("info", index, "--json")[1])["items"] == count
    folder.rmdir()
    code, _, err = run("index", index, "--prune")
    assert (code, f"{lost} removed" in err, ": empty," in err) == (0, True, False)


def test_only_the_named_source_is_dropped_and_nothing_else_is_done(
    run: Run, index: Path, pictures: Path, few: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(sorted(few.iterdir())[3], other)
    assert run("index", index, other)[0] == 0
    (pictures / "new.png").write_bytes(min(other.rglob("*.png")).read_bytes())
    code, _, err = run("index", index, "--drop", other)
    assert (code, "added" in err) == (0, False)
    facts = json.loads(run("info", index, "--json")[1])
    assert [root["source"] for root in facts["roots"]] == [str(pictures)]


def test_a_job_that_nobody_watches_says_one_line(
    run: Run, index: Path, pictures: Path, tmp_path: Path
) -> None:
    (pictures / "new").mkdir()
    shutil.copy(min(pictures.rglob("noto.png")), pictures / "new" / "a.png")
    (pictures / "new" / "bad.png").write_bytes(b"")
    (pictures / "empty").mkdir()
    count = len(list(pictures.rglob("*.png"))) - 1
    left_out = "1 left out (--skipped FILE lists them)"
    code, out, err = run("index", index)
    assert (code, out, len(err.splitlines())) == (0, "", 1)
    assert err == f"{index}: 1 added, {count - 1} unchanged, {left_out}; {count} in all\n"
    assert len(run("index", index)[2].splitlines()) == 1


def test_whoever_watches_is_told_each_source_and_what_was_left_out(
    run: Run, index: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = min(pictures.iterdir()) / "bad.png"
    bad.write_bytes(b"")
    (pictures / "empty").mkdir()
    count = len(list(pictures.rglob("*.png"))) - 1
    monkeypatch.setattr(Talk, "is_watched", True)
    lines = run("index", index)[2].splitlines()
    assert "empty" in lines[0]
    assert lines[1:] == [
        f"{pictures}: {count} unchanged",
        "Left out 1 picture:",
        f"  {bad}: empty (0 bytes)",
        f"pictures in {index}: {count}",
    ]


def test_vectors_are_kept_as_the_index_was_made(
    run: Run, pictures: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    half = tmp_path / "half.idx"
    assert run("index", half, pictures, "--model", tiny_folder, "--vectors", "float16")[0] == 0
    assert run("index", half, "--vectors", "float16")[0] == 0
    assert run("index", half)[0] == 0
    fails(
        run("index", half, "--vectors", "float32"),
        "the index keeps its vectors otherwise",
        "saw --vectors float32, wanted float16, which was chosen when it was made",
        f"{half.with_name('half-new.idx')} {pictures} --vectors float32",
    )


def test_a_writer_is_waited_for_only_when_asked(
    run: Run, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer_lock(index):
        fails(run("index", index), "another process is writing to the index", "--wait waits")
    other = writer_lock(index)
    other.__enter__()
    waits = iter([False, True])

    def pause(_seconds: float) -> None:
        if next(waits):
            other.__exit__(None, None, None)

    monkeypatch.setattr("lookalike.doors.patience.time.sleep", pause)
    code, _, err = run("index", index, "--wait")
    assert code == 0
    assert err.count(f"Waiting for another process that writes to {index}") == 1
    assert "unchanged" in err


def test_what_makes_search_fast_is_brought_up_to_date_in_the_end(
    run: Run, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []

    def refresh(
        store: Store, *, recall: object, storage: object, exact_within: object, progress: object
    ) -> None:
        assert store.path == index
        asked.append((recall, storage, exact_within))

    monkeypatch.setattr("lookalike.indexing.index.refresh_base", refresh)
    assert run("index", index)[0] == 0
    wanted = ("--recall", "0.95", "--storage", "float16", "--exact-within", "2.5")
    assert run("index", index, *wanted)[0] == 0
    assert asked == [(None, None, None), (0.95, "float16", 2.5)]


def test_the_choices_of_the_command_are_those_of_the_core() -> None:
    assert tuple(cli_index.BaseKept) == STORAGES
    assert tuple(cli_index.VectorsKept) == VECTOR_STORAGES


def test_a_folder_that_was_never_indexed_is_a_mistake_also_with_prune(run: Run, index: Path) -> None:
    fails(run("index", index, "nowhere", "--prune"), "there is no such file or folder", "nowhere")


def test_sources_are_read_from_stdin(
    run: Run,
    pictures: Path,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = sorted(pictures.iterdir())[:2]
    lines = "".join(f"{folder}\n" for folder in folders).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(lines)))
    assert run("index", tmp_path / "b.idx", "-", "--model", tiny_folder)[0] == 0
    facts = json.loads(run("info", tmp_path / "b.idx", "--json")[1])
    assert [root["source"] for root in facts["roots"]] == [str(folder) for folder in folders]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    fails(run("index", tmp_path / "b.idx", "-"), "there is nothing to index", "stdin")


def test_a_search_by_nothing_that_opens_is_an_error(run: Run, index: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    shown = run("search", index, tmp_path / "notes.txt", tmp_path / "gone.png")
    fails(shown, "nothing to search by", "notes.txt", "saw 2 that cannot be used, this one: not an image")
    assert "gone.png" in shown[2]


@pytest.mark.parametrize("bad", [BAD_NAME, LONG])
def test_a_name_that_cannot_be_used_is_skipped_and_the_rest_answered(
    run: Run, index: Path, query: Path, tiny_folder: Path, tmp_path: Path, bad: str
) -> None:
    if bad == BAD_NAME:
        shutil.copy(query, tmp_path / bad)
        reason = f"{tmp_path / bad}: bad name".replace("\udcff", "\N{REPLACEMENT CHARACTER}")
    else:
        reason = f"{tmp_path / bad}: unreadable (File name too long)"
    code, out, err = run("search", index, query, tmp_path / bad, query, "--jsonl", "-k", 1)
    assert (code, [json.loads(line)["query"] for line in out.splitlines()]) == (0, [str(query)] * 2)
    assert reason in err
    code, _, err = run("embed", tiny_folder, tmp_path / bad, query, "-o", tmp_path / "o.parquet")
    assert (code, reason in err) == (0, True)
    assert pl.read_parquet(tmp_path / "o.parquet")["path"].to_list() == [str(query)]


def test_a_long_name_as_data_or_index_is_one_line(run: Run, pictures: Path, tiny_folder: Path) -> None:
    fails(run("describe", LONG), "cannot be looked at", "File name too long")
    fails(run("index", LONG, pictures, "--model", tiny_folder), "File name too long")


def test_a_folder_where_the_index_should_stand_is_answered_with_a_name_for_one(
    run: Run, pictures: Path, tiny_folder: Path
) -> None:
    fails(run("index", pictures, "--model", tiny_folder), "saw a folder", "lookalike index NAME.idx FOLDER")


def test_nothing_found_prints_no_path(run: Run, query: Path, tiny_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "only").mkdir()
    shutil.copy(query, tmp_path / "only")
    run("index", tmp_path / "b.idx", tmp_path / "only", "--model", tiny_folder)
    assert run("search", tmp_path / "b.idx", query, "--paths")[:2] == (1, "")


def test_open_shows_a_temporary_page(
    run: Run,
    index: Path,
    query: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    page = index.with_suffix(".html")
    page.write_text("mine")
    assert run("search", index, query, "--open")[0] == 0
    assert page.read_text() == "mine"
    temporary = Path(opened[0].removeprefix("file://"))
    assert "data:image" in temporary.read_text()
    named = tmp_path / "named.html"
    run("search", index, query, "--open", "--html", named)
    assert opened[1] == named.as_uri()


def worked(*_: object, **__: object) -> None:
    raise AssertionError("this should have been refused before the work")


def test_where_results_go_is_looked_at_before_the_work(
    run: Run,
    index: Path,
    pictures: Path,
    query: Path,
    tiny_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for work in ("tables.table.ImageTable.read", "evaluation.evaluate", "models.embedding.embed_chunks"):
        monkeypatch.setattr(f"lookalike.{work}", worked)
    nowhere = tmp_path / "nowhere"
    fails(run("index", index, "--skipped", nowhere / "a.jsonl"), "nowhere", "make the folder")
    fails(run("index", index, "--skipped", tmp_path), "Is a directory")
    fails(run("describe", pictures, "--plot", tmp_path / "x.txt"), "in this format", "x.png")
    fails(run("describe", pictures, "--plot", nowhere / "x.png"), "nowhere", "make the folder")
    fails(run("evaluate", tiny_folder, pictures, "--report", nowhere / "r.html"), "nowhere")
    fails(run("evaluate", tiny_folder, pictures, "--pictures", nowhere / "shown"), "nowhere")
    (tmp_path / "taken.json").mkdir()
    fails(run("evaluate", tiny_folder, pictures, "--report", tmp_path / "taken.html"), "taken.json")
    fails(run("evaluate", tiny_folder, pictures, "--report", tmp_path / "r.json"), "a page", "r.html")
    fails(run("search", index, query, "--html", nowhere / "a.html"), "nowhere")
    assert not list(tmp_path.glob("x.*"))


def test_figures_are_printed_though_the_report_cannot_be_written(
    run: Run, pictures: Path, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LookalikeError("a file cannot be written", where="r.html", saw="a full disk", do="free space")

    monkeypatch.setattr("lookalike.presenting.report.write_report", full)
    monkeypatch.setattr("lookalike.presenting.pages.report_page", lambda *_, **__: None)
    report = tmp_path / "r.html"
    code, out, err = run("evaluate", tiny.folder, pictures, "--split", "all", "--json", "--report", report)
    assert (code, "a full disk" in err) == (2, True)
    assert json.loads(out)["split"] == "all"


def test_the_figures_of_a_report_lie_beside_it(run: Run, pictures: Path, tiny: Model, tmp_path: Path) -> None:
    page = tmp_path / "cats.html"
    code, out, _ = run("evaluate", tiny.folder, pictures, "--split", "all", "--json", "--report", page)
    told = json.loads((tmp_path / "cats.json").read_text(encoding="utf-8"))
    assert (code, page.exists()) == (0, True)
    assert {**told, "created": ""} == {**json.loads(out), "created": ""}


def test_pictures_of_an_evaluation_lie_in_the_folder_that_was_named(
    run: Run, pictures: Path, tiny: Model, tmp_path: Path
) -> None:
    code, out, _ = run("evaluate", tiny.folder, pictures, "--split", "all", "--pictures", tmp_path / "shown")
    assert (code, "recall@1" in out) == (0, True)
    assert {"rows.png", "roc.png", "triplets.png"} <= {path.name for path in (tmp_path / "shown").iterdir()}


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), 130), (Terminated(), 143)], ids=["int", "term"]
)
def test_a_stop_that_a_library_turned_into_an_error_is_still_a_stop(
    run: Run,
    tiny_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    stop: KeyboardInterrupt,
    code: int,
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        try:
            raise stop
        except KeyboardInterrupt as error:
            raise RuntimeError("the transaction is closed") from error

    monkeypatch.setattr("lookalike.models.model.Model.load", interrupted)
    found = run("info", tiny_folder)
    assert (found[0], found[2]) == (code, "stopped\n")


def test_an_error_that_is_its_own_cause_is_told(
    run: Run, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*_: object, **__: object) -> None:
        error = LookalikeError("it does not fit", where="here", saw="that", do="mend it")
        raise error from error

    monkeypatch.setattr("lookalike.models.model.Model.load", failed)
    code, _, err = run("info", tiny_folder)
    assert (code, err) == (2, "error: it does not fit - here - saw that - mend it\n")
