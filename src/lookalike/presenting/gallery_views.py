"""Drawings of what an evaluation throws up: confused classes, doubtful labels, triplets, attribute queries.

Views enter, an image of each leaves. What is shown was chosen elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from PIL import Image

from lookalike.attribute_rows import AttributeRow
from lookalike.presenting.gallery import Strip, Tile, draw_rows, draw_strips
from lookalike.presenting.views_labels import ConfusedClasses, DoubtfulLabel
from lookalike.presenting.views_triplets import Triplet, Triplets


def draw_confused(pairs: Sequence[ConfusedClasses], *, tile: int = 96) -> Image.Image:
    """Draw pictures of classes that are taken for each other, side by side in twos, a strip for each pair.

    Raises:
        EvaluationError: there are no pairs.
    """
    return draw_strips([Strip(_examples(pair), confusion_in_words(pair)) for pair in pairs], tile=tile)


def confusion_in_words(pair: ConfusedClasses) -> str:
    """How often two classes are taken for each other."""
    share = f"{pair.there + pair.back:,} of {pair.queries:,} queries"
    each = f"{pair.there:,} of {pair.first}, {pair.back:,} of {pair.second}"
    return f"{pair.first} / {pair.second}: {share} taken for the other ({each})"


def _examples(pair: ConfusedClasses) -> list[Tile]:
    return [
        tile
        for place, example in enumerate(pair.examples)
        for tile in (
            Tile(example.first, lines=(pair.first,), apart=place > 0, box=example.first_box),
            Tile(example.second, lines=(pair.second, f"{example.similarity:.3f}"), box=example.second_box),
        )
    ]


def draw_doubtful(found: Sequence[DoubtfulLabel], *, tile: int = 96) -> Image.Image:
    """Draw pictures whose label their nearest pictures contradict, each with these beside it.

    Raises:
        EvaluationError: there are no pictures.
    """
    rows, notes = [entry.row for entry in found], [doubt_in_words(entry) for entry in found]
    return draw_rows(rows, notes=notes, tile=tile)


def doubt_in_words(entry: DoubtfulLabel) -> str:
    """What speaks against a picture's label, and how sure that is."""
    return (
        f"{entry.row.label}, or {entry.label}? It would fit there better than {100 * entry.fit:.0f}% fit "
        f"their own: {entry.other:.3f} alike, to its own {entry.own:.3f}"
    )


def draw_triplets(found: Triplets, *, tile: int = 96) -> Image.Image:
    """Draw triplets, a strip for each kind: anchor (blue), positive (green), negative (red and dashed).

    Raises:
        EvaluationError: there are no triplets.
    """
    strips = [
        Strip(
            [part for place, one in enumerate(same) for part in _three(one, apart=place > 0)],
            f"{kind}: {100 * found.shares[kind]:.1f}% of {found.total:,}",
        )
        for kind, same in groupby(found.entries, key=lambda entry: entry.kind)
    ]
    return draw_strips(strips, tile=tile)


def _three(entry: Triplet, *, apart: bool) -> list[Tile]:
    anchor, positive, negative = entry.boxes
    other = f"{entry.negative_similarity:.3f}", entry.negative_label
    return [
        Tile(entry.anchor, "query", (entry.label,), apart, anchor),
        Tile(entry.positive, "right", (f"{entry.positive_similarity:.3f}",), box=positive),
        Tile(entry.negative, "wrong", other, box=negative),
    ]


def draw_attribute_rows(rows: Sequence[AttributeRow], *, tile: int = 96) -> Image.Image:
    """Draw queries by attributes, each in words above its answers; under a wrong one what is wrong with it.

    Raises:
        EvaluationError: there are no rows.
    """
    return draw_strips([Strip(_asked(row), row.asked) for row in rows], tile=tile)


def _asked(row: AttributeRow) -> list[Tile]:
    query = [Tile(row.picture, "query", box=row.box)] if row.picture else []
    return query + [
        Tile(
            answer.path,
            "right" if answer.right else "wrong",
            (f"{answer.similarity:.3f}", answer.label),
            apart=bool(query) and place == 0,
            box=answer.box,
        )
        for place, answer in enumerate(row.answers)
    ]
