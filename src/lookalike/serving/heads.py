"""Heads of requests, limited in bytes and time: who only begins to ask, or does not read, does not stay.

Bytes from a socket enter; what the web server makes of them leaves. Bodies are limited where they are read.
"""

from __future__ import annotations

import asyncio
import json

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lookalike.serving.problems import Problem

HEAD_BYTES = 65_536  # of the first line and the headers
WRITE_SECONDS = 30.0  # that a client may take to read what was sent, and one more for every ...
SLOWEST = 10_000  # bytes
LAST_SECONDS = 1.0  # that a connection without a request has when the server stops: one may be under way
CONNECTIONS = 1000  # that one process holds
HEAD_SECONDS = 20.0  # from the connection, or the first byte of a further request, to the end of the headers
_HEAD = (
    "HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-content-type-options: nosniff\r\n"
    "connection: close\r\n"
)


class LimitedHeads(HttpToolsProtocol):
    """The web server's reading of HTTP, which by itself waits for the end of a head however long it is."""

    _in_head = True
    _head_bytes = 0
    _head_timer: asyncio.TimerHandle | None = None
    _write_timer: asyncio.TimerHandle | None = None
    _is_last = False  # whether the request that comes is the last of this connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(0)  # so that it is told of every byte that nobody reads
        self._wait()
        if len(self.connections) > CONNECTIONS:
            hint = "Ask again in some seconds, and keep fewer connections open."
            self._refuse("503 Service Unavailable", Problem(503, "busy", "Too many are connected.", hint))

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no longer."""
        self._wait_no_more()
        self._stop_writing_timer()
        super().connection_lost(exc)

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
        """End when what was asked is answered; who has not asked yet has a moment to."""
        self._is_last = True
        if self.cycle is None:
            self.loop.call_later(LAST_SECONDS, super().shutdown)
        else:
            super().shutdown()

    def data_received(self, data: bytes) -> None:
        """Take bytes; refuse them where the head has no end."""
        if self._in_head:
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response(f"The head of the request has more than {HEAD_BYTES:,} bytes.")
                return
            self._head_bytes += len(data)
            if self._head_timer is None:
                self._wait()
        super().data_received(data)

    def on_headers_complete(self) -> None:
        """Note the end of a head."""
        self._in_head, self._head_bytes = False, 0
        self._wait_no_more()
        super().on_headers_complete()
        if self._is_last and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note the end of a request: another head may follow."""
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no request in the form of all errors, and close."""
        problem = Problem(400, "no_http", msg, "Send a shorter address and fewer headers, as HTTP/1.1.")
        self._refuse("400 Bad Request", problem)

    def _refuse(self, status: str, problem: Problem) -> None:
        body = json.dumps(problem.body()).encode("ascii")
        head = f"{_HEAD % status}content-length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode("ascii") + body)
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

    def _give_up(self) -> None:
        self.transport.close()
