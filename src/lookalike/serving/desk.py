"""What all requests of a process share: the open index, its model, and the parts that answer by them.

Settings enter; a desk leaves that is opened once and closed in the end. Answering is the parts' business.
"""

from __future__ import annotations

from pathlib import Path

from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving.adding import Adding
from lookalike.serving.boundary import Boundary
from lookalike.serving.decoding import Decoders
from lookalike.serving.explaining import Explainer
from lookalike.serving.following import Follower
from lookalike.serving.mapping import Map
from lookalike.serving.names import Names
from lookalike.serving.observing import Metrics
from lookalike.serving.reviewing import Review
from lookalike.serving.searcher import Searcher
from lookalike.serving.settings import Settings
from lookalike.serving.thumbs import Thumbs


class Desk:
    """The parts of a running server.

    Attributes:
        settings: how it was started.
        index, model: open, and kept fast; one model for all threads.
        follower: knows what others changed meanwhile.
        names: what items and folders are called outside.
        metrics: what is counted.
        decoders: the processes in which pictures are decoded.
        searcher, explainer: answer questions about pictures.
        thumbs: small copies of the index's pictures.
        adding: adds to the index and removes from it; None where it is only read.
        review: duplicates, and decisions on them.
        boundary: what a threshold does to labelled pictures.
        map: where the pictures lie for the model.
    """

    def __init__(self, settings: Settings, index: Index) -> None:
        self.settings = settings
        self.index = index
        self.model: Model = index.model
        self.follower = Follower(index)
        self.names = Names(index.store)
        self.metrics = Metrics(items=lambda: len(index))
        self.decoders = Decoders(self.model.preprocess, settings)
        self.adding = Adding(index, self.decoders, self.metrics) if settings.writable else None
        self.searcher = Searcher(index, self.decoders, self.names, self.metrics, follow=self.follower.follow)
        self.explainer = Explainer(index, self.decoders, self.names)
        self.thumbs = Thumbs(index.store, self.decoders, self.metrics)
        self.review = Review(index)
        self.boundary = Boundary(index)
        self.map = Map(index)

    @classmethod
    def open(cls, settings: Settings) -> Desk:
        """Open the index and load its model.

        Raises:
            StoreError: there is no such index, or its model is not to be found.
            ModelError: the model cannot be run.
        """
        index = Index.open(settings.index, keep_fast=True)
        try:
            _ = index.model.session  # a model that does not load is told now, not to the first who asks
            return cls(settings, index)
        except BaseException:
            index.close()
            raise

    def places(self) -> list[Path]:
        """Paths of this machine that texts of errors may hold."""
        roots = [Path(place) for root in self.index.store.roots() for place in (root.path, root.source)]
        named = (self.settings.index, self.model.folder)  # as they were typed, perhaps relatively
        return [*named, *(place.absolute() for place in named), *roots]

    def close(self) -> None:
        """Let go of the parts in the opposite order."""
        self.map.close()
        self.review.close()
        self.explainer.close()
        self.searcher.close()
        self.decoders.close()
        self.index.close()
