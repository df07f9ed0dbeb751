"""What can go wrong, as one tree. Every message has four beats: what - where - saw/wanted - do this.

LookalikeError
├── ConfigError          a run file says something that is not understood
├── TableError           a table of images cannot be read or used
├── ImageError           one picture cannot be used (its reason is a SkipReason)
├── BatchError           a batch that a loss cannot learn from
├── TrainingError        a training that cannot go on
├── ModelError           a model folder cannot be read, used or written
├── StoreError           an index cannot be opened, brought up to date or searched
│   ├── DamageError      what an index file holds cannot be trusted
│   ├── BusyError        another process writes to the index
│   └── ReplacedError    an index file that is open was replaced, moved or deleted
├── PlanError            files cannot be put away as planned, or brought back
├── CalibrationError     the labelled pairs do not support the promise that was asked for
├── EvaluationError      there is nothing to judge
└── MissingExtraError    an optional dependency is not installed

The core raises these; only the doors (command line, server) print them and choose an exit code.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class SkipReason(StrEnum):
    """Why a picture was left out."""

    MISSING = "missing"  # no such file, or a dangling link
    EMPTY = "empty"  # zero bytes
    NOT_AN_IMAGE = "not an image"  # content is of no known image format
    TRUNCATED = "truncated"  # begins as an image, cannot be decoded to the end
    TOO_LARGE = "too large"  # more pixels than the limit
    TOO_SMALL = "too small"  # a side shorter than 2 pixels: nothing to compare
    UNREADABLE = "unreadable"  # permission or disk error
    LINK_LOOP = "link loop"  # a link that leads back to itself, or a linked folder (not followed)
    BAD_NAME = "bad name"  # the file name is not valid UTF-8
    QUARANTINE = "quarantine"  # `apply` put it away


class LookalikeError(Exception):
    """A failure that a user can understand and mend.

    Args:
        what: what went wrong, in a few words.
        where: the file, key, row or argument it is about.
        saw: what was found there.
        wanted: what would have been right; may be left out where `what` already says it.
        do: the next step, a command where there is one.
    """

    def __init__(self, what: str, *, where: object, saw: str, do: str, wanted: str = "") -> None:
        self.what, self.where, self.saw, self.wanted, self.do = what, str(where), saw, wanted, do
        expectation = f", wanted {wanted}" if wanted else ""
        super().__init__(" - ".join((what, self.where, f"saw {saw}{expectation}", do)).replace("\n", " "))

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.__dict__.copy())


def _rebuild(kind: type[LookalikeError], state: dict[str, Any]) -> LookalikeError:
    beats = {key: state[key] for key in ("what", "where", "saw", "wanted", "do")}
    extra = {"reason": state["reason"]} if "reason" in state else {}
    return kind(beats.pop("what"), **beats, **extra)


class ConfigError(LookalikeError):
    """A run file says something that is not understood, for example a misspelt key."""


class TableError(LookalikeError):
    """A table of images cannot be read or used, for example a manifest without an image column."""


class ImageError(LookalikeError):
    """One picture cannot be used, for example a truncated JPEG; runs skip it and report the reason."""

    def __init__(
        self, what: str, *, reason: SkipReason, where: object, saw: str, do: str, wanted: str = ""
    ) -> None:
        super().__init__(what, where=where, saw=saw, wanted=wanted, do=do)
        self.reason = reason


class BatchError(LookalikeError):
    """A batch that a loss cannot learn from, for example one in which no label occurs twice."""


class TrainingError(LookalikeError):
    """A training that cannot go on, for example one whose loss is no number any more."""


class ModelError(LookalikeError):
    """A model folder cannot be read, used or written, for example one of another format version."""


class StoreError(LookalikeError):
    """An index cannot be opened, brought up to date or searched, for example one made by another model."""


class DamageError(StoreError):
    """What an index file holds cannot be trusted, for example after a disk lost a part of it."""


class BusyError(StoreError):
    """Another process writes to the index; when it has finished the same call goes through."""


class ReplacedError(StoreError):
    """An index file that is open was replaced, moved or deleted; who has it open must not write there."""


class PlanError(LookalikeError):
    """Files cannot be put away as planned, or brought back, for example by a plan that is no JSON."""


class CalibrationError(LookalikeError):
    """The labelled pairs do not support the promise, for example 20 pairs for a rate of 1 in 1000."""


class EvaluationError(LookalikeError):
    """There is nothing to judge, for example a split in which no label occurs twice."""


class MissingExtraError(LookalikeError):
    """An optional dependency is not installed; the message has the command to type."""

    def __init__(self, module: str, *, extra: str) -> None:
        super().__init__(
            "an optional part is not installed",
            where=module,
            saw="no such package",
            do=f"pip install 'lookalike[{extra}]'",
        )
        self.module, self.extra = module, extra

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_missing, (self.module, self.extra)


def _rebuild_missing(module: str, extra: str) -> MissingExtraError:
    return MissingExtraError(module, extra=extra)
