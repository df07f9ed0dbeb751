"""A model whose only threshold is not called default: command line, Python and HTTP say the same of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from commands import Run, fails
from lookalike.errors import ModelError
from lookalike.hits import Hit, Hits
from lookalike.indexing.index import Index
from lookalike.matching import match
from lookalike.models.model import Model
from lookalike.models.verdicts import keep_calibration
from lookalike.search import search_images
from served import client, painted_index
from some_calibrations import of_model
from some_records import threshold

STRICT, LIMIT = "strict", 0.6
KNOWN = f"saw thresholds named {STRICT}"
Row = tuple[str, bool | None, float | None]


@dataclass(frozen=True)
class Doors:
    """Three ways to ask one index about two of its pictures, which show the same thing."""

    index: Index
    http: TestClient
    run: Run

    @property
    def place(self) -> Path:
        return self.index.path.parent

    @property
    def pictures(self) -> list[Path]:
        return [self.place / "painted" / "thing01" / f"{number}.png" for number in (0, 2)]

    def command(self, *words: object) -> Any:
        code, out, err = self.run(*words, "--json")
        assert code in (0, 1), err
        return json.loads(out)

    def post(self, way: str, ask: dict[str, Any]) -> Any:
        """The answer about the picture that `search` asks about, or the two of `match`, as items."""
        ids = [self.index.same_content(None, path)[0] for path in self.pictures]
        pair = {"a": {"id": ids[0]}, "b": {"id": ids[1]}}
        return self.http.post(
            f"/v1/{way}", json=ask | (pair if way == "match" else {"query": [{"id": ids[0]}]})
        )


@pytest.fixture(scope="module")
def path(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = painted_index(tmp_path_factory.mktemp("named"), tiny_folder)
    model = Model.load(path.with_name("model"))
    model.set_threshold(replace(threshold("f1"), similarity=LIMIT), name=STRICT)
    keep_calibration(model, of_model(model))
    return path


@pytest.fixture(scope="module")
def opened(path: Path) -> Iterator[tuple[Index, TestClient]]:
    with Index.open(path) as index, client(path) as http:
        yield index, http


@pytest.fixture
def doors(opened: tuple[Index, TestClient], run: Run) -> Doors:
    return Doors(*opened, run)


def searched(doors: Doors, name: str | None) -> list[tuple[float | None, list[Row]]]:
    """What each door says: the threshold, and of each answer its name, verdict and probability."""
    picture = doors.pictures[0]
    ask: dict[str, Any] = {} if name is None else {"threshold": name}
    (found,) = search_images(doors.index, [picture], **ask)
    assert isinstance(found, Hits)
    words = [] if name is None else ["--threshold", name]
    told = [doors.command("search", doors.index.path, picture, *words), doors.post("search", ask).json()]

    def row(hit: Hit) -> Row:
        return str(Path(hit.path).relative_to(doors.place)), hit.match, rounded(hit.probability)

    ours = (found.threshold, [row(hit) for hit in found.hits])
    return [ours, *((each["threshold"], [told_row(doors, hit) for hit in each["hits"]]) for each in told)]


def told_row(doors: Doors, hit: dict[str, Any]) -> Row:
    name = hit.get("name") or str(Path(hit["path"]).relative_to(doors.place))
    return name, hit["match"], rounded(hit["probability"])


def rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


@pytest.mark.parametrize("name", [None, "default"], ids=["unsaid", "default"])
def test_a_search_without_a_default_has_no_verdicts(doors: Doors, name: str | None) -> None:
    python, command, http = searched(doors, name)
    assert python == command == http
    limit, rows = http
    assert limit is None
    assert len(rows) == 10
    assert {verdict for _, verdict, _ in rows} == {None}
    assert None not in {probability for *_, probability in rows}


def test_a_search_by_its_name_has_verdicts(doors: Doors) -> None:
    python, command, http = searched(doors, STRICT)
    assert python == command == http
    limit, rows = http
    assert limit == LIMIT
    assert {verdict for _, verdict, _ in rows} == {True, False}


def test_a_match_by_its_name_has_a_verdict(doors: Doors) -> None:
    found = match(doors.index.model, *doors.pictures, threshold=STRICT)
    told = doors.command("match", doors.index.model.folder, *doors.pictures, "--threshold", STRICT)
    answer = doors.post("match", {"threshold": STRICT}).json()
    assert (found.match, found.threshold.similarity) == (True, LIMIT)
    assert (told["match"], told["threshold"]) == (True, LIMIT)
    assert (answer["match"], answer["threshold"]["similarity"]) == (True, LIMIT)
    assert told["promise"] == answer["threshold"]["promise"] == found.threshold.promise


def asked(doors: Doors, way: str, ask: dict[str, Any]) -> tuple[Callable[[], object], list[object]]:
    """The same question in Python and as a command."""
    words: list[object] = [word for name, value in ask.items() for word in (f"--{name}", value)]
    if way == "match":
        model = doors.index.model
        return lambda: match(model, *doors.pictures, **ask), ["match", model.folder, *doors.pictures, *words]
    first = doors.pictures[:1]
    return lambda: list(search_images(doors.index, first, **ask)), [
        "search",
        doors.index.path,
        *first,
        *words,
    ]


@pytest.mark.parametrize(
    ("way", "ask", "what"),
    [
        ("match", {}, "the model has no match threshold"),
        ("match", {"threshold": "lax"}, "the model has no match threshold of that name"),
        ("search", {"threshold": "lax"}, "the model has no match threshold of that name"),
    ],
    ids=["match", "match by another", "search by another"],
)
def test_what_needs_another_is_refused_and_told_which_there_is(
    doors: Doors, way: str, ask: dict[str, Any], what: str
) -> None:
    python, words = asked(doors, way, ask)
    with pytest.raises(ModelError, match=rf"^{what} - .* - {KNOWN}, .* --threshold {STRICT}"):
        python()
    fails(doors.run(*words), f"error: {what} - ", KNOWN, f"--threshold {STRICT}")
    answer = doors.post(way, ask)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (409, "model")
    assert error["message"].startswith(f"{what}: thresholds named {STRICT}; wanted ")
    told = f'take the one there is by "threshold": "{STRICT}", or make one: lookalike calibrate '
    assert error["hint"].startswith(told)


def test_all_doors_list_it(doors: Doors) -> None:
    listed = doors.http.get("/v1/thresholds").json()["thresholds"]
    told = doors.command("info", doors.index.model.folder)["thresholds"]
    assert list(listed) == list(told) == list(doors.http.get("/v1/info").json()["thresholds"]) == [STRICT]
    assert listed[STRICT]["similarity"] == told[STRICT]["similarity"] == LIMIT
