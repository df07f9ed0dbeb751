"""Options of losses and miners from Python: one range with the run file, and labels of every whole type."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, cast, get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lookalike.config_loss import LOSSES
from lookalike.errors import BatchError, ConfigError
from lookalike.training.losses import (
    ArcFace,
    Classification,
    CosFace,
    CrossBatchMemory,
    contrastive,
    triplet_loss,
)
from lookalike.training.losses.registry import FUNCTIONS, MODULES
from lookalike.training.mining import mine_distance_weighted, mine_easy_positive, mine_multi_similarity
from lookalike.training.triplets import mine_batch_hard, mine_semi_hard, triplet_kinds

NEEDED = {"classes": 8, "dim": 6}


def call(name: str, z: Tensor, y: Tensor, **options: Any) -> Tensor:
    """A loss by its name, made anew with the same vectors each time where it has some."""
    if name in FUNCTIONS:
        return FUNCTIONS[name](z, y, **options)
    torch.manual_seed(3)
    made: Tensor = MODULES[name](**NEEDED, **options)(z, y)
    return made


def numbers(name: str) -> Iterator[str]:
    """The options of a loss that are numbers."""
    for key, field in LOSSES[name].model_fields.items():
        if key in LOSSES[name](name=name).arguments and float in {field.annotation, *flat(field.annotation)}:
            yield key


def flat(annotation: object) -> Iterator[object]:
    for part in get_args(annotation):
        yield part
        yield from flat(part)


def batch() -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(1)
    return normalize(torch.randn(16, 6, generator=random), dim=1), torch.arange(16) // 2


def fixed_draws(name: str) -> dict[str, Any]:
    draws = name == "triplet_distance_weighted"
    return {"generator": torch.Generator().manual_seed(0)} if draws else {}


OPTIONS = [(name, key) for name in LOSSES for key in numbers(name)]


def test_every_loss_has_numbers() -> None:
    assert {name for name, _ in OPTIONS} == set(LOSSES)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan, True, -1e-3, 1e30, "x"])
@pytest.mark.parametrize(("name", "key"), OPTIONS)
def test_what_a_run_file_refuses_a_call_refuses(name: str, key: str, value: Any) -> None:
    z, y = batch()
    if (name, key, value) in {("multi_similarity", "base", -1e-3), ("multi_similarity", "epsilon", 1e30)}:
        return  # in range
    with pytest.raises(
        ConfigError, match=rf"^a value does not fit - {name}: loss\.{key} - saw .*wanted a num"
    ):
        call(name, z, y, **{key: value})


@pytest.mark.parametrize("value", [1e-6, 1e6])
@pytest.mark.parametrize(("name", "key"), OPTIONS)
def test_the_ends_of_the_ranges_do_not_overflow(name: str, key: str, value: float) -> None:
    z, y = batch()
    z = torch.cat((z, z[:2], -z[:2])).requires_grad_()
    y = torch.cat((y, y[:4]))
    try:
        loss = call(name, z, y, **{key: value}, **fixed_draws(name))
    except ConfigError:
        return  # a narrower range
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda z, y: FUNCTIONS["circle"](z, y, margin=1.0),
            r"circle: loss\.margin.*wanted a number > 0 and < 1",
        ),
        (
            lambda *_: ArcFace(**NEEDED, margin=3.2),
            r"arcface: loss\.margin - saw 3\.2, wanted a number > 0 and < 3\.14159",
        ),
        (lambda *_: ArcFace(classes=cast(Any, 3.5), dim=4), r"ArcFace: classes - saw 3\.5, wanted a whole"),
        (lambda *_: CosFace(classes=True, dim=4), r"CosFace: classes - saw True"),
        (lambda *_: Classification(classes=3, dim=cast(Any, 4.0)), r"Classification: dim - saw 4\.0"),
        (lambda *_: Classification(classes=3, dim=4, temperature=math.inf), r"temperature - saw \.inf"),
        (
            lambda z, y: FUNCTIONS["recall_at_k"](z, y, ks=(1.5,)),
            r"recall_at_k: loss\.ks - saw \[1\.5\], wanted a list .*each entry a whole number >= 1",
        ),
        (
            lambda *_: CrossBatchMemory(contrastive, size=cast(Any, 3.5), dim=4),
            r"loss\.memory: size - saw 3\.5",
        ),
        (
            lambda *_: CrossBatchMemory(contrastive, size=3, dim=4, start=-1),
            r"start - saw -1, wanted",
        ),
        (
            lambda z, y: triplet_loss(z, mine_semi_hard(z, y), margin=math.inf),
            r"triplet_loss: loss\.margin - saw \.inf",
        ),
    ],
)
def test_ranges_and_names_in_the_message(call: Callable[..., Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(*batch())


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    assert ArcFace(classes=cast(Any, np.int64(3)), dim=cast(Any, np.int32(4))).weight.shape == (3, 4)


def types_of_labels() -> list[torch.dtype]:
    return [torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


@pytest.mark.parametrize("dtype", types_of_labels(), ids=str)
@pytest.mark.parametrize("name", LOSSES)
def test_labels_of_every_whole_type(name: str, dtype: torch.dtype) -> None:
    z, y = batch()
    y = (y // 2 % 2) if dtype is torch.bool else y
    found = call(name, z, y.to(dtype), **fixed_draws(name))
    assert found == call(name, z, y, **fixed_draws(name))


@pytest.mark.parametrize("dtype", types_of_labels()[:-1], ids=str)
def test_labels_of_a_gallery_and_a_memory(dtype: torch.dtype) -> None:
    z, y = batch()
    more = z.flip(0), y + 300  # no label of the batch, whatever its type can hold
    expected = contrastive(z, y, gallery=more)
    assert contrastive(z, y.to(dtype), gallery=more) == expected
    memory = CrossBatchMemory(contrastive, size=64, dim=6)
    memory(*more)
    assert memory(z, y.to(dtype)) == expected
    assert memory.labels[:32].tolist() == [*(y + 300).tolist(), *y.tolist()]


@pytest.mark.parametrize("dtype", types_of_labels(), ids=str)
def test_labels_of_miners(dtype: torch.dtype) -> None:
    z, y = batch()
    y = y % 2
    miners = (mine_semi_hard, mine_batch_hard, mine_easy_positive, mine_multi_similarity)
    for mine in miners:
        for ours, theirs in zip(mine(z, y.to(dtype)), mine(z, y), strict=True):
            assert torch.equal(ours, theirs)
    assert triplet_kinds(z, y.to(dtype), margin=0.2) == triplet_kinds(z, y, margin=0.2)
    drawn = [
        mine_distance_weighted(z, each, generator=torch.Generator().manual_seed(0))
        for each in (y, y.to(dtype))
    ]
    assert torch.equal(drawn[0].negative, drawn[1].negative)
    auxiliary = Classification(classes=2, dim=6)
    assert auxiliary(z, y.to(dtype)) == auxiliary(z, y)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("change", "saw"), [(Tensor.float, "torch.float32"), (Tensor.tolist, "list")])
def test_labels_that_are_no_whole_numbers(name: str, change: Callable[[Tensor], Any], saw: str) -> None:
    z, y = batch()
    with pytest.raises(
        BatchError, match=rf"labels are not whole numbers - labels - saw {saw}.*numpy\.unique"
    ):
        call(name, z, change(y))
