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
    from lookalike.checkups.checkup import doctor
    from lookalike.checkups.description import describe
    from lookalike.comparison import compare
    from lookalike.errors import LookalikeError
    from lookalike.evaluation import evaluate
    from lookalike.identifying import identify
    from lookalike.indexing.adding import add_pictures, remove_items
    from lookalike.indexing.index import Index
    from lookalike.matching import match
    from lookalike.models.embedding import embed_table
    from lookalike.models.explanation import explain
    from lookalike.models.model import Model
    from lookalike.models.shortening import shorten
    from lookalike.open_calibrating import calibrate_identification
    from lookalike.open_evaluation import identification_report
    from lookalike.presenting.notebook import to_html
    from lookalike.presenting.plots_explanation import draw_explanation
    from lookalike.presenting.projector import write_projector
    from lookalike.search import search_ids, search_images, search_together
    from lookalike.tables.table import ImageTable
    from lookalike.training.run import train
    from lookalike.training.tuning import tune

__version__ = "0.1.0"

__all__ = [
    "ImageTable",
    "Index",
    "LookalikeError",
    "Model",
    "__version__",
    "add_pictures",
    "calibrate",
    "calibrate_identification",
    "compare",
    "describe",
    "doctor",
    "draw_explanation",
    "embed_table",
    "evaluate",
    "evaluate_attributes",
    "explain",
    "identification_report",
    "identify",
    "match",
    "remove_items",
    "search_attributes",
    "search_composed",
    "search_ids",
    "search_images",
    "search_together",
    "shorten",
    "to_html",
    "train",
    "tune",
    "write_projector",
]

_HOMES = {
    "ImageTable": "lookalike.tables.table",
    "Index": "lookalike.indexing.index",
    "LookalikeError": "lookalike.errors",
    "Model": "lookalike.models.model",
    "add_pictures": "lookalike.indexing.adding",
    "calibrate": "lookalike.calibrating",
    "calibrate_identification": "lookalike.open_calibrating",
    "compare": "lookalike.comparison",
    "describe": "lookalike.checkups.description",
    "doctor": "lookalike.checkups.checkup",
    "draw_explanation": "lookalike.presenting.plots_explanation",
    "embed_table": "lookalike.models.embedding",
    "evaluate": "lookalike.evaluation",
    "evaluate_attributes": "lookalike.attribute_evaluation",
    "explain": "lookalike.models.explanation",
    "identification_report": "lookalike.open_evaluation",
    "identify": "lookalike.identifying",
    "match": "lookalike.matching",
    "remove_items": "lookalike.indexing.adding",
    "search_attributes": "lookalike.attribute_search",
    "search_composed": "lookalike.attribute_search",
    "search_ids": "lookalike.search",
    "search_images": "lookalike.search",
    "search_together": "lookalike.search",
    "shorten": "lookalike.models.shortening",
    "to_html": "lookalike.presenting.notebook",
    "train": "lookalike.training.run",
    "tune": "lookalike.training.tuning",
    "write_projector": "lookalike.presenting.projector",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lookalike' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
