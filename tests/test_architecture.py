"""The map is true, imports point back along it, and the doors open without the heavy libraries."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "lookalike"
TRAINING_ONLY = {"torch", "torchvision", "timm", "pytorch_lightning", "optuna", "onnx", "onnxscript"}
HEAVY = {
    "torch",
    "torchvision",
    "timm",
    "pytorch_lightning",
    "onnxruntime",
    "onnx",
    "faiss",
    "matplotlib",
    "polars",
    "fastapi",
    "uvicorn",
    "prometheus_client",
}
MOST_LINES = 300
MOST_FUNCTION_LINES = 40


def map_lines(page: str) -> list[str]:
    """The lines of a page's map."""
    text = (ROOT / page).read_text(encoding="utf-8")
    block = re.search(r"# The map\n.*?```\n(.*?)```", text, re.DOTALL)
    assert block, f"{page} has a map in a fenced block"
    return block.group(1).splitlines()


def rooms_of(page: str) -> list[str]:
    """The rooms that a page's map names, with what it says of them."""
    return [" ".join(line.split()) for line in map_lines(page) if line.startswith("src/lookalike/")]


def modules_of_map() -> list[str]:
    """Modules in the order of the map, as dotted names below lookalike."""
    rooms, folder = [], ""
    for line in map_lines("docs/map.md"):
        if line.startswith("src/lookalike/"):
            folder = line.split()[0].removeprefix("src/lookalike/").replace("/", ".")
        names = re.match(r"\s+((?:\w+\.py\s+)+)", line + " ")
        rooms += [folder + name.removesuffix(".py") for name in names.group(1).split()] if names else []
    return rooms


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
MAP = modules_of_map()


def imports(path: Path) -> set[str]:
    """Every module that a file imports anywhere, also inside functions; not what only type checkers see."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
    return found


def test_readme_names_the_rooms_of_the_map() -> None:
    named = rooms_of("README.md")
    every = rooms_of("docs/map.md")
    assert [room for room in every if room in named] == named
    assert {room.split()[0] for room in every} == {room.split()[0] for room in named}


def test_map_lists_every_module_once() -> None:
    assert sorted(MAP) == sorted(module_name(path) for path in MODULES)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_point_back_along_the_map(path: Path) -> None:
    own = MAP.index(module_name(path))
    used = {name.removeprefix("lookalike.") for name in imports(path) if name.startswith("lookalike.")}
    later = [name for name in used if name in MAP and MAP.index(name) >= own]
    assert not later


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_training_knows_torch(path: Path) -> None:
    outside = "training" not in path.parts
    used = {name.partition(".")[0] for name in imports(path)}
    assert not (outside and used & TRAINING_ONLY)


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function, its docstring left out."""
    lines = (function.end_lineno or 0) - function.lineno + 1
    if ast.get_docstring(function) is None:
        return lines
    return lines - ((function.body[0].end_lineno or 0) - function.body[0].lineno + 1)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_files_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MOST_LINES
    functions = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]
    assert not [node.name for node in functions if code_lines(node) > MOST_FUNCTION_LINES]


@pytest.mark.parametrize("command", ["import lookalike.cli", "import lookalike; lookalike.__all__"])
def test_door_opens_without_heavy_libraries(command: str) -> None:
    code = f"{command}; import sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not HEAVY & set(loaded.split())


def test_help_loads_neither_torch_nor_onnxruntime() -> None:
    code = (
        "import sys; from lookalike.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: print('LOADED', *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    help_text, _, loaded = shown.partition("LOADED")
    assert "describe" in help_text
    assert not HEAVY & set(loaded.split())


def test_public_names_are_what_they_say() -> None:
    import lookalike

    for name in lookalike.__all__:
        assert getattr(lookalike, name) is not None
    assert callable(lookalike.calibrate)
    with pytest.raises(AttributeError, match="no attribute"):
        _ = lookalike.something_else
