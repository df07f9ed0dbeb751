"""The commands duplicates, apply and undo, run in this process on pictures that are made here."""

from __future__ import annotations

import json
import os
import shutil
import webbrowser
from pathlib import Path

import pytest
from PIL import Image

from commands import Run, fails
from scenes import halved, scene, write
from some_duplicates import tree


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """Twelve scenes; of the first a copy, of the second half its size, and one picture of one colour."""
    root = tmp_path / "album"
    for number in range(12):
        write(root / f"{number}.png", scene(number, 128, 128))
    shutil.copy(root / "0.png", root / "0 copy.png")
    os.utime(root / "0.png", ns=(10**18, 10**18))
    write(root / "sub/1 small.png", halved(scene(1, 128, 128)))
    write(root / "blank.png", Image.new("RGB", (64, 64), "white"))
    return root


@pytest.fixture
def index(album: Path, tiny_folder: Path, tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "a.idx"
    assert run("index", path, album, "--model", tiny_folder)[0] == 0
    return path


def test_the_way_from_finding_to_apply_and_back(run: Run, index: Path, album: Path, tmp_path: Path) -> None:
    before = tree(album)
    plan = tmp_path / "plan.json"
    code, out, err = run("duplicates", index, "--plan", plan)
    lines = out.splitlines()
    assert (code, lines[0]) == (0, f"{index}: 2 groups of duplicates among 14 pictures: 2 files could go, "
                                   f"{_sum(album)} in all.")  # fmt: skip
    assert f"   keep  {album}/0.png" in lines
    assert f"   move  {album}/0 copy.png" in lines
    assert f"   move  {album}/sub/1 small.png" in lines
    assert f"  {album}/blank.png" in lines[lines.index("1 picture of one colour, in no group:") :]
    assert f"lookalike apply {plan}" in err
    assert "2 files would be moved" in run("apply", plan, "--dry-run")[1]
    assert tree(album) == before
    code, out, _ = run("apply", plan)
    assert (code, f"back: lookalike undo {plan}" in out) == (0, True)
    assert f"then: lookalike index {index} --prune" in out
    assert len(tree(album)) == len(before) - 2
    assert "0 files moved" in run("apply", plan)[1]
    fails(run("duplicates", index, "--plan", plan), "by which files were put away", f"lookalike undo {plan}")
    (album / "sub").rmdir()  # an empty folder may be a disk that is not mounted: what was in it is kept
    assert run("index", index, "--prune")[0] == 0
    code, out, _ = run("duplicates", index)
    assert (code, "No duplicates among 12 pictures." in out) == (1, True)
    assert "2 files would be back" in run("undo", plan, "--dry-run")[1]
    code, out, _ = run("undo", plan)
    assert (code, "2 files brought back" in out) == (0, True)
    assert tree(album) == before
    assert run("duplicates", index, "--plan", plan)[0] == 1  # the index does not know them any more


def _sum(album: Path) -> str:
    from lookalike.presenting.duplicates_wording import in_bytes

    return in_bytes(sum((album / name).stat().st_size for name in ("0 copy.png", "sub/1 small.png")))


def test_what_stays_is_told_and_is_exit_code_1(run: Run, index: Path, album: Path, tmp_path: Path) -> None:
    run("duplicates", index, "--plan", tmp_path / "plan.json")
    write(album / "0 copy.png", scene(50))
    code, out, err = run("apply", tmp_path / "plan.json", "--quarantine", album / "away")
    assert (code, "1 file moved" in out) == (1, True)
    assert f"{album}/0 copy.png: it was changed since the plan was made" in err
    assert "lies among the pictures" in err
    write(album / "sub/1 small.png", scene(51))
    code, out, err = run("undo", tmp_path / "plan.json", "--json")
    assert (code, json.loads(out)["restored"]) == (1, [])
    assert f"something lies at {album}/sub/1 small.png" in err
    code, out, _ = run("apply", tmp_path / "plan.json", "--json")
    assert (code, json.loads(out)["moved"]) == (1, [])


def test_json_says_everything(run: Run, index: Path, album: Path) -> None:
    code, out, _ = run("duplicates", index, "--json")
    found = json.loads(out)
    assert (code, found["compared"], found["complete"]) == (0, 14, True)
    assert [Path(entry["path"]).name for entry in found["blank"]] == ["blank.png"]
    assert {total["band"]: total["removable"] for total in found["totals"]}["all"] == 2
    exact = next(group for group in found["groups"] if group["band"] == "exact")
    assert exact["keeper"] == str(album / "0.png")
    actions = {Path(member["path"]).name: member["action"] for member in exact["members"]}
    assert actions == {"0.png": "keep", "0 copy.png": "move"}
    assert all(member["reason"] for member in exact["members"])
    groups = [json.loads(line) for line in run("duplicates", index, "--jsonl")[1].splitlines()]
    assert groups == found["groups"]
    fails(run("duplicates", index, "--json", "--jsonl"), "saw --json and --jsonl", "leave --jsonl out")


def test_names_are_no_orders_to_the_terminal(
    run: Run, album: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    evil, path = "0\x1b[2J\nmove.png", tmp_path / "a.idx"
    (album / "0.png").rename(album / evil)
    write(album / "empty\x07.png", b"")
    code, _, err = run("index", path, album, "--model", tiny_folder, "--skipped", tmp_path / "s.jsonl")
    assert (code, "\x1b" in err) == (0, False)
    found = json.loads(run("duplicates", path, "--json")[1])
    assert str(album / evil) in {member["path"] for group in found["groups"] for member in group["members"]}
    (album / evil).write_bytes(b"no picture any more")
    for command in (
        ("duplicates", path),
        ("search", path, album / "0 copy.png", "--copies"),
        ("decide", path, album / evil, album / "1.png", "--same"),
        ("decisions", path),
        ("doctor", path),
        ("doctor", album, "--model", tiny_folder),
        ("apply", album / evil / "plan.json"),
    ):
        _, out, err = run(*command)
        assert not set(out + err) & {"\x1b", "\x07"}
        assert command[0] == "doctor" or f"{album}/0\\x1b[2J" in out + err
        assert "\nmove" not in out + err


def test_bands_rules_and_selections_change_the_answer(run: Run, index: Path, album: Path) -> None:
    exact = json.loads(run("duplicates", index, "--json", "--band", "exact")[1])["groups"]
    assert [group["band"] for group in exact] == ["exact"]
    newest = json.loads(run("duplicates", index, "--json", "--band", "exact", "--keep", "newest")[1])[
        "groups"
    ]
    assert {exact[0]["keeper"], newest[0]["keeper"]} == {str(album / "0.png"), str(album / "0 copy.png")}
    assert run("duplicates", index, "--in", album / "sub")[0] == 1
    only = json.loads(
        run("duplicates", index, "--json", "--where", "path = '1.png' or path = 'sub/1 small.png'")[1]
    )
    assert (only["compared"], len(only["groups"])) == (2, 1)
    against = json.loads(run("duplicates", index, "--json", "--against", album / "sub")[1])
    assert [group["keeper"] for group in against["groups"]] == [str(album / "sub/1 small.png")]
    fails(
        run("duplicates", index, "--band", "same pixels"),
        "there is no such band",
        "did you mean same-pixels?",
    )
    fails(run("duplicates", index, "--band", "x"), "name one of them, or leave it out")
    fails(run("duplicates", index, "--keep", "nicest"), "nicest")


def test_limits_of_the_same_thing(run: Run, index: Path) -> None:
    fails(run("duplicates", index, "--similarity", 0.9), "this limit is for", "add --band same-thing")
    fails(run("duplicates", index, "--threshold", "x"), "this limit is for", "--threshold - saw x")
    same = ("--band", "same-thing")
    fails(run("duplicates", index, *same, "--similarity", 0.9, "--threshold", "x"), "has its similarity")
    fails(run("duplicates", index, *same, "--threshold", "x"), "no match threshold of that name")
    assert run("duplicates", index, *same, "--similarity", 0.99)[0] == 0
    fails(run("duplicates", index, *same), "cannot be told", "no calibration", "lookalike calibrate", " DATA")
    assert "is not offered" in run("duplicates", index, *same, "--band", "exact")[2]


def test_another_index_as_the_library(
    run: Run, index: Path, album: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    write(new / "again.png", (album / "5.png").read_bytes())
    write(new / "other.png", scene(70, 128, 128))
    assert run("index", tmp_path / "new.idx", new, "--model", tiny_folder)[0] == 0
    plan = tmp_path / "plan.json"
    code, out, _ = run("duplicates", tmp_path / "new.idx", "--against", index, "--plan", plan)
    assert (code, f"   move  {new}/again.png" in out, f"   keep  {album}/5.png" in out) == (0, True, True)
    assert run("apply", plan)[0] == 0
    assert sorted(tree(new)) == ["other.png"]


def test_decisions_are_respected(run: Run, index: Path, album: Path) -> None:
    for name, verdict in (("1.png", "--different"), ("0.png", "--keep-both")):
        other = {"1.png": "sub/1 small.png", "0.png": "0 copy.png"}[name]
        assert run("decide", index, album / name, album / other, verdict)[0] == 0
    code, out, err = run("duplicates", index)
    assert (code, "No duplicates" in out, "decided that nothing is to go" in err) == (1, True, True)


def test_a_page_of_the_groups(run: Run, index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    page = tmp_path / "page.html"
    assert run("duplicates", index, "--html", page, "--open")[0] == 0
    assert opened == [page.as_uri()]
    assert "0 copy.png" in page.read_text()
    assert run("duplicates", index, "--open")[0] == 0
    assert opened[1].endswith(".html")
    Path(opened[1].removeprefix("file://")).unlink()
    fails(run("duplicates", index, "--html", tmp_path / "no/page.html"), "cannot be written")
    fails(run("duplicates", index, "--plan", tmp_path / "no/plan.json"), "cannot be written")


@pytest.mark.parametrize("option", ["--plan", "--html"])
def test_nothing_but_its_like_is_written_over(run: Run, index: Path, tmp_path: Path, option: str) -> None:
    own, ours = tmp_path / "own.json", tmp_path / "ours.json"
    own.write_bytes(b"a picture of mine")
    fails(run("duplicates", index, option, own), "a file lies here that is not a p", str(own), "name another")
    assert own.read_bytes() == b"a picture of mine"
    for _ in range(2):
        assert run("duplicates", index, option, ours)[0] == 0


@pytest.mark.parametrize(
    ("option", "name"), [("--export", "d.csv"), ("--export", "d.json"), ("--manifest", "m.csv")]
)
def test_decisions_are_written_over_decisions_only(
    run: Run, index: Path, album: Path, tmp_path: Path, option: str, name: str
) -> None:
    assert run("decide", index, album / "0.png", album / "1.png", "--same")[0] == 0
    for _ in range(2):
        assert run("decisions", index, option, tmp_path / name)[0] == 0
    for text in ("image,label\na.png,cat\n", "[3]"):
        (tmp_path / name).write_text(text)
        fails(
            run("decisions", index, option, tmp_path / name), "a file lies here that is not a", "name another"
        )
        assert (tmp_path / name).read_text() == text


def test_an_index_that_no_plan_can_name(run: Run, index: Path, tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/\xff")
    os.mkdir(folder)  # noqa: PTH102
    moved = shutil.copy(index, folder)
    fails(
        run("duplicates", moved, "--plan", tmp_path / "p.json"), "a plan cannot name this index", "not UTF-8"
    )


def test_plans_that_are_not_there(run: Run, tmp_path: Path) -> None:
    fails(run("apply", tmp_path / "plan.json"), "the plan cannot be read", "No such file")
    fails(run("undo", tmp_path / "plan.json"), "there is nothing to undo")


def test_names_of_plans_are_no_orders_to_the_terminal(run: Run, index: Path, tmp_path: Path) -> None:
    plan = tmp_path / "a\x1b[2Jb" / "plan.json"
    plan.parent.mkdir()
    told = run("duplicates", index, "--plan", plan)[2]
    told += run("apply", plan)[1]
    told += run("undo", plan)[1]
    assert "\x1b" not in told
    assert "a\\x1b[2Jb/plan-quarantine" in told
    assert "then: lookalike index" in told
