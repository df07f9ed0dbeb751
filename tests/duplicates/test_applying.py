"""Files go to quarantine only beside an unchanged keeper, and come back as they were."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lookalike.duplicates import applying, moving
from lookalike.duplicates.applying import Applied, apply_plan
from lookalike.duplicates.journal import journal_of, open_journal
from lookalike.duplicates.plans import plan_of
from lookalike.duplicates.quarantine import quarantine_of
from lookalike.duplicates.undoing import undo_moves
from lookalike.errors import PlanError, StoreError
from lookalike.indexing.database import writer_lock
from lookalike.pictures.finding import MARKER
from some_duplicates import duplicates, group, made_plan, member, tree

MTIME = 1_500_000_000_123_456_789


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is synced outlives a loss of power, which no test here is about; a busy disk takes its time."""
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two groups of two in folders of their own, one file name twice."""
    root = tmp_path / "pictures"
    for name in ("a/one.png", "a/b/one.png", "c/two.png", "c/three.png"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(name.encode())
        os.utime(file, ns=(MTIME, MTIME))
        file.chmod(0o640)
    return root


@pytest.fixture
def plan(pictures: Path, tmp_path: Path) -> Path:
    one = group([pictures / "a/one.png", pictures / "a/b/one.png"])
    return made_plan(tmp_path, one, group([pictures / "c/two.png", pictures / "c/three.png"], first=11))


def reasons(applied: Applied) -> list[str]:
    return [entry.reason for entry in applied.stayed]


def no_links(monkeypatch: pytest.MonkeyPatch, code: int = errno.EXDEV, *, parts: bool = True) -> None:
    """Make the quarantine lie on another file system, which may have no hard links at all."""
    link = os.link

    def refuse(source: Any, target: Any, **options: Any) -> None:
        if not parts or not str(source).endswith(".part"):
            raise OSError(code, os.strerror(code))
        link(source, target, **options)

    monkeypatch.setattr(os, "link", refuse)


def test_what_goes_keeps_its_path_and_what_stays_is_not_touched(
    plan: Path, pictures: Path, tmp_path: Path
) -> None:
    before = tree(pictures)
    done = apply_plan(plan)
    assert (len(done.moved), done.stayed, done.before, done.inside) == (2, (), 0, False)
    assert done.bytes == sum(len(before[name][0]) for name in ("a/b/one.png", "c/three.png"))
    assert tree(pictures) == {name: before[name] for name in ("a/one.png", "c/two.png")}
    assert tree(tmp_path / "plan-quarantine") == {
        name: before[name] for name in ("a/b/one.png", "c/three.png")
    }
    again = apply_plan(plan)
    assert (again.moved, again.stayed, again.before) == ((), (), 2)
    back = undo_moves(plan)
    assert (len(back.restored), back.stayed) == (2, ())
    assert tree(pictures) == before
    assert not (tmp_path / "plan-quarantine").exists()
    assert undo_moves(plan).restored == ()


@pytest.mark.parametrize(("code", "parts"), [(errno.EXDEV, True), (errno.EPERM, False)])
def test_across_file_systems_a_verified_copy_takes_the_place(
    plan: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, parts: bool
) -> None:
    before = tree(pictures)
    no_links(monkeypatch, code, parts=parts)
    assert len(apply_plan(plan).moved) == 2
    assert len(tree(pictures)) == 2
    assert tree(quarantine_of(plan)) == {name: before[name] for name in ("a/b/one.png", "c/three.png")}
    assert len(undo_moves(plan).restored) == 2
    assert tree(pictures) == before


def test_onto_another_file_system_of_this_machine(plan: Path, pictures: Path) -> None:
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == pictures.stat().st_dev:
        pytest.skip("no second file system to write to")
    before = tree(pictures)
    with tempfile.TemporaryDirectory(dir=memory) as place:
        assert len(apply_plan(plan, quarantine=Path(place) / "away").moved) == 2
        assert len(tree(Path(place))) == 2
        assert len(undo_moves(plan).restored) == 2
    assert tree(pictures) == before


def test_a_dry_run_says_the_same_and_changes_nothing(plan: Path, pictures: Path, tmp_path: Path) -> None:
    (pictures / "c/three.png").write_bytes(b"other")
    before = tree(tmp_path)
    said = apply_plan(plan, dry_run=True)
    assert tree(tmp_path) == before
    done = apply_plan(plan)
    assert (said.moved, said.stayed) == (done.moved, done.stayed)
    moved = tree(tmp_path)
    said_back = undo_moves(plan, dry_run=True)
    assert tree(tmp_path) == moved
    assert undo_moves(plan).restored == said_back.restored


def change(path: Path) -> None:
    path.write_bytes(b"another picture")


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lambda root: pipe(root / "a/b/one.png"), "it is no file"),
        (lambda root: change(root / "a/b/one.png"), "it was changed since the plan was made"),
        (lambda root: (root / "a/b/one.png").unlink(), "it is gone"),
        (lambda root: change(root / "a/one.png"), "one.png, which would be kept: it was changed since"),
        (lambda root: (root / "a/one.png").unlink(), "one.png, which would be kept: it is gone"),
    ],
    ids=["pipe", "changed", "gone", "keeper changed", "keeper gone"],
)
def test_what_is_not_as_planned_stays_and_the_rest_goes_on(
    plan: Path, pictures: Path, happens: Callable[[Path], None], reason: str
) -> None:
    happens(pictures)
    before = tree(pictures)
    done = apply_plan(plan)
    assert [entry.path for entry in done.stayed] == [str(pictures / "a/b/one.png")]
    assert reason in done.stayed[0].reason
    assert tree(pictures) == {name: fact for name, fact in before.items() if name != "c/three.png"}


def test_names_of_one_file_are_not_two_copies(tmp_path: Path) -> None:
    root = tmp_path / "p"
    (root / "real").mkdir(parents=True)
    (root / "keeper.png").write_bytes(b"picture")
    (root / "hard.png").hardlink_to(root / "keeper.png")
    (root / "soft.png").symlink_to(root / "keeper.png")
    (root / "real/copy.png").write_bytes(b"picture")
    (root / "linked").symlink_to(root / "real")
    names = ("keeper.png", "hard.png", "soft.png", "real/copy.png", "linked/copy.png")
    before = tree(root)
    done = apply_plan(made_plan(tmp_path, group([root / name for name in names])))
    assert reasons(done) == [
        f"it is one file with {root}/keeper.png, which stays",
        "it is a symbolic link, not a file of its own",
        f"it is one file with {root}/real/copy.png, which was put away",
    ]
    assert [entry.path for entry in done.moved] == [str(root / "real/copy.png")]
    undo_moves(tmp_path / "plan.json")
    assert tree(root) == before


def test_a_keeper_is_never_moved_by_another_group_nor_what_a_keeper_links_to(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    for name in "abc":
        (root / f"{name}.png").write_bytes(name.encode())
    (root / "link.png").symlink_to(root / "c.png")
    a, b, c, link = (root / f"{name}.png" for name in ("a", "b", "c", "link"))
    plan = made_plan(tmp_path, group([a, b]), group([c, a], first=5), group([link, c], first=9))
    done = apply_plan(plan)
    assert [entry.path for entry in done.moved] == [str(b)]
    assert reasons(done) == [
        f"it is one file with {a}, which stays",
        f"it is one file with {link}, which stays",
    ]


def test_two_hard_links_to_one_file_both_go_and_both_come_back(tmp_path: Path) -> None:
    root = tmp_path / "p"
    root.mkdir()
    for name in ("keeper", "copy"):
        (root / f"{name}.png").write_bytes(b"picture")
    (root / "again.png").hardlink_to(root / "copy.png")
    before = tree(root)
    plan = made_plan(tmp_path, group([root / f"{name}.png" for name in ("keeper", "copy", "again")]))
    assert len(apply_plan(plan).moved) == 2
    undo_moves(plan)
    assert tree(root) == before
    assert (root / "again.png").samefile(root / "copy.png")


def test_nothing_is_overwritten_in_quarantine(plan: Path, pictures: Path, tmp_path: Path) -> None:
    there = tmp_path / "away/a/b/one.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"somebody's")
    (tmp_path / "away" / MARKER).touch()  # of another plan
    before = tree(pictures)
    done = apply_plan(plan, quarantine=tmp_path / "away")
    assert done.moved[0].target == str(there.with_name("one (2).png"))
    assert there.read_bytes() == b"somebody's"
    undo_moves(journal_of(plan))
    assert (tree(pictures), there.read_bytes()) == (before, b"somebody's")


def test_what_came_to_lie_there_since_is_not_overwritten(plan: Path, pictures: Path) -> None:
    apply_plan(plan)
    (pictures / "c/three.png").write_bytes(b"new")
    back = undo_moves(plan)
    assert [entry.reason for entry in back.stayed] == [f"something lies at {pictures / 'c/three.png'}"]
    assert (pictures / "c/three.png").read_bytes() == b"new"
    assert len(tree(quarantine_of(plan))) == 1
    (pictures / "c/three.png").unlink()
    assert len(undo_moves(plan).restored) == 1
    assert not quarantine_of(plan).exists()


def test_what_was_done_in_quarantine_is_noticed(plan: Path, pictures: Path) -> None:
    before = tree(pictures)
    apply_plan(plan)
    away = quarantine_of(plan)
    os.utime(away / "a/b/one.png")
    (away / "a/b/one.png").chmod(0o600)
    (away / "c/three.png").write_bytes(b"painted over")
    back = undo_moves(plan)
    assert [entry.reason for entry in back.stayed] == ["it was changed in quarantine"]
    assert tree(pictures) == {name: fact for name, fact in before.items() if name != "c/three.png"}
    (away / "c/three.png").unlink()
    assert [entry.reason for entry in undo_moves(plan).stayed] == ["it is not there any more"]


def test_a_folder_that_went_meanwhile_comes_back(plan: Path, pictures: Path) -> None:
    before = tree(pictures)
    apply_plan(plan)
    (pictures / "a/b").rmdir()
    undo_moves(plan)
    assert tree(pictures) == before


def failing(monkeypatch: pytest.MonkeyPatch, name: str, code: int, *, of: str) -> None:
    """Let a system call fail for files of a name."""
    call = getattr(os, name)

    def fail(path: Any, *rest: Any, **options: Any) -> Any:
        if of in str(path):
            raise OSError(code, os.strerror(code))
        return call(path, *rest, **options)

    monkeypatch.setattr(os, name, fail)


def test_a_read_only_folder_keeps_its_file(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pictures)
    failing(monkeypatch, "unlink", errno.EACCES, of="pictures/a/b/one.png")
    done = apply_plan(plan)
    assert reasons(done) == ["Permission denied"]
    assert tree(pictures) == {name: fact for name, fact in before.items() if name != "c/three.png"}
    assert len(tree(quarantine_of(plan))) == 1
    monkeypatch.undo()
    undo_moves(plan)
    assert tree(pictures) == before


def test_a_full_disk_keeps_the_file_and_leaves_no_half_copy(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pictures)
    no_links(monkeypatch)
    copy = shutil.copyfileobj

    def full(source: Any, target: Any, length: int) -> None:
        target.write(b"half")
        if "three" in source.name:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        target.seek(0)
        copy(source, target, length)

    monkeypatch.setattr(shutil, "copyfileobj", full)
    assert reasons(apply_plan(plan)) == ["No space left on device"]
    assert tree(pictures) == {name: fact for name, fact in before.items() if name != "a/b/one.png"}
    assert list(tree(quarantine_of(plan))) == ["a/b/one.png"]


def test_a_copy_that_is_not_what_was_read_is_thrown_away(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pictures)
    no_links(monkeypatch)
    monkeypatch.setattr(shutil, "copyfileobj", lambda source, target, length: target.write(b"rot"))
    assert set(reasons(apply_plan(plan))) == {"its copy is not what it was itself when it was looked at"}
    assert (tree(pictures), tree(quarantine_of(plan))) == (before, {})


def test_a_file_that_is_written_to_meanwhile_stays(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = moving.sync_folder

    def write(folder: Path) -> None:
        sync(folder)
        (pictures / "a/b/one.png").write_bytes(b"new!")

    monkeypatch.setattr(moving, "sync_folder", write)
    assert reasons(apply_plan(plan)) == ["it changed while it was moved"]
    assert (pictures / "a/b/one.png").read_bytes() == b"new!"


def test_a_keeper_that_changes_between_two_of_its_group_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "p"
    root.mkdir()
    for name in "abc":
        (root / name).write_bytes(b"picture")
    plan = made_plan(tmp_path, group([root / name for name in "abc"]))
    sync = moving.sync_folder

    def write(folder: Path) -> None:
        sync(folder)
        (root / "a").write_bytes(b"new")

    monkeypatch.setattr(moving, "sync_folder", write)
    done = apply_plan(plan)
    assert len(done.moved) == 1
    assert reasons(done) == [f"{root / 'a'}, which would be kept: it was changed since the plan was made"]


def test_a_keeper_that_changes_while_a_file_is_read_ends_it(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pictures)

    def look(path: Path, *, links: bool = False) -> moving.Seen:
        seen = moving.look_at(path, links=links)
        if path == pictures / "a/b/one.png":
            change(pictures / "a/one.png")
        return seen

    monkeypatch.setattr(applying, "look_at", look)
    assert reasons(apply_plan(plan)) == [
        f"{pictures / 'a/one.png'}, which would be kept, was changed meanwhile"
    ]
    assert tree(pictures)["a/b/one.png"] == before["a/b/one.png"]


def test_a_plan_that_a_person_changed_is_obeyed(plan: Path, pictures: Path) -> None:
    values = json.loads(plan.read_text())
    values["groups"][0]["members"][0]["action"] = "keep"
    plan.write_text(json.dumps(values))
    assert [entry.path for entry in apply_plan(plan).moved] == [str(pictures / "c/three.png")]


def test_pictures_with_a_box_share_their_file_and_stay(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_bytes(b"picture")
    whole, part = member(tmp_path / "a", 1), member(tmp_path / "b", 2, box="0,0,9,9")
    found = group([tmp_path / "a", tmp_path / "b"])
    for members in ((whole, part), (part, whole)):
        planned = plan_of(duplicates(replace(found, members=members)), index=tmp_path / "i", created="")
        assert planned.groups == ()


def test_quarantines_that_cannot_be(plan: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for place in (tmp_path / "file", tmp_path / "file/below", pictures):
        with pytest.raises(PlanError, match=r"quarantine cannot be made - .*--quarantine FOLDER"):
            apply_plan(plan, quarantine=place)
    assert len(tree(pictures)) == 4
    assert apply_plan(plan, quarantine=pictures / "away").inside


def test_one_call_at_a_time(plan: Path, tmp_path: Path) -> None:
    (tmp_path / "photos.idx").write_bytes(b"")
    for call in (apply_plan, undo_moves):
        with writer_lock(tmp_path / "photos.idx"), pytest.raises(StoreError, match="writing to the index"):
            call(plan)
        if call is apply_plan:
            apply_plan(plan)
    for call in (apply_plan, undo_moves):
        with (
            open_journal(journal_of(plan)),
            pytest.raises(PlanError, match=r"another process moves these files - .* held - wait"),
        ):
            call(plan)


def test_a_journal_that_cannot_be_written_stops_the_work(
    plan: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = tree(pictures)
    steps = 0

    def full(descriptor: int) -> None:
        nonlocal steps
        steps += 1
        if steps > 12:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PlanError, match=r"journal cannot be written - .*No space left.*same command again"):
        apply_plan(plan)
    monkeypatch.undo()
    assert apply_plan(plan).stayed == ()
    undo_moves(plan)
    assert tree(pictures) == before


def test_nothing_to_undo_and_damaged_journals(plan: Path) -> None:
    with pytest.raises(PlanError, match=r"nothing to undo - .*no plan.journal.jsonl beside it"):
        undo_moves(plan)
    with open_journal(journal_of(plan)):
        pass
    with pytest.raises(PlanError, match=r"nothing to undo - .*no move in plan.journal.jsonl"):
        undo_moves(plan)
    journal_of(plan).write_text('{"step": "begin", "format": 2, "index": ""}\n')
    with pytest.raises(PlanError, match=r"journal is damaged - .*line 1 - saw format 2.*update lookalike"):
        undo_moves(plan)
    journal_of(plan).write_text('{"step": "begin", "format": 1, "index": ""}\n{"step": "moved"}\n')
    with pytest.raises(PlanError, match=r"journal is damaged - .*line 2 - .*restore the journal"):
        apply_plan(plan)


SMALL = st.binary(max_size=3)
NAMES = st.text(st.sampled_from("ab é'\"$*"), min_size=1, max_size=3).filter(str.strip)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.tuples(NAMES, NAMES, SMALL), min_size=1, max_size=4), min_size=1, max_size=3),
    st.booleans(),
)
def test_plan_apply_undo_restores_every_byte(drawn: list[list[tuple[str, str, bytes]]], copy: bool) -> None:
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        root = Path(place) / "p"
        groups: list[list[Path]] = []
        taken: set[Path] = set()
        for number, files in enumerate(drawn):
            groups.append([])
            for folder, name, content in files:
                path = root / folder / f"{name}.png"
                if path in taken:
                    continue
                taken.add(path)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                os.utime(path, ns=(MTIME + number, MTIME + len(taken)))
                path.chmod(0o400 + len(taken) % 8)
                groups[-1].append(path)
        assume(any(len(paths) > 1 for paths in groups))
        if copy:
            no_links(patch)
        plan = made_plan(Path(place), *(group(paths) for paths in groups if paths))
        before = tree(root)
        done = apply_plan(plan)
        assert done.stayed == ()
        assert {**tree(root), **tree(quarantine_of(plan))} == before
        assert {str(paths[0].relative_to(root)) for paths in groups if paths} == set(tree(root))
        assert undo_moves(plan).stayed == ()
        assert tree(root) == before
        assert not quarantine_of(plan).exists()
