"""Thresholds over HTTP: what a similarity does to labelled pairs, those around it, and saving it by a name.

Requests enter; plain values leave. Only a server that may write saves.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from lookalike.records import Threshold
from lookalike.serving.boundary import CONFIDENCE
from lookalike.serving.desk import Desk
from lookalike.serving.nearest_pairs import Pair
from lookalike.serving.problems import only_read

LONGEST_NAME = 80


class ThresholdShown(BaseModel):
    """A named threshold: what it is, what it promises, and what was measured at it."""

    similarity: float
    target: str
    promise: str
    meaning: str
    precision: float
    recall: float
    f1: float
    false_match_rate: float
    images: int
    seen: int


class Thresholds(BaseModel):
    """The model's thresholds for two pictures, by name."""

    thresholds: dict[str, ThresholdShown]


class BoundaryShown(BaseModel):
    """All pairs of labelled pictures by similarity.

    `bins` are the lower edges of columns of one width up to 1. `sampled`: `images` were drawn from `of`
    labelled pictures, whole labels at a time. `seen`: on how many of them the model was trained.
    """

    images: int
    classes: int
    sampled: bool
    of: int
    seen: int
    same: int
    different: int
    bins: list[float]
    same_counts: list[int]
    different_counts: list[int]
    generation: int


class Figures(BaseModel):
    """What a threshold does to all pairs: shares, and counts."""

    precision: float
    recall: float
    f1: float
    false_match_rate: float
    right_matches: int
    wrong_matches: int
    missed_matches: int
    right_rejections: int


class PairPicture(BaseModel):
    """One picture of a pair."""

    id: int
    name: str
    label: str


class PairShown(BaseModel):
    """Two pictures near the boundary."""

    a: PairPicture
    b: PairPicture
    similarity: float
    same: bool


class AroundShown(BaseModel):
    """What a similarity would do as a threshold. `intervals`: low and high of a share, where there is one."""

    similarity: float
    figures: Figures
    intervals: dict[str, tuple[float, float] | None]
    confidence: float
    promise: str
    above: list[PairShown] = Field(description="Pairs that it just lets in, the nearest first.")
    below: list[PairShown] = Field(description="Pairs that it just leaves out, the nearest first.")


class SimilarityAsked(BaseModel):
    """A similarity to be saved."""

    model_config = ConfigDict(extra="forbid", strict=True)

    similarity: float = Field(ge=-1.0, le=1.0, allow_inf_nan=False)


class ThresholdSaved(ThresholdShown):
    """The threshold as it is kept now."""

    name: str


Similarity = Annotated[float, Query(ge=-1.0, le=1.0, allow_inf_nan=False)]
Saved = Annotated[
    float | None,
    Query(
        ge=-1.0,
        le=1.0,
        allow_inf_nan=False,
        description="What is to be taken back, so that nobody takes back what another one saved.",
    ),
]
Count = Annotated[int, Query(ge=1, le=100, description="Pairs on each side.")]
Name = Annotated[str, Path(max_length=LONGEST_NAME, description="Not empty, and without a slash.")]


def routes(desk: Desk) -> APIRouter:
    """Named thresholds, and the boundary between same and different pairs."""
    router = APIRouter(prefix="/v1", tags=["thresholds"])
    _about_boundary(router, desk)

    @router.get("/thresholds")
    def thresholds() -> Thresholds:
        """The thresholds by which two pictures are called the same."""
        return Thresholds(thresholds={name: shown(kept) for name, kept in desk.boundary.thresholds().items()})

    @router.put("/thresholds/{name:path}")
    def save(name: Name, asked: SimilarityAsked) -> ThresholdSaved:
        """Save a similarity in the model, as set by hand; "default" is the one that search and match use."""
        _may_write(desk)
        kept = desk.boundary.save(name, asked.similarity)
        return ThresholdSaved(name=name, **shown(kept).model_dump())

    @router.delete("/thresholds/{name:path}", status_code=204)
    def remove(name: Name) -> None:
        """Remove a threshold that was set by hand."""
        _may_write(desk)
        desk.boundary.remove(name)

    @router.post("/thresholds/{name:path}/undo")
    def undo(name: Name, saved: Saved = None) -> ThresholdSaved:
        """Put back the threshold that was there before it was last saved, with its promise."""
        _may_write(desk)
        return ThresholdSaved(name=name, **shown(desk.boundary.undo(name, saved=saved)).model_dump())

    return router


def _may_write(desk: Desk) -> None:
    if not desk.settings.writable:
        raise only_read()


def _about_boundary(router: APIRouter, desk: Desk) -> None:
    @router.get("/boundary")
    def boundary() -> BoundaryShown:
        """How alike same and different pairs are; the first call compares the labelled pictures."""
        border = desk.boundary.border()
        bins, same, different = border.histogram()
        images, of = len(border.sample), border.sample.of
        return BoundaryShown(
            images=images,
            classes=border.pairs.classes,
            sampled=images < of,
            of=of,
            seen=border.seen,
            same=int(same.sum()),
            different=int(different.sum()),
            bins=bins.tolist(),
            same_counts=same.tolist(),
            different_counts=different.tolist(),
            generation=border.generation,
        )

    @router.get("/boundary/at")
    def at(similarity: Similarity, count: Count = 12) -> AroundShown:
        """What a similarity would do as a threshold, and the pairs on either side of it."""
        around = desk.boundary.at(similarity, count=count)
        named = _named(desk, [*around.above, *around.below])
        above, below = (
            [named[pair] for pair in pairs if pair in named] for pairs in (around.above, around.below)
        )
        return AroundShown(
            similarity=similarity,
            figures=Figures(**{name: around.figures[name] for name in Figures.model_fields}),  # type: ignore[arg-type]
            intervals=around.intervals,
            confidence=CONFIDENCE,
            promise=around.threshold.promise,
            above=above,
            below=below,
        )


def shown(threshold: Threshold) -> ThresholdShown:
    """A threshold as it is told."""
    return ThresholdShown(**{name: getattr(threshold, name) for name in ThresholdShown.model_fields})


def _named(desk: Desk, pairs: list[Pair]) -> dict[Pair, PairShown]:
    """Pairs by the public names of their pictures; without those that are gone from the index."""
    ids = {number for pair in pairs for number in (pair.first, pair.second)}
    names, facts = desk.names.of(ids), desk.index.store.facts(ids)
    pictures = {
        number: PairPicture(id=number, name=names[number], label=facts[number].label or "")
        for number in names.keys() & facts.keys()
    }
    return {
        pair: PairShown(
            a=pictures[pair.first], b=pictures[pair.second], similarity=pair.similarity, same=pair.same
        )
        for pair in pairs
        if pair.first in pictures and pair.second in pictures
    }
