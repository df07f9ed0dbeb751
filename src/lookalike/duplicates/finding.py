"""Pictures that are there twice: an index enters, explained groups leave.

Contents are gathered, pairs proposed, confirmed by their pixels and grouped around what is worth keeping;
what a person decided of pairs is respected. Nothing is moved or deleted, and nothing stored but how pictures
look, where the index did not know it.
"""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path

import numpy as np

from lookalike.duplicates.assembling import Assembly
from lookalike.duplicates.comparing import Comparer, Edges
from lookalike.duplicates.decided import Decided, decided
from lookalike.duplicates.enlarged import Told, Tried, find_enlarged, note_of_rest
from lookalike.duplicates.gathering import Contents, gather
from lookalike.duplicates.glancing import gather_looks
from lookalike.duplicates.keepers import KeepRule
from lookalike.duplicates.limits import USUAL, Asked, Wishes, asked_of
from lookalike.duplicates.records import Duplicates
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.store import Store
from lookalike.records import SILENT, Watcher

_ROUNDS = 4  # in which the next largest pictures of groups are looked at


def find_duplicates(index: Index, wishes: Wishes = USUAL, *, watcher: Watcher = SILENT) -> Duplicates:
    """Group the pictures of an index that are one picture, or show the same thing.

    A group is what is kept and all that is within the threshold of that one; each picture is in one group at
    most. Pictures of one colour are in none. Of pairs that somebody decided on, different ones are never in
    one group, and those of which both are to stay are not proposed to go.

    Args:
        wishes: what to find, and what is to stay of it.
        watcher: told of the stages.

    Raises:
        StoreError: the index is damaged, the library is of another model, or no picture lies in that folder.
        ConfigError: `keep`, or a limit, is not understood, or no band is asked for.
    """
    return look_for(index, wishes, watcher=watcher).groups()


def look_for(index: Index, wishes: Wishes = USUAL, *, watcher: Watcher = SILENT) -> Found:
    """Compare the pictures of an index once, to group them as often as decisions on them change.

    Args and raises: as of `find_duplicates`. The index has to stay open.
    """
    rule = KeepRule.parse(wishes.keep)
    rule.check_folders()
    asked = asked_of(index, wishes)
    library = _library(index, wishes.against)
    with index.store.reading():
        contents = gather(index.store, library=library, selection=wishes.selection)
        generation, older = index.store.generation(), index.store.is_of_older_format
    stored = gather_looks(contents, progress=watcher.stage("look at pictures"))
    generation = index.store.generation() if stored and older else generation + stored
    found = Found(contents, asked, rule, among=library is None, generation=generation)
    found.compare(watcher=watcher)
    return found


class Found:
    """What was found alike in an index at one time; its groups follow the decisions that are made later.

    A file is looked for once, and what was measured of pictures is kept: after a decision only those pairs
    are compared that it brings up. Not safe to use from several threads at once.

    Attributes:
        generation: of the index; another one means that its pictures changed since.
    """

    def __init__(
        self, contents: Contents, asked: Asked, rule: KeepRule, *, among: bool, generation: int
    ) -> None:
        self.generation = generation
        self._contents, self._asked = contents, asked
        self._assembly = Assembly(contents, Decided(), rule, asked, among=among)
        self._comparer = Comparer(contents, asked, rank=self._assembly.rank, among=among)
        self._edges = Edges((), (), complete=True)
        self._decided: Decided | None = None
        self._tried: Tried = set()
        self._told: Told = {}

    @property
    def compared(self) -> int:
        """How many pairs of pictures were laid over each other so far."""
        return self._comparer.measured.times

    def compare(self, *, watcher: Watcher = SILENT) -> None:
        """Take in what is decided by now."""
        decisions = decided(self._contents)
        if decisions != self._decided:
            self._assembly.forget_enlarged()  # what shows as much may be something else by now
            self._tried.clear()
            self._edges = self._comparer.compare(decisions, watcher=watcher)
            self._assembly.decisions = self._decided = decisions
            self._look_for_enlarged(decisions, watcher)

    def _look_for_enlarged(self, decisions: Decided, watcher: Watcher) -> None:
        """Take in which pictures that would stay were enlarged; others of their groups represent then."""
        tell = watcher.stage("look for enlarged pictures")
        for _ in range(_ROUNDS):
            groups = self._assembly.groups(self._edges.edges)
            shown = find_enlarged(groups, self._tried, told=self._told, progress=tell)
            if not shown:
                break
            self._assembly.note_enlarged(shown)
            self._edges = self._comparer.compare(decisions, watcher=watcher)

    def groups(self) -> Duplicates:
        """All groups, as decisions stand now; what `find_duplicates` would find."""
        self.compare()
        contents = self._contents
        groups = self._assembly.groups(self._edges.edges)
        blank = np.flatnonzero(contents.blank).tolist()
        skipped = contents.skipped | {entry.path: entry for entry in self._edges.skipped}
        every = sum(contents.items(row) for row in range(len(contents)))
        return Duplicates(
            groups=tuple(groups),
            blank=tuple(member for row in blank for member in contents.members(row)),
            compared=every - sum(map(contents.items, blank)),
            skipped=tuple(skipped[path] for path in sorted(skipped)),
            limits=self._asked.limits,
            notes=self._asked.notes + note_of_rest(groups, self._tried),
            complete=self._edges.complete,
        )


def check_looked_at(found: Duplicates, index: Path) -> None:
    """Refuse to say that nothing is there twice where most of the pictures could not be looked at.

    Raises:
        StoreError: nothing was found, and most files are missing or cannot be opened.
    """
    if found.is_blind:
        reasons = Counter(entry.reason for entry in found.unopened)
        raise StoreError(
            "most of the pictures cannot be opened, so nothing can be said of them",
            where=index,
            saw=f"{', '.join(f'{count:,} {why}' for why, count in reasons.items())} of {found.compared:,}",
            do="mount their disk; or, if they moved, this finds them again: "
            f"lookalike index {shlex.quote(str(index))} FOLDER",
        )


def _library(index: Index, against: Index | Path | None) -> Store | Path | None:
    if not isinstance(against, Index):
        return against
    if against.store.meta()["fingerprint"] == index.store.meta()["fingerprint"]:
        return against.store
    info = against.info()
    raise StoreError(
        "two indexes of different models cannot be compared",
        where=against.path,
        saw=f"model {info.model}, fingerprint {info.fingerprint[:12]}",
        wanted=f"fingerprint {index.info().fingerprint[:12]}, as of {index.path}",
        do="make one of them again by the model of the other: lookalike index NEW.idx DATA --model FOLDER",
    )
