"""What is asked of a threshold: text enters; a target leaves that is understood, or an error."""

from __future__ import annotations

from dataclasses import dataclass

from lookalike.errors import CalibrationError
from lookalike.threshold import BY_HAND, TARGETS, read_target


@dataclass(frozen=True)
class Target:
    """What is asked of a threshold.

    f1, accuracy: the best that any threshold gives; nothing is promised. precision=x: at least x of the
    matches are right. recall=x: at least x of the same pairs match. false-match-rate=x: at most x of the
    different pairs match. For these three the worse end of the (two-sided) confidence interval must keep x: a
    refusal is better than a wrong promise.

    Attributes:
        name: "f1", "accuracy", "precision", "recall" or "false-match-rate".
        value: the floor of precision or recall or the ceiling of the rate, in (0, 1); None for the others.
    """

    name: str
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read "f1", "precision=0.99" or "false-match-rate=0.001".

        Raises:
            CalibrationError: it is none of these, or the number is not between 0 and 1.
        """
        read = read_target(text)
        if read is None or read[0] == BY_HAND:
            raise CalibrationError(
                "the target is not understood",
                where="target",
                saw=repr(text),
                wanted=f"{TARGETS} with x between 0 and 1",
                do="for example --target precision=0.99 or --target false-match-rate=0.001",
            )
        return cls(*read)

    @property
    def text(self) -> str:
        """As it is written."""
        return self.name if self.value is None else f"{self.name}={self.value:.12g}"

    @property
    def is_floor(self) -> bool:
        """Whether the number is the least that is wanted, and not the most."""
        return self.name in ("precision", "recall")

    @property
    def limit(self) -> float:
        """The share of errors that is allowed: of the matches, of the same or of the different pairs."""
        value = self.value or 0.0
        return 1.0 - value if self.is_floor else value


def check_confidence(confidence: float) -> None:
    """Refuse a confidence that is none.

    Raises:
        CalibrationError: it is not between 0.5 and 1.
    """
    if not 0.5 < confidence < 1.0:
        raise CalibrationError(
            "the confidence does not fit",
            where="confidence",
            saw=f"{confidence:g}",
            wanted="between 0.5 and 1",
            do="for example --confidence 0.95",
        )


def all_alike(*, saw: str, wanted: str) -> CalibrationError:
    """The error of vectors that no threshold parts.

    Args:
        saw: what is as alike as everything else, and how much.
    """
    return CalibrationError(
        "no threshold can tell anything apart",
        where="vectors",
        saw=saw,
        wanted=wanted,
        do="train again: this model gives every picture the same embedding",
    )


def check_name(name: str, *, but: str) -> None:
    """Refuse what is no name for a threshold: it stands in messages, in files and on command lines.

    Args:
        but: the name that is usual for the other question.

    Raises:
        CalibrationError: it is empty or a path, does not print, or is that name.
    """
    parts = set("/\\") & set(name)
    if name.strip() != name or name in ("", ".", "..", but) or parts or not name.isprintable():
        raise CalibrationError(
            "the name of the threshold does not fit",
            where="name",
            saw=f"{name}, which is for the other question" if name == but else repr(name),
            wanted="letters, digits and signs, but for a slash",
            do="for example --name strict",
        )
