"""The duplicates of an index, found in the background and grouped anew with every decision.

An index enters; pages of groups leave, and what was decided of pairs. What was compared once is kept, so that
a decision shows at once. No file is moved, and nothing is judged here: bands, groups and reasons are those of
`lookalike duplicates`.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import PurePath
from typing import Literal

from lookalike.duplicates.finding import Found, check_looked_at, look_for
from lookalike.duplicates.records import Band, Duplicates, Group
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Decision, Verdict
from lookalike.records import Watcher
from lookalike.serving.background import Background, Course
from lookalike.serving.own_connection import own_connection
from lookalike.serving.problems import Problem

State = Literal["working", "ready", "failed"]

NOTHING = Duplicates((), (), 0, (), ())


@dataclass(frozen=True)
class Page:
    """Some of the groups, and how the finding goes.

    Attributes:
        found: all that was found, or nothing where there is nothing yet.
        groups: the page's, each with a key that stays the same while its picture to keep does.
        total: how many groups there are of this kind.
        start: how many of them come before the page.
        place: of the group that was looked for, among all of them; None: there is none.
        is_stale: whether the pictures of the index changed since these groups were found.
        error: why there are none, where the finding failed.
    """

    state: State
    course: Course
    found: Duplicates
    groups: Sequence[tuple[str, Group]]
    total: int
    start: int
    place: int | None
    is_stale: bool
    error: Exception | None


@dataclass
class _Reviewed:
    """One finding: its own open index, what was found, and the groups as decisions stood."""

    index: Index
    found: Found
    duplicates: Duplicates
    decisions: list[Decision]
    places: dict[str, int] = field(default_factory=dict)  # of keys, as they were met

    def ordered(self) -> list[tuple[str, Group]]:
        """All groups; one that was there before stays where it was, whatever was decided since."""
        groups = {_key(group): group for group in self.duplicates.groups}
        numbers = count(len(self.places))
        self.places |= {key: next(numbers) for key in groups if key not in self.places}
        return [(key, groups[key]) for key in sorted(groups, key=self.places.__getitem__)]


class Review:
    """The duplicates of an index; safe to use from several threads.

    Finding begins with the first page that is asked for, on an own connection, so that nobody waits for it.
    """

    def __init__(self, index: Index) -> None:
        self._index = index
        self._work: Background[_Reviewed] = Background("find duplicates")
        self._lock = threading.Lock()
        self._shown: _Reviewed | None = None  # what pages are of

    def page(
        self,
        *,
        band: Band | None,
        skip: int,
        limit: int,
        settled: bool,
        key: str = "",
        undecided: bool = False,
    ) -> Page:
        """Some of the groups; begins to find them where nobody has.

        Args:
            band: of the groups; None: all.
            settled: whether groups of which nothing would go are listed too.
            key: of a group that is looked for: the page that it is on is shown.
            undecided: whether, without such a group, the first one is looked for that is not decided on.
        """
        with self._lock:
            if self._work.made is None and self._work.error is None:
                self._work.start(self._find)
            working, course, error = self._work.is_working, self._work.course, self._work.error
            shown = self._brought_up()
            if shown is None:
                state: State = "failed" if error and not working else "working"
                return Page(state, course, NOTHING, (), 0, skip, None, is_stale=False, error=error)
            wanted = [
                (key, group)
                for key, group in shown.ordered()
                if (band is None or group.band is band) and (settled or not group.is_settled)
            ]
            state = "working" if working else "failed" if error else "ready"
            stale = shown.found.generation != self._index.store.generation()
            place = _place(wanted, key, undecided=undecided)
            start = skip if place is None else place - place % limit
            groups = wanted[start : start + limit]
            total = len(wanted)
            return Page(state, course, shown.duplicates, groups, total, start, place, stale, error)

    def refresh(self) -> None:
        """Find anew, unless that is under way; the groups of before can be read meanwhile."""
        self._work.start(self._find)

    def decide(self, a: int, b: int, verdict: Verdict | None, *, made: str) -> Verdict | None:
        """Keep what somebody decided on two items, or forget it.

        Args:
            verdict: None: nothing is decided of them any more.
            made: when, ISO 8601.

        Returns:
            What had been decided of the two before.

        Raises:
            Problem: there is no such item, or these two cannot be decided on.
            StoreError: another process writes, or nothing can be written.
        """
        store = self._index.store
        first, second = self._contents(a, b, verdict)
        decision = Decision.of(first, second, verdict or "same", made=made)
        older, generation = store.is_of_older_format, store.generation()
        with store.writing() as writer:
            pair = decision.first, decision.second
            known = {(entry.first, entry.second): entry.verdict for entry in store.decisions()}
            if verdict is None:
                writer.forget_decisions([pair])
            else:
                writer.decide([decision])
        if older:
            self._follow(generation)
        return known.get(pair)

    def decisions(
        self, *, skip: int, limit: int, pair: tuple[int, int] | None = None
    ) -> tuple[list[Decision], int]:
        """Some of what was decided, the latest first; and how much there is.

        Args:
            pair: ids of two items that it is about; None: of all.

        Raises:
            Problem: there is no such item, or both are one.
        """
        every = self._index.store.decisions()
        if pair is not None:
            wanted = set(self._contents(*pair, None))
            every = [entry for entry in every if {entry.first, entry.second} == wanted]
        every.sort(key=lambda entry: entry.made, reverse=True)
        return every[skip : skip + limit], len(every)

    def ids_of(self, decisions: Sequence[Decision]) -> dict[bytes, int]:
        """An item of each content that these decisions name, where there is one."""
        digests = {digest for entry in decisions for digest in (entry.first, entry.second)}
        found = {digest: self._index.store.ids_of(digest) for digest in digests}
        return {digest: ids[0] for digest, ids in found.items() if ids}

    def wait(self, seconds: float | None = None) -> None:
        """Wait for a finding that is under way."""
        self._work.wait(seconds)

    def end(self) -> None:
        """Have what is under way end soon; nothing is begun any more."""
        self._work.end()

    def close(self) -> None:
        """The same, wait for it, and let go of the index."""
        self._work.close()
        with self._lock:
            for each in {id(each): each for each in (self._shown, self._work.made) if each}.values():
                each.index.close()
            self._shown = self._work.made = None

    def _find(self, watcher: Watcher) -> _Reviewed:
        index = own_connection(self._index)
        try:
            decisions = index.store.decisions()
            found = look_for(index, watcher=watcher)
            groups = found.groups()
            check_looked_at(groups, index.path)
            return _Reviewed(index, found, groups, decisions)
        except BaseException:
            index.close()
            raise

    def _follow(self, generation: int) -> None:
        """Writing brought the file to a newer format, which is no change of its pictures."""
        with self._lock:
            made = self._work.made
            if made is not None and made.found.generation == generation:
                made.found.generation = self._index.store.generation()

    def _brought_up(self) -> _Reviewed | None:
        """What was found last, grouped as decisions stand now."""
        made = self._work.made
        if made is not self._shown:
            if self._shown is not None:
                self._shown.index.close()
            self._shown = made
        if made is None:
            return None
        decisions = self._index.store.decisions()
        if decisions != made.decisions:
            made.ordered()  # where groups were before they change
            made.duplicates, made.decisions = made.found.groups(), decisions
        return made

    def _contents(self, a: int, b: int, verdict: Verdict | None) -> tuple[bytes, bytes]:
        known = self._index.store.contents([a, b])
        for number in (a, b):
            if number not in known:
                hint = "Look the groups up again: the picture was taken out of the index."
                raise Problem(404, "no_such_item", f"There is no item {number}.", hint)
        if a == b:
            raise Problem(422, "one_picture", f"Both are item {a}.", "Name two different items.")
        if known[a] == known[b] and verdict == "different":
            raise Problem(
                422,
                "equal_bytes",
                "The two pictures are equal byte for byte, so they cannot be called different.",
                'To keep both copies, send the verdict "keep-both".',
            )
        return known[a], known[b]


def _place(groups: Sequence[tuple[str, Group]], key: str, *, undecided: bool) -> int | None:
    found = (place for place, (name, _) in enumerate(groups) if name == key)
    is_open = (place for place, (_, group) in enumerate(groups) if undecided and not _is_decided(group))
    return next(found, next(is_open, None))


def _is_decided(group: Group) -> bool:
    return all(entry.verdict for entry in group.evidence)


def _key(group: Group) -> str:
    return str(group.members[group.representative].id)


def renamed(group: Group, names: Mapping[int, str]) -> Group:
    """A group whose members go by their public names, so that no reason names a place of this machine.

    Args:
        names: of items by id; what is gone from the index since goes by the name of its file.
    """
    return replace(
        group,
        members=tuple(
            replace(member, path=names.get(member.id, PurePath(member.path).name)) for member in group.members
        ),
    )
