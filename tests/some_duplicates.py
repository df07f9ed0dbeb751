"""Duplicates that were not searched for: groups of files that a test names, the keeper first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lookalike.duplicates.plans import plan_of, write_plan
from lookalike.duplicates.records import Band, Duplicates, Evidence, Group, Limit, Member
from lookalike.models.embedding import content_hash
from lookalike.pictures.finding import MARKER

Tree = dict[str, tuple[bytes, int, int]]

WORDS = "at least 0.9 alike and at most 0.3 apart: of 1,000 such pairs 998 were right"


def member(path: Path, number: int, *, box: str = "", library: bool = False) -> Member:
    content, facts = path.read_bytes(), path.stat()
    part = tuple(map(int, box.split(","))) if box else None
    digest = content_hash(content, part)  # type: ignore[arg-type]
    size = len(content), facts.st_mtime_ns
    return Member(number, str(path), box, (64, 48), size[0], "PNG", size[1], None, digest, library)


def group(
    paths: Sequence[Path], *, band: Band = Band.NEAR_COPY, settled: tuple[int, ...] = (), first: int = 1
) -> Group:
    members = tuple(member(path, number) for number, path in enumerate(paths, start=first))
    evidence = tuple(
        Evidence(first, entry.id, band, 0.97, 0.1, f"{Path(entry.path).name} was scaled down.")
        for entry in members[1:]
    )
    return Group(band, members, 0, 0, evidence, "It has the most pixels.", settled)


def duplicates(*groups: Group, blank: tuple[Member, ...] = ()) -> Duplicates:
    limits = (Limit(Band.EXACT, None, None, "the same bytes"), Limit(Band.NEAR_COPY, 0.9, 0.3, WORDS))
    return Duplicates(groups, blank, 10, (), limits)


def made_plan(place: Path, *groups: Group) -> Path:
    """A plan file in `place` for these groups, of an index of the folder p there."""
    path = place / "plan.json"
    roots = (str(place / "p"),)
    index = place / "photos.idx"
    write_plan(plan_of(duplicates(*groups), index=index, created="2026-01-01", roots=roots), path)
    return path


def tree(root: Path) -> Tree:
    """Every file below a folder but the mark of a quarantine: its content, modification time and mode."""
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_mode)
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.name != MARKER
    }
