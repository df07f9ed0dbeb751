"""Duplicates of small folders: who is in which band, with whom, why; decisions and libraries."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from lookalike.duplicates import glancing, proposing
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.records import Band, Duplicates, Group
from lookalike.errors import ConfigError, SkipReason, StoreError
from lookalike.indexing.database import transaction
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Decision
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from pictures import exif
from scenes import EDITS, cropped, scene, write

WIDE = (192, 128)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two pictures with copies of each kind, and two without."""
    folder = tmp_path / "pictures"
    one = scene(1, *WIDE)
    write(folder / "one.png", one)
    write(folder / "bytes.png", one)
    one.save(folder / "webp.webp", lossless=True)
    one.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif(6))
    write(folder / "half.png", EDITS["half"](one))
    write(folder / "crop.png", cropped(one))
    write(folder / "bright.png", EDITS["brighten"](one))
    write(folder / "saved.jpg", one, quality=30)
    write(folder / "mirror.png", ImageOps.mirror(one))
    write(folder / "two.png", scene(2, 256, 256))
    write(folder / "small two.png", scene(2, 256, 256).resize((128, 128), Image.Resampling.LANCZOS))
    write(folder / "three.png", scene(3))
    write(folder / "white.png", Image.new("RGB", (64, 64), "white"))
    write(folder / "white too.png", Image.new("RGB", (64, 64), "white"))
    for file in folder.iterdir():
        os.utime(file, (2_000_000_000, 2_000_000_000))
    os.utime(folder / "one.png", (1_000_000_000, 1_000_000_000))
    return folder


@pytest.fixture
def index(root: Path, tiny: Model, tmp_path: Path) -> Iterator[Index]:
    with Index.create(tmp_path / "pictures.idx", tiny) as made:
        made.update(ImageTable.read(root))
        yield made


def found_in(index: Index, **options: Any) -> Duplicates:
    """Duplicates of which the oldest stay: of the first picture the one that the others are made of."""
    return find_duplicates(index, Wishes(keep="resolution,oldest,name", **options))


def names(group: Group) -> list[str]:
    return [Path(member.path).name for member in group.members]


def groups(found: Duplicates) -> list[set[str]]:
    return [set(names(group)) for group in found.groups]


def decide(index: Index, *decided: tuple[str, str, str]) -> None:
    hashes = {Path(facts.path).name: facts.hash for facts in index.store.facts(range(1, 100)).values()}
    with index.store.writing() as writer:
        writer.decide(
            Decision.of(hashes[a], hashes[b], verdict, made="2026-01-01")  # type: ignore[arg-type]
            for a, b, verdict in decided
        )


def test_every_kind_of_copy_is_in_its_band(index: Index, root: Path) -> None:
    found = found_in(index)
    first, second = found.groups
    assert names(first)[0] == "one.png"
    bands = {
        Path(member.path).name: evidence.band
        for member, evidence in zip(first.members[1:], first.evidence, strict=True)
    }
    assert bands == {
        "bytes.png": Band.EXACT,
        "webp.webp": Band.SAME_PIXELS,
        "turned.png": Band.SAME_PIXELS,
        **dict.fromkeys(("half.png", "crop.png", "bright.png", "saved.jpg"), Band.NEAR_COPY),
    }
    assert names(second) == ["two.png", "small two.png"]
    assert {Path(member.path).name for member in found.blank} == {"white.png", "white too.png"}
    assert found.compared == 12
    assert found.complete
    assert not found.skipped
    assert [limit.band for limit in found.limits] == [Band.EXACT, Band.SAME_PIXELS, Band.NEAR_COPY]
    assert first.band is Band.NEAR_COPY
    assert first.representative == first.keeper == 0


def test_each_member_says_why(index: Index) -> None:
    first = found_in(index).groups[0]
    why = {
        Path(member.path).name: evidence.why
        for member, evidence in zip(first.members[1:], first.evidence, strict=True)
    }
    assert why["webp.webp"] == "same pixels in another file format, WEBP beside PNG"
    assert why["turned.png"].startswith("same pixels in another file, saved again without loss")
    assert why["half.png"].startswith("scaled or cropped to 50 %, similarity ")
    assert why["crop.png"].startswith("cropped or stretched to 174 x 1")
    assert why["bright.png"].startswith("changed or saved again in the same size, brighter, similarity ")
    assert {"the same bytes"} <= set(why.values())
    assert all(", pixels differ by 0." in why[name] for name in ("half.png", "crop.png", "saved.jpg"))


def test_bands_that_are_not_asked_for_are_not_found(index: Index) -> None:
    exact = found_in(index, bands=[Band.EXACT])
    assert groups(exact) == [{"one.png", "bytes.png"}]
    pixels = found_in(index, bands=[Band.SAME_PIXELS])
    assert [len(group) for group in pixels.groups] == [3]
    assert {each.band for group in pixels.groups for each in group.evidence} == {Band.SAME_PIXELS}
    near = found_in(index, bands=[Band.NEAR_COPY])
    assert {each.band for group in near.groups for each in group.evidence} == {Band.NEAR_COPY}
    assert {"webp.webp", "turned.png"} <= set(names(near.groups[0]))


def test_a_mirror_image_only_if_asked(index: Index) -> None:
    assert "mirror.png" not in {name for group in groups(found_in(index)) for name in group}
    first = found_in(index, mirrored=True).groups[0]
    place = names(first).index("mirror.png")
    assert "mirrored" in first.evidence[place - 1].why


def test_a_stricter_limit_finds_less(index: Index) -> None:
    strict = found_in(index, difference=1e-6)
    assert "saved.jpg" not in {name for group in groups(strict) for name in group}
    assert next(limit for limit in strict.limits if limit.band is Band.NEAR_COPY).difference == 1e-6


def test_what_stays_is_what_the_rule_prefers(index: Index) -> None:
    found = find_duplicates(index, Wishes(keep="format,name"))
    assert names(found.groups[0])[0] == "one.png"
    assert (
        found.groups[0].keeper_reason == "It has the better format (PNG) and among equals the shortest name."
    )
    assert names(find_duplicates(index).groups[0])[0] == "bright.png"  # of the most bytes
    assert find_duplicates(index, Wishes(keep="name")).groups[1].members[0].path.endswith("/two.png")


def test_the_same_whatever_the_order(root: Path, tiny: Model, tmp_path: Path, index: Index) -> None:
    table = ImageTable.read(root)
    with Index.create(tmp_path / "other.idx", tiny) as other:
        for part in (np.arange(len(table))[1::2], np.arange(len(table))[0::2]):
            other.update(table.take(part[::-1]))
        again = found_in(other)
    assert [names(group) for group in again.groups] == [names(g) for g in found_in(index).groups]


@pytest.mark.parametrize(
    ("keeper", "wanted"),
    [(0, {"0.png", "1.png"}), (1, {"0.png", "1.png", "2.png"}), (2, {"1.png", "2.png"})],
)
def test_no_chains(tiny: Model, tmp_path: Path, keeper: int, wanted: set[str]) -> None:
    for number in range(3):  # each is near to the next, the ends are not
        picture = scene(5, 200, 200)
        picture.paste((200, 60, 60), (0, 0, 5 * number, 200))
        write(tmp_path / "set" / f"{number}.png", picture)
        age = 2_000_000_000 if number != keeper else 1_000_000_000
        os.utime(tmp_path / "set" / f"{number}.png", (age, age))
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(tmp_path / "set"))
        found = found_in(index, difference=0.6)
        ends = found_in(index, difference=1.0).groups[0]
    assert len(ends) == 3  # the ends are looked at, and are not near enough
    assert groups(found) == [wanted]
    assert names(found.groups[0])[0] == f"{keeper}.png"
    differences = [each.difference for each in found.groups[0].evidence]
    assert all(difference is not None and 0.0 < difference <= 0.6 for difference in differences)


def test_decisions_are_respected(index: Index) -> None:
    decide(
        index,
        ("one.png", "half.png", "different"),
        ("crop.png", "bright.png", "different"),
        ("one.png", "saved.jpg", "keep-both"),
        ("webp.webp", "turned.png", "keep-both"),
        ("three.png", "two.png", "same"),
    )
    found = found_in(index)
    first = next(group for group in found.groups if "one.png" in names(group))
    assert "half.png" not in names(first)
    assert len({"crop.png", "bright.png"} & set(names(first))) == 1
    removable = {Path(member.path).name for member in first.removable}
    assert not {"saved.jpg", "webp.webp", "turned.png"} & removable
    assert "bytes.png" in removable
    assert {names(first)[place] for place in first.settled} >= {"saved.jpg", "webp.webp", "turned.png"}
    place = names(first).index("saved.jpg")
    assert first.evidence[place - 1].verdict == "keep-both"
    second = next(group for group in found.groups if "two.png" in names(group))
    assert "three.png" in names(second)
    said = second.evidence[names(second).index("three.png") - 1]
    assert said.why.startswith("somebody decided that it is the same")
    assert (said.verdict, said.difference) == ("same", None)


@pytest.mark.parametrize("between", ["mirror.png", "gone"])
def test_decisions_join_by_way_of_others(index: Index, between: str) -> None:
    facts = index.store.facts(range(1, 100)).values()
    hashes = {"gone": b"?" * 16, **{Path(each.path).name: each.hash for each in facts}}
    with index.store.writing() as writer:
        writer.decide(
            Decision.of(hashes[name], hashes[between], "same", made="2026-01-01")
            for name in ("two.png", "three.png")
        )
    group = next(each for each in found_in(index).groups if "two.png" in names(each))
    assert names(group)[0] == "two.png"
    assert group.evidence[names(group).index("three.png") - 1].verdict == "same"
    assert (between in names(group)) == (between != "gone")


def test_what_a_decision_takes_leaves_its_copies_to_each_other(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "set" / "large.png", scene(50, 300, 300))
    for number in range(3):  # each is near to the next, the ends are not
        picture = scene(5, 200, 200)
        picture.paste((200, 60, 60), (0, 0, 5 * number, 200))
        write(tmp_path / "set" / f"{number}.png", picture)
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(tmp_path / "set"))
        decide(index, ("large.png", "0.png", "same"))
        found = find_duplicates(index, Wishes(keep="resolution,name", difference=0.45))
    assert groups(found) == [{"1.png", "2.png"}, {"large.png", "0.png"}]


def test_copies_that_both_stay_are_settled(index: Index) -> None:
    decide(index, ("one.png", "bytes.png", "keep-both"))
    (group,) = found_in(index, bands=[Band.EXACT]).groups
    assert group.is_settled
    assert not group.removable


def test_against_another_index(index: Index, tiny: Model, tmp_path: Path) -> None:
    new = tmp_path / "new"
    write(new / "again.png", scene(2, 256, 256).resize((100, 100)))
    write(new / "known.png", scene(3))
    write(new / "fresh.png", scene(50))
    write(new / "fresh too.png", EDITS["half"](scene(50)))
    with Index.create(tmp_path / "new.idx", tiny) as incoming:
        incoming.update(ImageTable.read(new))
        found = found_in(incoming, against=index)
    assert {frozenset(group) for group in groups(found)} == {
        frozenset({"two.png", "again.png"}),  # and not the library's own copy
        frozenset({"three.png", "known.png"}),
    }
    for group in found.groups:
        assert group.members[0].library
        assert group.keeper_reason.startswith("It belongs to the library")
        assert [Path(member.path).parent for member in group.removable] == [new]


def test_against_a_folder_of_the_same_index(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "all" / "library" / "a.png", scene(1))
    write(tmp_path / "all" / "library" / "a too.png", scene(1))
    write(tmp_path / "all" / "new" / "b.jpg", scene(1), quality=80)
    write(tmp_path / "all" / "new" / "c.png", scene(2))
    write(tmp_path / "all" / "new" / "d.jpg", scene(2), quality=80)
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(tmp_path / "all"))
        found = found_in(index, against=tmp_path / "all" / "library")
        assert groups(found) == [{"a.png", "a too.png", "b.jpg"}]
        assert [Path(member.path).name for member in found.groups[0].removable] == ["b.jpg"]
        with pytest.raises(StoreError, match="nothing of the index lies in this folder"):
            found_in(index, against=tmp_path / "elsewhere")


def test_an_index_of_another_model_is_refused(index: Index, tiny: Model, tmp_path: Path) -> None:
    with Index.create(tmp_path / "other.idx", tiny) as other:
        with other.store.writing() as writer:
            writer.note("fingerprint", "another")
        with pytest.raises(StoreError, match="different models") as caught:
            found_in(index, against=other)
    assert caught.value.do.startswith("make one of them again")


def test_the_same_thing_needs_a_limit(index: Index) -> None:
    with pytest.raises(
        ConfigError, match=r"cannot be told - model tiny - .* - lookalike calibrate .* DATA; or"
    ):
        found_in(index, bands=[Band.SAME_THING])
    found = found_in(index, bands=[Band.SAME_THING, Band.EXACT])
    assert groups(found) == [{"one.png", "bytes.png"}]
    assert [limit.band for limit in found.limits] == [Band.EXACT]
    assert "lookalike calibrate" in found.notes[0]
    loose = found_in(index, bands=[*Band], similarity=0.02)
    assert loose.groups[0].band is Band.SAME_THING
    place = names(loose.groups[0]).index("half.png")
    assert loose.groups[0].evidence[place - 1].band is Band.NEAR_COPY
    said = [each for each in loose.groups[0].evidence if each.band is Band.SAME_THING]
    assert all(each.similarity >= 0.02 for each in said)
    assert said[0].why.endswith("from 0.02 on the same thing")


def test_looks_that_the_index_lacks_are_found_once(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [names(group) for group in found_in(index).groups]
    hashes = index.store.contents(range(1, 100)).values()
    with index.store.writing() as writer, transaction(writer._connection):
        writer._connection.execute("DELETE FROM looks")
    assert not index.store.looks(hashes)
    assert [names(group) for group in found_in(index).groups] == wanted
    assert len(index.store.looks(hashes)) == len(set(hashes))
    monkeypatch.setattr(glancing, "read_image", None)  # not called again
    assert [names(group) for group in found_in(index).groups] == wanted


def test_pictures_that_are_gone_are_reported(index: Index, root: Path) -> None:
    (root / "half.png").unlink()
    (root / "crop.png").write_bytes(b"no picture any more")
    found = found_in(index)
    assert not {"half.png", "crop.png"} & {name for group in groups(found) for name in group}
    reasons = {Path(entry.path).name: entry.reason for entry in found.skipped}
    assert reasons == {"half.png": SkipReason.MISSING, "crop.png": SkipReason.NOT_AN_IMAGE}


def test_parts_of_one_picture_are_no_pair_and_stay(tiny: Model, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    write(tmp_path / "b.png", scene(1))
    rows = "image,box\na.png,0 0 90 90\na.png,2 2 92 92\nb.png,0 0 90 90\n".replace(" ", ";")
    (tmp_path / "m.csv").write_text(rows)
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(tmp_path / "m.csv"))
        found = found_in(index)
    assert found.groups
    for group in found.groups:
        assert len({member.path for member in group.members}) == len(group)
        assert not group.removable


def test_many_pictures_go_by_the_forest(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [names(group) for group in found_in(index).groups]
    monkeypatch.setattr(proposing, "COMPARED_IN_FULL", 3)
    assert [names(group) for group in found_in(index).groups] == wanted


@pytest.mark.parametrize(
    ("options", "what"),
    [
        ({"bands": []}, "there is nothing to look for"),
        ({"similarity": 0.0}, "no two pictures can be told by this limit"),
        ({"difference": 2.0}, "no two pictures can be told by this limit"),
        ({"keep": "beauty"}, "the rule of what to keep is not understood"),
    ],
    ids=["bands", "similarity", "difference", "keep"],
)
def test_what_cannot_be_asked_is_refused(index: Index, options: dict[str, object], what: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_duplicates(index, Wishes(**options))  # type: ignore[arg-type]
    assert caught.value.what == what
    assert caught.value.do


def test_an_empty_index_has_none(tiny: Model, tmp_path: Path) -> None:
    with Index.create(tmp_path / "i.idx", tiny) as index:
        found = found_in(index)
    assert (found.groups, found.blank, found.compared) == ((), (), 0)
