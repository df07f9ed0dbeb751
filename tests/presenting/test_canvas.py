"""The house style: what a plot becomes on disk and in a page, whatever the process's own settings are."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure as Plot
from PIL import Image

from lookalike.errors import LookalikeError
from lookalike.presenting.canvas import CSS_COLOURS, LINES, WIDTH, drawable, new_plot, save, styled, to_svg


def small_plot(label: str = "similarity") -> Plot:
    with styled():
        plot = new_plot(height=2.0)
        axes = plot.add_subplot()
        axes.plot([0, 1, 2], [0.2, 0.4, 0.3], **LINES[5]._asdict())
        axes.set_xlabel(label)
    return plot


def test_every_line_differs_from_every_other_without_colour() -> None:
    looks = {(line.linestyle, line.marker) for line in LINES}
    assert len(looks) == len(LINES)


@pytest.mark.parametrize(("name", "magic"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.PDF", b"%PDF")])
def test_save_writes_the_format_of_the_name_and_always_the_same_bytes(
    tmp_path: Path, name: str, magic: bytes
) -> None:
    save(small_plot(), tmp_path / name)
    first = (tmp_path / name).read_bytes()
    save(small_plot(), tmp_path / name)
    assert first.startswith(magic)
    assert (tmp_path / name).read_bytes() == first


def test_a_saved_png_is_white_and_wide_enough_for_print(tmp_path: Path) -> None:
    save(small_plot(), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width == WIDTH * 160
        assert image.convert("RGB").getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize("name", ["plot.gif", "plot"])
def test_another_format_is_refused_in_four_beats(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        LookalikeError, match=r"format - .* - saw extension .*wanted .png, .svg, .pdf - name it"
    ) as caught:
        save(small_plot(), tmp_path / name)
    assert caught.value.do == "name it plot.png"
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match="cannot be written"):
        save(small_plot(), tmp_path / "none" / "a.png")


def test_svg_element_is_well_formed_self_contained_and_has_no_style_of_its_own() -> None:
    svg = to_svg(small_plot(), alt='recall "up"')
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    assert root.attrib["aria-label"] == 'recall "up"'
    assert root.attrib["viewBox"] == "0 0 432 144"
    assert "http" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg
    assert "font-family" not in svg


def test_svg_takes_the_pages_ink_and_colours() -> None:
    svg = to_svg(small_plot())
    assert "currentColor" in svg
    assert CSS_COLOURS[LINES[5].color] in svg
    assert not re.search(r": #[0-9a-f]{6}", svg), "no colour that a dark page cannot answer"


def test_svg_without_alt_is_hidden_from_readers() -> None:
    assert 'aria-hidden="true"' in to_svg(small_plot())


def test_ids_are_stable_for_one_plot_and_differ_between_plots() -> None:
    first, again, other = (to_svg(small_plot(label)) for label in ("a", "a", "b"))
    ids = [re.findall(r' id="([^"]+)"', svg) for svg in (first, other)]
    assert first == again
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])


def test_every_reference_in_the_svg_leads_to_an_id() -> None:
    svg = to_svg(small_plot())
    ids = re.findall(r' id="([^"]+)"', svg)
    used = re.findall(r'(?:url\(|href=")#([^")]+)', svg)
    assert len(ids) == len(set(ids))
    assert set(used) == set(ids)


def test_text_in_a_plot_is_text_never_markup() -> None:
    svg = to_svg(small_plot("<script>alert(1)</script> $x$"))
    assert "<script>" not in svg
    assert "&lt;script&gt;alert(1)&lt;/script&gt; $x$" in svg


def test_the_users_settings_neither_show_nor_change(tmp_path: Path) -> None:
    plain = to_svg(small_plot())
    with mpl.rc_context({"lines.linewidth": 9.0, "axes.facecolor": "black", "font.size": 30.0}):
        before = dict(mpl.rcParams)
        assert to_svg(small_plot()) == plain
        save(small_plot(), tmp_path / "a.png")
        assert dict(mpl.rcParams) == before


def test_threads_leave_the_settings_as_they_were() -> None:
    before = dict(mpl.rcParams)
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: to_svg(small_plot()), range(12)))
    assert len(set(drawn)) == 1
    assert dict(mpl.rcParams) == before


def test_a_script_that_no_font_has_is_drawn_without_a_warning(tmp_path: Path) -> None:
    save(small_plot("\U00012031 cuneiform"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cat", "cat"),
        ("a\nb\t c", "a b c"),
        ("bell\x07", "bell\ufffd"),
        ("half \udcff", "half \ufffd"),
        ("over\u202eride", "override"),
        ("x" * 12, "x" * 9 + "…"),
        ("x" * 10, "x" * 10),
        ("", ""),
    ],
)
def test_drawable_is_one_short_line_that_can_be_encoded(text: str, shown: str) -> None:
    assert drawable(text, most=10) == shown
    shown.encode()


def test_no_pyplot() -> None:
    code = "import sys, lookalike.presenting.report; print('matplotlib.pyplot' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"


def test_a_grey_print_still_shows_two_lines() -> None:
    with styled():
        plot = new_plot(height=2.0)
        axes = plot.add_subplot()
        axes.set_axis_off()
        axes.plot([0, 1], [0.2, 0.2], **LINES[0]._asdict())
        axes.plot([0, 1], [0.8, 0.8], **LINES[1]._asdict())
        buffer = io.BytesIO()
        plot.savefig(buffer, format="png", dpi=100)
    grey = np.asarray(Image.open(buffer).convert("L")) < 200
    inked = np.sort(grey.sum(axis=1))[-1], np.sort(grey[: len(grey) // 2].sum(axis=1))[-1]
    assert inked[1] < 0.8 * inked[0], "the dashed line above leaves gaps that the solid one below does not"
