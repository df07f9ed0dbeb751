"""One style for every plot, and the way out of it: a file, or an SVG element for a web page.

Plots enter as matplotlib figures made inside `styled()`. pyplot is not used, so there is no state of its own;
matplotlib's settings belong to the process and are put back after each use.
"""

from __future__ import annotations

import hashlib
import io
import re
import threading
import unicodedata
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib.axis import Axis
from matplotlib.figure import Figure as Plot
from matplotlib.font_manager import fontManager

from lookalike.errors import EvaluationError, LookalikeError
from lookalike.files import write_atomically

WIDTH = 6.0  # inches
DPI = 160  # of a PNG
FORMATS = ("png", "svg", "pdf")

INK, GRID = "#1c1c1e", "#8e8e93"
BLUE, ORANGE, GREEN, PURPLE = "#0a5fb4", "#d9730d", "#1e8e5a", "#8250c4"
CSS_COLOURS = {  # a web page may answer with colours of its own, for example on a dark ground
    INK: "currentColor",
    GRID: f"var(--plot-grid, {GRID})",
    BLUE: f"var(--plot-blue, {BLUE})",
    ORANGE: f"var(--plot-orange, {ORANGE})",
    GREEN: f"var(--plot-green, {GREEN})",
    PURPLE: f"var(--plot-purple, {PURPLE})",
}
STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": INK,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10.5,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 10,
    "grid.alpha": 0.3,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "legend.handlelength": 2.8,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "lookalike",
    "text.color": INK,
    "text.parse_math": False,  # a class name may hold dollar signs
    "xtick.color": INK,
    "xtick.labelsize": 10,
    "ytick.color": INK,
    "ytick.labelsize": 10,
}
OTHER_SCRIPTS = (  # fonts that have what DejaVu Sans lacks, where the machine has them
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "PingFang SC",
    "Hiragino Sans",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "Arial Unicode MS",
)
NO_DATE: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
_settings_lock = threading.RLock()


class Line(NamedTuple):
    """How one series is drawn; no two in LINES share dash and marker, so that colour is not needed."""

    color: str
    linestyle: Any
    marker: str = ""


LINES = (
    Line(BLUE, "-"),
    Line(ORANGE, (0, (4, 2))),
    Line(GREEN, (0, (1, 1.3))),
    Line(PURPLE, (0, (6, 1.5, 1, 1.5))),
    Line(BLUE, "-", "o"),
    Line(ORANGE, (0, (4, 2)), "s"),
    Line(GREEN, (0, (1, 1.3)), "^"),
    Line(PURPLE, (0, (6, 1.5, 1, 1.5)), "D"),
)
MARK: Any = {"color": INK, "linewidth": 1.0, "linestyle": (0, (8, 2, 1, 2, 1, 2))}  # of a threshold


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the house style inside this block; the process's own settings come back after it."""
    with _settings_lock, mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()  # what a user's own matplotlibrc says does not show
        mpl.rcParams.update({**STYLE, "font.family": _families()})
        # a class name in a script that no installed font has is drawn as boxes, which is no reason to stop
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


@cache
def _families() -> list[str]:
    installed = {font.name for font in fontManager.ttflist}
    return ["DejaVu Sans", *(name for name in OTHER_SCRIPTS if name in installed)]


def new_plot(*, height: float) -> Plot:
    """An empty plot, WIDTH inches wide and `height` inches high."""
    return Plot(figsize=(WIDTH, height), layout="constrained")


def drawable(text: str, *, most: int) -> str:
    """One line of at most `most` signs that a font can be asked for: no line ends, controls or half signs."""
    line = "".join(sign for sign in " ".join(text.split()) if unicodedata.category(sign) != "Cf")
    line = "".join("\ufffd" if unicodedata.category(sign) in {"Cc", "Cs"} else sign for sign in line)
    return line if len(line) <= most else line[: most - 1] + "…"


def save(plot: Plot, path: Path) -> None:
    """Write a plot as PNG, SVG or PDF, by the name's extension; the same plot gives the same bytes.

    Raises:
        LookalikeError: another extension, or the file cannot be written.
    """
    write_atomically(path, _rendered(plot, kind_of(path), dpi=DPI, facecolor="white"))


def to_png(plot: Plot) -> bytes:
    """The plot as the content of a PNG file, on white."""
    return _rendered(plot, "png", dpi=DPI, facecolor="white")


def kind_of(path: Path) -> str:
    """The format that a plot's file name asks for.

    Raises:
        LookalikeError: another extension.
    """
    kind = path.suffix.lower().lstrip(".")
    if kind not in FORMATS:
        raise LookalikeError(
            "a plot cannot be saved in this format",
            where=path,
            saw=f"extension {path.suffix or 'none'}",
            wanted=", ".join(f".{name}" for name in FORMATS),
            do=f"name it {path.stem}.png",
        )
    return kind


def to_svg(plot: Plot, *, alt: str = "") -> str:
    """The plot as an <svg> element to stand inside an HTML page.

    Its ground is transparent, its ink is the page's text colour, and the page may set the series colours
    (--plot-blue, --plot-orange, --plot-green, --plot-purple, --plot-grid). Text stays text, in the page's
    font. The same plot gives the same string; the ids of different plots differ.

    Args:
        alt: what a reader who cannot see the plot is told; empty where the text around it says the same.
    """
    svg = _rendered(plot, "svg", transparent=True).decode("utf-8")
    width, height = (72 * inches for inches in plot.get_size_inches())
    body = svg[svg.index("</metadata>") + len("</metadata>") : svg.rindex("</svg>")]
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)  # it would style the whole page
    body = re.sub(r"font-family: [^;\"]+;? ?", "", body).replace("xlink:href=", "href=")
    for colour, css in CSS_COLOURS.items():
        body = body.replace(f": {colour}", f": {css}")
    body = re.sub(r"\s*\n\s*", " ", _own_ids(body)).strip()
    name = f'role="img" aria-label="{escape(alt)}"' if alt else 'aria-hidden="true"'
    return f'<svg class="plot" viewBox="0 0 {width:g} {height:g}" {name}>{body}</svg>'


def _rendered(plot: Plot, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with styled():
        plot.savefig(buffer, format=kind, metadata=NO_DATE.get(kind, {}), **options)
    return buffer.getvalue()


def _own_ids(svg: str) -> str:
    """Drop the ids that nothing refers to, and make the others unlike those of any other plot."""
    used = set(re.findall(r'(?:url\(|href=")#([\w.-]+)', svg))
    prefix = hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r' id="([^"]*)"', lambda id_: f' id="p{prefix}-{id_[1]}"' if id_[1] in used else "", svg)
    return re.sub(r'(url\(|href=")#', rf"\1#p{prefix}-", svg)


def repeated(count: int) -> list[dict[str, Any]]:
    """The looks of so many lines, beginning again where they run out."""
    return [LINES[place % len(LINES)]._asdict() for place in range(count)]


def in_percent(*sides: Axis) -> None:
    """Number axes of shares in percent."""
    for side in sides:
        side.set_major_formatter(lambda share, _: f"{100 * share:g}")


def nothing_to_draw(what: str, *, saw: str) -> EvaluationError:
    """The error of a plot that was given nothing."""
    return EvaluationError(
        "there is nothing to draw",
        where=what,
        saw=saw,
        do="give what the plot is of; lookalike evaluate and describe make it",
    )
