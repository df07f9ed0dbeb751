"""What is made late does not keep the taker from working."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lookalike.indexing.punctual import punctual


def test_items_come_in_order_and_none_between_where_patience_ends() -> None:
    may_go_on = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        may_go_on.wait(10)
        yield 2

    seen: list[int | None] = []
    for item in punctual(slow(), patience=lambda: 0.01):
        seen.append(item)
        if seen[-2:] == [1, None]:
            may_go_on.set()
    assert [item for item in seen if item is not None] == [1, 2]
    assert seen.index(None) == 1


def test_endless_patience_sees_items_alone() -> None:
    assert list(punctual(iter(range(5)), patience=lambda: None)) == [0, 1, 2, 3, 4]
    assert list(punctual(iter(()), patience=lambda: None)) == []


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_what_goes_wrong_while_making_is_raised_where_it_is_taken(error: BaseException) -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise error

    items = punctual(fails(), patience=lambda: None)
    assert next(items) == 1
    with pytest.raises(type(error)):
        next(items)


def test_leaving_early_ends_the_maker() -> None:
    closed: list[int] = []

    def endless() -> Iterator[int]:
        number = 0
        try:
            while True:
                number += 1
                yield number
        finally:
            closed.append(number)

    before = threading.active_count()
    items = punctual(endless(), patience=lambda: None)
    assert next(items) == 1
    items.close()
    assert len(closed) == 1
    assert closed[0] <= 4  # a few were made ahead, no more
    assert threading.active_count() == before
