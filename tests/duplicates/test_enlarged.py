"""Larger copies that show no more: told from those that do, and not kept before what they were made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lookalike.duplicates import enlarged
from lookalike.duplicates.enlarged import find_enlarged, is_enlarged, note_of_rest
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.records import Band, Evidence, Group, Member
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Decision
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from scenes import detailed, saved, scaled, scene, write

Resampling = Image.Resampling
WAYS = (Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS)


def told(large: Image.Image, small: Image.Image) -> bool:
    return is_enlarged(np.asarray(large.convert("RGB")), np.asarray(small.convert("RGB")))


@pytest.mark.parametrize("times", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_what_was_enlarged_is_told(times: float, way: Resampling) -> None:
    for seed in range(3):
        small = detailed(seed)
        assert told(scaled(small, times, way), small)
        assert told(saved(scaled(small, times, way), 90), small)


@pytest.mark.parametrize("share", [0.33, 0.5, 0.67])
def test_what_was_scaled_down_shows_less(share: float) -> None:
    for seed in range(3):
        large = detailed(seed)
        assert not told(large, scaled(large, share))
        assert not told(saved(large, 60), scaled(large, share))
        assert not told(large, saved(scaled(large, share), 60))


@pytest.mark.parametrize("share", [0.67, 0.7, 0.79])
def test_a_sharpened_smaller_copy_does_not_make_its_original_enlarged(share: float) -> None:
    for seed in range(3):
        noise = np.uint8(np.random.default_rng(seed).integers(0, 256, (180, 240)))
        large = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.2 + 0.2 * seed))
        small = scaled(large, share)
        for radius, percent in ((2, 150), (1, 200), (3, 150)):
            assert not told(large, small.filter(ImageFilter.UnsharpMask(radius, percent, 0)))


def member(number: int, path: Path, size: tuple[int, int], **options: object) -> Member:
    return Member(number, str(path), "", size, 1, "PNG", 0, None, bytes([number]), **options)  # type: ignore[arg-type]


def grouped(*members: Member, band: Band = Band.NEAR_COPY) -> Group:
    near = [Evidence(members[0].id, each.id, band, 1.0, 0.1, "near") for each in members[1:]]
    return Group(band, members, 0, 0, tuple(near), "it is")


def test_the_least_picture_that_shows_as_much_is_found_and_not_looked_for_twice(tmp_path: Path) -> None:
    small = detailed(0, (80, 60))
    pictures = [scaled(small, 3), scaled(small, 2), small, scaled(small, 0.5)]
    for number, picture in enumerate(pictures):
        write(tmp_path / f"{number}.png", picture)
    group = grouped(*(member(n, tmp_path / f"{n}.png", each.size) for n, each in enumerate(pictures)))
    tried: enlarged.Tried = set()
    steps: list[tuple[int, int | None]] = []
    found = find_enlarged([group], tried, progress=lambda *at: steps.append(at))
    assert (found, steps) == ({bytes([0]): (80, 60)}, [(1, 1)])
    assert tried == {(bytes([0]), bytes([1])), (bytes([0]), bytes([2]))}  # the least is too small to tell by
    assert find_enlarged([group], tried) == {}


def test_more_than_the_most_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = detailed(0, (80, 60))
    write(tmp_path / "large.png", scaled(small, 2))
    write(tmp_path / "small.png", small)
    groups = [
        grouped(
            member(10 * n, tmp_path / "large.png", (160, 120)),
            member(10 * n + 1, tmp_path / "small.png", small.size),
        )
        for n in range(3)
    ]
    monkeypatch.setattr(enlarged, "MOST", 1)
    tried: enlarged.Tried = set()
    assert find_enlarged(groups, tried) == {bytes([0]): (80, 60)}
    assert find_enlarged(groups, tried) == {}
    (said,) = note_of_rest(groups, tried)
    assert said.startswith("2 groups were not looked at for enlarged copies")
    assert note_of_rest(groups[:2], tried)[0].startswith("1 group was not")
    assert note_of_rest(groups[:1], tried) == ()


def test_what_cannot_be_opened_or_may_not_go_is_not_called_enlarged(tmp_path: Path) -> None:
    small = detailed(0, (80, 60))
    write(tmp_path / "large.png", scaled(small, 2))
    write(tmp_path / "small.png", small)
    large, there = (
        member(1, tmp_path / "large.png", (160, 120)),
        member(2, tmp_path / "small.png", (80, 60)),
    )
    gone = member(3, tmp_path / "gone.png", (80, 60))
    assert find_enlarged([grouped(large, there)], set()) == {large.hash: (80, 60)}
    assert find_enlarged([grouped(large, gone)], set()) == {}
    assert find_enlarged([grouped(member(3, gone_path(gone), (160, 120)), there)], set()) == {}
    in_library = member(1, tmp_path / "large.png", (160, 120), library=True)
    assert find_enlarged([grouped(in_library, there)], set()) == {}
    assert find_enlarged([grouped(large, there, band=Band.SAME_THING)], set()) == {}
    assert find_enlarged([grouped(large, member(2, tmp_path / "small.png", (0, 0)))], set()) == {}


@pytest.fixture
def decided_on(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    """A picture, copies of it that were enlarged, one of them in grey, and another picture of their size."""
    root, small = tmp_path / "set", detailed(1)
    pictures = {"small": small, "big": scaled(small, 2), "sharp": detailed(2, (240, 180))}
    pictures["biggrey"] = pictures["big"].convert("L")
    for name, picture in pictures.items():
        write(root / f"{name}.png", picture)
    for number in range(4):
        write(root / f"{number}.png", scene(number, 120, 90))
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(root))
        yield index


@pytest.mark.parametrize("other", ["big", "biggrey", "small"])
@pytest.mark.parametrize("keep", ["resolution", "bytes", "name"])
def test_a_decision_makes_no_picture_enlarged_and_its_pair_is_in_one_group(
    decided_on: Index, other: str, keep: str
) -> None:
    known = {Path(facts.path).stem: facts.hash for facts in decided_on.store.facts(range(1, 100)).values()}
    before = in_groups(decided_on, keep)
    with decided_on.store.writing() as writer:
        writer.decide([Decision.of(known["sharp"], known[other], "same", made="2026-01-01")])
    groups = find_duplicates(decided_on, Wishes(difference=0.6, keep=keep)).groups
    members = {Path(each.path).stem: each for group in groups for each in group.members}
    assert members["sharp"].shown is None
    assert {*before, "sharp", other} <= members.keys()
    together = [{Path(each.path).stem for each in group.members} for group in groups]
    assert any({"sharp", other} <= group for group in together)
    if keep == "resolution":
        assert Path(groups[0].members[groups[0].keeper].path).stem == "sharp"


def in_groups(index: Index, keep: str) -> set[str]:
    groups = find_duplicates(index, Wishes(difference=0.6, keep=keep)).groups
    return {Path(each.path).stem for group in groups for each in group.members}


def test_equal_pixels_are_enlarged_with_the_keeper_and_decided_ones_are_not(tmp_path: Path) -> None:
    small = detailed(0, (80, 60))
    write(tmp_path / "large.png", scaled(small, 2))
    write(tmp_path / "small.png", small)
    large, other = (member(n, tmp_path / "large.png", (160, 120)) for n in (1, 3))
    there, decided = member(2, tmp_path / "small.png", (80, 60)), member(4, tmp_path / "x.png", (160, 120))
    group = grouped(large, there, other, decided)
    near, *_ = group.evidence
    equal = replace(near, second=3, band=Band.SAME_PIXELS, difference=None)
    same = replace(near, second=4, difference=None, verdict="same")
    found = find_enlarged([replace(group, evidence=(near, equal, same))], set())
    assert found == {large.hash: (80, 60), other.hash: (80, 60)}
    by_word = replace(near, difference=None, verdict="same")  # what was only decided on tells nothing
    assert find_enlarged([replace(group, evidence=(by_word, equal, same))], set()) == {}


def gone_path(entry: Member) -> Path:
    return Path(entry.path)


def test_a_small_original_is_kept_before_its_enlarged_copies(tiny: Model, tmp_path: Path) -> None:
    root, small = tmp_path / "set", detailed(1)
    write(root / "original.png", small)
    write(root / "enlarged.png", scaled(small, 2))
    scaled(small, 2).save(root / "enlarged.webp", lossless=True)
    write(root / "enlarged more.jpg", scaled(small, 3), quality=90)
    write(root / "small.jpg", scaled(small, 0.5), quality=90)
    for number in range(4):
        write(root / f"{number}.png", scene(number, 120, 90))
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(root))
        (group,) = find_duplicates(index, Wishes(difference=0.6)).groups
        (by_name,) = find_duplicates(index, Wishes(difference=0.6, keep="bytes")).groups
    assert Path(group.members[group.keeper].path).name == "original.png"
    assert group.keeper_reason == "It has the most detail (120 x 90; what is larger shows no more)."
    assert len(group.removable) == 4
    assert {Path(each.path).name: each.shown for each in group.members} == {
        "original.png": None,
        "enlarged.png": (120, 90),
        "enlarged.webp": (120, 90),
        "enlarged more.jpg": (120, 90),
        "small.jpg": None,
    }
    assert Path(by_name.members[by_name.keeper].path).name == "enlarged.png"
