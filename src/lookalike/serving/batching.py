"""Questions that wait are answered together: coroutines ask, threads take all that waits of one kind.

A function that answers several questions at once enters; a line to stand in leaves. Who came first is
answered first; nobody waits for company. A question that fails alone fails for its asker only, and one whose
asker went away is not answered. What the questions are is not known here.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from lookalike.serving.problems import Problem

MOST_WAITING = 512  # questions; who comes then is asked to come again
COME_AGAIN_SECONDS = 1

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True, eq=False)
class _Place(Generic[Q, A]):
    """A question that waits, and where its answer is waited for."""

    question: Q
    kind: Hashable
    future: asyncio.Future[A]
    loop: asyncio.AbstractEventLoop


class Line(Generic[Q, A]):
    """Where questions wait, and the threads that answer them; used from one or more event loops.

    Args:
        answer: gives an answer for each of several questions of one kind, or the exception that is to be
            raised for it; what it raises itself has each question answered alone.
        kind: of a question; equal ones may be answered together. None: all may.
        threads: that answer.
        most: questions that are answered at once.
        waiting: told how many wait, whenever that changes; batch: told how many are answered at once.
        most_waiting: questions that may wait.
    """

    def __init__(
        self,
        answer: Callable[[list[Q]], Sequence[A | Exception]],
        *,
        kind: Callable[[Q], Hashable] = lambda _: None,
        threads: int = 1,
        most: int = 64,
        waiting: Callable[[int], None] = lambda _: None,
        batch: Callable[[int], None] = lambda _: None,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._answer, self._kind, self._most, self._most_waiting = answer, kind, most, most_waiting
        self._tell_waiting, self._tell_batch = waiting, batch
        self._places: deque[_Place[Q, A]] = deque()
        self._changed = threading.Condition()
        self._is_closed = False
        self._threads = [
            threading.Thread(target=self._run, name="lookalike-answers", daemon=True) for _ in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def ask(self, question: Q) -> asyncio.Future[A]:
        """Stand in line; the answer is awaited.

        Raises:
            Problem: too many wait already, or the line was closed.
        """
        loop = asyncio.get_running_loop()
        place = _Place(question, self._kind(question), loop.create_future(), loop)
        with self._changed:
            if self._is_closed:
                raise _stops()
            if len(self._places) >= self._most_waiting:
                raise _full()
            self._places.append(place)
            self._changed.notify()
            self._tell_waiting(len(self._places))
        return place.future

    def close(self) -> None:
        """Finish what is being answered; whoever still waits is told that the server stops."""
        with self._changed:
            self._is_closed = True
            left = list(self._places)
            self._places.clear()
            self._changed.notify_all()
        _deliver([(place, _stops()) for place in left])
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._tell_batch(len(batch))
            answers = self._answers([place.question for place in batch])
            _deliver(list(zip(batch, answers, strict=True)))

    def _take(self) -> list[_Place[Q, A]]:
        """The next few of one kind, the first that came among them; none once the line is closed."""
        with self._changed:
            while True:
                self._changed.wait_for(lambda: self._places or self._is_closed)
                alive = [place for place in self._places if not place.future.cancelled()]
                share = -(-len(alive) // len(self._threads))  # the other threads take theirs
                most = min(self._most, share)
                taken = [place for place in alive if place.kind == alive[0].kind][:most]
                chosen = set(map(id, taken))
                self._places = deque(place for place in alive if id(place) not in chosen)
                self._tell_waiting(len(self._places))
                if taken or self._is_closed:
                    return taken

    def _answers(self, questions: list[Q]) -> Sequence[A | Exception]:
        try:
            return self._answer(questions)
        except Exception as error:  # noqa: BLE001 - it belongs to who asked, not to this thread
            if len(questions) == 1:
                return [error]
            return [self._answers([question])[0] for question in questions]


def _deliver(answered: Sequence[tuple[_Place[Q, A], A | Exception]]) -> None:
    """Hand answers over: one call for all that wait in one loop."""
    for loop in {place.loop for place, _ in answered}:
        own = [(place, answer) for place, answer in answered if place.loop is loop]
        with suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, own)


def _settle(answered: Sequence[tuple[_Place[Q, A], A | Exception]]) -> None:
    for place, answer in answered:
        if place.future.done():  # the asker went away
            continue
        if isinstance(answer, Exception):
            place.future.set_exception(answer)
        else:
            place.future.set_result(answer)


def _full() -> Problem:
    return Problem(
        503,
        "busy",
        "Too many questions wait already.",
        "Ask again in a second, or ask fewer at once.",
        headers={"Retry-After": str(COME_AGAIN_SECONDS)},
    )


def _stops() -> Problem:
    return Problem(503, "stopping", "The server stops.", "Ask again when it is up.")
