"""Trainings with a planted fault raise its alarm, in words and in time; a healthy one raises none."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing import event_accumulator

from clustered import clusters
from listening import Listener
from lookalike import train as train_run
from lookalike.config import BatchConfig, RunConfig
from lookalike.errors import BatchError, TrainingError
from lookalike.models.model import Model
from lookalike.records import AlarmKind
from lookalike.runfile import parse_config
from lookalike.tables.splits import split_table
from lookalike.tables.table import ImageTable
from lookalike.training.features import table_features
from lookalike.training.learner import Learner
from lookalike.training.network import Head
from lookalike.training.sources import WHOLE, Batch, FeatureSource, Part, label_codes
from lookalike.training.trainer import Fitted, fit, history_columns

DIM = 24


def config(loss: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    return parse_config(
        {
            "seed": 3,
            "network": {"head": "linear"},
            "loss": loss or {"name": "triplet_batch_hard"},
            "batches": {"classes": 8, "images": 4},
            "training": {"epochs": 4, "early_stopping_patience": None, "device": "cpu", **training},
        }
    )


def new_head(seed: int = 0) -> Head:
    torch.manual_seed(seed)
    return Head(DIM, 8)


@dataclass
class Patient:
    """A training in a folder, and what was said of it."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def fit(
        self, settings: RunConfig, *, head: Head | None = None, train: Any = None, **options: Any
    ) -> Fitted:
        return fit(
            head or new_head(),
            settings,
            train=train or clusters(30, 6, seed=1),
            val=clusters(12, 6, seed=2),
            folder=self.folder,
            say=self.said.append,
            **options,
        )


@pytest.fixture
def patient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Patient:
    monkeypatch.setattr("os.fsync", lambda _: None)
    return Patient(tmp_path)


def kinds(fitted: Fitted) -> list[AlarmKind]:
    return [alarm.kind for alarm in fitted.alarms]


@dataclass(frozen=True)
class Batches:
    """Batches of one's own over some features."""

    source: FeatureSource
    rows: list[list[int]]
    broken_from: int = 1000  # the epoch whose inputs are no numbers

    @property
    def labels(self) -> Any:
        return self.source.labels

    def training(self, _: BatchConfig, *, seed: int, epoch: int, part: Part = WHOLE) -> Iterable[Batch]:
        features = torch.from_numpy(self.source.features)
        codes = label_codes(self.source.labels)
        factor = float("nan") if epoch >= self.broken_from else 1.0
        return [(features[rows] * factor, codes[rows]) for rows in self.rows]

    def evaluation(self) -> Iterable[Batch]:
        return self.source.evaluation()


def test_a_healthy_training_raises_none(patient: Patient) -> None:
    fitted = patient.fit(config(epochs=12, learning_rate=0.01))
    assert fitted.best > fitted.start + 0.1
    assert kinds(fitted) == []
    assert patient.said == []


@pytest.mark.parametrize(
    "loss",
    [{"name": "triplet_semi_hard", "margin": 0.5}, {"name": "multi_similarity"}, {"name": "proxy_anchor"}],
)
def test_healthy_trainings_with_other_losses_raise_none(patient: Patient, loss: dict[str, Any]) -> None:
    assert kinds(patient.fit(config(loss, epochs=8, learning_rate=0.005))) == []


def test_a_collapsed_network_is_seen(patient: Patient) -> None:
    head = new_head()
    torch.nn.init.zeros_(head.last.weight)  # every picture gives the bias
    fitted = patient.fit(config({"name": "triplet_batch_hard", "margin": 0.7}, epochs=2), head=head)
    assert kinds(fitted) == [AlarmKind.COLLAPSE, AlarmKind.NO_GRADIENT]
    row = fitted.history[0]
    assert row["train_loss"] == pytest.approx(0.7, abs=1e-3), "the margin"
    assert row["gradient_norm"] == 0
    assert row["val_spread"] == pytest.approx(0, abs=1e-6)
    assert row["val_effective_rank"] == pytest.approx(1, abs=1e-3)
    assert row["train_hard"] == 1
    assert patient.said == [str(alarm) for alarm in fitted.alarms]
    assert patient.said[0].startswith("Epoch 1: The embeddings have collapsed")


def test_a_margin_that_is_too_large_is_seen(patient: Patient) -> None:
    loss = {"name": "triplet_semi_hard", "margin": 5.0}
    fitted = patient.fit(config(loss, epochs=8, learning_rate=0.01))
    assert kinds(fitted) == [AlarmKind.MARGIN]
    assert fitted.history[-1]["train_easy"] == 0
    assert fitted.history[-1]["train_active"] == 1


def test_triplets_that_are_all_solved_are_seen(patient: Patient) -> None:
    features = np.repeat(np.eye(20, DIM, dtype=np.float32), 6, axis=0)
    solved = FeatureSource(features, np.repeat(np.arange(20), 6).astype(str))
    head = Head(DIM, DIM)
    with torch.no_grad():
        head.last.weight.copy_(torch.eye(DIM))
        head.last.bias.zero_()
    loss = {"name": "triplet_semi_hard", "margin": 0.2}
    fitted = patient.fit(config(loss, epochs=1), head=head, train=solved)
    assert kinds(fitted) == [AlarmKind.TOO_EASY]
    assert fitted.history[0]["train_easy"] == 1
    assert fitted.history[0]["train_active"] == 0


def test_batches_of_one_class_are_seen(patient: Patient) -> None:
    source = clusters(30, 6, seed=1)
    rows = [list(range(6)), list(range(24)), list(range(6, 12)), list(range(0, 180, 6))]
    asked = config({"name": "normalised_softmax"}, epochs=2)  # which learns from such batches too
    fitted = patient.fit(asked, train=Batches(source, rows))
    assert kinds(fitted) == [AlarmKind.PAIRLESS]
    assert [row["pairless"] for row in fitted.history] == [0.75, 0.75]


def test_batches_of_one_class_stop_a_loss_over_pairs(patient: Patient) -> None:
    source = clusters(30, 6, seed=1)
    with pytest.raises(BatchError, match="P >= 2"):
        patient.fit(config(epochs=2), train=Batches(source, [list(range(6))]))


def test_a_rate_that_ruins_a_good_start_is_seen(patient: Patient, tmp_path: Path) -> None:
    good = Patient(tmp_path / "good").fit(config(epochs=12, learning_rate=0.01)).network
    assert isinstance(good, Head)
    fitted = patient.fit(config(epochs=6, learning_rate=3.0), head=good)
    assert AlarmKind.WORSE_THAN_START in kinds(fitted)
    assert "training.learning_rate (now 3)" in patient.said[0]


def test_a_rate_that_moves_nothing_is_seen(patient: Patient) -> None:
    source = clusters(30, 6, seed=1)
    every = Batches(source, [list(range(180))])  # the same batch in every epoch
    fitted = patient.fit(config(epochs=7, learning_rate=1e-9), train=every)
    assert kinds(fitted) == [AlarmKind.STANDING_STILL]


def test_numbers_that_are_none_stop_the_training_and_keep_the_best(patient: Patient) -> None:
    source = clusters(30, 6, seed=1)
    rows = [list(range(start, start + 60)) for start in (0, 60, 120)]
    with pytest.raises(TrainingError, match=r"out of bounds - epoch 3, step 7 - saw loss nan") as caught:
        patient.fit(config(learning_rate=0.01), train=Batches(source, rows, broken_from=2))
    assert "learning_rate at a tenth (now 0.01" in caught.value.do
    assert "best.ckpt" in caught.value.do
    best = torch.load(patient.folder / "checkpoints" / "best.ckpt", weights_only=True)
    assert all(value.isfinite().all() for value in best["state_dict"].values())
    with (patient.folder / "metrics.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 2


def test_an_infinite_gradient_stops_before_the_step(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = new_head()
    before = {name: value.clone() for name, value in head.state_dict().items()}
    backward = Learner.on_before_optimizer_step

    def explode(self: Any, optimizer: Any) -> None:
        next(self.network.parameters()).grad.fill_(float("inf"))
        backward(self, optimizer)

    monkeypatch.setattr(Learner, "on_before_optimizer_step", explode)
    with pytest.raises(TrainingError, match="epoch 1, step 1 - saw gradient norm inf") as caught:
        patient.fit(config(), head=head)
    assert "best.ckpt" not in caught.value.do, "there is none yet"
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_weights_that_are_no_numbers_are_seen_on_val(patient: Patient) -> None:
    with pytest.raises(TrainingError, match="embeddings of val of length 0 to 0"):
        patient.fit(config(learning_rate=1e30))


class Killed(BaseException):
    """Stands for a process that dies."""


def test_a_resumed_training_does_not_repeat_itself(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = config({"name": "triplet_batch_hard", "margin": 0.7}, epochs=4)
    step, seen = Learner.training_step, [0]

    def collapsed() -> Head:
        head = new_head()
        torch.nn.init.zeros_(head.last.weight)
        return head

    def die(self: Any, batch: Any, number: int) -> Any:
        seen[0] += self.current_epoch == 2
        if seen[0] == 2:
            raise Killed
        return step(self, batch, number)

    monkeypatch.setattr(Learner, "training_step", die)
    with pytest.raises((Killed, SystemExit)):
        patient.fit(asked, head=collapsed())
    assert len(patient.said) == 2
    monkeypatch.setattr(Learner, "training_step", step)
    resumed = patient.fit(asked, head=collapsed(), resume=True)
    assert len(patient.said) == 2
    assert [str(alarm) for alarm in resumed.alarms] == patient.said
    again = patient.fit(asked, head=collapsed(), resume=True)  # which is over
    assert again.alarms == resumed.alarms
    assert len(again.similarities) == 4


def test_what_is_measured_is_told_everywhere(patient: Patient) -> None:
    fitted = patient.fit(config({"name": "triplet_semi_hard", "margin": 0.5}, epochs=2))
    columns = {"train_easy", "train_semi_hard", "train_hard", "train_active", "train_spread", "gradient_norm"}
    columns |= {"train_effective_rank", "train_same_similarity", "gradient_norm_max", "pairless"}
    columns |= {name.replace("train", "val") for name in columns if name.startswith("train")} - {"val_active"}
    assert columns <= set(history_columns(fitted.history))
    with (patient.folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert columns | {"waiting", "seconds"} <= set(rows[0])
    assert [float(row["val_easy"]) for row in rows] == [row["val_easy"] for row in fitted.history]
    board = event_accumulator.EventAccumulator(
        str(patient.folder / "tensorboard"), size_guidance={"histograms": 0}
    )
    board.Reload()
    assert columns | {"waiting", "seconds"} <= set(board.Tags()["scalars"])
    shown = board.Histograms("val_same_similarities")
    assert [event.step for event in shown] == [0, 1]
    assert sum(shown[1].histogram_value.bucket) == fitted.similarities[1]["val"].same.sum()
    assert "waiting" not in fitted.history[0], "the history is the same whenever it is made"


def sample_run(**changes: Any) -> RunConfig:
    return parse_config(
        {
            "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
            "network": {"head": "linear", "embedding_dim": 16, "powers": [0.5], "shrinkages": [1.0]},
            "batches": {"classes": 8, "images": 4},
            "training": {"epochs": 4, "device": "cpu"},
            **changes,
        }
    )


def test_a_training_on_pictures_of_the_sample_is_healthy(
    few: Path, backbone: Model, patient: Patient
) -> None:
    table = split_table(ImageTable.read(few), sample_run().split, seed=0).table
    sources = []
    for split in ("train", "val"):
        part = table.select(split)
        found = table_features(backbone, part, cache_folder=patient.folder)
        sources.append(FeatureSource(found.embeddings.vectors, part.take(found.rows).labels))
    for name, margin in (("triplet_semi_hard", 1.0), ("triplet_batch_hard", "soft")):
        torch.manual_seed(0)
        head = Head(sources[0].features.shape[1], 16)
        folder, loss = patient.folder / name, {"name": name, "margin": margin}
        fitted = fit(head, sample_run(loss=loss), train=sources[0], val=sources[1], folder=folder)
        assert fitted.best > fitted.start
        assert kinds(fitted) == []


def test_a_run_keeps_its_alarms_and_says_them(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for stage in ("_calibrate", "_evaluate"):  # what comes after training is tested elsewhere
        monkeypatch.setattr(f"lookalike.training.run.{stage}", lambda *_: None)
    listener = Listener()
    easy = {"name": "triplet_semi_hard", "margin": 1e-6}
    run = train_run(sample_run(loss=easy), few, out=tmp_path / "easy", watcher=listener)
    assert [alarm.kind for alarm in run.alarms] == [AlarmKind.TOO_EASY]
    assert [text for text in listener.said if text.startswith("Epoch")] == [str(run.alarms[0])]
