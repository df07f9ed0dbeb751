"""Ask a server from several clients at once, as fast as it answers: rate and times of its answers, as JSON.

A process of its own, so that it takes nothing from the server's processor time but what the machine has to
share. Each client keeps its connection and asks again as soon as it has an answer. Requests are made before
the first is sent. `--server` answers every request with the same few bytes and does nothing else: asked by
this very program, it says how much the program itself can do.

    python -m benchmarks.load --port 8000 [--ask id|upload|health] [--clients 16] [--seconds 5] [--count 0]
    python -m benchmarks.load --server
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import cast

import numpy as np
import uvloop
from PIL import Image

PICTURES = 512  # that are sent in turn
SIDE = 64
BOUNDARY = b"lookalike-load"
SAME = b'HTTP/1.1 200 OK\r\ncontent-length: 15\r\ncontent-type: application/json\r\n\r\n{"answer": true}'


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured as one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--ask", choices=("id", "upload", "health"), default="id")
    parser.add_argument("--items", type=int, default=100_000, help="ids are drawn up to this one")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--count", type=int, default=0, help="requests, in place of seconds")
    parser.add_argument("--server", action="store_true", help="answer, and print the port")
    options = parser.parse_args(arguments)
    if options.server:
        uvloop.run(answer())
        return
    requests = {"id": by_id, "upload": by_upload, "health": health}[options.ask](options.items)
    load = Load(requests, seconds=options.seconds, count=options.count)
    uvloop.run(load.run(options.port, clients=options.clients))
    print(json.dumps(load.figures()))


def by_id(items: int) -> list[bytes]:
    """Searches by items."""
    draw = random.Random(0)
    bodies = [b'{"query": [{"id": %d}]}' % draw.randint(1, items) for _ in range(5000)]
    return [_post(b"application/json", body) for body in bodies]


def by_upload(_items: int) -> list[bytes]:
    """Searches by pictures that no index knows."""
    rng = np.random.default_rng(0)
    return [_post(b"multipart/form-data; boundary=" + BOUNDARY, _form(_png(rng))) for _ in range(PICTURES)]


def health(_items: int) -> list[bytes]:
    """The least that a server can be asked."""
    return [b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"]


def _post(kind: bytes, body: bytes) -> bytes:
    head = b"POST /v1/search HTTP/1.1\r\nhost: localhost\r\ncontent-type: %s\r\ncontent-length: %d\r\n\r\n"
    return head % (kind, len(body)) + body


def _form(picture: bytes) -> bytes:
    head = b'--%s\r\ncontent-disposition: form-data; name="picture"; filename="a.png"\r\n\r\n%s\r\n--%s--\r\n'
    return head % (BOUNDARY, picture, BOUNDARY)


def _png(rng: np.random.Generator) -> bytes:
    """A picture that compresses as drawings do."""
    fields = rng.integers(0, 256, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(fields).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(buffer, "PNG")
    return buffer.getvalue()


class Load:
    """Requests that are sent in turn, and when their answers came."""

    def __init__(self, requests: Sequence[bytes], *, seconds: float, count: int) -> None:
        self._requests, self._seconds, self._count = requests, seconds, count
        self._sent = 0
        self._times: list[float] = []
        self._statuses: dict[int, int] = {}
        self._took = 0.0

    async def run(self, port: int, *, clients: int) -> None:
        """Ask until the time, or the count, is up."""
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        self._until = begun + self._seconds
        made = [Client(self, loop.create_future()) for _ in range(clients)]
        for client in made:
            await loop.create_connection(partial(Client.itself, client), "127.0.0.1", port)
        await asyncio.gather(*(client.ended for client in made))
        self._took = time.perf_counter() - begun

    def next(self) -> bytes | None:
        """What to send; None at the end."""
        if self._sent >= self._count if self._count else time.perf_counter() >= self._until:
            return None
        self._sent += 1
        return self._requests[self._sent % len(self._requests)]

    def answered(self, status: int, seconds: float) -> None:
        """Note an answer."""
        self._times.append(seconds)
        self._statuses[status] = self._statuses.get(status, 0) + 1

    def figures(self) -> dict[str, object]:
        """What was measured."""
        p50, p99 = np.percentile(self._times, [50, 99]).tolist() if self._times else (0.0, 0.0)
        return {
            "answers": len(self._times),
            "rate": len(self._times) / self._took,
            "p50_ms": 1000 * p50,
            "p99_ms": 1000 * p99,
            "statuses": self._statuses,
        }


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, load: Load, ended: asyncio.Future[None]) -> None:
        self.ended = ended
        self._load = load
        self._held = b""
        self._needed = 0  # bytes of the answer that comes, its head too; 0: not known yet
        self._status, self._begun = 0, 0.0

    def itself(self) -> Client:
        """For what makes a protocol by a call."""
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Take a piece of an answer."""
        self._held += data
        if not self._needed and (end := self._held.find(b"\r\n\r\n")) >= 0:
            head = self._held[:end].lower()
            self._status = int(head[9:12])
            start = head.index(b"content-length:") + len(b"content-length:")
            self._needed = end + 4 + int(head[start:].split(b"\r\n", 1)[0])
        if self._needed and len(self._held) >= self._needed:
            self._held, self._needed = b"", 0
            self._load.answered(self._status, time.perf_counter() - self._begun)
            self._ask()

    def connection_lost(self, _error: Exception | None) -> None:
        """It is over, as asked for or not."""
        if not self.ended.done():
            self.ended.set_result(None)

    def _ask(self) -> None:
        request = self._load.next()
        if request is None:
            self._transport.close()
            return
        self._begun = time.perf_counter()
        self._transport.write(request)


class Same(asyncio.Protocol):
    """Answers whatever comes in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note whom to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        """Answer."""
        self._transport.write(SAME)


async def answer(make: Callable[[], asyncio.Protocol] = Same) -> None:
    """Listen until this process is ended."""
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    main()
