"""Work for a client that may go away: it is given up when nobody waits for its answer any more.

A request whose body was read, and what answers it, enter; the answer leaves. What runs in a thread already
runs to its end; what still waits is not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar, cast

from fastapi import Request
from starlette.requests import ClientDisconnect

A = TypeVar("A")


async def while_asked(request: Request, work: Coroutine[Any, Any, A]) -> A:
    """The answer of some work.

    Raises:
        ClientDisconnect: the client went away before.
    """
    asking = cast("asyncio.Task[Any]", asyncio.current_task())  # a request is answered in one of its own
    watch = _Watch(request, asking)
    watching = asyncio.ensure_future(watch.wait())
    try:
        return await work
    except asyncio.CancelledError:
        if watch.is_gone and not asking.uncancel():  # nobody else wants it to end
            raise ClientDisconnect from None
        raise
    finally:
        watching.cancel()


async def in_one_of(threads: Executor, work: Callable[..., A], *values: object) -> A:
    """The answer of blocking work, which holds its thread until it ends, even if the client went away."""
    return await asyncio.get_running_loop().run_in_executor(threads, partial(work, *values))


class _Watch:
    """Ends a task when the client of a request goes away."""

    def __init__(self, request: Request, asking: asyncio.Task[Any]) -> None:
        self.is_gone = False
        self._request, self._asking = request, asking

    async def wait(self) -> None:
        while (await self._request.receive())["type"] != "http.disconnect":
            pass
        self.is_gone = True
        self._asking.cancel()
