"""What several tests share: the sample, a small part of it, a tiny model, and the default backbone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from commands import Run, in_this_process
from lookalike.models.model import Model, untrained
from tiny_model import write_tiny_model

if TYPE_CHECKING:
    from playwright.sync_api import Browser

ROOT = Path(__file__).parent.parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """The command line, in this process."""
    return in_this_process(capfd)


@pytest.fixture(scope="session")
def sample() -> Path:
    """The sample that comes with the project: 300 things drawn by different artists."""
    return ROOT / "examples" / "emoji"


@pytest.fixture(scope="session")
def few(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty things of the sample, as a folder tree."""
    root = tmp_path_factory.mktemp("few") / "emoji"
    folders = sorted(folder for folder in sample.iterdir() if folder.is_dir())
    for folder in folders[:: len(folders) // 30][:30]:
        shutil.copytree(folder, root / folder.name)
    return root


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder of this test run alone."""
    before = os.environ.get("LOOKALIKE_CACHE")
    folder = tmp_path_factory.mktemp("cache")
    os.environ["LOOKALIKE_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["LOOKALIKE_CACHE"]
    else:
        os.environ["LOOKALIKE_CACHE"] = before


@pytest.fixture(scope="session")
def backbone(cache: Path) -> Model:
    """The default backbone, exported once."""
    return untrained()


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder that runs in microseconds: 8 x 8 averages of 32 x 32 pixels, centred, unit length."""
    folder = tmp_path_factory.mktemp("tiny") / "model"
    folder.mkdir()
    write_tiny_model(folder)
    return folder


@pytest.fixture
def tiny(tiny_folder: Path, tmp_path: Path) -> Model:
    """A tiny model of one's own, to change at will."""
    own = tmp_path / "tiny-model"
    shutil.copytree(tiny_folder, own)
    return Model.load(own)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The machine's own Chromium, without a window; of a module, as its loop would get in others' way."""
    play = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    place = next(filter(None, map(shutil.which, BROWSERS)), None)
    if place is None:
        pytest.skip("no Chromium on this machine to open pages in: apt-get install chromium")
    with play.sync_playwright() as started:
        found = started.chromium.launch(executable_path=place, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()
