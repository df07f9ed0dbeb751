"""Draw README's picture of the page: a search on an index of the sample, as Chromium shows it.

python tools/draw_page_picture.py emoji.idx
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
ASKED = "emoji/1f42c/noto.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def picture_of(address: str) -> bytes:
    """The page with the answers to one of its own pictures."""
    place = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=place, args=["--no-sandbox", "--disable-gpu"])
        tab = browser.new_page(viewport={"width": 1280, "height": 800})
        items = tab.request.get(f"{address}v1/items?folder=emoji/1f42c").json()["items"]
        asked = next(item["id"] for item in items if item["name"] == ASKED)
        tab.goto(f"{address}#search?id={asked}")
        tab.wait_for_load_state("networkidle")
        picture = tab.screenshot()
        browser.close()
        return picture


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("index", type=Path)
    command = [sys.executable, "-m", "lookalike", "serve", str(parser.parse_args().index), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            (ROOT / "docs" / "page.png").write_bytes(picture_of(server.stdout.readline().strip()))
        finally:
            server.terminate()
