"""Every code block of README and docs is run, in order, page by page, in a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import yaml

from lookalike.runfile import apply_overrides, parse_config
from lookalike.training.tuning_space import load_study
from small_systems import small_cifar10

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = {"shell": ["bash", "-euo", "pipefail", "-c"], "python": [sys.executable, "-W", "error", "-c"]}


def cifar10_in_small(place: Path, sample: Path) -> None:
    """The data set of the page with few pictures, and its recipe with a few steps."""
    small_cifar10(place / "cifar-10-batches-py", sample)
    recipe = place / "recipes" / "cifar10_similarity.yaml"
    values = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    recipe.unlink()
    shorter = ("batches.steps_per_epoch=2", "training.workers=0", "training.loggers=[csv]")
    recipe.write_text(yaml.safe_dump(apply_overrides(values, shorter)), encoding="utf-8")


TRAIN = "lookalike train recipes/emoji.yaml --data examples/emoji --out runs/emoji\n"
SERVE, ADDRESS = "lookalike serve ", "http://127.0.0.1:"
USUAL = f"{ADDRESS}8000"
MATERIAL = {"from_cifar10.md": cifar10_in_small}  # what a page needs beside examples and recipes


def blocks(page: Path) -> list[tuple[str, str]]:
    """(language, text) of the fenced blocks that have a language."""
    return re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def check_yaml(text: str, place: Path) -> None:
    """Read a run file, or a study file where it searches."""
    values = yaml.safe_load(text)
    if "search" not in values:
        parse_config(values)
        return
    (place / "study.yaml").write_text(text, encoding="utf-8")
    load_study(place / "study.yaml")


def lay_out(place: Path) -> None:
    """What a page finds in its folder: the examples and the recipes."""
    (place / "examples").symlink_to(ROOT / "examples")
    (place / "recipes").mkdir()
    for recipe in (ROOT / "recipes").iterdir():
        (place / "recipes" / recipe.name).symlink_to(recipe)


def run_block(language: str, text: str, place: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*RUN[language], text],
        cwd=place,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"


@pytest.fixture(scope="session")
def trained(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    """The run that most pages begin with, made once, when the first of them asks."""
    place = tmp_path_factory.mktemp("trained")

    def run() -> Path:
        if not (place / "runs").exists():
            lay_out(place)
            run_block("shell", TRAIN, place)
        return place / "runs" / "emoji"

    return run


def run_one(page: Path, language: str, text: str, trained: Callable[[], Path], place: Path) -> None:
    """Run a block; a training that other pages begin with too is not run again."""
    if language == "yaml":
        check_yaml(text, place)
    elif TRAIN in text and page.name != "README.md":
        shutil.copytree(trained(), place / "runs" / "emoji")
        run_block(language, text.replace(TRAIN, ""), place)
    else:
        run_block(language, text, place)


@contextmanager
def running(command: str, place: Path) -> Iterator[None]:
    """Run a server until the page ends; it is there when it has printed its address."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    process = subprocess.Popen(
        shlex.split(command), cwd=place, env={**os.environ, "PATH": path}, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        yield
        process.terminate()
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.communicate()


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return str(found.getsockname()[1])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run_as_they_stand(
    page: Path, trained: Callable[[], Path], sample: Path, tmp_path: Path
) -> None:
    lay_out(tmp_path)
    if page.name in MATERIAL:
        MATERIAL[page.name](tmp_path, sample)
    port = free_port()  # in place of the usual one, which others may have
    with ExitStack() as servers:
        for language, text in blocks(page):
            if text.startswith(SERVE):
                servers.enter_context(running(f"{text.strip()} --port {port}", tmp_path))
                continue
            run_one(page, language, text.replace(USUAL, f"{ADDRESS}{port}"), trained, tmp_path)


@pytest.mark.parametrize("page", [*PAGES, *ROOT.glob("*.md"), *ROOT.glob("examples/*/*.md")], ids=str)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_readme_is_short_and_has_blocks() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 180
    assert {language for language, _ in blocks(ROOT / "README.md")} == {"shell", "python"}
