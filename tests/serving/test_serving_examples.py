"""The examples of running as a service name what exists, and their command lines are understood."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main

from lookalike.cli import app
from lookalike.errors import LookalikeError
from lookalike.serving.settings import Settings

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples" / "serving"
PAGE = ROOT / "docs" / "serving.md"


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, lines that go on joined."""
    text = re.sub(r"\\\n\s*", " ", (EXAMPLES / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(EXAMPLES / "lookalike.service")
    return parser


def understood(arguments: list[str]) -> dict[str, object]:
    """What the command makes of its arguments; refuses what it does not know."""
    command = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
    with command.make_context("serve", arguments) as context:
        return dict(context.params)


def test_image_copies_what_exists_and_runs_as_nobody_in_particular() -> None:
    steps = instructions()
    copied = [
        name for step, rest in steps if step == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    ]
    assert copied
    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert len([step for step, _ in steps if step == "FROM"]) == 2
    last = [step for step, _ in steps[1:]].index("FROM") + 1
    assert [rest for step, rest in steps[last:] if step == "USER"] == ["10001"]
    (check,) = [rest for step, rest in steps if step == "HEALTHCHECK"]
    assert "http://127.0.0.1:8000/readyz" in check


def test_image_serves_all_addresses_only_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    (entry,) = [json.loads(rest) for step, rest in instructions() if step == "ENTRYPOINT"]
    assert entry[:2] == ["lookalike", "serve"]
    monkeypatch.setenv("LOOKALIKE_TOKEN", "a-token-of-some-length")
    values = understood([*entry[2:], "photos.idx"])
    assert (values["host"], values["port"]) == ("0.0.0.0", 8000)
    assert values["token"] == "a-token-of-some-length"
    with pytest.raises(LookalikeError, match="--token"):
        Settings(Path("photos.idx"), host="0.0.0.0")


def test_unit_serves_and_may_write_beside_the_index_alone() -> None:
    service = unit()["Service"]
    command = shlex.split(service["ExecStart"])
    assert Path(command[0]).name == "lookalike"
    values = understood(command[2:])
    assert str(values["index_file"]).startswith(service["ReadWritePaths"])
    assert (service["User"], service["ProtectSystem"]) == ("lookalike", "strict")


def test_unit_waits_longer_than_running_requests_have() -> None:
    from lookalike.serving.supervising import KILL_AFTER

    assert int(unit()["Service"]["TimeoutStopSec"]) > KILL_AFTER


def test_page_names_every_option_test_and_address() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)`", text))
    assert named
    assert [name for name in sorted(named) if not list((ROOT / "tests").rglob(name))] == []
    options = ("writable", "workers", "token", "insecure", "origin", "allow-host", "rate", "max-bytes", "log")
    assert [option for option in options if f"--{option}" not in text] == []
