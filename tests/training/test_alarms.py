"""Each alarm is raised by the rows that show it, once, with its remedy; and by nothing less."""

from __future__ import annotations

from typing import Any

import pytest

from lookalike.keys import known_keys
from lookalike.records import Alarm, AlarmKind
from lookalike.runfile import parse_config
from lookalike.training.alarms import Case, alarms, arising, hinge_of

HEALTHY = {
    "val_map@r": 0.5,
    "val_spread": 0.9,
    "val_effective_rank": 60.0,
    "train_loss": 0.2,
    "train_easy": 0.6,
    "train_active": 0.5,
    "train_spread": 0.9,
    "gradient_norm": 0.4,
    "pairless": 0.0,
    "waiting": 0.1,
    "seconds": 60.0,
}
Rows = list[dict[str, float]]


def rows(count: int, **columns: Any) -> Rows:
    """Healthy rows with other values in some columns, one for all epochs or one an epoch."""
    changed = {
        name: values if isinstance(values, list) else [values] * count for name, values in columns.items()
    }
    return [
        {"epoch": epoch, **HEALTHY, **{name: values[epoch] for name, values in changed.items()}}
        for epoch in range(count)
    ]


def case(start: float = 0.3, *, classes: int = 20, **config: Any) -> Case:
    return Case(parse_config({"network": {"head": "linear"}, **config}), start, classes)


def kinds(history: Rows, asked: Case | None = None) -> list[AlarmKind]:
    return [alarm.kind for alarm in alarms(history, asked or case())]


def only(history: Rows, asked: Case | None = None) -> Alarm:
    found = alarms(history, asked or case())
    assert len(found) == 1
    return found[0]


def falling(count: int, *, start: float = 1.0, end: float = 0.5) -> list[float]:
    return [start + (end - start) * place / (count - 1) for place in range(count)]


def without(history: Rows, *names: str) -> Rows:
    return [{name: value for name, value in row.items() if name not in names} for row in history]


def test_a_healthy_training_raises_none() -> None:
    loss, easy = falling(20, start=0.5, end=0.1), falling(20, start=0.2, end=0.8)
    history = rows(20, train_loss=loss, train_easy=easy, **{"val_map@r": falling(20, start=0.31, end=0.5)})
    assert kinds(history) == []
    assert kinds([]) == []


@pytest.mark.parametrize(
    ("columns", "epoch"),
    [
        ({"val_spread": [0.9, 0.9, 0.001]}, 2),  # seen once
        ({"val_spread": [0.9, 0.12, 0.11]}, 2),  # seen twice
        ({"val_effective_rank": [60.0, 1.4, 1.3]}, 1),  # all on one line
    ],
)
def test_collapse(columns: dict[str, list[float]], epoch: int) -> None:
    found = only(rows(3, **columns, train_loss=1.0, gradient_norm=0.01), case(loss={"margin": 1.0}))
    assert (found.kind, found.epoch) == (AlarmKind.COLLAPSE, epoch)
    assert ("line" if epoch == 1 else "point") in found.what
    assert "it is the margin, 1)" in found.what
    assert "training.learning_rate" in found.remedy


@pytest.mark.parametrize(
    ("columns", "classes"),
    [
        ({"val_spread": [0.05, 0.09, 0.2]}, 20),  # it gets under way
        ({"val_effective_rank": [1.2, 1.1, 1.0]}, 2),  # two classes, told apart along a line
    ],
)
def test_no_collapse(columns: dict[str, list[float]], classes: int) -> None:
    assert kinds(rows(3, **columns), case(classes=classes)) == []


def test_collapse_names_the_milder_loss() -> None:
    history = rows(1, val_spread=0.0)
    hard = only(history, case(loss={"name": "triplet_batch_hard"})).remedy
    assert "triplet_semi_hard" in hard
    assert "loss.margin" not in hard, "a soft one"
    mild = only(history, case(loss={"name": "triplet_semi_hard"})).remedy
    assert "loss.name" not in mild
    assert "loss.margin" in mild
    assert "closed form" not in mild, "it began there"
    assert (
        "network.head: linear" in only(history, case(network={"head": "feed_forward", "hidden": [8]})).remedy
    )


def test_no_gradient() -> None:
    found = only(rows(2, gradient_norm=[0.4, 0.0]))
    assert (found.kind, found.epoch) == (AlarmKind.NO_GRADIENT, 1)
    assert kinds(rows(2, gradient_norm=0.0, train_loss=0.0)) == [], "all is learned"


def test_too_easy() -> None:
    found = only(rows(3, train_easy=[0.8, 0.95, 0.99], train_active=[0.5, 0.09, 0.01]))
    assert (found.kind, found.epoch) == (AlarmKind.TOO_EASY, 1)
    assert "95.0%" in found.what
    assert "9%" in found.what
    assert "triplet_batch_hard" in found.remedy
    assert "loss.margin (now 1)" in found.remedy


def test_easy_triplets_do_no_harm_where_the_mined_ones_teach() -> None:
    assert kinds(rows(3, train_easy=0.95, train_active=0.5)) == []
    unknown = only(without(rows(1, train_easy=0.95), "train_active"))
    assert unknown.kind == AlarmKind.TOO_EASY
    assert "95.0% of the training triplets are easy: there" in unknown.what
    for loss in ("multi_similarity", "triplet_batch_hard"):
        assert kinds(rows(3, train_easy=0.99, train_active=0.0), case(loss={"name": loss})) == [], "no margin"


def test_margin_too_large() -> None:
    wrong = case(loss={"margin": 3.0})
    found = only(rows(8, train_loss=falling(8, start=3.0, end=2.5), train_easy=0.001), wrong)
    assert (found.kind, found.epoch) == (AlarmKind.MARGIN, 5)
    assert "0.1%" in found.what
    assert "Halve loss.margin (now 3)" in found.remedy


@pytest.mark.parametrize(
    "columns",
    [
        {"train_easy": falling(8, start=0.0, end=0.1)},  # they become more
        {"train_easy": 0.7},  # most are easy
        {"train_easy": 0.0, "train_loss": falling(8, start=1.0, end=0.95)},  # the loss hardly falls
        {"train_easy": 0.0, "train_spread": 0.2},  # distances still grow
    ],
)
def test_margin_not_too_large(columns: dict[str, Any]) -> None:
    assert kinds(rows(8, **{"train_loss": falling(8), **columns}), case(loss={"margin": 1.0})) == []


def test_margin_is_no_matter_without_one() -> None:
    history = rows(8, train_loss=falling(8), train_easy=0.0)
    assert kinds(history, case(loss={"name": "triplet_batch_hard", "margin": "soft"})) == []


def test_standing_still() -> None:
    history = rows(8, train_loss=[0.5, 0.501, 0.499, *[0.5] * 5], **{"val_map@r": 0.301})
    found = only(history, case(training={"learning_rate": 1e-7}))
    assert (found.kind, found.epoch) == (AlarmKind.STANDING_STILL, 5)
    assert "Raise training.learning_rate (now 1e-07)" in found.remedy
    assert "image_augmentation" in only([{**row, "train_easy": 0.99} for row in history]).remedy
    assert kinds([{**row, "val_map@r": 0.4} for row in history]) == [], "val rose"
    assert kinds(history, case(training={"warmup": 3})) == [], "it has only begun"
    assert kinds(history, case(training={"warmup": 0.1, "epochs": 30})) == []
    assert kinds(history, case(training={"warmup": 0.1, "epochs": 20})) == [AlarmKind.STANDING_STILL]


def test_worse_than_start() -> None:
    history = rows(4, **{"val_map@r": [0.25, 0.24, 0.23, 0.22]})
    found = only(history)
    assert (found.kind, found.epoch) == (AlarmKind.WORSE_THAN_START, 2)
    assert "0.230; before training it was 0.300" in found.what
    assert "network.head: closed_form" in found.remedy
    fine = case(network={"frozen": False})
    assert "training.backbone_learning_rate" in only(history, fine).remedy
    assert "freeze_batch_norm" not in only(history, fine).remedy
    loose = case(network={"frozen": False}, training={"freeze_batch_norm": False})
    assert only(history, loose).remedy.startswith("Set training.freeze_batch_norm: true")


@pytest.mark.parametrize(
    ("values", "epochs", "raised"),
    [
        ([0.2, 0.22, 0.25], 50, False),  # on its way: two epochs more at this pace
        ([0.2, 0.2001, 0.2002], 50, True),  # a thousand more
        ([0.2, 0.22, 0.25], 3, True),  # no epoch is left
        ([0.32, 0.25, 0.24, 0.23], 50, False),  # an epoch was better: that one is kept
        ([0.298, 0.297, 0.299], 50, False),  # within the noise
        ([0.1, 0.1], 50, False),  # too early to say
    ],
)
def test_worse_than_start_waits(values: list[float], epochs: int, raised: bool) -> None:
    history = rows(len(values), **{"val_map@r": values})
    asked = case(training={"epochs": epochs})
    assert kinds(history, asked) == [AlarmKind.WORSE_THAN_START] * raised


def test_overfitting() -> None:
    values = [0.4, 0.5, 0.49, 0.47, 0.44, 0.43, 0.42, 0.41]
    history = rows(8, train_loss=falling(8, start=0.8, end=0.1), **{"val_map@r": values})
    found = only(history)
    assert (found.kind, found.epoch) == (AlarmKind.OVERFITTING, 6)
    assert "0.500 in epoch 2 and is 0.420 now" in found.what
    assert "image_augmentation" in found.remedy
    assert kinds([{**row, "train_loss": 0.5} for row in history]) == [], "train does not improve"
    mild = rows(8, train_loss=falling(8), **{"val_map@r": [0.4, 0.5, *[0.47] * 6]})
    assert kinds(mild) == []


def test_pairless() -> None:
    found = only(rows(2, pairless=[0.0, 0.25]))
    assert (found.kind, found.epoch) == (AlarmKind.PAIRLESS, 1)
    assert "25.0%" in found.what


def test_waiting() -> None:
    found = only(rows(2, waiting=[0.1, 0.4]), case(training={"workers": 2}))
    assert (found.kind, found.epoch) == (AlarmKind.WAITING, 1)
    assert "40% of the time" in found.what
    assert "(24 s in this epoch)" in found.what
    assert "training.workers (now 2)" in found.remedy
    assert kinds(rows(2, waiting=0.4, seconds=10.0)) == [], "four seconds do not matter"
    assert kinds(without(rows(2), "waiting", "seconds")) == []


def test_each_kind_is_raised_once_and_in_time() -> None:
    history = rows(9, pairless=[0.0, 0.5, *[1.0] * 7], gradient_norm=[*[0.4] * 4, *[0.0] * 5])
    history = [{**row, "val_map@r": 0.5 + row["epoch"] / 100} for row in history]
    assert [(alarm.kind, alarm.epoch) for alarm in alarms(history, case())] == [
        (AlarmKind.PAIRLESS, 1),
        (AlarmKind.NO_GRADIENT, 4),
    ]
    assert arising(history, case(), known={AlarmKind.PAIRLESS, AlarmKind.NO_GRADIENT}) == ()


def test_numbers_that_are_none_raise_nothing() -> None:
    columns = dict.fromkeys(("train_easy", "train_active", "gradient_norm", "val_spread"), float("nan"))
    assert kinds(rows(8, **columns)) == []


def test_an_alarm_is_a_sentence_that_counts_epochs_from_one() -> None:
    alarm = Alarm(AlarmKind.PAIRLESS, 2, "It is so.", "Do this.")
    assert str(alarm) == "Epoch 3: It is so. Do this."


EVERY = {
    AlarmKind.COLLAPSE: rows(1, val_spread=0.0),
    AlarmKind.NO_GRADIENT: rows(1, gradient_norm=0.0),
    AlarmKind.TOO_EASY: rows(1, train_easy=0.99, train_active=0.0),
    AlarmKind.MARGIN: rows(6, train_loss=falling(6), train_easy=0.0),
    AlarmKind.STANDING_STILL: rows(6, **{"val_map@r": 0.3}),
    AlarmKind.WORSE_THAN_START: rows(3, **{"val_map@r": 0.1}),
    AlarmKind.OVERFITTING: rows(7, train_loss=falling(7), **{"val_map@r": falling(7, end=0.4)}),
    AlarmKind.PAIRLESS: rows(1, pairless=1.0),
    AlarmKind.WAITING: rows(1, waiting=0.9),
}


@pytest.mark.parametrize("kind", AlarmKind)
@pytest.mark.parametrize("frozen", [True, False])
def test_remedies_name_keys_that_exist(kind: AlarmKind, frozen: bool) -> None:
    keys = set(known_keys())
    sections = {key.partition(".")[0] for key in keys}
    found = only(EVERY[kind], case(network={"head": "linear", "frozen": frozen}))
    words = [word.strip("(),;:.") for word in found.remedy.split()]
    named = [word for word in words if word.partition(".")[0] in sections]
    assert found.kind == kind
    assert named, "what to change"
    assert [word for word in named if "." in word and word not in keys] == []


@pytest.mark.parametrize(
    ("loss", "hinge"),
    [
        ({"name": "triplet_semi_hard", "margin": 1, "distance": "squared"}, (1.0, "squared")),
        ({"name": "triplet_batch_hard", "margin": 0.3}, (0.3, "euclidean")),
        ({"name": "triplet_batch_hard", "margin": "soft"}, None),
        ({"name": "triplet_batch_all"}, (0.2, "euclidean")),
        ({"name": "contrastive", "margin": 0.5}, None),  # a margin of pairs
        ({"name": "arcface"}, None),  # of angles
        ({"name": "torch.nn.functional.triplet_margin_loss"}, None),
    ],
)
def test_hinge_is_that_of_triplet_losses(loss: dict[str, Any], hinge: tuple[float, str] | None) -> None:
    assert hinge_of(parse_config({"loss": loss}).loss) == hinge
