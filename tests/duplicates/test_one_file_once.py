"""A file is no duplicate of itself, by whatever name; what may be emptied is a copy of nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.limits import Wishes
from lookalike.duplicates.plans import why_it_stays
from lookalike.duplicates.records import Duplicates
from lookalike.errors import SkipReason
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.pictures.finding import MARKER
from lookalike.presenting.duplicates_wording import cautions
from lookalike.tables.table import ImageTable
from scenes import scene, write


def indexed(place: Path, tiny: Model, *roots: Path) -> Path:
    with Index.create(place, tiny) as index:
        for root in roots:
            index.update(ImageTable.read(root))
    return place


def going(found: Duplicates) -> list[str]:
    return sorted(Path(member.path).name for group in found.groups for member in group.removable)


@pytest.fixture
def album(tmp_path: Path) -> Path:
    """One picture twice, and another one."""
    for name, number in (("a.png", 1), ("b.png", 1), ("c.png", 2)):
        write(tmp_path / "album" / name, scene(number, 64, 64))
    return tmp_path / "album"


def test_what_is_in_the_library_by_any_name_is_not_new(tiny: Model, album: Path, tmp_path: Path) -> None:
    shutil.copytree(album, album / "new")
    (album / "hard.png").hardlink_to(album / "new/c.png")
    write(tmp_path / "new.png", scene(1, 64, 64))
    (album / "new").rename(tmp_path / "new")
    shutil.move(tmp_path / "new.png", tmp_path / "new/new.png")
    (album / "b.png").unlink()
    (album / "b.png").symlink_to("../new/b.png")
    library = indexed(tmp_path / "library.idx", tiny, album)
    with Index.open(indexed(tmp_path / "new.idx", tiny, tmp_path / "new")) as new, Index.open(library) as old:
        assert going(find_duplicates(new, Wishes(against=old))) == ["a.png", "new.png"]
        assert find_duplicates(new, Wishes(against=new)).groups == ()


def test_a_library_that_holds_the_new_pictures_has_nothing_new(
    tiny: Model, album: Path, tmp_path: Path
) -> None:
    library = indexed(tmp_path / "library.idx", tiny, tmp_path)
    with Index.open(indexed(tmp_path / "new.idx", tiny, album)) as new, Index.open(library) as old:
        assert find_duplicates(new, Wishes(against=old)).groups == ()


def test_what_is_gone_of_the_library_compares_nothing_new_with_itself(
    tiny: Model, album: Path, tmp_path: Path
) -> None:
    write(tmp_path / "old/gone.png", scene(1, 64, 64))
    library = indexed(tmp_path / "library.idx", tiny, tmp_path / "old")
    (tmp_path / "old/gone.png").unlink()
    with Index.open(indexed(tmp_path / "new.idx", tiny, album)) as new, Index.open(library) as old:
        found = find_duplicates(new, Wishes(against=old))
    assert found.groups == ()
    assert [(Path(entry.path).name, entry.reason) for entry in found.skipped] == [
        ("gone.png", SkipReason.MISSING)
    ]


def test_what_was_put_away_is_a_copy_of_nothing(tiny: Model, album: Path, tmp_path: Path) -> None:
    (album / "away").mkdir()
    shutil.move(album / "b.png", album / "away/b.png")
    with Index.open(indexed(tmp_path / "a.idx", tiny, album)) as index:
        assert len(find_duplicates(index).groups) == 1
        (album / "away" / MARKER).touch()
        found = find_duplicates(index)
    assert found.groups == ()
    assert [(Path(entry.path).name, entry.reason) for entry in found.skipped] == [
        ("b.png", SkipReason.QUARANTINE)
    ]


@pytest.mark.parametrize("kind", ["hard", "symbolic", "first"])
def test_another_name_saves_nothing(tiny: Model, album: Path, tmp_path: Path, kind: str) -> None:
    (album / "b.png").unlink()
    name = album / ("0.png" if kind == "first" else "b.png")
    if kind == "hard":
        name.hardlink_to(album / "a.png")
    else:
        name.symlink_to("a.png")
    with Index.open(indexed(tmp_path / "a.idx", tiny, album)) as index:
        found = find_duplicates(index)
    (group,) = found.groups
    assert (group.removable, group.bytes, group.is_settled) == ((), 0, True)
    why = why_it_stays(group, 1 - group.keeper)
    assert why.startswith(("It is one file with", "It is a symbolic link"))
    assert ("symbolic" in why) == group.members[1 - group.keeper].link
    assert any("always stay" in text for text in cautions(found))


def test_two_names_of_a_copy_count_once(tiny: Model, album: Path, tmp_path: Path) -> None:
    (album / "d.png").hardlink_to(album / "b.png")
    with Index.open(indexed(tmp_path / "a.idx", tiny, album)) as index:
        (group,) = find_duplicates(index, Wishes(keep="name")).groups
    assert [Path(member.path).name for member in group.removable] == ["b.png", "d.png"]
    assert group.bytes == (album / "b.png").stat().st_size


def test_a_link_to_a_copy_elsewhere_stays(tiny: Model, album: Path, tmp_path: Path) -> None:
    (album / "b.png").rename(tmp_path / "elsewhere.png")
    (album / "link.png").symlink_to("../elsewhere.png")
    with Index.open(indexed(tmp_path / "a.idx", tiny, album)) as index:
        (group,) = find_duplicates(index, Wishes(keep="name")).groups
    assert group.removable == ()
    assert why_it_stays(group, 1) == "It is a symbolic link, no file of its own."
