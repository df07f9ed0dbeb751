"""Shares with their 95 % intervals, as the benchmarks print them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

DRAWS = 2000


def share(flags: Sequence[bool]) -> str:
    """A share of things that have nothing to do with each other, with its score interval."""
    low, high = wilson(sum(flags), len(flags))
    return f"{100 * np.mean(flags):.1f} % ({100 * low:.1f} to {100 * high:.1f}, of {len(flags):,})"


def share_of_groups(groups: Sequence[Sequence[bool]]) -> str:
    """A share over groups of things that stand or fall together, with an interval over draws of groups.

    Where nothing failed or nothing went well, draws say nothing: then the groups count, as of `share`.
    """
    hits = np.array([sum(group) for group in groups], np.float64)
    totals = np.array([len(group) for group in groups], np.float64)
    rate = hits.sum() / totals.sum()
    if rate in (0.0, 1.0):
        low, high = wilson(int(rate) * len(groups), len(groups))
    else:
        drawn = np.random.default_rng(0).integers(0, len(groups), (DRAWS, len(groups)))
        low, high = np.quantile(hits[drawn].sum(axis=1) / totals[drawn].sum(axis=1), (0.025, 0.975))
    of = f"of {int(totals.sum()):,} in {len(groups):,}"
    return f"{100 * rate:.1f} % ({100 * low:.1f} to {100 * high:.1f}, {of})"


def wilson(hits: int, total: int, *, z: float = 1.96) -> tuple[float, float]:
    """The score interval of a share.

    Reference:
        Wilson, Probable Inference, the Law of Succession, and Statistical Inference, JASA 1927.
    """
    rate, slack = hits / total, z * z / total
    middle, half = rate + slack / 2, z * float(np.sqrt(rate * (1 - rate) / total + slack / (4 * total)))
    return (middle - half) / (1 + slack), (middle + half) / (1 + slack)
