"""The command line for tests: run in this process or in one of its own, and what an error looks like."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lookalike.cli import app

Shown = tuple[int, str, str]  # exit code, stdout, stderr
Run = Callable[..., Shown]
Done = subprocess.CompletedProcess[str]


def in_this_process(capfd: pytest.CaptureFixture[str]) -> Run:
    """What runs a command here and gives what it showed, also of one that fails."""

    def command(*arguments: object) -> Shown:
        code = app([str(argument) for argument in arguments], standalone_mode=False)
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return command


def lookalike(*arguments: object, stdin: str | None = None, cwd: Path | None = None) -> Done:
    """Run a command in a process of its own."""
    command = [sys.executable, "-c", "from lookalike.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, input=stdin, cwd=cwd, check=False)


def fails(shown: Shown | Done, *beats: str) -> None:
    """Exit code 2, nothing on stdout, and on stderr one line that has all the beats and no traceback."""
    if isinstance(shown, subprocess.CompletedProcess):
        shown = shown.returncode, shown.stdout, shown.stderr
    code, out, err = shown
    assert (code, out) == (2, ""), err
    assert "Traceback" not in err
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    for beat in beats:
        assert beat in line
