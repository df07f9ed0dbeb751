"""A plan: what it says, what it leaves alone, and what of a changed one is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lookalike.duplicates.plans import (
    evidence_of,
    plan_of,
    read_plan,
    reason_of,
    target_of,
    why_it_stays,
    write_plan,
)
from lookalike.errors import PlanError
from some_duplicates import duplicates, group, made_plan, member

Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    root = tmp_path / "p"
    (root / "sub").mkdir(parents=True)
    for name in ("a.png", "b.png", "sub/c.png"):
        (root / name).write_bytes(name.encode())
    return [root / name for name in ("a.png", "b.png", "sub/c.png")]


def test_a_plan_is_read_as_it_was_written(files: list[Path], tmp_path: Path) -> None:
    plan = plan_of(duplicates(group(files)), index=tmp_path / "i.idx", created="now", roots=(str(tmp_path),))
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert (plan.moves, plan.bytes) == (2, len("b.png") + len("sub/c.png"))
    assert plan.folder == str(tmp_path)
    assert target_of(plan, plan.groups[0].members[1], Path("/q")) == Path("/q/p/sub/c.png")
    text = (tmp_path / "plan.json").read_text()
    assert text.index("a.png") < text.index("b.png") < text.index("sub/c.png")


def test_without_roots_the_folder_is_the_deepest_that_holds_all(files: list[Path], tmp_path: Path) -> None:
    found = duplicates(group(files))
    assert plan_of(found, index=tmp_path, created="").folder == str(tmp_path / "p")
    one = duplicates(group([files[0], files[2]]))
    assert plan_of(one, index=tmp_path, created="").folder == str(tmp_path / "p/sub")
    assert plan_of(one, index=tmp_path, created="", roots=("/else", "/")).folder == "/"
    assert plan_of(duplicates(), index=tmp_path, created="").groups == ()


def test_what_is_settled_or_of_the_library_stays(files: list[Path], tmp_path: Path) -> None:
    found = group(files, settled=(1,))
    plan = plan_of(duplicates(found), index=tmp_path, created="")
    assert [entry.action for entry in plan.groups[0].members] == ["keep", "move"]
    assert plan.groups[0].members[0].reason == "Somebody decided to keep both."
    library = replace(found, members=(*found.members[:2], replace(found.members[2], library=True)))
    assert plan_of(duplicates(library), index=tmp_path, created="").groups == ()
    assert why_it_stays(library, 2) == "It belongs to the library."
    assert why_it_stays(library, 0) == library.keeper_reason
    boxed = replace(
        found, members=(found.members[0], *found.members[1:2], member(files[2], 3, box="0,0,1,1"))
    )
    assert why_it_stays(boxed, 2).startswith("It is a part of a picture")


def test_reasons_are_those_of_the_evidence_wherever_the_representative_stands(files: list[Path]) -> None:
    found = group(files)
    assert [evidence_of(found, place) for place in range(3)] == [None, *found.evidence]
    other = replace(found, representative=1, evidence=found.evidence)
    assert [evidence_of(other, place) for place in range(3)] == [found.evidence[0], None, found.evidence[1]]
    assert reason_of(found, 2) == found.evidence[1].why
    assert reason_of(other, 1) == found.evidence[0].why  # what joins the keeper to it
    assert reason_of(found, 0) == found.keeper_reason


def first(values: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = values["groups"][0]["members"][0]
    return entry


@pytest.mark.parametrize(
    ("change", "beats"),
    [
        (lambda v: v.update(format=2), r"another format version - .*saw format 2, wanted format 1 - update"),
        (lambda v: v.pop("format"), r"plan cannot be read - .*saw a file of another kind"),
        (lambda v: v.update(groups={}), r": groups - saw {}, wanted a list"),
        (lambda v: v.update(groups=[3]), r": groups\[0\] - saw 3, wanted an object"),
        (lambda v: v.update(folder="p"), r": folder - saw 'p', wanted an absolute path"),
        (lambda v: v.update(index=3), r": index - saw 3, wanted a text"),
        (lambda v: v["groups"][0].pop("keeper"), r"groups\[0\].keeper - saw None, wanted an object"),
        (lambda v: v["groups"][0]["keeper"].update(action="move"), r"keeper.action - saw move, wanted keep"),
        (
            lambda v: first(v).update(action="delete"),
            r"members\[0\].action - saw 'delete', wanted keep or move",
        ),
        (lambda v: first(v).update(hash="ABC"), r"members\[0\].hash - saw 'ABC', wanted 32 hexadecimal"),
        (lambda v: first(v).update(hash=""), r"members\[0\].hash - saw '', wanted 32 hexadecimal"),
        (lambda v: first(v).update(bytes=-1), r"members\[0\].bytes - saw -1, wanted a count"),
        (lambda v: first(v).update(path="/x\0y"), r"members\[0\].path - saw .*, wanted an absolute path"),
        (lambda v: first(v).update(path="/x\udc80"), r"members\[0\].path - saw .*, wanted an absolute path"),
        (
            lambda v: first(v).update(path="/etc/passwd"),
            r"members\[0\].path - saw /etc/passwd, wanted a file",
        ),
        (lambda v: first(v).update(path=v["folder"] + "/../x"), r"members\[0\].path - saw .*, wanted a file"),
    ],
)
def test_a_plan_that_was_changed_for_the_worse(
    files: list[Path], tmp_path: Path, change: Change, beats: str
) -> None:
    path = made_plan(tmp_path, group(files))
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(PlanError, match=beats):
        read_plan(path)


@pytest.mark.parametrize("content", [b"", b"[", b"[]", b"\xff", b"[" * 100_000], ids=len)
def test_what_is_no_plan(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "plan.json").write_bytes(content)
    with pytest.raises(PlanError, match=r"plan cannot be read - .*INDEX --plan wrote"):
        read_plan(tmp_path / "plan.json")
