"""Who may ask what: names the server is called by, pages that may ask, and the token.

The headers of a request enter; nothing, or a problem that says why it is refused, leaves.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
import socket
import time
from collections.abc import Callable, Mapping

from starlette.requests import cookie_parser

from lookalike.serving.problems import Problem
from lookalike.serving.settings import LOCALHOST, Settings

READING = {"GET", "HEAD", "OPTIONS"}
SESSION_SECONDS = 7 * 24 * 3600
_HOST = re.compile(r"(\[[^\[\]@/]*\]|[^:@/\[\]]*)(:\d{1,5})?")
FOREIGN = {b"cross-site", b"same-site"}  # another page on this machine is of the same site

Headers = Mapping[bytes, bytes]


class Hosts:
    """The names that the server is called by; another one in a request is a page's trick to read answers."""

    def __init__(self, settings: Settings) -> None:
        self._local = settings.is_local
        own = () if settings.is_local else (socket.gethostname(),)
        self._names = {name.lower() for name in (LOCALHOST, settings.host, *own, *settings.hosts)}

    def check(self, host: bytes) -> None:
        """Look at a Host header.

        Raises:
            Problem: 403, the server is not called so.
        """
        text = host.decode("latin-1")
        name = host_name(text) if _HOST.fullmatch(text) else text
        if name in self._names or self._is_address(name):
            return
        raise Problem(
            403,
            "unknown_host",
            f"This server is not called {name[:100]!r}.",
            "Ask it by its address, or start it with --allow-host NAME.",
        )

    def _is_address(self, name: str) -> bool:
        """Whether it is an address: what a page from elsewhere is called is a name."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._local


def host_name(host: str) -> str:
    """The name in a Host header, without its port.

    >>> host_name("Localhost:8000"), host_name("[::1]:8000"), host_name("a.b")
    ('localhost', '::1', 'a.b')
    """
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


class Origins:
    """Which pages may ask: the server's own, and those that were named."""

    def __init__(self, named: tuple[str, ...]) -> None:
        self._named = {origin.lower().encode("latin-1") for origin in named}

    def is_named(self, headers: Headers) -> bool:
        """Whether a page asks that was named."""
        return headers.get(b"origin", b"").lower() in self._named

    def check(self, method: str, path: str, headers: Headers) -> None:
        """Look at what a browser says of the page that asks; other programs say nothing, and may ask.

        Raises:
            Problem: 403, it is a page from elsewhere.
        """
        if self.is_named(headers):
            return
        origin = headers.get(b"origin")
        if origin is not None:
            foreign = origin.partition(b"://")[2].lower() != headers.get(b"host", b"").lower()
            foreign = foreign and method not in {"GET", "HEAD"}
        else:
            foreign = False
        navigates = method in READING and headers.get(b"sec-fetch-mode") == b"navigate" and path == "/"
        if foreign or (headers.get(b"sec-fetch-site") in FOREIGN and not navigates):
            raise Problem(
                403,
                "foreign_page",
                "A page from elsewhere asks.",
                "Open the server's own page; or name that page's origin: lookalike serve --origin ORIGIN.",
            )


class Tokens:
    """Whether a request knows the token, by itself or by the session that it opened once.

    Attributes:
        cookie: the name of the session's cookie; other servers on this machine have others.
    """

    def __init__(self, token: str, *, now: Callable[[], float] = time.time) -> None:
        self._token, self._now = token.encode("ascii"), now
        self.cookie = f"lookalike-{hashlib.sha256(self._token).hexdigest()[:8]}"

    def is_right(self, given: bytes) -> bool:
        """Whether it is the token; takes as long for one that is nearly right."""
        return hmac.compare_digest(given, self._token)

    def session(self) -> str:
        """What a cookie holds: until when, signed with the token."""
        until = str(int(self._now()) + SESSION_SECONDS)
        return f"{until}.{self._sign(until)}"

    def knows(self, headers: Headers) -> bool:
        """Whether a request brings the token or a session."""
        scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer":
            return self.is_right(given.strip())
        if b"cookie" not in headers:
            return False
        return self._is_session(cookie_parser(headers[b"cookie"].decode("latin-1")).get(self.cookie, ""))

    def _is_session(self, text: str) -> bool:
        until, _, signature = text.partition(".")
        signed = hmac.compare_digest(signature.encode("utf-8"), self._sign(until).encode("ascii"))
        return signed and self._now() < int(until)

    def _sign(self, until: str) -> str:
        return hmac.new(self._token, until.encode("utf-8"), hashlib.sha256).hexdigest()
