"""When a training does not learn, and why: rows of its history enter, alarms in words leave.

Every rule is a pure function of the rows up to an epoch and of what was asked for, so that a resumed training
raises the alarms of an uninterrupted one. Nothing is measured here; that is monitor.py's business, where each
number is defined. A healthy training raises none: a rule waits until the rows leave no other reading.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lookalike.config import LossConfig, RunConfig
from lookalike.config_loss import DistanceName
from lookalike.records import Alarm, AlarmKind

Row = Mapping[str, float]
Words = tuple[str, str]  # what is wrong, and the remedy
MONITOR = "val_map@r"

COLLAPSED_SPREAD = 0.15  # two pictures have a similarity of about 0.98 on average
VANISHED_SPREAD = 0.01  # of 0.9999: nothing brings that back, so it need not be seen twice
GROWN_SPREAD = 0.5  # below, distances still grow, and with them the share that keeps any margin
COLLAPSED_RANK = 1.5  # nearly all on one line; two directions of equal weight would be 2
FEWEST_CLASSES = 4  # two or three classes may lie on one line and be told apart
STILL_RISING = 1.1  # a spread that grows by a tenth in an epoch is a training that gets under way
NO_GRADIENT = 1e-12  # below any step that float32 weights can take
MOSTLY_EASY = 0.9  # the share that all guides name
FEW_ACTIVE = 0.1  # while a tenth of the mined terms teach, easy ones around them do no harm
WINDOW = 5  # epochs over which a trend is read; shorter ones are noise of the batches
REAL_FALL = 0.05  # of the loss, within the window
NO_RISE = 0.005  # of the share of easy ones, within the window
FEW_EASY = 0.5  # a margin that most triplets keep is not too large
STILL = 0.01  # change of the loss and of the figure that is no change
PATIENCE = 3  # epochs below the start before it is said
WORSE = 0.98  # times the start: less is not within the noise of one epoch
FALLEN = 0.9  # times the best figure on val
MUCH_WAITING = 0.2  # of the time
WAITING_SECONDS = 5.0  # an epoch; less is not worth a word


@dataclass(frozen=True)
class Case:
    """What the rows are read with.

    Attributes:
        config: of the run.
        start: val map@r before the first epoch.
        classes: on val.
    """

    config: RunConfig
    start: float
    classes: int


class Hinge(NamedTuple):
    """A triplet's loss is max(0, D_ap - D_an + margin)."""

    margin: float  # > 0, in units of the distance
    distance: DistanceName


def alarms(history: Sequence[Row], case: Case) -> tuple[Alarm, ...]:
    """Return every alarm of a training, each kind once, at the first epoch that shows it.

    Args:
        history: one row an epoch: the columns that the monitor and the learner write. "waiting" and
            "seconds" may be missing, and so may "train_active".
    """
    found: list[Alarm] = []
    for end in range(1, len(history) + 1):
        found += arising(history[:end], case, known={alarm.kind for alarm in found})
    return tuple(found)


def arising(history: Sequence[Row], case: Case, *, known: set[AlarmKind]) -> tuple[Alarm, ...]:
    """Return the alarms that the last row raises, those already known left out."""
    epoch = int(history[-1]["epoch"])
    said = {kind: rule(history, case) for kind, rule in RULES.items() if kind not in known}
    return tuple(Alarm(kind, epoch, *words) for kind, words in said.items() if words is not None)


def hinge_of(loss: LossConfig) -> Hinge | None:
    """Where a triplet loss becomes 0; None for a soft margin, and for losses that are not over triplets."""
    margin = getattr(loss, "margin", None)
    if not loss.name.startswith("triplet_") or not isinstance(margin, float):
        return None
    return Hinge(margin, getattr(loss, "distance", "euclidean"))


def _collapse(rows: Sequence[Row], case: Case) -> Words | None:
    row = rows[-1]
    spread, rank = row["val_spread"], row["val_effective_rank"]
    before = rows[-2]["val_spread"] if len(rows) > 1 else 1.0
    point = spread < VANISHED_SPREAD or (
        spread < COLLAPSED_SPREAD and before < COLLAPSED_SPREAD and spread < STILL_RISING * before
    )
    line = rank < COLLAPSED_RANK and case.classes >= FEWEST_CLASSES
    if not (point or line):
        return None
    loss = case.config.loss
    hinge = hinge_of(loss)
    at_margin = f" (with all pictures on one point it is the margin, {hinge.margin:g})" if hinge else ""
    what = (
        f"The embeddings have collapsed: nearly all pictures lie on one {'point' if point else 'line'} "
        f"(on val spread {spread:.3f} of 1, effective rank {rank:.1f}). The loss is {row['train_loss']:.3g}"
        f"{at_margin}, the gradient {row['gradient_norm']:.2g}."
    )
    ways = [f"lower {_rates(case)} to a tenth"]
    if loss.name == "triplet_batch_hard":
        ways.append("mine less hard (loss.name: triplet_semi_hard)")
    if hinge:
        ways.append("take a smaller loss.margin")
    if case.config.network.resolved_start != "closed_form":
        ways.append("begin from the closed form (network.head: linear)")
    return what, f"Do one of these: {'; '.join(ways)}."


def _no_gradient(rows: Sequence[Row], _: Case) -> Words | None:
    row = rows[-1]
    if not (row["gradient_norm"] < NO_GRADIENT and row["train_loss"] > 0):
        return None
    return (
        f"No gradient reaches the weights (its length is {row['gradient_norm']:.1g}), though the loss is "
        f"{row['train_loss']:.3g}.",
        "See whether the embeddings have collapsed, every ReLU is dead, or a loss of one's own detaches the "
        "embeddings; then lower training.learning_rate or mend the loss.",
    )


def _too_easy(rows: Sequence[Row], case: Case) -> Words | None:
    row, loss = rows[-1], case.config.loss
    hinge, active = hinge_of(loss), row.get("train_active")
    few = active is None or active < FEW_ACTIVE
    if hinge is None or not (row["train_easy"] > MOSTLY_EASY and few):
        return None
    mined = "" if active is None else f" and {active:.0%} of those that the loss picks are above 0"
    harder = "loss.name: triplet_batch_hard" if loss.name == "triplet_semi_hard" else "harder negatives"
    return (
        f"{row['train_easy']:.1%} of the training triplets are easy{mined}: there is little left to learn "
        "from.",
        f"Mine harder ({harder}), put more classes into a batch (batches.classes, now "
        f"{case.config.batches.classes}) or raise loss.margin (now {hinge.margin:g}); else stop here.",
    )


def _margin(rows: Sequence[Row], case: Case) -> Words | None:
    hinge = hinge_of(case.config.loss)
    if hinge is None or len(rows) <= WINDOW:
        return None
    then, now = rows[-1 - WINDOW], rows[-1]
    fell = now["train_loss"] < (1 - REAL_FALL) * then["train_loss"]
    stuck = now["train_easy"] <= then["train_easy"] + NO_RISE and now["train_easy"] < FEW_EASY
    if not (fell and stuck and now["train_spread"] > GROWN_SPREAD):
        return None
    return (
        f"In {WINDOW} epochs the loss fell from {then['train_loss']:.3g} to {now['train_loss']:.3g}, but the "
        f"share of easy triplets stayed at {now['train_easy']:.1%}: the margin is too large to be kept.",
        f"Halve loss.margin (now {hinge.margin:g}), until easy triplets become more as the loss falls.",
    )


def _standing_still(rows: Sequence[Row], case: Case) -> Words | None:
    warmup, epochs = case.config.training.warmup, case.config.training.epochs
    if len(rows) <= WINDOW + (warmup if warmup >= 1 else warmup * epochs):
        return None
    first, now = rows[0]["train_loss"], rows[-1]["train_loss"]
    best = max(row[MONITOR] for row in rows)
    if not (abs(now - first) <= STILL * first and best <= (1 + STILL) * case.start and now > 0):
        return None
    what = (
        f"After {len(rows)} epochs the loss is where it was ({now:.3g}), and val MAP@R is no better than at "
        f"the start ({case.start:.3f})."
    )
    easy = rows[-1]["train_easy"]
    if easy > MOSTLY_EASY:
        return what, (
            f"{easy:.1%} of the training triplets are right already: switch on image_augmentation, add "
            "pictures, put more classes into a batch (batches.classes), or stay with the start."
        )
    return what, f"Raise {_rates(case)} threefold, or let more be learned: network.head or network.frozen."


def _worse_than_start(rows: Sequence[Row], case: Case) -> Words | None:
    values = [row[MONITOR] for row in rows]
    last = values[-PATIENCE:]
    if len(rows) < PATIENCE or max(values) >= case.start or max(last) >= WORSE * case.start:
        return None
    gain = (last[-1] - last[0]) / (PATIENCE - 1)
    left = case.config.training.epochs - len(rows)
    if gain > 0 and (case.start - last[-1]) / gain <= left:
        return None  # on its way back
    what = (
        f"Val MAP@R is {last[-1]:.3f}; before training it was {case.start:.3f}, and no epoch has reached "
        "that. The start is kept unless an epoch does."
    )
    network, training = case.config.network, case.config.training
    if network.frozen:
        return what, f"Lower {_rates(case)} to a third, or take the closed form (network.head: closed_form)."
    if network.pretrained and not training.freeze_batch_norm:
        return what, (
            "Set training.freeze_batch_norm: true: in training mode, small batches spoil the statistics that "
            f"the backbone came with. If that does not help, lower {_rates(case)} to a third."
        )
    return what, (
        f"Lower {_rates(case)} to a third, warm up (training.warmup: 1), or train the head alone first "
        "(training.head_warmup_epochs: 1)."
    )


def _overfitting(rows: Sequence[Row], case: Case) -> Words | None:
    best = max(range(len(rows)), key=lambda place: rows[place][MONITOR])
    top = rows[best][MONITOR]
    if len(rows) - 1 - best < WINDOW or top <= case.start:
        return None
    recent = max(row[MONITOR] for row in rows[-PATIENCE:])
    if recent >= FALLEN * top or rows[-1]["train_loss"] >= (1 - REAL_FALL) * rows[best]["train_loss"]:
        return None
    return (
        f"Val MAP@R was {top:.3f} in epoch {rows[best]['epoch'] + 1:.0f} and is {rows[-1][MONITOR]:.3f} now, "
        f"while the training loss went on falling, to {rows[-1]['train_loss']:.3g}: the network learns its "
        "pictures by heart. The best epoch is kept.",
        "Switch on image_augmentation, train fewer epochs (training.epochs), or take a smaller head "
        "(network.embedding_dim, network.hidden), more network.dropout or some training.weight_decay.",
    )


def _pairless(rows: Sequence[Row], _: Case) -> Words | None:
    share = rows[-1]["pairless"]
    if not share > 0:
        return None
    return (
        f"{share:.1%} of the batches hold one class only or no class twice: a loss over pairs learns nothing "
        "from them.",
        "Draw P x K batches with P >= 2 and K >= 2, as batches.classes and batches.images do (ClassBatches).",
    )


def _waiting(rows: Sequence[Row], case: Case) -> Words | None:
    share = rows[-1].get("waiting", 0.0)
    seconds = share * rows[-1].get("seconds", 0.0)
    if not (share > MUCH_WAITING and seconds > WAITING_SECONDS):
        return None
    asked = case.config.training.workers
    workers = "processors - 1" if asked is None else str(asked)
    cached = "; or keep augmented views (training.views: 8)" if case.config.network.frozen else ""
    return (
        f"{share:.0%} of the time the training waited for pictures ({seconds:.0f} s in this epoch).",
        f"Raise training.workers (now {workers}), or keep smaller copies of the pictures{cached}.",
    )


def _rates(case: Case) -> str:
    training = case.config.training
    head = f"training.learning_rate (now {training.learning_rate:g})"
    if case.config.network.frozen:
        return head
    return f"{head} and training.backbone_learning_rate (now {training.backbone_learning_rate:g})"


RULES: Mapping[AlarmKind, Callable[[Sequence[Row], Case], Words | None]] = {
    AlarmKind.COLLAPSE: _collapse,
    AlarmKind.NO_GRADIENT: _no_gradient,
    AlarmKind.TOO_EASY: _too_easy,
    AlarmKind.MARGIN: _margin,
    AlarmKind.STANDING_STILL: _standing_still,
    AlarmKind.WORSE_THAN_START: _worse_than_start,
    AlarmKind.OVERFITTING: _overfitting,
    AlarmKind.PAIRLESS: _pairless,
    AlarmKind.WAITING: _waiting,
}
