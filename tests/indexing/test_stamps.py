from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from lookalike.errors import SkipReason
from lookalike.indexing.listing import Listing
from lookalike.indexing.schema import Root
from lookalike.indexing.stamps import ABSENT, BARRED, handle_of, stamps_of
from lookalike.tables.table import ImageTable

NAMES = ("a.png", "in/b.png", "../beside.png", "in/none.png", "a.png/c.png", "in", "loop.png", "nul\0.png")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    (made / "in").mkdir(parents=True)
    for place, name in enumerate(("a.png", "in/b.png", "../beside.png")):
        (made / name).write_bytes(bytes(place + 1))
        os.utime(made / name, ns=(7, 1000 + place))
    (made / "loop.png").symlink_to("loop.png")
    return made


def listing(root: Path) -> Listing:
    table = ImageTable(root, pl.DataFrame({"image": [*NAMES, str(root / "a.png")]}))
    return Listing(Root(1, str(root), str(root)), table)


@pytest.mark.parametrize("opened", [True, False])
def test_each_file_is_looked_at_through_its_folder_or_by_its_path(root: Path, opened: bool) -> None:
    made = listing(root)
    (part,) = made.parts()
    with handle_of(str(root)) as handle:
        assert handle is not None
        stamps, failed = stamps_of(made, part, handle if opened else None)
    found = dict(zip(part.paths, stamps, strict=True))
    assert [found[name] for name in NAMES[:3]] == [(1, 1000), (2, 1001), (3, 1002)]
    assert [found[name] for name in NAMES[3:6]] == [ABSENT] * 3
    assert [found[name] for name in NAMES[6:]] == [BARRED] * 2
    reasons = {part.paths[place]: skipped.reason for place, skipped in failed.items()}
    assert reasons == {NAMES[6]: SkipReason.UNREADABLE, NAMES[7]: SkipReason.BAD_NAME}


def test_a_folder_that_is_away_has_no_handle(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name in ("away", "file"):
        with handle_of(str(tmp_path / name)) as handle:
            assert handle is None


def test_a_handle_is_let_go_of(root: Path) -> None:
    with handle_of(str(root)) as handle:
        assert handle is not None
        os.fstat(handle)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(handle)
