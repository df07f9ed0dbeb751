"""What stands before the routes: names, pages, tokens, limits, and the headers of every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lookalike.errors import LookalikeError
from lookalike.serving.admission import Tokens, host_name
from lookalike.serving.guard import POLICY
from lookalike.serving.limits import FAILURES_A_MINUTE, Body, Held, Rates, client_of
from lookalike.serving.problems import Problem
from lookalike.serving.settings import Settings
from served import TOKEN, client, painted_index

FOREIGN = "https://elsewhere.example"
OWN = "http://127.0.0.1:8000"


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("guarded"), tiny_folder)


@pytest.fixture(scope="module")
def asking(index: Path) -> Iterator[TestClient]:
    with client(index) as found:
        yield found


@pytest.fixture(scope="module")
def closed(index: Path) -> Iterator[TestClient]:
    with client(index, token=TOKEN, origins=("https://shop.example",)) as found:
        yield found


def code(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"]
    assert error["hint"]
    return answer.status_code, error["code"]


# headers


@pytest.mark.parametrize("path", ["/", "/v1/info", "/static/app.css", "/nothing", "/openapi.json"])
def test_every_answer_has_the_headers(asking: TestClient, path: str) -> None:
    headers = asking.get(path).headers
    assert headers["content-security-policy"] == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert len(headers["x-request-id"]) == 16
    assert headers["cache-control"] in ("no-store", "no-cache")


def test_policy_allows_nothing_inline_and_nothing_from_elsewhere() -> None:
    assert "unsafe" not in POLICY
    assert "http" not in POLICY
    assert POLICY.startswith("default-src 'none'")


def test_refusals_have_the_headers_too(asking: TestClient) -> None:
    refused = asking.get("/v1/info", headers={"Host": "evil.example"})
    assert refused.headers["content-security-policy"] == POLICY
    assert "x-request-id" in refused.headers


# names


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000", "127.0.0.2"])
def test_names_of_this_machine_are_known(asking: TestClient, host: str) -> None:
    assert asking.get("/v1/info", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "", "10.0.0.1", "localhost.evil", "127.0.0.1:99999@evil.com"],
)
def test_other_names_are_refused(asking: TestClient, host: str) -> None:
    assert code(asking.get("/v1/info", headers={"Host": host})) == (403, "unknown_host")


def test_two_names_are_refused(asking: TestClient) -> None:
    twice = [("Host", "localhost"), ("Host", "evil.example")]
    assert code(asking.get("/v1/info", headers=twice)) == (400, "no_host")


def test_a_named_host_and_addresses_of_an_open_server_are_known(index: Path) -> None:
    with client(index, host="0.0.0.0", insecure=True, hosts=("Shop.example",)) as open_to_all:
        for host, wanted in (("shop.example", 200), ("10.0.0.1:8000", 200), ("other.example", 403)):
            assert open_to_all.get("/v1/info", headers={"Host": host}).status_code == wanted


@pytest.mark.parametrize(
    ("text", "wanted"), [("[::1]:80", "::1"), ("A.b:1", "a.b"), ("", ""), ("[bad", "bad")]
)
def test_names_are_told_from_ports(text: str, wanted: str) -> None:
    assert host_name(text) == wanted


# pages


def session(asking: TestClient, **headers: str) -> Any:
    return asking.post("/v1/session", json={"token": TOKEN}, headers=headers)


def test_the_own_page_and_programs_may_change(asking: TestClient) -> None:
    assert session(asking).status_code == 204
    assert session(asking, Origin=OWN).status_code == 204
    assert session(asking, **{"Origin": OWN, "Sec-Fetch-Site": "same-origin"}).status_code == 204


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": FOREIGN},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": OWN, "Sec-Fetch-Site": "cross-site"},
    ],
    ids=str,
)
def test_other_pages_may_not(asking: TestClient, headers: dict[str, str]) -> None:
    assert code(session(asking, **headers)) == (403, "foreign_page")


def test_other_pages_may_not_embed_but_link(asking: TestClient) -> None:
    embeds = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}
    assert code(asking.get("/v1/info", headers=embeds)) == (403, "foreign_page")
    links = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert asking.get("/", headers=links).status_code == 200
    assert code(asking.get("/v1/info", headers=links)) == (403, "foreign_page")


def test_a_named_page_may_ask_and_read(closed: TestClient) -> None:
    named = {"Origin": "https://shop.example", "Sec-Fetch-Site": "cross-site"}
    knows = {"Authorization": f"Bearer {TOKEN}"}
    answer = closed.get("/v1/info", headers=named | knows)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == "https://shop.example"
    assert "origin" in answer.headers["vary"].lower()
    assert "access-control-allow-credentials" not in answer.headers
    asks = {"Access-Control-Request-Method": "POST"}
    first = closed.options("/v1/search", headers=named | asks)
    assert first.status_code == 204
    assert "POST" in first.headers["access-control-allow-methods"]
    foreign = closed.options("/v1/search", headers={"Origin": FOREIGN} | asks)
    assert foreign.status_code == 403
    assert "access-control-allow-origin" not in foreign.headers


# token


def test_nothing_is_answered_without_the_token(closed: TestClient) -> None:
    closed.cookies.clear()
    for path in ("/v1/info", "/openapi.json", "/metrics", "/v1/thumb/1"):
        answer = closed.get(path)
        assert code(answer) == (401, "no_token")
        assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/", "/static/main.js", "/healthz", "/readyz"):
        assert closed.get(path).status_code == 200


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        ("Bearer ä", 401),
    ],
)
def test_the_token_has_to_be_right(closed: TestClient, text: str, wanted: int) -> None:
    closed.cookies.clear()
    headers = {"Authorization": text.encode()}
    answer = closed.get("/v1/info", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == wanted
    assert wanted == 200 or code(answer) == (401, "wrong_token")


def test_a_session_stands_for_the_token(closed: TestClient) -> None:
    closed.cookies.clear()
    answer = session(closed)
    assert answer.status_code == 204
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert closed.get("/v1/info").status_code == 200
    closed.cookies.clear()
    assert code(closed.post("/v1/session", json={"token": "x" * 20})) == (401, "wrong_token")


def test_sessions_end_and_cannot_be_made_up() -> None:
    moment = [1000.0]
    tokens = Tokens(TOKEN, now=lambda: moment[0])

    def knows(value: str) -> bool:
        return tokens.knows({b"cookie": f"{tokens.cookie}={value}".encode()})

    own = tokens.session()
    assert knows(own)
    assert not knows(Tokens("another-token-altogether").session())
    until, _, signature = own.partition(".")
    assert not knows(f"{int(until) + 1}.{signature}")
    assert not knows("")
    assert not knows("x.y")
    moment[0] = float(until)
    assert not knows(own)


def test_guessing_is_slowed(index: Path) -> None:
    with client(index, token=TOKEN) as guessed:
        wrong = {"Authorization": "Bearer wrong"}
        answers = [guessed.get("/v1/info", headers=wrong).status_code for _ in range(FAILURES_A_MINUTE + 2)]
        assert answers.count(401) == FAILURES_A_MINUTE
        assert answers[-1] == 429
        right = {"Authorization": f"Bearer {TOKEN}"}
        assert code(guessed.get("/v1/info", headers=right)) == (429, "too_often")  # a guess could be it
        assert code(guessed.post("/v1/session", json={"token": TOKEN})) == (429, "too_often")


def test_guesses_count_together_whichever_way_they_are_sent(index: Path) -> None:
    with client(index, token=TOKEN) as guessed:
        wrong = {"Authorization": "Bearer wrong"}
        told: list[int] = []
        for _ in range(FAILURES_A_MINUTE):
            told.append(guessed.post("/v1/session", json={"token": "wrong"}).status_code)
            told.append(guessed.get("/v1/info", headers=wrong).status_code)
        assert told.count(401) == FAILURES_A_MINUTE
        assert set(told[FAILURES_A_MINUTE:]) == {429}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "0.0.0.0"}, "other machines could ask .* --token"),
        ({"host": "example.org"}, "other machines could ask"),
        ({"token": "short"}, "--token.* saw 5 characters, wanted at least 16"),
        ({"token": ""}, "--token.* saw an empty one, wanted .*openssl rand"),
        ({"token": "x"}, "--token.* saw 1 character, wanted"),
        ({"token": "ä" * 20}, "--token.* saw 20 characters and others than these, wanted"),
        ({"token": "with a space in it"}, "--token"),
        ({"port": 70_000}, "--port - saw 70000, wanted at most 65535"),
        ({"workers": 0}, "--workers - saw 0, wanted at least 1"),
        ({"rate": 0}, "--rate"),
        ({"decode_seconds": float("nan")}, "--decode-seconds - saw nan"),
        ({"log": "xml"}, "--log - saw xml, wanted text or json"),
        ({"origins": ("*",)}, r"not the origin of a page - --origin - saw \*"),
        ({"origins": ("https://a.example/",)}, "for example --origin"),
    ],
    ids=str,
)
def test_unsafe_or_senseless_settings_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(LookalikeError, match=said):
        Settings(Path("a.idx"), **options)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.8.8"])
def test_this_machine_needs_no_token(host: str) -> None:
    settings = Settings(Path("a.idx"), host=host, token=TOKEN, origins=("https://a.example",))
    assert settings.is_local
    assert Settings.from_json(settings.to_json()) == settings
    assert TOKEN not in repr(settings)


# limits


def test_a_client_may_ask_so_often(index: Path) -> None:
    with client(index, rate=3) as limited:
        answers = [limited.get("/v1/info") for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert code(answers[-1]) == (429, "too_often")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert limited.get("/healthz").status_code == 200


def test_requests_grow_back_and_old_clients_are_forgotten() -> None:
    moment = [0.0]
    rates = Rates(60, most=3, now=lambda: moment[0])
    assert [rates.wait("a") for _ in range(60)] == [0.0] * 60
    assert rates.wait("a") == pytest.approx(1.0)
    moment[0] = 1.0
    assert rates.wait("a") == 0.0
    assert rates.wait("b") == 0.0
    for name in "cdefg":
        rates.wait(name)
    assert len(rates) == 3
    moment[0] = 1e6
    assert [rates.wait("g") for _ in range(61)].count(0.0) == 60  # never more than a minute's worth


def test_clients_are_addresses_and_networks() -> None:
    assert client_of(("2001:db8:0:1::5", 1)) == client_of(("2001:db8:0:1:ffff::9", 2)) == "2001:db8:0:1::/64"
    assert client_of(("fe80::1%eth0", 1)) == "fe80::/64"
    assert client_of(("not:an:address", 1)) == client_of(("some text", 1)) == ""
    assert client_of(("10.0.0.1", 1)) != client_of(("10.0.0.2", 1))


def test_bodies_are_held_up_to_a_limit() -> None:
    held = Held(100)
    held.add(60)
    with pytest.raises(Problem, match="503") as caught:
        held.add(41)
    assert caught.value.code == "busy"
    held.release(60)
    held.add(100)


async def _forever() -> dict[str, Any]:
    import asyncio

    await asyncio.sleep(60)
    raise AssertionError("nobody waits that long")


def test_a_slow_body_is_given_up() -> None:
    import asyncio

    body = Body(_forever, most=10, held=Held(100), seconds=0.01)
    with pytest.raises(Problem, match="408") as caught:
        asyncio.run(body.receive())
    assert caught.value.headers == {"Connection": "close"}


def test_a_body_is_counted_as_it_comes() -> None:
    import asyncio

    held = Held(1000)
    pieces = [b"12345", b"67890", b"1"]

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": pieces.pop(0), "more_body": True}

    async def read() -> None:
        body = Body(receive, most=10, held=held)
        try:
            await body.receive()
            await body.receive()
            with pytest.raises(Problem, match="413"):
                await body.receive()
        finally:
            body.release()

    asyncio.run(read())
    held.add(1000)  # all of it was released


def test_a_length_that_is_too_large_is_refused_unread(asking: TestClient) -> None:
    answer = asking.post(
        "/v1/session",
        content=b"{}",
        headers={"Content-Length": "999999999999", "Content-Type": "application/json"},
    )
    assert code(answer) == (413, "too_large")


def test_json_is_limited_as_it_comes(asking: TestClient) -> None:
    pieces = (b" " * 100_000 for _ in range(11))
    answer = asking.post("/v1/session", content=pieces, headers={"Content-Type": "application/json"})
    assert code(answer) == (413, "too_large")
    assert "no option changes this limit" in answer.json()["error"]["hint"]


def test_an_encoded_body_is_not_unpacked(asking: TestClient) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert code(asking.post("/v1/session", content=b"x", headers=headers)) == (415, "content_encoding")


@pytest.mark.parametrize("path", ["/v1/info", "/v1/items/1", "/readyz", "/v1/search?kk=1", "/v1/thumb/1?z=1"])
def test_unknown_parameters_are_refused(asking: TestClient, path: str) -> None:
    name = path.partition("?")[2].partition("=")[0] or "z"
    path = path if "?" in path else f"{path}?z=1"
    verb = "POST" if "search" in path else "GET"
    answer = asking.request(verb, path, json={"query": [{"id": 1}]} if verb == "POST" else None)
    assert code(answer) == (422, "invalid")
    assert answer.json()["error"]["message"] == f"{name} in the query string: there is no such parameter"


@pytest.mark.parametrize("path", ["session", "search", "decisions", "items"])
def test_bodies_of_another_kind_are_refused_alike(asking: TestClient, path: str) -> None:
    answer = asking.post(f"/v1/{path}", content=b"{}", headers={"Content-Type": "text/plain"})
    assert code(answer) == (415, "content_type")


@pytest.mark.parametrize("path", ["/v1/info", "/v1/items", "/healthz", "/v1/thumb/1", "/v1/thresholds"])
def test_heads_are_answered(asking: TestClient, path: str) -> None:
    answer = asking.head(path)
    assert answer.status_code == 200
    assert answer.content == b""
