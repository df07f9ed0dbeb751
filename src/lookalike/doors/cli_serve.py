"""The command serve: the index over HTTP, with its page."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from lookalike.doors.cli_options import IndexFile


class LogForm(StrEnum):
    """How a line of the log can be written."""

    TEXT = "text"
    JSON = "json"


Host = Annotated[str, typer.Option(help="Address to listen at; another one needs --token or --insecure.")]
Port = Annotated[int, typer.Option(min=0, help="Port to listen at; 0: any free one.")]
Token = Annotated[
    str | None,
    typer.Option(envvar="LOOKALIKE_TOKEN", show_envvar=True, help="Answer only those who know it."),
]
Insecure = Annotated[bool, typer.Option("--insecure", help="Answer anybody who reaches the port.")]
Writable = Annotated[
    bool, typer.Option("--writable", help="Let pictures be added and removed, and thresholds be saved.")
]
Workers = Annotated[int, typer.Option(min=1, help="Processes that answer.")]
Origin = Annotated[
    list[str] | None,
    typer.Option("--origin", help="Let this other page ask, for example https://shop.example; repeatable."),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option("--allow-host", metavar="NAME", help="A further name of this server; repeatable."),
]
Proxy = Annotated[bool, typer.Option("--proxy", help="Believe a proxy on this machine who asks.")]
Rate = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Requests a minute for one client; any number without it."),
]
MaxBytes = Annotated[int, typer.Option(min=1, help="Bytes of the pictures of one request.")]
MaxPixels = Annotated[int, typer.Option(min=4, help="Pixels of one picture.")]
MaxFiles = Annotated[int, typer.Option(min=1, help="Pictures of one request.")]
DecodeSeconds = Annotated[float, typer.Option(min=0.1, help="Time for decoding one picture.")]
Log = Annotated[LogForm, typer.Option(help="Form of the log on stderr.")]
Open = Annotated[bool, typer.Option("--open", help="Open the page in the browser.")]


def serve(
    index_file: IndexFile,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    token: Token = None,
    insecure: Insecure = False,
    writable: Writable = False,
    workers: Workers = 1,
    origins: Origin = None,
    hosts: AllowHost = None,
    proxy: Proxy = False,
    rate: Rate = None,
    max_bytes: MaxBytes = 20_000_000,
    max_pixels: MaxPixels = 200_000_000,
    max_files: MaxFiles = 8,
    decode_seconds: DecodeSeconds = 10.0,
    log: Log = LogForm.TEXT,
    open_page: Open = False,
) -> None:
    """Search, compare and review an index in the browser, and by programs over HTTP; Ctrl-C ends it."""
    _leave_processors_free()
    from lookalike.serving.running import serve as run
    from lookalike.serving.settings import Settings

    others: dict[str, Any] = {"origins": tuple(origins or ()), "hosts": tuple(hosts or ()), "proxy": proxy}
    limits: dict[str, Any] = {"rate": rate, "decode_seconds": decode_seconds}
    limits |= {"max_bytes": max_bytes, "max_pixels": max_pixels, "max_files": max_files}
    settings = Settings(
        index_file,
        host=host,
        port=port,
        token=token,
        insecure=insecure,
        writable=writable,
        workers=workers,
        **others,
        **limits,
        log=log.value,
    )
    run(settings, ready=partial(_tell, browser=open_page))


def _leave_processors_free() -> None:
    """Search on one thread, and sleep between searches; the libraries read this when they are loaded.

    Their threads would otherwise spin for a while after each search, which takes processors from requests.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _tell(address: str, *, browser: bool) -> None:
    """Print the address, and have a browser open it: in a thread, some return only when closed."""
    import threading
    import webbrowser

    from lookalike.doors.console import put

    put(address)
    sys.stdout.flush()  # also where somebody waits for it at a pipe
    if browser:
        threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()
