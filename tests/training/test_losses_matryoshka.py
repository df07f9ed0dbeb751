"""A loss over several lengths of the same embeddings."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from lookalike.training.losses import Matryoshka, ProxyAnchor, multi_similarity, triplet_semi_hard
from loss_batches import embed


def test_is_the_mean_over_the_lengths() -> None:
    z, y = embed([0, 0, 1, 1, 2, 2], seed=0, dims=8)
    each = [multi_similarity(normalize(z[:, :m], dim=1), y).item() for m in (2, 4, 8)]
    assert Matryoshka(multi_similarity, dimensions=(2, 4, 8))(z, y).item() == pytest.approx(sum(each) / 3)
    weighted = Matryoshka(multi_similarity, dimensions=(2, 4, 8), weights=(1, 2, 5))
    assert weighted(z, y).item() == pytest.approx((each[0] + 2 * each[1] + 5 * each[2]) / 8)


def test_the_full_length_alone_is_the_loss() -> None:
    z, y = embed([0, 0, 1, 1], seed=0, dims=8)
    assert Matryoshka(triplet_semi_hard, dimensions=[8])(z, y) == triplet_semi_hard(z, y)


def test_gallery_is_shortened_too() -> None:
    (z, y), (more, more_y) = embed([0, 0, 1, 1], seed=0, dims=8), embed([1, 5], seed=1, dims=8)
    short, short_more = normalize(z[:, :3], dim=1), normalize(more[:, :3], dim=1)
    expected = multi_similarity(short, y, gallery=(short_more, more_y)).item()
    loss = Matryoshka(multi_similarity, dimensions=[3])
    assert loss(z, y, gallery=(more, more_y)).item() == pytest.approx(expected)


def test_numeric_gradient() -> None:
    z, y = embed([0, 0, 1, 1, 2, 2], seed=0, dims=8)
    loss = Matryoshka(triplet_semi_hard, dimensions=(3, 8))
    assert torch.autograd.gradcheck(lambda a: loss(a, y), z.requires_grad_())


def test_gradient_is_finite_where_the_first_dimensions_are_zero() -> None:
    z = torch.eye(8)[[7, 7, 6, 0]].requires_grad_()
    value = Matryoshka(triplet_semi_hard, dimensions=(2, 8))(z, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert value.isfinite()
    assert cast(Tensor, z.grad).isfinite().all()


def test_proxies_are_tied_and_registered() -> None:
    proxies = ProxyAnchor(classes=3, dim=8)
    loss = Matryoshka(proxies, dimensions=(2, 8))
    z, y = embed([0, 0, 1, 2], seed=0, dims=8)
    loss(z, y).backward()
    assert [name for name, _ in loss.named_parameters()] == ["loss.weight"]
    gradient = cast(Tensor, proxies.weight.grad)
    assert gradient.abs().sum(0).min() > 0  # every dimension learns


def test_short_embeddings_become_usable() -> None:
    """Only the first dimensions are looked at after training with and without short lengths."""
    y = torch.arange(24) // 4
    scores = []
    for dimensions in ((16,), (2, 16)):
        raw = torch.randn(24, 16, generator=torch.Generator().manual_seed(0)).requires_grad_()
        loss = Matryoshka(multi_similarity, dimensions=dimensions)
        optimizer = torch.optim.Adam([raw], lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            loss(normalize(raw, dim=1), y).backward()
            optimizer.step()
        short = normalize(raw.detach()[:, :2], dim=1)
        nearest = (short @ short.T).fill_diagonal_(-2).argmax(1)
        scores.append((y[nearest] == y).float().mean().item())
    assert scores[1] > scores[0] + 0.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dimensions": []}, r"loss\.dimensions - saw \[\]"),
        ({"dimensions": [0, 4]}, r"different whole numbers >= 1"),
        ({"dimensions": [4, 4]}, r"different whole numbers >= 1"),
        ({"dimensions": [2, 4], "weights": [1]}, r"loss\.weights - saw \[1\], wanted 2 numbers > 0"),
        ({"dimensions": [2, 4], "weights": [1, 0]}, r"wanted 2 numbers > 0"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Matryoshka(multi_similarity, **options)


def test_embeddings_that_are_too_short() -> None:
    with pytest.raises(BatchError, match=r"rows of length 3, wanted 4 or more"):
        Matryoshka(multi_similarity, dimensions=[2, 4])(torch.eye(3), torch.tensor([0, 0, 1]))
