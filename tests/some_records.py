"""Records with plausible values."""

from __future__ import annotations

from lookalike.records import Threshold


def threshold(target: str, *, confidence: float | None = 0.95, similarity: float = 0.7) -> Threshold:
    return Threshold(
        similarity=similarity, target=target, precision=0.99, recall=0.5, f1=0.66, false_match_rate=0.001,
        confidence=confidence, bound=0.98, same_pairs=1000, different_pairs=50_000, images=320, classes=40,
    )  # fmt: skip
