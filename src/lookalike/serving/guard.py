"""What stands before every route: names, pages, tokens and limits are checked, and answers get their headers.

Requests enter; those that may be answered pass, others are refused in the one form of errors. A fault of a
route is answered here as well, and logged. What is asked is the routes' business.
"""

from __future__ import annotations

import logging

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lookalike.serving.admission import Headers, Hosts, Origins, Tokens
from lookalike.serving.limits import BODIES_AT_ONCE, BODY_SECONDS, Body, Held, Rates, client_of, too_large
from lookalike.serving.observing import LOGGER
from lookalike.serving.problems import Problem, as_problem
from lookalike.serving.settings import Settings
from lookalike.serving.uploads import MAX_ASK

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
SECURITY = (
    (b"content-security-policy", POLICY.encode("ascii")),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
)
NOT_KEPT = (b"cache-control", b"no-store")  # where a route says nothing else
ALIVE = {"/healthz", "/readyz"}
OPEN = {"/", "/v1/session", *ALIVE}  # what can be asked without the token
STATIC = "/static/"
FORM_BYTES = MAX_ASK + 65_536  # of a multipart body beside its pictures

_log = logging.getLogger(LOGGER)


class Guard:
    """ASGI middleware that lets in what may be asked.

    Args:
        failures: counts wrong tokens, also those that are sent to open a session.
        body_seconds: that a body may take.
    """

    def __init__(
        self, app: ASGIApp, *, settings: Settings, failures: Rates, body_seconds: float = BODY_SECONDS
    ) -> None:
        self._app = app
        self._settings, self._body_seconds = settings, body_seconds
        self._hosts, self._origins = Hosts(settings), Origins(settings.origins)
        self._tokens = None if settings.token is None else Tokens(settings.token)
        self._rates = None if settings.rate is None else Rates(settings.rate)
        self._failures = failures
        self._held = Held(BODIES_AT_ONCE * (settings.max_bytes + FORM_BYTES))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, let it pass and complete its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers: dict[bytes, bytes] = dict(scope["headers"])
        answer = _Answer(send, scope, named=self._origins.is_named(headers), origin=headers.get(b"origin"))
        body: Body | None = None
        try:
            self._admit(scope, headers)
            if _is_preflight(scope, headers) and answer.named:
                await _preflight()(scope, receive, answer.send)
                return
            body = self._body(headers, receive)
            await self._ask(scope, receive if body is None else body.receive, answer.send)
        except ClientDisconnect:
            pass  # nobody is left to answer
        except Exception as error:  # noqa: BLE001 - a fault of one request is answered and logged
            await answer.fail(error, receive)
        finally:
            if body is not None:
                body.release()

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        """HEAD is answered where GET is; the web server leaves the content out."""
        if scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        asked = {**scope, "method": "GET"}
        try:
            await self._app(asked, receive, send)
        finally:
            scope["route"] = asked.get("route")  # for who looks on

    def _admit(self, scope: Scope, headers: Headers) -> None:
        path, method = scope["path"], scope["method"]
        client = client_of(scope.get("client"))
        if sum(name == b"host" for name, _ in scope["headers"]) != 1:
            raise Problem(400, "no_host", "There is not one Host header.", "Send one, as HTTP/1.1 asks for.")
        self._hosts.check(headers[b"host"])
        if self._rates is not None and path not in ALIVE:
            self._rates.check(client)
        self._origins.check(method, path, headers)
        if self._tokens is None or path in OPEN or path.startswith(STATIC):
            return
        if self._origins.is_named(headers) and _is_preflight(scope, headers):
            return  # a browser asks first, without the token
        if b"authorization" in headers:
            self._failures.require(client)  # before it is compared: who guesses is not told of a right one
        if not self._tokens.knows(headers):
            if b"authorization" in headers:
                self._failures.check(client)
                raise wrong_token()
            raise no_token()

    def _body(self, headers: Headers, receive: Receive) -> Body | None:
        """The body of a request that has one, counted."""
        length = headers.get(b"content-length", b"0")
        if length == b"0" and b"transfer-encoding" not in headers:
            return None
        coding = headers.get(b"content-encoding", b"identity").strip().lower()
        if coding != b"identity":
            hint = "Send the body as it is, without Content-Encoding."
            raise Problem(415, "content_encoding", "The body is encoded, and is not unpacked here.", hint)
        plain = headers.get(b"content-type", b"").startswith(b"application/json")
        most = MAX_ASK if plain else self._settings.max_bytes + FORM_BYTES
        if length.isdigit() and int(length[:20]) > most:
            raise too_large(most, is_question=plain)
        return Body(receive, most=most, held=self._held, is_question=plain, seconds=self._body_seconds)


class _Answer:
    """An answer on its way out."""

    def __init__(self, send: Send, scope: Scope, *, named: bool, origin: bytes | None) -> None:
        self._send, self._scope = send, scope
        self.named, self._origin = named, origin
        self._begun = False

    async def send(self, message: Message) -> None:
        """Send a part of it, with the headers that every answer has."""
        if message["type"] == "http.response.start":
            self._begun = True
            headers = [*message.get("headers", ()), *SECURITY]
            if not any(name == b"cache-control" for name, _ in headers):
                headers.append(NOT_KEPT)
            if self.named and self._origin is not None:
                headers.append((b"access-control-allow-origin", self._origin))
                headers.append((b"access-control-expose-headers", b"X-Request-Id, ETag, X-Picture"))
                headers.append((b"vary", b"Origin"))
            message["headers"] = headers
        await self._send(message)

    async def fail(self, error: Exception, receive: Receive) -> None:
        """Answer with what went wrong."""
        problem = as_problem(error)
        if problem.status_code == 500:
            values = {"request": self._scope.get("request_id", "")}
            _log.error("fault", exc_info=error, extra={"values": values})
        if self._begun:
            raise error  # half an answer is out: the connection ends here
        await problem.answer()(self._scope, receive, self.send)


def no_token() -> Problem:
    """The problem of a request that does not know the token."""
    return Problem(
        401,
        "no_token",
        "This server answers only those who know its token.",
        "Send Authorization: Bearer TOKEN, or open the page by the address that lookalike serve printed.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def wrong_token() -> Problem:
    """The problem of a request with another token."""
    return Problem(
        401,
        "wrong_token",
        "That is not this server's token.",
        "Send it as Authorization: Bearer TOKEN; lookalike serve printed it in the address of the page.",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _is_preflight(scope: Scope, headers: Headers) -> bool:
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in headers


def _preflight() -> Response:
    return Response(
        status_code=204,
        headers={
            "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": "600",
        },
    )
