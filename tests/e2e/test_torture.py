"""A folder with everything that goes wrong with files: each is reported, the rest keep their vectors."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from commands import lookalike
from lookalike.errors import SkipReason
from lookalike.models.model import Model
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare

EXPECTED = {
    "cut.jpg": SkipReason.TRUNCATED,
    "dangling.png": SkipReason.MISSING,
    "empty.png": SkipReason.EMPTY,
    "huge.png": SkipReason.TOO_LARGE,
    "loop.png": SkipReason.LINK_LOOP,
    "one.png": SkipReason.TOO_SMALL,
    "text.jpg": SkipReason.NOT_AN_IMAGE,
    "up": SkipReason.LINK_LOOP,
    "\N{REPLACEMENT CHARACTER}.png": SkipReason.BAD_NAME,
}


@pytest.fixture
def torture(few: Path, tmp_path: Path) -> Path:
    root = tmp_path / "torture"
    root.mkdir()
    for number, picture in enumerate(sorted(few.rglob("*.png"))[:20]):
        shutil.copy(picture, root / f"good {number:02} 'ü\n.png")
    whole = tmp_path / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 80, 3), dtype=np.uint8)).save(whole)
    (root / "cut.jpg").write_bytes(whole.read_bytes()[:900])
    (root / "empty.png").touch()
    (root / "text.jpg").write_text("this is text")
    Image.new("1", (20_000, 20_000)).save(root / "huge.png")
    Image.new("RGB", (1, 1)).save(root / "one.png")
    (root / "dangling.png").symlink_to(root / "nowhere.png")
    (root / "loop.png").symlink_to(root / "loop.png")
    (root / "up").symlink_to(root)
    shutil.copy(sorted(few.rglob("*.png"))[30], root / os.fsdecode(b"\xff.png"))
    (root / "notes.txt").write_text("not meant to be a picture")
    return root


def good(root: Path) -> list[Path]:
    return sorted(root.glob("good*"))


def reasons(lines: str) -> dict[str, str]:
    return {Path(entry["path"]).name: entry["reason"] for entry in map(json.loads, lines.splitlines())}


def test_index_skips_each_with_its_reason(torture: Path, tiny_folder: Path, tmp_path: Path) -> None:
    listed, index = tmp_path / "skipped.jsonl", tmp_path / "a.idx"
    done = lookalike("index", index, torture, "--model", tiny_folder, "--skipped", listed)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert reasons(listed.read_text()) == EXPECTED
    assert f"{len(EXPECTED)} left out (--skipped FILE lists them)" in done.stderr
    assert "20 added" in done.stderr
    again = lookalike("index", index, "--skipped", listed)
    assert "20 unchanged" in again.stderr
    assert reasons(listed.read_text()) == EXPECTED


def test_every_good_picture_keeps_its_vector(torture: Path, tiny_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "vectors.parquet"
    assert lookalike("embed", tiny_folder, torture, "-o", out).returncode == 0
    frame = pl.read_parquet(out)
    assert frame["path"].to_list() == [str(path) for path in good(torture)]
    model = Model.load(tiny_folder)
    pixels = np.stack([prepare(open_image(path), model.preprocess) for path in good(torture)])
    assert np.allclose(np.stack(frame["vector"].to_list()), model.embed_pixels(pixels), atol=1e-5)


def test_describe_lists_them(torture: Path) -> None:
    done = lookalike("describe", torture, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    entries = found["skipped"]
    assert {Path(entry["path"]).name: entry["reason"] for entry in entries} == EXPECTED
    assert found["usable"] == 20


def test_doctor_leaves_them_out(torture: Path, tiny_folder: Path, tmp_path: Path) -> None:
    page, model = tmp_path / "page.html", ("--model", tiny_folder)
    for name in ("clean.csv", "clean.parquet"):
        manifest = tmp_path / name
        done = lookalike("doctor", torture, *model, "--html", page, "--manifest", manifest, "--json")
        assert done.returncode == 1, done.stderr
        assert "Traceback" not in done.stderr
        found = json.loads(done.stdout)
        assert found["findings"][0]["figure"] == len(EXPECTED)
        kept = lookalike("describe", manifest, "--json")
        assert json.loads(kept.stdout)["usable"] == 25 - len(found["left_out"])
    assert "\udcff" not in page.read_text(encoding="utf-8")


def test_search_answers_for_odd_names(torture: Path, tiny_folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.idx"
    lookalike("index", index, torture, "--model", tiny_folder)
    done = lookalike("search", index, good(torture)[0], "-0", "-k", 3)
    assert done.returncode == 0, done.stderr
    answers = done.stdout.split("\0")
    assert len(answers) == 4
    assert all(Path(answer).exists() for answer in answers[:3])
    assert len(json.loads(lookalike("search", index, good(torture)[0], "--json").stdout)["hits"]) == 10


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file_is_skipped(torture: Path, tiny_folder: Path, tmp_path: Path) -> None:
    good(torture)[0].chmod(0)
    listed = tmp_path / "skipped.jsonl"
    done = lookalike("index", tmp_path / "a.idx", torture, "--model", tiny_folder, "--skipped", listed)
    assert done.returncode == 0
    assert reasons(listed.read_text())[good(torture)[0].name] == SkipReason.UNREADABLE
