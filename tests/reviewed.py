"""An index of pictures that are there twice, and what is asked of a server that reviews them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from PIL import Image
from starlette.testclient import TestClient

from lookalike.duplicates.finding import find_duplicates
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.presenting.duplicates_wording import headline, totals, values
from lookalike.tables.table import ImageTable
from scenes import EDITS, cropped, scene, write

SAME, KEEP, APART, FORGET = "same", "keep-both", "different", "forget"


def make_reviewed(model: Path, tmp_path: Path) -> Path:
    """An index of a picture with copies, another one of two sizes, and one like nothing else."""
    folder = tmp_path / "my pictures"
    one = scene(1)
    folder.mkdir()
    for name in ("one.png", "other bytes.png"):
        one.save(folder / name, compress_level=0 if name == "one.png" else 9)
    (folder / "a").mkdir()
    (folder / "a" / "bytes.png").write_bytes((folder / "one.png").read_bytes())
    write(folder / "half.png", EDITS["half"](one))
    write(folder / "crop.png", cropped(one))
    two = scene(2, 128, 128)
    write(folder / "two.png", two)
    write(folder / "small.png", two.resize((64, 64), Image.Resampling.LANCZOS))
    write(folder / "three.png", scene(3))
    path = tmp_path / "kept here" / "pictures.idx"
    path.parent.mkdir()
    with Index.create(path, Model.load(model)) as index:
        index.update(ImageTable.read(folder), source=folder)
    return path


def ready(asking: TestClient, **options: Any) -> dict[str, Any]:
    """A page of groups once they are found."""
    for _ in range(2000):
        answer = asking.get("/v1/groups", params=options)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["state"] != "working":
            return found
        time.sleep(0.005)
    raise AssertionError(found)


def names(group: dict[str, Any]) -> list[str]:
    return [member["name"].removeprefix("my pictures/") for member in group["members"]]


def ids(found: dict[str, Any]) -> dict[str, int]:
    return {
        name: member["id"]
        for group in found["groups"]
        for name, member in zip(names(group), group["members"], strict=True)
    }


def decide(asking: TestClient, a: int, b: int, verdict: str) -> dict[str, Any]:
    answer = asking.post("/v1/decisions", json={"a": a, "b": b, "verdict": verdict})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def as_the_command_says(place: Path) -> dict[str, Any]:
    """What `duplicates --json` says of open groups, with public names, in the form of the server."""
    with Index.open(place) as index:
        found = find_duplicates(index)
        root = index.store.roots()[0].path
    told = values(found, index=place)
    groups = [group for group in told["groups"] if not group["settled"]]
    for group in groups:
        for member in group["members"]:
            member["name"] = f"my pictures/{Path(member['path']).relative_to(root).as_posix()}"
    return {**told, "groups": groups, "headline": headline(found), "all": totals(found)}
