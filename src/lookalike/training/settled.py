"""What a training has chosen on validation, for another one that shall have nothing left to choose.

A training with settled choices may learn from validation too: this says what they are, and makes the table on
which train and val are one. Nothing is chosen or trained here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from lookalike.tables.table import ImageTable
from lookalike.training.closed_form import Candidate


@dataclass(frozen=True)
class Settled:
    """What was chosen on val.

    Attributes:
        epochs: after how many the network was kept; 0: as it began, or a head that is solved.
        solved: options of the closed form that the head is, or began as; empty: there is none.
        refitted: options of the closed form that took the head's place in the end; empty: none did.
    """

    epochs: int = 0
    solved: Mapping[str, float] = field(default_factory=dict)
    refitted: Mapping[str, float] = field(default_factory=dict)


def best_options(candidates: Sequence[Candidate]) -> dict[str, float]:
    """The options that were best on val; empty where none were tried.

    >>> best_options([Candidate(0.5, 1.0, 0.25, 0.4), Candidate(1.0, 1.0, 0.25, 0.3)])["power"]
    0.5
    """
    best = max(candidates, key=lambda tried: tried.map_at_r, default=None)
    return {} if best is None else asdict(best)


def with_val(table: ImageTable) -> ImageTable:
    """The table with the pictures of val in train."""
    return table.with_splits(table.frame["split"].replace({"val": "train"}).to_numpy())
