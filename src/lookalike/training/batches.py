"""Which rows a batch is made of: P classes x K images, drawn anew in every epoch.

Labels enter, lists of row numbers leave. An epoch is a pure function of the labels, the options, the seed and
the epoch number: nothing has to be saved to continue a training. Of several devices, each has its own classes
of every batch. Images are not opened here.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import BatchError, ConfigError
from lookalike.records import Labels
from lookalike.training.options import check_whole

Integers = NDArray[np.int64]


class ClassBatches:
    """P x K batches of one epoch after the other, a batch sampler for torch's DataLoader.

    Of a class with c images (2 or more), ceil(c / K) groups of K images are due in an epoch, so that each of
    its images comes once; the last group is filled up with images that had their turn. K different images
    make a group; a class with fewer than K repeats them. The groups that are due, of all classes together,
    fill ceil(groups / P) batches of P groups of different classes each. That is the length of an epoch. What
    remains open in them is filled with further groups of classes chosen at random. Only a class with more
    groups than the epoch has batches does not show all its images in one epoch: it is in every batch.

    With categories, classes of one category meet: groups change places between batches, which leaves all of
    the above as it was, until in every batch a share of the classes is of one category. A category with fewer
    classes than that gives what it has, and the last batches get what is left.

    Args:
        labels: [n] of any comparable type, one for each row.
        classes: P; where there are fewer usable classes, all of them.
        images: K, >= 2.
        seed: fixes all epochs.
        class_list: use rows of these labels only; None: all.
        total_examples_per_class: use at most this many rows of a class, chosen once by the seed; None: all.
        categories: [n] of any comparable type; a class belongs to the one that most of its rows have.
        category_share: of a batch's classes, how many shall be of one category, in [0, 1].
        rank, world: of several devices (0 <= rank < world, else a ValueError), give this one's classes of
            every batch. P is that of all devices together and a multiple of their number.

    Attributes:
        classes, images: the P and K of every batch, of all devices together.
        left_out: labels with a single row; they have no pair to learn from.

    Raises:
        ConfigError: class_list names a label that no row has, an option is out of range, or P cannot be
            divided among the devices.
        BatchError: fewer than two classes have two rows, or fewer than there are devices.
    """

    def __init__(
        self,
        labels: Labels | Sequence[Any],
        *,
        classes: int,
        images: int,
        seed: int,
        class_list: Sequence[Any] | None = None,
        total_examples_per_class: int | None = None,
        categories: Labels | Sequence[Any] | None = None,
        category_share: float = 0.5,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        cap = total_examples_per_class
        check_whole(least=2, where="batches", classes=classes, images=images)
        check_whole(least=2, where="batches", total_examples_per_class=2 if cap is None else cap)
        _check_devices(classes, rank, world)
        names, codes = np.unique(np.asarray(labels), return_inverse=True)
        rows = chosen_rows(labels, class_list=class_list, total_examples_per_class=cap, seed=seed)
        counts = np.bincount(codes[rows], minlength=len(names))
        self.left_out: tuple[Any, ...] = tuple(names[counts == 1].tolist())
        rows = rows[counts[codes[rows]] >= 2]
        self._rows: Integers = rows[np.argsort(codes[rows], kind="stable")]  # class after class
        self._counts: Integers = counts[counts >= 2]
        if len(self._counts) < max(2, world):
            raise _too_few(len(self._counts), self.left_out, wanted=max(2, world))
        self.classes = min(classes, len(self._counts) // world * world)
        self.images = images
        self._share = slice(rank * self.classes // world, (rank + 1) * self.classes // world)
        self._category: Integers | None = None  # [C]
        if categories is not None:
            self._category = _usual(_of_rows(categories, len(labels))[self._rows], self._counts)
        self._together = round(category_share * self.classes)
        self._due: Integers = -(-self._counts // images)  # [C] groups
        self._batches = -(-int(self._due.sum()) // self.classes)
        self._seed = seed
        self._epoch = 0

    def __len__(self) -> int:
        return self._batches

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of the epoch that is set; asked twice, the same ones."""
        for rows in self.rows_of_epoch(self._epoch):
            yield rows.tolist()

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration goes through, >= 0; 0 at first."""
        self._epoch = epoch

    def rows_of_epoch(self, epoch: int) -> Integers:
        """All batches of an epoch: [batches, P / world * K] row numbers, images of a class side by side."""
        random = np.random.default_rng((self._seed, epoch))
        shuffled = self._rows[np.argsort(_class_of(self._counts) + random.random(len(self._rows)))]
        groups = _fill(np.minimum(self._due, self._batches), self._batches, self.classes, random)  # [C]
        of_class = _deal(groups, self._batches, self.classes, random)  # [batches, P]
        if self._category is not None:
            of_class = _gather(of_class, self._category, self._together, random)
        turn = _turns(of_class)  # [batches, P], which of its class's groups a group is
        place = (turn[..., None] * self.images + np.arange(self.images)) % self._counts[of_class][..., None]
        start = np.cumsum(self._counts) - self._counts
        rows = shuffled[start[of_class][..., None] + place]  # [batches, P, K]
        return rows[:, self._share].reshape(self._batches, -1)


def _class_of(sizes: Integers) -> Integers:
    """[3, 1] to [0, 0, 0, 1]."""
    return np.repeat(np.arange(len(sizes)), sizes)


def chosen_rows(
    labels: Labels | Sequence[Any],
    *,
    class_list: Sequence[Any] | None,
    total_examples_per_class: int | None,
    seed: int,
) -> Integers:
    """Rows that are learned from, [m] rising: those of some labels, at most so many of each.

    Raises:
        ConfigError: class_list names a label that no row has.
    """
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    rows: Integers = np.flatnonzero(_wanted(names, class_list)[codes])
    if total_examples_per_class is None:
        return rows
    random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))  # not an epoch's
    return _capped(rows, codes[rows], total_examples_per_class, random)


def _capped(rows: Integers, codes: Integers, most: int, random: np.random.Generator) -> Integers:
    """At most so many rows of each class, chosen at random, in their old order."""
    order = np.argsort(codes + random.random(len(rows)))
    counts = np.bincount(codes)
    counts = counts[counts > 0]
    place = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    chosen: Integers = np.sort(rows[order[place < most]])
    return chosen


def _fill(groups: Integers, batches: int, per_batch: int, random: np.random.Generator) -> Integers:
    """Add groups until all places are taken, as evenly as can be, none beyond one a batch.

    Every class gets the same number more (or as many as it can take), some at random one more.
    """
    room = batches - groups
    missing = batches * per_batch - int(groups.sum())
    low, high = 0, batches
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if np.minimum(room, middle).sum() <= missing else (low, middle)
    groups = groups + np.minimum(room, low)
    missing = batches * per_batch - int(groups.sum())
    groups[random.permutation(np.flatnonzero(groups < batches))[:missing]] += 1
    return groups


def _deal(groups: Integers, batches: int, per_batch: int, random: np.random.Generator) -> Integers:
    """Place each class's groups in different batches: [batches, per_batch] class numbers.

    Classes in random order, group after group, are cut into rows of one group for each batch, and each row is
    spread over the batches at random. Only the class that a cut divides could meet itself in a batch: what is
    left of it goes to batches where it is not yet.
    """
    order = random.permutation(len(groups))
    rows = np.repeat(order, groups[order]).reshape(per_batch, batches)
    dealt = np.empty((per_batch, batches), np.int64)
    for k, row in enumerate(rows):
        rest = int((row == rows[k - 1, -1]).sum()) if k else 0
        spread = random.permutation(batches)
        if rest:
            taken = (dealt[k - 1] == row[0])[spread]
            free = spread[~taken]
            spread = np.concatenate(
                (free[:rest], random.permutation(np.concatenate((free[rest:], spread[taken]))))
            )
        dealt[k, spread] = row
    return dealt.T


def _gather(of_class: Integers, category: Integers, together: int, random: np.random.Generator) -> Integers:
    """Let entries of [batches, P] change places, until `together` in each batch are of one category.

    Batch after batch takes what it lacks of the category of one of its entries, chosen at random, from the
    batches after it, and gives entries of other categories that they do not have.
    """
    width = of_class.shape[1]
    classes = of_class.ravel()  # a copy in any case: _deal gives a transposed array
    kinds = category[classes]
    for start in range(0, len(classes) - width, width):
        own = classes[start : start + width]
        wanted = category[random.choice(own)]
        giving = random.permutation(np.flatnonzero(category[own] != wanted))
        lacking = together - (width - len(giving))
        if lacking <= 0:
            continue
        offered = random.permutation(start + width + np.flatnonzero(kinds[start + width :] == wanted))
        _, first = np.unique(classes[offered], return_index=True)  # each class once
        usable = offered[first][~np.isin(classes[offered[first]], own)]
        for place in random.permutation(usable)[:lacking]:
            other = classes[place // width * width :][:width]
            fitting = giving[~np.isin(own[giving], other)]
            if len(fitting):
                here = start + fitting[0]
                giving = giving[giving != fitting[0]]
                classes[[here, place]], kinds[[here, place]] = classes[[place, here]], kinds[[place, here]]
    return classes.reshape(of_class.shape)


def _of_rows(categories: Labels | Sequence[Any], rows: int) -> NDArray[Any]:
    if len(categories) != rows:
        raise _unfit("category", f"{len(categories)} of {rows} rows", "one for each row")
    return np.asarray(categories)


def _usual(categories: NDArray[Any], counts: Integers) -> Integers:
    """The number of the category that most rows of each class have, rows standing class after class."""
    codes = np.unique(categories, return_inverse=True)[1]
    votes = np.zeros((len(counts), codes.max() + 1), np.int64)
    np.add.at(votes, (_class_of(counts), codes), 1)
    usual: Integers = votes.argmax(1)
    return usual


def _turns(of_class: Integers) -> Integers:
    """How often each entry's class came before it."""
    flat = of_class.ravel()
    order = np.argsort(flat, kind="stable")
    counts = np.bincount(flat)
    turn = np.empty_like(flat)
    turn[order] = np.arange(len(flat)) - np.repeat(np.cumsum(counts) - counts, counts)
    return turn.reshape(of_class.shape)


def _wanted(names: NDArray[Any], class_list: Sequence[Any] | None) -> NDArray[np.bool_]:
    if class_list is None:
        return np.ones(len(names), bool)
    if not len(class_list):
        raise _unfit("class_list", "no label", "one or more; leave it out to take all")
    known = set(names.tolist())
    for label in class_list:
        if label not in known:
            by_text = {str(name): name for name in known}
            near = difflib.get_close_matches(str(label), by_text, n=1, cutoff=0.5)
            raise ConfigError(
                "unknown label",
                where="batches.class_list",
                saw=repr(label),
                wanted=f"one of the {len(names)} labels of the training split",
                do=f"did you mean {by_text[near[0]]!r}?" if near else "see lookalike describe for the labels",
            )
    return np.isin(names, np.asarray(class_list, names.dtype))


def _unfit(name: str, saw: str, wanted: str) -> ConfigError:
    beats = {"saw": saw, "wanted": wanted, "do": f"change {name}"}
    return ConfigError("a batch option does not fit", where=f"batches.{name}", **beats)


def _check_devices(classes: int, rank: int, world: int) -> None:
    if not 0 <= rank < world:
        raise ValueError(f"rank must lie in [0, world), got {rank} of {world}")
    if classes % world:
        raise ConfigError(
            "the classes of a batch cannot be divided among the devices",
            where="batches.classes",
            saw=f"{classes} for {world} devices",
            wanted=f"a multiple of {world}",
            do=f"use --set batches.classes={-(-classes // world) * world}; it counts all devices together",
        )


def _too_few(usable: int, left_out: tuple[Any, ...], *, wanted: int) -> BatchError:
    return BatchError(
        "too few classes to learn from",
        where="labels",
        saw=f"{usable} with two or more images and {len(left_out)} with one",
        wanted="two classes with two or more images" if wanted == 2 else f"{wanted}, one for each device",
        do="add images, or widen batches.class_list",
    )
