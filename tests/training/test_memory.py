"""The memory of earlier batches: what is compared with what, what is kept, that it survives a checkpoint."""

from __future__ import annotations

import copy
import io
from functools import partial
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from lookalike.training.losses import (
    CrossBatchMemory,
    Matryoshka,
    ProxyAnchor,
    contrastive,
    multi_similarity,
    triplet_semi_hard,
)
from lookalike.training.memory import takes_gallery


def batch(seed: int, *, labels: tuple[int, ...] = (0, 0, 1, 1), dims: int = 4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(len(labels), dims, generator=random), dim=1), torch.tensor(labels)


def test_meets_the_batch_and_what_came_before() -> None:
    memory = CrossBatchMemory(contrastive, size=8, dim=4)
    batches = [batch(seed) for seed in range(5)]
    for step, (z, y) in enumerate(batches):
        before = batches[max(0, step - 2) : step]  # 8 rows are the two batches before
        expected = contrastive(z, y)
        if before:
            gallery = torch.cat([rows for rows, _ in before]), torch.cat([labels for _, labels in before])
            expected = contrastive(z, y, gallery=gallery)
        assert memory(z, y).item() == pytest.approx(expected.item(), rel=1e-5)


def test_own_copy_is_no_positive() -> None:
    """The same batch again: what is remembered of it is a positive, the row itself is not counted twice."""
    z, y = batch(0)
    memory = CrossBatchMemory(partial(contrastive, margin=1e-6), size=8, dim=4)
    memory(z, y)
    squared = (2 - 2 * z @ z.T).clamp(min=0)
    same = y[:, None] == y
    pairs = squared[same].sum() * 2 / (2 * same.sum() - len(y))  # 4 columns a row, its own left out
    assert memory(z, y).item() == pytest.approx(pairs.item(), rel=1e-4)


def test_what_is_remembered_carries_no_gradient() -> None:
    memory = CrossBatchMemory(multi_similarity, size=8, dim=4)
    first, second = batch(0)[0].requires_grad_(), batch(1)[0].requires_grad_()
    y = batch(0)[1]
    memory(first, y).backward()
    held = cast(Tensor, first.grad).clone()
    value = memory(second, y)
    value.backward()
    assert torch.equal(cast(Tensor, first.grad), held)
    alone = batch(1)[0].requires_grad_()
    multi_similarity(alone, y, gallery=(first.detach(), y)).backward()
    torch.testing.assert_close(second.grad, alone.grad)
    assert not memory.embeddings.requires_grad


def test_ring_keeps_the_latest() -> None:
    memory = CrossBatchMemory(contrastive, size=6, dim=4)
    seen = torch.cat([batch(seed)[0] for seed in range(4)])
    for seed in range(4):
        memory(*batch(seed))
    kept = {tuple(row.tolist()) for row in memory.embeddings}
    assert kept == {tuple(row.tolist()) for row in seen[-6:]}
    assert (int(memory.filled), int(memory.steps)) == (6, 4)


def test_batch_larger_than_the_memory() -> None:
    memory = CrossBatchMemory(contrastive, size=3, dim=4)
    z, y = batch(0)
    memory(z, y)
    assert {tuple(row.tolist()) for row in memory.embeddings} == {tuple(row.tolist()) for row in z[-3:]}
    assert memory(*batch(1)).isfinite()


def test_is_used_from_the_start_on_and_filled_before() -> None:
    memory = CrossBatchMemory(contrastive, size=100, dim=4, start=2)
    for seed in range(2):
        z, y = batch(seed)
        assert memory(z, y) == contrastive(z, y)
    z, y = batch(2)
    gallery = torch.cat([batch(0)[0], batch(1)[0]]), torch.cat([y, y])
    assert memory(z, y).item() == pytest.approx(contrastive(z, y, gallery=gallery).item())


def test_evaluation_neither_uses_nor_fills() -> None:
    memory = CrossBatchMemory(contrastive, size=8, dim=4)
    memory(*batch(0))
    memory.eval()
    z, y = batch(1)
    assert memory(z, y) == contrastive(z, y)
    assert int(memory.filled) == 4


def test_partners_may_lie_in_the_memory() -> None:
    memory = CrossBatchMemory(contrastive, size=8, dim=4)
    memory(*batch(0))
    z, y = batch(1, labels=(0, 1, 2, 3))  # no label twice
    assert memory(z, y).isfinite()
    with pytest.raises(BatchError, match="no label twice"):
        contrastive(z, y)


def test_a_refused_batch_is_not_remembered() -> None:
    memory = CrossBatchMemory(contrastive, size=8, dim=4)
    with pytest.raises(BatchError, match="all of one label"):
        memory(*batch(0, labels=(1, 1, 1, 1)))
    assert (int(memory.filled), int(memory.steps)) == (0, 0)


def training(steps: range, network: nn.Linear, memory: CrossBatchMemory, optimizer: torch.optim.Adam) -> None:
    for step in steps:
        inputs, y = batch(step, labels=(0, 0, 1, 1, 2, 2), dims=5)
        optimizer.zero_grad()
        memory(normalize(network(inputs), dim=1), y).backward()
        optimizer.step()


def test_resume_is_bit_for_bit() -> None:
    torch.manual_seed(0)
    network, memory = nn.Linear(5, 4), CrossBatchMemory(multi_similarity, size=16, dim=4, start=2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.05)
    training(range(5), network, memory, optimizer)
    file = io.BytesIO()
    torch.save([part.state_dict() for part in (network, memory, optimizer)], file)
    training(range(5, 9), network, memory, optimizer)

    again, fresh = nn.Linear(5, 4), CrossBatchMemory(multi_similarity, size=16, dim=4, start=2)
    renewed = torch.optim.Adam(again.parameters(), lr=0.05)
    file.seek(0)
    for part, state in zip((again, fresh, renewed), torch.load(file, weights_only=True), strict=True):
        cast(Any, part).load_state_dict(state)
    training(range(5, 9), again, fresh, renewed)
    assert torch.equal(again.weight, network.weight)
    for name, value in memory.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name


def test_the_memory_matters_to_the_resume() -> None:
    torch.manual_seed(0)
    network, memory = nn.Linear(5, 4), CrossBatchMemory(multi_similarity, size=16, dim=4)
    forgetful = copy.deepcopy(network)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
    training(range(4), network, memory, cast(Any, optimizer))
    other = torch.optim.SGD(forgetful.parameters(), lr=0.05)
    for step in range(4):
        fresh = CrossBatchMemory(multi_similarity, size=16, dim=4)
        training(range(step, step + 1), forgetful, fresh, cast(Any, other))
    assert not torch.equal(network.weight, forgetful.weight)


def test_bfloat16_batches_are_remembered_in_float32() -> None:
    memory = CrossBatchMemory(contrastive, size=8, dim=4)
    z, y = batch(0)
    memory(z.bfloat16(), y)
    assert memory(z.bfloat16(), y).dtype == torch.float32
    torch.testing.assert_close(memory.embeddings[:4], z.bfloat16().float())


def test_matryoshka_in_a_memory() -> None:
    memory = CrossBatchMemory(Matryoshka(multi_similarity, dimensions=(2, 4)), size=8, dim=4)
    (first, y), (z, _) = batch(0), batch(1)
    memory(first, y)
    each = [
        multi_similarity(normalize(z[:, :m], dim=1), y, gallery=(normalize(first[:, :m], dim=1), y)).item()
        for m in (2, 4)
    ]
    assert memory(z, y).item() == pytest.approx(sum(each) / 2)


@pytest.mark.parametrize(
    ("loss", "takes"),
    [
        (contrastive, True),
        (partial(contrastive, margin=1.0), True),
        (Matryoshka(contrastive, dimensions=[2]), True),
        (triplet_semi_hard, False),
        (Matryoshka(triplet_semi_hard, dimensions=[2]), False),
        (ProxyAnchor(classes=2, dim=4), False),
    ],
)
def test_losses_that_cannot_are_refused(loss: Any, takes: bool) -> None:
    assert takes_gallery(loss) == takes
    if not takes:
        with pytest.raises(ConfigError, match=r"cannot use a memory.*wanted a loss over pairs"):
            CrossBatchMemory(loss, size=8, dim=4)


def test_options_and_batches_that_do_not_fit() -> None:
    for options in ({"size": 0, "dim": 4}, {"size": 4, "dim": 0}, {"size": 4, "dim": 4, "start": -1}):
        with pytest.raises(ConfigError, match="out of range"):
            CrossBatchMemory(contrastive, **options)
    with pytest.raises(BatchError, match=r"rows of length 3, wanted 4.*dim=3"):
        CrossBatchMemory(contrastive, size=8, dim=4)(*batch(0, dims=3))
