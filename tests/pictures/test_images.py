"""Opening pictures: every kind that must open, at full and at reduced size."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.images import MAX_BYTES, find_images, open_image, open_picture, read_image
from pictures import chunk, content, exif, heic, noise, reason, smooth

# what opens


def test_the_sample_opens_as_pillow_reads_it(sample: Path) -> None:
    paths = find_images(sample).paths
    assert len(paths) > 1500
    for path in paths[::100]:
        pixels = open_image(sample / path)
        assert pixels.shape == (64, 64, 3)
        assert np.array_equal(pixels, np.asarray(Image.open(sample / path).convert("RGB")))


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "PPM", "QOI"]
)
def test_formats_by_content_from_bytes_and_from_a_misnamed_file(tmp_path: Path, kind: str) -> None:
    data = content(smooth(40, 50), kind)
    misnamed = tmp_path / ("a.png" if kind == "JPEG" else "a.jpg")
    misnamed.write_bytes(data)
    pixels = open_image(data)
    assert np.array_equal(pixels, open_image(misnamed))
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))
    assert pixels.flags.c_contiguous
    assert pixels.flags.writeable


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_from_bytes_and_from_a_misnamed_file_is_upright(tmp_path: Path, orientation: int) -> None:
    data = heic(smooth(40, 50), orientation=orientation)
    (tmp_path / "a.jpg").write_bytes(data)
    pixels = open_image(data)
    assert np.array_equal(pixels, open_image(tmp_path / "a.jpg"))
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(_tagged(orientation)))))
    assert np.abs(pixels.astype(int) - wanted).mean() < 4  # HEIC loses a little


def _tagged(orientation: int) -> bytes:
    return content(smooth(40, 50), "PNG", exif=exif(orientation))


def test_targa_is_told_by_its_end_or_by_its_extension(tmp_path: Path) -> None:
    data = content(noise(), "TGA")
    assert np.array_equal(open_image(data), np.asarray(noise()))
    old = data[: -len(b"TRUEVISION-XFILE.\0")]
    (tmp_path / "a.tga").write_bytes(old)
    assert np.array_equal(open_image(tmp_path / "a.tga"), np.asarray(noise()))
    assert reason(old) is SkipReason.NOT_AN_IMAGE


def test_what_the_file_says_besides_the_pixels() -> None:
    data = content(smooth(60, 80).convert("CMYK"), "JPEG", exif=exif(6))
    picture = open_picture(data, target=20)
    assert (picture.format, picture.mode, picture.size) == ("JPEG", "CMYK", (60, 80))
    assert picture.pixels.shape == (40, 30, 3)
    picture = open_picture(content(noise().convert("P"), "TIFF", exif=exif(6)))
    assert (picture.format, picture.mode, picture.size) == ("TIFF", "P", (24, 31))


def test_the_file_is_read_whole_for_hashing(tmp_path: Path, sample: Path) -> None:
    path = sample / find_images(sample).paths[0]
    assert read_image(path) == path.read_bytes()
    with pytest.raises(ImageError, match="No such file"):
        read_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="folder, pipe or device"):
        read_image(tmp_path)


def test_a_file_that_memory_should_not_hold_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "a.png").open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # sparse: takes no room
    with pytest.raises(ImageError, match="wanted at most 1,073,741,824 bytes") as caught:
        read_image(tmp_path / "a.png")
    assert caught.value.reason is SkipReason.TOO_LARGE


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(kind: str, orientation: int) -> None:
    data = content(noise(), kind, exif=exif(orientation))
    expected = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    assert np.array_equal(open_image(data), np.asarray(expected))


@pytest.mark.parametrize("orientation", [0, 9, 200])
def test_an_orientation_out_of_range_is_ignored(orientation: int) -> None:
    assert open_image(content(noise(), "PNG", exif=exif(orientation))).shape == (24, 31, 3)


def test_damaged_exif_does_not_cost_the_picture() -> None:
    data = content(noise(), "PNG")
    damaged = data[:33] + chunk(b"eXIf", b"II*\0\xff\xff\xff\x7f") + data[33:]
    assert np.array_equal(open_image(damaged), np.asarray(noise()))


def test_transparency_is_white() -> None:
    clear = Image.new("RGBA", (4, 3), (200, 0, 0, 0))
    for kind in ("PNG", "WEBP", "TIFF"):
        assert (open_image(content(clear, kind)) == 255).all()


def test_cmyk_jpeg() -> None:
    image = smooth(40, 50)
    pixels = open_image(content(image.convert("CMYK"), "JPEG", quality=95))
    assert np.abs(pixels.astype(int) - np.asarray(image)).max() < 16


def test_16_bit_grey_png() -> None:
    levels = np.linspace(0, 65535, 64).reshape(8, 8).astype(np.uint16)
    pixels = open_image(content(Image.fromarray(levels), "PNG"))
    assert np.array_equal(pixels[..., 0], np.round(levels / 257))


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    frames = [Image.new("RGB", (9, 8), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = content(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (open_image(data) == (255, 0, 0)).all()


# reduced-size decoding and boxes


def test_a_jpeg_is_decoded_at_reduced_size() -> None:
    data = content(smooth(1200, 1600), "JPEG")
    assert open_image(data, target=150).shape == (150, 200, 3)
    assert open_image(data, target=151).shape == (300, 400, 3)
    assert open_image(data, target=1201).shape == (1200, 1600, 3)
    assert open_image(content(smooth(120, 160), "PNG"), target=10).shape == (120, 160, 3)


def test_reduced_pixels_show_the_same_picture() -> None:
    image = smooth(480, 640)
    reduced = open_image(content(image, "JPEG", quality=95), target=60)
    assert np.abs(reduced.astype(int) - np.asarray(image.reduce(8))).max() <= 4


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 300), st.integers(2, 300), st.integers(1, 90))
def test_the_shorter_side_never_falls_below_the_target(height: int, width: int, target: int) -> None:
    pixels = open_image(content(smooth(height, width), "JPEG"), target=target)
    assert min(pixels.shape[:2]) >= min(target, height, width)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_box_is_of_the_upright_picture(orientation: int) -> None:
    data = content(noise(), "PNG", exif=exif(orientation))
    assert np.array_equal(open_image(data, box=(3, 5, 20, 19)), open_image(data)[5:19, 3:20])


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_box_at_reduced_size_covers_the_same_part(orientation: int) -> None:
    data = content(smooth(960, 1280), "JPEG", quality=95, exif=exif(orientation))
    box = (200, 100, 600, 900)
    part = open_image(data, box=box, target=100)
    assert part.shape == (200, 100, 3)
    expected = Image.fromarray(open_image(data)).crop(box).reduce(4)
    assert np.abs(part.astype(int) - np.asarray(expected)).max() <= 6


def test_a_box_at_reduced_size_is_widened_to_whole_pixels() -> None:
    data = content(smooth(400, 400), "JPEG")
    assert open_image(data, box=(3, 3, 69, 69), target=33).shape == (34, 34, 3)


def test_the_reduction_follows_from_the_upright_box() -> None:
    data = content(smooth(960, 1280), "JPEG", exif=exif(6))
    assert open_image(data, box=(100, 900, 500, 1272), target=90).shape == (93, 100, 3)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(-50, 250), st.integers(-50, 250), st.integers(2, 300), st.integers(2, 300), st.integers(1, 64)
)
def test_a_box_never_falls_below_the_target(
    left: int, top: int, width: int, height: int, target: int
) -> None:
    box = (left, top, left + width, top + height)
    data = content(smooth(200, 260), "JPEG")
    visible = min(left + width, 260) - max(left, 0), min(top + height, 200) - max(top, 0)
    assume(min(visible) >= 2)
    reduced = open_image(data, box=box, target=target)
    assert min(reduced.shape[:2]) >= min(target, *visible)


@pytest.mark.parametrize("box", [(50, 0, 60, 10), (0, 0, 1, 9), (9, 9, 3, 3), (-9, -9, 1, 1)])
def test_a_box_without_pixels_is_too_small(box: tuple[int, int, int, int]) -> None:
    with pytest.raises(ImageError, match=r"box .* in 31 x 24 pixels") as caught:
        open_image(content(noise(), "JPEG"), box=box, target=3)
    assert caught.value.reason is SkipReason.TOO_SMALL
