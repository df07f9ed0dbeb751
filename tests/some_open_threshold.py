"""A threshold for identification with made-up numbers, for tests that need one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lookalike.open_threshold import OpenThreshold

SOME = OpenThreshold(
    similarity=0.7,
    target="f1",
    vote=1,
    true_identification_rate=0.8,
    wrong_identification_rate=0.1,
    false_identification_rate=0.05,
    precision=0.9,
    f1=0.85,
    accuracy=0.88,
    stranger_share=0.5,
    confidence=None,
    bound=None,
    known=300,
    strangers=310,
    gallery=290,
    images=310,
    classes=250,
    fingerprint=64 * "f",
)


def some_open_threshold(**changes: Any) -> OpenThreshold:
    """The threshold with other values for some of its fields."""
    return replace(SOME, **changes)
