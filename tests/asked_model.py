"""A served index whose model can be asked everything: it has thresholds, probabilities and attributes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.models.verdicts import keep_calibration
from lookalike.open_calibrating import keep_open_threshold
from lookalike.tables.table import ImageTable
from painted import much_alike
from some_calibrations import of_model
from some_open_threshold import some_open_threshold
from some_records import threshold
from tiny_attributes import with_branch


def asked_index(place: Path, tiny_folder: Path, *, things: int = 3) -> Path:
    """An index of some things, four pictures each, of which one is there twice."""
    folder = place / "model"
    shutil.copytree(tiny_folder, folder)
    model = with_branch(Model.load(folder))
    model.set_threshold(replace(threshold("f1"), similarity=0.8))
    model.set_threshold(replace(threshold("f1"), similarity=-0.5), name="loose")
    keep_calibration(model, of_model(model))
    keep_open_threshold(model, some_open_threshold(similarity=0.6, fingerprint=model.fingerprint, gallery=50))
    much_alike(place / "painted", things=things)
    shutil.copy(place / "painted" / "thing00" / "0.png", place / "painted" / "thing00" / "copy.png")
    path = place / "asked.idx"
    with Index.create(path, model) as index:
        index.update(ImageTable.read(place / "painted"), source=place / "painted")
    return path
