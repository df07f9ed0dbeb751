"""describe and doctor as commands, run in this process."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import polars as pl
import pytest

from commands import Run
from scenes import scene, tidy, untidy, write


@pytest.fixture
def run(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return run


def test_every_suggested_command_mends_what_it_is_given_for(
    run: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    mess = untidy(tmp_path / "it's a mess")
    code, out, err = run("doctor", mess, "--model", tiny_folder, "--json")
    assert (code, "Opening and embedding" in err) == (1, True)
    found = json.loads(out)
    assert found["verdict"] == "mend"
    commands = {entry["command"] for entry in found["findings"]} - {""}
    assert commands
    for command in commands:
        assert run(*shlex.split(command)[1:])[0] == 1  # this set is as it was
    code, out, _ = run("doctor", "clean.csv", "--model", tiny_folder)
    assert (code, "MEND" in out, "0 to mend" in out) == (0, False, True)
    assert len(pl.read_csv("clean.left_out.csv")) == len(found["left_out"])


def test_commands_repeat_what_was_asked_for(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    root = tidy(tmp_path / "set", classes=2, images=2)
    write(root / "thing 0" / "again.png", scene(0))
    out = run("doctor", root, "--model", tiny_folder, "--similarity", "0.9")[1]
    assert f"lookalike doctor {root} --model {tiny_folder} --similarity 0.9 --manifest clean.csv" in out


def test_a_manifest_is_not_suggested_in_its_own_place(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "a" / "again.png", scene(0))
    for number in range(3):
        write(tmp_path / "a" / f"{number}.png", scene(number))
    rows = "".join(f"a/{name}.png,a\n" for name in (0, 1, 2, "again"))
    (tmp_path / "clean.csv").write_text(f"image,label\n{rows}")
    command = json_commands(run("doctor", "clean.csv", "--model", tiny_folder, "--json")[1]).pop()
    assert command.endswith("--manifest clean2.csv")
    assert run(*shlex.split(command)[1:])[0] == 1
    assert len(pl.read_csv("clean2.csv")) == 3


def test_parquet_is_suggested_where_a_csv_would_be_read_otherwise(
    run: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    for label in ("1.5", "2.5"):
        write(tmp_path / "set" / label / "1.png", scene(len(label)))
    command = json_commands(run("doctor", "set", "--model", tiny_folder, "--json")[1]).pop()
    assert command.endswith("--manifest clean.parquet")
    assert run("doctor", "set", "--model", tiny_folder, "--manifest", "clean.csv")[0] == 2


def json_commands(text: str) -> set[str]:
    return {entry["command"] for entry in json.loads(text)["findings"]} - {""}


def test_a_set_in_order_has_exit_code_0(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    root = tidy(tmp_path / "set", classes=3, images=20)
    code, out, _ = run("doctor", root, "--model", tiny_folder, "--html", "page.html")
    assert (code, out.splitlines()[-1].startswith("0 to mend, ")) == (0, True)
    assert Path("page.html").read_text(encoding="utf-8").lstrip().startswith("<!doctype html>")


def test_embeddings_are_kept_in_the_cache(run: Run, tiny_folder: Path, tmp_path: Path) -> None:
    run("doctor", tidy(tmp_path / "set", classes=2, images=2), "--model", tiny_folder)
    (kept,) = (tmp_path / "cache" / "features").glob("*.db")
    kept.write_bytes(b"no database")
    code, _, err = run("doctor", tmp_path / "set", "--model", tiny_folder)
    assert (code, "the feature cache cannot be used" in err) == (2, True)


def test_what_cannot_be_written_is_refused_before_the_work(
    run: Run, tiny_folder: Path, tmp_path: Path
) -> None:
    root = tidy(tmp_path / "set", classes=2, images=2)
    for option, value, beat in (
        ("--manifest", "a.txt", "a manifest cannot be written in this format"),
        ("--manifest", root, "in this format"),
        ("--html", "nowhere/a.html", "a file cannot be written"),
        ("--manifest", "nowhere/a.csv", "a file cannot be written"),
        ("--similarity", "1.5", "--similarity"),
    ):
        code, out, err = run("doctor", root, "--model", tiny_folder, option, value)
        assert (code, out, "Opening" in err) == (2, "", False)
        assert beat in err
    assert not (tmp_path / "cache").exists()


def test_help_says_what_it_costs(run: Run) -> None:
    text = " ".join(run("doctor", "--help")[1].split())
    assert "opened and embedded once" in text
    assert "exit code is 1 where something has to be mended" in text
