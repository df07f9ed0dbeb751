"""The embedding map as a page: a table and its places enter, one HTML file to move about in leaves.

The page asks for nothing from anywhere, and names no more of a file than its folder and itself. Names and
labels stand in it as data that its script sets as text.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl
from markupsafe import Markup
from numpy.typing import NDArray

from lookalike.presenting.plots_map import fair_order
from lookalike.presenting.projection import Projection
from lookalike.presenting.report import render
from lookalike.presenting.sheets import across, jpeg, sheet
from lookalike.records import Floats, Progress
from lookalike.tables.table import ImageTable

SIDES = ((1764, 96), (4096, 64), (7225, 48))  # up to so many pictures, tiles of this side: 4096 pixels square
MOST_PICTURES = SIDES[-1][0]
MOST_BYTES = 7_500_000  # of the sheet; a third more in the page
MOST_COLUMNS = 8  # of what is known of pictures
GRAIN = 100_000  # places are whole numbers from 0 to this
PARTS = (  # of the script, each after those that it takes from
    "make.js",
    "map_looks.js",
    "map_places.js",
    "map_pointers.js",
    "map_side.js",
    "map_card.js",
    "map_line.js",
    "map_camera.js",
    "map_values.js",
    "map_room.js",
    "map_painting.js",
    "map_finding.js",
    "map.js",
    "map_pictures.js",
)
START = """
const given = JSON.parse(document.getElementById("data").textContent);
const pictures = sheetPictures(given, document.getElementById("sheet"));
globalThis.map = drawMap(document.getElementById("map"), given, { pictures });
"""


def map_page(
    table: ImageTable, projection: Projection, *, title: str, progress: Progress | None = None
) -> str:
    """The map of a table's pictures as one HTML page with a script of its own: no network, light and dark.

    Up to 7,225 pictures are in the page as small copies, of more a fair sample; the others are points that
    tell their name.

    Args:
        table: the n pictures; what it says of them in words can be looked for and coloured by.
        projection: their n places.
        progress: of the small copies.
    """
    order = fair_order(_codes(table))
    shown = order[:MOST_PICTURES]
    side = next((side for most, side in SIDES if len(shown) <= most), SIDES[-1][1])
    part = table.take(shown)
    image = sheet(part.paths, tile=side, boxes=part.boxes, progress=progress)
    picture = base64.b64encode(jpeg(image, most=MOST_BYTES)).decode()
    script = _script()
    data = {
        **whole_places(projection.places),
        "names": ["/".join(PurePosixPath(image).parts[-2:]) for image in table.frame["image"]],
        "columns": _columns(table.frame),
        "order": order.tolist(),
        "tiles": {"count": len(shown), "side": side, "across": across(len(shown))},
    }
    return render(
        "map.html.j2",
        title=title,
        sentences=_sentences(table, projection),
        sheet=f"data:image/jpeg;base64,{picture}",
        data=_as_script(data),
        style=Markup(_web_file("map.css")),  # noqa: S704 - our own
        script=Markup(script),  # noqa: S704 - our own
        script_hash=f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}",
    )


def _script() -> str:
    """The modules of the map as one, which needs no other file."""
    whole = "\n".join(_web_file(part) for part in PARTS)
    return re.sub(r"^import .*\n|^export (?=function|const)", "", whole, flags=re.MULTILINE) + START


def _web_file(name: str) -> str:
    return (files("lookalike") / "web" / "app" / name).read_text(encoding="utf-8")


def _codes(table: ImageTable) -> NDArray[np.int64]:
    """[n] the label of each row as a number; unlabelled pictures are one kind."""
    labels = table.frame["label"].fill_null("").to_list()
    return np.unique(np.array(labels, dtype=np.str_), return_inverse=True)[1].astype(np.int64)


def whole_places(found: Floats) -> dict[str, list[int]]:
    """Places [n, 2] as whole numbers x and y from 0 to GRAIN, the shape of the map kept; n >= 1."""
    places = found.astype(np.float64)
    low = places.min(axis=0)
    span = float(np.ptp(places, axis=0).max()) or 1.0
    whole = np.rint((places - low) / span * GRAIN).astype(np.int64)
    return {"x": whole[:, 0].tolist(), "y": whole[:, 1].tolist()}


def _columns(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """What is known of the pictures in words, the label first; a column that says one thing only is left."""
    words = [
        name for name, kind in frame.schema.items() if kind == pl.String and name not in ("image", "label")
    ]
    found = []
    for name in ["label", *words]:
        values, codes = np.unique(
            np.array(frame[name].fill_null("").to_list(), dtype=np.str_), return_inverse=True
        )
        if len(values) > 1 or (name == "label" and values[0]):
            found.append({"name": name, "values": values.tolist(), "codes": codes.tolist()})
    return found[:MOST_COLUMNS]


def _sentences(table: ImageTable, projection: Projection) -> list[str]:
    count = len(table)
    said = [f"{count:,} pictures. Near each other: alike to the model."]
    if projection.share is None:
        said.append("How far apart says little (UMAP).")
    else:
        said.append(f"The plane shows {100 * projection.share:.0f}% of what tells them apart (PCA).")
    if count > MOST_PICTURES:
        said.append(f"{MOST_PICTURES:,} of them, a fair sample, have a small picture here.")
    return said


def _as_script(data: dict[str, Any]) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))  # noqa: S704 - json.dumps leaves ASCII, and no < is left
