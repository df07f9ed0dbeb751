"""How much a client may ask for: requests a minute, and bytes of a body, counted and timed as they come.

Clients and bodies enter; a problem leaves where a limit is passed. The memory of all this is bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from math import ceil

from starlette.types import Message, Receive

from lookalike.serving.addresses import network_of
from lookalike.serving.problems import Problem, seconds_of

MOST_CLIENTS = 10_000  # remembered at once; the one that has been quiet longest is forgotten
BODY_SECONDS = 20.0  # that a body may take, and one more for every ...
SLOWEST = 10_000  # bytes
BODIES_AT_ONCE = 16  # of the largest size, held by one process
FAILURES_A_MINUTE = 30  # wrong tokens of one client
SEND_LESS = "Send smaller pictures, or fewer of them; lookalike serve --max-bytes sets the limit."
ASK_LESS = (
    "Ask for less at once: no option changes this limit. Send pictures as parts of multipart/form-data."
)


class Rates:
    """How often each client may ask.

    A client can save up a minute's requests; what it takes grows back evenly.
    """

    def __init__(
        self, a_minute: int, *, most: int = MOST_CLIENTS, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._full, self._most, self._now = float(a_minute), most, now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # requests left, when

    def __len__(self) -> int:
        return len(self._left)

    def wait(self, client: str) -> float:
        """Take one request; seconds until there is one where none is left, else 0."""
        now = self._now()
        left, seen = self._left.pop(client, (self._full, now))
        left = min(self._full, left + (now - seen) * self._full / 60)
        taken = left >= 1.0
        self._left[client] = (left - 1.0 if taken else left, now)
        if len(self._left) > self._most:
            self._left.popitem(last=False)
        return 0.0 if taken else (1.0 - left) * 60 / self._full

    def check(self, client: str) -> None:
        """Take one request.

        Raises:
            Problem: 429, none is left.
        """
        self._refuse(self.wait(client))

    def require(self, client: str) -> None:
        """See that one is left, and leave it.

        Raises:
            Problem: 429, none is left.
        """
        left, seen = self._left.get(client, (self._full, self._now()))
        left += (self._now() - seen) * self._full / 60
        self._refuse(max(0.0, 1.0 - left) * 60 / self._full)

    def _refuse(self, seconds: float) -> None:
        if seconds:
            raise Problem(
                429,
                "too_often",
                f"More than {self._full:.0f} requests in a minute came from here.",
                f"Wait {seconds_of(seconds)} and ask less often.",
                headers={"Retry-After": str(ceil(seconds))},
            )


def client_of(address: tuple[str, int] | None) -> str:
    """Who asks, for counting: an address; of IPv6 the network, for one client has many addresses there.

    >>> client_of(("10.0.0.1", 5)), client_of(("2001:db8::1:2", 5)), client_of(None)
    ('10.0.0.1', '2001:db8::/64', '')
    """
    return "" if address is None else network_of(address[0])


class Held:
    """The bytes of bodies that one process holds at a moment."""

    def __init__(self, most: int) -> None:
        self._most, self._bytes = most, 0

    def add(self, count: int) -> None:
        """Hold more.

        Raises:
            Problem: 503, too many are held.
        """
        if self._bytes + count > self._most:
            raise Problem(
                503,
                "busy",
                "Too many uploads are being read at this moment.",
                "Send it again in some seconds.",
                headers={"Retry-After": "2"},
            )
        self._bytes += count

    def release(self, count: int) -> None:
        """Hold less."""
        self._bytes -= count


class Body:
    """A request's body, counted and timed while it is read; its length is never believed.

    Args:
        is_question: whether it is one in JSON, without pictures.
    """

    def __init__(
        self,
        receive: Receive,
        *,
        most: int,
        held: Held,
        is_question: bool = False,
        seconds: float = BODY_SECONDS,
    ) -> None:
        self._receive, self._most, self._held, self._seconds = receive, most, held, seconds
        self._is_question = is_question
        self._begun = time.monotonic()
        self._count, self._whole = 0, False

    async def receive(self) -> Message:
        """The next piece.

        Raises:
            Problem: 408, it comes too slowly; 413, it is too large; 503, too much is held.
        """
        if self._whole:
            return await self._receive()
        message = await self._timely()
        if message["type"] == "http.request":
            self._take(len(message.get("body", b"")))
            self._whole = not message.get("more_body", False)
        return message

    def release(self) -> None:
        """Hold it no longer."""
        self._held.release(self._count)
        self._count = 0

    def _take(self, count: int) -> None:
        if self._count + count > self._most:
            raise too_large(self._most, is_question=self._is_question)
        self._held.add(count)
        self._count += count

    async def _timely(self) -> Message:
        allowed = self._seconds + self._count / SLOWEST
        try:
            async with asyncio.timeout(self._begun + allowed - time.monotonic()):
                return await self._receive()
        except TimeoutError as error:
            raise Problem(
                408,
                "too_slow",
                f"The body was not there after {allowed:.0f} seconds.",
                "Send it faster, or send smaller pictures.",
                headers={"Connection": "close"},
            ) from error


def too_large(most: int, *, is_question: bool) -> Problem:
    """The problem of a body with more bytes than are taken."""
    hint = ASK_LESS if is_question else SEND_LESS
    return Problem(413, "too_large", f"The body has more than {most:,} bytes.", hint)
