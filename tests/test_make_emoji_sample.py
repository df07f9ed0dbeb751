"""The tool that chose the sample, and the sample as it lies in the repository."""

import csv
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

TOOL = Path(__file__).parent.parent / "tools" / "make_emoji_sample.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_emoji_sample", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Three categories of 20 classes in 4 subcategories; every fifth class has too few drawings."""
    root = tmp_path / "source"
    classes, attributes = ["class,category,subcategory,name"], ["class,even,odd,never"]
    for place in range(60):
        code = f"{place:04x}"
        (root / "emoji" / code).mkdir(parents=True)
        for artist in ("noto", "twemoji", "openmoji")[: 2 if place % 5 == 0 else 3]:
            (root / "emoji" / code / f"{artist}.png").write_bytes(f"{code} {artist}".encode())
        classes.append(f'{code},"cat, {place % 3}",sub{place // 3 % 4},thing {place}')
        attributes.append(f"{code},{1 - place % 2},{place % 2},0")
    (root / "emoji_classes.csv").write_text("\n".join(classes))
    (root / "emoji_attributes.csv").write_text("\n".join(attributes))
    return root


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "attributes.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_categories_and_subcategories_are_evenly_chosen(
    tool: ModuleType, source: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    tool.main([str(source), str(target), "--classes", "24", "--drawings", "3"])
    chosen = rows(target)
    assert set(Counter(row["category"] for row in chosen).values()) == {8}
    assert set(Counter((row["category"], row["subcategory"]) for row in chosen).values()) == {2}
    assert sorted(folder.name for folder in target.iterdir() if folder.is_dir()) == [
        row["class"] for row in chosen
    ]
    assert list(chosen[0]) == ["class", "name", "category", "subcategory", "even", "odd"]
    for row in chosen:
        assert row["even"] == str(1 - int(row["class"], 16) % 2)
        copied = sorted((target / row["class"]).iterdir())
        assert [file.read_text() for file in copied] == [f"{row['class']} {file.stem}" for file in copied]
        assert len(copied) == 3
    assert "72 drawings of 24 emoji by 3 artists" in (target / "README.md").read_text()


def test_the_choice_is_the_same_again(tool: ModuleType, source: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        tool.main([str(source), str(tmp_path / name), "--classes", "10", "--drawings", "3"])
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_what_cannot_be_made(tool: ModuleType, source: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only 48 classes have 3 drawings, wanted 300"):
        tool.main([str(source), str(tmp_path / "target"), "--drawings", "3"])
    with pytest.raises(SystemExit):
        tool.main([str(source), str(source)])


def test_the_sample_is_what_its_readme_says(sample: Path) -> None:
    drawings = Counter(path.parent.name for path in sample.glob("*/*.png"))
    assert len(drawings) == 300
    assert min(drawings.values()) >= 6
    assert f"{drawings.total():,} drawings of 300 emoji by 8 artists" in (sample / "README.md").read_text(
        "utf-8"
    )
    chosen = rows(sample)
    assert [row["class"] for row in chosen] == sorted(drawings)
    assert set(Counter(row["category"] for row in chosen).values()) == {33, 34}
    assert all(any(row[name] == "1" for row in chosen) for name in list(chosen[0])[4:])


def test_every_artist_of_the_sample_has_a_licence(sample: Path) -> None:
    text = (sample / "LICENSES.md").read_text("utf-8")
    for artist, count in Counter(path.stem for path in sample.glob("*/*.png")).items():
        assert f"| `{artist}.png` | {count} |" in text
