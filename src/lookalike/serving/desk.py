"""What all requests of a process share: the open index, its model, and the parts that answer by them.

Settings enter; a desk leaves that is opened once and closed in the end. Answering is the parts' business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lookalike.indexing.index import Index
from lookalike.indexing.ready import open_ready
from lookalike.models.model import DEFAULT, Model, cache_folder
from lookalike.serving.adding import Adding
from lookalike.serving.boundary import Boundary
from lookalike.serving.decoding import Decoders
from lookalike.serving.explaining import Explainer
from lookalike.serving.following import Follower
from lookalike.serving.limits import FAILURES_A_MINUTE, Rates
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
        failures: wrong tokens, by whichever way they were sent.
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
        self.failures = Rates(FAILURES_A_MINUTE)
        self.decoders = Decoders(self.model.preprocess, settings)
        self.adding = Adding(index, self.decoders, self.metrics) if settings.writable else None
        self.searcher = Searcher(index, self.decoders, self.names, self.metrics, follow=self.follower.follow)
        self.explainer = Explainer(index, self.decoders, self.names)
        self.thumbs = Thumbs(index.store, self.decoders, self.metrics)
        self.review = Review(index)
        self.boundary = Boundary(index)
        self.map = Map(index)

    @classmethod
    def open(cls, settings: Settings, *, say: Callable[[str], None] = lambda _: None) -> Desk:
        """Open the index and load its model.

        Args:
            say: told where something is done that takes its time.

        Raises:
            StoreError: there is no such index, or its model is not to be found.
            ModelError: the model cannot be run.
        """
        index = open_ready(settings.index, keep_fast=True, say=say)
        try:
            _ = index.model.session  # a model that does not load is told now, not to the first who asks
            return cls(settings, index)
        except BaseException:
            index.close()
            raise

    def places(self) -> dict[Path, str]:
        """Paths of this machine that texts of errors may hold, each with what a command calls it."""
        roots = [Path(place) for root in self.index.store.roots() for place in (root.path, root.source)]
        model = DEFAULT if self.model.folder.is_relative_to(cache_folder()) else "MODEL"
        named = {self.settings.index: "INDEX", self.model.folder: model}  # as typed, perhaps relatively
        absolute = {place.absolute(): word for place, word in named.items()}
        return {**dict.fromkeys(roots, "DATA"), **named, **absolute}

    def close(self) -> None:
        """Let go of the parts in the opposite order."""
        for part in (self.map, self.review):  # together, so that the one does not wait for the other
            part.end()
        self.map.close()
        self.review.close()
        self.explainer.close()
        self.searcher.close()
        self.decoders.close()
        self.index.close()
