"""Groups that follow decisions without a new comparison: the same that finding all anew gives."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.duplicates.deciding import forget
from lookalike.duplicates.finding import find_duplicates, look_for
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.records import Band
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Decision, Item, Verdict
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from older_index import make_older
from scenes import EDITS, cropped, detailed, scaled, scene, write


@pytest.fixture
def index(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    """A picture with its copies, some of equal pixels; another one of two sizes; one like nothing else."""
    folder = tmp_path / "pictures"
    one = scene(1)
    write(folder / "one.png", one)
    write(folder / "bytes.png", one)
    for number in range(3):  # equal pixels in other bytes
        one.save(folder / f"pixels{number}.png", compress_level=number)
    write(folder / "half.png", EDITS["half"](one))
    write(folder / "crop.png", cropped(one))
    write(folder / "bright.png", EDITS["brighten"](one))
    write(folder / "two.png", scene(2, 128, 128))
    write(folder / "small two.png", scene(2, 128, 128).resize((64, 64), Image.Resampling.LANCZOS))
    write(folder / "three.png", scene(3))
    with Index.create(tmp_path / "pictures.idx", tiny) as made:
        made.update(ImageTable.read(folder))
        yield made


@pytest.fixture
def enlarged(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    """A picture and copies that were enlarged, two of them of equal pixels; and others."""
    folder, small = tmp_path / "set", detailed(1, (200, 150))
    write(folder / "small.png", small)
    write(folder / "big.png", scaled(small, 1.6))
    scaled(small, 1.6).save(folder / "big.webp", lossless=True)
    write(folder / "huge.jpg", scaled(small, 2.25), quality=90)
    write(folder / "less.png", scaled(small, 0.5))
    for number in range(4):
        write(folder / f"{number}.png", scene(number, 120, 90))
    with Index.create(tmp_path / "set.idx", tiny) as made:
        made.update(ImageTable.read(folder))
        yield made


def hashes(index: Index) -> dict[str, bytes]:
    return {Path(facts.path).name: facts.hash for facts in index.store.facts(range(1, 100)).values()}


def decide(index: Index, a: str, b: str, verdict: Verdict) -> None:
    known = hashes(index)
    with index.store.writing() as writer:
        writer.decide([Decision.of(known[a], known[b], verdict, made="2026-01-01")])


STEPS = {
    "different from what is kept": [("one.png", "half.png", "different")],
    "different members": [("half.png", "crop.png", "different")],
    "equal pixels told apart": [("pixels0.png", "pixels1.png", "different")],
    "equal pixels told apart from a copy": [("pixels1.png", "crop.png", "different")],
    "the same": [("three.png", "small two.png", "same")],
    "the same, all in one": [("three.png", "small two.png", "same"), ("half.png", "two.png", "same")],
    "both stay": [("one.png", "crop.png", "keep-both"), ("one.png", "one.png", "keep-both")],
    "all kinds": [
        ("one.png", "half.png", "different"),
        ("half.png", "three.png", "same"),
        ("pixels2.png", "bright.png", "different"),
        ("two.png", "small two.png", "keep-both"),
        ("two.png", "small two.png", "different"),
    ],
}


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_groups_after_each_decision_are_those_found_anew(
    index: Index, steps: list[tuple[str, str, Verdict]]
) -> None:
    found = look_for(index, Wishes(similarity=0.9, bands=list(Band)[:3]))
    assert found.groups() == find_duplicates(index)
    for a, b, verdict in steps:
        decide(index, a, b, verdict)
        assert found.groups() == find_duplicates(index)
    for a, b, _ in reversed(steps):
        known = hashes(index)
        forget(index.store, known[a].hex(), known[b].hex())
        assert found.groups() == find_duplicates(index)


def test_what_was_enlarged_follows_decisions(enlarged: Index) -> None:
    found = look_for(enlarged, Wishes(difference=0.6))
    (group,) = found.groups().groups
    assert Path(group.members[0].path).name == "small.png"
    steps: list[tuple[str, str, Verdict]] = [
        ("small.png", "big.png", "different"),
        ("small.png", "huge.jpg", "different"),
        ("0.png", "big.webp", "same"),
    ]
    for a, b, verdict in steps:
        decide(enlarged, a, b, verdict)
        assert found.groups() == find_duplicates(enlarged, Wishes(difference=0.6))
    for a, b, _ in steps:
        known = hashes(enlarged)
        forget(enlarged.store, known[a].hex(), known[b].hex())
        assert found.groups() == find_duplicates(enlarged, Wishes(difference=0.6))
    assert found.groups().groups == (group,)


def test_random_decisions_with_all_bands(index: Index) -> None:
    rng = np.random.default_rng(0)
    names = sorted(hashes(index))
    found = look_for(index, Wishes(similarity=0.6, bands=list(Band)))
    for _ in range(8):
        a, b = rng.choice(len(names), 2, replace=False).tolist()
        verdict: Verdict = ("same", "different", "keep-both")[rng.integers(3)]
        if hashes(index)[names[a]] != hashes(index)[names[b]]:
            decide(index, names[a], names[b], verdict)
            assert found.groups() == find_duplicates(index, Wishes(similarity=0.6, bands=list(Band)))


def test_what_was_compared_is_not_compared_again(index: Index) -> None:
    found = look_for(index)
    first = found.compared
    assert first > 0
    decide(index, "one.png", "crop.png", "keep-both")
    decide(index, "two.png", "three.png", "same")
    assert any(group.settled for group in found.groups().groups)
    decide(index, "two.png", "small two.png", "different")
    assert {Path(entry.path).name for entry in found.groups().groups[1].members} == {"two.png", "three.png"}
    assert found.compared == first
    decide(index, "pixels0.png", "half.png", "different")
    found.groups()
    assert first < found.compared <= first + 10  # those of a row for which another one stood


def test_the_index_of_that_time_is_known_by_its_generation(index: Index, tmp_path: Path) -> None:
    with index.store.writing() as writer:
        writer._connection.execute("DELETE FROM looks")  # as of an older index: they are found, and stored
    assert look_for(index).generation == index.store.generation()
    found = look_for(index)
    decide(index, "one.png", "half.png", "different")
    assert found.generation == index.store.generation()
    item = Item(1, "new.png", "", 1, 1, b"n" * 32, None, "{}")
    with index.store.writing() as writer:
        writer.apply(Changes(puts=[(item, np.eye(1, index.store.dim, dtype=np.float32)[0])]))
    assert found.generation != index.store.generation()


def test_an_index_of_an_older_format_is_brought_up_and_known(index: Index) -> None:
    path = index.path
    index.close()
    make_older(path)
    with Index.open(path) as older:
        assert older.store.is_of_older_format
        assert look_for(older).generation == older.store.generation()
        assert not older.store.is_of_older_format


def test_looking_asks_as_finding_does() -> None:
    assert inspect.signature(look_for).parameters == inspect.signature(find_duplicates).parameters
