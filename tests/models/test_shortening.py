"""The first dimensions of a model as a model of their own, never mixed with the whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from lookalike import Index, calibrate, evaluate
from lookalike.errors import ModelError, StoreError
from lookalike.models.embedding import embed_table
from lookalike.models.model import FACTS, Model
from lookalike.models.shortening import cut, shorten
from lookalike.models.verdicts import calibration_of
from lookalike.tables.table import ImageTable
from some_records import threshold
from tiny_model import pixels


@pytest.fixture
def nested(tiny: Model) -> Model:
    """A model that says it was made to be cut at 8 and 16."""
    facts = {**tiny.facts, "dimensions": [8, 16]}
    (tiny.folder / FACTS).write_text(json.dumps(facts))
    return Model.load(tiny.folder)


def test_gives_the_first_numbers_at_unit_length(nested: Model) -> None:
    whole, short = nested.embed_pixels(pixels(4)), shorten(nested, 8)
    found = short.embed_pixels(pixels(4))
    assert (short.dim, nested.dim, nested.dimensions) == (8, 48, (8, 16))
    for row, expected in zip(found, whole, strict=True):
        length = sum(float(value) ** 2 for value in expected[:8]) ** 0.5
        assert row.tolist() == pytest.approx([value / length for value in expected[:8].tolist()], abs=1e-6)


def test_similarity_is_that_of_the_cut_vectors(nested: Model, few: Path) -> None:
    table = ImageTable.read(few)
    whole = embed_table(nested, table).embeddings.vectors
    short = embed_table(shorten(nested, 16), table).embeddings.vectors
    assert np.allclose(short, cut(whole, 16), atol=1e-6)
    assert np.allclose(np.linalg.norm(short, axis=1), 1, atol=1e-5)


def test_zeros_stay_zeros() -> None:
    vectors = np.array([[0.0, 0.0, 1.0], [3e-30, 4e-30, 1.0]], np.float32)
    assert np.allclose(cut(vectors, 2), np.array([[0, 0], [0.6, 0.8]]))


def test_its_own_length_is_the_model_itself(nested: Model) -> None:
    assert shorten(nested, 48) is nested
    short = shorten(nested, 8)
    assert shorten(short, 8) is short


@pytest.mark.parametrize("dimensions", [0, 7, 47, 49])
def test_other_lengths_are_refused(nested: Model, dimensions: int) -> None:
    with pytest.raises(
        ModelError, match=rf"not made to be cut there.*saw {dimensions} dim.*wanted 8, 16, 48.*loss\.dimens"
    ):
        shorten(nested, dimensions)


def test_model_that_does_not_say_so_is_not_cut(tiny: Model) -> None:
    assert tiny.dimensions == ()
    with pytest.raises(ModelError, match=r"not made to be cut there.*wanted 48"):
        shorten(tiny, 8)


def test_fingerprints_differ(nested: Model) -> None:
    prints = {nested.fingerprint, shorten(nested, 8).fingerprint, shorten(nested, 16).fingerprint}
    assert len(prints) == 3
    assert shorten(shorten(nested, 16), 8).fingerprint == shorten(nested, 8).fingerprint


def test_index_of_one_refuses_the_other(nested: Model, few: Path, tmp_path: Path) -> None:
    short = shorten(nested, 8)
    with Index.create(tmp_path / "a.idx", short) as index:
        index.update(ImageTable.read(few))
    with Index.open(tmp_path / "a.idx", model=short) as index:
        assert len(index) == len(ImageTable.read(few))
    with Index.open(tmp_path / "a.idx") as index:  # finds its model as it was shortened
        assert index.model.fingerprint == short.fingerprint
    with pytest.raises(StoreError, match="another model"):
        Index.open(tmp_path / "a.idx", model=nested)


def test_thresholds_are_kept_apart(nested: Model) -> None:
    short = shorten(nested, 8)
    with pytest.raises(ModelError, match=r"shortened model has no match threshold.*8 dimensions.*shorten\("):
        short.require_threshold()
    short.set_threshold(threshold("precision=0.95"))
    again = Model.load(nested.folder)
    assert again.threshold is None
    assert shorten(again, 8).require_threshold() == short.threshold == threshold("precision=0.95")
    assert shorten(again, 16).threshold is None
    again.set_threshold(threshold("f1"))
    assert shorten(Model.load(nested.folder), 8).threshold == short.threshold


def test_is_judged_and_calibrated_like_any_model(nested: Model, few: Path) -> None:
    (nested.folder / "README.md").write_text("## What counts as the same\n\nkept\n## Use\n")
    table, short = ImageTable.read(few), shorten(nested, 8)
    figures = evaluate(short, table, draws=10).figures
    assert figures["recall@1"].value != evaluate(nested, table, draws=10).figures["recall@1"].value
    found = calibrate(short, table, target="f1")
    assert shorten(Model.load(nested.folder), 8).threshold == found
    assert calibration_of(nested) is None
    kept = calibration_of(short)
    assert kept is not None
    assert kept.fingerprint == found.fingerprint == short.fingerprint != nested.fingerprint
    assert "kept" in (nested.folder / "README.md").read_text(), "the card speaks of the whole"


def test_folder_of_an_older_release_is_read(tiny: Model, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(tiny.folder, older)
    facts = json.loads((older / FACTS).read_text())
    del facts["dimensions"]
    facts["network"] = {"backbone": "x", "frozen": True, "pooling": "spoc", "head": None, "embedding_dim": 48}
    (older / FACTS).write_text(json.dumps(facts))
    model = Model.load(older)
    assert model.dimensions == ()
    assert np.array_equal(model.embed_pixels(pixels(2)), tiny.embed_pixels(pixels(2)))
