"""Pictures that must be refused, each with its reason; damaged content; life in a larger program."""

import io
import os
import struct
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.images import MAX_PIXELS, open_image, skipped
from lookalike.pictures.pixel_limit import limited
from pictures import content, exif, heic, noise, png, reason, smooth

# what does not open


def test_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "file").write_bytes(b"x")
    for name in ("nowhere.png", "dangling.png", "file/a.png", "nul\0.png"):
        assert reason(tmp_path / name) is SkipReason.MISSING


def test_a_link_loop(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("a.png")
    assert reason(tmp_path / "a.png") is SkipReason.LINK_LOOP


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        (b"<html>\n<body>not found</body>", '"<html> <body>not"'),
        (b"line one\r\n\tline two", '"line one line"'),
        (b"\xef\xbb\xbfimage,label\n1", '"image,label 1"'),
        ("Öl\nund Käse aus H".encode(), '"Öl und Käse au"'),
        (b"1234567890abcd\xc3", '"1234567890abcd"'),
        (b"\x00\x01\x02\x03", "00 01 02 03"),
        (b"abc\x07def", "61 62 63 07 64 65 66"),
        (b"caf\xe9 au lait", "63 61 66 e9 20 61 75 20 6c 61 69 74"),
    ],
)
def test_what_is_no_picture_is_shown_as_text_where_it_is_text(content: bytes, seen: str) -> None:
    with pytest.raises(ImageError) as caught:
        open_image(content)
    assert caught.value.reason is SkipReason.NOT_AN_IMAGE
    assert caught.value.saw == f"content that begins with {seen}"


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert reason(tmp_path / "a.png") is SkipReason.EMPTY
    assert reason(b"") is SkipReason.EMPTY


@pytest.mark.parametrize(
    "text", [b"hello, this is text\n" * 50, b"x", b"#define x 3\n", b"%!PS-Adobe-3.0 EPSF-3.0\n"]
)
def test_text_named_jpg(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(text)
    assert reason(tmp_path / "a.jpg") is SkipReason.NOT_AN_IMAGE


def test_postscript_is_never_run() -> None:
    assert reason(content(noise(), "EPS")) is SkipReason.NOT_AN_IMAGE


def test_heic_without_its_package_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(ImageError, match="pip install pillow-heif") as caught:
        open_image(b"\0\0\0\x18ftypheic" + bytes(40))
    record = skipped(caught.value, "a.heic")
    assert record.reason is SkipReason.NOT_AN_IMAGE
    assert "pillow-heif" in record.detail


@pytest.mark.parametrize("cut", [30, 200, 400])
def test_a_cut_heic_is_truncated(cut: int) -> None:
    assert reason(heic(smooth(40, 50))[:cut]) is SkipReason.TRUNCATED


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_truncated(kind: str) -> None:
    data = content(noise(), kind)
    for share in (0.02, 0.1, 0.5, 0.8):
        assert reason(data[: max(16, int(len(data) * share))]) is SkipReason.TRUNCATED


def test_a_400_megapixel_png_is_refused_from_its_header() -> None:
    with pytest.raises(
        ImageError, match=r"saw 20000 x 20000 pixels, wanted at most 200,000,000 pixels"
    ) as caught:
        open_image(png(20_000, 20_000))
    assert caught.value.reason is SkipReason.TOO_LARGE


def test_the_limit_is_exact() -> None:
    data = content(noise(), "PNG")
    assert open_image(data, max_pixels=24 * 31).shape == (24, 31, 3)
    assert reason(data, max_pixels=24 * 31 - 1) is SkipReason.TOO_LARGE
    assert reason(png(MAX_PIXELS, 1)) is SkipReason.TOO_SMALL


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 50), (50, 1)])
def test_a_side_of_one_pixel_is_too_small(width: int, height: int) -> None:
    assert reason(content(Image.new("RGB", (width, height)), "PNG")) is SkipReason.TOO_SMALL


def test_folders_and_pipes_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    worker = threading.Thread(target=reason, args=(tmp_path / "pipe.png",), daemon=True)
    worker.start()
    worker.join(timeout=10)
    assert not worker.is_alive()
    assert reason(tmp_path) is SkipReason.UNREADABLE
    assert reason(tmp_path / "pipe.png") is SkipReason.UNREADABLE


@pytest.mark.parametrize("number", [13, 5])
def test_permission_and_disk_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Permission bits do not stop the superuser, so the refusal is played."""
    (tmp_path / "a.png").write_bytes(content(noise(), "PNG"))

    def refuse(self: Path, *args: object, **options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageError, match=os.strerror(number)) as caught:
        open_image(tmp_path / "a.png")
    assert caught.value.reason is SkipReason.UNREADABLE


class FailingDisk(io.BytesIO):
    """A file whose first 100 bytes can be read."""

    def read(self, size: int | None = -1, /) -> bytes:
        if self.tell() > 100:
            raise OSError(5, "Input/output error")
        return super().read(size)


def test_a_disk_error_in_the_middle_is_not_called_truncation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = content(noise(200, 300), "PNG")
    (tmp_path / "a.png").write_bytes(data)
    monkeypatch.setattr(Path, "open", lambda *args: FailingDisk(data))
    assert reason(tmp_path / "a.png") is SkipReason.UNREADABLE


def test_memory_that_does_not_suffice(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: ImageFile.ImageFile) -> None:
        raise MemoryError

    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", refuse)
    with pytest.raises(ImageError, match="more pixels than memory") as caught:
        open_image(content(noise(), "BMP"))
    assert caught.value.reason is SkipReason.TOO_LARGE


def test_a_name_that_is_not_utf8_gives_a_printable_message(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    path.touch()
    with pytest.raises(ImageError) as caught:
        open_image(path)
    str(caught.value).encode()
    assert skipped(caught.value, path).path.endswith("caf\ufffd.png")


# as a guest in a larger program


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP"])
def test_pillows_own_limit_neither_warns_nor_changes(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    data = content(noise(), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)  # the picture has 744
    assert open_image(data).shape == (24, 31, 3)
    assert Image.MAX_IMAGE_PIXELS == 500
    with pytest.raises(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(data))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "GIF", "BMP", "WEBP", "ICO", "AVIF", "JPEG2000"])
def test_the_one_limit_holds_for_every_format_whatever_pillows_is(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    data = content(noise(32, 32), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_image(data, max_pixels=1024).shape == (32, 32, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match="saw 32 x 32 pixels, wanted at most 1,023 pixels") as caught:
        open_image(data, max_pixels=1023)
    assert caught.value.reason is SkipReason.TOO_LARGE
    assert caught.value.do == "scale it down"


def test_an_icon_is_refused_by_the_picture_in_it_not_by_its_own_word(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = png(3000, 2000)
    icon = struct.pack("<HHHBBBBHHII", 0, 1, 1, 0, 0, 0, 0, 1, 32, len(inside), 22) + inside
    monkeypatch.setattr(ImageFile.ImageFile, "load_prepare", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageError, match="saw 3000 x 2000 pixels, wanted at most 1,000,000 pixels"):
        open_image(icon, max_pixels=1_000_000)


def test_threads_do_not_share_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    data = content(noise(), "WEBP")
    errors: list[BaseException] = []

    def look() -> None:
        try:
            Image.open(io.BytesIO(data))
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with limited(10_000):
        other = threading.Thread(target=look)
        other.start()
        other.join()
        assert Image.open(io.BytesIO(data)).size == (31, 24)
    assert [type(error) for error in errors] == [Image.DecompressionBombError]


def test_truncated_pictures_are_not_completed_in_secret() -> None:
    open_image(content(noise(), "JPEG"))
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


def test_many_threads_see_the_same_pixels() -> None:
    kinds = ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF")
    data = [content(noise(60, 80), kind) for kind in kinds]
    alone = [open_image(item, target=20) for item in data]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda item: open_image(item, target=20), data * 20))
    assert all(np.array_equal(pixels, alone[place % len(kinds)]) for place, pixels in enumerate(together))


# damaged content


def specimens() -> dict[str, bytes]:
    image, other = noise(), noise().rotate(180)
    return {
        "png": content(image, "PNG", exif=exif(6)),
        "png palette": content(image.convert("P"), "PNG", transparency=3),
        "png 16 bit": content(Image.fromarray(np.arange(700, dtype=np.uint16).reshape(20, 35)), "PNG"),
        "png animated": content(image, "PNG", save_all=True, append_images=[other]),
        "jpeg": content(image, "JPEG", exif=exif(6)),
        "jpeg progressive": content(image.convert("CMYK"), "JPEG", progressive=True),
        "gif": content(image, "GIF", save_all=True, append_images=[other]),
        "webp": content(image, "WEBP", exif=exif(6)),
        "webp lossless": content(image.convert("RGBA"), "WEBP", lossless=True),
        "tiff": content(image, "TIFF", exif=exif(6)),
        "tiff deflate": content(image, "TIFF", compression="tiff_adobe_deflate"),
        "bmp": content(image, "BMP"),
    }


SPECIMENS = specimens()


def opens_or_is_refused(data: bytes, target: int | None) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with suppress(ImageError):
            pixels = open_image(data, target=target)
            assert pixels.dtype == np.uint8
            assert pixels.shape[2:] == (3,)
            assert min(pixels.shape[:2]) >= 2
    assert heard == []


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(sorted(SPECIMENS)), st.data(), st.sampled_from([None, 5]))
def test_damaged_files_never_surprise(name: str, data: st.DataObject, target: int | None) -> None:
    damaged = bytearray(SPECIMENS[name])
    if data.draw(st.booleans(), label="truncate"):
        del damaged[data.draw(st.integers(0, len(damaged) - 1), label="length") :]
    else:
        place = data.draw(st.integers(0, len(damaged) - 1), label="place")
        damaged[place] = data.draw(st.integers(0, 255), label="byte")
    opens_or_is_refused(bytes(damaged), target)


@settings(deadline=None, max_examples=200)
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"BM", b"II*\0"]), st.binary()
)
def test_random_bytes_never_surprise(prefix: bytes, body: bytes) -> None:
    opens_or_is_refused(prefix + body, None)
