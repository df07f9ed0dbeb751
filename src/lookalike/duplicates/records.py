"""What was found to be there twice: bands, members, the evidence for each, groups.

Made by finding, read by plans, pages and the command line. Nothing is compared or decided here.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from enum import StrEnum

from lookalike.errors import SkipReason
from lookalike.records import Skipped


class Band(StrEnum):
    """How much alike two pictures of a group are; the strictest first."""

    EXACT = "exact"  # the same bytes
    SAME_PIXELS = "same pixels"  # the same picture to the last pixel, in another file
    NEAR_COPY = "near copy"  # one picture, scaled, compressed, cropped, lit, turned by its EXIF, marked
    SAME_THING = "same thing"  # alike as the model's calibration asks of pictures of one thing

    @property
    def order(self) -> int:
        """0 for the strictest, rising."""
        return list(Band).index(self)


COPIES = (Band.EXACT, Band.SAME_PIXELS, Band.NEAR_COPY)  # what is looked for unless something else is asked


@dataclass(frozen=True, slots=True)
class Member:
    """One picture of a group.

    Attributes:
        id: of its item, in its own index.
        path: absolute.
        box: the part that is looked at, "left,top,right,bottom"; empty for the whole picture. What has a box
            shares its file with others.
        size: width and height in pixels, upright; (0, 0) where that is not known.
        bytes: of the file, when it was indexed; mtime_ns likewise, its modification time.
        format: Pillow's name, for example JPEG; empty where it is not known.
        hash: of the content and the box.
        library: whether it belongs to what was compared against; such a one always stays.
        file: device and inode; None where that is not known.
        link: whether the path is a symbolic link; such a one always stays.
        shown: the size of a smaller copy that it was enlarged from, or of the picture within a plain frame,
            so that it shows no more than that; None where that is not known of it.
    """

    id: int
    path: str
    box: str
    size: tuple[int, int]
    bytes: int
    format: str
    mtime_ns: int
    label: str | None
    hash: builtins.bytes
    library: bool = False
    file: tuple[int, int] | None = None
    link: bool = False
    shown: tuple[int, int] | None = None

    @property
    def key(self) -> tuple[bool, int]:
        """Tells it from every other member, also where two indexes give the same ids."""
        return self.library, self.id


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why a member is in its group: how it compares with the representative.

    Attributes:
        first: id of the representative; second: id of the member.
        band: the strictest that the two are in.
        similarity: cosine of their embeddings.
        difference: of their pixels, see `overlay.differences`: 0 for one picture, 1.4 or more for two that
            have nothing to do with each other; None where no pixels had to be compared.
        why: one sentence.
        verdict: what a person decided of the two, "same" or "keep-both"; None: nothing.
    """

    first: int
    second: int
    band: Band
    similarity: float
    difference: float | None
    why: str
    verdict: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Pictures that are one, each of them within the threshold of the representative.

    Attributes:
        band: the loosest among its members'.
        members: the representative first, then by band, similarity and id.
        representative, keeper: places in `members`; the keeper is the one that is proposed to stay.
        evidence: one for each member but the representative, in the order of `members`.
        keeper_reason: one sentence.
        settled: places in `members` of those that somebody decided to keep beside another one of the group.
    """

    band: Band
    members: tuple[Member, ...]
    representative: int
    keeper: int
    evidence: tuple[Evidence, ...]
    keeper_reason: str
    settled: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.members)

    @property
    def removable(self) -> tuple[Member, ...]:
        """Those proposed to go: not the keeper, nor what is settled, of the library, a link, or a part.

        A file that is one of these too, under another name, does not go either.
        """
        going = [member for place, member in enumerate(self.members) if not self._stays(place)]
        held = {member.file for place, member in enumerate(self.members) if self._stays(place)} - {None}
        return tuple(member for member in going if member.file not in held)

    @property
    def bytes(self) -> int:
        """What would be saved by putting away what is removable; a file with two names counts once."""
        return sum({member.file or member.key: member.bytes for member in self.removable}.values())

    def holder(self, place: int) -> Member | None:
        """The member that stays and is the same file as another one, under another name."""
        file = self.members[place].file
        return next(
            (
                other
                for number, other in enumerate(self.members)
                if file is not None and number != place and other.file == file and self._stays(number)
            ),
            None,
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to propose."""
        return not self.removable

    def _stays(self, place: int) -> bool:
        member = self.members[place]
        kept = place == self.keeper or place in self.settled
        return kept or member.library or bool(member.box) or member.link


@dataclass(frozen=True, slots=True)
class Limit:
    """From where on two pictures are in a band.

    Attributes:
        similarity: at least, of embeddings; None where the band does not ask for it.
        difference: at most, of pixels; None likewise.
        words: where the numbers come from and what was measured at them, one sentence.
    """

    band: Band
    similarity: float | None
    difference: float | None
    words: str


@dataclass(frozen=True, slots=True)
class Duplicates:
    """All groups of an index.

    Attributes:
        groups: the larger ones first, then by band and by their first member's path.
        blank: pictures of one colour: flagged, in no group.
        compared: pictures that were compared; blank ones are not among them.
        skipped: pictures that had to be opened and cannot be any more.
        limits: of each band that was looked for.
        notes: sentences a user should read, for example why a band that was asked for is not offered.
        complete: whether all proposed pairs were looked at; else only the most alike, because there were
            too many.
    """

    groups: tuple[Group, ...]
    blank: tuple[Member, ...]
    compared: int
    skipped: tuple[Skipped, ...]
    limits: tuple[Limit, ...]
    notes: tuple[str, ...] = ()
    complete: bool = True

    def __len__(self) -> int:
        return len(self.groups)

    @property
    def unopened(self) -> tuple[Skipped, ...]:
        """What was skipped against somebody's will; what was put away in a quarantine is not among it."""
        return tuple(entry for entry in self.skipped if entry.reason is not SkipReason.QUARANTINE)

    @property
    def is_blind(self) -> bool:
        """Whether nothing was found, and most pictures could not be opened: nothing can be said of them."""
        return not self.groups and 2 * len(self.unopened) > self.compared
