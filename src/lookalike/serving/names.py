"""What items and folders are called outside: the folder's last name and the path below it, no server path.

A store enters; names leave, and the folder that a name means. Each name is made from the item's own root and
path, so nothing is kept for the items there are; folders are listed a level at a time. Whether a file is
still there is not looked at.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import StoreError
from lookalike.indexing.browsing import count_inside, located, steps_below
from lookalike.indexing.schema import Root
from lookalike.indexing.selection import is_known
from lookalike.indexing.store import Store, names_below

_KEPT = 200_000  # folders that are remembered
_SHOWN = 6  # names in a message


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by its public name, how many items lie in it, at any depth, and whether it has folders."""

    name: str
    count: int
    folders: bool


class Names:
    """The public names of what an index holds; safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listed: tuple[int, dict[str, tuple[Folder, ...]]] = (-1, {})

    def of(self, ids: Iterable[int]) -> dict[int, str]:
        """The names of the items among `ids` that exist.

        An item outside its root's folder goes by the name of its file.
        """
        with self._store.reading():
            called = _called(self._store.roots())
            return {
                number: _name(called[root], path)
                for number, (root, path) in located(self._store, ids).items()
            }

    def folder(self, text: str) -> Path:
        """The folder that a name means.

        Raises:
            StoreError: no item lies in a folder of this name.
        """
        first, *rest = text.strip("/").split("/")
        with self._store.reading():
            tops = {name: Path(place) for place, name in _places(self._store.roots()).items()}
            if first in tops and not {"", ".", ".."} & {*rest}:
                folder = tops[first].joinpath(*rest)
                if is_known(self._store, folder):
                    return folder
        raise _unknown(text, list(tops))

    def folders(self, below: str = "") -> tuple[Folder, ...]:
        """The folders directly below one, by name; of the empty name the folders that were indexed.

        Raises:
            StoreError: no item lies in a folder of this name.
        """
        below = below.strip("/")
        with self._store.reading():
            generation = self._store.generation()
            if self._listed[0] != generation or sum(map(len, self._listed[1].values())) >= _KEPT:
                self._listed = generation, {}
            listed = self._listed[1]
            if below not in listed:
                listed[below] = self._below(below) if below else self._tops()
            return listed[below]

    def _tops(self) -> tuple[Folder, ...]:
        roots = self._store.roots()
        counts = {
            name: sum(count_inside(self._store, root.id) for root in roots if root.path == place)
            for place, name in _places(roots).items()
        }
        return tuple(
            Folder(name, counts[name], self._has_folders(Path(place)))
            for place, name in _places(roots).items()
            if counts[name]
        )

    def _has_folders(self, place: Path) -> bool:
        return any(any(_steps(self._store, root, place)) for root in self._store.roots())

    def _below(self, below: str) -> tuple[Folder, ...]:
        place, counts, deep = self.folder(below), Counter[str](), set[str]()
        for root in self._store.roots():
            for step, count, has_folders in _steps(self._store, root, place):
                counts[step] += count
                deep |= {step} if has_folders else set()
        return tuple(Folder(f"{below}/{step}", counts[step], step in deep) for step in sorted(counts))


def _places(roots: Iterable[Root]) -> dict[str, str]:
    """What the folder of each root is called, by its path: its last name, numbered where another has it."""
    called: dict[str, str] = {}
    for place in dict.fromkeys(root.path for root in roots):
        plain = name = Path(place).name or "root"
        number = 1
        while name in called.values():
            number += 1
            name = f"{plain} ({number})"
        called[place] = name
    return called


def _called(roots: Iterable[Root]) -> dict[int, str]:
    roots = list(roots)
    places = _places(roots)
    return {root.id: places[root.path] for root in roots}


def _name(top: str, path: str) -> str:
    is_outside = path.startswith(("/", "../"))
    return f"{top}/{posixpath.basename(path) if is_outside else path}"


def _steps(store: Store, root: Root, place: Path) -> Iterator[tuple[str, int, bool]]:
    """The folders directly below a place that hold items of a root, by whatever ways the root names it.

    With each, how many items of the root it holds, and whether they lie in folders of it.
    """
    for name in names_below(root.path, place):
        if {*name.split("/")} == {".."}:  # the root lies below the place
            step, *further = Path(root.path).parts[len(place.parts) :]
            yield step, count_inside(store, root.id), bool(further or steps_below(store, root.id, ""))
        else:
            yield from steps_below(store, root.id, "" if name == "." else f"{name}/")


def _unknown(text: str, tops: Sequence[str]) -> StoreError:
    more = " …" if len(tops) > _SHOWN else ""
    return StoreError(
        "nothing of the index lies in this folder",
        where=text,
        saw=repr(text),
        wanted=", ".join(tops[:_SHOWN]) + more or "no folder: the index is empty",
        do="GET /v1/folders lists the folders, and with below= those in one of them",
    )
