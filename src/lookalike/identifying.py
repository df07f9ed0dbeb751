"""Which known thing is it, or none? An index is the known things; pictures enter, decisions leave.

A picture is taken for a label when the nearest picture of the index, or a vote of several, is at least as
alike as a threshold says that was calibrated for this question. A label that is added to the index can be
named from then on: nothing is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lookalike.composing import Picture
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.indexing.upkeep import Embed
from lookalike.open_calibrating import IDENTIFY, require_open_threshold
from lookalike.open_threshold import OpenThreshold
from lookalike.records import Hit, Hits, Skipped
from lookalike.search import search_images

LABELLED = Selection(where="label != ''")  # what has no label is no known thing


@dataclass(frozen=True, slots=True)
class Identification:
    """What a picture is taken for.

    Attributes:
        query: the picture's path, or name.
        label: which known thing it is; None: none of them.
        candidate: the label that won, whether or not it is alike enough; None where nothing is known.
        similarity: of the winner's most similar picture, in [-1, 1]; None where nothing is known.
        votes: how many of the neighbours carry the winning label.
        neighbours: the pictures that voted, most alike first.
        threshold: by which it was decided.
    """

    query: str
    label: str | None
    candidate: str | None
    similarity: float | None
    votes: int
    neighbours: tuple[Hit, ...]
    threshold: OpenThreshold

    @property
    def known(self) -> bool:
        """Whether it is one of the known things."""
        return self.label is not None


def identify(
    index: Index, images: Sequence[Picture], *, threshold: str = IDENTIFY, embed: Embed | None = None
) -> Iterator[Identification | Skipped]:
    """Say of each picture which label of an index it carries, or none.

    As in a search, no picture answers to itself, nor do copies of its file, however it is asked about: a
    threshold was calibrated without them. Pictures of the index without a label have no part in it.

    Args:
        images: files, inside the index or not, or pictures that are embedded already.
        threshold: the name of one of the model's thresholds for identification; it says how many neighbours
            vote.
        embed: the embedder; None is the index's model.

    Yields:
        One entry per picture, in input order: its Identification, or why it could not be used.

    Raises:
        ModelError: the model has no such threshold.
        StoreError: the index is damaged, or its model is not to be found.
    """
    limit = require_open_threshold(index.model, threshold)
    found = search_images(index, images, k=limit.vote, embed=embed)
    for image, answer in zip(images, found, strict=True):
        if isinstance(answer, Hits) and any(hit.label is None for hit in answer.hits):
            (answer,) = search_images(index, [image], k=limit.vote, selection=LABELLED, embed=embed)
        yield _decided(answer, limit) if isinstance(answer, Hits) else answer


def _decided(answer: Hits, threshold: OpenThreshold) -> Identification:
    """Most votes win; of as many, the label of the most similar picture."""
    neighbours = tuple(replace(hit, match=None) for hit in answer.hits)  # that is of another question
    labels = [hit.label for hit in neighbours]
    if not labels:
        return Identification(answer.query, None, None, None, 0, (), threshold)
    winner = max(labels, key=labels.count)  # the first of equals
    similarity = neighbours[labels.index(winner)].similarity
    label = winner if similarity >= threshold.similarity else None
    return Identification(
        answer.query, label, winner, similarity, labels.count(winner), neighbours, threshold
    )
