"""What no route looks at by itself: queries and kinds of bodies that its description does not name.

A request and the description of the API enter; nothing, or a problem, leaves. Values are the routes' affair.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request
from python_multipart.multipart import parse_options_header

from lookalike.serving.problems import Problem
from lookalike.serving.value_words import unknown


async def check_described(request: Request) -> None:
    """Refuse a parameter of the query that is not known, and a body of another kind than is asked for.

    Raises:
        Problem: 422, there is such a parameter; 415, the body is of such a kind.
    """
    described = request.app.openapi()["paths"].get(request.scope["route"].path_format, {})
    operation = described.get(request.method.lower(), {})
    _check_query(request, operation)
    _check_body(request, operation)


def _check_query(request: Request, operation: dict[str, Any]) -> None:
    known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            message = f"{name[:40]} in the query string: there is no such parameter"
            raise Problem(422, "invalid", message, unknown(name, known))


def _check_body(request: Request, operation: dict[str, Any]) -> None:
    kinds = operation.get("requestBody", {}).get("content", {})
    kind = parse_options_header(request.headers.get("content-type"))[0].decode("latin-1")
    if kinds and kind not in kinds:
        known = " or ".join(kinds)
        raise Problem(415, "content_type", f"The body is not {known}.", f"Send it as {known}.")
