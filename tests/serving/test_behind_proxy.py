"""Who asks, where headers say it: believed of a proxy on this machine with --proxy, of nobody else."""

from __future__ import annotations

import http.client
import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lookalike.serving.observing import LOGGER, start_logging
from served import PATIENCE, painted_index, threaded

HERE = "127.0.0.1"
ELSEWHERE = "127.0.0.2"  # this machine as well, but not where a proxy is believed to be
FORGED = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "True-Client-IP")
BELIEVED = {
    "plain": ("10.0.0.7", "10.0.0.7"),
    "with a port": ("10.0.0.7:5555", "10.0.0.7"),
    "behind what the client said": ("9.9.9.9, 10.0.0.7", "10.0.0.7"),
    "behind the proxy itself": ("10.0.0.7, 127.0.0.1", "10.0.0.7"),
    "behind no address": ("status=200 \x85, 10.0.0.7", "10.0.0.7"),
    "IPv6": ("2001:db8::7", "2001:db8::7"),
    "IPv6 with a port": ("[2001:db8::7]:443", "2001:db8::7"),
}
GARBAGE = {
    "words": "not an address",
    "fields of a line": "10.0.0.7 status=200 path=/forged",
    "a zone with fields": "fe80::7%x status=404 forged=1",
    "a line break of Unicode": "10.0.0.7\x85forged",
    "quotes": '10.0.0.7"}, {"forged": "',
    "half a bracket": "[2001:db8::7",
    "no port": "10.0.0.7:port",
    "an unseen character": "10.0.0.7\xad\xff",
    "very long": "1" * 9000,
}
TEXT = re.compile(
    r"\S+ info request request=[0-9a-f]{16} client=(\S*) "
    r"method=GET path=/v1/info status=(\d+) ms=\S+ bytes=\d+"
)


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("proxied"), tiny_folder)


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], list[str]]]:
    """The lines of the log since it was last asked; loggers are as before afterwards."""
    loggers = [logging.getLogger(name) for name in (LOGGER, "uvicorn.error", "python_multipart")]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield lambda: capsys.readouterr().err.splitlines()
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@contextmanager
def asking(index: Path, **options: object) -> Iterator[Callable[..., int]]:
    """What asks a server over a socket, with headers, and gives the status."""
    with threaded(index, **options) as address:

        def ask(headers: dict[str, str], *, source: str = HERE) -> int:
            place = urlsplit(address)
            connection = http.client.HTTPConnection(
                place.hostname or "", place.port, timeout=PATIENCE, source_address=(source, 0)
            )
            connection.putrequest("GET", "/v1/info")
            for name, value in headers.items():
                connection.putheader(name, value.encode("latin-1"))
            connection.endheaders()
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        yield ask


def forwarded(who: str) -> dict[str, str]:
    return {"X-Forwarded-For": who}


def clients(lines: list[str]) -> list[str]:
    return [json.loads(line)["client"] for line in lines]


def test_who_says_to_be_somebody_else_is_not_believed(index: Path, written: Callable[[], list[str]]) -> None:
    start_logging("json")
    with asking(index, rate=len(FORGED)) as ask:
        for number, name in enumerate(FORGED):
            assert ask({name: f"10.0.0.{number}"}) == 200
        assert ask(forwarded("10.0.0.99")) == 429
        assert clients(written()) == [HERE] * (len(FORGED) + 1)


def test_a_proxy_elsewhere_is_not_believed(index: Path, written: Callable[[], list[str]]) -> None:
    start_logging("json")
    with asking(index, rate=2, proxy=True) as ask:
        assert [ask(forwarded(f"10.0.0.{each}"), source=ELSEWHERE) for each in range(3)] == [200, 200, 429]
        assert clients(written()) == [ELSEWHERE] * 3


def test_a_proxy_here_is_believed_who_asks(index: Path, written: Callable[[], list[str]]) -> None:
    start_logging("json")
    with asking(index, rate=2, proxy=True) as ask:
        asked = ["10.0.0.1", "10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.2"]
        assert [ask(forwarded(each)) for each in asked] == [200, 200, 200, 429, 200, 429]
        assert clients(written()) == asked
        assert ask({}) == 200  # the proxy's own
        assert clients(written()) == [HERE]


@pytest.mark.parametrize("how", BELIEVED)
def test_what_a_proxy_adds_counts_whatever_stands_before_it(
    index: Path, written: Callable[[], list[str]], how: str
) -> None:
    start_logging("json")
    said, client = BELIEVED[how]
    with asking(index, rate=1, proxy=True) as ask:
        assert ask(forwarded(said)) == 200
        assert ask(forwarded(client)) == 429
        assert clients(written()) == [client] * 2


@pytest.fixture(scope="module")
def proxied(index: Path) -> Iterator[Callable[..., int]]:
    with asking(index, proxy=True) as ask:
        yield ask


@pytest.mark.parametrize("how", GARBAGE)
def test_what_is_no_address_breaks_no_line_of_the_log(
    proxied: Callable[..., int], written: Callable[[], list[str]], how: str
) -> None:
    start_logging("text")
    assert proxied(forwarded(GARBAGE[how])) == 200
    (line,) = written()
    found = TEXT.fullmatch(line)
    assert found, line
    assert found[2] == "200"
    start_logging("json")
    assert proxied(forwarded(GARBAGE[how])) == 200
    (line,) = written()
    told = json.loads(line)
    assert (told["client"], told["path"]) == (found[1], "/v1/info")
    assert "forged" not in line


def test_all_who_have_no_address_count_as_one(index: Path) -> None:
    with asking(index, rate=3, proxy=True) as ask:
        words = [f"nobody {each}" for each in "abcd"]
        assert [ask(forwarded(each)) for each in words] == [200, 200, 200, 429]
        assert ask(forwarded("10.0.0.1")) == 200
