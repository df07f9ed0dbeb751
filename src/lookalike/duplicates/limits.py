"""What is looked for, and from where on two pictures are in a band: an index and wishes enter, limits leave.

A limit is the model's calibrated one where there is one, else the default, with what was measured at it. A
band that the model cannot tell is not offered; a note says how to get it. Nothing is compared here.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from lookalike.duplicates.confirming import DIFFERENCE
from lookalike.duplicates.keepers import KEEP
from lookalike.duplicates.proposing import CORRELATION, SIMILARITY
from lookalike.duplicates.records import COPIES, Band, Limit
from lookalike.errors import ConfigError, StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.selection import ALL, Selection
from lookalike.judging.calibrated import NEAR_COPY, SAME_THING, Calibration
from lookalike.models.verdicts import calibration_of

MEASURED = (
    "measured with the default model on copies made of 96 photographs, mirror images asked for: 99.0 % were "
    "found (98.5 to 99.4), of those 30 % brighter 91.7 %, of those cropped by 15 % and 20 %, which are not "
    "counted in it, 90.6 and 83.3 %; none of the photographs was joined with another (at most 3.8 %). Of "
    "1,091 simple drawings 2.4 % were joined with another (1.6 to 3.5), and of their copies in other sizes "
    "or saved again 98.6 % were found (96.9 to 99.8)"
)
MOST_DIFFERENT = 1.0  # from about 1.4 on two pictures have nothing to do with each other


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What a person wants to be found, and what is to stay of it.

    Attributes:
        bands: what to look for; "same thing" needs a calibration by labels, or `similarity`.
        against: the library: another index of the same model, or a folder of this one. Then only what is not
            in the library is compared with what is, and what is in it always stays.
        similarity: from which on two pictures show the same thing, in (0, 1]; None is the calibrated one.
        difference: up to which two pictures are near copies, in (0, 1]: see `overlay.differences`.
        mirrored: whether mirror images are near copies.
        keep: which picture of a group is proposed to stay, see `KeepRule`.
        selection: which pictures are looked at; the library is taken whole.
    """

    bands: Collection[Band] = COPIES
    against: Index | Path | None = None
    similarity: float | None = None
    difference: float = DIFFERENCE
    mirrored: bool = False
    keep: str = KEEP
    selection: Selection = ALL


USUAL = Wishes()


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for.

    Attributes:
        limits: of each band that is looked for.
        proposing: similarity of embeddings from which on a pair's pixels are compared.
        difference: of pixels, up to which two are near copies.
        same: similarity from which on two show the same thing; None: that band is not looked for.
        mirrored: whether mirror images are near copies.
        notes: what a user should know of bands that are not offered.
    """

    limits: tuple[Limit, ...]
    proposing: float
    difference: float
    same: float | None
    mirrored: bool
    notes: tuple[str, ...] = ()

    def wants(self, band: Band) -> bool:
        """Whether a band is looked for."""
        return any(limit.band is band for limit in self.limits)


def asked_of(index: Index, wishes: Wishes) -> Asked:
    """The limits of the bands that are asked for and can be told.

    Raises:
        ConfigError: no band is asked for, `similarity` or `difference` is no limit, or what shows the same
            thing alone is asked for and cannot be told.
    """
    similarity, difference = wishes.similarity, wishes.difference
    if not wishes.bands:
        raise _no_bands()
    if similarity is not None and not 0.0 < similarity <= 1.0:
        raise _no_limit("similarity", similarity, wanted="above 0, at most 1", example="0.9")
    if not 0.0 < difference <= MOST_DIFFERENT:
        most = f"above 0, at most {MOST_DIFFERENT:g}"
        raise _no_limit("difference", difference, wanted=most, example=f"{DIFFERENCE:g}")
    wanted = sorted(set(wishes.bands), key=lambda band: band.order)
    calibration, notes = _calibration(index) if {Band.NEAR_COPY, Band.SAME_THING} & {*wanted} else (None, [])
    cuts = {band.name: band for band in calibration.bands} if calibration is not None else {}
    proposing = cuts[NEAR_COPY].similarity if NEAR_COPY in cuts else SIMILARITY
    limits = {
        Band.EXACT: Limit(Band.EXACT, None, None, "equal bytes, by their hash"),
        Band.SAME_PIXELS: Limit(Band.SAME_PIXELS, None, None, "equal pixels, decoded in full and upright"),
        Band.NEAR_COPY: _near_copies(proposing, difference, calibrated=NEAR_COPY in cuts),
    }
    if Band.SAME_THING in wanted:
        if similarity is not None:
            limits[Band.SAME_THING] = Limit(Band.SAME_THING, similarity, None, "as it was asked for")
        elif SAME_THING in cuts:
            limits[Band.SAME_THING] = Limit(
                Band.SAME_THING, cuts[SAME_THING].similarity, None, f"calibrated: {cuts[SAME_THING].words}"
            )
        elif wanted == [Band.SAME_THING]:
            raise _cannot_be_told(index)
        else:
            notes = [*notes, _not_offered(index)]
    given = tuple(limits[band] for band in wanted if band in limits)
    same = limits[Band.SAME_THING].similarity if Band.SAME_THING in limits else None
    return Asked(given, proposing, difference, same, wishes.mirrored, tuple(notes))


def _near_copies(proposing: float, difference: float, *, calibrated: bool) -> Limit:
    source = "calibrated on copies" if calibrated else "the default"
    words = (
        f"pixels differ by {difference:g} at most, once laid over each other, where embeddings are alike by "
        f"{proposing:.2f} ({source}) or grey prints by {CORRELATION:g}"
    )
    measured = f"; {MEASURED}" if difference == DIFFERENCE and not calibrated else ""
    return Limit(Band.NEAR_COPY, None, difference, words + measured)


def _calibration(index: Index) -> tuple[Calibration | None, list[str]]:
    """What the model's calibration left; where the model is not to be found, there is none."""
    try:
        return calibration_of(index.model), []
    except StoreError as error:
        return None, [f"The model's own limits are not known: {error.what} ({error.where})."]


def _not_offered(index: Index) -> str:
    info = index.info()
    model = shlex.quote(info.model_folder)
    return (
        f'The band "{Band.SAME_THING}" is not offered: the model {info.model} has no calibration by labels, '
        "which says from where on two pictures show the same thing. Make one: "
        f"lookalike calibrate {model} DATA; or give the similarity."
    )


def _cannot_be_told(index: Index) -> ConfigError:
    info = index.info()
    return ConfigError(
        "what shows the same thing cannot be told",
        where=f"model {info.model}",
        saw="no calibration by labels",
        wanted="one, which says from where on two pictures show the same thing, or a similarity",
        do=f"lookalike calibrate {shlex.quote(info.model_folder)} DATA; or, for example, --similarity 0.9",
    )


def _no_bands() -> ConfigError:
    return ConfigError(
        "there is nothing to look for",
        where="bands",
        saw="none",
        wanted=", ".join(Band),
        do=f"name one at least, for example {Band.NEAR_COPY}",
    )


def _no_limit(name: str, value: float, *, wanted: str, example: str) -> ConfigError:
    return ConfigError(
        "no two pictures can be told by this limit",
        where=name,
        saw=f"{value:g}",
        wanted=wanted,
        do=f"for example {example}, or leave it out",
    )
