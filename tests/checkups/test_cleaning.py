"""The manifest that mends a set: what it leaves out and why, in a format that keeps all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from checked import Look, looking, of
from lookalike.checkups.checkup import Checkup
from lookalike.checkups.cleaning import (
    Cleaned,
    LeftOut,
    beside,
    check_manifest,
    clean,
    suggested,
    write_manifest,
)
from lookalike.checkups.findings import Verdict
from lookalike.errors import LookalikeError, TableError
from lookalike.tables.table import ImageTable
from scenes import scene, untidy, write


@pytest.fixture(scope="module")
def look(tiny_folder: Path) -> Look:
    return looking(tiny_folder)


@pytest.fixture(scope="module")
def mess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untidy(tmp_path_factory.mktemp("mess") / "it's a mess")


@pytest.fixture(scope="module")
def checkup(mess: Path, look: Look) -> Checkup:
    return look(mess)


def test_the_manifest_mends_what_it_is_given_for(
    checkup: Checkup, mess: Path, look: Look, tmp_path: Path
) -> None:
    before = sorted((path, path.stat().st_mtime_ns) for path in mess.rglob("*"))
    for name in ("clean.csv", "clean.parquet"):
        write_manifest(checkup.cleaned, tmp_path / name)
        again = look(tmp_path / name)
        assert Verdict.MEND not in [entry.verdict for entry in again.findings]
        assert len(again.examination.table) == len(checkup.cleaned.table)
        assert again.examination.table.classes == checkup.cleaned.table.classes
        for entry in checkup.findings:
            if entry.command:
                assert of(again, entry.name).verdict == Verdict.OK, entry.name
        assert of(again, "doubtful_labels").verdict == Verdict.LOOK
    assert sorted((path, path.stat().st_mtime_ns) for path in mess.rglob("*")) == before


@pytest.mark.parametrize(
    ("labels", "saw"),
    [
        (("1.5", "2.5", "3.0"), "numbers with a decimal point: 1.5, 2.5, 3.0"),
        ((" lead", "a", "b"), "the label ' lead'"),
    ],
)
def test_names_that_a_csv_does_not_keep_go_to_parquet(
    labels: tuple[str, ...], saw: str, tmp_path: Path
) -> None:
    for seed, label in enumerate(labels):
        write(tmp_path / "set" / label / "1.png", scene(seed))
    table = ImageTable.read(tmp_path / "set")
    with pytest.raises(
        TableError, match=rf"a CSV cannot hold this table .*{saw} - write Parquet: .*c\.parquet"
    ):
        write_manifest(Cleaned(table, ()), tmp_path / "c.csv")
    write_manifest(Cleaned(table, ()), tmp_path / "c.parquet")
    again = ImageTable.read(tmp_path / "c.parquet")
    assert (again.classes, again.paths) == (tuple(sorted(labels)), table.paths)
    assert suggested(table, data="set") == "clean.parquet"


def test_what_is_left_out_is_listed_with_its_reason(checkup: Checkup, tmp_path: Path) -> None:
    near = "near-duplicate of"
    contradiction = "equal to a picture of another label"
    assert set(checkup.cleaned.left_out) == {
        LeftOut("train/gone/empty.png", "gone", "cannot be used: empty"),
        LeftOut("train/gone/text.jpg", "gone", "cannot be used: not an image"),
        LeftOut("train/thing 0/blank.png", "thing 0", "one colour"),
        LeftOut("train/thing 0/5.png", "thing 0", contradiction, "train/thing 2/wrong.png"),
        LeftOut("train/thing 2/wrong.png", "thing 2", contradiction, "train/thing 0/5.png"),
        LeftOut("train/thing 1/12.png", "thing 1", "equal to", "test/thing 1/copy.png"),
        LeftOut("train/thing 0/0.png", "thing 0", near, "test/thing 0/leak.jpg"),
        LeftOut("train/thing 1/turned.png", "thing 1", near, "train/thing 1/13.png"),
    }
    write_manifest(checkup.cleaned, tmp_path / "clean.csv")
    listed = pl.read_csv(beside(tmp_path / "clean.csv"))
    assert listed.columns == ["image", "label", "reason", "other"]
    assert len(listed) == len(checkup.cleaned.left_out)


def test_a_chain_of_near_duplicates_does_not_pull_all_along(checkup: Checkup) -> None:
    pairs = replace(
        checkup.examination.near,
        first=np.array([2, 3]),
        second=np.array([3, 4]),
        similarities=checkup.examination.near.similarities[:2],
        differences=checkup.examination.near.differences[:2],
        mirrored=checkup.examination.near.mirrored[:2],
    )
    one_label = checkup.examination.table.frame.with_columns(label=pl.lit("a"), split=pl.lit("train"))
    table = replace(checkup.examination.table, frame=one_label)
    chained = replace(checkup.examination, table=table, near=pairs, copies=())
    ids = table.ids
    near = [entry for entry in clean(chained).left_out if entry.reason == "near-duplicate of"]
    assert near == [LeftOut(ids[3], "a", "near-duplicate of", ids[2])]  # 4 is like 3, which does not stay


def test_what_a_csv_cannot_hold_is_said(checkup: Checkup, tmp_path: Path) -> None:
    table = checkup.cleaned.table
    nested = replace(table, frame=table.frame.with_columns(tags=pl.lit([1, 2])))
    for bad, beat in (
        (nested, "column tags of List"),
        (replace(table, frame=table.frame.with_columns(image=pl.lit("a\\b.png"))), r"the image .*a\\+b\.png"),
    ):
        with pytest.raises(TableError, match=rf"a CSV cannot hold.*{beat}.*clean\.parquet"):
            write_manifest(Cleaned(bad, ()), tmp_path / "clean.csv")


def test_a_manifest_that_could_not_be_written_is_refused_before_the_work(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"in this format.*saw \.txt, wanted \.csv or \.parquet.*a\.csv"):
        check_manifest(tmp_path / "a.txt", data=tmp_path)
    with pytest.raises(TableError, match=r"take the place of what is looked at.*name it a_clean\.csv"):
        check_manifest(tmp_path / "a.csv", data=tmp_path / "a.csv")
    with pytest.raises(TableError, match="take the place of what is looked at"):
        check_manifest(tmp_path / "a.csv", data=tmp_path / "a.left_out.csv")
    with pytest.raises(LookalikeError, match="cannot be written"):
        check_manifest(tmp_path / "nowhere" / "a.csv", data=tmp_path)
    check_manifest(tmp_path / "a.csv", data=tmp_path)


def test_nothing_can_be_used(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", b"")
    checkup = look(tmp_path)
    assert (of(checkup, "files").verdict, of(checkup, "files").command) == (Verdict.MEND, "")
    assert (of(checkup, "empty").verdict, of(checkup, "empty").command) == (Verdict.MEND, "")
    assert of(checkup, "balance").what == "no classes, so none that is larger"
    with pytest.raises(TableError, match=r"nothing is left for a manifest.*1 left out.*restore"):
        write_manifest(checkup.cleaned, tmp_path / "clean.csv")
