"""The record of a threshold for "which known thing is it, or none?": what it is and what it promises.

Choosing one is calibration's business; this only keeps and words what was chosen.
"""

from __future__ import annotations

from dataclasses import dataclass

from lookalike.threshold import FEW_CLASSES

MOST_VOTES = 1000


@dataclass(frozen=True, slots=True)
class OpenThreshold:
    """A similarity from which on a picture counts as a known thing, and what was measured for it.

    Attributes:
        similarity: a picture is taken for a label when its similarity >= this; cosine, in [-1, 1].
        target: what was asked for: "f1", "accuracy", "precision=0.95", "false-identification-rate=0.01".
        vote: how many of the nearest pictures vote, 1 to MOST_VOTES; 1: the nearest alone decides.
        true_identification_rate: share of the known things that were named rightly.
        wrong_identification_rate: share of the known things that were taken for something else.
        false_identification_rate: share of the strangers that were taken for something.
        precision, f1, accuracy: of all who ask, when `stranger_share` of them are strangers.
        confidence: of the promise, for example 0.95; None when the target promises nothing.
        bound: the confidence bound that was compared with the target (lower for precision, upper for the
            rate); None when the target promises nothing.
        known, strangers: how many pictures asked as known things, and how many as strangers.
        gallery: how many pictures a stranger was compared with, on average. In a larger gallery more
            strangers find something that looks alike.
        images, classes, split: what it was measured on.
        seen: how many of the images the model was trained on; a promise from those flatters.
        fingerprint: of the model that it was made for; empty where that is not known.
    """

    similarity: float
    target: str
    vote: int
    true_identification_rate: float
    wrong_identification_rate: float
    false_identification_rate: float
    precision: float
    f1: float
    accuracy: float
    stranger_share: float
    confidence: float | None
    bound: float | None
    known: int
    strangers: int
    gallery: int
    images: int
    classes: int
    split: str = "val"
    seen: int = 0
    fingerprint: str = ""

    @property
    def promise(self) -> str:
        """One sentence that says what the threshold promises and on what it rests."""
        name, _, value = self.target.partition("=")
        share = f"{100 * float(value):g}%" if value else ""
        if name == "false-identification-rate":
            what = f"at most {share} of strangers are taken for something known"
        elif name == "precision":
            mix = f"when {100 * self.stranger_share:g}% of all who ask are strangers"
            what = f"at least {share} of what is named is named rightly {mix}"
        else:
            return f"best {self.target}, no promise beyond these pictures ({self._basis}); {self._measured}"
        return f"{what} ({self._sure}); {self._measured}"

    def expected_rate(self, gallery: int) -> float | None:
        """A ceiling on the false-identification rate in a gallery of another size, in [0, 1].

        Where the nearest picture decides, a stranger finds nothing in a gallery only if it finds nothing in
        each of its parts, so the rate grows at most in proportion to the promised one.

        Returns:
            None where there is no ceiling: nothing is promised of the rate, or several vote. What loses the
            vote in each part of a gallery can win it in the whole, so that the rate can grow faster.
        """
        name, _, value = self.target.partition("=")
        if name != "false-identification-rate" or self.confidence is None or self.vote > 1:
            return None
        return min(1.0, float(value) * max(1.0, gallery / max(self.gallery, 1)))

    @property
    def _measured(self) -> str:
        return (
            f"measured: {self.true_identification_rate:.1%} of known things named rightly, "
            f"{self.wrong_identification_rate:.1%} taken for another, "
            f"{self.false_identification_rate:.1%} of strangers taken for something"
        )

    @property
    def _sure(self) -> str:
        confidence = 0.0 if self.confidence is None else self.confidence
        few = f"; {self.classes} classes are few: kinds of confusion that they lack are not covered"
        reach = "" if self.classes >= FEW_CLASSES else few
        return f"{100 * confidence:g}% confidence, for things that are like these; {self._basis}{reach}"

    @property
    def _basis(self) -> str:
        place = "images" if self.split == "all" else f"{self.split} images"
        asked = f"{self.known:,} known and {self.strangers:,} strangers of {self.classes:,} classes"
        trained = f", {self.seen:,} of which the model was trained on: this flatters" if self.seen else ""
        gallery = f"a gallery of {self.gallery:,}, and a larger one takes more strangers for something"
        return f"{asked} among {self.images:,} {place}{trained}, in {gallery}"
