"""The collection over HTTP: items, labels and folders by pages, and small copies.

Requests enter, checked by their models; what the collection and the thumbs say leaves as JSON or JPEG, by ids
and public names. Nothing is changed here (routes_adding).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from lookalike.errors import SkipReason
from lookalike.indexing.filters import MOST_LETTERS
from lookalike.serving.collection import Collection
from lookalike.serving.desk import Desk
from lookalike.serving.item_text import ItemText, facts_of
from lookalike.serving.searcher import no_such_item
from lookalike.serving.staying import in_one_of, while_asked
from lookalike.serving.thumbs import CHANGED, LARGEST, SMALLEST, USUAL

LAST_ID = 2**63 - 1
MOST, USUAL_PAGE = 1000, 100  # entries of a page
LONGEST_NAME = 4096
KEEP_SECONDS = 3600  # that a browser need not ask again for a small copy
FLAW = "X-Picture"
_FLAW = {
    "description": "Only of a grey tile: the file has changed, or why it cannot be opened.",
    "schema": {
        "type": "string",
        "enum": [CHANGED, *(reason.value.replace(" ", "-") for reason in SkipReason)],
    },
}
_AT_ONCE = 8  # small copies, so that searches find a thread free

Id = Annotated[int, Path(alias="id", ge=1, le=LAST_ID)]


class OneItem(ItemText):
    """An item, the hash of its content, and the ids of the others that have the same."""

    hash: str
    copies: list[int]


class Items(BaseModel):
    """A page of items by rising id; next: what to give as `after` for the next one, null at the end."""

    items: list[ItemText]
    next: int | None
    total: int


class LabelText(BaseModel):
    """A label, and how many items have it."""

    label: str
    count: int


class Labels(BaseModel):
    """A page of labels by name; next: what to give as `after` for the next one, null at the end."""

    labels: list[LabelText]
    next: str | None
    total: int


class FolderText(BaseModel):
    """A folder, how many items lie in it, at any depth, and whether it has folders."""

    name: str
    count: int
    folders: bool


class Folders(BaseModel):
    """A page of folders; next: what to give as `skip` for the next one, null at the end."""

    folders: list[FolderText]
    next: int | None
    total: int


class _Asked(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AskedItems(_Asked):
    """Which items; where, folder and label have to fit all, and are not asked for where they are empty."""

    after: int = Field(0, ge=0, le=LAST_ID)
    limit: int = Field(USUAL_PAGE, ge=1, le=MOST)
    where: str = Field("", max_length=MOST_LETTERS)
    folder: str = Field("", max_length=LONGEST_NAME)
    label: str = Field("", max_length=LONGEST_NAME)


class AskedLabels(_Asked):
    """Which labels: those that begin with `start`."""

    start: str = Field("", max_length=LONGEST_NAME)
    after: str = Field("", max_length=LONGEST_NAME)
    limit: int = Field(USUAL_PAGE, ge=1, le=MOST)


class AskedFolders(_Asked):
    """Which folders: those directly below one; of the empty name, those that were indexed."""

    below: str = Field("", max_length=LONGEST_NAME)
    skip: int = Field(0, ge=0, le=LAST_ID)
    limit: int = Field(USUAL_PAGE, ge=1, le=MOST)


class AskedThumb(_Asked):
    """How large: width and height at most, in pixels."""

    s: int = Field(USUAL, ge=SMALLEST, le=LARGEST)


def routes(desk: Desk) -> APIRouter:
    """What there is, and what is shown of it."""
    router = APIRouter()
    _reading(router, desk, Collection(desk.index.store, desk.names))
    _thumbs(router, desk)
    return router


def _reading(router: APIRouter, desk: Desk, collection: Collection) -> None:
    @router.get("/v1/items")
    def items(asked: Annotated[AskedItems, Query()]) -> Items:
        """A page of items."""
        page = collection.page(**asked.model_dump())
        return Items(
            items=[ItemText(**facts_of(told)) for told in page.items], next=page.next, total=page.total
        )

    @router.get("/v1/items/{id}")
    def item(number: Id) -> OneItem:
        """One item."""
        told = collection.item(number)
        if told is None:
            raise no_such_item(number)
        return OneItem(**facts_of(told), hash=told.item.hash.hex(), copies=list(told.copies))

    @router.get("/v1/labels")
    def labels(asked: Annotated[AskedLabels, Query()]) -> Labels:
        """A page of labels."""
        found, total = collection.labels(start=asked.start, after=asked.after, limit=asked.limit + 1)
        shown = [LabelText(label=label, count=count) for label, count in found[: asked.limit]]
        return Labels(labels=shown, next=shown[-1].label if len(found) > asked.limit else None, total=total)

    @router.get("/v1/folders")
    def folders(asked: Annotated[AskedFolders, Query()]) -> Folders:
        """A page of folders."""
        found, end = desk.names.folders(asked.below), asked.skip + asked.limit
        shown = [FolderText(**asdict(each)) for each in found[asked.skip : end]]
        return Folders(folders=shown, next=end if end < len(found) else None, total=len(found))


def _thumbs(router: APIRouter, desk: Desk) -> None:
    threads = ThreadPoolExecutor(_AT_ONCE, "lookalike-thumbs")

    def thumb(number: int, size: int, known: str) -> Response:
        shown = desk.thumbs.find(number, size)
        if shown is None:
            raise no_such_item(number)
        headers = {"ETag": shown.tag, "Cache-Control": f"private, max-age={KEEP_SECONDS}"}
        if shown.tag in known:
            return Response(status_code=304, headers=headers)
        made = desk.thumbs.make(shown)
        told = {"Cache-Control": "no-store", FLAW: made.flaw.replace(" ", "-")}
        kept = headers if made.is_lasting else told
        return Response(made.content, media_type="image/jpeg", headers=kept)

    @router.get(
        "/v1/thumb/{id}",
        response_class=Response,
        responses={
            200: {
                "content": {"image/jpeg": {}},
                "description": "A JPEG; a grey tile where it cannot be opened or has changed.",
                "headers": {FLAW: _FLAW},
            },
            304: {"description": "What the browser has is right."},
        },
    )
    async def show(
        request: Request,
        number: Id,
        asked: Annotated[AskedThumb, Query()],
    ) -> Response:
        """An item's picture, or the part of it that the item is, upright and never enlarged."""
        known = request.headers.get("if-none-match", "")
        return await while_asked(request, in_one_of(threads, thumb, number, asked.s, known))
