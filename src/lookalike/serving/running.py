"""Serve an index: listen at an address, answer until told to end, and say once where.

Settings enter; the address leaves when requests are answered. Nothing is printed here.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import shlex
import socket
from collections.abc import Callable
from urllib.parse import quote

from lookalike.errors import LookalikeError, MissingExtraError
from lookalike.serving.settings import Settings

PARTS = ("fastapi", "uvicorn", "httptools", "python_multipart", "prometheus_client")
WAITING = 2048  # connections that the system keeps until they are taken
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a browser here can open


def serve(settings: Settings, *, ready: Callable[[str], None]) -> None:
    """Serve an index until Ctrl-C or SIGTERM; running requests are answered before this returns.

    Args:
        ready: called once with the address, when requests are answered.

    Raises:
        MissingExtraError: the packages that a server needs are not installed.
        StoreError: there is no such index, or its model is not to be found.
        LookalikeError: nobody can listen there, or a worker process does not start.
    """
    for name in PARTS:
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, extra="serve")
    if settings.workers > 1 and os.name != "posix":
        raise _no_workers(settings)
    with _listen(settings) as listening:
        address = address_of(settings, port=listening.getsockname()[1])

        def told() -> None:
            ready(address)

        if settings.workers > 1:
            from lookalike.serving.supervising import supervise

            supervise(settings, listening, ready=told)
        else:
            from lookalike.serving.worker import answer

            answer(settings, listening, ready=told)


def address_of(settings: Settings, *, port: int) -> str:
    """The address of the page, the token in the part of it that browsers send to nobody."""
    host = ANYWHERE.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host else host
    token = "" if settings.token is None else f"#token={quote(settings.token, safe='')}"
    return f"http://{host}:{port}/{token}"


def _listen(settings: Settings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(settings, error) from error
    try:
        if os.name == "posix":  # elsewhere it would let two servers take one port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(WAITING)
    except OSError as error:
        listening.close()
        raise _cannot_listen(settings, error) from error
    return listening


def _cannot_listen(settings: Settings, error: OSError) -> LookalikeError:
    index = shlex.quote(str(settings.index))
    if error.errno == errno.EADDRINUSE:
        do = f"end it, or take any port that is free: lookalike serve {index} --port 0"
        saw = "another program listens there"
    else:
        do = f"name an address of this machine and a port that you may use: lookalike serve {index}"
        saw = error.strerror or type(error).__name__
    return LookalikeError(
        "the server cannot listen", where=f"{settings.host} port {settings.port}", saw=saw, do=do
    )


def _no_workers(settings: Settings) -> LookalikeError:
    return LookalikeError(
        "several worker processes cannot share a port on this system",
        where="--workers",
        saw=str(settings.workers),
        wanted="1",
        do="leave --workers out",
    )
