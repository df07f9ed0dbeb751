"""Work for a client that may go away: it is given up when nobody waits for its answer any more.

A request whose body was read, and what answers it, enter; the answer leaves. What runs in a thread already
runs to its end; what still waits is not begun.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request
from starlette.requests import ClientDisconnect

A = TypeVar("A")


async def while_asked(request: Request, work: Coroutine[Any, Any, A]) -> A:
    """The answer of some work.

    Raises:
        ClientDisconnect: the client went away before.
    """
    answer = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            raise ClientDisconnect
        return answer.result()
    finally:
        gone.cancel()
        answer.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
