"""Who asks whom: queries, gallery and groups, against slow loops and on pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from lookalike import judgement
from lookalike.calibrating import calibrate
from lookalike.errors import EvaluationError
from lookalike.evaluation import evaluate
from lookalike.judging.pairs import pair_histogram
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.presenting import wording
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import render_report
from lookalike.tables.roles import Roles, check_answers, exclusions, roles_of
from lookalike.tables.table import ImageTable
from vectors_for_judging import exact_similarities, unit

Names = list[str | None]


def table(labels: list[str], *, role: Names | None = None, group: Names | None = None) -> ImageTable:
    columns = {"image": [f"{row}.png" for row in range(len(labels))], "label": labels}
    given = {name: column for name, column in (("role", role), ("group", group)) if column is not None}
    return ImageTable(
        Path("/data"), pl.DataFrame({**columns, **given}, schema_overrides=dict.fromkeys(given, pl.String))
    )


def excluded_by_hand(
    role: Names, group: Names, content: list[int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether a row asks, whether it answers, and [n, n] whether two are no answers to each other."""
    n = len(role)
    out = np.zeros((n, n), dtype=bool)
    for i in range(n):
        for j in range(n):
            same_group = group[i] is not None and group[i] == group[j]
            out[i, j] = i == j or content[i] == content[j] or same_group
    asks = np.array([name in (None, "query") for name in role])
    gives = np.array([name in (None, "gallery") for name in role])
    return asks, gives, out


def ranked_by_hand(
    similar: NDArray[np.float64], labels: list[str], asks: NDArray[np.bool_], allowed: NDArray[np.bool_]
) -> list[tuple[list[int], list[bool]]]:
    """For each query its answers, most alike first, of equals the wrong ones; and which are right."""
    ranked = []
    for i in np.flatnonzero(asks):
        rows = [j for j in range(len(labels)) if allowed[i, j]]
        rows.sort(key=lambda j: (-np.floor(similar[i, j] * 2**20 + 0.5), labels[j] == labels[i], j))
        ranked.append((rows, [labels[j] == labels[i] for j in rows]))
    return ranked


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_queries_gallery_and_groups_by_hand(data: st.DataObject) -> None:
    n = data.draw(st.integers(2, 24))

    def column(*values: str | None) -> Names:
        return data.draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))

    labels = [str(label) for label in column("a", "b", "c")]
    role, group = column(None, "query", "gallery"), column(None, "g", "h", "i", "j")
    content = data.draw(st.lists(st.integers(0, 15), min_size=n, max_size=n))
    rng = np.random.default_rng(n)
    vectors = unit(rng.standard_normal((6, 3)))[rng.integers(0, 6, n)]  # many equal ones
    asks, gives, out = excluded_by_hand(role, group, content)
    similar = exact_similarities(vectors, vectors)
    ranked = ranked_by_hand(similar, labels, asks, ~out & gives[None])
    if not any(any(right) for _, right in ranked) or len({labels[j] for j in np.flatnonzero(gives)}) < 2:
        return
    roles = roles_of(table(labels, role=role, group=group), identity=np.array(content))
    judged = judgement.judge(vectors, np.array(labels), roles)
    assert judged.found.relevant.tolist() == [sum(right) for _, right in ranked]
    for at, (rows, right) in enumerate(ranked):
        near = judged.found.neighbours[at]
        assert near[near >= 0].tolist() == rows[: judgement.ANSWERS]
        if any(right):
            hits = np.cumsum(right)
            precisions = [hits[rank] / (rank + 1) for rank in range(len(right)) if right[rank]]
            assert judged.found.values["map"][at] == pytest.approx(np.mean(precisions))
            assert judged.found.values["recall@1"][at] == right[0]
    check_pairs_by_hand(judged.pairs.same.sum(), judged.pairs.different.sum(), labels, asks, gives, out)
    check_answers_by_hand(roles, labels, content, asks, gives)


def check_pairs_by_hand(
    same: int,
    different: int,
    labels: list[str],
    asks: NDArray[np.bool_],
    gives: NDArray[np.bool_],
    out: NDArray[np.bool_],
) -> None:
    pairs = [
        labels[i] == labels[j]
        for i in range(len(labels))
        for j in range(i)
        if not out[i, j] and ((asks[i] and gives[j]) or (asks[j] and gives[i]))
    ]
    assert (same, different) == (sum(pairs), len(pairs) - sum(pairs))


def check_answers_by_hand(
    roles: Roles, labels: list[str], content: list[int], asks: NDArray[np.bool_], gives: NDArray[np.bool_]
) -> None:
    expected = [
        sum(labels[i] == labels[j] and content[i] != content[j] for j in np.flatnonzero(gives))
        for i in np.flatnonzero(asks)
    ]
    assert roles.answers(np.array(labels), but=np.array(content)).tolist() == expected


def test_rows_without_roles_and_groups_ask_each_other() -> None:
    roles = roles_of(table(["a", "b", "a"]))
    assert (roles.queries.tolist(), roles.gallery.tolist()) == ([0, 1, 2], [0, 1, 2])
    assert roles.excluded.tolist() == [[0], [1], [2]]
    assert (roles.given, roles.groups) == (False, 0)
    empty = roles_of(table(["a", "b"], role=[None, None], group=[None, None]))
    assert empty.excluded.shape == empty.unpaired.shape == (2, 1)
    assert (empty.given, empty.groups) == (False, 0)


def test_a_row_without_a_group_shares_none() -> None:
    codes = exclusions(table(["a"] * 4, group=["g", None, None, "g"]))
    assert len(np.unique(codes[:, 1])) == 3
    assert codes[0, 1] == codes[3, 1]


@pytest.mark.parametrize(
    ("role", "what"),
    [
        (["query"] * 3, "there is no gallery - column role of /data - saw 3 rows, all of them query, wanted"),
        (["gallery"] * 3, "there are no queries - column role of /data - saw 3 rows, all of them gallery"),
    ],
)
def test_one_side_alone_is_refused(role: Names, what: str) -> None:
    with pytest.raises(EvaluationError, match=what):
        roles_of(table(["a", "a", "b"], role=role))


@pytest.mark.parametrize(
    ("columns", "saw"),
    [
        ({}, "3 queries, no two of one label"),
        (
            {"role": ["query", "query", "gallery"]},
            "2 queries, none with a picture of its label in the gallery",
        ),
        ({"group": ["g", "h", "i"]}, "3 queries, no two of one label"),
    ],
)
def test_nothing_to_find_is_refused(columns: dict[str, Names], saw: str) -> None:
    with pytest.raises(EvaluationError, match=f"there is nothing to find - labels of /data - saw {saw}"):
        check_answers(table(["a", "b", "c"], **columns))


def test_groups_that_leave_nothing_are_named() -> None:
    with pytest.raises(EvaluationError, match=r"are of its own group, .* - rename the column group"):
        check_answers(table(["a", "a", "b", "b"], group=["g", "g", "h", "h"]))
    check_answers(table(["a", "a", "b", "b"], group=["g", "h", "h", "h"]))
    check_answers(table(["a", "a", "b"], group=["g", None, "h"]))


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A manifest of six things, each taken twice by two cameras; what a camera takes has its tint."""
    rng = np.random.default_rng(0)
    rows = ["image,label,role,group"]
    for thing in range(6):
        fields = rng.integers(60, 200, (4, 4, 3))
        for camera in range(2):
            for shot in range(2):
                seen = (
                    fields // 4
                    + np.array([120, 0, 40] if camera else [0, 120, 0])
                    + rng.integers(-3, 4, (4, 4, 3))
                )
                name = f"{thing}_{camera}_{shot}.png"
                pixels = np.kron(np.clip(seen, 0, 255), np.ones((8, 8, 1))).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / name)
                rows.append(f"{name},thing{thing},{'query' if shot else 'gallery'},camera{camera}")
    path = tmp_path / "street.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def without(manifest: Path, *columns: str) -> ImageTable:
    read = ImageTable.read(manifest)
    return ImageTable(read.root, read.frame.drop(columns))


def test_evaluation_by_roles_and_groups(tiny: Model, street: Path) -> None:
    every = evaluate(tiny, without(street, "role", "group"), draws=20)
    assert (every.report.protocol, every.report.groups) == ("self", 0)
    assert (every.report.queries, every.report.gallery) == (24, 24)
    asked = evaluate(tiny, without(street, "group"), draws=20)
    assert (asked.report.protocol, asked.report.queries, asked.report.gallery) == ("query-gallery", 12, 12)
    assert all(row.query.stem.endswith("1") for row in asked.rows)
    assert all(answer.path.stem.endswith("0") for row in asked.rows for answer in row.answers)
    assert asked.pairs.same.sum() + asked.pairs.different.sum() == 12 * 12
    apart = evaluate(tiny, without(street, "role"), draws=20)
    assert (apart.report.protocol, apart.report.groups, apart.report.queries) == ("self", 2, 24)
    for row in apart.rows:
        assert {answer.path.stem[2] for answer in row.answers} == {"1" if row.query.stem[2] == "0" else "0"}
    both = evaluate(tiny, ImageTable.read(street), draws=20)
    assert both.pairs.same.sum() == 6 * 2
    # the other shot of the same camera is the easy answer; without it the task is another one
    assert every.figures["recall@1"].value == 1.0 > apart.figures["recall@1"].value
    assert (
        "queries against a gallery, answers of the query's own group left out: 12 queries"
        in wording.basis(both.report)
    )


def test_what_only_its_own_group_answers_is_counted(tiny: Model, street: Path) -> None:
    read = ImageTable.read(street)
    kept = np.array(
        [
            not (name.startswith("0_1") or (name.startswith("1_") and name != "1_0_0.png"))
            for name in read.frame["image"]
        ]
    )
    found = evaluate(tiny, read.filter(kept), draws=20)
    report = found.report
    assert (report.queries, report.without_partner, report.only_own_group) == (8, 1, 1)
    page = report_page(found, tiny, table=read, created="2026")
    assert "of these, partner in own group only</dt><dd>1</dd>" in render_report(page)


def test_a_threshold_is_chosen_on_pairs_of_different_groups(tiny: Model, street: Path) -> None:
    read = without(street, "role")
    threshold = calibrate(tiny, read)
    assert (threshold.same_pairs, threshold.different_pairs) == (6 * 4, 12 * 12 - 6 * 4)
    embedded = embed_table(tiny, read)
    every = pair_histogram(embedded.embeddings.vectors, read.labels)
    assert every.same.sum() == 6 * 6
    asked = calibrate(tiny, without(street, "group"))
    assert (asked.same_pairs, asked.different_pairs) == (6 * 4, 12 * 12 - 6 * 4)


def test_a_split_that_cannot_be_judged_is_refused_before_a_picture_is_opened(
    tiny: Model, street: Path
) -> None:
    read = ImageTable.read(street)
    queries = read.filter((read.frame["role"] == "query").to_numpy())
    for path in queries.paths:
        path.unlink()
    for verb in (evaluate, calibrate):
        with pytest.raises(EvaluationError, match="there is no gallery"):
            verb(tiny, queries)
