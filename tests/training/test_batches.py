"""P x K batches: what an epoch promises, counted."""

from __future__ import annotations

from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from lookalike.errors import BatchError, ConfigError
from lookalike.training.batches import ClassBatches, chosen_rows

sizes_of_classes = st.lists(st.integers(1, 23), min_size=2, max_size=12).filter(
    lambda sizes: sum(size > 1 for size in sizes) >= 2
)


def labelled(sizes: list[int], *, seed: int = 0) -> np.ndarray[Any, np.dtype[np.str_]]:
    labels = np.repeat([f"class {k:02}" for k in range(len(sizes))], sizes)
    return np.random.default_rng(seed).permutation(labels)


@settings(deadline=None, max_examples=150)
@given(sizes_of_classes, st.integers(2, 9), st.integers(2, 6), st.integers(0, 3))
def test_what_an_epoch_promises(sizes: list[int], classes: int, images: int, epoch: int) -> None:
    labels = labelled(sizes)
    sampler = ClassBatches(labels, classes=classes, images=images, seed=7)
    usable = {label: count for label, count in Counter(labels.tolist()).items() if count >= 2}
    sampler.set_epoch(epoch)
    batches = list(sampler)

    per_batch = min(classes, len(usable))
    due = {label: -(-count // images) for label, count in usable.items()}
    assert (sampler.classes, sampler.images) == (per_batch, images)
    assert len(sampler) == len(batches) == -(-sum(due.values()) // per_batch)
    groups: Counter[str] = Counter()
    for batch in batches:
        rows = np.array(batch).reshape(per_batch, images)
        assert (labels[rows] == labels[rows][:, :1]).all(), "a group is of one class"
        assert len(set(labels[rows][:, 0])) == per_batch, "a batch has different classes"
        for group in rows:
            label = labels[group[0]]
            groups[label] += 1
            assert len(set(group)) == min(images, usable[label]), "no image twice while there are others"
    seen = Counter(row for batch in batches for row in batch)
    for label, count in usable.items():
        assert groups[label] >= min(due[label], len(batches))
        members: list[int] = np.flatnonzero(labels == label).tolist()
        if due[label] <= len(batches):
            assert all(seen[row] for row in members), "every image comes"
        else:
            assert groups[label] == len(batches), "a class that is too large is in every batch"
            assert len(seen.keys() & set(members)) == min(count, groups[label] * images)
        times = [seen[row] for row in members]
        assert max(times) - min(times) <= (1 if count >= images else images), "none comes much more often"
    assert sampler.left_out == tuple(sorted(set(labels.tolist()) - usable.keys()))
    assert not set(seen) & set(np.flatnonzero(np.isin(labels, sampler.left_out)))


def test_equal_classes_come_exactly_once() -> None:
    labels = np.arange(480) // 8
    seen = Counter(row for batch in ClassBatches(labels, classes=15, images=4, seed=1) for row in batch)
    assert seen == Counter(range(480))


def test_open_places_are_shared_evenly() -> None:
    """One class of 400 images, six of 4, five a batch: what is over goes to the six in equal parts."""
    labels = labelled([400] + [4] * 6)
    sampler = ClassBatches(labels, classes=5, images=4, seed=0)
    groups = Counter(labels[batch[::4]].tolist()[k] for batch in map(np.array, sampler) for k in range(5))
    assert len(sampler) == 22  # (100 + 6) / 5
    assert groups.pop("class 00") == 22
    assert set(groups.values()) <= {14, 15}
    assert sum(groups.values()) == 22 * 4


def test_small_classes_repeat_images() -> None:
    batch = next(iter(ClassBatches(["a", "a", "b", "b", "b"], classes=2, images=7, seed=0)))
    assert Counter(batch[:7] + batch[7:]) == Counter([0, 1, 2, 3, 4]) + Counter(batch) - Counter(range(5))
    counts = Counter(batch)
    assert sorted([counts[0], counts[1]]) == [3, 4]
    assert sorted([counts[2], counts[3], counts[4]]) == [2, 2, 3]


def test_an_epoch_depends_on_seed_and_number_alone() -> None:
    labels = labelled([5, 9, 30, 2, 6, 7])
    first = ClassBatches(labels, classes=3, images=4, seed=3)
    first.set_epoch(2)
    once = list(first)
    assert list(first) == once, "asked twice"
    other = ClassBatches(labels.tolist(), classes=3, images=4, seed=3)
    other.set_epoch(5)
    assert list(other) != once
    other.set_epoch(2)
    assert list(other) == once, "whatever came before"
    reseeded = ClassBatches(labels, classes=3, images=4, seed=4)
    reseeded.set_epoch(2)
    assert list(reseeded) != once


def test_classes_meet_at_random() -> None:
    """Each of 40 classes comes 10 times in 50 batches of 8; partners would repeat if runs stayed together."""
    labels = np.arange(40 * 40) // 40
    partners: dict[int, set[int]] = {k: set() for k in range(40)}
    for batch in ClassBatches(labels, classes=8, images=4, seed=0):
        present = set(labels[batch].tolist())
        for k in present:
            partners[k] |= present - {k}
    assert np.mean([len(found) for found in partners.values()]) > 30  # of 39; 70 draws at random meet 33


def test_class_list_and_cap() -> None:
    labels = labelled([20, 20, 20, 20])
    sampler = ClassBatches(
        labels, classes=9, images=4, seed=0, class_list=["class 01", "class 03"], total_examples_per_class=6
    )
    rows = {row for batch in sampler for row in batch}
    assert Counter(labels[sorted(rows)].tolist()) == {"class 01": 6, "class 03": 6}
    sampler.set_epoch(1)
    assert {row for batch in sampler for row in batch} == rows, "the choice is made once"
    other = ClassBatches(labels, classes=9, images=4, seed=1, total_examples_per_class=6)
    assert {row for batch in other for row in batch} != rows
    assert len(ClassBatches(labels, classes=2, images=4, seed=1, total_examples_per_class=99)) == 10


@pytest.mark.parametrize(("wrong", "hint"), [("class_01", "did you mean 'class 01'"), ("zebra", "describe")])
def test_unknown_label(wrong: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=rf"unknown label - batches.class_list - saw '{wrong}'.*{hint}"):
        ClassBatches(labelled([3] * 12), classes=2, images=2, seed=0, class_list=["class 02", wrong])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"class_list": []}, r"batches\.class_list - saw no label, wanted one or more; leave it out"),
        ({"class_list": ["1"]}, r"unknown label - batches\.class_list - saw '1'.*did you mean 1\?"),
        ({"categories": ["a"]}, r"batches\.category - saw 1 of 12 rows, wanted one for each row"),
        ({"images": 1}, r"batches: images - saw 1, wanted a whole number >= 2"),
        ({"classes": 2.5}, r"batches: classes - saw 2\.5, wanted a whole number >= 2"),
        ({"total_examples_per_class": 1}, r"batches: total_examples_per_class - saw 1"),
    ],
)
def test_options_that_do_not_fit_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassBatches([0, 1, 2] * 4, **{"classes": 2, "images": 2, "seed": 0, **options})


def test_whole_numbers_of_numpy_are_whole_numbers() -> None:
    own = ClassBatches([0, 1, 2] * 4, classes=2, images=2, seed=0, total_examples_per_class=3)
    theirs = ClassBatches(
        [0, 1, 2] * 4,
        classes=cast(Any, np.int64(2)),
        images=cast(Any, np.int32(2)),
        seed=0,
        total_examples_per_class=cast(Any, np.uint8(3)),
    )
    assert list(own) == list(theirs)


@pytest.mark.parametrize("rank", [-1, 2, 5])
def test_a_rank_that_is_not_there(rank: int) -> None:
    with pytest.raises(ValueError, match=rf"rank must lie in \[0, world\), got {rank} of 2"):
        ClassBatches([0, 1, 2, 3] * 4, classes=2, images=2, seed=0, rank=rank, world=2)


@pytest.mark.parametrize("labels", [[], ["a", "a", "a"], ["a", "b", "c"], ["a", "a", "b"]])
def test_too_few_classes(labels: list[str]) -> None:
    with pytest.raises(BatchError, match=r"too few classes.*two classes with two or more images"):
        ClassBatches(labels, classes=2, images=2, seed=0)


def test_as_a_batch_sampler_of_torch() -> None:
    labels = np.arange(24) // 4
    sampler = ClassBatches(labels, classes=3, images=2, seed=0)
    loader: DataLoader[Any] = DataLoader(torch.arange(24), batch_sampler=sampler)  # type: ignore[arg-type]
    assert [batch.tolist() for batch in loader] == list(sampler)
    assert len(loader) == len(sampler) == 4


def test_a_million_images() -> None:
    labels = np.random.default_rng(0).integers(0, 20_000, 1_000_000)
    sampler = ClassBatches(labels, classes=32, images=4, seed=0)
    rows = sampler.rows_of_epoch(0)
    assert rows.shape == (len(sampler), 128)
    assert len(np.unique(rows)) == 1_000_000


def share_of_one_category(batch: list[int], images: int, category: Any) -> int:
    """How many classes of a batch are of its most frequent category."""
    return max(Counter(category[batch[::images]].tolist()).values())


@settings(deadline=None, max_examples=60)
@given(sizes_of_classes, st.integers(2, 9), st.integers(2, 6), st.floats(0, 1), st.integers(1, 4))
def test_categories_change_no_promise(
    sizes: list[int], classes: int, images: int, share: float, kinds: int
) -> None:
    labels = labelled(sizes)
    categories = np.array([int(label[-2:]) % kinds for label in labels])
    options: dict[str, Any] = {"classes": classes, "images": images, "seed": 3}
    plain = ClassBatches(labels, **options)
    gathered = ClassBatches(labels, categories=categories, category_share=share, **options)
    assert len(gathered) == len(plain)
    groups = [
        Counter(labels[rows[:, ::images]].ravel().tolist())
        for rows in (sampler.rows_of_epoch(1) for sampler in (plain, gathered))
    ]
    assert groups[0] == groups[1], "every class comes as often"
    for batch in gathered:
        own = labels[batch[::images]].tolist()
        assert len(set(own)) == len(own) == gathered.classes
        assert (labels[batch].reshape(-1, images) == labels[batch[::images]][:, None]).all()


def test_classes_of_one_category_meet() -> None:
    labels = np.repeat(np.arange(240), 8)
    categories = labels % 12  # 20 classes each
    options: dict[str, Any] = {"classes": 20, "images": 4, "seed": 0, "categories": categories}
    found = {}
    for share in (0.0, 0.5, 1.0):
        batches = list(ClassBatches(labels, category_share=share, **options))
        found[share] = [share_of_one_category(batch, 4, categories) for batch in batches]
        assert Counter(row for batch in batches for row in batch) == Counter(range(1920))
    assert np.median(found[0.0]) <= 5
    assert np.mean(np.array(found[0.5]) >= 10) > 0.7, "only the last batches get what is left"
    assert np.mean(np.array(found[1.0]) == 20) > 0.7


def test_a_class_has_the_category_of_most_of_its_rows() -> None:
    labels = np.repeat(np.arange(8), 6)
    clean = np.array(["left", "right"])[labels // 4]
    noisy = clean.copy()
    noisy[::6] = "left"
    options: dict[str, Any] = {"classes": 4, "images": 2, "seed": 0, "category_share": 1.0}
    assert (
        ClassBatches(labels, categories=noisy, **options).rows_of_epoch(0)
        == ClassBatches(labels, categories=clean, **options).rows_of_epoch(0)
    ).all()


@pytest.mark.parametrize("world", [2, 3])
def test_devices_share_every_batch(world: int) -> None:
    labels = labelled([5, 9, 2, 7, 7, 3, 12, 4])
    options: dict[str, Any] = {"classes": 6, "images": 3, "seed": 1}
    whole = ClassBatches(labels, **options)
    parts = [ClassBatches(labels, rank=rank, world=world, **options) for rank in range(world)]
    assert {len(part) for part in parts} == {len(whole)}
    for epoch in (0, 4):
        together = np.concatenate([part.rows_of_epoch(epoch) for part in parts], axis=1)
        assert (together == whole.rows_of_epoch(epoch)).all()
        for rows in zip(*(part.rows_of_epoch(epoch) for part in parts), strict=True):
            own = [set(labels[row].tolist()) for row in rows]
            assert len(set.union(*own)) == sum(map(len, own)) == 6, "no class on two devices"


def test_few_classes_are_shared_evenly_too() -> None:
    labels = labelled([4] * 5)
    part = ClassBatches(labels, classes=8, images=2, seed=0, rank=1, world=2)
    assert part.classes == 4
    assert part.rows_of_epoch(0).shape == (len(part), 2 * 2)


def test_devices_that_cannot_share_are_refused() -> None:
    labels = labelled([4] * 8)
    with pytest.raises(ConfigError, match=r"among the devices.*saw 7 for 2 devices.*batches\.classes=8"):
        ClassBatches(labels, classes=7, images=2, seed=0, world=2)
    with pytest.raises(BatchError, match=r"too few classes.*saw 2 with.*wanted 4, one for each device"):
        ClassBatches(labelled([4, 4]), classes=8, images=2, seed=0, world=4)


def test_chosen_rows_are_those_of_the_batches() -> None:
    labels = np.repeat(["a", "b", "c", "d"], [5, 9, 3, 4])
    rows = chosen_rows(labels, class_list=["d", "b"], total_examples_per_class=4, seed=3)
    assert labels[rows].tolist() == ["b"] * 4 + ["d"] * 4
    batches = ClassBatches(
        labels, classes=2, images=4, seed=3, class_list=["d", "b"], total_examples_per_class=4
    )
    assert {row for batch in batches for row in batch} == set(rows.tolist())
    assert len(chosen_rows(labels, class_list=None, total_examples_per_class=None, seed=0)) == len(labels)
