"""Small copies over HTTP: the picture that is meant, upright, made once, kept within bounds."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from lookalike.errors import ImageError, SkipReason
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.presenting import thumbnails
from lookalike.records import Pixels
from lookalike.serving.observing import Metrics
from lookalike.serving.problems import Problem
from lookalike.serving.thumbs import Thumb, Thumbs
from lookalike.tables.table import ImageTable
from pictures import exif
from scenes import scene, write
from served import client

BOX = (10, 20, 50, 60)


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Items: 1 wide, 2 turned, 3 a part, 4 small, 5 and 6 of one content, 7 that will be gone."""
    place = tmp_path_factory.mktemp("secret")
    write(place / "wide.png", scene(1, 300, 100))
    write(place / "turned.jpg", scene(2, 200, 100), exif=exif(6), quality=95)
    write(place / "part.png", scene(3, 120, 120))
    write(place / "small.png", scene(4, 24, 20))
    for name in ("same", "again"):
        write(place / f"{name}.png", scene(5, 64, 64))
    write(place / "gone.png", scene(6))
    names = ("wide.png", "turned.jpg", "part.png", "small.png", "same.png", "again.png", "gone.png")
    box = f'"{",".join(map(str, BOX))}"'
    rows = [f"{name},{box if name == 'part.png' else ''}" for name in names]
    (place / "all.csv").write_text("\n".join(["image,box", *rows]))
    path = place / "a.idx"
    with Index.create(path, Model.load(tiny_folder)) as made:
        made.update(ImageTable.read(place / "all.csv"), source=place / "all.csv")
    (place / "gone.png").unlink()
    return path


@pytest.fixture(scope="module")
def asking(index: Path) -> Iterator[TestClient]:
    with client(index) as made:
        yield made


def shown(content: bytes) -> Pixels:
    with Image.open(io.BytesIO(content)) as image:
        assert image.format == "JPEG"
        return np.asarray(image.convert("RGB"))


def expected(file: Path, size: int, box: tuple[int, int, int, int] | None = None) -> Pixels:
    """The slower way: the picture whole, turned and cut, then made small."""
    image = Image.open(file)
    turned = image.transpose(Image.Transpose.ROTATE_270) if image.getexif().get(0x0112) == 6 else image
    part = (turned if box is None else turned.crop(box)).convert("RGB")
    part.thumbnail((size, size), Image.Resampling.LANCZOS)
    return np.asarray(part)


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize(
    ("number", "name", "box"), [(1, "wide.png", None), (2, "turned.jpg", None), (3, "part.png", BOX)]
)
def test_a_small_copy_shows_the_item(
    asking: TestClient, index: Path, number: int, name: str, box: tuple[int, int, int, int] | None, size: int
) -> None:
    answer = asking.get(f"/v1/thumb/{number}", params={"s": size})
    pixels, wanted = shown(answer.content), expected(index.parent / name, size, box)
    assert answer.headers["content-type"] == "image/jpeg"
    assert pixels.shape == wanted.shape
    assert np.abs(pixels.astype(float) - wanted).mean() < 8


def test_a_picture_is_never_enlarged(asking: TestClient) -> None:
    assert shown(asking.get("/v1/thumb/4?s=2048").content).shape == (20, 24, 3)


def test_the_usual_size_is_128(asking: TestClient) -> None:
    assert shown(asking.get("/v1/thumb/1").content).shape == (43, 128, 3)


def test_what_a_browser_has_is_not_sent_again(asking: TestClient) -> None:
    first = asking.get("/v1/thumb/1?s=64")
    assert first.headers["cache-control"].startswith("private, max-age=")
    tag = first.headers["etag"]
    for known in (tag, f'W/{tag}, "other"'):
        again = asking.get("/v1/thumb/1?s=64", headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for address in ("/v1/thumb/1?s=65", "/v1/thumb/2?s=64"):
        other = asking.get(address, headers={"If-None-Match": tag})
        assert (other.status_code, other.headers["etag"] != tag) == (200, True)


def test_a_picture_that_is_gone_is_a_grey_tile_that_is_not_kept(asking: TestClient, index: Path) -> None:
    for _ in range(2):
        answer = asking.get("/v1/thumb/7?s=100")
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        assert answer.content == thumbnails.tile(SkipReason.MISSING.value, 100)
        assert shown(answer.content).shape == (100, 100, 3)
    write(index.parent / "gone.png", scene(6))
    assert "etag" in asking.get("/v1/thumb/7?s=100").headers
    (index.parent / "gone.png").unlink()


class FakeDecoders:
    """Answers with the number of the call, so many bytes; waits, or fails, where it is told to."""

    def __init__(self, size: int = 100) -> None:
        self.calls, self.size = 0, size
        self.error: Exception | None = None
        self.begun, self.go_on = threading.Semaphore(0), threading.Event()
        self.go_on.set()

    def small(self, _source: Path, _size: int, *, box: object = None) -> bytes:
        self.calls += 1
        made = str(self.calls).encode()
        self.begun.release()
        assert self.go_on.wait(30)
        if self.error is not None:
            raise self.error
        return made.ljust(self.size)


@pytest.fixture
def opened(index: Path) -> Iterator[Index]:
    with Index.open(index) as made:
        yield made


def of(opened: Index, decoders: FakeDecoders, **options: Any) -> Thumbs:
    return Thumbs(opened.store, decoders, Metrics(items=lambda: 0), **options)  # type: ignore[arg-type]


def get(thumbs: Thumbs, number: int, size: int = 64) -> Thumb:
    found = thumbs.find(number, size)
    assert found is not None
    return thumbs.make(found)


def test_a_copy_is_made_once_for_each_content_and_size(opened: Index) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders)
    same = [get(thumbs, number) for number in (5, 6, 5)]
    assert (decoders.calls, len(set(same))) == (1, 1)
    get(thumbs, 5, 65)
    get(thumbs, 3)
    assert (decoders.calls, thumbs.made, thumbs.kept_bytes) == (3, 3, 300)
    assert thumbs.find(99, 64) is None


def test_the_copy_used_longest_ago_makes_room(opened: Index) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders, most_bytes=250)
    first, second = get(thumbs, 1), get(thumbs, 2)
    assert get(thumbs, 1) == first
    get(thumbs, 3)
    assert thumbs.kept_bytes == 200
    assert get(thumbs, 1) == first
    assert get(thumbs, 2) != second
    for size in range(16, 60):
        get(thumbs, 4, size)
        assert thumbs.kept_bytes <= 250


def test_a_copy_larger_than_all_room_is_not_kept(opened: Index) -> None:
    decoders = FakeDecoders(size=300)
    thumbs = of(opened, decoders, most_bytes=250)
    assert get(thumbs, 1) != get(thumbs, 1)
    assert thumbs.kept_bytes == 0


def test_who_asks_at_once_gets_one_copy(opened: Index) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders)
    decoders.go_on.clear()
    with ThreadPoolExecutor(6) as pool:
        waiting = [pool.submit(get, thumbs, 5 + number % 2) for number in range(6)]
        assert decoders.begun.acquire(timeout=30)
        decoders.go_on.set()
        assert len({future.result(30) for future in waiting}) == 1
    assert decoders.calls == 1


@pytest.mark.parametrize("error", [Problem(503, "busy", "later", "wait"), RuntimeError("a fault")])
def test_who_waits_is_told_of_a_failure_and_the_next_asks_again(opened: Index, error: Exception) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders)
    decoders.go_on.clear()
    decoders.error = error
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(get, thumbs, 1) for _ in range(3)]
        assert decoders.begun.acquire(timeout=30)
        decoders.go_on.set()
        assert {type(future.exception(30)) for future in waiting} == {type(error)}
    decoders.error = None
    assert get(thumbs, 1).is_lasting


def test_a_tile_is_not_kept(opened: Index) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders)
    decoders.error = ImageError("no", reason=SkipReason.TRUNCATED, where="x", saw="y", do="z")
    assert get(thumbs, 1) == Thumb(thumbnails.tile("truncated", 64), "truncated")
    decoders.error = None
    assert (get(thumbs, 1).is_lasting, thumbs.kept_bytes) == (True, 100)


def test_a_file_that_changed_is_not_shown(opened: Index, index: Path) -> None:
    decoders = FakeDecoders()
    thumbs = of(opened, decoders)
    before = (index.parent / "small.png").read_bytes()
    (index.parent / "small.png").write_bytes(before + b" more")
    changed = Thumb(thumbnails.tile("changed", 64), "changed")
    assert (get(thumbs, 4), thumbs.kept_bytes) == (changed, 0)
    (index.parent / "small.png").unlink()
    assert get(thumbs, 4) == Thumb(thumbnails.tile("missing", 64), "missing")
    (index.parent / "small.png").write_bytes(before)
    assert get(thumbs, 4).is_lasting  # another time, the same content


def test_a_link_in_the_place_of_a_picture_shows_nothing_of_what_it_leads_to(
    tiny_folder: Path, tmp_path: Path
) -> None:
    folder, secret = tmp_path / "photos", tmp_path / "secret.bmp"
    folder.mkdir()
    mine = folder / "mine.bmp"  # of one size, whatever it shows
    scene(1, 64, 64).save(mine)
    scene(3, 64, 64).save(folder / "other.bmp")
    path = tmp_path / "a.idx"
    with Index.create(path, Model.load(tiny_folder)) as made:
        made.update(ImageTable.read(folder), source=folder)
    scene(2, 64, 64).save(secret)
    assert secret.stat().st_size == mine.stat().st_size
    mine.unlink()
    mine.symlink_to(secret)
    with client(path) as asking:
        answer = asking.get("/v1/thumb/1?s=64")
        assert answer.content == thumbnails.tile("changed", 64)
        assert answer.headers["cache-control"] == "no-store"
        refused = asking.post("/v1/explain", json={"a": {"id": 1}, "b": {"id": 2}})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "picture_changed")
        assert "lookalike index INDEX" in refused.json()["error"]["hint"]
        mine.unlink()
        scene(1, 64, 64).save(mine)
        assert "etag" in asking.get("/v1/thumb/1?s=64").headers
        assert asking.post("/v1/explain", json={"a": {"id": 1}, "b": {"id": 2}}).status_code == 200
