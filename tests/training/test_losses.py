"""Which loss a run file asks for, with which options, and what it is wrapped in."""

from __future__ import annotations

import inspect
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from lookalike.config_loss import LOSSES, DottedLossConfig, LossSection
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.training import losses
from lookalike.training.losses import CrossBatchMemory, Matryoshka, ProxyAnchor, make_loss
from lookalike.training.losses.registry import FUNCTIONS, MODULES

NOT_IN_A_FILE = {"gallery", "generator", "classes", "dim"}


def embed(labels: list[int], seed: int, *, dims: int = 4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(len(labels), dims, generator=random), dim=1), torch.tensor(labels)


def config(**loss: Any) -> LossSection:
    return cast(LossSection, parse_config({"loss": loss}).loss)


def test_every_name_of_a_run_file_is_a_loss() -> None:
    assert set(LOSSES) == {*FUNCTIONS, *MODULES}
    assert set(FUNCTIONS) <= set(losses.__all__)
    assert {kind.__name__ for kind in MODULES.values()} <= set(losses.__all__)


@pytest.mark.parametrize("name", LOSSES)
def test_run_file_and_function_take_the_same_options_with_the_same_defaults(name: str) -> None:
    signature = inspect.signature(FUNCTIONS.get(name) or MODULES[name])
    taken = {key: value for key, value in signature.parameters.items() if value.kind is value.KEYWORD_ONLY}
    said = config(name=name).arguments
    assert set(said) == set(taken) - NOT_IN_A_FILE
    assert said == {key: taken[key].default for key in said}


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_learns_from_a_batch(name: str) -> None:
    z, y = embed([0, 0, 1, 1, 2, 2], seed=8)
    z.requires_grad_()
    value = make_loss(config(name=name), classes=3, dim=4)(z, y)
    value.backward()
    assert value.ndim == 0
    assert cast(Tensor, z.grad).abs().sum() > 0


@pytest.mark.parametrize(
    ("loss", "options"),
    [
        ("triplet_semi_hard", {"margin": 0.3, "distance": "squared"}),
        ("triplet_batch_hard", {"margin": "soft", "distance": "cosine", "skip_negatives": 1}),
        ("triplet_easy_positive", {"negatives": "hard", "margin": 0.4}),
        ("multi_similarity", {"alpha": 1.0, "beta": 5.0, "base": 0.2, "epsilon": None}),
        ("hap2s_polynomial", {"alpha": 2.0, "margin": 0.3}),
        ("recall_at_k", {"ks": (1, 3), "temperature": 0.1}),
    ],
)
def test_options_arrive(loss: str, options: dict[str, Any]) -> None:
    z, y = embed([0, 0, 0, 1, 1, 2, 2, 2], seed=8)
    assert make_loss(config(name=loss, **options))(z, y) == FUNCTIONS[loss](z, y, **options)
    assert make_loss(config(name=loss))(z, y) != FUNCTIONS[loss](z, y, **options)


def test_options_of_modules_arrive() -> None:
    made = cast(ProxyAnchor, make_loss(config(name="proxy_anchor", alpha=3, margin=0.2), classes=7, dim=5))
    assert (made.weight.shape, made.alpha, made.margin) == ((7, 5), 3.0, 0.2)


def test_dimensions_end_with_the_full_length() -> None:
    made = make_loss(config(name="circle", dimensions=[4, 2]), dim=8)
    assert isinstance(made, Matryoshka)
    assert made.dimensions == (2, 4, 8)
    assert cast(Matryoshka, make_loss(config(name="circle", dimensions=[8]), dim=8)).dimensions == (8,)
    assert cast(Matryoshka, make_loss(config(name="circle", dimensions=[8]))).dimensions == (8,)
    with pytest.raises(ConfigError, match=r"loss\.dimensions - saw 16, wanted at most .*8"):
        make_loss(config(name="circle", dimensions=[4, 16]), dim=8)


def test_memory_wraps_the_rest() -> None:
    asked = config(name="circle", dimensions=[2], memory={"size": 32, "start": 5})
    made = make_loss(asked, dim=4)
    assert isinstance(made, CrossBatchMemory)
    assert isinstance(made.loss, Matryoshka)
    assert (made.embeddings.shape, made.start) == ((32, 4), 5)
    assert set(made.state_dict()) == {"embeddings", "labels", "filled", "next", "steps"}


def test_learned_vectors_are_parameters_of_the_whole() -> None:
    made = make_loss(config(name="arcface", dimensions=[2]), classes=3, dim=4)
    assert isinstance(made, nn.Module)
    assert [value.shape for value in made.parameters()] == [(3, 4)]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ({"name": "cosface"}, r"needs to know classes - loss\.name: cosface"),
        ({"name": "circle", "memory": {"size": 8}}, "needs to know dim"),
    ],
)
def test_sizes_that_are_needed(loss: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make_loss(config(**loss))


def test_run_files_of_the_first_version_load() -> None:
    before: dict[str, Any] = {"name": "triplet_batch_hard", "margin": "soft", "distance": "euclidean"}
    assert config(**before).arguments.items() >= {"margin": "soft", "distance": "euclidean"}.items()
    before = {"name": "triplet_semi_hard", "margin": 0.2, "distance": "squared"}
    assert config(**before).arguments == {"margin": 0.2, "distance": "squared"}


def test_losses_of_other_packages() -> None:
    from pytorch_metric_learning.losses import CircleLoss

    asked = config(name="pytorch_metric_learning.losses.CircleLoss", options={"m": 0.3}, dimensions=[2])
    assert isinstance(asked, DottedLossConfig)
    z, y = embed([0, 0, 1, 1], seed=8)
    each = [CircleLoss(m=0.3)(normalize(z[:, :length], dim=1), y).item() for length in (2, 4)]
    assert make_loss(asked, dim=4)(z, y).item() == pytest.approx(sum(each) / 2)
