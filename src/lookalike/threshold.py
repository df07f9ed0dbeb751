"""The record of a match threshold: what it is, what it promises, and on what that rests.

Choosing one is calibration's business; this only keeps and words what was chosen.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from lookalike.errors import ModelError

# of 95% promises from 60 classes that come in families (flags, skin tones) 11% were broken, from 120 4%
FEW_CLASSES = 200
BEST = ("f1", "accuracy")  # targets that take the best of a figure, and promise nothing
PROMISED = ("precision", "recall", "false-match-rate")  # targets with a number, for which a bound stands
TARGETS = "f1, accuracy, precision=x, recall=x or false-match-rate=x"
BY_HAND = "by hand"  # in place of a target: a person chose the similarity, so nothing was asked for
COPIES = "copies"
DECISIONS = "decisions"
BASES = ("labels", COPIES, DECISIONS)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A similarity that means "the same", and what was measured for it.

    Attributes:
        similarity: a pair matches when its similarity >= this; cosine, in [-1, 1].
        target: what was asked for, one of `TARGETS`: "f1", "precision=0.99", "false-match-rate=0.001"; or
            BY_HAND, where a person chose the similarity.
        precision, recall, f1, false_match_rate: measured on the calibration pairs, in [0, 1].
        confidence: of the promise, for example 0.95; None when the target promises nothing.
        bound: the confidence bound that was compared with the target (lower for precision and recall, upper
            for the rate); None when the target promises nothing.
        same_pairs, different_pairs, images, classes: what it was measured on.
        split: the split of the table the pairs came from.
        seen: how many of the images the model was trained on; a promise from those flatters.
        basis: "labels": same pairs are pairs of one label; "copies": pairs of edited copies of one picture;
            "decisions": pairs that a person called same or different.
        groups: number of groups of which pairs within one are left out; 0: there are none.
        fingerprint: of the model that it was made for; empty where that is not known.
    """

    similarity: float
    target: str
    precision: float
    recall: float
    f1: float
    false_match_rate: float
    confidence: float | None
    bound: float | None
    same_pairs: int
    different_pairs: int
    images: int
    classes: int
    split: str = "val"
    seen: int = 0
    basis: str = "labels"
    groups: int = 0
    fingerprint: str = ""

    @property
    def accuracy(self) -> float:
        """Share of all calibration pairs that are told right, in [0, 1]."""
        right = self.recall * self.same_pairs + (1.0 - self.false_match_rate) * self.different_pairs
        return right / max(self.same_pairs + self.different_pairs, 1)

    @property
    def meaning(self) -> str:
        """What two pictures are that match, in a few words."""
        return "copies of one picture" if self.basis == COPIES else "the same"

    @property
    def promise(self) -> str:
        """One sentence that says what the threshold promises and on what it rests."""
        name, value = read_target(self.target) or ("f1", None)
        share = f"{100 * (value or 0.0):g}%"
        said = {
            "precision": f"at least {share} of matches are right",
            "recall": f"at least {share} of same pairs match",
            "false-match-rate": f"at most {share} of different pairs match",
            "accuracy": f"best accuracy: {self.accuracy:.1%} of all pairs are told right",
            BY_HAND: f"set by hand: {self.precision:.1%} of matches are right, {self.recall:.1%} of same "
            f"pairs are found, {in_share(self.false_match_rate)} of different pairs match",
        }.get(
            name,
            f"best F1: {self.precision:.1%} of matches are right, {self.recall:.1%} of same pairs are found",
        )
        if value is None or not self.confidence:
            return f"{said} (no promise beyond these pairs; {self._measured})"
        kind = "pictures" if self.basis == COPIES else "things"
        likeness = f"{100 * self.confidence:g}% confidence, for {kind} that are like these"
        return f"{said} ({likeness}; {self._measured}{self._reach})"

    @property
    def _measured(self) -> str:
        """What the figures rest on."""
        place = "images" if self.split == "all" else f"{self.split} images"
        if self.basis == COPIES:
            basis = (
                f"measured on {self.same_pairs:,} pairs of copies of one picture and "
                f"{self.different_pairs:,} pairs of different pictures, made of {self.classes:,} {place} "
                "that were saved again, scaled, cropped, lit and turned a little: copies, not your notion of "
                "the same thing"
            )
        elif self.basis == DECISIONS:
            basis = (
                f"measured on {self.same_pairs:,} same and {self.different_pairs:,} different pairs of "
                f"{self.images:,} images that somebody decided on: pairs worth asking about, "
                "which are harder than pairs at random"
            )
        else:
            basis = (
                f"measured on {self.same_pairs:,} same and {self.different_pairs:,} different pairs "
                f"of {self.images:,} {place} of {self.classes:,} classes"
            )
        if self.groups:
            basis += f", pairs within one of the {self.groups:,} groups left out"
        if self.seen:
            basis += f", {self.seen:,} of which the model was trained on: this flatters"
        return basis

    @property
    def _reach(self) -> str:
        """What a promise from few classes leaves open."""
        if self.classes >= FEW_CLASSES:
            return ""
        kind = "pictures" if self.basis == COPIES else "classes"
        return f"; {self.classes} {kind} are few: kinds of confusion that they lack are not covered"


def read_target(text: str) -> tuple[str, float | None] | None:
    """The name of a target and its number, None where it takes none; None where it is no target.

    >>> read_target("f1"), read_target(" precision=0.99 "), read_target("precision=99"), read_target(BY_HAND)
    (('f1', None), ('precision', 0.99), None, ('by hand', None))
    """
    name, _, number = text.strip().partition("=")
    if text.strip() in (*BEST, BY_HAND):
        return name, None
    try:
        value = float(number) if name in PROMISED else 0.0
    except ValueError:
        return None
    return (name, value) if 0.0 < value < 1.0 else None


def in_share(share: float) -> str:
    """A share in percent, also where it is small; "none" only where it is 0, "100%" only where it is 1.

    >>> [in_share(share) for share in (0.0, 1e-9, 0.000012, 0.0123, 0.5, 0.996, 0.99999, 1.0)]
    ['none', 'less than 0.001%', '0.0012%', '1.2%', '50%', '99.6%', 'more than 99.9%', '100%']
    """
    percent = 100 * share
    if share in (0.0, 1.0):
        return "100%" if share else "none"
    if percent < 0.001:
        return "less than 0.001%"
    if percent >= 99.95:
        return "more than 99.9%"
    return f"{percent:.1f}%" if percent >= 99.5 else f"{percent:.2g}%"


def no_threshold(name: str, *, model: object, names: Iterable[str]) -> ModelError:
    """The error of a model that has no threshold of a name; a name that is nearly right is told."""
    known = list(names)
    near = difflib.get_close_matches(name, known, n=1) or known[:1]
    default = name == "default"
    make = f"lookalike calibrate {model} DATA" + ("" if default else f" --name {name}")
    return ModelError(
        "the model has no match threshold" + ("" if default else " of that name"),
        where=model,
        saw=f"thresholds named {', '.join(known)}" if known else "no calibration",
        wanted="a similarity that means the same" if default else name,
        do=f"take the one there is by --threshold {near[0]}, or make one: {make}" if near else make,
    )
