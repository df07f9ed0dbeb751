"""The command search: how a command line becomes a question, what it prints, and its exit codes."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from commands import Run, Shown
from lookalike.hits import Hits
from lookalike.models.model import Model
from lookalike.models.verdicts import keep_calibration
from lookalike.open_calibrating import keep_open_threshold
from lookalike.search import search_ids, search_images, search_together
from some_calibrations import calibration
from some_open_threshold import some_open_threshold
from tiny_attributes import COLOURS, paint, with_branch


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A picture of each colour."""
    return paint(tmp_path / "pictures", *COLOURS)


@pytest.fixture
def index(pictures: Path, tiny: Model, tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "a.idx"
    assert run("index", path, pictures, "--model", tiny.folder)[0] == 0
    return path


@pytest.fixture
def by_attributes(pictures: Path, tiny: Model, tmp_path: Path, run: Run) -> Path:
    path = tmp_path / "b.idx"
    assert run("index", path, pictures, "--model", with_branch(tiny).folder)[0] == 0
    return path


def found(shown: Shown) -> list[dict[str, Any]]:
    assert shown[0] == 0, shown[2]
    return [json.loads(line) for line in shown[1].splitlines()]


def stems(answer: dict[str, Any]) -> list[str]:
    return [Path(hit["path"]).stem for hit in answer["hits"]]


def refused(shown: Shown, *beats: str) -> None:
    code, out, err = shown
    assert (code, out) == (2, "")
    (line,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert line.count(" - ") >= 3
    for beat in beats:
        assert beat in line


def test_several_pictures_are_several_queries_and_together_they_are_one(
    run: Run, index: Path, pictures: Path
) -> None:
    red, green = pictures / "red.png", pictures / "green.png"
    apart = found(run("search", index, red, green, "--jsonl", "-k", 2))
    assert [answer["query"] for answer in apart] == [str(red), str(green)]
    for options in (
        (red, green, "--together"),
        (red, green, "--weights", "1,1"),
        (red, "--plus", green),
        ("--plus", red, "--plus", green),
    ):
        (answer,) = found(run("search", index, *options, "--jsonl", "-k", 1))
        assert (answer["query"], stems(answer)) == (f"{red} + {green}", ["yellow"])
        assert answer["parts"] == [{"path": str(red), "weight": 1.0}, {"path": str(green), "weight": 1.0}]


def test_what_is_taken_away_is_taken_from_every_query(run: Run, index: Path, pictures: Path) -> None:
    yellow, cyan, green = (pictures / f"{name}.png" for name in ("yellow", "cyan", "green"))
    answers = found(run("search", index, yellow, cyan, "--minus", green, "--jsonl", "-k", 1))
    assert [stems(answer) for answer in answers] == [["red"], ["blue"]]
    (weighted,) = found(run("search", index, yellow, green, "--weights", "1,-0.9", "--jsonl", "-k", 1))
    assert (weighted["query"], stems(weighted)) == (f"{yellow} − 0.9 × {green}", ["red"])


def test_file_names_need_no_care(
    run: Run, index: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(pictures / "yellow.png", "0.5:a=1,b.png")
    shutil.copy(pictures / "green.png", "-1.png")
    options = ("--jsonl", "-k", 1)
    for arguments in (
        ("--plus", "0.5:a=1,b.png", "--minus", "-1.png", *options),
        ("--plus=0.5:a=1,b.png", "--minus=-1.png", *options),
        ("--weights", "1,-1", *options, "--", "0.5:a=1,b.png", "-1.png"),
        ("--weights=1,-1", *options, "0.5:a=1,b.png", "./-1.png"),
    ):
        (answer,) = found(run("search", index, *arguments))
        assert [part["weight"] for part in answer["parts"]] == [1.0, -1.0]
        assert stems(answer) == ["red"]


def test_a_picture_that_is_named_twice_weighs_twice(run: Run, index: Path, pictures: Path) -> None:
    red, blue = pictures / "red.png", pictures / "blue.png"
    (answer,) = found(run("search", index, red, red, blue, "--together", "--jsonl"))
    assert [part["weight"] for part in answer["parts"]] == [2.0, 1.0]
    for asked in (("--plus", red), (red,)):
        shown = run("search", index, *asked, "--minus", red)
        refused(shown, "what is asked for is taken away again - --minus", f"saw {red}, once added")
    refused(run("search", index, red, red, "--weights", "1,-1"), "taken away again - --weights")
    refused(run("search", index, red, "--weights", "0"), "weights of 0 alone")


@pytest.mark.parametrize(
    "ways", [("--json", "--paths"), ("--json", "--jsonl"), ("--jsonl", "-0"), ("--json", "--paths", "-0")]
)
def test_two_ways_to_print_are_refused(run: Run, index: Path, pictures: Path, ways: tuple[str, ...]) -> None:
    refused(run("search", index, pictures / "red.png", *ways), f"in one way - {ways[0]}", " and --")


def test_paths_may_end_by_zero_bytes(run: Run, index: Path, pictures: Path) -> None:
    code, out, _ = run("search", index, pictures / "red.png", "--paths", "-0", "-k", 2)
    assert (code, out.count("\0")) == (0, 2)


@pytest.mark.parametrize(
    ("asked", "beats"),
    [
        (("--at-least", "2"), ("--at-least - saw 2, wanted from -1 to 1",)),
        (("--at-least", "nan"), ("--at-least - saw nan",)),
        (
            ("--at-least", "0.8", "--between", "0.1", "0.6"),
            ("--at-least - saw 0.8, and --between up to 0.6", "leave --at-least or --between out"),
        ),
        (("--between", "0.6", "0.1"), ("between - saw 0.6 to 0.1",)),
    ],
    ids=["too-high", "nan", "above-between", "between"],
)
def test_a_similarity_that_nothing_can_have_is_told_as_it_was_typed(
    run: Run, index: Path, pictures: Path, asked: tuple[str, ...], beats: tuple[str, ...]
) -> None:
    refused(run("search", index, pictures / "red.png", *asked), *beats)


@pytest.mark.parametrize(
    ("weights", "saw"),
    [("1", "1 weights for 2 pictures"), ("1,2,3", "3 weights for 2 pictures"), ("1,b", "1,b"), ("", "saw ")],
)
def test_weights_that_do_not_fit_are_refused(
    run: Run, index: Path, pictures: Path, weights: str, saw: str
) -> None:
    asked = (pictures / "red.png", pictures / "blue.png", "--weights", weights)
    refused(run("search", index, *asked), "weights and pictures do not fit together", saw)


def test_weights_without_pictures_are_refused(run: Run, index: Path, pictures: Path) -> None:
    refused(run("search", index, "--weights", "1"), "there are no pictures")
    refused(run("search", index, "--together", "--plus", pictures / "red.png"), "there are no pictures")
    refused(run("search", index), "there are no pictures")


def test_a_combination_is_one_answer_for_json(run: Run, index: Path, pictures: Path) -> None:
    two = (pictures / "red.png", pictures / "green.png")
    refused(run("search", index, *two, "--json"), "--json is for one picture", "saw 2 pictures")
    code, out, _ = run("search", index, *two, "--together", "--json")
    assert (code, len(json.loads(out)["parts"])) == (0, 2)


def test_a_combination_with_a_picture_that_cannot_be_used_is_an_error(
    run: Run, index: Path, pictures: Path, tmp_path: Path
) -> None:
    shown = run("search", index, pictures / "red.png", "--minus", tmp_path / "gone.png")
    refused(shown, "there is nothing to search by", "gone.png", "missing")


def test_items_are_queries_by_their_ids(run: Run, index: Path, pictures: Path) -> None:
    first = found(run("search", index, pictures / "red.png", "--jsonl", "-k", 2))[0]["hits"]
    ids = [hit["id"] for hit in first]
    answers = found(run("search", index, "--id", ids[0], "--id", ids[1], "--jsonl", "-k", 1))
    assert [answer["query"] for answer in answers] == [hit["path"] for hit in first]
    mixed = found(run("search", index, pictures / "red.png", "--id", ids[0], "--jsonl", "-k", 1))
    assert [answer["query"] for answer in mixed] == [str(pictures / "red.png"), first[0]["path"]]
    refused(run("search", index, "--id", 999), "there is no such item", "saw id 999")
    for beside in (("--plus", pictures / "red.png"), ("--attributes", "red=1")):
        refused(run("search", index, "--id", ids[0], *beside), "an item is asked for alone")


def test_the_command_is_the_function(run: Run, index: Path, pictures: Path) -> None:
    from lookalike.indexing.index import Index

    red, blue = pictures / "red.png", pictures / "blue.png"
    options = ("--skip", 1, "-k", 2, "--collapse", "--rerank", "averaging", "--copies", "--jsonl")
    kept: dict[str, Any] = {"skip": 1, "k": 2, "collapse": True, "rerank": "averaging", "copies": True}
    with Index.open(index) as opened:
        wanted = [
            *search_images(opened, [red], **kept),
            *search_ids(opened, [2], **kept),
            *search_together(opened, [{red: 1, blue: -0.5}], **kept),
        ]
    shown = [
        *found(run("search", index, red, "--id", 2, *options)),
        *found(run("search", index, red, blue, "--weights", "1,-0.5", *options)),
    ]
    for answer, expected in zip(shown, wanted, strict=True):
        assert isinstance(expected, Hits)
        hits = expected.hits
        assert [(hit["rank"], hit["id"]) for hit in answer["hits"]] == [(hit.rank, hit.id) for hit in hits]
        assert answer["order"] == "averaging"
        assert hits[0].rank == 2


def test_pages_do_not_overlap(run: Run, index: Path, pictures: Path) -> None:
    red = pictures / "red.png"
    whole = run("search", index, red, "--paths")[1].splitlines()
    parts = [run("search", index, red, "--paths", "-k", 2, "--skip", n)[1].splitlines() for n in (0, 2, 4)]
    assert [path for part in parts for path in part] == whole
    code, out, _ = run("search", index, red, "--skip", 6)
    assert (code, out.splitlines()[1]) == (1, "  no match: there are no more answers: all 6 come before")
    refused(run("search", index, red, "--skip", -1), "--skip")


def test_at_least_says_no_match_and_why(run: Run, index: Path, pictures: Path) -> None:
    red = pictures / "red.png"
    code, out, _ = run("search", index, red, "--at-least", 0.99)
    assert code == 1
    assert out.startswith(
        f"{red}\n  no match: nothing has a similarity of 0.99 or more; the nearest below has "
    )
    assert run("search", index, red, "--at-least", 0.99, "--paths")[:2] == (1, "")
    every = found(run("search", index, red, "--jsonl"))[0]["hits"]
    limit = every[2]["similarity"]
    assert found(run("search", index, red, "--at-least", limit, "--jsonl"))[0]["hits"] == [
        hit for hit in every if hit["similarity"] >= limit
    ]
    for options in (("--between", -1, 0.9, "--at-least", limit), ("--between", limit, 0.9, "--at-least", -1)):
        hits = found(run("search", index, red, *options, "--jsonl"))[0]["hits"]
        assert hits == [hit for hit in every if limit <= hit["similarity"] <= 0.9]
    refused(run("search", index, red, "--at-least", 1.5), "no answer can have this similarity")


def test_probability_needs_a_calibration(run: Run, index: Path, pictures: Path, tiny: Model) -> None:
    red = pictures / "red.png"
    refused(
        run("search", index, red, "--probability", 0.5),
        "the model has no probabilities of a match",
        "leave out --probability",
    )
    keep_calibration(tiny, calibration(tiny.fingerprint))
    every = found(run("search", index, red, "--jsonl"))[0]["hits"]
    likely = found(run("search", index, red, "--jsonl", "--probability", 0.2))[0]["hits"]
    assert likely == [hit for hit in every if hit["probability"] >= 0.2]
    assert 0 < len(likely) < len(every)


@pytest.mark.parametrize(
    ("asked", "option"),
    [
        (("--together",), ("--threshold", "strict")),
        (("--together",), ("--probability", 0.5)),
        (("--attributes", "red=1"), ("--threshold", "strict")),
        (("--attributes", "red=1"), ("--probability", 0.5)),
        (("--attributes", "red=1"), ("--rerank", "alpha-qe")),
    ],
)
def test_options_for_a_picture_against_a_picture_are_refused_elsewhere(
    run: Run, by_attributes: Path, pictures: Path, asked: tuple[str, ...], option: tuple[object, ...]
) -> None:
    shown = run("search", by_attributes, pictures / "red.png", *asked, *option)
    refused(shown, f"the option is for a picture against a picture - {option[0]} - saw {option[1]}")


def test_an_order_that_there_is_not_is_refused(run: Run, index: Path, pictures: Path) -> None:
    refused(run("search", index, pictures / "red.png", "--rerank", "better"), "alpha-qe", "k-reciprocal")


def test_attributes_are_asked_alone_with_a_picture_and_with_several(
    run: Run, by_attributes: Path, pictures: Path
) -> None:
    red, blue = pictures / "red.png", pictures / "blue.png"
    (alone,) = found(run("search", by_attributes, "--attributes", "red=1,green=0,blue=0", "--jsonl", "-k", 1))
    assert stems(alone) == ["red"]
    (changed,) = found(run("search", by_attributes, red, "--attributes", "green=1", "--jsonl", "-k", 1))
    assert stems(changed) == ["yellow"]
    asked = (red, blue, "--together", "--attributes", "green=1")
    (several,) = found(run("search", by_attributes, *asked, "--jsonl", "-k", 1))
    assert (stems(several), len(several["parts"])) == (["white"], 2)
    text = run("search", by_attributes, *asked, "-k", 1)[1]
    assert text.startswith(f"{red} + {blue}, but green=1\n")
    only_plus = ("--plus", red, "--plus", blue, "--attributes", "green=1", "--jsonl", "-k", 1)
    assert stems(found(run("search", by_attributes, *only_plus))[0]) == ["white"]


def test_answers_say_what_was_folded(run: Run, index: Path, pictures: Path) -> None:
    shutil.copy(pictures / "yellow.png", pictures / "same.png")
    assert run("index", index)[0] == 0
    asked = ("search", index, pictures / "red.png", "--collapse", "-k", 6)
    text = run(*asked)[1]
    assert text.count("(+1 copy)") == 1
    hits = found(run(*asked, "--jsonl"))[0]["hits"]
    assert [len(hit["copies"]) for hit in hits].count(1) == 1
    assert len(hits) == 6


def test_the_page_shows_combination_copies_and_reasons(
    run: Run, index: Path, pictures: Path, tmp_path: Path
) -> None:
    page = tmp_path / "a.html"
    asked = ("search", index, pictures / "red.png", "--minus", pictures / "green.png", "--html", page)
    assert run(*asked)[0] == 0
    assert "a threshold is made for two pictures" in page.read_text()
    assert run(*asked, "--at-least", 0.999)[0] == 1
    assert "No match: nothing has a similarity of 0.999 or more" in page.read_text()


def test_a_class_that_is_indexed_is_named_at_once(
    run: Run, tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Enrolling: nothing is trained or calibrated in between; folders and stdin are asked, too."""
    known, new, asked = tmp_path / "known", tmp_path / "new", tmp_path / "asked"
    paint(known / "warm", "red", "yellow")
    paint(new / "cold", "cyan", "blue")  # its picture of blue is another file than what is asked
    paint(asked, "blue-again")
    index, query = tmp_path / "things.idx", asked / "blue-again.png"
    assert run("index", index, known, "--model", tiny.folder)[0] == 0
    keep_open_threshold(tiny, some_open_threshold(similarity=0.95))
    code, out, _ = run("identify", index, query)
    assert (code, "no match" in out) == (1, True)
    assert run("index", index, new)[0] == 0
    code, out, _ = run("identify", index, asked)
    assert (code, out.splitlines()[1].split()[0]) == (0, "cold")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(os.fsencode(query) + b"\n")))
    assert [entry["label"] for entry in found(run("identify", index, "-", "--jsonl"))] == ["cold"]
