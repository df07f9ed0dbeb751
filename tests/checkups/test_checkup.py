"""The doctor: everything that was planted is found, every command it gives mends what it is given for."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.checkups import examination, findings_copies
from lookalike.checkups.checkup import LOOKS, Checkup, doctor, lines
from lookalike.checkups.cleaning import (
    Cleaned,
    LeftOut,
    beside,
    check_manifest,
    clean,
    suggested,
    write_manifest,
)
from lookalike.checkups.findings import Finding, Verdict, remedy
from lookalike.errors import LookalikeError, TableError
from lookalike.models.model import Model
from lookalike.records import Skipped
from lookalike.runfile import apply_overrides, parse_config
from lookalike.tables.table import ImageTable
from scenes import cropped, scene, tidy, untidy, write

Look = Callable[[Path | str], Checkup]


@pytest.fixture(scope="module")
def look(tiny_folder: Path) -> Look:
    model = Model.load(tiny_folder)
    return lambda data: doctor(ImageTable.read(data), model=model)


@pytest.fixture(scope="module")
def mess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untidy(tmp_path_factory.mktemp("mess") / "it's a mess")


@pytest.fixture(scope="module")
def checkup(mess: Path, look: Look) -> Checkup:
    return look(mess)


def of(checkup: Checkup, name: str) -> Finding:
    (found,) = [entry for entry in checkup.findings if entry.name == name]
    return found


def verdicts(checkup: Checkup) -> dict[str, str]:
    return {entry.name: str(entry.verdict) for entry in checkup.findings}


def test_what_was_planted_is_found(checkup: Checkup) -> None:
    assert {name: verdict for name, verdict in verdicts(checkup).items() if verdict != "ok"} == {
        "files": "mend",
        "empty": "mend",
        "blank": "mend",
        "contradictions": "mend",
        "copies": "mend",
        "near_duplicates": "mend",
        "doubtful_labels": "look",
        "spelling": "look",
        "single": "look",
        "promise": "look",
        "balance": "look",
        "faint": "look",
        "shapes": "look",
    }
    assert checkup.verdict == Verdict.MEND


@pytest.mark.parametrize(
    ("name", "figure", "entries"),
    [
        (
            "files",
            2,
            [
                "train/gone/empty.png: empty (0 bytes)",
                'train/gone/text.jpg: not an image (content that begins with "<html> <body>not")',
            ],
        ),
        ("empty", 1, ["gone"]),
        ("blank", 1, ["train/thing 0/blank.png"]),
        (
            "contradictions",
            1,
            ["train/thing 0/5.png = train/thing 2/wrong.png (labelled thing 0 and thing 2)"],
        ),
        ("copies", 1, ["test/thing 1/copy.png = train/thing 1/12.png (in test and train)"]),
        ("near_duplicates", 2, None),
        ("doubtful_labels", 1, None),
        ("spelling", 1, ["'Thing_0' (1) and 'thing 0' (16)"]),
        ("single", 1, ["Thing_0"]),
        ("faint", 1, ["train/thing 0/tiny.png: 20 x 20 pixels"]),
        ("shapes", 1, ["train/thing 0/long.png: 200 x 50"]),
    ],
)
def test_findings_name_what_they_are_about(
    checkup: Checkup, name: str, figure: int, entries: list[str] | None
) -> None:
    found = of(checkup, name)
    assert found.figure == figure
    assert entries is None or list(found.entries) == entries
    assert found.do


def test_near_duplicates_say_where_they_are(checkup: Checkup) -> None:
    across, inside = of(checkup, "near_duplicates").entries
    assert across.startswith("test/thing 0/leak.jpg ~ train/thing 0/0.png (in test and train) differ by 0.")
    assert inside.startswith("train/thing 1/13.png ~ train/thing 1/turned.png differ by 0.")
    (doubtful,) = of(checkup, "doubtful_labels").entries
    assert "train/thing 0/1.png ~ train/thing 2/double.png (labelled thing 0 and thing 2)" in doubtful
    assert "1 of them across splits" in of(checkup, "near_duplicates").what


def test_a_tidy_set_is_in_order(look: Look, tmp_path: Path) -> None:
    checkup = look(tidy(tmp_path / "set", classes=3, images=20))
    assert {name for name, verdict in verdicts(checkup).items() if verdict != "ok"} == {"promise"}
    assert checkup.verdict == Verdict.LOOK
    assert checkup.cleaned.left_out == ()
    assert lines(checkup)[-1] == f"0 to mend, 1 to look at, {len(LOOKS) - 1} in order"


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


def test_commands_and_settings_can_be_typed(mess: Path, tiny_folder: Path) -> None:
    command = shlex.join(["lookalike", "doctor", str(mess)])
    checkup = doctor(ImageTable.read(mess), model=Model.load(tiny_folder), command=command)
    commands = {entry.command for entry in checkup.findings if entry.command}
    assert commands == {f"{command} --manifest clean.csv"}
    assert shlex.split(commands.pop())[2] == str(mess)


def test_settings_are_understood(checkup: Checkup) -> None:
    settings = {entry.setting for entry in checkup.findings if entry.setting}
    assert settings == {"preprocess.resize=pad"}
    for setting in (*settings, "split.by=class"):
        parse_config(apply_overrides({}, [setting]))


def test_json_has_stable_keys(checkup: Checkup) -> None:
    facts = json.loads(json.dumps(checkup.to_json(), allow_nan=False))
    assert set(facts) == {
        "verdict",
        "findings",
        "near_duplicates",
        "near_duplicates_complete",
        "model",
        "left_out",
        "description",
    }
    assert [entry["name"] for entry in facts["findings"]] == [entry.name for entry in checkup.findings]
    keys = {"name", "verdict", "figure", "what", "do", "command", "setting", "entries"}
    assert set(facts["findings"][0]) == keys
    assert set(facts["near_duplicates"][0]) == {"images", "similarity", "difference", "mirrored"}
    assert len(facts["near_duplicates"]) == 3
    assert facts["model"] == "tiny"


def test_text_has_the_worst_first_and_says_what_to_do(checkup: Checkup) -> None:
    text = lines(checkup)
    marks = [line[:4] for line in text if line[:4].strip() and not line[:1].isdigit()]
    assert marks == ["MEND"] * 6 + ["look"] * 7 + ["ok  "] * 5
    assert "      -> leave them out: lookalike doctor DATA --manifest clean.csv" in text
    assert any(line.endswith("pad them to a square: --set preprocess.resize=pad") for line in text)
    assert text[-1] == "6 to mend, 7 to look at, 5 in order"


def test_long_lists_are_cut_in_the_text(checkup: Checkup) -> None:
    many = replace(of(checkup, "files"), entries=tuple(map(str, range(8))))
    text = lines(replace(checkup, findings=(many,)))
    assert text[5:7] == ["      4", "      and 3 more"]


def test_a_remedy_without_a_command_is_a_sentence() -> None:
    assert remedy(Finding("a", Verdict.LOOK, 1, "what", "look at it")) == "look at it"


def test_nothing_can_be_used(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a" / "1.png", b"")
    checkup = look(tmp_path)
    assert (of(checkup, "files").verdict, of(checkup, "files").command) == (Verdict.MEND, "")
    assert (of(checkup, "empty").verdict, of(checkup, "empty").command) == (Verdict.MEND, "")
    assert of(checkup, "balance").what == "no classes, so none that is larger"
    with pytest.raises(TableError, match=r"nothing is left for a manifest.*1 left out.*restore"):
        write_manifest(checkup.cleaned, tmp_path / "clean.csv")


def test_links_to_nothing_are_counted(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    (tmp_path / "thing 0" / "gone.png").symlink_to("nowhere")
    found = of(look(tmp_path), "files")
    assert (found.figure, found.what) == (1, "1 of 41 pictures cannot be used (1 missing)")


def test_pictures_without_labels(look: Look, tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / f"{seed}.png", scene(seed))
    write(tmp_path / "0-crop.png", cropped(scene(0)))
    checkup = look(tmp_path)
    found = verdicts(checkup)
    assert (found["labels"], found["splits"], found["near_duplicates"]) == ("look", "look", "look")
    assert "no picture has a label" in of(checkup, "labels").what
    assert "without labels there is nothing to train on" in of(checkup, "splits").what
    assert (found["promise"], "no two classes" in of(checkup, "promise").what) == ("ok", True)


def test_some_pictures_without_labels(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    write(tmp_path / "loose.png", scene(900))
    found = of(look(tmp_path), "labels")
    assert (found.figure, found.entries) == (1, ("loose.png",))


def test_a_copy_with_a_label_and_one_without_do_not_contradict(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    write(tmp_path / "loose.png", scene(0))
    write(tmp_path / "crop.png", cropped(scene(1)))
    checkup = look(tmp_path)
    found = verdicts(checkup)
    assert (found["contradictions"], found["copies"], found["doubtful_labels"]) == ("ok", "mend", "ok")
    assert [entry.image for entry in checkup.cleaned.left_out] == ["crop.png", "loose.png"]


def test_copies_within_a_split_are_to_be_looked_at(look: Look, tmp_path: Path) -> None:
    for number in range(36):
        split = ("train", "val", "test")[number % 3]
        write(tmp_path / split / f"thing {number // 18}" / f"{number}.png", scene(number))
    write(tmp_path / "train" / "thing 0" / "again.png", scene(0))
    write(tmp_path / "train" / "thing 0" / "crop.png", cropped(scene(3)))
    found = look(tmp_path)
    assert verdicts(found)["copies"] == verdicts(found)["near_duplicates"] == "look"
    assert "across" not in of(found, "copies").what + of(found, "near_duplicates").what


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


def test_a_mirrored_picture_is_said_to_be_one(checkup: Checkup) -> None:
    near = replace(checkup.examination.near, mirrored=~checkup.examination.near.mirrored)
    entries = findings_copies.near_duplicates(replace(checkup.examination, near=near), "").entries
    assert all(entry.endswith(", mirrored") for entry in entries)
    assert not any(entry.endswith(", mirrored") for entry in of(checkup, "near_duplicates").entries)


def test_too_little_for_splits(look: Look, tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / "one" / f"a{seed}" / f"{seed}.png", scene(seed))
    one = of(look(tmp_path / "one"), "splits")
    assert one.verdict == Verdict.MEND
    assert "add pictures" in one.do
    tidy(tmp_path / "single", classes=1)
    assert "too few classes" in of(look(tmp_path / "single"), "splits").what
    tidy(tmp_path / "many", classes=24, images=2)
    by_class = of(look(tmp_path / "many"), "splits")
    assert (by_class.verdict, by_class.setting) == (Verdict.LOOK, "split.by=class")


@pytest.mark.parametrize(
    ("column", "do"), [("role", "mark some rows as gallery"), ("group", "rename the column group")]
)
def test_roles_and_groups_that_leave_nothing_to_find(
    look: Look, tmp_path: Path, column: str, do: str
) -> None:
    tidy(tmp_path)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.glob("*/*.png"))]
    more = [row + (",query" if column == "role" else f",{row.split(',')[1]}") for row in rows]
    (tmp_path / "m.csv").write_text("\n".join([f"image,label,{column}", *more]) + "\n")
    found = of(look(tmp_path / "m.csv"), "splits")
    assert found.verdict == Verdict.MEND
    assert do in found.do
    assert "add pictures" not in found.do


def test_given_splits_that_lack_one(look: Look, tmp_path: Path) -> None:
    for number in range(12):
        write(
            tmp_path / ("train", "val")[number % 2] / f"thing {number % 3}" / f"{number}.png", scene(number)
        )
    found = of(look(tmp_path), "splits")
    assert found.verdict == Verdict.LOOK
    assert "a split has no pictures: test" in found.what


def test_format_or_colour_that_tells_the_label(look: Look, tmp_path: Path) -> None:
    for number in range(20):
        grey, label = number % 2, f"thing {number % 4}"
        picture = scene(number).convert("L") if grey else scene(number)
        write(tmp_path / label / f"{number}.{'jpg' if number % 4 == 3 else 'png'}", picture)
    found = of(look(tmp_path), "kinds")
    assert found.verdict == Verdict.LOOK
    assert found.entries == ("2 labels all colour; 2 labels all grey", "3 labels all PNG; 1 label all JPEG")


def test_what_is_nearly_of_one_colour_is_said_and_not_compared(look: Look, tmp_path: Path) -> None:
    for number in range(2):
        faint = np.full((96, 96, 3), 120 + number, np.uint8)
        faint[::2] += 3
        write(tmp_path / "a" / f"{number}.png", Image.fromarray(faint))
    checkup = look(tmp_path)
    assert of(checkup, "faint").entries[0] == "a/0.png: 96 x 96 pixels, colours spread by 1.5 levels of 255"
    assert (of(checkup, "faint").figure, checkup.examination.near.candidates) == (2, 0)


def test_a_box_whose_picture_went_away_is_compared_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    assert set(examination._print(path, (0, 0, 9, 9))) == {0}
    write(path, scene(1))
    assert len(set(examination._print(path, (0, 0, 90, 90)))) > 10


def test_attributes_without_a_meaning(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path, classes=3, images=2)
    rows = "thing 0,1,5,1\nthing 1,1,,0\nthing 2,1,,1\n"
    (tmp_path / "attributes.csv").write_text(f"label,always,gaps,fine\n{rows}")
    found = of(look(tmp_path), "attributes")
    assert found.entries == ("always: only 1", "gaps: only 5", "gaps: not stated of 4 of 6")
    (tmp_path / "attributes.csv").write_text("label,fine\nthing 0,1\nthing 1,0\nthing 2,1\n")
    assert of(look(tmp_path), "attributes").what == "1 attribute, none constant"


@pytest.mark.parametrize(
    ("labels", "alike"),
    [
        (("Cat", "cat"), True),
        (("red car", "red_car"), True),
        (("rose", "roses"), True),
        (("cafe\u0301", "caf\u00e9"), True),
        (("bus", "bu"), False),
        (("1", "1s"), False),
        (("cat", "car"), False),
    ],
)
def test_spellings(look: Look, tmp_path: Path, labels: tuple[str, str], alike: bool) -> None:
    rows = [f"{number}.png,{label}" for number, label in enumerate(labels)]
    for number in range(2):
        write(tmp_path / f"{number}.png", scene(number))
    (tmp_path / "m.csv").write_text("image,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert (of(look(tmp_path / "m.csv"), "spelling").verdict == Verdict.LOOK) == alike


def test_boxes(look: Look, tmp_path: Path) -> None:
    pair = Image.new("RGB", (192, 96))
    pair.paste(scene(1), (0, 0))
    pair.paste(scene(2), (96, 0))
    write(tmp_path / "pair.png", pair)
    write(tmp_path / "copy.png", pair)
    boxes = [
        "pair.png,a,0 0 96 96",
        "pair.png,b,96 0 192 96",
        "copy.png,a,0 0 96 96",
        "copy.png,b,500 0 600 9",
    ]
    (tmp_path / "m.csv").write_text("image,label,box\n" + "\n".join(boxes) + "\n")
    checkup = look(tmp_path / "m.csv")
    assert of(checkup, "copies").entries == ("pair.png = copy.png#0,0,96,96",) or (
        of(checkup, "copies").entries == ("pair.png#0,0,96,96 = copy.png#0,0,96,96",)
    )
    assert "1 of 4 pictures cannot be used (1 too small)" in of(checkup, "files").what
    write_manifest(checkup.cleaned, tmp_path / "clean.csv")
    kept = ImageTable.read(tmp_path / "clean.csv")
    assert kept.boxes == [(0, 0, 96, 96), (96, 0, 192, 96)]


def test_boxes_beyond_their_pictures_are_said(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    rows = ["a.png,a,0 0 98 97", "a.png,b,10 10 500 300", "a.png,b,500 0 600 9"]
    (tmp_path / "m.csv").write_text("\n".join(["image,label,box", *rows]) + "\n")
    found = of(look(tmp_path / "m.csv"), "boxes")
    assert (found.verdict, found.figure) == (Verdict.LOOK, 1)
    assert found.what.startswith("1 of 3 boxes beyond the picture, by up to 404 pixels")
    assert found.entries == ("a.png: box 10,10,500,300 in 96 x 96 pixels",)


def test_no_box_can_be_used(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    (tmp_path / "m.csv").write_text("image,label,box\na.png,a,500 0 600 9\n")
    found = of(look(tmp_path / "m.csv"), "files")
    assert found.what == "1 of 1 picture cannot be used (boxes outside their pictures)"


def test_embeddings_are_kept_where_a_memory_is_given(tiny_folder: Path, tmp_path: Path) -> None:
    class Kept(dict[bytes, object]):
        def add(self, hashes: object, vectors: object) -> None:
            assert isinstance(hashes, list)
            self.update(dict.fromkeys(hashes))

    memory = Kept()
    table = ImageTable.read(tidy(tmp_path, classes=2, images=2))
    doctor(table, model=Model.load(tiny_folder), memory=memory)  # type: ignore[arg-type]
    assert len(memory) == 4


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


def test_skipped_entries_without_a_detail(checkup: Checkup) -> None:
    from lookalike.checkups.findings_files import files
    from lookalike.errors import SkipReason

    plain = replace(checkup.examination, boxless=(Skipped("x", SkipReason.EMPTY),))
    assert "x: empty" in files(plain, "").entries
