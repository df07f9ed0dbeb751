"""Larger copies that show no more: told from those that do, and not kept before what they were made of."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.duplicates import enlarged
from lookalike.duplicates.enlarged import find_enlarged, is_enlarged, note_of_rest
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.records import Band, Evidence, Group, Member
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from pictures import content
from scenes import scene, write

Resampling = Image.Resampling
WAYS = (Resampling.BILINEAR, Resampling.BICUBIC, Resampling.LANCZOS)


def detailed(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Patches with detail at every scale, weaker the finer it is, as photographs have it."""
    rng, level = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for side, strength in ((4, 50), (8, 40), (16, 30), (32, 22), (64, 16), (128, 11)):
        noise = np.uint8(np.clip(rng.normal(128, strength, (side, side, 3)), 0, 255))
        level += np.asarray(Image.fromarray(noise).resize(size, Resampling.BICUBIC), float) - 128
    return Image.fromarray(np.uint8(np.clip(level + 128, 0, 255)))


def scaled(image: Image.Image, share: float, way: Resampling = Resampling.LANCZOS) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), way)


def saved(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(content(image, "JPEG", quality=quality)))


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
        (group,) = find_duplicates(index, difference=0.6).groups
        (by_name,) = find_duplicates(index, difference=0.6, keep="bytes").groups
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
