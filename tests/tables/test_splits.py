"""Splits: nothing leaks, the shares are right, the seed decides, and what cannot be done is said."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.config import SplitConfig
from lookalike.errors import EvaluationError, TableError
from lookalike.tables.sharing import deal
from lookalike.tables.splits import check_judgeable, check_trainable, split_table, split_unlabelled
from lookalike.tables.table import ImageTable

RATIO, CLASS, GROUP = (SplitConfig(by=by) for by in ("ratio", "class", "group"))


def table_of(sizes: dict[str, int] | list[int], **columns: Sequence[str | None]) -> ImageTable:
    named = sizes if isinstance(sizes, dict) else {f"c{place:03d}": size for place, size in enumerate(sizes)}
    labels = [label for label, size in named.items() for _ in range(size)]
    images = [f"{label}/{place}.png" for label, size in named.items() for place in range(size)]
    return ImageTable(Path("/data"), pl.DataFrame({"image": images, "label": labels, **columns}))


def counts(table: ImageTable) -> dict[str, dict[str, int]]:
    """Label to split to number of pictures."""
    rows = zip(table.frame["label"], table.frame["split"], strict=True)
    result: dict[str, dict[str, int]] = {}
    for label, split in rows:
        result.setdefault(label, {"train": 0, "val": 0, "test": 0})[split] += 1
    return result


def totals(table: ImageTable) -> tuple[int, ...]:
    return tuple(int((table.frame["split"] == name).sum()) for name in ("train", "val", "test"))


def test_boxes_of_one_picture_in_several_splits_are_said() -> None:
    frame = pl.DataFrame(
        {
            "image": [f"{place // 2}.png" for place in range(80)],
            "label": [f"c{place % 4}" for place in range(80)],
            "box": [[0, 0, 5 + place % 2, 5] for place in range(80)],
        }
    )
    table = ImageTable(Path("/data"), frame)
    for config in (RATIO, CLASS):
        assert (
            "pictures have boxes in several splits; to keep" in split_table(table, config, seed=0).notes[-1]
        )
    together = split_table(table, SplitConfig(by="group", column="image"), seed=0)
    assert not any("boxes" in note for note in together.notes)


# by ratio


def test_ten_of_each_class_are_seven_two_and_one() -> None:
    split = split_table(table_of([10] * 6), RATIO, seed=0)
    assert all(shares == {"train": 7, "val": 2, "test": 1} for shares in counts(split.table).values())
    assert split.notes == ("test has 6 classes of 6 with a single picture",)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.integers(1, 40), min_size=2, max_size=40),
    st.integers(0, 2**32),
    st.sampled_from([(0.7, 0.2, 0.1), (0.5, 0.5, 0.0), (0.34, 0.33, 0.33), (1.0, 0.0, 0.0), (0.1, 0.1, 0.8)]),
)
def test_every_class_is_within_one_of_its_share(
    sizes: list[int], seed: int, shares: tuple[float, float, float]
) -> None:
    config = SplitConfig(train=shares[0], val=shares[1], test=shares[2])
    table = split_table(table_of(sizes), config, seed=seed).table
    for label, size in zip(table.classes, sizes, strict=True):
        found = counts(table)[label]
        assert sum(found.values()) == size
        assert found["train"] >= 1
        for name, share in zip(("train", "val", "test"), shares, strict=True):
            assert abs(found[name] - share * size) < 1 + 1e-9


@pytest.mark.parametrize("size", [2, 3, 4, 5, 7, 9, 11])
def test_the_whole_has_the_shares_even_where_a_class_cannot(size: int) -> None:
    table = split_table(table_of([size] * 200), RATIO, seed=3).table
    for found, share in zip(totals(table), (0.7, 0.2, 0.1), strict=True):
        assert abs(found - share * 200 * size) <= 2


def test_a_single_picture_goes_to_train() -> None:
    table = split_table(table_of([1] * 30 + [10] * 3), RATIO, seed=1).table
    found = counts(table)
    assert all(found[f"c{place:03d}"]["train"] == 1 for place in range(30))


# by class and by group


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=60), st.integers(0, 2**32))
def test_no_label_is_on_two_sides(sizes: list[int], seed: int) -> None:
    table = split_table(table_of(sizes), CLASS, seed=seed).table
    sides = [sum(1 for found in shares.values() if found) for shares in counts(table).values()]
    assert sides == [1] * len(sizes)
    per_split = [
        len(table.select(name).classes) if name in table.splits else 0 for name in ("train", "val", "test")
    ]
    assert sum(per_split) == len(sizes)
    for found, share in zip(per_split, (0.7, 0.2, 0.1), strict=True):
        assert abs(found - share * len(sizes)) < 1


def test_the_sample_by_class(sample: Path) -> None:
    table = split_table(ImageTable.read(sample), CLASS, seed=0).table
    assert [len(table.select(name).classes) for name in ("train", "val", "test")] == [210, 60, 30]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 12), min_size=30, max_size=90), st.integers(0, 2**32))
def test_no_group_is_on_two_sides(groups: list[int], seed: int) -> None:
    names = [f"g{group}" for group in groups]
    half = len(groups) // 2
    table = split_table(table_of([half, len(groups) - half], group=names), GROUP, seed=seed).table
    sides = table.frame.group_by("group").agg(pl.col("split").n_unique())["split"]
    assert sides.to_list() == [1] * len(set(groups))


def test_groups_come_near_the_shares() -> None:
    names = [f"g{place // 5}" for place in range(200)]
    assert totals(split_table(table_of([100, 100], group=names), GROUP, seed=0).table) == (140, 40, 20)


@pytest.mark.parametrize("seed", range(5))
def test_large_groups_are_placed_first(seed: int) -> None:
    names = ["big"] * 70 + [f"g{place}" for place in range(30)]
    assert totals(split_table(table_of([50, 50], group=names), GROUP, seed=seed).table) == (70, 20, 10)


def test_rows_without_a_group_are_refused() -> None:
    with pytest.raises(TableError, match=r"pictures have no group - /data - saw 1 of 4"):
        split_table(table_of([2, 2], group=["a", None, "b", "c"]), GROUP, seed=0)
    with pytest.raises(TableError, match="saw 4 of 4"):
        split_table(table_of([2, 2]), GROUP, seed=0)


# seeds


@pytest.mark.parametrize("config", [RATIO, CLASS, GROUP])
def test_the_seed_and_the_rows_decide_and_not_their_order(config: SplitConfig) -> None:
    names = [f"g{place % 17}" for place in range(120)]
    table = table_of([6] * 20, group=names)
    shuffled = table.take(np.random.default_rng(5).permutation(len(table)))
    first = split_table(table, config, seed=1).table
    assert split_table(shuffled, config, seed=1).table.fingerprint() == first.fingerprint()
    assert split_table(table, config, seed=2).table.fingerprint() != first.fingerprint()


# splits that are there already


def test_own_splits_win() -> None:
    table = table_of([2, 2], split=["train", "val", "train", "test"])
    split = split_table(table, CLASS, seed=0)
    assert split.table is table
    assert split.notes == ("the table's own splits are used: train, val, test",)


@pytest.mark.parametrize("config", [RATIO, CLASS, GROUP])
def test_val_is_taken_out_of_train_where_it_is_lacking(config: SplitConfig) -> None:
    own = (["train"] * 9 + ["test"]) * 20
    names = [f"g{place % 40}" for place in range(200)]
    table = table_of([10] * 20, split=own, group=names)
    split = split_table(table, config, seed=0)
    assert split.table.frame.filter(pl.Series(own) == "test")["split"].unique().to_list() == ["test"]
    val = split.table.select("val")
    assert len(val) == pytest.approx(180 * 2 / 9, abs=5)
    assert f"{len(val)} of 180 train pictures became val, by {config.by}" in split.notes[1]
    if config.by != "ratio":
        key = "label" if config.by == "class" else "group"
        assert not set(val.frame[key]) & set(split.table.select("train").frame[key])


def test_no_val_is_made_where_none_is_wanted_or_no_train_is_there() -> None:
    table = table_of([2, 2], split=["train", "test", "train", "test"])
    config = SplitConfig(train=0.9, val=0.0, test=0.1)
    assert split_table(table, config, seed=0).table is table
    table = table_of([2, 2], split=["test"] * 4)
    assert split_table(table, RATIO, seed=0).table is table


# what is said and what is refused


def test_an_empty_split_is_said() -> None:
    notes = split_table(table_of([2, 2, 2]), CLASS, seed=0).notes
    assert "nothing is left for test: too few pictures or classes for 10%" in notes


def test_shares_that_are_missed_are_said() -> None:
    names = ["big"] * 9 + ["small"]
    notes = split_table(table_of([5, 5], group=names), GROUP, seed=0).notes
    assert "train has 90% of the pictures, 70% was asked" in notes


@pytest.mark.parametrize("config", [RATIO, CLASS, GROUP])
def test_fewer_than_two_classes_are_refused(config: SplitConfig) -> None:
    with pytest.raises(
        TableError, match="there are too few classes - /data - saw 1 class: cat, wanted two or more"
    ):
        split_table(table_of({"cat": 9}, group=["g"] * 9), config, seed=0)


def test_a_table_without_labels_is_refused() -> None:
    table = ImageTable(Path("/data"), pl.DataFrame({"image": ["a"], "label": [None]}))
    with pytest.raises(TableError, match="the table has no labels"):
        split_table(table, RATIO, seed=0)


def test_check_trainable() -> None:
    assert check_trainable(np.array(["a", "a", "b", "b"])) == ()
    assert check_trainable(np.array(["a", "a", "b", "b", "c", "d"])) == (
        "2 classes with a single picture on the train side: c, d",
    )
    with pytest.raises(TableError, match="saw 1 class: a, wanted two or more"):
        check_trainable(np.array(["a", "a"]))
    with pytest.raises(TableError, match="saw 0 classes, wanted"):
        check_trainable(np.array([], dtype=str))


@pytest.mark.parametrize("labels", [list("abcdefg"), list("abcdefgg")])
def test_classes_with_a_single_picture_alone_are_refused(labels: list[str]) -> None:
    with pytest.raises(
        TableError, match=r"classes with a single picture there: a, b, c, d, e and \d more, wanted at least"
    ):
        check_trainable(np.array(labels))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), st.integers(2, 8), st.integers(0, 2**32))
def test_folds_deal_whole_classes_evenly(numbers: list[int], k: int, seed: int) -> None:
    labels = np.array([f"c{number}" for number in numbers])
    classes = len(set(numbers))
    if classes < k:
        with pytest.raises(TableError, match="there are too few classes"):
            deal(labels, k, seed)
        return
    dealt = deal(labels, k, seed)
    fold_of = {label: set(dealt[labels == label].tolist()) for label in set(labels.tolist())}
    assert all(len(found) == 1 for found in fold_of.values())
    sizes = [sum(found == {fold} for found in fold_of.values()) for fold in range(k)]
    assert sum(sizes) == classes
    assert max(sizes) - min(sizes) <= 1
    assert np.array_equal(dealt, deal(labels, k, seed))


def test_one_fold_is_none() -> None:
    with pytest.raises(ValueError, match="k must be at least 2"):
        deal(np.array(["a", "b"]), 1, 0)


@pytest.mark.parametrize("sizes", [[3], [1, 1, 1]])
def test_split_that_cannot_be_judged_is_refused(sizes: list[int]) -> None:
    with pytest.raises(TableError, match=r"cannot be judged.*split test.*split\.by=class"):
        check_judgeable(table_of(sizes), split="test")


def test_errors_of_rows_name_the_manifest(tmp_path: Path) -> None:
    for name in ("1.png", "2.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "m.csv").write_text("image,label,camera\n1.png,a,x\n2.png,b,y\n")
    table = ImageTable.read(tmp_path / "m.csv")
    with pytest.raises(TableError, match=r"no known camera - .*m\.csv: row 1"):
        split_table(table, SplitConfig(by="column", column="camera"), seed=0)
    with pytest.raises(TableError, match=r"no split val - .*m\.csv"):
        table.select("val")


def test_what_is_set_already_is_not_advised() -> None:
    with pytest.raises(TableError, match=r"add classes, or raise the share split\.test$"):
        check_judgeable(table_of([2]), split="test", by="class")
    with pytest.raises(TableError, match=r"more than one picture .* - add pictures$"):
        check_trainable(np.array(["a", "b"]), by="class")


def test_split_with_something_to_find_is_judgeable() -> None:
    check_judgeable(table_of([2, 1]), split="test")
    with pytest.raises(EvaluationError, match="there is no gallery"):
        check_judgeable(table_of([2, 1], role=["query"] * 3), split="test")


def unlabelled(n: int, **columns: Sequence[str | None]) -> ImageTable:
    frame = pl.DataFrame({"image": [f"{row:04}.png" for row in range(n)], "label": [None] * n, **columns})
    return ImageTable(Path("/pictures"), frame.cast({"label": pl.String}))


def test_pictures_without_labels_are_shared_out_one_by_one() -> None:
    table = unlabelled(200)
    split = split_unlabelled(table, SplitConfig(), seed=1).table
    assert [len(split.select(name)) for name in ("train", "val", "test")] == [140, 40, 20]
    assert split.frame["label"].null_count() == 200
    assert split.frame["image"].to_list() == table.frame["image"].to_list()
    shuffled = table.take(np.random.default_rng(0).permutation(200))
    again = split_unlabelled(shuffled, SplitConfig(), seed=1).table
    assert again.frame.sort("image").equals(split.frame)
    other = split_unlabelled(table, SplitConfig(), seed=2).table
    assert not other.frame.equals(split.frame)


def test_own_splits_of_pictures_without_labels_are_kept() -> None:
    own = ["train"] * 90 + ["test"] * 10
    split = split_unlabelled(unlabelled(100, split=own), SplitConfig(), seed=0)
    assert split.table.frame["split"].to_list()[90:] == ["test"] * 10
    assert len(split.table.select("val")) == 20
    whole = [*own[:-20], *["val"] * 20]
    kept = split_unlabelled(unlabelled(100, split=whole), SplitConfig(by="class"), seed=0)
    assert kept.table.frame["split"].to_list() == whole


@pytest.mark.parametrize("by", ["class", "group"])
def test_pictures_without_labels_cannot_be_split_by_them(by: str) -> None:
    with pytest.raises(TableError, match="no labels"):
        split_unlabelled(unlabelled(10), SplitConfig(by=by), seed=0)  # type: ignore[arg-type]


# as a column says, and in folds of classes

COLUMN = SplitConfig(by="column", column="published")


def test_a_column_names_the_splits_in_any_case() -> None:
    named = [" Train", "VALID", "validation", "test", "val", "TRAIN"]
    split = split_table(table_of([3, 3], published=named), COLUMN, seed=0)
    assert split.table.frame["split"].to_list() == ["train", "val", "val", "test", "val", "train"]
    assert split.table.frame["published"].to_list() == named
    assert split.notes == ("the splits are those of column published: train, val, test",)


def test_a_column_wins_over_the_own_splits() -> None:
    table = table_of([2, 2], published=["train", "val", "test", "test"], split=["train"] * 4)
    assert split_table(table, COLUMN, seed=0).table.frame["split"].to_list() == [
        "train",
        "val",
        "test",
        "test",
    ]


def test_val_is_taken_by_class_where_a_column_parts_the_classes() -> None:
    apart = table_of([6] * 20, published=["train"] * 60 + ["test"] * 60)
    split = split_table(apart, COLUMN, seed=0)
    assert [len(split.table.select(name).classes) for name in ("train", "val", "test")] == [8, 2, 10]
    assert split.notes[1] == "they have no val: 12 of 60 train pictures became val, by class"
    mixed = table_of([6] * 20, published=["train", "train", "train", "train", "train", "test"] * 20)
    split = split_table(mixed, COLUMN, seed=0)
    assert split.notes[1] == "they have no val: 22 of 100 train pictures became val, by ratio"
    assert len(split.table.select("train").classes) == 20


@pytest.mark.parametrize(
    ("values", "saw"),
    [
        (["train", None, "test", ""], "None and 1 more"),
        (["train", "probe", "x", "test"], "'probe' and 1 more"),
    ],
)
def test_a_column_that_names_no_split_is_refused(values: list[str | None], saw: str) -> None:
    with pytest.raises(
        TableError, match=rf"no known published - /data: row 2 - saw {saw} .* split\.by to ratio"
    ):
        split_table(table_of([2, 2], published=values), COLUMN, seed=0)


def test_a_column_that_is_not_there_names_the_nearest() -> None:
    table = table_of([2, 2], published=["train"] * 4)
    for by in ("column", "group"):
        config = SplitConfig(by=by, column="publisht")
        with pytest.raises(
            TableError, match=r"split\.column - saw 'publisht', .* - did you mean published\?"
        ):
            split_table(table, config, seed=0)
    with pytest.raises(TableError, match="add the column to the manifest"):
        split_table(table, SplitConfig(by="column", column="zzz"), seed=0)


def test_a_column_of_lists_names_no_splits() -> None:
    table = table_of([1, 1])
    lists = ImageTable(table.root, table.frame.with_columns(tags=pl.Series([["train"], ["test"]])))
    with pytest.raises(TableError, match="column tags is of the wrong kind - /data - saw List"):
        split_table(lists, SplitConfig(by="column", column="tags"), seed=0)


def test_pictures_without_labels_are_split_by_a_column() -> None:
    table = unlabelled(40, published=["train"] * 30 + ["test"] * 10)
    split = split_unlabelled(table, COLUMN, seed=0)
    assert split.table.frame["label"].null_count() == 40
    assert [len(split.table.select(name)) for name in ("train", "val", "test")] == [23, 7, 10]


def test_groups_may_stand_in_any_column() -> None:
    artists = [f"a{place % 10}" for place in range(100)]
    table = table_of([50, 50], artist=artists, group=["g"] * 100)
    split = split_table(table, SplitConfig(by="group", column="artist"), seed=0).table
    assert split.frame.group_by("artist").agg(pl.col("split").n_unique())["split"].to_list() == [1] * 10
    assert split.frame["group"].to_list() == ["g"] * 100
    assert totals(split) == (70, 20, 10)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_every_class_is_test_in_one_fold(k: int) -> None:
    table = table_of([3] * 30)
    tested: list[str] = []
    for fold in range(k):
        split = split_table(table, SplitConfig(by="class", folds=k, fold=fold), seed=4)
        sides = {name: set(split.table.select(name).classes) for name in ("train", "val", "test")}
        assert sum(map(len, sides.values())) == 30 == len(set().union(*sides.values()))
        assert abs(len(sides["val"]) - (30 - 30 / k) * 2 / 9) < 1
        assert split.notes[0] == f"fold {fold} of 0 to {k - 1} is test: {30 // k} classes"
        tested += split.table.select("test").classes
    assert sorted(tested) == sorted(table.classes)


def test_folds_are_the_same_for_one_seed_and_any_order() -> None:
    config = SplitConfig(by="class", folds=4, fold=2)
    table = table_of([3] * 20)
    first = split_table(table, config, seed=1).table
    shuffled = table.take(np.random.default_rng(5).permutation(len(table)))
    assert split_table(shuffled, config, seed=1).table.fingerprint() == first.fingerprint()
    assert split_table(table, config, seed=2).table.fingerprint() != first.fingerprint()


def test_folds_replace_the_own_splits_and_say_so() -> None:
    table = table_of([2] * 8, split=["train", "test"] * 8)
    notes = split_table(table, SplitConfig(by="class", folds=4, fold=1), seed=0).notes
    assert notes[0] == (
        "fold 1 of 0 to 3 is test: 2 classes; the table's own splits (train, test) are not used"
    )


def test_too_few_classes_for_folds() -> None:
    with pytest.raises(TableError, match="saw 3 classes for 4 folds - ask for fewer folds"):
        split_table(table_of([2, 2, 2]), SplitConfig(by="class", folds=4), seed=0)
    with pytest.raises(TableError, match="there are too few classes - /data - saw 1 class"):
        split_table(table_of([2, 2]), SplitConfig(by="class", folds=2), seed=0)


def test_classes_too_small_for_their_share_are_said() -> None:
    notes = split_table(table_of([10] * 3 + [2] * 7), RATIO, seed=0).notes
    lacking = [note for note in notes if "does not fill its share" in note]
    assert len(lacking) == 2
    assert lacking[1].startswith("test lacks 6 classes of 10: a class of so few pictures")
    assert not any("lacks" in note for note in split_table(table_of([10] * 30), CLASS, seed=0).notes)
