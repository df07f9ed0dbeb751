"""What a server tells of itself: a log line for each request, and figures for Prometheus.

Requests pass through; nothing about them is kept but counts. What a request asked, its token and the names of
pictures are never written.
"""

from __future__ import annotations

import json
import logging
import math
import os
import random
import re
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    multiprocess,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lookalike.errors import LookalikeError
from lookalike.serving.addresses import plain_address
from lookalike.serving.settings import LogFormat

LOGGER = "lookalike.serving"
SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"  # where worker processes count together
QUIET = {  # asked every few seconds, or dozens of times for one view of the page
    *("/healthz", "/readyz", "/metrics"),
    *("/static/{name}", "/v1/thumb/{id}"),
}
GONE = 499  # the client went away before an answer began
METHODS = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"}
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SIZES = (1, 2, 4, 8, 16, 32, 64)
_REQUEST_ID = re.compile(rb"[\w.-]{1,64}")

_log = logging.getLogger(LOGGER)
_numbers = random.Random()  # noqa: S311 - the ids of requests tell them apart, and keep no secret


class Metrics:
    """What is counted; of all worker processes together where there are several."""

    def __init__(self, *, items: Callable[[], int]) -> None:
        self._count_items = items
        self._registry = registry = CollectorRegistry()
        if SHARED_FOLDER not in os.environ:
            ProcessCollector(registry=registry)
        self._requests = Counter(
            "lookalike_requests", "Requests answered.", ["route", "method", "status"], registry=registry
        )
        self._seconds = Histogram(
            "lookalike_request_seconds",
            "From the first byte of a request to the last of its answer.",
            ["route"],
            buckets=SECONDS,
            registry=registry,
        )
        self._queue = Gauge(
            "lookalike_queue_length",
            "Questions that wait for the model or the search.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._batches = Histogram(
            "lookalike_batch_size", "Questions answered together.", buckets=SIZES, registry=registry
        )
        self._undecoded = Counter(
            "lookalike_decode_failures", "Pictures that could not be used.", ["reason"], registry=registry
        )
        self._items = Gauge(
            "lookalike_items", "Pictures in the index.", registry=registry, multiprocess_mode="mostrecent"
        )

    def answered(self, route: str, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def waiting(self, count: int) -> None:
        """Note how many questions wait."""
        self._queue.set(count)

    def batch(self, size: int) -> None:
        """Count questions that were answered together."""
        self._batches.observe(size)

    def undecoded(self, reason: str) -> None:
        """Count a picture that could not be used, by its reason."""
        self._undecoded.labels(reason).inc()

    def page(self) -> tuple[bytes, str]:
        """All figures as Prometheus reads them, and the type of that text."""
        try:
            items = float(self._count_items())
        except LookalikeError:  # the other figures are wanted all the more
            items = math.nan
        self._items.set(items)
        registry = self._registry
        if SHARED_FOLDER in os.environ:
            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        return generate_latest(registry), CONTENT_TYPE_LATEST


class Observer:
    """ASGI middleware that gives each request an id, counts it and writes its line of the log."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request pass and look at its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = time.perf_counter()
        number = _request_id(scope)
        status, size = GONE, 0

        async def watched(message: Message) -> None:
            nonlocal status, size
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", number)]
            else:
                size += len(message.get("body", b""))
            await send(message)

        scope["request_id"] = number.decode("ascii")
        try:
            await self._app(scope, receive, watched)
        finally:
            self._tell(scope, status, size, time.perf_counter() - begun)

    def _tell(self, scope: Scope, status: int, size: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")  # the pattern, not what was asked
        method = scope["method"] if scope["method"] in METHODS else "other"
        self._metrics.answered(route, method, status, seconds)
        level = logging.DEBUG if route in QUIET and status < 400 else logging.INFO
        if _log.isEnabledFor(level):
            values = {
                "request": scope["request_id"],
                "client": _address(scope),
                "method": method,
                "path": _shown(scope),
                "status": status,
                "ms": round(1000 * seconds, 1),
                "bytes": size,
            }
            _log.log(level, "request", extra={"values": values})


def _request_id(scope: Scope) -> bytes:
    """The id that a proxy gave to the request, where it can be believed to be one, or a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return bytes(value)
    return f"{_numbers.getrandbits(64):016x}".encode("ascii")


def _address(scope: Scope) -> str:
    """Who asks, where it is an address: a proxy may hand on any text."""
    client = scope["client"]
    return "" if client is None else plain_address(client[0])


def _shown(scope: Scope) -> str:
    """The path as it was sent, so that no line break comes into the log."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
    return bytes(raw).decode("latin-1").encode("unicode_escape").decode("ascii")[:300]


class _Text(logging.Formatter):
    """Lines for a person: when, how bad, what, then name=value."""

    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = getattr(record, "values", {})
        told = " ".join(f"{name}={_plain(value)}" for name, value in values.items())
        line = f"{_when(record)} {record.levelname.lower()} {record.getMessage()} {told}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _plain(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else text.encode("unicode_escape").decode("ascii")


class _Json(logging.Formatter):
    """Lines for a program: one JSON object each."""

    def format(self, record: logging.LogRecord) -> str:
        values = {"time": _when(record), "level": record.levelname.lower(), "message": record.getMessage()}
        values |= getattr(record, "values", {})
        if record.exc_info:
            values["trace"] = self.formatException(record.exc_info)
        return json.dumps(values)


def _when(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def start_logging(form: LogFormat) -> None:
    """Send what the server logs to stderr in a form; what the web server below it warns of as well."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Json() if form == "json" else _Text())
    for name, level in ((LOGGER, logging.INFO), ("uvicorn.error", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
    logging.getLogger("python_multipart").setLevel(logging.ERROR)  # a bad body is the sender's affair
