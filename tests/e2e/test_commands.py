"""The real command in a subprocess, on real files: what it prints, where, and its exit code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import polars as pl
import pytest

from commands import fails, lookalike

RECIPE = """
name: few
split: {by: class, train: 0.5, val: 0.25, test: 0.25}
network: {embedding_dim: 16}
"""


@pytest.fixture(scope="session")
def run(few: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder, made by the command."""
    place = tmp_path_factory.mktemp("runs")
    (place / "few.yaml").write_text(RECIPE)
    done = lookalike("train", place / "few.yaml", "--data", few, "--out", place / "few")
    assert done.returncode == 0, done.stderr
    assert "For " in done.stdout
    assert "map@r" in done.stdout
    return place / "few"


@pytest.fixture(scope="session")
def index(run: Path, few: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of the same pictures, made by the command."""
    path = tmp_path_factory.mktemp("index") / "few.idx"
    done = lookalike("index", path, few, "--model", run / "model")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return path


def test_run_folder_is_complete(run: Path) -> None:
    names = {path.name for path in run.iterdir()}
    assert {"config.yaml", "split.parquet", "versions.json", "model", "report.html", "report.json"} <= names
    model = {path.name for path in (run / "model").iterdir()}
    assert model == {
        "model.onnx",
        "model.json",
        "weights.safetensors",
        "README.md",
        "seen.npy",
        "calibration.json",
    }
    assert (run / "report.html").read_text().count("<svg") >= 3
    assert "untrained" in (run / "model" / "README.md").read_text()


def test_describe_as_text_json_and_plot(few: Path, tmp_path: Path) -> None:
    text = lookalike("describe", few)
    assert (text.returncode, "30" in text.stdout) == (0, True)
    facts = json.loads(lookalike("describe", few, "--json", "--plot", tmp_path / "classes.png").stdout)
    assert facts["classes"] == 30
    assert (tmp_path / "classes.png").read_bytes()[:4] == b"\x89PNG"


def test_doctor_as_text_json_page_and_manifest(few: Path, tiny_folder: Path, tmp_path: Path) -> None:
    data, things = tmp_path / "data", sorted(few.iterdir())[:3]
    for thing in things:
        shutil.copytree(thing, data / thing.name)
    first = next((data / things[0].name).iterdir())
    shutil.copy(first, first.with_name("again.png"))
    (data / "broken.png").write_text("no picture")
    done = lookalike("doctor", data, "--model", tiny_folder, "--html", tmp_path / "page.html", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "MEND  1 of" in done.stdout
    assert "Opening and embedding" in done.stderr
    assert (tmp_path / "page.html").read_text().lstrip().startswith("<!doctype html>")
    again = ("doctor", data, "--model", tiny_folder, "--manifest", tmp_path / "clean.csv", "--json")
    found = json.loads(lookalike(*again).stdout)
    assert {entry["reason"] for entry in found["left_out"]} >= {"cannot be used: not an image", "equal to"}
    done = lookalike("doctor", tmp_path / "clean.csv", "--model", tiny_folder)
    assert "no picture is there twice, byte for byte" in done.stdout
    assert "pictures can be used" in done.stdout
    fails(lookalike("doctor", tmp_path / "nowhere"), "there is no such file or folder")


def test_evaluate_keeps_its_contract(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = lookalike("evaluate", run / "model", run / "split.parquet", "--json", "--report", page)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    figures = [
        "recall@1",
        "recall@2",
        "recall@4",
        "recall@8",
        "precision@1",
        "map",
        "r_precision",
        "map@r",
        "roc_auc",
    ]
    for name in figures:
        figure = found[name]
        assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, name
        assert 0 <= figure["baseline"] <= 1
    assert found["split"] == "test"
    assert (found["queries"], found["skipped"], found["seen"]) == (found["gallery"], [], 0)
    assert page.read_text().startswith("<!doctype html>") or page.read_text().startswith("<!DOCTYPE html>")


def test_what_reading_left_out_or_put_right_is_told(few: Path, tiny_folder: Path, tmp_path: Path) -> None:
    model, data = tmp_path / "model", tmp_path / "data"
    shutil.copytree(tiny_folder, model)
    shutil.copytree(few, data)
    gone, loose = next(data.iterdir()) / "gone.png", data / "loose.png"
    gone.symlink_to("nowhere")
    for command, told in (("evaluate", gone.relative_to(data)), ("calibrate", gone)):
        done = lookalike(command, model, data, "--json")
        assert done.returncode == 0, done.stderr
        assert [entry["path"] for entry in json.loads(done.stdout)["skipped"]] == [str(told)]
        assert f"{gone}: missing (a link to nothing)" in done.stderr
    shutil.copy(next(few.rglob("*.png")), loose)
    done = lookalike("index", tmp_path / "a.idx", data, "--model", model)
    assert done.returncode == 0, done.stderr
    assert "1 left out (--skipped FILE lists them)" in done.stderr
    assert "lie in no label's folder, so without a label: 1" in lookalike("evaluate", model, data).stderr
    manifest = data / "data.csv"
    rows = [f"{path.parent.name}/{path.name},{path.parent.name}" for path in sorted(few.rglob("*.png"))]
    manifest.write_text("\n".join(["image,label", *rows, rows[0]]))
    for command in ("evaluate", "calibrate"):
        assert (
            "repeat another one word for word, and were left out: 1"
            in lookalike(command, model, manifest).stderr
        )


def test_moved_pictures_are_named_by_root(run: Path, few: Path, tmp_path: Path) -> None:
    split = tmp_path / "split.parquet"
    frame = pl.read_parquet(run / "split.parquet")
    frame.with_columns(
        __root__=pl.lit(str(tmp_path / "old")), __root_from_file__=pl.lit("old")
    ).write_parquet(split)
    model = tmp_path / "model"
    shutil.copytree(run / "model", model)
    for command in ("evaluate", "calibrate"):
        fails(lookalike(command, model, split), "not where they were", "--root FOLDER")
        done = lookalike(command, model, split, "--root", few)
        assert done.returncode == 0, done.stderr


def test_evaluate_says_when_it_judges_training_pictures(run: Path, few: Path) -> None:
    done = lookalike("evaluate", run / "model", few)
    assert done.returncode == 0, done.stderr
    assert "the figures flatter" in done.stdout


def test_calibrate_prints_the_promise(run: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    shutil.copytree(run / "model", model)
    done = lookalike("calibrate", model, run / "split.parquet", "--target", "false-match-rate=0.05", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["false_match_rate"] <= found["bound"] <= 0.05
    assert "at most 5% of different pairs match" in found["promise"]
    stored = json.loads((model / "model.json").read_text())["thresholds"]["default"]
    assert stored["similarity"] == found["similarity"]


def test_match_answers_by_exit_code(run: Path, few: Path) -> None:
    same = next(few.iterdir()) / "noto.png"
    found = lookalike("match", run / "model", same, same)
    assert (found.returncode, found.stdout.splitlines()[0][:5]) == (0, "MATCH")
    other = sorted(few.iterdir())[-1] / "noto.png"
    refused = lookalike("match", run / "model", same, other, "--json")
    verdict = json.loads(refused.stdout)
    assert refused.returncode == (0 if verdict["match"] else 1)
    assert verdict["match"] == (verdict["similarity"] >= verdict["threshold"])


def test_match_without_threshold_refuses(few: Path, cache: Path, tiny_folder: Path) -> None:
    picture = next(few.rglob("*.png"))
    fails(lookalike("match", tiny_folder, picture, picture), "no match threshold", "lookalike calibrate")


def test_search_leaves_the_query_out(index: Path, few: Path) -> None:
    query = sorted(few.rglob("noto.png"))[4]
    done = lookalike("search", index, query, "-k", 5, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"query", "hits", "threshold", "exact", "order", "parts", "nothing", "nearest"}
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3, 4, 5]
    said = {"match", "probability", "band", "copies"}
    assert set(found["hits"][0]) == {"rank", "id", "path", "label", "similarity", *said}
    assert str(query) not in {hit["path"] for hit in found["hits"]}
    similarities = [hit["similarity"] for hit in found["hits"]]
    assert similarities == sorted(similarities, reverse=True)


def test_search_styles(index: Path, few: Path, tmp_path: Path) -> None:
    queries = sorted(few.rglob("noto.png"))[:3]
    lines = lookalike("search", index, *queries, "--jsonl", "-k", 2).stdout.splitlines()
    assert [json.loads(line)["query"] for line in lines] == list(map(str, queries))
    paths = lookalike("search", index, queries[0], "--paths", "-k", 3).stdout.splitlines()
    zeros = lookalike("search", index, queries[0], "-0", "-k", 3).stdout
    assert zeros.split("\0") == [*paths, ""]
    piped = lookalike("search", index, "-", "--paths", "-k", 3, stdin=f"{queries[0]}\n")
    assert piped.stdout.splitlines() == paths
    page = tmp_path / "answers.html"
    shown = lookalike("search", index, queries[0], "--html", page)
    assert str(queries[0]) in shown.stdout
    assert "data:image" in page.read_text()


def test_search_reports_bad_queries_and_goes_on(index: Path, few: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no picture")
    good = next(few.rglob("*.png"))
    mixed = lookalike("search", index, bad, good, "--jsonl")
    assert (mixed.returncode, len(mixed.stdout.splitlines())) == (0, 1)
    assert f"{bad}: not an image" in mixed.stderr
    alone = lookalike("search", index, bad)
    assert (alone.returncode, alone.stdout) == (2, "")


def test_search_in_an_empty_index_finds_nothing(tiny_folder: Path, tmp_path: Path, few: Path) -> None:
    only = tmp_path / "only"
    only.mkdir()
    picture = next(few.rglob("*.png"))
    shutil.copy(picture, only / "a.png")
    assert lookalike("index", tmp_path / "a.idx", only, "--model", tiny_folder).returncode == 0
    assert lookalike("search", tmp_path / "a.idx", picture).returncode == 1


def test_index_again_embeds_nothing(index: Path, few: Path) -> None:
    again = lookalike("index", index)
    assert again.returncode == 0
    assert "unchanged" in again.stderr
    assert "added" not in again.stderr


def test_one_unreadable_source_does_not_stop_the_others(few: Path, tiny_folder: Path, tmp_path: Path) -> None:
    sources = [tmp_path / name for name in ("a", "b", "c")]
    for source in sources:
        shutil.copytree(next(few.iterdir()), source)
    index = tmp_path / "a.idx"
    assert lookalike("index", index, *sources, "--model", tiny_folder).returncode == 0
    shutil.rmtree(sources[0])
    shutil.copy(sorted(few.rglob("*.png"))[60], sources[2] / "new.png")
    done = lookalike("index", index)
    fails(done, str(sources[0]))
    assert f"{index}: 1 added, " in done.stderr


def test_failed_index_leaves_nothing_behind(few: Path, tiny_folder: Path, tmp_path: Path) -> None:
    index = tmp_path / "a.idx"
    fails(lookalike("index", index, tmp_path / "nowhere", "--model", tiny_folder), "nowhere")
    fails(lookalike("index", index), "no index to bring up to date", "lookalike index")
    assert not index.exists()


def test_failed_training_leaves_the_folder_free(few: Path, tmp_path: Path, cache: Path) -> None:
    recipe, out = tmp_path / "a.yaml", tmp_path / "run"
    recipe.write_text(RECIPE)
    fails(lookalike("train", recipe, "--data", tmp_path / "nowhere", "--out", out), "nowhere")
    unknown = lookalike("train", recipe, "--data", few, "--out", out, "--set", "network.backbone=resnet19")
    fails(unknown, "unknown backbone")
    assert lookalike("train", recipe, "--data", few, "--out", out).returncode == 0


def test_default_split_of_small_classes_says_what_to_do(few: Path, tmp_path: Path, cache: Path) -> None:
    recipe = tmp_path / "a.yaml"
    recipe.write_text("name: a")
    done = lookalike("train", recipe, "--data", few, "--out", tmp_path / "run")
    fails(done, "split test", "split.by=class")


def test_embed_writes_parquet(run: Path, few: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    out = tmp_path / "vectors.parquet"
    done = lookalike("embed", run / "model", few, bad, "-o", out)
    assert done.returncode == 0, done.stderr
    frame = pl.read_parquet(out)
    assert frame.schema == {"id": pl.String, "path": pl.String, "vector": pl.List(pl.Float32)}
    assert len(frame) == len(list(few.rglob("*.png")))
    assert set(frame["vector"].list.len()) == {16}
    assert "bad.png: empty" in done.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_info_of_both_kinds(run: Path, index: Path, options: tuple[str, ...]) -> None:
    for target in (run / "model", index):
        done = lookalike("info", target, *options)
        assert done.returncode == 0, done.stderr
        assert "fingerprint" in done.stdout


def test_errors_are_one_line_with_a_remedy(run: Path, few: Path, tmp_path: Path, tiny_folder: Path) -> None:
    recipe = tmp_path / "a.yaml"
    recipe.write_text("los: {margin: 1}")
    fails(lookalike("train", recipe, "--data", few), "unknown key", "did you mean loss?")
    recipe.write_text("")
    fails(lookalike("train", recipe, cwd=tmp_path), "no data was named", "--data")
    fails(lookalike("evaluate", run / "model", tmp_path / "nowhere"), "nowhere")
    fails(lookalike("evaluate", tmp_path, few), "no model lies here", "default")
    fails(lookalike("search", tmp_path / "none.idx", next(few.rglob("*.png"))), "none.idx")
    recipe.write_text(RECIPE)
    fails(lookalike("train", recipe, "--data", few, "--out", run), "holds a run already", "--resume")


def test_index_of_another_model_is_refused(index: Path, tiny_folder: Path) -> None:
    fails(lookalike("index", index, "--model", tiny_folder), "another model", "lookalike index")


@pytest.mark.parametrize("pictures", [0, 1])
def test_untrainable_data_is_refused(tmp_path: Path, few: Path, pictures: int, cache: Path) -> None:
    data = tmp_path / "data"
    for folder in sorted(few.iterdir())[:4]:
        (data / folder.name).mkdir(parents=True)
        for picture in sorted(folder.iterdir())[:pictures]:
            shutil.copy(picture, data / folder.name)
    recipe = tmp_path / "a.yaml"
    recipe.write_text("name: a")
    fails(
        lookalike("train", recipe, "--data", data, "--out", tmp_path / "run"),
        str(data) if pictures == 0 else "one",
    )


def test_usage_errors_exit_with_2() -> None:
    done = lookalike("search", "--nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_non_terminal_gets_no_bars(few: Path, tiny_folder: Path, tmp_path: Path) -> None:
    done = lookalike("index", tmp_path / "a.idx", few, "--model", tiny_folder)
    assert "\x1b" not in done.stderr
    assert "\r" not in done.stderr


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if not key.startswith("PYTHON")}


def test_installed_script_is_the_same_door() -> None:
    script = Path(sys.executable).parent / "lookalike"
    done = subprocess.run(
        [script, "--help"], capture_output=True, text=True, env=clean(os.environ), check=True
    )
    for name in (
        "describe",
        "doctor",
        "train",
        "evaluate",
        "calibrate",
        "embed",
        "index",
        "search",
        "match",
        "info",
        "demo",
    ):
        assert name in done.stdout
