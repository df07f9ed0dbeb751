"""Triplets of pictures and attributes by gradient: the loss, what receives gradient, seeds and resuming."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from attribute_sides import attribute_side, config, planted
from lookalike.config import RunConfig
from lookalike.errors import TrainingError
from lookalike.records import SILENT
from lookalike.training.attribute_gradient import make_branches, remarks, train_pair
from lookalike.training.attribute_learner import MONITOR, AttributeLearner, Tally, attribute_loss
from lookalike.training.attribute_solve import choose_attributes, indicators, mean_of_kinds, score_space
from lookalike.training.closed_form import apply
from lookalike.training.network import Head
from lookalike.training.sources import FeatureSource


class Noted(nn.Module):
    """A branch that keeps what it gave, with its gradient."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.inner = Head(8, 6, hidden=(12,))
        self.given = torch.empty(0)

    def forward(self, stated: Tensor) -> Tensor:
        self.given = self.inner(stated)
        self.given.retain_grad()
        return self.given


def pictures(n: int) -> Tensor:
    rows = torch.randn(n, 6, generator=torch.Generator().manual_seed(1))
    return functional.normalize(rows, dim=1).requires_grad_()


def learner(settings: RunConfig) -> AttributeLearner:
    train, val = attribute_side(150, seed=1), attribute_side(60, seed=2)
    torch.manual_seed(0)
    head, branch = make_branches(settings, train, None)
    sources = [FeatureSource(part.side.features, np.arange(len(part.values))) for part in (train, val)]
    return AttributeLearner(
        head, branch, settings, train=(sources[0], train.values), val=(sources[1], val.values)
    )


def test_the_loss_is_what_a_loop_finds() -> None:
    branch, values = Noted().eval(), planted(10, seed=3)[1]
    anchors = pictures(10)
    loss, correct = attribute_loss(anchors, branch, values, -values, margin=0.1)
    given = branch.given.detach().numpy()
    losses = []
    for row, anchor in enumerate(anchors.detach().numpy()):
        near, far = (np.linalg.norm(anchor - given[place]) for place in (row, 10 + row))
        losses.append(max(0.0, float(near - far) + 0.1))
        assert correct[row].item() == bool(far > near + 0.1)
    assert loss.item() == pytest.approx(np.mean(losses), abs=1e-6)
    assert 0 < correct.float().mean() < 1


def test_picture_positive_and_negative_receive_gradient() -> None:
    branch, values = Noted(), planted(10, seed=3)[1]
    anchors = pictures(10)
    loss, correct = attribute_loss(anchors, branch, values, -values, margin=0.1)
    loss.backward()
    gradient = branch.given.grad
    assert gradient is not None
    assert anchors.grad is not None
    active = ~correct
    for part in (anchors.grad, gradient[:10], gradient[10:]):
        assert (part[active].norm(dim=1) > 0).all()
        assert (part[correct] == 0).all()


def test_positives_and_negatives_share_one_batch_norm() -> None:
    branch, values = Noted(), planted(10, seed=3)[1]
    _, _ = attribute_loss(pictures(10), branch, values, values.copy(), margin=0.1)
    assert torch.equal(branch.given[:10], branch.given[10:])
    assert branch.given.shape == (20, 6)


def test_the_weight_decay_is_that_of_both_sides_and_spares_vectors() -> None:
    made = learner(config(start="random", training={"weight_decay": 0.1}))
    groups = made.configure_optimizers().param_groups
    decay = {id(parameter): group["weight_decay"] for group in groups for parameter in group["params"]}
    for side in (made.network, made.branch):
        for parameter in side.parameters():
            assert decay[id(parameter)] == (0.1 if parameter.ndim > 1 else 0.0)


def test_every_picture_comes_once_in_an_epoch_in_an_order_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    made = learner(config(start="random", attributes={"batch": 50}))
    epochs = []
    for epoch in (0, 1):
        monkeypatch.setattr(AttributeLearner, "current_epoch", epoch)
        epochs.append([rows.tolist() for _, rows in made.train_dataloader()])
    for batches in epochs:
        assert [len(rows) for rows in batches] == [50, 50, 50]
        assert sorted(np.concatenate(batches).tolist()) == list(range(150))
    assert epochs[0] != epochs[1]


def run(folder: Path, settings: RunConfig, *, resume: bool = False) -> dict[str, Tensor]:
    train, val = attribute_side(150, seed=1), attribute_side(60, seed=2)
    pair = train_pair(settings, train, val, None, folder, resume=resume, watcher=SILENT)
    return {name: torch.from_numpy(np.array(value)) for name, value in pair.trained.weights.items()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_stopped_training_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", config(start="random", training={"epochs": 4}))
    run(tmp_path / "parts", config(start="random", training={"epochs": 2}))
    parts = run(tmp_path / "parts", config(start="random", training={"epochs": 4}), resume=True)
    assert same(whole, parts)
    rows = [(tmp_path / name / "metrics.csv").read_text().splitlines() for name in ("whole", "parts")]
    assert rows[0] == rows[1]
    assert len(rows[0]) == 1 + 4
    other = run(tmp_path / "other", config(start="random", training={"epochs": 4}, seed=1))
    assert not same(whole, other)


def test_random_branches_learn_and_the_history_says_how(tmp_path: Path) -> None:
    train, val = attribute_side(400, seed=1), attribute_side(120, seed=2)
    settings = config(start="random", training={"epochs": 8})
    pair = train_pair(settings, train, val, None, tmp_path, resume=False, watcher=SILENT)
    history = pair.trained.history
    assert max(history[MONITOR]) > 0.6
    assert mean_of_kinds(pair.scores) == pytest.approx(max(history[MONITOR]), abs=1e-5)
    for name in ("train_correct_random", "train_correct_hard", "val_correct_random", "val_correct_hard"):
        assert len(history[name]) == 8
        assert history[name][-1] > history[name][0]
    assert history["train_loss"][-1] < history["train_loss"][0]
    assert {"val_map_full", "val_map_one", "val_map_several", "val_loss"} <= set(history)


def test_a_closed_form_start_is_kept_or_bettered(tmp_path: Path) -> None:
    train, val = attribute_side(150, seed=1), attribute_side(60, seed=2)
    space, _ = choose_attributes(
        train.side.features, train.values, val.side.features, val.values,
        dim=16, powers=(1.0,), shrinkages=(0.3,),
    )  # fmt: skip
    head, branch = (part.eval() for part in make_branches(config(), train, space))
    with torch.inference_mode():
        found = head(torch.from_numpy(val.side.features)).numpy()
        stated = torch.from_numpy(indicators(val.values))
        asked = branch(stated).numpy()
    assert found == pytest.approx(apply(space.image, val.side.features), abs=1e-5)
    assert asked == pytest.approx(space.branch().apply(stated.numpy()), abs=1e-5)
    wild = config(training={"epochs": 2, "learning_rate": 5.0})
    pair = train_pair(wild, train, val, space, tmp_path, resume=False, watcher=SILENT)
    assert mean_of_kinds(pair.scores) >= score_space(space, val.side.features, val.values) - 1e-6


def test_a_training_out_of_bounds_stops_with_the_remedy(tmp_path: Path) -> None:
    train, val = attribute_side(60, seed=1), attribute_side(40, seed=2)
    train.side.features[3] = np.nan
    with pytest.raises(TrainingError, match=r"out of bounds - epoch 1 .*learning_rate at a tenth"):
        train_pair(config(start="random"), train, val, None, tmp_path, resume=False, watcher=SILENT)


def test_a_tally_counts_by_kind() -> None:
    tally = Tally()
    tally.add(torch.tensor(1.0), torch.tensor([True, False, True]), torch.tensor([True, True, False]))
    tally.add(torch.tensor(2.0), torch.tensor([False]), torch.tensor([False]))
    assert tally.row("val") == {"val_loss": 1.5, "val_correct_random": 0.5, "val_correct_hard": 0.5}
    empty = Tally()
    empty.add(torch.tensor(1.0), torch.tensor([True]), torch.tensor([False]))
    assert math.isnan(empty.row("train")["train_correct_hard"])


def row(loss: float, random: float, hard: float, judged: float = 0.5) -> dict[str, float]:
    return {"train_loss": loss, "train_correct_random": random, "train_correct_hard": hard, MONITOR: judged}


@pytest.mark.parametrize(
    ("history", "start", "beat"),
    [
        ([row(0.2, 0.5, 0.4)], 0.2, "Val mAP rose from 0.200 to 0.500."),
        ([row(0.2, 0.5, 0.4)], 0.6, "No epoch was better on val than the start (mAP 0.600)"),
        ([], 0.6, "Trained 0 epochs"),
        ([row(0.2, 0.95, 0.92)], 0.2, "raise attributes.hard_share"),
        ([row(0.5, 0.2, 0.1), row(0.4, 0.2, 0.1), row(0.3, 0.2, 0.1)], 0.2, "attributes.margin is too large"),
    ],
)
def test_remarks_name_the_remedy(history: list[dict[str, float]], start: float, beat: str) -> None:
    assert beat in "\n".join(remarks(history, start))


def test_a_good_training_has_no_complaint() -> None:
    history = [row(0.5, 0.2, 0.1), row(0.4, 0.5, 0.2), row(0.3, 0.7, 0.4)]
    assert len(remarks(history, 0.2)) == 2
    hard_is_missing = [row(0.5, 0.95, float("nan"))]
    assert "hard_share" in "\n".join(remarks(hard_is_missing, 0.2))
