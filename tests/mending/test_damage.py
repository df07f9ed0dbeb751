"""An index file that a disk has spoiled: it says so, or what it gives out is right."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from album import Album
from fake_embedder import BROKEN, FakeEmbedder, vector_of
from lookalike.errors import DamageError, StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.store import Store
from lookalike.mending.inspection import inspect_index
from lookalike.mending.salvage import salvage
from lookalike.records import Hits
from lookalike.tables.table import ImageTable
from spoiled import closed_album
from spoiled import spoil as spoil_rows
from stores import four_beats

SECTOR = 512
PICTURES = 40
SPOILT = 60  # of each kind


def flipped(content: bytearray, chance: random.Random) -> bytearray:
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    return content


def flipped_in_front(content: bytearray, chance: random.Random) -> bytearray:
    content[chance.randrange(4096)] ^= 1 << chance.randrange(8)
    return content


def cut(content: bytearray, chance: random.Random) -> bytearray:
    return content[: chance.randrange(len(content))]


def zeroed(content: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(content) // SECTOR) * SECTOR
    content[start : start + SECTOR] = bytes(SECTOR)
    return content


def noisy(content: bytearray, chance: random.Random) -> bytearray:
    start = chance.randrange(len(content) // SECTOR) * SECTOR
    content[start : start + SECTOR] = chance.randbytes(SECTOR)
    return content


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Album:
    made = closed_album(tmp_path_factory.mktemp("spoilt"), pictures=PICTURES)
    made.write("broken.png", BROKEN)
    made.index = Index.open(made.path, model=made.model)
    made.update()
    made.index.close()
    return made


@pytest.mark.parametrize("spoil", [flipped, flipped_in_front, cut, zeroed, noisy])
def test_a_spoilt_file_says_so_or_gives_right_answers(
    album: Album, tmp_path: Path, spoil: Callable[[bytearray, random.Random], bytearray]
) -> None:
    chance, whole = random.Random(11), album.path.read_bytes()
    told: Counter[str] = Counter()
    for number in range(SPOILT):
        path = tmp_path / f"{number}.idx"
        path.write_bytes(spoil(bytearray(whole), chance))
        path.with_name(f"{path.name}.lock").touch()
        for act in (search, update):
            told[f"{act.__name__}: {outcome(act, path, album)}"] += 1
    assert sum(number for text, number in told.items() if "damaged" in text) > 0


def outcome(act: Callable[[Path, Album], None], path: Path, album: Album) -> str:
    """What came of it; any other error than a StoreError with its four beats fails the test."""
    try:
        act(path, album)
    except StoreError as error:
        check_beats(error)
        return error.what
    return "fine"


def check_beats(error: StoreError) -> None:
    assert str(error).count(" - ") >= 3


def search(path: Path, album: Album) -> None:
    """Every answer's similarity is that of the content that its item had when it was stored."""
    query = vector_of(b"query")
    with Index.open(path, model=album.model) as index:
        index.info()
        (answer,) = index.search(query[None], k=PICTURES)
    check_right(answer, {hit.id: float(query @ vector_of(content_of(hit.id))) for hit in answer.hits})


def check_right(answer: Hits, wanted: dict[int, float]) -> None:
    for hit in answer.hits:
        assert abs(hit.similarity - wanted[hit.id]) < 1e-6


def content_of(item: int) -> bytes:
    """Items were added in the order of their names, from 1 on."""
    return f"{item - 1:03}.png".encode()


def update(path: Path, album: Album) -> None:
    """Bringing it up to date leaves every picture's own vector, or stops."""
    with Index.open(path, model=album.model) as index:
        index.update(ImageTable.read(album.root), embed=FakeEmbedder(), prune=True)


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE roots SET path = x'00'", "a source without a name or a folder"),
        *(
            (f"DELETE FROM meta WHERE key = '{key}'", f"nothing noted under {key}")
            for key in ("created", "dim", "fingerprint", "generation", "model", "model_name")
        ),
        ("UPDATE meta SET value = x'00' WHERE key = 'model'", "nothing noted under model"),
        ("UPDATE meta SET value = 'x' WHERE key = 'generation'", "noted: generation 'x'"),
        ("UPDATE vectors SET vector = 5 WHERE id = 3", "item 3 with a vector that is none"),
        ("DELETE FROM items WHERE id = 3", "a vector of item 3, and no such item"),
        ("UPDATE items SET path = CAST(x'ff' AS TEXT) WHERE id = 3", "a text that is not UTF-8"),
        ("ALTER TABLE items RENAME COLUMN attributes TO others", "no such column: attributes"),
    ],
)
def test_what_no_program_of_ours_wrote_is_called_damage(
    album: Album, tmp_path: Path, statement: str, told: str
) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(album.path.read_bytes())
    spoil_rows(path, statement)
    with pytest.raises(DamageError) as error:
        read(path, album)
    four_beats(error, "the index is damaged", told, f"lookalike doctor {path}", "--repair")


def read(path: Path, album: Album) -> None:
    search(path, album)
    update(path, album)


@pytest.mark.parametrize("spoil", [flipped, flipped_in_front, cut, zeroed, noisy])
def test_a_spoilt_file_is_inspected_and_what_is_saved_of_it_is_right(
    album: Album, tmp_path: Path, spoil: Callable[[bytearray, random.Random], bytearray]
) -> None:
    chance, whole = random.Random(12), album.path.read_bytes()
    beyond = 0
    for number in range(SPOILT // 5):
        path = tmp_path / f"{number}.idx"
        path.write_bytes(spoil(bytearray(whole), chance))
        path.with_name(f"{path.name}.lock").touch()
        try:
            inspection = inspect_index(path, model=album.model)
            if inspection.beyond_mending:
                beyond += 1
                check_saved(path, album)
        except StoreError as error:
            check_beats(error)
    assert beyond > 0


def check_saved(path: Path, album: Album) -> None:
    new = path.with_name(f"saved-{path.name}")
    salvage(path, new, model=album.model)
    store = Store(new)
    snapshot = store.snapshot()
    for item, vector in zip(snapshot.ids.tolist(), snapshot.vectors, strict=True):
        assert vector.tobytes() == vector_of(content_of(item)).tobytes()
    store.close()
