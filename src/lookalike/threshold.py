"""The record of a match threshold: what it is, what it promises, and on what that rests.

Choosing one is calibration's business; this only keeps and words what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

# of 95% promises from 60 classes that come in families (flags, skin tones) 11% were broken, from 120 4%
FEW_CLASSES = 200


@dataclass(frozen=True, slots=True)
class Threshold:
    """A similarity that means "the same", and what was measured for it.

    Attributes:
        similarity: a pair matches when its similarity >= this; cosine, in [-1, 1].
        target: what was asked for: "f1", "precision=0.99", "false-match-rate=0.001".
        precision, recall, f1, false_match_rate: measured on the calibration pairs, in [0, 1].
        confidence: of the promise, for example 0.95; None when the target promises nothing (f1).
        bound: the confidence bound that was compared with the target (lower for precision, upper for
            the rate); None when the target promises nothing.
        same_pairs, different_pairs, images, classes: what it was measured on.
        split: the split of the table the pairs came from.
        seen: how many of the images the model was trained on; a promise from those flatters.
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

    @property
    def promise(self) -> str:
        """One sentence that says what the threshold promises and on what it rests."""
        place = "images" if self.split == "all" else f"{self.split} images"
        basis = (
            f"measured on {self.same_pairs:,} same and {self.different_pairs:,} different pairs "
            f"of {self.images:,} {place} of {self.classes:,} classes"
        )
        if self.seen:
            basis += f", {self.seen:,} of which the model was trained on: this flatters"
        name, _, value = self.target.partition("=")
        sure = ""
        if self.confidence:
            likeness = f"{100 * self.confidence:g}% confidence, for things that are like these"
            sure = f"({likeness}; {basis}{self._reach})"
        if name == "precision":
            return f"at least {100 * float(value):g}% of matches are right {sure}"
        if name == "false-match-rate":
            return f"at most {100 * float(value):g}% of different pairs match {sure}"
        return (
            f"best F1: {self.precision:.1%} of matches are right, {self.recall:.1%} of same pairs are found "
            f"(no promise beyond these pairs; {basis})"
        )

    @property
    def _reach(self) -> str:
        """What a promise from few classes leaves open."""
        if self.classes >= FEW_CLASSES:
            return ""
        return f"; {self.classes} classes are few: kinds of confusion that they lack are not covered"
