from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lookalike.composing import Given
from lookalike.errors import ImageError, ModelError, SkipReason
from lookalike.matching import match
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import Model
from lookalike.records import Floats
from some_records import threshold


def test_same_picture_matches_and_another_does_not(tiny: Model, few: Path) -> None:
    first, second = sorted(few.rglob("noto.png"))[:2]
    tiny.set_threshold(replace(threshold("f1"), similarity=0.999))
    assert match(tiny, first, first).match
    assert match(tiny, first, first).similarity == pytest.approx(1.0, abs=1e-5)
    assert not match(tiny, first, second).match
    assert match(tiny, first, second).similarity == pytest.approx(match(tiny, second, first).similarity)


def test_needs_a_threshold(tiny: Model, few: Path) -> None:
    picture = next(few.rglob("*.png"))
    with pytest.raises(ModelError, match="lookalike calibrate"):
        match(tiny, picture, picture)


def test_another_threshold_is_taken_by_its_name(tiny: Model, few: Path) -> None:
    first, second = sorted(few.rglob("noto.png"))[:2]
    tiny.set_threshold(replace(threshold("f1"), similarity=0.999))
    tiny.set_threshold(replace(threshold("f1"), similarity=-1.0), name="loose")
    assert not match(tiny, first, second).match
    assert match(tiny, first, second, threshold="loose").match
    with pytest.raises(ModelError, match=r"named default, loose, wanted strict - .*--name strict"):
        match(tiny, first, second, threshold="strict")


def test_bad_picture_is_named(tiny: Model, few: Path, tmp_path: Path) -> None:
    tiny.set_threshold(threshold("f1"))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    with pytest.raises(ImageError, match=r"bad\.png.*give another picture") as caught:
        match(tiny, next(few.rglob("*.png")), bad)
    assert caught.value.reason is SkipReason.EMPTY


def test_pictures_that_are_given_match_as_their_files_do(tiny: Model, few: Path) -> None:
    tiny.set_threshold(threshold("f1"))
    files = sorted(few.rglob("noto.png"))[:2]
    a, b = (Given(file.name, vector) for file, vector in zip(files, vectors_of(tiny, files), strict=True))
    wanted = match(tiny, *files)
    for pair in ((a, b), (files[0], b), (a, files[1])):
        found = match(tiny, *pair)
        assert found.similarity == pytest.approx(wanted.similarity, abs=1e-6)
        assert (found.match, found.probability) == (wanted.match, wanted.probability)
    assert (match(tiny, a, files[1]).a, match(tiny, a, files[1]).b) == ("noto.png", str(files[1]))


def vectors_of(model: Model, files: list[Path]) -> Floats:
    return next(embed_chunks(model, files)).vectors
