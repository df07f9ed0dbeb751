"""A PostgreSQL server of one's own on a loopback port, for the tests that need one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

USER = "nobody"  # root may not run a server


def programs() -> Path | None:
    """Where initdb and pg_ctl are; None where PostgreSQL is not installed, or nobody could run it."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("pg_ctl")
    place = places[0] if places else Path(found).parent if found else None
    if os.geteuid() == 0 and shutil.which("runuser") is None:
        return None
    return place


@contextmanager
def served(place: Path) -> Iterator[str]:
    """A server while the block runs; gives the URL of an empty database."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, USER)
        data, port = folder / "data", _free_port()
        _run(place / "initdb", ["-D", str(data), "-U", "tuner", "-A", "trust", "--no-sync"], folder)
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        _run(
            place / "pg_ctl",
            ["-D", str(data), "-o", options, "-l", str(folder / "log"), "-w", "start"],
            folder,
        )
        try:
            yield f"postgresql+psycopg://tuner@127.0.0.1:{port}/postgres"
        finally:
            _run(place / "pg_ctl", ["-D", str(data), "-m", "immediate", "-w", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: Path, arguments: Sequence[str], folder: Path) -> None:
    other = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    with (folder / f"{program.name}.txt").open("a+") as said:
        code = subprocess.run(
            [*other, str(program), *arguments], stdout=said, stderr=said, cwd=folder, check=False
        ).returncode
        said.seek(0)
        assert code == 0, said.read()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
