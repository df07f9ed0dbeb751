"""Equal pixels in many files: one of them stands for all, and the others come with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike import Index, Model
from lookalike.duplicates import measured
from lookalike.duplicates.equals import Equals
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.proposing import propose
from lookalike.duplicates.records import Band
from lookalike.tables.table import ImageTable
from scenes import halved, scene, write

EQUAL = 6


@pytest.fixture
def index(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    """Six files of equal pixels and different bytes, a smaller copy of them, and another picture."""
    root = tmp_path / "pictures"
    root.mkdir()
    for level in range(EQUAL):
        scene(1, 120, 80).save(root / f"{level}.png", compress_level=level)
    write(root / "half.png", halved(scene(1, 120, 80)))
    write(root / "other.png", scene(2, 120, 80))
    with Index.create(tmp_path / "i.idx", tiny) as made:
        made.update(ImageTable.read(root))
        yield made


def test_pairs_are_those_of_the_representative_and_what_is_like_them() -> None:
    equals = Equals({3: [1, 7]})
    assert equals.spare == [1, 7]
    assert equals.within() == [(1, 3), (3, 7)]
    assert equals.like((3, 5)) == [(1, 5), (5, 7)]
    assert equals.like((4, 5)) == []


def test_one_of_equals_is_compared_and_all_are_grouped(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    def counted(vectors: np.ndarray, *args: object, **options: object) -> object:
        compared.append(len(vectors))
        return propose(vectors, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measured, "propose", counted)
    (group,) = find_duplicates(index).groups
    assert compared == [3]
    assert [evidence.band for evidence in group.evidence] == [Band.SAME_PIXELS] * (EQUAL - 1) + [
        Band.NEAR_COPY
    ]
    assert find_duplicates(index, Wishes(bands=[Band.SAME_PIXELS])).groups[0].band is Band.SAME_PIXELS
    (near,) = find_duplicates(index, Wishes(bands=[Band.NEAR_COPY])).groups
    assert len(near) == EQUAL + 1
    assert {evidence.band for evidence in near.evidence} == {Band.NEAR_COPY}
