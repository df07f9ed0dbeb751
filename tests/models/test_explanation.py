from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import ImageError, LookalikeError, ModelError, SkipReason
from lookalike.matching import match
from lookalike.models.explanation import SHOWN, explain, viewed
from lookalike.models.maps import Composition
from lookalike.models.model import Model
from lookalike.models.shortening import shorten
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.training.graph import AnyGraph, CombinedGraph, HeadGraph
from mapped_model import MEANS, SMALL, grown, mapped_graph, with_patch, write_model
from some_records import threshold


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """Two pictures of different grounds, with one red square each, at different places."""
    a = with_patch(tmp_path / "a.png", row=0, column=6, seed=1)
    return a, with_patch(tmp_path / "b.png", row=9, column=3, seed=2)


def heads() -> dict[str, AnyGraph | None]:
    rng = np.random.default_rng(0)

    def affine(inputs: int, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        weight, bias = rng.normal(size=(inputs, outputs)), 0.1 * rng.normal(size=outputs)
        return weight.astype(np.float32), bias.astype(np.float32)

    return {
        "none": None,
        "powered": HeadGraph(0.5, [affine(3, 2)]),
        "deep": HeadGraph(1.0, [affine(3, 8), affine(8, 6), affine(6, 4)]),
        "residual": HeadGraph(1.0, [affine(3, 5), affine(5, 3)], residual=True),
        "branches": CombinedGraph([affine(1, 2)[0] for _ in range(3)]),
    }


HEADS = heads()


def model_of(folder: Path, head: AnyGraph | None = None, composition: Composition = MEANS) -> Model:
    dim = 3 if head is None else head.dim
    return write_model(folder, grown(mapped_graph(composition), head), dim=dim)


def hottest(heat: np.ndarray) -> tuple[int, int]:
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    return int(row), int(column)


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_maps_sum_to_the_similarity(head: AnyGraph | None, pair: tuple[Path, Path], tmp_path: Path) -> None:
    model = model_of(tmp_path / "model", head)
    found = explain(model, *pair)
    assert found.method == "exact"
    assert found.heat_a.shape == found.heat_b.shape == (4, 4)
    assert found.heat_a.dtype == np.float32
    assert found.heat_a.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.heat_b.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.rest is not None
    assert (np.abs(found.rest).max() > 0) == isinstance(head, HeadGraph)


def test_similarity_is_that_of_match(pair: tuple[Path, Path], tmp_path: Path) -> None:
    model = model_of(tmp_path / "model", HEADS["powered"])
    model.set_threshold(replace(threshold("f1"), similarity=0.5))
    assert explain(model, *pair).similarity == match(model, *pair).similarity


def test_heat_lies_on_what_they_share(pair: tuple[Path, Path], tmp_path: Path) -> None:
    found = explain(model_of(tmp_path / "model"), *pair)
    assert hottest(found.heat_a) == (0, 2)
    assert hottest(found.heat_b) == (3, 1)
    assert found.heat_a[0, 2] > 2 * np.sort(found.heat_a.reshape(-1))[-2]


def test_heat_is_by_hand(tmp_path: Path) -> None:
    """a is half red, half green, b is red: a's red half adds all of their similarity, sqrt(1/2)."""
    pixels = np.zeros((12, 12, 3), np.uint8)
    pixels[:, :6, 0], pixels[:, 6:, 1] = 255, 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    Image.new("RGB", (12, 12), "red").save(tmp_path / "b.png")
    found = explain(model_of(tmp_path / "model"), tmp_path / "a.png", tmp_path / "b.png")
    assert found.similarity == pytest.approx(0.5**0.5)
    assert found.heat_a == pytest.approx(np.tile([0.5**0.5 / 8] * 2 + [0.0] * 2, (4, 1)), abs=1e-6)
    assert found.heat_b == pytest.approx(np.full((4, 4), 0.5**0.5 / 16), abs=1e-6)


def test_a_place_is_answered_by_its_like(pair: tuple[Path, Path], tmp_path: Path) -> None:
    found = explain(model_of(tmp_path / "model", HEADS["deep"]), *pair)
    for of, own, other in (("a", found.heat_a, found.heat_b), ("b", found.heat_b, found.heat_a)):
        cells = [(row, column) for row in range(4) for column in range(4)]
        answers = [found.answer_to(*cell, of=of) for cell in cells]  # type: ignore[arg-type]
        assert answers[0].shape == other.shape
        assert np.array([answer.sum() for answer in answers]) == pytest.approx(own.reshape(-1), abs=1e-6)
        assert np.sum(answers, axis=0) == pytest.approx(other, abs=1e-6)
    plain = explain(model_of(tmp_path / "plain"), *pair)
    assert hottest(plain.answer_to(0, 2)) == (3, 1)
    with pytest.raises(IndexError):
        plain.answer_to(4, 0)


def test_box_is_looked_at_alone(tmp_path: Path) -> None:
    large = Image.new("RGB", (40, 30), "blue")
    large.paste(Image.open(with_patch(tmp_path / "a.png", row=0, column=6, seed=1)), (20, 10))
    large.save(tmp_path / "large.png")
    other = with_patch(tmp_path / "b.png", row=9, column=3, seed=2)
    model = model_of(tmp_path / "model")
    alone = explain(model, tmp_path / "a.png", other)
    boxed = explain(model, tmp_path / "large.png", other, boxes=((20, 10, 32, 22), None))
    assert np.array_equal(boxed.heat_a, alone.heat_a)
    assert np.array_equal(boxed.a.pixels, alone.a.pixels)
    assert boxed.a.part == (0, 0, 12, 12)


def test_shortened_model_is_explained_by_its_own_dimensions(pair: tuple[Path, Path], tmp_path: Path) -> None:
    head = HEADS["deep"]
    model = write_model(tmp_path / "m", grown(mapped_graph(), head), dim=4, dimensions=[2])
    found = explain(shorten(model, 2), *pair)
    assert found.heat_a.sum() == pytest.approx(found.similarity, abs=1e-5)
    assert found.similarity != pytest.approx(explain(model, *pair).similarity, abs=1e-3)


def test_model_without_maps_is_explained_by_covering(tiny: Model, tmp_path: Path) -> None:
    a = with_patch(tmp_path / "a.png", row=8, column=16, seed=1, side=32, patch=8)
    b = with_patch(tmp_path / "b.png", row=8, column=16, seed=2, side=32, patch=8)
    found = explain(tiny, a, b)
    assert found.method == "covering"
    assert found.rest is None
    for heat in (found.heat_a, found.heat_b):
        row, column = hottest(heat)
        assert (row // 2, column // 2) == (1, 2)
    with pytest.raises(LookalikeError, match=r"does not say which places belong together.*covering"):
        found.answer_to(0, 0)


def test_graph_that_says_what_is_not_so_is_refused(pair: tuple[Path, Path], tmp_path: Path) -> None:
    wrong = model_of(tmp_path / "model", composition=replace(MEANS, poolings=["mac"]))
    with pytest.raises(ModelError, match=r"does not compute what it says.*model\.onnx.*export or train"):
        explain(wrong, *pair)


@pytest.mark.parametrize("bad", [0, 1])
def test_picture_that_is_not_there_is_named(bad: int, pair: tuple[Path, Path], tmp_path: Path) -> None:
    paths = [str(path) for path in pair]
    paths[bad] = str(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match=r"nowhere\.png") as caught:
        explain(model_of(tmp_path / "model"), *paths)
    assert caught.value.reason is SkipReason.MISSING


def test_what_is_seen_of_a_picture_is_told(tmp_path: Path) -> None:
    Image.new("RGB", (48, 24), "red").save(tmp_path / "wide.png")
    Image.new("RGB", (12, 24), "red").save(tmp_path / "tall.png")
    for resize, wide, tall in (
        ("crop", (12, 0, 36, 24), (0, 6, 12, 18)),
        ("pad", (0, -12, 48, 36), (-6, 0, 18, 24)),
    ):
        preprocess = replace(SMALL, resize=resize)  # type: ignore[arg-type]
        model = write_model(tmp_path / resize, mapped_graph(), dim=3, preprocess=preprocess)
        found = explain(model, tmp_path / "wide.png", tmp_path / "tall.png")
        assert (found.a.part, found.b.part) == (wide, tall)
        assert found.heat_a.sum() == pytest.approx(found.similarity, abs=1e-5)


def test_pictures_that_are_opened_already_are_explained_alike(
    pair: tuple[Path, Path], tmp_path: Path
) -> None:
    model = model_of(tmp_path / "model")
    target = model.preprocess.decode_target
    a, b = (
        viewed(
            path.name,
            open_image(path, target=SHOWN),
            prepare(open_image(path, target=target), model.preprocess),
            model.preprocess,
        )
        for path in pair
    )
    found, wanted = explain(model, a, b), explain(model, *pair)
    assert (found.similarity, found.method) == (wanted.similarity, wanted.method)
    assert found.heat_a.tolist() == wanted.heat_a.tolist()
    assert explain(model, pair[0], b).heat_b.tolist() == wanted.heat_b.tolist()
    assert (found.a.path, found.a.part) == ("a.png", wanted.a.part)
    assert found.b.pixels.tolist() == wanted.b.pixels.tolist()
