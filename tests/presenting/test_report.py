"""The page is one file that asks for nothing, holds every part, and treats every name as text."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from html_page import Page
from lookalike.config import RunConfig
from lookalike.errors import LookalikeError, SkipReason
from lookalike.presenting.report import MOST_SKIPPED, ReportPage, render_report, write_report
from lookalike.records import (
    Figure,
    PairHistogram,
    RankedAnswer,
    RankedRow,
    Report,
    Skipped,
    Threshold,
)
from lookalike.runfile import dump_config
from lookalike.threshold import BY_HAND

EVIL = "<script>alert('x')</script>&\"'"
SECTIONS = (
    *("basis", "figures"),
    *("rows", "worst", "unmatched", "confused", "labels", "why", "map"),
    *("threshold", "probability", "pairs"),
    *("training", "triplets"),
    "skipped",
    "recipe",
    "versions",
)
THRESHOLD = Threshold(0.5123, "precision=0.95", 0.96, 0.4, 0.57, 0.0004, 0.95, 0.951, 20, 500, 60, 9)


def pairs(seed: int = 0) -> PairHistogram:
    generator = np.random.default_rng(seed)
    hills = (generator.normal(0.6, 0.1, 90), generator.normal(0.1, 0.1, 900))
    same, different = (np.histogram(hill, 2**12, (-1, 1))[0].astype(np.int64) for hill in hills)
    return PairHistogram(same, different)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def page(folder: Path) -> ReportPage:
    paths = [folder / "cats" / f"{n}.png" for n in range(3)]
    paths[0].parent.mkdir()
    for n, path in enumerate(paths):
        Image.new("RGB", (40, 30), (80 * n, 80, 80)).save(path)
    answers = (RankedAnswer(paths[1], "cat", 0.91234, True), RankedAnswer(paths[2], "dog", 0.5, False))
    report = Report(
        figures={
            "recall@1": Figure(0.463, 0.41, 0.513, 0.369),
            "recall@8": Figure(0.7, 0.6, 0.8, 0.5),
            "roc_auc": Figure(0.951, 0.94, 0.96, 0.97),
        },
        split="test",
        queries=1712,
        gallery=1734,
        classes=120,
        without_partner=22,
        skipped=(Skipped("/home/me/cats/cut.png", SkipReason.TRUNCATED, "12 bytes are missing"),),
        model="emoji",
        fingerprint="0123456789abcdef" * 4,
        baseline="efficientnet_lite0, untrained",
        threshold=THRESHOLD,
        at_threshold={"precision": 0.957, "recall": 0.428, "f1": 0.592, "false_match_rate": 0.00042},
    )
    return ReportPage(
        title="emoji run",
        report=report,
        pairs=pairs(),
        baseline_pairs=pairs(1),
        history={"train_loss": [3.0, 2.0], "val_map@r": [0.1, 0.2]},
        candidates=[
            {"power": 0.5, "shrinkage": 0.3, "map@r": 0.31},
            {"power": 1.0, "shrinkage": 3.0, "map@r": 0.29},
        ],
        rows=[RankedRow(paths[0], "cat", answers, 0.75)],
        worst=[RankedRow(paths[2], "dog", answers[::-1], 0.04)],
        recipe=dump_config(RunConfig(name="emoji-recipe")),
        versions={"lookalike": "0.1.0", "numpy": "2.4"},
        split_counts={"train": (1500, 180), "test": (1734, 120)},
        created="2031-01-02 03:04 UTC",
    )


@pytest.fixture(scope="module")
def light(page: ReportPage) -> ReportPage:
    """The same without most plots, which take their time."""
    none = np.zeros_like(page.pairs.same)
    return replace(page, pairs=PairHistogram(none, none), baseline_pairs=None, history={})


@pytest.fixture(scope="module")
def html(page: ReportPage) -> str:
    return render_report(page)


@pytest.fixture(scope="module")
def bare(page: ReportPage) -> ReportPage:
    figures = {name: replace(figure, baseline=None) for name, figure in page.report.figures.items()}
    report = replace(
        page.report, figures=figures, baseline="", threshold=None, at_threshold={}, skipped=(), split="all"
    )
    return ReportPage(title="bare", report=report, pairs=page.pairs)


@pytest.fixture(scope="module")
def bare_html(bare: ReportPage) -> str:
    return render_report(bare)


def test_page_is_balanced_and_has_every_part(html: str) -> None:
    found = Page(html)
    assert [attrs["id"] for attrs in found.all("section")] == list(SECTIONS)
    assert [attrs["href"] for attrs in found.all("a")] == [f"#{name}" for name in SECTIONS]
    for name in SECTIONS:
        assert found.words(name)


def test_page_asks_for_nothing(html: str) -> None:
    found = Page(html)
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import|@font-face", re.sub(r"base64,[^\"]*", "", html))
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "object", "form", "base"}
    assert all(str(attrs["src"]).startswith("data:image/jpeg;base64,") for attrs in found.all("img"))
    policy = next(
        attrs for attrs in found.all("meta") if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:; style-src 'unsafe-inline'")


def test_ids_are_unique_and_every_reference_leads_somewhere(html: str) -> None:
    found = Page(html)
    ids = [attrs["id"] for _, attrs in found.tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    wanted = [str(attrs["href"])[1:] for tag, attrs in found.tags if tag in {"a", "use"}]
    wanted += [str(attrs["aria-labelledby"]) for _, attrs in found.tags if "aria-labelledby" in attrs]
    assert set(wanted) <= set(ids)


def test_page_is_accessible(html: str) -> None:
    found = Page(html)
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("h1")) == 1
    assert all(attrs.get("scope") in {"row", "col"} for attrs in found.all("th"))
    assert all(attrs.get("alt") for attrs in found.all("img"))
    assert all(attrs.get("aria-label") for attrs in found.all("svg") if attrs.get("class") == "plot")
    assert not [attrs for _, attrs in found.tags if str(attrs.get("tabindex", "0")) > "0"]


def test_page_knows_dark_phones_and_paper(html: str) -> None:
    for query in ("prefers-color-scheme: dark", "max-width: 40rem", "@media print"):
        assert query in html
    assert 'content="width=device-width, initial-scale=1"' in html


def test_the_headline_comes_first_and_says_whether_training_helped(html: str) -> None:
    words = Page(html).words()
    assert "For 46.3% of the queries the most similar picture is the right one." in words
    assert "The 95% interval is 41.0–51.3%. Without training it is 36.9%: training helped by 9.4" in words


@pytest.mark.parametrize(
    ("baseline", "words"),
    [
        (0.45, "training did not help measurably"),
        (0.6, "training did not help (−13.7 percentage points). Keep the untrained model."),
    ],
)
def test_the_headline_says_when_training_did_not_help(light: ReportPage, baseline: float, words: str) -> None:
    figures = {**light.report.figures, "recall@1": Figure(0.463, 0.41, 0.513, baseline)}
    found = Page(render_report(replace(light, report=replace(light.report, figures=figures))))
    assert words in found.words()
    assert "training helped" not in found.words()


def test_the_basis_has_all_sizes(html: str) -> None:
    words = Page(html).words("basis")
    assert "The split “test”" in words
    assert "queries 1,712 gallery 1,734 classes 120 left out, no partner 22 skipped files 1" in words
    assert "train 1,500 180 test 1,734 120" in words


def test_figures_stand_with_interval_baseline_and_difference(html: str) -> None:
    words = Page(html).words("figures")
    assert "recall@1 queries whose most similar picture is right 46.3 41.0–51.3 36.9 +9.4" in words
    assert "95.1 94.0–96.0 97.0 −1.9" in words
    assert "The untrained figures are of efficientnet_lite0, untrained" in words


def test_the_threshold_stands_with_its_promise_and_what_holds_here(html: str) -> None:
    words = Page(html).words("threshold")
    assert "their similarity is at least 0.5123." in words
    assert THRESHOLD.promise in words
    assert "On this split it holds." in words
    assert "matches that are right (precision) 96.0 95.7" in words
    assert "(false-match rate) 0.040 0.042" in words


def test_a_threshold_that_was_set_by_hand_was_not_asked_for(light: ReportPage) -> None:
    by_hand = replace(THRESHOLD, target=BY_HAND, confidence=None, bound=None)
    said = Page(render_report(replace(light, report=replace(light.report, threshold=by_hand)))).words(
        "threshold"
    )
    assert "It was set by hand: 96.0% of matches are right, 40.0% of same pairs are found, 0.04% of" in said
    assert "Asked for was" not in said


def test_a_promise_that_does_not_hold_is_said_so(light: ReportPage) -> None:
    report = replace(light.report, at_threshold={"precision": 0.9})
    words = Page(render_report(replace(light, report=report))).words("threshold")
    assert "On this split it does not hold." in words
    assert "lookalike calibrate MODEL DATA --split val" in words
    assert "same-label pairs that match (recall) 40.0 –" in words


def test_training_shows_curves_and_the_candidate_that_was_taken(html: str) -> None:
    found = Page(html)
    assert "0.5 0.3 31.0 taken 1 3 29.0" in found.words("training")
    assert "train loss" in found.words("training")


def test_plots_are_embedded_with_the_baseline_and_the_threshold(html: str) -> None:
    found = Page(html)
    assert "untrained" in found.words("pairs")
    assert "threshold 0.512" in found.words("pairs")
    assert "same label" in found.words("pairs")
    assert len([attrs for attrs in found.all("svg") if attrs.get("class") == "plot"]) == 6


def test_rows_mark_right_and_wrong_in_words_too(html: str) -> None:
    found = Page(html)
    kinds = [str(attrs["class"]) for attrs in found.all("figure")]
    assert kinds == ["tile query", "tile right", "tile wrong", "tile query", "tile wrong", "tile right"]
    alts = [attrs["alt"] for attrs in found.all("img")]
    assert alts == ["query: cat", "right: cat", "wrong: dog", "query: dog", "wrong: dog", "right: cat"]
    assert "cat AP 0.75 0.912 0.500 dog" in found.words("rows")
    assert "dog AP 0.04" in found.words("worst")


def test_a_shared_page_names_file_and_folder_only(html: str, folder: Path) -> None:
    assert 'title="cats/1.png"' in html
    assert str(folder) not in html


def test_skipped_recipe_versions_and_fingerprint_are_there(html: str) -> None:
    found = Page(html)
    assert "cats/cut.png truncated 12 bytes are missing" in found.words("skipped")
    assert "/home/me" not in html
    assert "name: emoji-recipe" in found.words("recipe")
    assert "lookalike 0.1.0 numpy 2.4" in found.words("versions")
    assert "fingerprint 0123456789abcdef, report made 2031-01-02 03:04 UTC." in found.words()


def test_a_long_list_of_skipped_files_is_cut_and_says_so(light: ReportPage) -> None:
    many = tuple(Skipped(f"{n}.png", SkipReason.EMPTY) for n in range(MOST_SKIPPED + 5))
    words = Page(render_report(replace(light, report=replace(light.report, skipped=many)))).words("skipped")
    assert f"{MOST_SKIPPED + 5} files could not be used" in words
    assert f"The first {MOST_SKIPPED} are listed" in words
    assert f"{MOST_SKIPPED - 1}.png" in words
    assert f"{MOST_SKIPPED}.png" not in words


def test_pictures_that_were_trained_on_are_called_out_at_the_top(light: ReportPage) -> None:
    words = Page(render_report(replace(light, report=replace(light.report, seen=1700)))).words()
    assert "1,700 of the 1,734 judged pictures were trained on" in words


@pytest.mark.parametrize(
    ("section", "words", "command"),
    [
        ("figures", "this model carries no baseline", "lookalike train CONFIG --data DATA"),
        ("threshold", "no match threshold", "lookalike calibrate MODEL DATA --split val"),
        ("pairs", "The untrained curve is missing", "lookalike train CONFIG --data DATA"),
        ("training", "No training is on record", "lookalike train CONFIG --data DATA"),
        ("rows", "No rows were kept", "lookalike evaluate MODEL DATA --report"),
        ("worst", "No rows were kept", "lookalike evaluate MODEL DATA --report"),
        ("recipe", "keeps no run file", "lookalike train CONFIG --data DATA"),
        ("versions", "No versions are on record", "lookalike train CONFIG --data DATA"),
    ],
)
def test_what_is_missing_says_so_and_names_its_command(
    bare_html: str, section: str, words: str, command: str
) -> None:
    said = Page(bare_html).words(section)
    assert words in said
    assert command in said


def test_a_bare_page_still_says_what_is_known(bare_html: str) -> None:
    found = Page(bare_html)
    assert "There is no figure of the untrained backbone" in found.words()
    assert "The whole data set" in found.words("basis")
    assert "every picture could be used" in found.words("skipped")


def test_a_closed_form_has_no_curves_and_names_what_draws_them(page: ReportPage) -> None:
    words = Page(render_report(replace(page, history={}))).words("training")
    assert "a closed form has no epochs" in words
    assert "--set network.head=linear" in words


def test_pairs_of_one_kind_are_explained_rather_than_drawn(page: ReportPage) -> None:
    lonely = PairHistogram(page.pairs.same, np.zeros_like(page.pairs.different))
    words = Page(render_report(replace(page, pairs=lonely))).words("pairs")
    assert "has 90 same-label and 0 different-label ones" in words


def test_names_are_text_never_markup(page: ReportPage, tmp_path: Path) -> None:
    answers = (RankedAnswer(tmp_path / EVIL, EVIL, 0.5, False),)
    report = replace(
        page.report,
        figures={**page.report.figures, EVIL: Figure(0.1, 0.0, 0.2)},
        skipped=(Skipped(EVIL, SkipReason.EMPTY, EVIL),),
        split=EVIL, model=EVIL, fingerprint=EVIL, baseline=EVIL,
    )  # fmt: skip
    evil = replace(
        page, title=EVIL, report=report, rows=[RankedRow(tmp_path / EVIL, EVIL, answers, 0.1)], recipe=EVIL,
        history={EVIL: [1.0]}, versions={EVIL: EVIL}, split_counts={EVIL: (1, 1)}, created=EVIL,
        candidates=[{EVIL: 1.0, "map@r": 0.5}],
    )  # fmt: skip
    found = Page(render_report(evil))
    assert not found.all("script")
    assert EVIL in found.words("skipped")
    assert f"wrong: {EVIL}" in [attrs["alt"] for attrs in found.all("img")]
    assert not [name for _, attrs in found.tags for name in attrs if name.startswith("on")]


def test_names_that_are_not_utf8_can_be_written(light: ReportPage, tmp_path: Path) -> None:
    report = replace(light.report, skipped=(Skipped("half\udcff\x00.png", SkipReason.BAD_NAME),))
    write_report(replace(light, report=report), tmp_path / "report.html")
    assert "half\ufffd\ufffd.png" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_a_picture_that_is_gone_leaves_a_tile(light: ReportPage, folder: Path) -> None:
    gone = replace(light.rows[0], query=folder / "gone.png")
    assert len(Page(render_report(replace(light, rows=[gone]))).all("img")) == 6


def test_the_same_page_is_the_same_text(page: ReportPage, html: str) -> None:
    assert render_report(page) == html


def test_writing_replaces_whole_and_leaves_nothing_beside(
    page: ReportPage, html: str, tmp_path: Path
) -> None:
    place = tmp_path / "out"
    place.mkdir()
    (place / "report.html").write_text("old")
    write_report(page, place / "report.html")
    assert (place / "report.html").read_text(encoding="utf-8") == html
    assert [path.name for path in place.iterdir()] == ["report.html"]


def test_writing_into_a_missing_folder_is_an_error(bare: ReportPage, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match="cannot be written"):
        write_report(bare, tmp_path / "none" / "report.html")


def test_a_hundred_rows_stay_small(light: ReportPage, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "noise.png")  # the worst that a thumbnail can be
    answers = (RankedAnswer(tmp_path / "noise.png", "noise", 0.5, False),) * 8
    row = RankedRow(tmp_path / "noise.png", "noise", answers, 0.5)
    assert len(render_report(replace(light, rows=[row] * 12, worst=[row] * 12))) < 15e6


@pytest.mark.parametrize(("pairless", "shown"), [([0.0, 0.0], False), ([0.0, 0.5], True)])
def test_a_curve_that_says_nothing_is_left_out(
    page: ReportPage, pairless: list[float], *, shown: bool
) -> None:
    history = {"train_loss": [2.0, 1.0], "val_spread": [0.9, 0.8], "pairless": pairless}
    made = render_report(replace(page, history=history))
    assert ("pairless" in made) is shown
    assert "Spread: 1 is evenly around the sphere" in made
