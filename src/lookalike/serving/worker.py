"""The process that answers: opens the desk, serves one listening socket, and ends when it is told to.

Settings and a socket enter; the process ends when all requests that were running are answered, or their time
is up. Where there are several such processes another one starts and stops them.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import uvicorn

from lookalike.errors import LookalikeError
from lookalike.serving.application import create_app
from lookalike.serving.desk import Desk
from lookalike.serving.heads import LimitedHeads
from lookalike.serving.observing import LOGGER, start_logging
from lookalike.serving.settings import Settings

GRACE_SECONDS = 30  # that running requests have when the server is to stop
PROXIES = "127.0.0.1,::1"  # whose word for who asks is taken
SETTINGS, SOCKET, REPORT = "LOOKALIKE_SERVE", "LOOKALIKE_SERVE_SOCKET", "LOOKALIKE_SERVE_REPORT"
FAILED = 2

_log = logging.getLogger(LOGGER)


class Server(uvicorn.Server):
    """A server that says when it is ready, and for which being told to stop is no failure."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets)
        if self.started:
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take what waits to be taken, then listen no more, and end when all of it is answered."""
        for listening in sockets or []:
            await self._take_waiting(listening)
        await super().shutdown(sockets)

    async def _take_waiting(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with suppress(OSError):  # nobody waits any more
            while True:
                taken, _ = listening.accept()
                await loop.connect_accepted_socket(self._protocol, taken)

    def _protocol(self) -> LimitedHeads:
        return LimitedHeads(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take Ctrl-C and SIGTERM as the wish to end; a second Ctrl-C does not wait for running requests."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def answer(
    settings: Settings, listening: socket.socket, *, ready: Callable[[], None], stop: Stop | None = None
) -> None:
    """Serve until somebody asks to end.

    Args:
        ready: called once, when requests are answered.
        stop: somebody else who may ask to end.

    Raises:
        LookalikeError: index or model cannot be opened.
    """
    start_logging(settings.log)
    desk = Desk.open(settings, say=_log.info)

    def told() -> None:
        ready()
        if stop is None:  # else it is told once, of all processes
            _log.info(started(settings, len(desk.index)))

    try:
        desk.decoders.warm()  # they come up while the rest does
        server = Server(configured(desk), told)
        gc.freeze()  # what stays for good need not be searched for garbage while somebody waits
        if stop is not None:
            stop.of(server)
        server.run(sockets=[listening])
    finally:
        desk.close()


def started(settings: Settings, count: int) -> str:
    """What is served, as the log has it when requests are answered."""
    pictures = "1 picture" if count == 1 else f"{count:,} pictures"
    ways = "writable" if settings.writable else "read-only"
    return f"{pictures}, {ways}; Ctrl-C ends the server"


def configured(desk: Desk) -> uvicorn.Config:
    """How the web server serves a desk."""
    return uvicorn.Config(
        create_app(desk),
        http=LimitedHeads,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        proxy_headers=desk.settings.proxy,
        forwarded_allow_ips=PROXIES,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )


class Stop:
    """Ends a server when the process that started this one is gone: then its pipe to here is closed."""

    def of(self, server: Server) -> None:
        """Watch for it."""

        def watch() -> None:
            os.read(sys.stdin.fileno(), 1)  # nothing is ever written: it returns at the pipe's end
            server.should_exit = True

        threading.Thread(target=watch, name="parent-watch", daemon=True).start()


def main() -> int:
    """Be one of several processes: settings, socket and whom to report to are in the environment."""
    settings = Settings.from_json(os.environ.pop(SETTINGS))
    listening = socket.socket(fileno=int(os.environ.pop(SOCKET)))
    report = int(os.environ.pop(REPORT))

    def tell(**values: Any) -> None:
        os.write(report, json.dumps(values).encode("utf-8") + b"\n")

    try:
        answer(settings, listening, ready=lambda: tell(ready=True), stop=Stop())
    except LookalikeError as error:
        beats = ("what", "where", "saw", "wanted", "do")
        tell(error={beat: getattr(error, beat) for beat in beats})
        return FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
