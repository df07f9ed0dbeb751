"""The page and what it needs to know first: its files, facts of the server, a session; and what watches ask.

The page's files are read once, when the server starts: nothing else of this machine can be asked for here.
"""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, ConfigDict, Field

from lookalike.errors import LookalikeError, ReplacedError
from lookalike.models.attributes import attribute_facts
from lookalike.models.verdicts import calibration_of
from lookalike.open_calibrating import open_thresholds
from lookalike.serving.admission import SESSION_SECONDS, Tokens
from lookalike.serving.desk import Desk
from lookalike.serving.guard import wrong_token
from lookalike.serving.limits import client_of
from lookalike.serving.problems import Problem
from lookalike.serving.staying import in_one_of

WEB = Path(__file__).parent.parent / "web" / "app"
PAGE = "index.html"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}


class ModelFacts(BaseModel):
    """The model whose notion of "the same" is asked."""

    name: str
    dim: int
    fingerprint: str


class ThresholdFacts(BaseModel):
    """A match threshold and what it promises."""

    similarity: float
    target: str
    promise: str
    meaning: str


class BandFacts(BaseModel):
    """A name for similarities from one on."""

    name: str
    similarity: float
    words: str


class Limits(BaseModel):
    """What an upload may bring: bytes of all pictures together, pixels of one, pictures."""

    bytes: int
    pixels: int
    files: int


class Info(BaseModel):
    """What is served, and what can be asked of it."""

    version: str
    model: ModelFacts
    items: int
    generation: int
    writable: bool
    thresholds: dict[str, ThresholdFacts]
    bands: list[BandFacts] | None
    probabilities: bool
    attributes: list[str] | None
    explains: bool
    identifies: bool
    limits: Limits


class Health(BaseModel):
    """How the server is."""

    status: str


class SessionAsk(BaseModel):
    """What opens a session."""

    model_config = ConfigDict(extra="forbid")
    token: str = Field(max_length=1000)


def routes(desk: Desk) -> APIRouter:
    """The page, its files, and what the server says of itself."""
    router = APIRouter()
    _add_files(router)
    _add_session(router, desk)
    _add_watches(router, desk)

    @router.get("/v1/info")
    def info() -> Info:
        """Say what is served and what can be asked of it."""
        desk.follower.follow()
        return _info(desk)

    return router


def _info(desk: Desk) -> Info:
    model, settings = desk.model, desk.settings
    kept = calibration_of(model)
    thresholds = {
        name: ThresholdFacts(
            similarity=entry.similarity, target=entry.target, promise=entry.promise, meaning=entry.meaning
        )
        for name, entry in model.thresholds.items()
    }
    bands = () if kept is None else kept.bands
    names = attribute_facts(model)["names"] if "attributes" in model.facts else None
    return Info(
        version=version("lookalike"),
        model=ModelFacts(name=model.name, dim=model.dim, fingerprint=model.fingerprint),
        items=len(desk.index),
        generation=desk.index.store.generation(),
        writable=settings.writable,
        thresholds=thresholds,
        bands=[BandFacts(**asdict(band)) for band in bands] or None,
        probabilities=kept is not None,
        attributes=list(names) if names else None,
        explains=True,  # every model does, exactly or by covering
        identifies=bool(open_thresholds(model)),
        limits=Limits(bytes=settings.max_bytes, pixels=settings.max_pixels, files=settings.max_files),
    )


@dataclass(frozen=True, slots=True)
class _Asset:
    """A file of the page."""

    content: bytes
    type: str
    tag: str

    @classmethod
    def read(cls, path: Path) -> _Asset:
        content = path.read_bytes()
        return cls(content, TYPES[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:16]}"')

    def answer(self, request: Request) -> Response:
        """The file, or word that the one the browser has is still right."""
        headers = {"ETag": self.tag, "Cache-Control": "no-cache"}  # ask each time whether it is a newer one
        if request.headers.get("if-none-match") == self.tag:
            return Response(status_code=304, headers=headers)
        return Response(self.content, media_type=self.type, headers=headers)


def _add_files(router: APIRouter) -> None:
    assets = {path.name: _Asset.read(path) for path in sorted(WEB.iterdir()) if path.suffix in TYPES}

    @router.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        """Give the page."""
        return assets[PAGE].answer(request)

    @router.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        """Give a file of the page."""
        if name not in assets:
            raise Problem(404, "not_found", "The page has no such file.", "Open the page at / again.")
        return assets[name].answer(request)


def _add_session(router: APIRouter, desk: Desk) -> None:
    token = desk.settings.token
    tokens = None if token is None else Tokens(token)
    failures = desk.failures

    @router.post("/v1/session", status_code=204)
    async def session(request: Request, ask: SessionAsk) -> Response:
        """Open a session: a cookie that stands for the token. Without a token nothing needs to be opened."""
        answer = Response(status_code=204)
        if tokens is None:
            return answer
        client = client_of(request.client)
        failures.require(client)
        if not tokens.is_right(ask.token.encode("utf-8", "replace")):
            failures.check(client)
            raise wrong_token()
        answer.set_cookie(
            tokens.cookie,
            tokens.session(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer


def _add_watches(router: APIRouter, desk: Desk) -> None:
    checking = ThreadPoolExecutor(1, "lookalike-ready")  # its own: it is asked when all others are busy

    @router.get("/healthz")
    async def alive() -> Health:
        """Say that the server runs."""
        return Health(status="ok")

    @router.get("/readyz")
    async def ready() -> Health:
        """Say whether index and model answer (503: not now)."""
        try:
            await in_one_of(checking, desk.follower.check)
        except ReplacedError:
            raise  # it says itself what to do
        except LookalikeError as error:
            hint = "See that index and model lie where they were; lookalike doctor INDEX; then restart it."
            raise Problem(503, "not_ready", f"Not ready: {error.what}.", hint) from error
        return Health(status="ready")

    @router.get("/metrics", response_class=PlainTextResponse)
    def metrics() -> Response:
        """Figures for Prometheus."""
        content, kind = desk.metrics.page()
        return Response(content, headers={"Content-Type": kind})
