"""The doctor: everything that was planted is found, and told with what mends it."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from checked import Look, looking, of, verdicts
from lookalike.checkups import findings_copies
from lookalike.checkups.checkup import LOOKS, Checkup, doctor, lines
from lookalike.checkups.findings import Finding, Verdict, remedy
from lookalike.models.model import Model
from lookalike.records import Skipped
from lookalike.runfile import apply_overrides, parse_config
from lookalike.tables.table import ImageTable
from scenes import tidy, untidy


@pytest.fixture(scope="module")
def look(tiny_folder: Path) -> Look:
    return looking(tiny_folder)


@pytest.fixture(scope="module")
def mess(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return untidy(tmp_path_factory.mktemp("mess") / "it's a mess")


@pytest.fixture(scope="module")
def checkup(mess: Path, look: Look) -> Checkup:
    return look(mess)


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


def test_a_mirrored_picture_is_said_to_be_one(checkup: Checkup) -> None:
    near = replace(checkup.examination.near, mirrored=~checkup.examination.near.mirrored)
    entries = findings_copies.near_duplicates(replace(checkup.examination, near=near), "").entries
    assert all(entry.endswith(", mirrored") for entry in entries)
    assert not any(entry.endswith(", mirrored") for entry in of(checkup, "near_duplicates").entries)


def test_embeddings_are_kept_where_a_memory_is_given(tiny_folder: Path, tmp_path: Path) -> None:
    class Kept(dict[bytes, object]):
        def add(self, hashes: object, vectors: object) -> None:
            assert isinstance(hashes, list)
            self.update(dict.fromkeys(hashes))

    memory = Kept()
    table = ImageTable.read(tidy(tmp_path, classes=2, images=2))
    doctor(table, model=Model.load(tiny_folder), memory=memory)  # type: ignore[arg-type]
    assert len(memory) == 4


def test_skipped_entries_without_a_detail(checkup: Checkup) -> None:
    from lookalike.checkups.findings_files import files
    from lookalike.errors import SkipReason

    plain = replace(checkup.examination, boxless=(Skipped("x", SkipReason.EMPTY),))
    assert "x: empty" in files(plain, "").entries
