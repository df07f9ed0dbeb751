"""Losses over pairs at the edge: extreme rows and options, lower precision, order, batches of no use."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from loss_batches import embed
from slow_pair_losses import EVERY, MILD, SHARP, Loss, batches


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("options", [{}, None], ids=["defaults", "sharp"])
def test_identical_opposite_and_zero_rows(
    loss: Loss, dtype: torch.dtype, options: dict[str, Any] | None
) -> None:
    z = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=dtype)
    z.requires_grad_()
    y = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    value = loss(z, y, **(SHARP[loss] if options is None else options))
    value.backward()
    assert value.isfinite()
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    gradient = cast(Tensor, z.grad)
    assert gradient.isfinite().all()
    assert gradient.dtype == dtype


@EVERY
@pytest.mark.parametrize("similar", [1.0, -1.0])
def test_sharp_options_do_not_overflow(loss: Loss, similar: float) -> None:
    """Positives that are opposite and negatives that are identical, or the reverse."""
    end = torch.tensor([1.0, 0.0])
    z = torch.stack([end, similar * end, end, similar * end]).requires_grad_()
    value = loss(z, torch.tensor([0, 0, 1, 1]), **SHARP[loss])
    value.backward()
    assert value.isfinite()
    assert cast(Tensor, z.grad).isfinite().all()


@EVERY
def test_a_vector_that_is_no_number_is_not_hidden(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1, 2, 2], seed=0)
    z[3, 1] = torch.nan
    assert loss(z, y).isnan()


@EVERY
@settings(deadline=None, max_examples=15)
@given(batch=batches)
def test_order_and_rotation_do_not_matter(loss: Loss, batch: tuple[list[int], list[int], int]) -> None:
    (z, y), options = embed(batch[0], batch[2]), MILD[loss]
    more, more_y = embed([0, 4], batch[2] + 1)
    expected = pytest.approx(loss(z, y, gallery=(more, more_y), **options).item())
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    turn = torch.linalg.qr(embed([0] * 4, 2)[0])[0]
    assert loss(z[order], y[order], gallery=(more.flip(0), more_y.flip(0)), **options).item() == expected
    assert loss(z @ turn, y, gallery=(more @ turn, more_y), **options).item() == expected
    assert loss(z, y * 7 - 3, gallery=(more, more_y * 7 - 3), **options).item() == expected


@EVERY
def test_lower_precision_is_near(loss: Loss) -> None:
    z, y = embed([i // 4 for i in range(64)], seed=5, dims=32)
    exact = loss(z, y, **MILD[loss]).item()
    assert loss(z.float(), y, **MILD[loss]).item() == pytest.approx(exact, rel=1e-4)
    assert loss(z.bfloat16(), y, **MILD[loss]).item() == pytest.approx(exact, rel=3e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(z.float(), y, **MILD[loss]).item() == pytest.approx(exact, rel=1e-4)


@EVERY
def test_every_option_changes_the_result(loss: Loss) -> None:
    z, y = embed([i // 4 for i in range(24)], seed=5)
    usual = loss(z, y, **MILD[loss]).item()
    changed = {"ks": (3,), "margin": 0.77, "epsilon": None, "base": 0.1}
    for name in MILD[loss]:
        options = {**MILD[loss], name: changed.get(name, 0.9)}
        assert loss(z, y, **options).item() != pytest.approx(usual, rel=1e-6), name


@EVERY
def test_rows_without_a_partner_are_no_anchors_that_pull(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1, 2], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    value.backward()
    assert value.isfinite()
    assert cast(Tensor, z.grad)[4].abs().max() > 0  # it is a negative of the others all the same


@EVERY
def test_differentiates_once_and_says_so(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(value, z, create_graph=True)
    with torch.no_grad():
        assert not loss(z, y).requires_grad


@EVERY
def test_backward_twice(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    value.backward(retain_graph=True)
    first = cast(Tensor, z.grad).clone()
    value.backward()
    torch.testing.assert_close(z.grad, 2 * first)


@EVERY
def test_training_separates_classes(loss: Loss) -> None:
    raw = torch.randn(24, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.arange(24) // 4
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss(normalize(raw, dim=1), y, **MILD[loss]).backward()
        optimizer.step()
    similarity = normalize(raw.detach(), dim=1) @ normalize(raw.detach(), dim=1).T
    same = y[:, None] == y
    assert similarity[same].min() > similarity[~same].max()


@EVERY
def test_batches_that_cannot_be_used(loss: Loss) -> None:
    with pytest.raises(BatchError, match=r"no label twice.*P x K"):
        loss(torch.eye(3), torch.arange(3))
    with pytest.raises(BatchError, match=r"all of one label.*P x K"):
        loss(torch.eye(3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(BatchError, match="P x K"):
        loss(torch.eye(3)[:0], torch.arange(0))
    with pytest.raises(BatchError, match="do not fit together"):
        loss(torch.eye(3), torch.arange(4))
    with pytest.raises(BatchError, match=r"gallery and batch.*length 2 beside 3"):
        loss(torch.eye(3), torch.arange(3), gallery=(torch.eye(2), torch.arange(2)))
    gallery = torch.eye(3), torch.tensor([0, 1, 2])
    assert loss(torch.eye(3), torch.arange(3), gallery=gallery).isfinite()  # partners in the gallery will do


@pytest.mark.parametrize(
    ("loss", "name"),
    [(loss, name) for loss, options in MILD.items() for name in options if name not in ("base", "epsilon")],
)
@pytest.mark.parametrize("value", [0, -1.0, math.nan, "x", None])
def test_options_out_of_range(loss: Loss, name: str, value: Any) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    value = [value] if name == "ks" and value in (0, -1.0) else [] if name == "ks" else value
    with pytest.raises(ConfigError, match=rf"loss\.{name} - saw .*wanted"):
        loss(z, y, **{name: value})
