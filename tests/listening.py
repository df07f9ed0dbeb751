"""A watcher for tests: it keeps what it is told."""

from __future__ import annotations

from lookalike.records import Progress


class Listener:
    """Keeps what is said, and of every stage how far it was, each time that it told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.stages: dict[str, list[tuple[int, int]]] = {}

    def say(self, text: str) -> None:
        self.said.append(text)

    def stage(self, name: str) -> Progress:
        return lambda done, total: self.stages.setdefault(name, []).append((done, total))
