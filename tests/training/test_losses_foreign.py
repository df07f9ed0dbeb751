"""Losses of other packages, by a dotted path: found, made, checked, and refused in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lookalike.errors import BatchError, ConfigError
from lookalike.training.losses.foreign import ForeignLoss

MODULE = """
import torch

def spread(embeddings, labels, *, scale=1.0):
    return scale * (embeddings.sum() + labels.sum())

def each(embeddings, labels):
    return embeddings.sum(1)

def number(embeddings, labels):
    return 1.5

def detached(embeddings, labels):
    return embeddings.detach().square().mean()

def nothing_found(embeddings, labels):
    return torch.tensor(0)

class Learned(torch.nn.Module):
    def __init__(self, num_classes, embedding_size, weight=2.0):
        super().__init__()
        self.vectors = torch.nn.Parameter(torch.ones(num_classes, embedding_size))
        self.weight = weight

    def forward(self, embeddings, labels):
        return self.weight * (embeddings @ self.vectors.T).sum()

class Child(Learned):
    def __init__(self, *args, shift=0.0, **kwargs):
        super().__init__(*args, **kwargs)

class Silent:
    pass

class Fussy:
    def __init__(self, margin=1.0):
        raise ValueError("margin must be even")

constant = 3
"""


@pytest.fixture(autouse=True)
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "odd_losses.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "needs_more.py").write_text("import not_there_at_all", encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("odd_losses", "needs_more"):
        sys.modules.pop(name, None)


def batch() -> tuple[Tensor, Tensor]:
    return torch.eye(4)[:3], torch.tensor([0, 1, 1])


def test_function_with_options() -> None:
    assert ForeignLoss("odd_losses.spread", options={"scale": 3.0})(*batch()).item() == 15.0


def test_class_is_told_classes_and_length_and_its_parameters_are_found() -> None:
    loss = ForeignLoss("odd_losses.Learned", options={"weight": 0.5}, classes=2, dim=4)
    assert loss(*batch()).item() == 0.5 * 6
    assert [value.shape for value in loss.parameters()] == [(2, 4)]
    child = ForeignLoss("odd_losses.Child", options={"num_classes": 3}, classes=2, dim=4)
    assert [value.shape for value in child.parameters()] == [(3, 4)]  # what is given wins


@pytest.mark.parametrize("name", ["CosFaceLoss", "ProxyAnchorLoss", "ArcFaceLoss", "SoftTripleLoss"])
def test_learned_losses_of_pytorch_metric_learning(name: str) -> None:
    loss = ForeignLoss(f"pytorch_metric_learning.losses.{name}", options={}, classes=2, dim=4)
    value = loss(*batch())
    value.backward()
    assert sum(1 for _ in loss.parameters()) == 1


def test_is_a_module_that_is_saved() -> None:
    loss: nn.Module = ForeignLoss("odd_losses.Learned", options={}, classes=2, dim=4)
    assert list(loss.state_dict()) == ["loss.vectors"]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("no_such_package.losses.Circle", {}, r"cannot be imported.*pip install no-such-package"),
        ("needs_more.Loss", {}, r"not_there_at_all.*pip install not-there-at-all"),
        ("odd_losses.deeper.Loss", {}, r"cannot be imported.*documentation of odd_losses"),
        ("pytorch_metric_learning.loses.CircleLoss", {}, r"documentation of pytorch_metric_learning"),
        (
            "pytorch_metric_learning.losses.CircelLoss",
            {},
            r"no such loss.*did you mean pytorch_metric_learning\.losses\.CircleLoss\?",
        ),
        ("odd_losses.qqqqq", {}, r"no such loss.*choose one of .*spread"),
        ("odd_losses.constant", {}, r"cannot be called.*of type int"),
        ("odd_losses.Silent", {}, r"whose objects cannot be called"),
        ("odd_losses.Learned", {"wieght": 1}, r"options do not fit.*did you mean options\.weight\?"),
        ("odd_losses.Learned", {}, r"num_classes.*give what is missing in loss\.options"),
        ("odd_losses.Child", {"zzzz": 1}, r"choose one of shift, num_classes, embedding_size, weight"),
        ("odd_losses.Fussy", {}, r"margin must be even"),
        ("odd_losses.spread", {"scael": 2}, r"options do not fit.*did you mean options\.scale\?"),
        ("builtins.dir", {}, r"no signature found"),
        ("odd_losses.spread", {"labels": 2}, r"options do not fit"),
    ],
)
def test_what_cannot_be_used_is_refused(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ForeignLoss(name, options=options)


@pytest.mark.parametrize(("name", "saw"), [("each", r"saw \[3\]"), ("number", "saw float")])
def test_result_must_be_a_scalar(name: str, saw: str) -> None:
    with pytest.raises(
        BatchError, match=rf"does not return a scalar - loss\.name: odd_losses\.{name} - {saw}"
    ):
        ForeignLoss(f"odd_losses.{name}", options={})(*batch())


def test_a_number_without_a_gradient_is_refused_by_name() -> None:
    loss, (z, y) = ForeignLoss("odd_losses.detached", options={}), batch()
    with pytest.raises(
        BatchError,
        match=r"cannot be learned from - loss\.name: odd_losses\.detached - saw 0\.25.*take detach\(\)",
    ):
        loss(z.requires_grad_(), y)
    with torch.no_grad():
        assert loss(z, y).item() == 0.25  # where nothing is learned, nothing is missing
    assert loss(z.detach(), y).item() == 0.25


@pytest.mark.parametrize(
    "name", ["odd_losses.nothing_found", "pytorch_metric_learning.losses.TripletMarginLoss"]
)
def test_a_batch_that_offers_nothing_costs_and_teaches_nothing(name: str) -> None:
    z = batch()[0].requires_grad_()
    value = ForeignLoss(name, options={})(z, torch.tensor([0, 1, 2]))  # no label occurs twice
    value.backward()
    assert value.item() == 0
    assert z.grad is not None
    assert z.grad.eq(0).all()
