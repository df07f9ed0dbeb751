"""Questions are answered together, each its own, the first first; one that fails fails alone."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lookalike.serving.batching import Line
from lookalike.serving.problems import Problem

SECONDS = 20.0


class Slow:
    """Answers a number with its square, when it is let; remembers what came together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, numbers: list[int]) -> list[int | Exception]:
        self.batches.append(numbers)
        self.begun.set()
        assert self.go_on.wait(SECONDS)
        if 13 in numbers:
            raise ValueError(f"no luck with {len(numbers)}")
        return [KeyError(number) if number < 0 else number**2 for number in numbers]


@contextmanager
def line(slow: Slow, **options: Any) -> Iterator[Line[int, int]]:
    made: Line[int, int] = Line(slow, **options)
    try:
        yield made
    finally:
        slow.go_on.set()
        made.close()


def during(slow: Slow, made: Line[int, int], then: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """Run while the first question, 0, is being answered."""

    async def run() -> Any:
        first = made.ask(0)
        await asyncio.to_thread(slow.begun.wait, SECONDS)
        try:
            return await then()
        finally:
            slow.go_on.set()
            assert await first == 0

    return asyncio.run(run())


def test_what_waits_is_answered_together_in_its_order() -> None:
    slow, told, waited = Slow(), list[int](), list[int]()
    with line(slow, most=4, batch=told.append, waiting=waited.append) as made:

        async def ask() -> list[int]:
            futures = [made.ask(number) for number in range(1, 7)]
            slow.go_on.set()
            return await asyncio.gather(*futures)

        assert during(slow, made, ask) == [1, 4, 9, 16, 25, 36]
    assert slow.batches == [[0], [1, 2, 3, 4], [5, 6]]
    assert told == [1, 4, 2]
    assert max(waited) == 6
    assert waited[-1] == 0


def test_kinds_are_not_mixed_and_the_first_comes_first() -> None:
    slow = Slow()
    with line(slow, kind=lambda number: number % 2) as made:

        async def ask() -> list[int]:
            futures = [made.ask(number) for number in (1, 2, 3, 4, 5)]
            slow.go_on.set()
            return await asyncio.gather(*futures)

        assert during(slow, made, ask) == [1, 4, 9, 16, 25]
    assert slow.batches == [[0], [1, 3, 5], [2, 4]]


def test_an_exception_is_for_who_asked() -> None:
    slow = Slow()
    with line(slow) as made:

        async def ask() -> list[Any]:
            futures = [made.ask(number) for number in (2, 13, -1, 3)]
            slow.go_on.set()
            return await asyncio.gather(*futures, return_exceptions=True)

        two, unlucky, negative, three = during(slow, made, ask)
    assert (two, three) == (4, 9)
    assert str(unlucky) == "no luck with 1"
    assert isinstance(negative, KeyError)
    assert slow.batches == [[0], [2, 13, -1, 3], [2], [13], [-1], [3]]


def test_who_went_away_is_not_answered() -> None:
    slow = Slow()
    with line(slow) as made:

        async def ask() -> int:
            futures = [made.ask(number) for number in (5, 6, 7)]
            futures[1].cancel()
            slow.go_on.set()
            await futures[0]
            return await futures[2]

        assert during(slow, made, ask) == 49
    assert slow.batches == [[0], [5, 7]]


def test_who_goes_away_while_being_answered_harms_nobody() -> None:
    slow = Slow()

    async def ask(made: Line[int, int]) -> int:
        first = made.ask(3)
        await asyncio.to_thread(slow.begun.wait, SECONDS)
        first.cancel()
        slow.go_on.set()
        return await made.ask(4)

    with line(slow) as made:
        assert asyncio.run(ask(made)) == 16


def test_too_many_are_asked_to_come_again() -> None:
    slow = Slow()
    with line(slow, most_waiting=2) as made:

        async def ask() -> Problem:
            futures = [made.ask(1), made.ask(2)]
            with pytest.raises(Problem) as problem:
                made.ask(3)
            slow.go_on.set()
            await asyncio.gather(*futures)
            return problem.value

        problem = during(slow, made, ask)
    assert (problem.status_code, problem.code) == (503, "busy")
    assert problem.headers == {"Retry-After": "1"}
    assert "Too many questions wait" in problem.message


def test_threads_share_what_waits() -> None:
    slow = Slow()
    with line(slow, threads=2, most=8) as made:

        async def ask() -> None:
            slow.begun.clear()
            second = made.ask(100)
            await asyncio.to_thread(slow.begun.wait, SECONDS)
            futures = [made.ask(number) for number in range(1, 7)]
            slow.go_on.set()
            await asyncio.gather(second, *futures)

        during(slow, made, ask)
    assert slow.batches[2] == [1, 2, 3]
    assert sorted(number for batch in slow.batches for number in batch) == [0, 1, 2, 3, 4, 5, 6, 100]


def test_closing_answers_what_is_begun_and_tells_the_others() -> None:
    slow = Slow()
    made: Line[int, int] = Line(slow)

    async def ask() -> tuple[int, BaseException]:
        begun = made.ask(3)
        await asyncio.to_thread(slow.begun.wait, SECONDS)
        waits = made.ask(4)
        closing = asyncio.create_task(asyncio.to_thread(made.close))
        with pytest.raises(Problem) as problem:
            await waits
        slow.go_on.set()
        await closing
        with pytest.raises(Problem):
            made.ask(5)
        return await begun, problem.value

    answer, problem = asyncio.run(ask())
    assert answer == 9
    assert isinstance(problem, Problem)
    assert (problem.status_code, problem.code) == (503, "stopping")
    assert slow.batches == [[3]]


def test_an_answer_to_a_loop_that_is_gone_is_dropped() -> None:
    slow = Slow()

    async def ask(made: Line[int, int]) -> None:
        made.ask(3)
        await asyncio.to_thread(slow.begun.wait, SECONDS)

    async def again(made: Line[int, int]) -> int:
        return await made.ask(4)

    with line(slow) as made:
        asyncio.run(ask(made))
        slow.go_on.set()
        assert asyncio.run(again(made)) == 16
