"""The map over HTTP: one answer with the place of every picture, made in the background.

Requests enter; the text that was made once leaves as it is.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from lookalike.presenting.projection import Method
from lookalike.serving.desk import Desk
from lookalike.serving.mapping import Shown
from lookalike.serving.problems import Problem, as_problem

_NOTHING = {  # while there is no map
    "ids": "[]",
    "x": "[]",
    "y": "[]",
    "names": "[]",
    "explained": "null",
    "sampled": "false",
    "of": "0",
    "generation": "-1",
    "column": "null",
    "columns": "[]",
}


class ColumnShown(BaseModel):
    """What is known of pictures: values, and of each picture the place of its own; "" is not known."""

    name: str
    values: list[str]
    codes: list[int]


class MapShown(BaseModel):
    """Where each picture lies: whole numbers, x to the right and y upwards, the shape of the plane kept."""

    state: Literal["working", "ready", "failed"]
    stage: str = Field(description="What is done while a map is being made.")
    done: int
    total: int
    stale: bool = Field(description="Whether the index changed since; a new map is being made then.")
    message: str = Field(description="Why there is no map, where making it failed.")
    ids: list[int]
    x: list[int]
    y: list[int]
    names: list[str]
    column: str | None = Field(
        description="To colour by: the one that was asked for, else the server's choice; null: none."
    )
    columns: list[ColumnShown]
    method: Method
    explained: float | None = Field(description="Share of the differences that the plane shows.")
    sampled: bool = Field(description="Whether these are only a part, drawn at random, of all pictures.")
    of: int
    generation: int


def routes(desk: Desk) -> APIRouter:
    """The map of the index."""
    router = APIRouter(prefix="/v1", tags=["map"])

    @router.get("/map", response_model=MapShown)
    def shown(
        column: Annotated[str | None, Query(description="Of the columns this one; all without it.")] = None,
        method: Annotated[Method, Query(description="umap needs an extra, and takes its time.")] = "pca",
    ) -> Response:
        """Where the pictures lie for the model; the first call begins to find out."""
        found = desk.map.show(method)
        if found.made is not None and column is not None and column not in found.made.columns:
            known = ", ".join(found.made.columns) or "none"
            raise Problem(404, "no_such_column", f"The map has no column {column!r}.", f"Columns: {known}.")
        return Response(_text(desk, found, column=column, method=method), media_type="application/json")

    return router


def _text(desk: Desk, found: Shown, *, column: str | None, method: Method) -> str:
    state, message = "working", ""
    if found.made is not None:
        state = "ready"
    elif found.error is not None:
        problem = as_problem(found.error, folders=desk.places())
        state, message = "failed", f"{problem.message} {problem.hint}"
    parts = {
        "state": json.dumps(state),
        "stage": json.dumps(found.course.stage),
        "done": str(found.course.done),
        "total": str(found.course.total),
        "stale": json.dumps(found.made is not None and found.is_old),
        "message": json.dumps(message),
        "method": json.dumps(method),
        **(_NOTHING if found.made is None else found.made.parts(column)),
    }
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in parts.items()) + "}"
