"""What a search answers: frozen records of hits, and of what they were asked by. Nothing is searched here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from lookalike.showing import Shown

BY_SIMILARITY = "similarity"


class Rerank(StrEnum):
    """How answers are put into another order than that of their similarity."""

    ALPHA_QE = "alpha-qe"  # the query is joined by its nearest
    K_RECIPROCAL = "k-reciprocal"  # who has the same neighbours comes first
    AVERAGING = "averaging"  # each candidate is joined by its own nearest


@dataclass(frozen=True, slots=True)
class Part:
    """One picture of a combined query; a weight below 0 takes it away."""

    path: str
    weight: float


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search.

    Attributes:
        match: None where the model has no threshold.
        probability: in (0, 1), that it shows the same as the query, among pairs mixed as those of the
            calibration; band: the name of its similarity, for example "near copy"; both None where the model
            has no calibration that says them.
        copies: ids of the answers that were folded into this one, in the order in which they would have
            come; empty where nobody asked for folding.
    """

    rank: int
    id: int
    path: str
    label: str | None
    similarity: float
    match: bool | None = None
    probability: float | None = None
    band: str | None = None
    copies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Hits(Shown):
    """The answers to one query, the best first.

    Attributes:
        exact: whether every item was compared; else an approximate base proposed the candidates.
        order: what the ranks are by: "similarity", or the name of a re-ranking. A hit's similarity is that
            to the query alone, however it was ranked.
        parts: the pictures of a combined query with their weights; empty for one picture.
        nothing: why there is no answer, half a sentence; empty where there is one.
        nearest: what came nearest to being an answer, where `nothing` tells of it.
    """

    query: str
    hits: tuple[Hit, ...]
    threshold: float | None = None
    exact: bool = True
    order: str = BY_SIMILARITY
    parts: tuple[Part, ...] = ()
    nothing: str = ""
    nearest: Hit | None = None

    def __len__(self) -> int:
        return len(self.hits)
