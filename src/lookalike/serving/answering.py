"""Between what is sent and what is asked: checked questions become the searcher's, answers become JSON.

Models of questions and uploads that are embedded enter, questions leave; Hits with names enter, plain values
leave. Which verb answers is decided as on the command line; nothing is searched here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import ValidationError

from lookalike.composing import Given
from lookalike.errors import ImageError, LookalikeError
from lookalike.hits import Hit
from lookalike.identifying import Identification
from lookalike.models.model import Model
from lookalike.records import Match
from lookalike.serving.problems import Problem, invalid_values
from lookalike.serving.questions import Asked, PictureAsk, SearchAsk, WeighedAsk
from lookalike.serving.searcher import Among, Entry, Found, Options, Question
from lookalike.serving.uploads import File, Upload

FOR_TWO = ("threshold", "probability")  # options for a picture against a picture

AskKind = TypeVar("AskKind", bound=Asked)


def read(kind: type[AskKind], upload: Upload) -> AskKind:
    """The question that was sent, checked.

    Raises:
        Problem: it is not understood.
    """
    try:
        return kind.model_validate(upload.ask)
    except ValidationError as error:
        found = [{**each, "loc": ("body", *each["loc"])} for each in error.errors(include_url=False)]
        raise invalid_values(found, body=kind.model_json_schema()) from error


def chosen(asked: Sequence[PictureAsk], upload: Upload) -> list[PictureAsk]:
    """The pictures of a question: those that it names, or all uploads where it names none.

    Raises:
        Problem: it names an upload that did not come, or one came that it does not name.
    """
    count = len(upload.files)
    if not asked:
        return [WeighedAsk(upload=place) for place in range(count)]
    named = {entry.upload for entry in asked if entry.upload is not None}
    for place in sorted(named ^ set(range(count))):
        saw = f"upload {place} came and is not asked for" if place < count else f"there is no upload {place}"
        raise Problem(
            422,
            "uploads",
            f"The question and its uploads do not fit together: {saw}, of {count}.",
            'Name each upload once: {"upload": 0} is the first picture of the form.',
        )
    return list(asked)


def pair(a: PictureAsk | None, b: PictureAsk | None, upload: Upload) -> list[PictureAsk]:
    """Two pictures; one that is not named is the next upload that is not.

    Raises:
        Problem: there are not two, or as of `chosen`.
    """
    named = {entry.upload for entry in (a, b) if entry is not None}
    left = [PictureAsk(upload=place) for place in range(len(upload.files)) if place not in named]
    sides = [side if side is not None else left.pop(0) if left else None for side in (a, b)]
    two = [side for side in sides if side is not None]
    if len(two) < len(sides):
        raise Problem(
            422,
            "too_few",
            f"Two pictures are compared: saw {len(two)}.",
            'Send two pictures, or name items: {"a": {"id": 1}, "b": {"id": 2}}.',
        )
    return chosen(two, upload)


def one(asked: Sequence[PictureAsk], upload: Upload) -> PictureAsk:
    """The one picture that is asked about.

    Raises:
        Problem: there is none, or there are several, or as of `chosen`.
    """
    found = chosen(asked, upload)
    if len(found) != 1:
        raise Problem(
            422,
            "one_picture",
            f"One picture is asked about: saw {len(found)}.",
            "Send one picture, or name one item, in a request.",
        )
    return found[0]


def picture_of(asked: PictureAsk, uploads: Sequence[Given]) -> int | Given:
    """The item, or the upload."""
    return uploads[asked.upload] if asked.upload is not None else asked.id or 0


def question_of(ask: SearchAsk, entries: Sequence[PictureAsk], uploads: Sequence[Given]) -> Question:
    """What is asked of the searcher.

    Raises:
        Problem: nothing is asked.
        LookalikeError: an option does not go with what is asked.
    """
    if not entries and ask.attributes is None:
        raise Problem(
            422,
            "nothing_asked",
            "Nothing is asked for: saw no picture and no attributes.",
            'Send a picture, or name an item: {"query": [{"id": 1}]}, or state {"attributes": "a=1"}.',
        )
    pictures = tuple(Entry(picture_of(entry, uploads), weight_of(entry)) for entry in entries)
    is_combined = len(pictures) > 1 or (len(pictures) == 1 and pictures[0].weight <= 0)
    among = Among(ask.where, ask.folder, ask.lowest, ask.highest)
    return Question(
        pictures, ask.attributes, is_combined, among, _options(ask, pictures, is_combined=is_combined)
    )


def weight_of(asked: PictureAsk) -> float:
    """How much a picture weighs."""
    return asked.weight if isinstance(asked, WeighedAsk) else 1.0


def _options(ask: SearchAsk, pictures: Sequence[Entry], *, is_combined: bool) -> Options:
    """The options of the verb that answers; one that is given and not for it is refused."""
    names = ["k", "skip", "collapse"]
    if pictures:
        names.append("copies")
    if ask.attributes is None:
        names.append("rerank")
    if ask.attributes is None and not is_combined:
        names += FOR_TWO
    what = "attributes" if ask.attributes is not None else "a combination of pictures"
    for name in ("rerank", *FOR_TWO):
        if name not in names and getattr(ask, name) != SearchAsk.model_fields[name].default:
            raise LookalikeError(
                "the option is for a picture against a picture",
                where=name,
                saw=f"{name} {getattr(ask, name)}, and {what} to look for",
                do=f"leave {name} out",
            )
    return tuple((name, getattr(ask, name)) for name in names)


def search_values(found: Found, entries: Sequence[PictureAsk]) -> dict[str, Any]:
    """An answer as plain values."""
    hits, names = found.hits, found.names
    weighty = [entry for entry in entries if weight_of(entry)] if hits.parts else []
    return {
        "query": hits.query,
        "hits": [hit_values(hit, names) for hit in hits.hits],
        "threshold": hits.threshold,
        "exact": hits.exact,
        "order": hits.order,
        "parts": [
            {**_source(entry), "name": part.path, "weight": part.weight}
            for entry, part in zip(weighty, hits.parts, strict=True)
        ],
        "nothing": found.nothing,
        "nearest": hit_values(hits.nearest, names) if hits.nearest is not None else None,
        "known": found.known,
    }


def hit_values(hit: Hit, names: Mapping[int, str]) -> dict[str, Any]:
    """A hit as plain values."""
    return {
        "rank": hit.rank,
        "id": hit.id,
        "name": names[hit.id],
        "label": hit.label,
        "similarity": hit.similarity,
        "match": hit.match,
        "probability": hit.probability,
        "band": hit.band,
        "copies": hit.copies,
    }


def match_values(found: Match, threshold: str) -> dict[str, Any]:
    """A verdict as plain values."""
    promised = found.threshold
    return {
        "a": found.a,
        "b": found.b,
        "match": found.match,
        "similarity": found.similarity,
        "probability": found.probability,
        "prior": found.prior,
        "band": found.band,
        "threshold": {
            "name": threshold,
            "similarity": promised.similarity,
            "target": promised.target,
            "promise": promised.promise,
        },
    }


def identify_values(found: Identification, names: Mapping[int, str], known: Sequence[int]) -> dict[str, Any]:
    """What a picture is taken for as plain values."""
    return {
        "query": found.query,
        "label": found.label,
        "candidate": found.candidate,
        "similarity": found.similarity,
        "votes": found.votes,
        "neighbours": [hit_values(hit, names) for hit in found.neighbours],
        "threshold": found.threshold.similarity,
        "promise": found.threshold.promise,
        "known": known,
    }


def _source(asked: PictureAsk) -> dict[str, int]:
    return {"upload": asked.upload} if asked.upload is not None else {"id": asked.id or 0}


def embed_values(model: Model, files: Sequence[File], found: Sequence[Given | ImageError]) -> dict[str, Any]:
    """Vectors, and what could not be used, as plain values.

    Raises:
        ImageError: not one of the pictures could be used.
    """
    skipped = [
        (file, entry) for file, entry in zip(files, found, strict=True) if isinstance(entry, ImageError)
    ]
    if len(skipped) == len(files):
        raise skipped[0][1]
    given = [entry for entry in found if isinstance(entry, Given)]
    return {
        "dim": model.dim,
        "model": model.fingerprint,
        "embeddings": [
            {"name": entry.name, "hash": (entry.content or b"").hex(), "vector": entry.vector.tolist()}
            for entry in given
        ],
        "skipped": [
            {"name": file.name, "reason": error.reason.value, "detail": error.saw} for file, error in skipped
        ],
    }
