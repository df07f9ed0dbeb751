"""The application: what the desk has, at its addresses, behind the guard, observed.

An open desk enters, an ASGI application leaves. No route is written here, and none keeps anything.
"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import Depends, FastAPI

from lookalike.serving import (
    routes_adding,
    routes_items,
    routes_map,
    routes_page,
    routes_questions,
    routes_review,
    routes_threshold,
)
from lookalike.serving.desk import Desk
from lookalike.serving.guard import Guard
from lookalike.serving.observing import Observer
from lookalike.serving.problems import DOCUMENTED, answer_problems
from lookalike.serving.strictness import check_described

ROUTES = (
    routes_page.routes,
    routes_items.routes,
    routes_adding.routes,
    routes_questions.routes,
    routes_review.routes,
    routes_threshold.routes,
    routes_map.routes,
)


def create_app(desk: Desk) -> FastAPI:
    """Put an application together for an open desk; who opened the desk closes it."""
    app = FastAPI(
        title="lookalike",
        version=version("lookalike"),
        summary="Learned image similarity: search, compare and review the pictures of one index.",
        docs_url=None,  # FastAPI's pages load scripts from elsewhere
        redoc_url=None,
        responses=DOCUMENTED,
    )
    answer_problems(app, desk.places())
    for routes in ROUTES:
        app.include_router(routes(desk), dependencies=[Depends(check_described)])
    app.openapi()  # made once: each request is held to it
    app.add_middleware(Guard, settings=desk.settings, failures=desk.failures)
    app.add_middleware(Observer, metrics=desk.metrics)  # outermost: it also sees what is refused
    return app
