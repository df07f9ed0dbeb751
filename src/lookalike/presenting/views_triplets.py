"""Valid triplets to look at: a picture, one that it should be like, and one that it should not.

An Evaluation enters; triplets leave, drawn evenly from all that there are, with the share of each kind.
Which of them a training learns from is the training's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.judging.similarity import Ints, cosine
from lookalike.presenting.views import Rows, checked_rows
from lookalike.records import Box, Floats
from lookalike.tables.roles import Roles, roles_of

DRAWN = 20_000  # triplets that the shares are counted on: known to within 0.7 percentage points
EACH = 3  # of every kind that are shown
MARGIN = 0.1  # of similarity


class TripletKind(StrEnum):
    """How hard a triplet is, by the similarities of anchor and positive and of anchor and negative."""

    EASY = "easy"  # the positive is more alike by more than the margin
    SEMI_HARD = "semi-hard"  # more alike, but not by more than the margin
    HARD = "hard"  # the negative is as alike as the positive, or more


@dataclass(frozen=True, slots=True)
class Triplet:
    """Three pictures: anchor and positive have one label, the negative another.

    Attributes:
        positive_similarity, negative_similarity: of the anchor to either, in [-1, 1].
        boxes: for each of the three the part that is meant; None: the whole picture.
    """

    kind: TripletKind
    anchor: Path
    positive: Path
    negative: Path
    label: str
    negative_label: str
    positive_similarity: float
    negative_similarity: float
    boxes: tuple[Box | None, Box | None, Box | None] = (None, None, None)


@dataclass(frozen=True, slots=True)
class Triplets:
    """What triplets a set offers.

    Attributes:
        entries: some of every kind, the easy ones first; shares: kind to its share of all, in [0, 1].
        total: how many valid triplets there are; drawn: how many of them the shares were counted on.
        margin: of similarity, that an easy one has.
    """

    entries: tuple[Triplet, ...]
    shares: dict[TripletKind, float]
    total: int
    drawn: int
    margin: float


def triplets(
    found: Evaluation,
    *,
    rows: Rows | None = None,
    each: int = EACH,
    margin: float = MARGIN,
    drawn: int = DRAWN,
    seed: int = 0,
) -> Triplets:
    """Draw from all valid triplets of a set or of a batch, each as likely as any other.

    A triplet is valid when anchor and positive are two pictures of one label and the negative has another.
    Where pictures have roles, anchors are queries, and the others stand in the gallery; pictures of the
    anchor's group are neither.

    Args:
        rows: all three pictures come from these rows of the judged table, as from a batch; None: from all.
        each: how many of every kind to show, the first drawn.
        margin: of similarity, >= 0. With d^2 = 2 - 2s, it is half of a margin of squared distances.
        drawn: how many to draw for the shares.
        seed: of what is drawn.

    Raises:
        EvaluationError: there is no valid triplet, or a row lies outside of the table.

    Reference:
        Kinds: Schroff et al., FaceNet, CVPR 2015 (arXiv:1503.03832), section 3.2, whose margin of 0.2
        between squared distances is one of 0.1 between similarities.
    """
    pool = _Pool.of(found, rows)
    places = pool.draw(drawn, np.random.default_rng(seed))
    anchors, positives, negatives = (found.vectors[side] for side in places)
    likeness = cosine(anchors, positives), cosine(anchors, negatives)
    kinds = _kinds(*likeness, margin)
    entries = tuple(
        _triplet(found, places[:, place], kind, float(likeness[0][place]), float(likeness[1][place]))
        for code, kind in enumerate(TripletKind)
        for place in _first(places, kinds == code, each)
    )
    shares = {kind: float((kinds == code).mean()) for code, kind in enumerate(TripletKind)}
    return Triplets(entries, shares, pool.total, len(kinds), margin)


def _first(places: Ints, chosen: NDArray[np.bool_], count: int) -> list[int]:
    """Places of the first few different triplets of those chosen."""
    numbers = np.flatnonzero(chosen)
    firsts = np.sort(np.unique(places[:, numbers], axis=1, return_index=True)[1])
    return numbers[firsts[:count]].tolist()  # type: ignore[no-any-return]


def _triplet(found: Evaluation, rows: Ints, kind: TripletKind, positive: float, negative: float) -> Triplet:
    table, (first, second, third) = found.table, rows.tolist()
    images, labels = table.frame["image"], table.frame["label"]
    anchor, mate, other = (table.root / images[row] for row in (first, second, third))
    parts = table.box_of(first), table.box_of(second), table.box_of(third)
    return Triplet(kind, anchor, mate, other, labels[first], labels[third], positive, negative, parts)


def _kinds(positive: Floats, negative: Floats, margin: float) -> NDArray[np.int64]:
    """[t] places in TripletKind."""
    return np.select([positive > negative + margin, positive > negative], [0, 1], default=2)


@dataclass(frozen=True)
class _Pool:
    """What triplets are drawn from: some rows of the judged table.

    Attributes:
        rows: [m] of the judged table; all else counts these from 0.
        roles: who may be an anchor, and who the others.
        codes: [m] the labels as numbers.
        valid: [q] triplets that each query is the anchor of.
    """

    rows: Ints
    roles: Roles
    codes: Ints
    valid: Ints

    @classmethod
    def of(cls, found: Evaluation, rows: Rows | None) -> _Pool:
        chosen = np.arange(len(found.table)) if rows is None else np.unique(checked_rows(found, rows))
        table = found.table.take(chosen)
        roles, codes = roles_of(table), np.unique(table.labels, return_inverse=True)[1]
        apart = roles.excluded[:, -1]  # the group where there is one: a row's own code at least
        mates = roles.answers(codes, but=apart)
        pool = cls(chosen, roles, codes, mates * (roles.answers(np.zeros_like(codes), but=apart) - mates))
        if not pool.total:
            raise EvaluationError(
                "there is no valid triplet",
                where="rows" if rows is not None else "labels",
                saw=f"{len(chosen):,} pictures of {codes.max() + 1:,} labels",
                wanted="two pictures of one label, and one of another",
                do="take more pictures of each label",
            )
        return pool

    @property
    def total(self) -> int:
        """How many valid triplets there are."""
        return int(self.valid.sum())

    def draw(self, count: int, generator: np.random.Generator) -> Ints:
        """Anchors, positives and negatives, [3, t] rows of the judged table; all, where they are few."""
        if self.total <= count:
            places = generator.permutation(self._all(), axis=1)
            return np.asarray(self.rows[places])
        anchors = generator.choice(self.roles.queries, size=count, p=self.valid / self.total)
        sides = (self._others(anchors, generator, same=same) for same in (True, False))
        return np.asarray(self.rows[np.stack([anchors, *sides])])

    def _all(self) -> Ints:
        gallery, found = self.roles.gallery, []
        for anchor in self.roles.queries[self.valid > 0].tolist():
            apart = (self.roles.excluded[gallery] != self.roles.excluded[anchor]).all(axis=1)
            same = self.codes[gallery] == self.codes[anchor]
            pairs = np.meshgrid(gallery[apart & same], gallery[apart & ~same])
            found.append(np.stack([np.full(pairs[0].size, anchor), *(side.ravel() for side in pairs)]))
        return np.concatenate(found, axis=1)

    def _others(self, anchors: Ints, generator: np.random.Generator, *, same: bool) -> Ints:
        """For each anchor a picture of the gallery, evenly drawn from its label, or from all others."""
        order = self.roles.gallery[np.argsort(self.codes[self.roles.gallery], kind="stable")]
        bounds = np.searchsorted(self.codes[order], np.arange(self.codes.max() + 2))
        found, pending = np.empty_like(anchors), np.arange(len(anchors))
        while len(pending):  # every anchor has one at least
            asking = anchors[pending]
            start, stop = bounds[self.codes[asking]], bounds[self.codes[asking] + 1]
            size = stop - start if same else len(order) - (stop - start)
            place = (generator.random(len(pending)) * size).astype(np.int64)
            place += start if same else (stop - start) * (place >= start)
            drawn = order[place]
            apart = (self.roles.excluded[drawn] != self.roles.excluded[asking]).all(axis=1)
            found[pending[apart]] = drawn[apart]
            pending = pending[~apart]
        return found
