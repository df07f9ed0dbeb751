"""The served page in a browser: a server in a thread of this process, and tabs that tell what goes wrong."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import uvicorn

from lookalike.serving.application import create_app
from lookalike.serving.desk import Desk
from lookalike.serving.settings import Settings

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from playwright.sync_api import Page as Tab


@contextmanager
def paged(index: Path, *, port: int = 0, **options: Any) -> Iterator[tuple[str, Desk]]:
    """Serve an index until the block ends; the address, and the desk to look into."""
    desk = Desk.open(Settings(index, **options))
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(desk), log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/", desk
        finally:
            server.should_exit = True
            thread.join()
            desk.close()


def opened(
    browser: Browser, address: str, view: str = "", *, width: int = 1280, height: int = 800, **options: Any
) -> tuple[Tab, list[str]]:
    """A view in a tab of its own, and what goes wrong in it: complaints, errors, requests to elsewhere."""
    tab = browser.new_context(viewport={"width": width, "height": height}, **options).new_page()
    tab.set_default_timeout(10_000)
    faults: list[str] = []
    home = urlsplit(address).netloc
    tab.on("console", lambda message: faults.append(f"{message.type}: {message.text}"))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("request", lambda asked: faults.extend(_elsewhere(asked.url, home)))
    tab.goto(f"{address}#{view}")
    return tab, faults


def _elsewhere(url: str, home: str) -> list[str]:
    parts = urlsplit(url)
    return [] if parts.scheme == "blob" or parts.netloc == home else [f"asked {url}"]


def goes_sideways(tab: Tab) -> bool:
    """Whether the page is wider than its window."""
    return bool(tab.evaluate("document.documentElement.scrollWidth > innerWidth"))
