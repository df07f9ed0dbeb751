"""Learned image similarity: train on your own notion of "the same", then search and match.

>>> from lookalike import ImageTable, Index, Model, calibrate, evaluate, match, train

Importing the package loads none of the heavy libraries; each name brings what it needs on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lookalike.attribute_evaluation import evaluate_attributes
    from lookalike.attribute_search import search_attributes, search_composed
    from lookalike.calibrating import calibrate
    from lookalike.checkup import doctor
    from lookalike.description import describe
    from lookalike.embedding import embed_table
    from lookalike.errors import LookalikeError
    from lookalike.evaluation import evaluate
    from lookalike.index import Index
    from lookalike.matching import match
    from lookalike.model import Model
    from lookalike.search import search_images
    from lookalike.shortening import shorten
    from lookalike.table import ImageTable
    from lookalike.training.run import train

__version__ = "0.1.0"

__all__ = [
    "ImageTable",
    "Index",
    "LookalikeError",
    "Model",
    "__version__",
    "calibrate",
    "describe",
    "doctor",
    "embed_table",
    "evaluate",
    "evaluate_attributes",
    "match",
    "search_attributes",
    "search_composed",
    "search_images",
    "shorten",
    "train",
]

_HOMES = {
    "ImageTable": "lookalike.table",
    "Index": "lookalike.index",
    "LookalikeError": "lookalike.errors",
    "Model": "lookalike.model",
    "calibrate": "lookalike.calibrating",
    "describe": "lookalike.description",
    "doctor": "lookalike.checkup",
    "embed_table": "lookalike.embedding",
    "evaluate": "lookalike.evaluation",
    "evaluate_attributes": "lookalike.attribute_evaluation",
    "match": "lookalike.matching",
    "search_attributes": "lookalike.attribute_search",
    "search_composed": "lookalike.attribute_search",
    "search_images": "lookalike.search",
    "shorten": "lookalike.shortening",
    "train": "lookalike.training.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
