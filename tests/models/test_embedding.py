from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import EvaluationError
from lookalike.models.embedding import (
    CHUNK,
    content_hash,
    embed_chunks,
    embed_table,
    map_in_order,
    without_bad_names,
)
from lookalike.models.model import Model
from lookalike.pictures.images import open_image, open_picture
from lookalike.pictures.preprocess import prepare
from lookalike.pictures.prints import look_of
from lookalike.records import Floats
from lookalike.tables.table import ImageTable


@pytest.fixture
def pictures(few: Path, tmp_path: Path) -> list[Path]:
    """2.5 chunks of different pictures."""
    sources = sorted(few.rglob("*.png"))[: 2 * CHUNK + CHUNK // 2]
    copies = [tmp_path / f"{i:02}.png" for i in range(len(sources))]
    for source, copy in zip(sources, copies, strict=True):
        shutil.copy(source, copy)
    return copies


def one_by_one(model: Model, paths: Sequence[Path]) -> Floats:
    prepared = [prepare(open_image(path), model.preprocess) for path in paths]
    return np.concatenate([model.embed_pixels(image[None]) for image in prepared])


def collect(model: Model, paths: Sequence[Path], **options: object) -> tuple[np.ndarray, Floats, list[int]]:
    chunks = list(embed_chunks(model, paths, **options))  # type: ignore[arg-type]
    rows = np.concatenate([chunk.rows for chunk in chunks])
    vectors = np.concatenate([chunk.vectors for chunk in chunks])
    return rows, vectors, [row for chunk in chunks for row, _ in chunk.skipped]


def test_rows_come_in_order_with_their_own_vectors(tiny: Model, pictures: list[Path]) -> None:
    rows, vectors, skipped = collect(tiny, pictures)
    assert rows.tolist() == list(range(len(pictures)))
    assert skipped == []
    assert np.allclose(vectors, one_by_one(tiny, pictures), atol=1e-5)


@pytest.mark.parametrize("place", range(2 * CHUNK + CHUNK // 2))
def test_bad_file_shifts_nobody(tiny: Model, pictures: list[Path], place: int) -> None:
    expected = one_by_one(tiny, pictures)
    pictures[place].write_bytes(pictures[place].read_bytes()[:60])
    rows, vectors, skipped = collect(tiny, pictures)
    kept = [row for row in range(len(pictures)) if row != place]
    assert (rows.tolist(), skipped) == (kept, [place])
    assert np.allclose(vectors, expected[kept], atol=1e-5)


def test_chunk_of_bad_files_alone(tiny: Model, pictures: list[Path]) -> None:
    for path in pictures[CHUNK : 2 * CHUNK]:
        path.write_bytes(b"")
    rows, vectors, skipped = collect(tiny, pictures)
    assert skipped == list(range(CHUNK, 2 * CHUNK))
    assert len(rows) == len(vectors) == len(pictures) - CHUNK


def test_box_is_what_is_looked_at(tiny: Model, tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:32, :32] = np.random.default_rng(0).integers(0, 256, (32, 32, 3))
    whole, part = tmp_path / "whole.png", tmp_path / "part.png"
    Image.fromarray(pixels).save(whole)
    Image.fromarray(pixels[:32, :32]).save(part)
    chunk = next(embed_chunks(tiny, [whole, whole, part], boxes=[(0, 0, 32, 32), None, None]))
    assert np.allclose(chunk.vectors[0], chunk.vectors[2], atol=1e-6)
    assert not np.allclose(chunk.vectors[0], chunk.vectors[1], atol=1e-3)
    assert len(set(chunk.hashes)) == 3


def test_hash_is_of_content_and_box() -> None:
    assert content_hash(b"a") == content_hash(b"a")
    assert len({content_hash(b"a"), content_hash(b"b"), content_hash(b"a", (0, 0, 2, 2))}) == 3
    near = content_hash(b"a", (1000, 1000, 2000, 2000)), content_hash(b"a", (1000, 1000, 2000, 2001))
    assert near[0] != near[1]


class Remembered:
    """A memory that counts."""

    def __init__(self) -> None:
        self.kept: dict[bytes, Floats] = {}

    def get(self, digest: bytes) -> Floats | None:
        return self.kept.get(digest)

    def add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
        self.kept.update(zip(hashes, vectors, strict=True))


def test_memory_is_used_and_filled(tiny: Model, pictures: list[Path]) -> None:
    memory = Remembered()
    _, first, _ = collect(tiny, pictures, memory=memory)
    assert len(memory.kept) == len(pictures)
    marked = next(iter(memory.kept))
    memory.kept[marked] = np.eye(tiny.dim, dtype=np.float32)[0]
    del memory.kept[list(memory.kept)[5]]
    _, second, _ = collect(tiny, pictures, memory=memory)
    changed = np.flatnonzero(np.abs(first - second).max(axis=1) > 1e-5)
    assert len(changed) == 1
    assert second[changed[0], 0] == 1
    with pytest.raises(ValueError, match="embedding alone"):
        next(embed_chunks(tiny, pictures, memory=memory, outputs=("embedding", "feature")))


def test_table_keeps_ids_and_reports_skipped(tiny: Model, few: Path, tmp_path: Path) -> None:
    root = tmp_path / "tree"
    shutil.copytree(few, root)
    broken = sorted(root.rglob("*.png"))[3]
    broken.write_bytes(b"no picture")
    shutil.copy(sorted(root.rglob("*.png"))[0], root / "twin.png")
    table = ImageTable.read(root)
    counts: list[tuple[int, int]] = []
    embedded = embed_table(tiny, table, progress=lambda done, total: counts.append((done, total)))
    assert [entry.path for entry in embedded.skipped] == [str(broken)]
    assert embedded.embeddings.ids.tolist() == table.ids[embedded.rows].tolist()
    assert counts[-1] == (len(table), len(table))
    assert len(np.unique(embedded.identity)) == len(embedded.identity) - 1


def test_nothing_usable_is_an_error(tiny: Model, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(EvaluationError, match=r"no picture could be used.*1 skipped.*empty.*describe"):
        embed_table(tiny, ImageTable.read(tmp_path))


def test_map_in_order_is_lazy_and_ordered() -> None:
    started: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        return -item

    results = map_in_order(work, range(100), workers=2)
    assert next(results) == 0
    assert len(started) <= 6
    assert list(results) == [-item for item in range(1, 100)]


def test_map_in_order_passes_errors_on() -> None:
    def work(item: int) -> int:
        raise KeyError(item)

    with pytest.raises(KeyError):
        list(map_in_order(work, range(10), workers=2))


def test_a_look_comes_with_each_vector_that_was_made(tiny: Model, pictures: list[Path]) -> None:
    pictures[3].write_bytes(b"")
    chunk = next(embed_chunks(tiny, pictures[:CHUNK]))
    contents = [path.read_bytes() for path in pictures[:CHUNK] if path != pictures[3]]
    expected = [look_of(open_picture(content), content) for content in contents]
    assert chunk.looks == tuple(expected)


def test_a_look_at_a_box_is_of_the_part(tiny: Model, pictures: list[Path]) -> None:
    box = (0, 0, 20, 10)
    chunk = next(embed_chunks(tiny, pictures[:2], boxes=[box, None]))
    assert [(look.width, look.height) for look in chunk.looks if look] == [(20, 10), (64, 64)]


def test_known_pictures_are_not_looked_at(tiny: Model, pictures: list[Path]) -> None:
    known = content_hash(pictures[1].read_bytes())

    class Knows:
        def get(self, digest: bytes) -> Floats | None:
            return one_by_one(tiny, pictures[1:2])[0] if digest == known else None

        def add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
            assert known not in hashes
            assert len(hashes) == len(vectors)

    chunk = next(embed_chunks(tiny, pictures[:3], memory=Knows()))
    assert [look is None for look in chunk.looks] == [False, True, False]


def test_a_name_that_is_not_utf8_takes_its_look_along(tiny: Model, pictures: list[Path]) -> None:
    paths = [pictures[0], pictures[1].with_name(os.fsdecode(b"\xff.png")), pictures[2]]
    pictures[1].rename(paths[1])
    (chunk,) = without_bad_names(embed_chunks(tiny, paths), paths)
    contents = [paths[0].read_bytes(), paths[2].read_bytes()]
    assert chunk.looks == tuple(look_of(open_picture(content), content) for content in contents)
    assert chunk.rows.tolist() == [0, 2]
