"""Near-duplicates: edited copies are found, pictures that are only alike are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.checkups import near_duplicates as room
from lookalike.checkups.looking import look
from lookalike.checkups.near_duplicates import NONE, NearDuplicates, near_duplicates
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.records import Floats, Progress
from lookalike.tables.table import ImageTable
from scenes import EDITS, scene, write


class Listener:
    def __init__(self) -> None:
        self.stages: dict[str, tuple[int, int]] = {}

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def stage(self, name: str, /) -> Progress:
        def count(done: int, total: int) -> None:
            self.stages[name] = (done, total)

        return count


def found_in(folder: Path | ImageTable, model: Model, *, vectors: Floats | None = None) -> NearDuplicates:
    table = folder if isinstance(folder, ImageTable) else ImageTable.read(folder)
    seen, _ = look(table)
    vectors = embed_table(model, table).embeddings.vectors if vectors is None else vectors
    prints = [seen[image].print for image in table.frame["image"]]
    return near_duplicates(table, np.arange(len(table)), vectors, prints)


def names(folder: Path, found: NearDuplicates) -> set[tuple[str, str]]:
    images = ImageTable.read(folder).frame["image"]
    return {(images[int(a)], images[int(b)]) for a, b in zip(found.first, found.second, strict=True)}


def test_every_edit_is_found_and_nothing_else(tiny: Model, tmp_path: Path) -> None:
    root = tmp_path / "set"
    for seed in range(30):
        write(root / f"{seed:02}.png", scene(seed))
    expected = set()
    seen_by_it = {name: edit for name, edit in EDITS.items() if name != "mirror"}
    for seed, (name, edit) in enumerate(seen_by_it.items()):
        write(root / f"{seed:02}-{name}.png", edit(scene(seed)))
        expected.add((f"{seed:02}-{name}.png", f"{seed:02}.png"))
    write(root / "20-saved.jpg", scene(20), quality=30)
    expected.add(("20-saved.jpg", "20.png"))
    found = found_in(root, tiny)
    assert names(root, found) == expected
    assert np.all(found.differences <= room.DIFFERENCE)
    assert np.all(np.diff(found.differences) >= 0)
    assert found.complete
    assert not found.mirrored.any()
    assert found.candidates >= len(expected)


def test_what_embeddings_do_not_see_prints_do(tiny: Model, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root / "a.png", scene(1))
    write(root / "b.png", EDITS["half"](scene(1)))
    write(root / "c.png", scene(2))
    blind = np.eye(3, dtype=np.float32)
    found = found_in(root, tiny, vectors=blind)
    assert names(root, found) == {("a.png", "b.png")}
    assert found.similarities.tolist() == [0.0]


def test_a_mirrored_picture_is_the_same(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    write(tmp_path / "b.png", EDITS["mirror"](scene(1)))
    found = found_in(tmp_path, tiny, vectors=np.ones((2, 1), np.float32))
    assert names(tmp_path, found) == {("a.png", "b.png")}
    assert found.mirrored.tolist() == [True]


def test_alike_is_not_the_same(tiny: Model, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root / "a.png", scene(1))
    changed = np.asarray(scene(1)).copy()
    changed[:24, :24] = 255 - changed[:24, :24]
    write(root / "b.png", Image.fromarray(changed))
    found = found_in(root, tiny, vectors=np.ones((2, 1), np.float32))
    assert (len(found), found.candidates) == (0, 1)


def test_two_boxes_of_one_picture_are_no_pair(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    (tmp_path / "m.csv").write_text("image,label,box\na.png,x,0 0 90 90\na.png,y,1 1 91 91\n")
    table = ImageTable.read(tmp_path / "m.csv")
    found = found_in(table, tiny)
    assert (len(found), found.candidates) == (0, 0)


def test_boxes_are_compared_not_whole_pictures(tiny: Model, tmp_path: Path) -> None:
    both = Image.new("RGB", (192, 96))
    both.paste(scene(1), (96, 0))
    both.paste(scene(2), (0, 0))
    write(tmp_path / "a.png", scene(1))
    write(tmp_path / "b.png", both)
    (tmp_path / "m.csv").write_text(
        "image,label,box\na.png,x,0 0 96 96\nb.png,y,96 0 192 96\nb.png,y,0 0 96 96\n"
    )
    table = ImageTable.read(tmp_path / "m.csv")
    vectors = embed_table(tiny, table).embeddings.vectors
    found = found_in(table, tiny, vectors=vectors)
    assert (found.first.tolist(), found.second.tolist()) == ([0], [1])


def test_a_picture_that_went_away_is_no_pair(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    write(tmp_path / "b.png", EDITS["half"](scene(1)))
    table = ImageTable.read(tmp_path)
    seen, _ = look(table)
    (tmp_path / "b.png").unlink()
    prints = [entry.print for entry in seen.values()]
    same = np.ones((2, 1), np.float32)
    found = near_duplicates(table, np.arange(2), same, prints)
    assert (len(found), found.candidates) == (0, 1)


def test_too_many_likely_pairs_are_said(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MOST", 3)
    for number in range(6):
        write(tmp_path / f"{number}.jpg", scene(1), quality=40 + 10 * number)
    found = found_in(tmp_path, tiny)
    assert not found.complete
    assert 0 < len(found) <= 6


def test_the_stages_are_told(tiny: Model, tmp_path: Path) -> None:
    for number in range(3):
        write(tmp_path / f"{number}.jpg", scene(1), quality=40 + 10 * number)
    table = ImageTable.read(tmp_path)
    seen, _ = look(table)
    listener = Listener()
    vectors = embed_table(tiny, table).embeddings.vectors
    prints = [entry.print for entry in seen.values()]
    near_duplicates(table, np.arange(3), vectors, prints, watcher=listener)
    everything = {"compare embeddings": (3, 3), "compare prints": (3, 3), "look at candidates": (3, 3)}
    assert listener.stages == everything


def test_nothing_has_no_near_duplicates(tmp_path: Path) -> None:
    assert (len(NONE), NONE.complete) == (0, True)
    write(tmp_path / "a.png", scene(1))
    table = ImageTable.read(tmp_path)
    empty = near_duplicates(table, np.zeros(0, np.int64), np.zeros((0, 4), np.float32), [])
    assert (len(empty), empty.candidates) == (0, 0)
