"""The classifier beside the loss: what it adds, that it learns, that it is resumed and never exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clustered import clusters
from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.training.learner import Learner, make_auxiliary
from lookalike.training.network import CombinedHead, Head, Network
from lookalike.training.trainer import fit


class Linear(torch.nn.Module):
    """Stands for a backbone: two descriptors of six numbers."""

    descriptor_dim = 6

    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(24, 12)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.layer(inputs), dim=1)


def network() -> Network:
    torch.manual_seed(0)
    return Network(Linear(), CombinedHead(12, 8, descriptors=2))


def config(epochs: int = 2, **auxiliary: Any) -> RunConfig:
    return parse_config(
        {
            "network": {"frozen": False, "head": "cgd", "embedding_dim": 8},
            "loss": {"name": "triplet_batch_hard", "auxiliary": auxiliary or None},
            "batches": {"classes": 8, "images": 4},
            "training": {"epochs": epochs, "device": "cpu", "learning_rate": 0.01},
        }
    )


def learner(settings: RunConfig) -> Learner:
    return Learner(network(), settings, clusters(30, 6, seed=1), clusters(12, 6, seed=2))


def test_weighted_classification_of_the_first_descriptor_is_added() -> None:
    settings = config(weight=0.7, smoothing=0.2, temperature=0.5)
    plain, both = learner(config()), learner(settings)
    inputs, labels = next(iter(both.sources["train"].training(settings.batches, seed=0, epoch=0)))
    losses = []
    for each in (plain, both):
        losses.append(each.training_step((inputs, labels), 0))
    classifier = both.auxiliary
    assert classifier is not None
    with torch.no_grad():
        first = torch.nn.functional.normalize(both.network.features(inputs)[:, :6], dim=1)  # type: ignore[operator]
        logits = (first @ classifier.linear.weight.T + classifier.linear.bias) / 0.5
        log_shares = logits - logits.logsumexp(1, keepdim=True)
        target = torch.full_like(logits, 0.2 / 30)
        target[torch.arange(len(labels)), labels] += 0.8
        expected = -(target * log_shares).sum(1).mean()
    assert losses[1].item() - losses[0].item() == pytest.approx(0.7 * expected.item(), rel=1e-4)


def test_it_learns_and_steers_the_network(tmp_path: Path) -> None:
    ends = []
    for name, settings in (("plain", config()), ("both", config(weight=1.0))):
        fit(
            network(), settings, train=clusters(30, 6, seed=1), val=clusters(12, 6, seed=2),
            folder=tmp_path / name,
        )  # fmt: skip
        saved = torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        ends.append(saved)
    plain, both = ends
    assert {name for name in both if name not in plain} == {
        "auxiliary.linear.weight",
        "auxiliary.linear.bias",
    }
    assert not torch.equal(plain["network.features.layer.weight"], both["network.features.layer.weight"])
    begun = learner(config(weight=1.0)).auxiliary
    assert begun is not None
    assert both["auxiliary.linear.weight"].shape == begun.linear.weight.shape == (30, 6)
    assert not torch.equal(both["auxiliary.linear.weight"], begun.linear.weight)


def test_resumed_training_keeps_the_classifier(tmp_path: Path) -> None:
    def run(name: str, epochs: int, *, resume: bool = False) -> dict[str, torch.Tensor]:
        fit(
            network(), config(epochs, weight=1.0), train=clusters(30, 6, seed=1),
            val=clusters(12, 6, seed=2), folder=tmp_path / name, resume=resume,
        )  # fmt: skip
        saved = torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)
        return dict(saved["state_dict"])

    whole = run("whole", 3)
    run("cut", 1)
    resumed = run("cut", 3, resume=True)
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


def test_head_on_frozen_features_has_none() -> None:
    assert make_auxiliary(Head(24, 8), config(weight=1.0), classes=30) is None
    assert make_auxiliary(network(), config(), classes=30) is None
    with pytest.raises(ConfigError, match=r"auxiliary teaches the backbone - set network\.frozen: false"):
        parse_config({"loss": {"auxiliary": {}}})


def test_lengths_beyond_the_embedding_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"dimensions go up to network.embedding_dim, 64, got 65"):
        parse_config({"loss": {"dimensions": [65]}, "network": {"embedding_dim": 64}})
    assert parse_config({"loss": {"dimensions": [65]}, "network": {"embedding_dim": None}})
