"""A quarantine is known by its mark; what a move may touch; which names a plan and its folder may have."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lookalike.duplicates import moving
from lookalike.duplicates.applying import apply_plan
from lookalike.duplicates.journal import check_new_plan, journal_of, read_journal
from lookalike.duplicates.moving import Changed, Move, carry_out, look_at, settle
from lookalike.duplicates.plans import check_index, plan_of, write_plan
from lookalike.duplicates.quarantine import quarantine_of
from lookalike.duplicates.undoing import undo_moves
from lookalike.errors import LookalikeError, PlanError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.pictures.finding import MARKER, find_images
from lookalike.tables.table import ImageTable
from scenes import scene, write
from some_duplicates import duplicates, group, made_plan, tree


@pytest.fixture
def album(tmp_path: Path) -> Path:
    root = tmp_path / "p"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.png").write_bytes(b"picture")
    return root


@pytest.fixture
def plan(album: Path, tmp_path: Path) -> Path:
    return made_plan(tmp_path, group([album / "a.png", album / "b.png"]))


def keep(plan: Path, *, group: int, member: int) -> None:
    values = json.loads(plan.read_text())
    values["groups"][group]["members"][member]["action"] = "keep"
    plan.write_text(json.dumps(values))


def test_what_a_person_keeps_is_not_taken_from_behind_its_link(album: Path, tmp_path: Path) -> None:
    (album / "link.png").symlink_to("c.png")
    plan = made_plan(tmp_path, group([album / name for name in ("a.png", "link.png", "c.png")]))
    keep(plan, group=0, member=0)
    before = tree(album)
    (stayed,) = apply_plan(plan).stayed
    assert stayed.reason == f"it is one file with {album / 'link.png'}, which stays"
    assert tree(album) == before


def test_a_quarantine_is_marked_and_left_out_of_indexes(plan: Path, album: Path) -> None:
    away = album / "away"
    before = tree(album)
    apply_plan(plan, quarantine=away)
    assert (away / MARKER).is_file()
    found = find_images(album)
    assert found.paths == ("a.png", "c.png")
    assert [(entry.path, str(entry.reason)) for entry in found.skipped] == [("away/", "quarantine")]
    undo_moves(plan)
    assert not away.exists()
    assert tree(album) == before


def test_an_empty_folder_that_was_there_stays_and_loses_its_mark(plan: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    apply_plan(plan, quarantine=away)
    assert (away / MARKER).is_file()
    undo_moves(plan)
    assert list(away.iterdir()) == []


def test_two_plans_in_one_quarantine_keep_its_mark_to_the_last(
    plan: Path, album: Path, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    other = tmp_path / "other.json"
    found = duplicates(group([album / "a.png", album / "c.png"]))
    write_plan(plan_of(found, index=tmp_path / "i", created=""), other)
    apply_plan(plan, quarantine=away)
    apply_plan(other, quarantine=away)
    undo_moves(plan)
    assert (away / MARKER).is_file()
    undo_moves(other)
    assert not (away / MARKER).exists()


def test_a_folder_that_holds_other_things_is_no_quarantine(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/letter.txt").touch()
    for place in (tmp_path / "own", tmp_path):
        for dry_run in (True, False):
            with pytest.raises(PlanError, match=r"quarantine cannot be made - .*holds other things.*empty"):
                apply_plan(plan, quarantine=place, dry_run=dry_run)
    assert not (tmp_path / "own" / MARKER).exists()


def test_nothing_stands_in_for_a_file_from_a_quarantine(album: Path, tmp_path: Path) -> None:
    away = tmp_path / "away"
    away.mkdir()
    (away / MARKER).touch()
    shutil.copy(album / "a.png", away / "copy.png")
    (album / "link.png").symlink_to(away / "copy.png")
    before = tree(album)
    for keeper in (away / "copy.png", album / "link.png"):
        (stayed,) = apply_plan(made_plan(tmp_path, group([keeper, album / "a.png"]))).stayed
        assert stayed.reason == f"{keeper}, which would be kept: it lies in a quarantine"
    (stayed,) = apply_plan(made_plan(tmp_path, group([album / "a.png", away / "copy.png"]))).stayed
    assert stayed.reason == "it lies in a quarantine"
    assert tree(album) == before


def test_a_quarantine_in_another_folder_of_the_index_is_told(tiny: Model, tmp_path: Path) -> None:
    for name in ("r1/a.png", "r1/b.png", "r2/z.png"):
        write(tmp_path / name, scene(1 if "r1" in name else 2, 64, 64))
    with Index.create(tmp_path / "photos.idx", tiny) as index:
        for root in ("r1", "r2"):
            index.update(ImageTable.read(tmp_path / root))
    plan = made_plan(tmp_path, group([tmp_path / "r1/a.png", tmp_path / "r1/b.png"]))
    assert apply_plan(plan, quarantine=tmp_path / "r2/away", dry_run=True).inside
    assert not apply_plan(plan, quarantine=tmp_path / "r3/away", dry_run=True).inside


def move_of(source: Path, target: Path) -> tuple[Move, tuple[int, int]]:
    seen = look_at(source)
    part = target.with_name(moving.part_name())
    move = Move(str(source), str(target), str(part), seen.hash, seen.bytes, seen.mtime_ns, seen.mode)
    return move, seen.place


@pytest.mark.parametrize("links", [True, False], ids=["link", "copy"])
def test_a_file_that_took_the_name_meanwhile_is_not_unlinked(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    source, target = album / "a.png", tmp_path / "target.png"
    move, place = move_of(source, target)
    link = os.link

    def refuse(first: Any, second: Any, **options: Any) -> None:
        if not links and not str(first).endswith(".part"):
            raise OSError(18, "another file system")
        link(first, second, **options)

    def replaced(_folder: Path) -> None:
        new = tmp_path / "new.png"
        new.write_bytes(b"edited!")  # as long, and with the time, as some editors leave it
        os.utime(new, ns=(move.mtime_ns, move.mtime_ns))
        new.replace(source)
        monkeypatch.setattr(moving, "sync_folder", lambda _folder: None)

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(moving, "sync_folder", replaced)
    with pytest.raises(Changed, match="changed while it was moved"):
        carry_out(move, place=place)
    assert source.read_bytes() == b"edited!"
    assert not target.exists()


def test_what_took_the_place_of_the_target_is_not_unlinked(
    album: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = album / "a.png", tmp_path / "target.png"
    move, place = move_of(source, target)

    def replaced(_folder: Path) -> None:
        source.write_bytes(b"changed")
        (tmp_path / "own.png").write_bytes(b"somebody's")
        (tmp_path / "own.png").replace(target)

    monkeypatch.setattr(moving, "sync_folder", replaced)
    with pytest.raises(Changed):
        carry_out(move, place=place)
    assert (source.read_bytes(), target.read_bytes()) == (b"changed", b"somebody's")


@pytest.mark.parametrize("name", ["p/c.png", "p/.lookalike-1.part", "else/.lookalike-0123456789abcdef.part"])
def test_a_journal_cannot_name_what_is_deleted(album: Path, tmp_path: Path, name: str) -> None:
    precious = tmp_path / name
    precious.parent.mkdir(exist_ok=True)
    precious.write_bytes(b"picture")
    values = {"step": "begun", "number": 1, "source": str(album / "a.png"), "target": str(album / "t.png")}
    values |= {"part": str(precious), "hash": "0" * 32, "bytes": 1, "mtime_ns": 1, "mode": 420}
    begin = {"step": "begin", "format": 1, "index": ""}
    journal = tmp_path / "plan.journal.jsonl"
    journal.write_text(f"{json.dumps(begin)}\n{json.dumps(values)}\n")
    undo_moves(journal)
    assert precious.read_bytes() == b"picture"


def test_a_half_copy_beside_the_target_goes(album: Path, tmp_path: Path) -> None:
    move, _ = move_of(album / "a.png", tmp_path / "target.png")
    Path(move.part).write_bytes(b"hal")
    assert settle(move) is False
    assert not Path(move.part).exists()


def test_a_quarantine_that_was_emptied_does_not_hold_its_plan(plan: Path) -> None:
    apply_plan(plan)
    with pytest.raises(PlanError, match=r"by which files were put away - .*saw 1 of them away"):
        check_new_plan(plan)
    shutil.rmtree(quarantine_of(plan))
    check_new_plan(plan)


@pytest.mark.parametrize(
    "line",
    [
        "5",
        '"x"',
        "null",
        "[]",
        '{"step": "folder", "path": 5}',
        '{"step": "begin", "format": true}',
    ],
    ids=["number", "text", "null", "list", "path", "format"],
)
def test_odd_lines_of_a_journal(plan: Path, line: str) -> None:
    journal_of(plan).write_text(f"{line}\n")
    with pytest.raises(PlanError, match=r"journal is damaged - .*line 1 - "):
        read_journal(journal_of(plan))


def test_names_that_are_not_utf_8(plan: Path, tmp_path: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    for dry_run in (True, False):
        with pytest.raises(PlanError, match=r"quarantine cannot be made - .*not UTF-8.*--quarantine"):
            apply_plan(plan, quarantine=odd, dry_run=dry_run)
    with pytest.raises(PlanError, match=r"plan cannot name this index - .*not UTF-8.*move the index"):
        check_index(odd / "a.idx")
    with pytest.raises(PlanError, match=r"plan cannot name this index"):
        write_plan(plan_of(duplicates(), index=odd / "a.idx", created=""), tmp_path / "new.json")


def test_a_dry_run_refuses_what_the_run_would(plan: Path, album: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    places = [tmp_path / "file", tmp_path / "file/below", album]
    for place in [*places, *([Path("/proc/away")] if Path("/proc/self").exists() else [])]:
        said = []
        for dry_run in (True, False):
            with pytest.raises(PlanError, match="quarantine cannot be made") as caught:
                apply_plan(plan, quarantine=place, dry_run=dry_run)
            said.append(str(caught.value))
        assert said[0] == said[1]


@pytest.mark.parametrize("name", ["plan", ".json", "plan.JSON", "plan.txt"])
@pytest.mark.parametrize("call", [journal_of, quarantine_of, check_new_plan, undo_moves])
def test_two_plans_never_share_a_journal(tmp_path: Path, name: str, call: Callable[[Path], object]) -> None:
    with pytest.raises(PlanError, match=r"no name of a plan - .*ends in \.json.*name it .+\.json"):
        call(tmp_path / name)


def test_a_plan_is_written_over_a_plan_only(plan: Path, tmp_path: Path) -> None:
    check_new_plan(plan)
    (tmp_path / "empty.json").touch()
    check_new_plan(tmp_path / "empty.json")
    (tmp_path / "own.json").write_text("{}")
    with pytest.raises(LookalikeError, match=r"not a plan - .*own.json - saw .*name another"):
        check_new_plan(tmp_path / "own.json")
