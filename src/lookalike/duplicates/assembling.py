"""Groups of pictures, as records: contents and their pairs that are alike enter, explained groups leave.

What is worth keeping represents, so everything else of a group is close to what stays. Decisions are
respected; files are asked whether they are there, nothing more.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.duplicates.comparing import Edge
from lookalike.duplicates.decided import Decided
from lookalike.duplicates.explaining import why
from lookalike.duplicates.gathering import Contents
from lookalike.duplicates.grouping import Star, other_of, stars
from lookalike.duplicates.keepers import KeepRule
from lookalike.duplicates.limits import Asked
from lookalike.duplicates.records import Band, Evidence, Group, Member


@dataclass
class Assembly:
    """Makes groups of edges; members whose files are gone are left out.

    A group of which neither edges nor decisions changed is not made again.

    Attributes:
        among: all were compared; else what is not in the library with what is.
    """

    contents: Contents
    decisions: Decided
    rule: KeepRule
    asked: Asked
    among: bool

    _members: dict[int, list[Member]] = field(default_factory=dict)
    _keys: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    _made: dict[Hashable, Group] = field(default_factory=dict)  # the last time

    def groups(self, edges: Sequence[Edge]) -> list[Group]:
        """All groups, the larger ones first."""
        alone = self._alone() if self.asked.wants(Band.EXACT) else []
        edges = [edge for edge in edges if self.members(edge.first) and self.members(edge.second)]
        rank = self.rank(
            np.array([*alone, *(row for edge in edges for row in (edge.first, edge.second))], int)
        )
        ends = np.array([(edge.first, edge.second) for edge in edges], np.int64).reshape(-1, 2)
        strength = [_strength(edge) for edge in edges]
        found = stars(ends[:, 0], ends[:, 1], strength, rank, apart=self.decisions.different)
        grouped = {row for star in found for row in _rows(star, edges)}
        found += [Star(row, ()) for row in alone if row not in grouped]
        made = {self._basis(star, edges): star for star in found}
        self._made = {
            basis: self._made.get(basis) or self._group(star, edges) for basis, star in made.items()
        }
        groups = self._made.values()
        return sorted(groups, key=lambda group: (-len(group), group.band.order, group.members[0].path))

    def rank(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """[n] the order in which rows are worth keeping, from 0 on; else, and without a file, -1."""
        there = [row for row in dict.fromkeys(rows.tolist()) if self.members(row)]
        rank = np.full(len(self.contents), -1, np.int64)
        rank[sorted(there, key=self._key)] = np.arange(len(there))
        return rank

    def note_enlarged(self, shown: Mapping[bytes, tuple[int, int]]) -> None:
        """Take in which contents, by their hash, were enlarged, and the size of what they show."""
        for row, members in self._members.items():
            if (size := shown.get(self.contents.hashes[row])) is not None:
                self._members[row] = [replace(member, shown=size) for member in members]
        self._keys.clear()
        self._made.clear()

    def forget_enlarged(self) -> None:
        """Take all for what they are in size again."""
        for row, members in self._members.items():
            if any(member.shown for member in members):
                self._members[row] = [replace(member, shown=None) for member in members]
        self._keys.clear()
        self._made.clear()

    def members(self, row: int) -> list[Member]:
        """The items of a content whose files are there, the one to keep first; without exact, that one."""
        if row not in self._members:
            members = sorted(self.contents.members(row), key=self.rule.key)
            self._members[row] = members if self.asked.wants(Band.EXACT) else members[:1]
        return self._members[row]

    def _key(self, row: int) -> tuple[Any, ...]:
        if row not in self._keys:
            self._keys[row] = self.rule.key(self.members(row)[0])
        return self._keys[row]

    def _basis(self, star: Star, edges: Sequence[Edge]) -> Hashable:
        """All that a group depends on, and that may change."""
        rows = _rows(star, edges)
        said = (self.decisions.verdict(star.representative, row) for row in sorted(rows))
        kept = (pair for pair in self.decisions.keep_both if rows.issuperset(pair))
        return star.representative, tuple(edges[place] for place in star.pairs), *said, *sorted(kept)

    def _alone(self) -> list[int]:
        """Contents that several items have, on both sides of a library where there is one."""
        blank, old, new = self.contents.blank, self.contents.old, self.contents.new
        return [
            row
            for row in range(len(self.contents))
            if self.contents.items(row) > 1
            and not blank[row]
            and (self.among or (old[row] and new[row]))
            and len(self.members(row)) > 1
        ]

    def _group(self, star: Star, edges: Sequence[Edge]) -> Group:
        near = [(edges[place], _other(edges[place], star.representative)) for place in star.pairs]
        keeper, *copies = self.members(star.representative)
        verdict = self.decisions.verdict(star.representative, star.representative)
        evidence = [
            Evidence(keeper.id, copy.id, Band.EXACT, 1.0, None, "the same bytes", verdict) for copy in copies
        ]
        evidence += [each for edge, row in near for each in self._evidence(keeper, edge, star, row)]
        members = [keeper, *copies, *(member for _, row in near for member in self.members(row))]
        return Group(
            band=max((each.band for each in evidence), key=lambda band: band.order),
            members=tuple(members),
            representative=0,
            keeper=0,
            evidence=tuple(evidence),
            keeper_reason=self.rule.reason(keeper, members[1:]),
            settled=self._settled({star.representative, *(row for _, row in near)}, members),
        )

    def _evidence(self, keeper: Member, edge: Edge, star: Star, row: int) -> Iterator[Evidence]:
        """Of all items of a content that is near the representative."""
        said = why(edge, self.contents.looks[star.representative], self.contents.looks[row], self.asked)
        verdict = self.decisions.verdict(star.representative, row)
        first = self.members(row)[0]
        for member in self.members(row):
            words = said if member is first else f"{said}; the same bytes as {Path(first.path).name}"
            numbers = edge.similarity, edge.difference
            yield Evidence(keeper.id, member.id, edge.band, *numbers, words, verdict)

    def _settled(self, rows: set[int], members: Sequence[Member]) -> tuple[int, ...]:
        """Of contents that are to stay beside another one of the group one copy; of both copies, all."""
        kept = [pair for pair in self.decisions.keep_both if rows.issuperset(pair)]
        one = {self.contents.hashes[row] for pair in kept for row in pair}
        every = {self.contents.hashes[first] for first, second in kept if first == second}
        places = []
        for place, member in enumerate(members):
            if member.hash in one | every:
                places.append(place)
                one.discard(member.hash)
        return tuple(places)


def _strength(edge: Edge) -> tuple[float, ...]:
    return edge.band.order, edge.through is not None, edge.difference or 0.0, -edge.similarity


def _rows(star: Star, edges: Sequence[Edge]) -> set[int]:
    return {star.representative, *(_other(edges[place], star.representative) for place in star.pairs)}


def _other(edge: Edge, row: int) -> int:
    return other_of((edge.first, edge.second), row)
