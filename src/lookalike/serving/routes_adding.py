"""Adding pictures and removing items over HTTP, where the server was started to be written to.

Uploads enter, read as all uploads are; what became of each leaves as JSON. No file of a user is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from lookalike.indexing.adding import LONGEST_LABEL
from lookalike.records import Skipped
from lookalike.serving.adding import Adding, Sent
from lookalike.serving.collection import Collection
from lookalike.serving.desk import Desk
from lookalike.serving.item_text import ItemText, facts_of
from lookalike.serving.problems import Failure, Problem, only_read, without_places
from lookalike.serving.routes_items import Id
from lookalike.serving.searcher import no_such_item
from lookalike.serving.staying import in_one_of, while_asked
from lookalike.serving.uploads import PICTURE, File, read_upload

_AT_ONCE = 8  # requests that write, so that others find a thread free
_FULL: dict[int | str, dict[str, Any]] = {
    507: {"model": Failure, "description": "The server's disk is full; nothing was changed."}
}


class SentItem(ItemText):
    """An item, and the place among the pictures that were sent, from 0."""

    upload: int


class SkippedText(BaseModel):
    """A picture that cannot be used: its place among those that were sent, its name, and why."""

    upload: int
    name: str
    reason: str
    detail: str


class SentItems(BaseModel):
    """What became of pictures: new items, items that had such a content before, and what cannot be used."""

    added: list[SentItem]
    known: list[SentItem]
    skipped: list[SkippedText]


def routes(desk: Desk) -> APIRouter:
    """What changes the collection."""
    router, threads = APIRouter(), ThreadPoolExecutor(_AT_ONCE, "lookalike-adding")
    _adding(router, desk, threads)

    @router.delete("/v1/items/{id}", status_code=204, responses=_FULL)
    async def remove(number: Id) -> None:
        """Take an item out of the index; no file is touched.

        A picture that was added here stays out. One that lies in an indexed folder comes back when that
        folder is indexed again, unless its file is gone by then.
        """
        if not await in_one_of(threads, writable(desk).remove, number):
            raise no_such_item(number)

    return router


def _adding(router: APIRouter, desk: Desk, threads: Executor) -> None:
    collection = Collection(desk.index.store, desk.names)

    def add_and_tell(adding: Adding, files: Sequence[File], label: str | None) -> SentItems:
        return _sent(collection, files, adding.add(files, label=label))

    @router.post(
        "/v1/items",
        status_code=201,
        responses={200: {"model": SentItems, "description": "Nothing is new: all were known."}, **_FULL},
        openapi_extra={"requestBody": _body(desk.settings.max_files)},
    )
    async def add(request: Request, response: Response) -> SentItems:
        """Add pictures; when this is answered they are kept, whatever happens to the server.

        They are written to a folder beside the index and stay in it when the index is brought up to date. A
        content that the index has already is not added again. Where one of several pictures cannot be used
        the others are added; where none can, nothing is. One label is that of all.
        """
        adding = writable(desk)
        desk.index.store.check_in_place()
        upload = await read_upload(request, desk.settings, fields={"label"})
        if not upload.files or upload.ask:
            raise Problem(
                422, "no_pictures", "The body holds no pictures.", "Send them as parts named picture."
            )
        label = upload.fields.get("label")
        told = await while_asked(request, in_one_of(threads, add_and_tell, adding, upload.files, label))
        if not told.added:
            response.status_code = 200
        return told


def writable(desk: Desk) -> Adding:
    """What adds and removes.

    Raises:
        Problem: the server was not started to be written to.
    """
    if desk.adding is None:
        raise only_read()
    return desk.adding


def _sent(collection: Collection, files: Sequence[File], sent: Sent) -> SentItems:
    told = collection.items({number for _, number in (*sent.added, *sent.known)})
    added, known = (
        [SentItem(**facts_of(told[number]), upload=place) for place, number in part if number in told]
        for part in (sent.added, sent.known)
    )
    left_out = [_left_out(place, files[place].name, entry) for place, entry in sent.skipped]
    return SentItems(added=added, known=known, skipped=left_out)


def _left_out(place: int, name: str, entry: Skipped) -> SkippedText:
    return SkippedText(
        upload=place, name=name, reason=entry.reason.value, detail=without_places(entry.detail)
    )


def _body(most: int) -> dict[str, Any]:
    pictures = {
        "type": "array",
        "items": {"type": "string", "format": "binary"},
        "minItems": 1,
        "maxItems": most,
    }
    fields = {PICTURE: pictures, "label": {"type": "string", "maxLength": LONGEST_LABEL}}
    schema = {"type": "object", "properties": fields, "required": [PICTURE], "additionalProperties": False}
    return {"required": True, "content": {"multipart/form-data": {"schema": schema}}}
