"""Questions about pictures over HTTP: search, match, explain, embed and identify.

A request enters, JSON or a picture leaves. What may be asked is told in `questions`, and answered by the
searcher; answers are written as JSON once, without a second check of their form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool

from lookalike.composing import Given
from lookalike.errors import ImageError
from lookalike.identifying import Identification, identify
from lookalike.matching import match
from lookalike.serving import answering
from lookalike.serving.desk import Desk
from lookalike.serving.problems import Problem
from lookalike.serving.questions import (
    Asked,
    EmbedAnswer,
    EmbedAsk,
    ExplainAsk,
    IdentifyAnswer,
    IdentifyAsk,
    MatchAnswer,
    MatchAsk,
    PictureAsk,
    SearchAnswer,
    SearchAsk,
    body_of,
)
from lookalike.serving.searcher import no_such_item
from lookalike.serving.staying import while_asked
from lookalike.serving.uploads import File, Upload, read_upload

JSON = "application/json"


def routes(desk: Desk) -> APIRouter:
    """The questions that a desk answers."""
    router, asking = APIRouter(tags=["questions"]), Asking(desk)
    ways: tuple[tuple[str, Any, type[Asked], Any], ...] = (
        ("search", asking.search, SearchAsk, SearchAnswer),
        ("match", asking.match, MatchAsk, MatchAnswer),
        ("embed", asking.embed, EmbedAsk, EmbedAnswer),
        ("identify", asking.identify, IdentifyAsk, IdentifyAnswer),
    )
    for name, endpoint, ask, answer in ways:
        router.add_api_route(
            f"/v1/{name}",
            endpoint,
            methods=["POST"],
            name=name,
            response_model=None,
            responses={200: {"model": answer}},
            openapi_extra=body_of(ask, files=desk.settings.max_files),
        )
    router.add_api_route(
        "/v1/explain",
        asking.explain,
        methods=["POST"],
        name="explain",
        response_model=None,
        response_class=Response,
        responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
        openapi_extra=body_of(ExplainAsk, files=desk.settings.max_files),
    )
    return router


class Asking:
    """The endpoints."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def search(self, request: Request) -> Response:
        """Find the pictures most alike to a picture, to several together, or that show what is stated.

        Send JSON, or a form with parts `picture` and perhaps `ask`, which is that JSON. Without a query all
        uploads are one query. A combination carries no verdicts: a threshold is made for two pictures.
        """
        upload = await read_upload(request, self._desk.settings)
        return _json(await while_asked(request, self._searched(upload)))

    async def _searched(self, upload: Upload) -> dict[str, Any]:
        ask = answering.read(SearchAsk, upload)
        entries = answering.chosen(ask.query, upload)
        uploads = await self._embedded(upload.files)
        found = await self._desk.searcher.found(answering.question_of(ask, entries, uploads))
        return answering.search_values(found, entries)

    async def match(self, request: Request) -> Response:
        """Decide whether two pictures show the same, at a threshold with a promise."""
        upload = await read_upload(request, self._desk.settings)
        ask = answering.read(MatchAsk, upload)
        sides = answering.pair(ask.a, ask.b, upload)

        async def matched() -> dict[str, Any]:
            uploads = await self._embedded(upload.files)
            return await run_in_threadpool(self._matched, ask, sides, uploads)

        return _json(await while_asked(request, matched()))

    async def embed(self, request: Request) -> Response:
        """Turn uploaded pictures into vectors of unit length."""
        upload = await read_upload(request, self._desk.settings)
        answering.read(EmbedAsk, upload)
        if not upload.files:
            raise Problem(422, "nothing_asked", "No picture came.", "Send parts named picture in a form.")
        found = await while_asked(request, self._desk.searcher.embedded(upload.files))
        return _json(answering.embed_values(self._desk.model, upload.files, found))

    async def identify(self, request: Request) -> Response:
        """Say which label of the index a picture carries, or none; by other pictures than itself."""
        upload = await read_upload(request, self._desk.settings)
        ask = answering.read(IdentifyAsk, upload)
        asked = answering.one(ask.query, upload)

        async def identified() -> dict[str, Any]:
            uploads = await self._embedded(upload.files)
            return await run_in_threadpool(self._identified, ask, asked, uploads)

        return _json(await while_asked(request, identified()))

    async def explain(self, request: Request) -> Response:
        """Draw which places of two pictures make their similarity."""
        upload = await read_upload(request, self._desk.settings)
        ask = answering.read(ExplainAsk, upload)
        a, b = (
            upload.files[side.upload] if side.upload is not None else side.id or 0
            for side in answering.pair(ask.a, ask.b, upload)
        )
        drawn = await while_asked(request, self._desk.explainer.explained(a, b))
        return Response(drawn, media_type="image/png")

    async def _embedded(self, files: Sequence[File]) -> list[Given]:
        found = await self._desk.searcher.embedded(files) if files else []
        for entry in found:
            if isinstance(entry, ImageError):
                raise entry
        return [entry for entry in found if isinstance(entry, Given)]

    def _given(self, asked: Sequence[PictureAsk], uploads: Sequence[Given]) -> list[Given]:
        items = self._desk.searcher.items(entry.id for entry in asked if entry.id is not None)
        pictures = [answering.picture_of(entry, uploads) for entry in asked]
        for picture in pictures:
            if not isinstance(picture, Given) and picture not in items:
                raise no_such_item(picture)
        return [picture if isinstance(picture, Given) else items[picture] for picture in pictures]

    def _matched(
        self, ask: MatchAsk, sides: Sequence[PictureAsk], uploads: Sequence[Given]
    ) -> dict[str, Any]:
        self._desk.follower.follow()
        a, b = self._given(sides, uploads)
        found = match(self._desk.model, a, b, threshold=ask.threshold, prior=ask.prior)
        return answering.match_values(found, ask.threshold)

    def _identified(self, ask: IdentifyAsk, asked: PictureAsk, uploads: Sequence[Given]) -> dict[str, Any]:
        self._desk.follower.follow()
        with self._desk.index.reading():
            given = self._given([asked], uploads)
            answers = identify(self._desk.index, given, threshold=ask.threshold)
            (found,) = (answer for answer in answers if isinstance(answer, Identification))
            names = self._desk.names.of(hit.id for hit in found.neighbours)
            same = [item for each in uploads for item in self._desk.index.same_content(each.content)]
        return answering.identify_values(found, names, sorted(same))


def _json(values: dict[str, Any]) -> Response:
    return Response(to_json(values), media_type=JSON)
