from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.judging.calibrated import Band
from lookalike.models.bands import bands_of, left_out, reached_by
from lookalike.models.copies import Copies
from lookalike.records import Floats, PairHistogram, Threshold
from some_records import threshold

BINS = 2048


def counted(similarities: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.histogram(similarities, bins=BINS, range=(-1.0, 1.0))[0]


def pairs(*, same: tuple[float, float] = (0.5, 0.9)) -> PairHistogram:
    """Same pairs evenly between two similarities, different pairs between -0.5 and 0.5."""
    return PairHistogram(counted(np.linspace(*same, 2000)), counted(np.linspace(-0.5, 0.5, 20_000)))


def copied(*, saved: float, edited: float) -> Copies:
    """A hundred pictures whose copies are as alike to them as is said, but for one of 20."""

    def turned(similarity: float) -> Floats:
        wanted = np.where(np.arange(100) % 20 == 0, similarity - 0.2, similarity)
        return np.stack([wanted, np.sqrt(1 - wanted**2)], axis=1)[:, None].astype(np.float32)

    originals = np.tile(np.array([[1.0, 0.0]], np.float32), (100, 1))
    return Copies(originals, turned(saved), turned(edited), hashes=(), skipped=())


def limit(similarity: float, *, basis: str = "labels") -> Threshold:
    return Threshold(similarity, "f1", 0.9, 0.9, 0.9, 0.01, None, None, 100, 1000, 50, 10, basis=basis)


def test_four_bands_in_order() -> None:
    found = bands_of(limit(0.6), pairs(), copies=copied(saved=0.99, edited=0.95))
    assert [band.name for band in found] == ["same picture", "near copy", "same thing", "related"]
    assert [band.similarity for band in found] == pytest.approx([0.99, 0.95, 0.6, 0.45], abs=2e-3)
    assert "95% of copies that were saved again or scaled reach it, as do 0% of pairs of the same" in (
        found[0].words
    )
    assert found[2].words == "the match threshold, chosen by f1"
    assert left_out(found) == ""


def test_without_copies_two_bands_and_those_of_before() -> None:
    plain = bands_of(limit(0.6), pairs())
    assert [band.name for band in plain] == ["same thing", "related"]
    assert left_out(plain).startswith("No band for same picture and near copy: ")
    before = bands_of(limit(0.6), pairs(), copies=copied(saved=0.99, edited=0.95))
    again = bands_of(limit(0.7), pairs(), kept=before)
    assert again[:2] == before[:2]
    assert [band.similarity for band in again[2:]] == pytest.approx([0.7, 0.45], abs=2e-3)
    higher = bands_of(limit(0.97), pairs(), kept=before)
    assert [band.name for band in higher] == ["same picture", "same thing", "related"]
    assert left_out(higher).startswith("No band for near copy: ")


def test_where_other_pictures_are_as_alike_as_copies_there_is_no_band() -> None:
    found = bands_of(limit(0.6), pairs(same=(0.5, 1.0)), copies=copied(saved=0.99, edited=0.9))
    assert [band.name for band in found] == ["same picture", "same thing", "related"]
    assert "as do 2% of pairs of the same thing" in found[0].words


def test_a_cut_that_is_not_above_the_next_is_left_out() -> None:
    found = bands_of(limit(0.6), pairs(), copies=copied(saved=0.93, edited=0.95))
    assert [band.name for band in found] == ["near copy", "same thing", "related"]
    low = bands_of(limit(0.2), pairs(), copies=copied(saved=0.99, edited=0.95))
    assert [band.name for band in low] == ["same picture", "near copy", "same thing"]


def test_of_copies_alone_the_threshold_begins_near_copy() -> None:
    kept = (Band("near copy", 0.9, "of before"),)
    found = bands_of(limit(0.8, basis="copies"), pairs(), copies=copied(saved=0.99, edited=0.95), kept=kept)
    assert [band.name for band in found] == ["same picture", "near copy", "related"]
    assert found[1].similarity == 0.8
    assert "same thing" not in found[0].words


def test_the_words_are_what_was_counted() -> None:
    histogram = pairs()
    related = bands_of(limit(0.6), histogram)[-1]
    first = round((related.similarity + 1) * BINS / 2)
    share = histogram.different[first:].sum() / histogram.different.sum()
    below = histogram.different[first - 1 :].sum() / histogram.different.sum()
    assert share <= 0.05 < below


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95, 1.0])
def test_reached_by_a_share(share: float) -> None:
    values = np.random.default_rng(0).random(997).astype(np.float32)
    cut = reached_by(values, share=share)
    assert (values >= cut).mean() >= share
    assert (values > cut).mean() < share


def test_plain_thresholds_have_bands_too() -> None:
    assert bands_of(threshold("f1"), pairs())[0].similarity == 0.7
