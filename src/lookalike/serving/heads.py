"""The reading of HTTP, limited in bytes and time: who only begins to ask, or does not read, does not stay.

Bytes from a socket enter; what the web server makes of them leaves. A body is limited where it is read; here
is counted what stands around it, and thrown away what comes of it after the answer.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lookalike.serving.problems import Problem

HEAD_BYTES = 65_536  # of the first line and the headers; and of what stands around a body, trailers with it
AROUND_PIECE = 128  # bytes around a piece of a body that nobody minds: its length, and what is said of it
WRITE_SECONDS = 30.0  # that a client may take to read what was sent, and one more for every ...
SLOWEST = 10_000  # bytes
LAST_SECONDS = 1.0  # that a connection without a request has when the server stops: one may be under way
CONNECTIONS = 1000  # that one process holds
HEAD_SECONDS = 20.0  # from the connection, or the first byte of a further request, to the end of the headers
REST_BYTES = 200_000_000  # that are thrown away after an answer: many read it only when all of theirs is sent
REST_SECONDS = 10.0  # that these may take, and one more for every ...
REST_SLOWEST = 100_000  # bytes
_HEAD = (
    "HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
    "connection: close\r\n"
)


class LimitedHeads(HttpToolsProtocol):
    """The web server's reading of HTTP, which by itself waits for the end of a request however long it is."""

    _in_head = True
    _beside = 0  # bytes of this head, or around this body
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _rest_timer: asyncio.TimerHandle | None = None  # runs while what comes is thrown away
    _rest_begun, _rest_bytes = 0.0, 0
    _is_last = False  # whether the request that comes is the last of this connection
    _is_over = False  # whether nothing is said on this connection any more

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._way = _Way(transport, self)
        transport.set_write_buffer_limits(0)  # so that it is told of every byte that nobody reads
        self._wait()
        if len(self.connections) > CONNECTIONS:
            hint = "Ask again in some seconds, and keep fewer connections open."
            self._tell("503 Service Unavailable", Problem(503, "busy", "Too many are connected.", hint))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_more()
        self._stop_writing_timer()
        self._stop_rest_timer()
        super().connection_lost(exc)

    def eof_received(self) -> None:
        """Say nothing more: the connection closes now, and some moments later it is known to be lost."""
        self._way.shut()

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        allowed = WRITE_SECONDS + self.transport.get_write_buffer_size() / SLOWEST
        self._stop_writing_timer()
        self._write_timer = self.loop.call_later(allowed, self.transport.abort)

    def resume_writing(self) -> None:
        """All was read."""
        self._stop_writing_timer()
        super().resume_writing()

    def shutdown(self) -> None:
        """End when what was asked is answered; who has not asked, or not again, has a moment to."""
        self._is_last = True
        if self.cycle is None or self.cycle.response_complete:
            self.loop.call_later(LAST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse them where a head, or what stands around a body, has no end."""
        if self._rest_timer is not None and self._is_thrown_away(data):
            return
        if self._beside > HEAD_BYTES:
            self._refuse(_endless(in_head=self._in_head))
            return
        self._beside += len(data)
        if self._in_head and self._head_timer is None:
            self._wait()
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._refuse(_no_http(error))
        except httptools.HttpParserUpgrade:
            pass  # it is answered as if nothing else than HTTP were asked for

    def on_headers_complete(self) -> None:
        """Note the end of a head."""
        super().on_headers_complete()
        self._in_head, self._beside = False, 0
        self._wait_no_more()
        self.headers = []  # what is still to come are trailers, which nobody reads
        self.cycle.transport = cast("asyncio.Transport", self._way)
        if self._is_last:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Take what is a body out of what was counted."""
        left = self._beside - len(body) - AROUND_PIECE
        self._beside = left if left > 0 else 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note the end of a request: another head may follow."""
        self._in_head, self._beside = True, 0
        if self._rest_timer is not None:
            self._stop_rest_timer()
            self._wait()  # the answer was out before, and nothing else waits any more
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Go on, unless this was the last answer; throw away what comes of a body that was not waited for."""
        super().on_response_complete()
        if self._is_over:
            self._unset_keepalive_if_required()
        elif self.cycle.response_complete and self.cycle.more_body:
            self._throw_away()

    def end(self) -> None:
        """Say nothing more; read on where the client still sends, which else might lose what it was told."""
        if self._in_head and not self.pipeline:
            self.transport.close()
        else:
            self._hear_out()

    def _hear_out(self) -> None:
        self._is_over = True
        self._way.shut()
        self._wait_no_more()
        self.pipeline.clear()
        if not self.transport.is_closing():
            self.transport.write_eof()
            self.flow.resume_reading()
            self._throw_away()

    def _refuse(self, problem: Problem) -> None:
        """Answer what is no request in the form of all errors, if there still is something to answer."""
        if self._is_waited_for():
            self._tell("400 Bad Request", problem)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # who answers is told that nobody is there any more
            self.cycle.message_event.set()
        self._hear_out()

    def _is_waited_for(self) -> bool:
        """Whether the next that the client reads is the answer to what it sends now."""
        if self.cycle is None or self.cycle.response_complete:
            return self._in_head
        return not (self.cycle.response_started or self.pipeline)

    def _tell(self, status: str, problem: Problem) -> None:
        body = json.dumps(problem.body()).encode("ascii")
        head = f"{_HEAD % status}content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode("ascii") + body)

    def _throw_away(self) -> None:
        if self._rest_timer is None:
            self._rest_begun, self._rest_bytes = self.loop.time(), 0
            self._rest_timer = self.loop.call_later(REST_SECONDS, self._see_rest)

    def _is_thrown_away(self, data: bytes) -> bool:
        """Count bytes that come after an answer; whether nobody has to look for their end either."""
        self._rest_bytes += len(data)
        if self._rest_bytes > REST_BYTES:
            self.transport.close()
            return True
        return self._is_over

    def _see_rest(self) -> None:
        allowed = REST_SECONDS + self._rest_bytes / REST_SLOWEST
        left = self._rest_begun + allowed - self.loop.time()
        if left > 0:
            self._rest_timer = self.loop.call_later(left, self._see_rest)
        else:
            self.transport.close()

    def _wait(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _wait_no_more(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_writing_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _stop_rest_timer(self) -> None:
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None

    def _give_up(self) -> None:
        self.transport.close()


class _Way:
    """What an answer sees of its connection, which ends as the connection wants, not as the answer does."""

    def __init__(self, transport: asyncio.Transport, connection: LimitedHeads) -> None:
        self.write: Callable[[bytes], None] = transport.write
        self.is_closing: Callable[[], bool] = transport.is_closing
        self.close: Callable[[], None] = connection.end

    def shut(self) -> None:
        """Let nothing through any more."""
        self.write, self.is_closing, self.close = _ignore, _yes, _nothing


def _ignore(_: bytes) -> None: ...


def _yes() -> bool:
    return True


def _nothing() -> None: ...


def _endless(*, in_head: bool) -> Problem:
    if in_head:
        said, hint = "The head of the request has", "Send a shorter address and fewer headers."
    else:
        said, hint = "Trailers and chunk extensions have", "Send the body without them, or in larger chunks."
    return Problem(400, "no_http", f"{said} more than {HEAD_BYTES:,} bytes.", hint)


def _no_http(error: httptools.HttpParserError) -> Problem:
    """What is wrong with something that is no request."""
    if isinstance(error, httptools.HttpParserInvalidMethodError):
        said, hint = "there is no such method", "Send GET, POST, PUT or DELETE; and by http, not by https."
    elif isinstance(error, httptools.HttpParserCallbackError | httptools.HttpParserInvalidURLError):
        said, hint = "the address cannot be read", "Send a path, with %XX for all but plain characters."
    else:
        said, hint = str(error), "Send it as RFC 9112 (HTTP/1.1) has it."
    return Problem(400, "no_http", f"This is no HTTP request: {said}.", hint)
