"""Formats are told by content; what must not be opened is not; Pillow keeps quiet."""

import io
import logging
import warnings

import pytest
from PIL import Image

from lookalike.pictures import raw
from lookalike.pictures.formats import EXTENSIONS, HEIC, MAGIC, hush_pillow, identify
from pictures import content, noise

MARKED = ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "DDS", "QOI"]


@pytest.mark.parametrize("kind", [*MARKED, "PPM", "PCX", "SGI", "ICO"])
@pytest.mark.parametrize("suffix", ["", ".tga", ".jpg"])
def test_the_content_decides(kind: str, suffix: str) -> None:
    data = content(noise(), kind)
    image = identify(io.BytesIO(data), data[:16], suffix=suffix)
    assert image is not None
    assert image.format == kind


@pytest.mark.parametrize("kind", MARKED)
def test_marks_are_known(kind: str) -> None:
    assert MAGIC.match(content(noise(), kind)[:16])


def test_heic_is_marked_and_avif_is_not_heic() -> None:
    assert MAGIC.match(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert HEIC.match(b"\0\0\0\x18ftypmif1\0\0\0\0")
    assert not HEIC.match(content(noise(), "AVIF")[:16])


@pytest.mark.parametrize(
    "text", [b"BMW is a car maker", b"II. Chapter two", b"MM", b"GIF", b"", b"P6 is a code"]
)
def test_text_has_no_mark(text: bytes) -> None:
    assert not MAGIC.match(text[:16])


@pytest.mark.parametrize("suffix", ["", ".eps", ".ps", ".wmf"])
def test_formats_that_start_programs_are_unknown(suffix: str) -> None:
    for data in (content(noise(), "EPS"), b"\xd7\xcd\xc6\x9a\0\0" + bytes(60)):
        assert identify(io.BytesIO(data), data[:16], suffix=suffix) is None


def test_a_plugin_that_explains_itself_does_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    def accept(prefix: bytes) -> str:
        return "this Pillow was built without it"

    factory = Image.OPEN["PNG"][0]
    monkeypatch.setitem(Image.OPEN, "PNG", (factory, accept))
    data = content(noise(), "PNG")
    assert identify(io.BytesIO(data), data[:16], suffix="") is None


def test_pillow_knows_the_extensions() -> None:
    Image.init()
    opened = {extension for extension, name in Image.EXTENSION.items() if name in Image.OPEN}
    by_package = {".heic", ".heif", ".hif", ".mpo"}
    assert EXTENSIONS - raw.EXTENSIONS - by_package <= opened | {".jfif"}


def test_pillows_remarks_are_silenced_and_its_protection_is_not() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        hush_pillow()
        hush_pillow()
        for category in (UserWarning, Image.DecompressionBombWarning, DeprecationWarning):
            warnings.warn_explicit("from Pillow", category, "x.py", 1, module="PIL.Image")
        warnings.warn_explicit("from elsewhere", UserWarning, "x.py", 1, module="elsewhere")
    assert [message.category for message in heard] == [
        Image.DecompressionBombWarning,
        DeprecationWarning,
        UserWarning,
    ]
    assert logging.getLogger("PIL").handlers
