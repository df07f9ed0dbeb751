"""Why two pictures are alike: how much every place of them adds to their similarity.

A model and two pictures enter, an Explanation leaves: a map over the part of each picture that the network
sees. How the maps are drawn is decided elsewhere (plots_explanation).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from lookalike.errors import LookalikeError, ModelError
from lookalike.judging.similarity import cosine
from lookalike.models.contributions import Placed, place
from lookalike.models.covering import falls
from lookalike.models.maps import MapGraph
from lookalike.models.model import GRAPH, Model
from lookalike.pictures.finding import printable
from lookalike.pictures.images import Box, open_image, read_image
from lookalike.pictures.preprocess import Part, Preprocess, prepare, seen_part
from lookalike.records import Floats, Pixels

Method = Literal["exact", "covering"]

CLOSE = 1e-2  # a GPU's products may be this coarse; what is not so is further off
SHOWN = 640  # a picture is kept with at least this shorter side, where it has it, to be drawn


@dataclass(frozen=True)
class View:
    """A picture as it is drawn.

    Attributes:
        path: as it was given, printable.
        pixels: [h, w, 3] uint8, upright, of the box where there is one; a large JPEG at reduced size.
        part: what the network saw of it, in these pixels; it may reach over the edges, where padding is.
    """

    path: str
    pixels: Pixels
    part: Part


@dataclass(frozen=True)
class Viewed:
    """A picture that is opened already: as it is drawn, and [size, size, 3] as the network takes it."""

    view: View
    prepared: Pixels


@dataclass(frozen=True)
class Explanation:
    """What the places of two pictures add to their similarity.

    Attributes:
        a, b: the pictures.
        similarity: cosine, in [-1, 1], as `match` gives it.
        heat_a, heat_b: [h, w] float32 over the part that the network saw, row 0 at the top; higher: adds
            more to the similarity. Exact: each sums to the similarity. Covering: how far the similarity falls
            when the place is covered; sums to nothing in particular.
        method: how the maps were made.
        rest: exact: how much of each map's sum comes from constants of the head, which belong to no place and
            are spread evenly; None for covering.
        places: exact: what `answer_to` is computed from.
    """

    a: View
    b: View
    similarity: float
    heat_a: Floats
    heat_b: Floats
    method: Method
    rest: tuple[float, float] | None = None
    places: tuple[Placed, Placed] | None = field(default=None, repr=False, compare=False)

    def answer_to(self, row: int, column: int, *, of: Literal["a", "b"] = "a") -> Floats:
        """Which places of the other picture answer one place of this one.

        Args:
            row, column: a cell of heat_a (or heat_b).
            of: the picture in which the cell lies.

        Returns:
            Over the other picture, in the shape of its heat, float32: what the cell and each place make of
            the similarity together. Sums to the cell's own heat.

        Raises:
            LookalikeError: the maps were made by covering, which says nothing of pairs of places.
            IndexError: there is no such cell.
        """
        if self.places is None:
            raise LookalikeError(
                "this explanation does not say which places belong together",
                where=f"{self.a.path} and {self.b.path}",
                saw="maps made by covering parts",
                wanted="a model whose graph gives its feature maps",
                do="export or train the model again with this version; a transformer has no such maps",
            )
        asked, other = self.places if of == "a" else self.places[::-1]
        return other.heat(asked.at(row, column)).astype(np.float32)


def explain(
    model: Model,
    a: str | Path | Viewed,
    b: str | Path | Viewed,
    *,
    boxes: Sequence[Box | None] = (None, None),
) -> Explanation:
    """Find out which places of two pictures make their similarity.

    Args:
        a, b: files, or pictures that are opened already, for which boxes are of no account.
        boxes: for a and b the part to look at, in pixels of the upright picture; None: the whole.

    Returns:
        Exact where the model's graph names its feature maps; by covering where it does not: a transformer,
        or a model that was exported before graphs did.

    Raises:
        ImageError: one of the pictures cannot be used.
        ModelError: the graph says something of its maps that is not so.
    """
    seen = [
        entry if isinstance(entry, Viewed) else _look(model, Path(entry), box)
        for entry, box in zip((a, b), boxes, strict=True)
    ]
    views, pixels = [entry.view for entry in seen], np.stack([entry.prepared for entry in seen])
    embedded = model.embed_pixels(pixels)
    similarity = float(cosine(embedded[:1], embedded[1:])[0])
    graph = MapGraph.of(model)
    if graph is None:
        maps = falls(model, pixels[0], embedded[1]), falls(model, pixels[1], embedded[0])
        return Explanation(views[0], views[1], similarity, *maps, "covering")
    return _exactly(model, graph, views, pixels, similarity)


def _exactly(
    model: Model, graph: MapGraph, views: Sequence[View], pixels: Pixels, similarity: float
) -> Explanation:
    maps = graph.maps(pixels)
    a, b = (
        place([values[row] for values in maps], graph.composition, graph.head, dim=model.dim)
        for row in range(2)
    )
    _check_sum(model, seen=float(a.head.embedding @ b.head.embedding), wanted=similarity)
    return Explanation(
        views[0],
        views[1],
        similarity,
        a.heat(b.head.embedding).astype(np.float32),
        b.heat(a.head.embedding).astype(np.float32),
        "exact",
        (float(a.head.rest @ b.head.embedding), float(b.head.rest @ a.head.embedding)),
        (a, b),
    )


def _check_sum(model: Model, *, seen: float, wanted: float) -> None:
    if not abs(seen - wanted) <= CLOSE:
        raise ModelError(
            "the graph does not compute what it says of itself",
            where=model.folder / GRAPH,
            saw=f"places that add up to {seen:.4f}",
            wanted=f"the similarity, {wanted:.4f}",
            do="export or train the model again with this version of lookalike",
        )


def viewed(name: str, shown: Pixels, prepared: Pixels, preprocess: Preprocess) -> Viewed:
    """A picture that was decoded twice: with `SHOWN` and with the preprocessing's target as shorter side."""
    part = seen_part((shown.shape[1], shown.shape[0]), preprocess)
    return Viewed(View(name, shown, part), prepared)


def _look(model: Model, path: Path, box: Box | None) -> Viewed:
    """Decoded as for any other use of the model."""
    preprocess = model.preprocess
    content = read_image(path)
    prepared = prepare(open_image(content, target=preprocess.decode_target, box=box), preprocess)
    return viewed(printable(path), open_image(content, target=SHOWN, box=box), prepared, preprocess)
