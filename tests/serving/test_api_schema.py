"""The API is what its own description says: whatever it allows is answered as described, never by a fault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lookalike.serving.application import create_app
from lookalike.serving.desk import Desk
from lookalike.serving.settings import Settings
from served import painted_index, threaded

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
BOUNDED = settings(
    max_examples=10, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
PUBLIC = {
    "/healthz": {"get"},
    "/metrics": {"get"},
    "/readyz": {"get"},
    "/v1/boundary": {"get"},
    "/v1/boundary/at": {"get"},
    "/v1/decisions": {"get", "post"},
    "/v1/embed": {"post"},
    "/v1/explain": {"post"},
    "/v1/folders": {"get"},
    "/v1/groups": {"get"},
    "/v1/groups/refresh": {"post"},
    "/v1/identify": {"post"},
    "/v1/info": {"get"},
    "/v1/items": {"get", "post"},
    "/v1/items/{id}": {"get", "delete"},
    "/v1/labels": {"get"},
    "/v1/map": {"get"},
    "/v1/match": {"post"},
    "/v1/search": {"post"},
    "/v1/session": {"post"},
    "/v1/thresholds": {"get"},
    "/v1/thresholds/{name}": {"delete", "put"},
    "/v1/thresholds/{name}/undo": {"post"},
    "/v1/thumb/{id}": {"get"},
}
PLAIN = {  # where nothing is asked that could be wrong
    *("/healthz", "/metrics", "/readyz", "/v1/boundary", "/v1/groups/refresh", "/v1/info", "/v1/thresholds"),
}


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("schema"), tiny_folder)


@pytest.fixture(scope="module")
def api(index: Path) -> Iterator[schemathesis.BaseSchema]:
    with threaded(index, writable=True, max_bytes=100_000) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # schemathesis does, within hypothesis
@pytest.mark.parametrize(("path", "verb"), [(path, verb) for path in PUBLIC for verb in sorted(PUBLIC[path])])
def test_every_answer_is_as_described(api: schemathesis.BaseSchema, path: str, verb: str) -> None:
    cases = api[path][verb].as_strategy()
    if path not in PLAIN:
        cases |= api[path][verb].as_strategy(GenerationMode.NEGATIVE)

    @BOUNDED
    @given(case=cases)
    def answered(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=CHECKS, timeout=30)

    answered()


def test_all_addresses_are_described(index: Path) -> None:
    desk = Desk.open(Settings(index))
    try:
        described = create_app(desk).openapi()
    finally:
        desk.close()
    assert {path: set(verbs) for path, verbs in described["paths"].items()} == PUBLIC
    for verbs in described["paths"].values():
        for operation in verbs.values():
            assert operation["description"]
            assert "4XX" in operation["responses"]
            assert "422" not in operation["responses"]
