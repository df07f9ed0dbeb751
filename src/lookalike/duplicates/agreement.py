"""What decisions on pairs mean together: which pictures are one thing, and which decisions contradict others.

Decisions enter by content hash. "same" joins, and joins further: if A is B and B is C, then A is C. So a
"different" between two pictures that were joined contradicts. "keep-both" says neither and is left out.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from lookalike.indexing.schema import Decision


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A pair that was called different, though others join the two.

    Attributes:
        different: the decision.
        chain: content hashes from its first picture to its second, each called the same as the next; the
            shortest there is.
    """

    different: Decision
    chain: tuple[bytes, ...]


def moment_of(made: str) -> float:
    """When a decision was made, in seconds, so that the later of two can be told; -inf where it is no time.

    A time without a zone is in UTC.

    >>> moment_of("2026-01-01T01:00:00+02:00") < moment_of("2026-01-01") < moment_of("2026-01-01T00:00:01Z")
    True
    >>> moment_of("yesterday")
    -inf
    """
    try:
        moment = datetime.fromisoformat(made)
    except ValueError:
        return -math.inf
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def things_of(decisions: Iterable[Decision]) -> list[tuple[bytes, ...]]:
    """The pictures that "same" and "different" name, joined by "same"; each sorted, by their first.

    >>> pairs = [Decision.of(b"a", b"b", "same", made=""), Decision.of(b"b", b"c", "different", made="")]
    >>> things_of(pairs)
    [(b'a', b'b'), (b'c',)]
    """
    pairs = [entry for entry in decisions if entry.verdict != "keep-both"]
    partners = _partners(pairs)
    things: list[tuple[bytes, ...]] = []
    left = {digest for entry in pairs for digest in (entry.first, entry.second)}
    for start in sorted(left):
        if start in left:
            reached = set(_reach(start, partners))
            left -= reached
            things.append(tuple(sorted(reached)))
    return things


def contradictions(decisions: Sequence[Decision]) -> list[Contradiction]:
    """Every "different" between pictures that "same" joins, in the order of the decisions.

    >>> pairs = [Decision.of(b"a", b"b", "same", made=""), Decision.of(b"b", b"c", "same", made="")]
    >>> [found.chain for found in contradictions([*pairs, Decision.of(b"a", b"c", "different", made="")])]
    [(b'a', b'b', b'c')]
    """
    partners = _partners(decisions)
    thing_of = {digest: number for number, thing in enumerate(things_of(decisions)) for digest in thing}
    return [
        Contradiction(entry, _chain(entry.first, entry.second, partners))
        for entry in decisions
        if entry.verdict == "different" and thing_of[entry.first] == thing_of[entry.second]
    ]


def links_of(contradiction: Contradiction) -> list[tuple[bytes, bytes]]:
    """The pairs, any of which would have to be forgotten: the different one, then those of its chain."""
    different = contradiction.different
    return [(different.first, different.second), *pairwise(contradiction.chain)]


def _partners(decisions: Iterable[Decision]) -> dict[bytes, list[bytes]]:
    partners: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for entry in decisions:
        if entry.verdict == "same":
            partners[entry.first].append(entry.second)
            partners[entry.second].append(entry.first)
    return partners


def _reach(start: bytes, partners: dict[bytes, list[bytes]]) -> dict[bytes, bytes]:
    """Whatever is joined to a picture, nearest first, with whom it was reached from."""
    reached, waiting = {start: start}, deque([start])
    while waiting:
        here = waiting.popleft()
        for other in partners.get(here, ()):
            if other not in reached:
                reached[other] = here
                waiting.append(other)
    return reached


def _chain(first: bytes, second: bytes, partners: dict[bytes, list[bytes]]) -> tuple[bytes, ...]:
    reached = _reach(first, partners)
    chain = [second]
    while chain[-1] != first:
        chain.append(reached[chain[-1]])
    return tuple(reversed(chain))
