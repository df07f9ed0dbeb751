"""Duplicates over HTTP: pages of groups, and decisions on pairs. Requests enter; plain values leave.

Nothing is moved and no plan is written here: `lookalike duplicates INDEX --plan` does that.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from lookalike.duplicates.records import Band, Group
from lookalike.indexing.schema import Verdict
from lookalike.presenting.duplicates_wording import cautions, group_values, headline, left_out, totals
from lookalike.serving.desk import Desk
from lookalike.serving.problems import Problem, as_problem, without_places
from lookalike.serving.reviewing import Page, renamed

MOST_ID = 2**63 - 1
Skip = Annotated[int, Query(ge=0, le=MOST_ID, description="How many come before the first that is listed.")]
Limit = Annotated[int, Query(ge=1, le=100, description="How many are listed at most.")]

OneOfTwo = Annotated[
    int | None, Query(ge=0, le=MOST_ID, description="An item of the pair that is asked about.")
]


class Member(BaseModel):
    """One picture of a group: what is known of it, and what is proposed for it."""

    id: int
    name: str
    label: str | None
    width: int
    height: int
    bytes: int
    format: str
    action: Literal["keep", "move"]
    reason: str
    similarity: float | None
    difference: float | None
    decided: Verdict | None
    representative: bool
    keeper: bool


class GroupShown(BaseModel):
    """Pictures that are one, or show the same thing."""

    band: Band
    key: str
    settled: bool
    bytes: int
    members: list[Member]


class TotalShown(BaseModel):
    """What a band holds; of more than one band, "all" comes last."""

    band: str
    groups: int
    pictures: int
    removable: int
    bytes: int


class Groups(BaseModel):
    """A page of groups, and how the finding goes."""

    state: Literal["working", "ready", "failed"]
    stage: str = Field(description="What is done while the groups are being found.")
    done: int = Field(description="Of that stage.")
    headline: str
    cautions: list[str]
    totals: list[TotalShown]
    groups: list[GroupShown]
    total: int = Field(description="Groups of this kind; while they are being found, steps of the stage.")
    place: int | None = Field(
        description="Of the group that was looked for, among all; null: it is not there."
    )
    next: int | None
    stale: bool = Field(description="Whether the pictures of the index changed since.")


class Course(BaseModel):
    """What a finding is at."""

    state: Literal["working"]


class DecisionAsked(BaseModel):
    """What somebody decided on two items."""

    model_config = ConfigDict(extra="forbid", strict=True)

    a: int = Field(ge=0, le=MOST_ID)
    b: int = Field(ge=0, le=MOST_ID)
    verdict: Verdict | Literal["forget"]


class DecisionMade(BaseModel):
    """What holds now, since when, and what held before."""

    verdict: Verdict | Literal["forget"]
    made: str
    before: Verdict | None


class Picture(BaseModel):
    """An item by its id and name."""

    id: int
    name: str


class DecisionShown(BaseModel):
    """A decision; a picture that the index no longer has is null."""

    a: Picture | None
    b: Picture | None
    verdict: Verdict
    made: str


class Decisions(BaseModel):
    """A page of decisions, the latest first."""

    decisions: list[DecisionShown]
    total: int
    next: int | None


def routes(desk: Desk) -> APIRouter:
    """Groups of duplicates, and decisions on them."""
    router = APIRouter(prefix="/v1", tags=["duplicates"])
    _about_groups(router, desk)
    _about_decisions(router, desk)
    return router


def _about_groups(router: APIRouter, desk: Desk) -> None:
    @router.get("/groups")
    def groups(
        band: Annotated[Band | Literal[""], Query(description="Of the groups; empty: all.")] = "",
        skip: Skip = 0,
        limit: Limit = 20,
        *,
        settled: Annotated[bool, Query(description="Also those of which nothing would go.")] = False,
        key: Annotated[str, Query(max_length=40, description="Of a group: its page is shown.")] = "",
        undecided: Annotated[
            bool, Query(description="Without such a group: the page of the first that is not decided on.")
        ] = False,
    ) -> Groups:
        """Groups of pictures that are there twice; the first call begins to find them."""
        kind = Band(band) if band else None
        page = desk.review.page(
            band=kind, skip=skip, limit=limit, settled=settled, key=key, undecided=undecided
        )
        return _groups(desk, page)

    @router.post("/groups/refresh", status_code=202)
    def refresh() -> Course:
        """Find the groups anew, for example because the index changed."""
        desk.review.refresh()
        return Course(state="working")


def _about_decisions(router: APIRouter, desk: Desk) -> None:
    @router.post("/decisions")
    def decide(asked: DecisionAsked) -> DecisionMade:
        """Keep what somebody decided on two pictures, or forget it; groups follow at once."""
        made = datetime.now(UTC).isoformat(timespec="seconds")
        verdict = None if asked.verdict == "forget" else asked.verdict
        before = desk.review.decide(asked.a, asked.b, verdict, made=made)
        return DecisionMade(verdict=asked.verdict, made=made, before=before)

    @router.get("/decisions")
    def decisions(skip: Skip = 0, limit: Limit = 20, a: OneOfTwo = None, b: OneOfTwo = None) -> Decisions:
        """What was decided, the latest first; with `a` and `b`, on these two."""
        if (a is None) != (b is None):
            raise Problem(
                422, "one_of_two", "Only one of the two pictures is named.", "Name a and b, or neither."
            )
        pair = None if a is None or b is None else (a, b)
        shown, total = desk.review.decisions(skip=skip, limit=limit, pair=pair)
        ids = desk.review.ids_of(shown)
        names = desk.names.of(ids.values())
        pictures = {
            digest: Picture(id=number, name=names[number])
            for digest, number in ids.items()
            if number in names
        }
        listed = [
            DecisionShown(
                a=pictures.get(entry.first),
                b=pictures.get(entry.second),
                verdict=entry.verdict,
                made=entry.made,
            )
            for entry in shown
        ]
        return Decisions(decisions=listed, total=total, next=_next(skip, len(listed), total))


def _groups(desk: Desk, page: Page) -> Groups:
    places = desk.places()
    said = headline(page.found) if page.total or page.state == "ready" else ""
    if page.error is not None and page.state == "failed":
        problem = as_problem(page.error, folders=places)
        said = f"{problem.message.rstrip('.')}. {problem.hint}"
    names = desk.names.of(member.id for _, group in page.groups for member in group.members)
    return Groups(
        state=page.state,
        stage=page.course.stage,
        done=page.course.done,
        headline=said,
        cautions=[without_places(text, places) for text in (*left_out(page.found), *cautions(page.found))],
        totals=[TotalShown(**{**asdict(total), "band": total.name}) for total in totals(page.found)],
        groups=[_group(key, renamed(group, names)) for key, group in page.groups],
        total=page.course.total if page.state == "working" else page.total,
        place=page.place,
        next=_next(page.start, len(page.groups), page.total),
        stale=page.is_stale,
    )


def _group(key: str, group: Group) -> GroupShown:
    told = group_values(group)
    members = [
        Member(**_known(values), representative=place == group.representative, keeper=place == group.keeper)
        for place, values in enumerate(told["members"])
    ]
    return GroupShown(band=group.band, key=key, settled=told["settled"], bytes=told["bytes"], members=members)


def _known(values: dict[str, Any]) -> dict[str, Any]:
    return {**{key: values[key] for key in Member.model_fields if key in values}, "name": values["path"]}


def _next(skip: int, shown: int, total: int) -> int | None:
    after = skip + shown
    return after if shown and after < total else None
