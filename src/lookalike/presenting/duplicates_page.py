"""Duplicates as one self-contained HTML page: groups side by side, what would stay, what would go, and why.

Duplicates enter, a page leaves that needs no network, no script and no other file. Nothing is judged here,
and nothing on the disk is changed by looking at it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lookalike.duplicates.records import Duplicates, Group, Member
from lookalike.files import write_atomically
from lookalike.pictures.images import Box
from lookalike.presenting.duplicates_wording import (
    cautions,
    counted,
    facts_of,
    headline,
    in_bytes,
    open_groups,
    totals,
    unopened,
    why_of,
)
from lookalike.presenting.report import render
from lookalike.presenting.thumbnails import data_uri

MOST_GROUPS = 200  # that are shown
MOST_MEMBERS = 12  # of one of them
MOST_BLANK = 24
THUMBNAIL = 260  # pixels; shown at about 170


class Tile(NamedTuple):
    """A picture of a group: what would become of it, its facts, and why; kind: keep, stay or go."""

    member: Member
    kind: str
    facts: str
    reason: str


class Card(NamedTuple):
    """A group as the page shows it; more: members that are not shown."""

    title: str
    tiles: tuple[Tile, ...]
    more: int


def render_duplicates(found: Duplicates, *, index: Path, created: str = "", most: int = MOST_GROUPS) -> str:
    """The groups as one HTML page that opens from disk, light and dark.

    Args:
        created: when, as it shall be printed.
        most: groups that are shown; the page says how many are not.
    """
    groups = open_groups(found)
    return render(
        "duplicates.html.j2",
        title=f"Duplicates in {index}",
        headline=headline(found),
        cautions=[*cautions(found), *unopened(found)],
        totals=totals(found),
        in_bytes=in_bytes,
        limits=found.limits,
        cards=[_card(group, number) for number, group in enumerate(groups[:most], start=1)],
        hidden=max(0, len(groups) - most),
        blank=found.blank[:MOST_BLANK],
        blanks=len(found.blank),
        thumb=cache(_thumb),
        created=created,
    )


def write_duplicates(
    found: Duplicates, path: Path, *, index: Path, created: str = "", most: int = MOST_GROUPS
) -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_duplicates(found, index=index, created=created, most=most).encode("utf-8"))


def is_page(path: Path) -> bool:
    """Whether a file is a page that `write_duplicates` wrote, by how it begins."""
    with path.open("rb") as file:
        start = file.read(2048)
    return start.lstrip().startswith(b"<!doctype html>") and b"<title>Duplicates in " in start


def _card(group: Group, number: int) -> Card:
    order = [group.keeper, *(place for place in range(len(group)) if place != group.keeper)]
    title = f"{number}. {str(group.band).capitalize()}, {counted(len(group), 'picture')}"
    saved = f", frees {in_bytes(group.bytes)}"
    return Card(title + saved, tuple(_tiles(group, order[:MOST_MEMBERS])), max(0, len(order) - MOST_MEMBERS))


def _tiles(group: Group, order: Sequence[int]) -> list[Tile]:
    going = {member.key for member in group.removable}
    tiles = []
    for place in order:
        member = group.members[place]
        kind = "keep" if place == group.keeper else "go" if member.key in going else "stay"
        tiles.append(Tile(member, kind, facts_of(member), why_of(group, place)))
    return tiles


def _thumb(member: Member) -> str:
    box: Box | None = None
    if member.box:
        left, top, right, bottom = map(int, member.box.split(","))
        box = left, top, right, bottom
    return data_uri(member.path, THUMBNAIL, box=box)
