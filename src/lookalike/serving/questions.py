"""What may be asked about pictures over HTTP, and what is answered: models of JSON.

Plain values enter; checked questions leave. Defaults are those of the core's verbs. What a question comes to,
and how an answer is put into these forms, is told in `answering`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from lookalike.hits import Rerank
from lookalike.identifying import identify
from lookalike.indexing.filters import MOST_LETTERS
from lookalike.indexing.selection import ALL
from lookalike.matching import match
from lookalike.search import search_images

LAST_ID = 2**63 - 1
MOST_ANSWERS, MOST_SKIPPED, MOST_PICTURES = 1000, 100_000, 64
LONGEST = 4096  # letters of a name


def _default(verb: Callable[..., Any], name: str) -> Any:
    return inspect.signature(verb).parameters[name].default


_SEARCH = {
    name: _default(search_images, name)
    for name in ("k", "skip", "copies", "collapse", "rerank", "probability", "threshold")
}

Id = Annotated[int, Field(ge=1, le=LAST_ID, description="An item of the index.")]
Place = Annotated[int, Field(ge=0, lt=MOST_PICTURES, description="An uploaded picture, the first is 0.")]
Name = Annotated[str, Field(max_length=LONGEST)]


class Asked(BaseModel):
    """What is sent; a key that is not known is an error."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)


class PictureAsk(Asked):
    """A picture: an item of the index, or an upload."""

    id: Id | None = None
    upload: Place | None = None

    @model_validator(mode="after")
    def _is_one(self) -> PictureAsk:
        if (self.id is None) == (self.upload is None):
            raise ValueError("give either id or upload")
        return self


class WeighedAsk(PictureAsk):
    """A picture with its weight, below 0 to look away from it."""

    weight: float = 1.0


class SearchAsk(Asked):
    """A search.

    Attributes:
        query: pictures, together one query; left out: all uploads.
        attributes: "a=1,b=0", alone or beside pictures.
        where: a filter on label and attributes; folder: a name as GET /v1/folders lists it.
        lowest, highest: the range of similarities.
    """

    query: list[WeighedAsk] = Field([], max_length=MOST_PICTURES)
    attributes: Annotated[str, Field(max_length=LONGEST)] | None = None
    k: int = Field(_SEARCH["k"], ge=1, le=MOST_ANSWERS)
    skip: int = Field(_SEARCH["skip"], ge=0, le=MOST_SKIPPED)
    where: str = Field(ALL.where, max_length=MOST_LETTERS)
    folder: Name = ""
    lowest: float = Field(ALL.lowest, ge=-1, le=1)
    highest: float = Field(ALL.highest, ge=-1, le=1)
    probability: Annotated[float, Field(gt=0, lt=1)] | None = _SEARCH["probability"]
    threshold: Name = _SEARCH["threshold"]
    copies: bool = _SEARCH["copies"]
    collapse: bool = _SEARCH["collapse"]
    rerank: Annotated[Rerank, Field(strict=False)] | None = _SEARCH["rerank"]


class MatchAsk(Asked):
    """Two pictures to compare; one that is left out is the next upload."""

    a: PictureAsk | None = None
    b: PictureAsk | None = None
    threshold: Name = _default(match, "threshold")
    prior: Annotated[float, Field(gt=0, lt=1)] | None = _default(match, "prior")


class ExplainAsk(Asked):
    """Two pictures whose likeness is to be explained; one that is left out is the next upload."""

    a: PictureAsk | None = None
    b: PictureAsk | None = None


class EmbedAsk(Asked):
    """Nothing but uploads is embedded."""


class IdentifyAsk(Asked):
    """One picture to identify; left out: the upload."""

    query: list[PictureAsk] = Field([], max_length=1)
    threshold: Name = _default(identify, "threshold")


class HitText(BaseModel):
    """One answer; match, probability and band are null where the model has nothing to say them by."""

    rank: int
    id: int
    name: str
    label: str | None
    similarity: float
    match: bool | None
    probability: float | None
    band: str | None
    copies: list[int]


class PartText(BaseModel):
    """One picture of a combined query."""

    id: int | None = None
    upload: int | None = None
    name: str
    weight: float


class SearchAnswer(BaseModel):
    """The most alike, the best first; nothing: why there is none, and nearest: what came nearest to one.

    known: the items with the content of an upload, copies among them.
    """

    query: str
    hits: list[HitText]
    threshold: float | None
    exact: bool
    order: str
    parts: list[PartText]
    nothing: str
    nearest: HitText | None
    known: list[int]


class ThresholdText(BaseModel):
    """A threshold of the model, and what it promises."""

    name: str
    similarity: float
    target: str
    promise: str


class MatchAnswer(BaseModel):
    """Whether two pictures count as the same."""

    a: str
    b: str
    match: bool
    similarity: float
    probability: float | None
    prior: float | None
    band: str | None
    threshold: ThresholdText


class EmbeddingText(BaseModel):
    """An upload's vector of unit length, and the hash of its content."""

    name: str
    hash: str
    vector: list[float]


class SkippedText(BaseModel):
    """An upload that cannot be used, and why."""

    name: str
    reason: str
    detail: str


class EmbedAnswer(BaseModel):
    """Vectors of the model with this fingerprint."""

    dim: int
    model: str
    embeddings: list[EmbeddingText]
    skipped: list[SkippedText]


class IdentifyAnswer(BaseModel):
    """What a picture is taken for: label, or null where it is none of the known things.

    known: the items with the content of the upload, which do not answer.
    """

    query: str
    label: str | None
    candidate: str | None
    similarity: float | None
    votes: int
    neighbours: list[HitText]
    threshold: float
    promise: str
    known: list[int]


def body_of(ask: type[Asked], *, files: int, required: bool = True) -> dict[str, Any]:
    """How OpenAPI describes a body that is a question, or a form with pictures and a question."""
    schema = _inlined(ask.model_json_schema())
    pictures = {"type": "array", "items": {"type": "string", "format": "binary"}, "maxItems": files}
    form = {
        "type": "object",
        "properties": {"picture": pictures, "ask": schema},
        "additionalProperties": False,
    }
    kinds = {"application/json": {"schema": schema}, "multipart/form-data": {"schema": form}}
    return {"requestBody": {"required": required, "content": kinds}}


def _inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that refers to nothing outside of itself."""
    known: Mapping[str, Any] = schema.pop("$defs", {})

    def whole(value: Any) -> Any:
        if isinstance(value, list):
            return [whole(entry) for entry in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return whole(known[value["$ref"].rpartition("/")[2]])
        return {key: whole(entry) for key, entry in value.items()}

    inlined: dict[str, Any] = whole(schema)
    return inlined
