"""The command line, Python and HTTP: the same questions, the same answers, the same defaults."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from typer.testing import CliRunner

from asked_model import asked_index
from lookalike.attribute_search import search_attributes, search_composed
from lookalike.cli import app
from lookalike.doors import cli_identify, cli_match, cli_search
from lookalike.identifying import Identification, identify
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.matching import match
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model
from lookalike.search import search_ids, search_images, search_together
from lookalike.serving.questions import IdentifyAsk, MatchAsk, SearchAsk
from pictures import content, noise
from served import client

OPTIONS: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
    "defaults": ([], {}, {}),
    "page": (["-k", "3", "--skip", "2"], {"k": 3, "skip": 2}, {"k": 3, "skip": 2}),
    "copies": (["--copies"], {"copies": True}, {"copies": True}),
    "collapsed": (["--collapse"], {"collapse": True}, {"collapse": True}),
    "filtered": (
        ["--where", "label != 'thing00'"],
        {"selection": Selection(where="label != 'thing00'")},
        {"where": "label != 'thing00'"},
    ),
    "nothing": (["--at-least", "0.9999"], {"selection": Selection(lowest=0.9999)}, {"lowest": 0.9999}),
    "range": (
        ["--between", "-0.5", "0.3"],
        {"selection": Selection(lowest=-0.5, highest=0.3)},
        {"lowest": -0.5, "highest": 0.3},
    ),
    "past the end": (["--skip", "50"], {"skip": 50}, {"skip": 50}),
}
FOR_ONE: dict[str, tuple[list[str], dict[str, Any], dict[str, Any]]] = {
    "loose": (["--threshold", "loose"], {"threshold": "loose"}, {"threshold": "loose"}),
    "likely": (["--probability", "0.7"], {"probability": 0.7}, {"probability": 0.7}),
    "reranked": (["--rerank", "k-reciprocal"], {"rerank": "k-reciprocal"}, {"rerank": "k-reciprocal"}),
}


@dataclass(frozen=True)
class Doors:
    """Three ways to ask one index."""

    place: Path
    index: Index
    http: TestClient

    @property
    def stranger(self) -> Path:
        """A picture that the index does not have."""
        return self.place / "stranger.png"

    @property
    def known(self) -> Path:
        """One that it has."""
        return self.place / "painted" / "thing01" / "1.png"

    @property
    def twin(self) -> Path:
        """A copy, elsewhere, of one that it has."""
        path = self.place / "twin.png"
        path.write_bytes(self.known.read_bytes())
        return path

    def command(self, *words: object) -> Any:
        """What the command prints."""
        done = CliRunner().invoke(app, [*map(str, words), "--json"])
        assert done.exit_code in (0, 1), done.output
        return json.loads(done.stdout)

    def ask(self, way: str, ask: dict[str, Any], *files: Path) -> Any:
        """What the server answers."""
        if files:
            parts: list[Any] = [("picture", (path.name, path.read_bytes(), "image/png")) for path in files]
            done = self.http.post(f"/v1/{way}", files=[*parts, ("ask", (None, json.dumps(ask)))])
        else:
            done = self.http.post(f"/v1/{way}", json=ask)
        assert done.status_code == 200, done.text
        return done.json()

    def public(self, value: Any) -> Any:
        """The same with names in place of paths, as JSON has it."""
        if isinstance(value, dict):
            return {("name" if key == "path" else key): self.public(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self.public(entry) for entry in value]
        return value.replace(f"{self.place}/", "") if isinstance(value, str) else value

    def same(self, http: Any, *others: Any) -> None:
        """Whether all say the same; similarities to 1e-6, exactly where both are of one vector.

        Only HTTP says which items an upload is already: the others know its file.
        """
        http = {name: value for name, value in http.items() if name != "known"}
        for other in others:
            ours, theirs = flat(self.public(json.loads(json.dumps(other)))), flat(http)
            assert list(ours) == list(theirs)
            for key, value in ours.items():
                wanted = pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
                assert theirs[key] == wanted, key


def flat(value: Any, key: str = "") -> dict[str, Any]:
    """All values by their places, places sorted; an upload's or item's number in a part left out."""
    if isinstance(value, dict):
        parts = {name: entry for name, entry in value.items() if name != "upload"}
        if "weight" in parts:
            parts.pop("id", None)
        found: dict[str, Any] = {}
        for name in sorted(parts):
            found |= flat(parts[name], f"{key}.{name}")
        return found
    if isinstance(value, list):
        found = {f"{key}.length": len(value)}
        for place, entry in enumerate(value):
            found |= flat(entry, f"{key}.{place}")
        return found
    return {key: value}


@pytest.fixture(scope="module")
def doors(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    place = tmp_path_factory.mktemp("parity")
    path = asked_index(place, tiny_folder)
    (place / "stranger.png").write_bytes(content(noise(40, 50), "PNG"))
    with Index.open(path) as index, client(path) as http:
        yield Doors(place, index, http)


@pytest.mark.parametrize("options", [*OPTIONS, *FOR_ONE])
def test_search_by_an_item(doors: Doors, options: str) -> None:
    words, python, http = (OPTIONS | FOR_ONE)[options]
    (found,) = search_ids(doors.index, [2], **python)
    doors.same(
        doors.ask("search", {"query": [{"id": 2}], **http}),
        asdict(found),
        doors.command("search", doors.index.path, "--id", 2, *words),
    )


@pytest.mark.parametrize("options", [*OPTIONS, *FOR_ONE])
@pytest.mark.parametrize("which", ["stranger", "twin"])
def test_search_by_a_picture(doors: Doors, which: str, options: str) -> None:
    words, python, http = (OPTIONS | FOR_ONE)[options]
    path = doors.stranger if which == "stranger" else doors.twin
    (found,) = search_images(doors.index, [path], **python)
    answer = doors.ask("search", http, path)
    assert answer["query"] == path.name
    doors.same(
        answer,
        asdict(found) | {"query": path.name},
        doors.command("search", doors.index.path, path, *words) | {"query": path.name},
    )


@pytest.mark.parametrize("options", [*OPTIONS, "reranked"])
def test_search_by_several(doors: Doors, options: str) -> None:
    words, python, http = (OPTIONS | FOR_ONE)[options]
    pictures = [doors.stranger, doors.place / "painted" / "thing00" / "2.png"]
    (found,) = search_together(doors.index, [dict(zip(pictures, (1.0, -0.25), strict=True))], **python)
    item = next(hit.id for hit in search_ids(doors.index, [1])[0].hits if hit.path == str(pictures[1]))
    ask = {"query": [{"upload": 0}, {"id": item, "weight": -0.25}], **http}
    command = doors.command("search", doors.index.path, "--weights", "1,-0.25", *words, *pictures)
    doors.same(doors.ask("search", ask, doors.stranger), asdict(found), command)


@pytest.mark.parametrize("options", [name for name in OPTIONS if name != "copies"])  # there are none
def test_search_by_attributes(doors: Doors, options: str) -> None:
    words, python, http = OPTIONS[options]
    stated = "red=1,blue=0"
    doors.same(
        doors.ask("search", {"attributes": stated, **http}),
        asdict(search_attributes(doors.index, stated, **python)),
        doors.command("search", doors.index.path, "--attributes", stated, *words),
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_search_by_a_picture_but_otherwise(doors: Doors, options: str) -> None:
    words, python, http = OPTIONS[options]
    (found,) = search_composed(doors.index, [doors.stranger], "green=1", **python)
    command = doors.command("search", doors.index.path, doors.stranger, "--attributes", "green=1", *words)
    answer = doors.ask("search", {"attributes": "green=1", **http}, doors.stranger)
    doors.same(answer, asdict(found), command)


def test_search_below_a_folder(doors: Doors) -> None:
    folder = doors.place / "painted" / "thing02"
    (found,) = search_ids(doors.index, [1], selection=Selection(folder=folder))
    assert {hit.label for hit in found.hits} == {"thing02"}
    command = doors.command("search", doors.index.path, "--id", 1, "--in", folder)
    doors.same(
        doors.ask("search", {"query": [{"id": 1}], "folder": "painted/thing02"}), asdict(found), command
    )


@pytest.mark.parametrize(
    ("words", "options"),
    [
        ([], {}),
        (["--threshold", "loose"], {"threshold": "loose"}),
        (["--prior", "0.05"], {"prior": 0.05}),
    ],
    ids=["defaults", "loose", "prior"],
)
def test_match(doors: Doors, words: list[str], options: dict[str, Any]) -> None:
    found = match(Model.load(doors.place / "model"), doors.stranger, doors.known, **options)
    answer = doors.ask("match", options, doors.stranger, doors.known)
    command = doors.command("match", doors.place / "model", doors.stranger, doors.known, *words)
    threshold = answer.pop("threshold")
    assert command.pop("threshold") == threshold["similarity"] == found.threshold.similarity
    assert command.pop("promise") == threshold["promise"] == found.threshold.promise
    doors.same({key: answer[key] for key in command}, command)
    assert answer["match"] is found.match
    assert answer["similarity"] == pytest.approx(found.similarity, abs=1e-6)
    assert (answer["probability"], answer["prior"], answer["band"]) == (
        pytest.approx(found.probability), found.prior, found.band
    )  # fmt: skip


@pytest.mark.parametrize("which", ["stranger", "known", "twin"])
def test_identify(doors: Doors, which: str) -> None:
    path: Path = getattr(doors, which)
    (found,) = identify(doors.index, [path])
    assert isinstance(found, Identification)
    command = doors.command("identify", doors.index.path, path)
    answers = [doors.ask("identify", {}, path)]
    known = doors.index.same_content(content_hash(path.read_bytes()))
    assert answers[0]["known"] == sorted(known)
    answers += [doors.ask("identify", {"query": [{"id": number}]}) for number in known]
    assert len(answers) == (1 if which == "stranger" else 2)
    values = asdict(found) | {"threshold": found.threshold.similarity, "promise": found.threshold.promise}
    for answer in answers:
        assert not {hit["id"] for hit in answer["neighbours"]} & {*known}
        named = {"query": answer["query"]}
        doors.same(answer, command | named, values | named)


def test_embed(doors: Doors) -> None:
    (vector,) = doors.ask("embed", {}, doors.stranger)["embeddings"]
    own = next(embed_chunks(doors.index.model, [doors.stranger]))
    assert vector["vector"] == pytest.approx(own.vectors[0].tolist(), abs=1e-6)
    assert vector["hash"] == own.hashes[0].hex()


@pytest.mark.parametrize(
    ("ask", "verb", "door", "names"),
    [
        (
            SearchAsk,
            search_images,
            cli_search.search,
            ("k", "skip", "copies", "collapse", "rerank", "probability", "threshold"),
        ),
        (MatchAsk, match, cli_match.match_, ("threshold", "prior")),
        (IdentifyAsk, identify, cli_identify.identify, ("threshold",)),
    ],
    ids=["search", "match", "identify"],
)
def test_defaults_are_the_same(
    ask: Any, verb: Callable[..., Any], door: Callable[..., Any], names: tuple[str, ...]
) -> None:
    values = ask().model_dump()
    core, command = inspect.signature(verb).parameters, inspect.signature(door).parameters
    for name in names:
        assert values[name] == core[name].default == command[name].default
    selection = {name: values.get(name, asdict(Selection())[name]) for name in ("where", "lowest", "highest")}
    assert selection == {"where": "", "lowest": -1.0, "highest": 1.0}
