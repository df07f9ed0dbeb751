"""Duplicates in words and in plain values: what the command line prints, and what the page says.

Duplicates enter; lines, a mapping for JSON and the totals of each band leave. Nothing is found or judged
here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lookalike.duplicates.explaining import SURE
from lookalike.duplicates.plans import evidence_of, reason_of, why_it_stays
from lookalike.duplicates.records import Band, Duplicates, Group, Member
from lookalike.errors import SkipReason
from lookalike.records import Skipped

MOST_GROUPS = 50  # that are printed
MOST_MEMBERS = 20  # of one of them
KEEP, MOVE = "keep", "move"


@dataclass(frozen=True, slots=True)
class Total:
    """What a band holds; band None: all of them together."""

    band: Band | None
    groups: int
    pictures: int
    removable: int
    bytes: int

    @property
    def name(self) -> str:
        """What it is called."""
        return "all" if self.band is None else str(self.band)


def open_groups(found: Duplicates) -> list[Group]:
    """The groups of which something is proposed to go; of the others somebody decided to keep all."""
    return [group for group in found.groups if not group.is_settled]


def totals(found: Duplicates) -> list[Total]:
    """A total for each band that has groups, the strictest first; then, of more than one, that of all."""
    groups = open_groups(found)
    bands = [band for band in Band if any(group.band is band for group in groups)]
    each = [_total(band, [group for group in groups if group.band is band]) for band in bands]
    return [*each, _total(None, groups)] if len(each) > 1 else each


def headline(found: Duplicates) -> str:
    """What was found, one sentence.

    >>> headline(Duplicates((), (), 3, (), ()))
    'No duplicates among 3 pictures.'
    """
    groups = open_groups(found)
    if found.is_blind:
        return f"{_share(found)}: lookalike index INDEX FOLDER finds again what moved to that folder."
    if not groups:
        return f"No duplicates among {counted(found.compared, 'picture')}."
    total = _total(None, groups)
    return (
        f"{counted(total.groups, 'group')} of duplicates among {counted(found.compared, 'picture')}: "
        f"{counted(total.removable, 'file')} could go, {in_bytes(total.bytes)} in all."
    )


def cautions(found: Duplicates) -> list[str]:
    """What else a reader has to know, a sentence each."""
    settled = sum(group.is_settled and bool(group.settled) for group in found.groups)
    bound = sum(group.is_settled and not group.settled for group in found.groups)
    said = list(found.notes)
    unsure = sum(_is_unsure(group) for group in found.groups if not group.is_settled)
    if unsure:
        said.append(
            f"{counted(unsure, 'group')} with pictures that are much alike but differ (pixels by more than "
            f"{SURE:g}). Look at them before anything goes."
        )
    if not found.complete:
        said.append("There were too many likely pairs to look at: the most alike of them were compared.")
    if settled:
        said.append(f"{counted(settled, 'group')} not shown: it was decided that nothing is to go.")
    if bound:
        said.append(f"{counted(bound, 'group')} not shown: links, parts and the library always stay.")
    return said


def left_out(found: Duplicates) -> list[str]:
    """What was not compared, a sentence for each reason.

    >>> left_out(Duplicates((), (), 2, (Skipped("a.png", SkipReason.EMPTY, "0 bytes"),), ()))
    ['1 picture left out: empty.']
    """
    return [*([f"{_blank(found)}."] if found.blank else ()), *unopened(found)]


def unopened(found: Duplicates) -> list[str]:
    """Why pictures could not be opened, a sentence for each reason; none is named."""
    away = Counter(_why(entry) for entry in found.skipped)
    return [f"{counted(number, 'picture')} left out: {why}." for why, number in away.most_common()]


def _why(entry: Skipped) -> str:
    if entry.reason is SkipReason.QUARANTINE:
        return "put away in a quarantine"
    return f"{entry.reason} (no such file)" if entry.reason is SkipReason.MISSING else str(entry.reason)


def _blank(found: Duplicates) -> str:
    return f"{counted(len(found.blank), 'picture')} of one colour, in no group"


def _share(found: Duplicates) -> str:
    lost = found.unopened
    is_gone = all(entry.reason is SkipReason.MISSING for entry in lost)
    what = "are not where they were" if is_gone else "cannot be opened"
    return f"{len(lost):,} of {counted(found.compared, 'picture')} {what}"


def _is_unsure(group: Group) -> bool:
    return any((edge.difference or 0.0) > SURE for edge in group.evidence)


def lines(found: Duplicates, *, index: Path, most: int = MOST_GROUPS) -> list[str]:
    """What a person reads: totals, every group with its keeper marked, and why, and what is blank."""
    groups = open_groups(found)
    told = [f"{index}: {headline(found)}", *_table(totals(found))]
    for number, group in enumerate(groups[:most], start=1):
        told += ["", *_group_lines(group, number)]
    if len(groups) > most:
        told += ["", f"and {counted(len(groups) - most, 'group')} more; --json and --html show them"]
    if found.blank:
        told += ["", f"{_blank(found)}:"]
        told += [f"  {entry.path}" for entry in found.blank[:MOST_MEMBERS]]
        if len(found.blank) > MOST_MEMBERS:
            told.append(f"  and {len(found.blank) - MOST_MEMBERS:,} more")
    if found.skipped:
        told += ["", *unopened(found)]
    return told


def values(found: Duplicates, *, index: Path) -> dict[str, Any]:
    """Everything, as plain values; groups that are settled among them, and marked."""
    return {
        "index": str(index),
        "compared": found.compared,
        "complete": found.complete,
        "notes": list(found.notes),
        "totals": [{**asdict(total), "band": total.name} for total in totals(found)],
        "limits": [asdict(limit) for limit in found.limits],
        "groups": [group_values(group) for group in found.groups],
        "blank": [_member_values(entry) for entry in found.blank],
        "skipped": [asdict(entry) for entry in found.skipped],
    }


def group_values(group: Group) -> dict[str, Any]:
    """One group, its members with the action that is proposed for each."""
    going = {member.key for member in group.removable}
    members = []
    for place, member in enumerate(group.members):
        told = evidence_of(group, place)
        members.append(
            {
                **_member_values(member),
                "action": MOVE if member.key in going else KEEP,
                "reason": why_of(group, place),
                "similarity": None if told is None else told.similarity,
                "difference": None if told is None else told.difference,
                "decided": None if told is None else told.verdict,
            }
        )
    return {
        "band": str(group.band),
        "keeper": group.members[group.keeper].path,
        "bytes": group.bytes,
        "settled": group.is_settled,
        "members": members,
    }


def why_of(group: Group, place: int) -> str:
    """Why a member stays or goes, as a sentence."""
    why = why_it_stays(group, place) or reason_of(group, place)
    return f"{why[:1].upper()}{why[1:]}{'' if why.endswith('.') else '.'}"


def facts_of(member: Member) -> str:
    """Size in pixels, format and size in bytes, as far as they are known.

    >>> facts_of(Member(1, "/a.jpg", "", (40, 30), 2_345, "JPEG", 0, None, b""))
    '40 × 30 JPEG, 2.3 kB'
    """
    pixels = f"{member.size[0]:,} × {member.size[1]:,}" if any(member.size) else ""
    shape = " ".join(filter(None, (pixels, member.format)))
    return ", ".join(filter(None, (shape, in_bytes(member.bytes))))


def in_bytes(count: int) -> str:
    """A size that a person reads.

    >>> [in_bytes(count) for count in (1, 999, 1_000, 12_345, 999_999, 4_200_000_000)]
    ['1 byte', '999 bytes', '1.0 kB', '12 kB', '1.0 MB', '4.2 GB']
    """
    size, unit = float(count), ""
    for unit in ("", "kB", "MB", "GB", "TB"):
        if size < 999.5 or unit == "TB":
            break
        size /= 1000
    if not unit:
        return counted(count, "byte")
    return f"{size:.1f} {unit}" if size < 9.95 else f"{size:,.0f} {unit}"


def counted(count: int, name: str) -> str:
    """A number with its noun.

    >>> counted(1, "group"), counted(1200, "picture")
    ('1 group', '1,200 pictures')
    """
    return f"{count:,} {name}{'' if count == 1 else 's'}"


def _total(band: Band | None, groups: Sequence[Group]) -> Total:
    return Total(
        band,
        len(groups),
        sum(len(group) for group in groups),
        sum(len(group.removable) for group in groups),
        sum(group.bytes for group in groups),
    )


def _table(rows: Sequence[Total]) -> list[str]:
    if not rows:
        return []
    head = f"  {'':<12}  {'groups':>8}  {'pictures':>8}  {'could go':>8}  {'frees':>9}"
    return [
        "",
        head,
        *(
            f"  {row.name:<12}  {row.groups:>8,}  {row.pictures:>8,}  {row.removable:>8,}  "
            f"{in_bytes(row.bytes):>9}"
            for row in rows
        ),
    ]


def _group_lines(group: Group, number: int) -> Iterator[str]:
    yield f"{number}  {group.band}, {counted(len(group), 'picture')}, frees {in_bytes(group.bytes)}"
    going = {member.key for member in group.removable}
    order = [group.keeper, *(place for place in range(len(group)) if place != group.keeper)]
    for place in order[:MOST_MEMBERS]:
        member = group.members[place]
        action = MOVE if member.key in going else KEEP
        box = f" [{member.box}]" if member.box else ""
        yield f"   {action}  {member.path}{box}"
        yield f"         {facts_of(member)}. {why_of(group, place)}"
    if len(order) > MOST_MEMBERS:
        yield f"   and {len(order) - MOST_MEMBERS:,} more"


def _member_values(member: Member) -> dict[str, Any]:
    return {
        "id": member.id,
        "path": member.path,
        "box": member.box,
        "width": member.size[0],
        "height": member.size[1],
        "bytes": member.bytes,
        "format": member.format,
        "mtime_ns": member.mtime_ns,
        "label": member.label,
        "hash": member.hash.hex(),
        "library": member.library,
    }
