"""Queries to look at: against plain loops over all similarities, for whole sets and for batches."""

from __future__ import annotations

import numpy as np
import pytest

from judged_sets import clustered, judged, unit
from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.presenting.views import View, missed, neighbours, unmatched, worst
from lookalike.records import RankedRow


@pytest.fixture(scope="module")
def found() -> Evaluation:
    vectors, labels = clustered(12, 4, spread=1.5)
    vectors, labels = np.concatenate([vectors, unit(np.eye(16)[:1])]), [*labels, "lonely"]
    return judged(vectors, labels)


def similarities(found: Evaluation) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """[n, n], a picture's own left out; of equals the wrong ones would come first."""
    similar = found.vectors.astype(np.float64) @ found.vectors.T.astype(np.float64)
    np.fill_diagonal(similar, -np.inf)
    return similar


def names(view: View[RankedRow]) -> list[int]:
    return [int(row.query.stem) for row in view.entries]


def test_neighbours_are_a_fair_sample_with_similarities(found: Evaluation) -> None:
    view = neighbours(found, count=5, seed=3)
    assert (len(view.entries), view.total, view.of) == (5, 48, 48)
    assert names(view) == sorted(names(view))
    assert names(view) != names(neighbours(found, count=5, seed=4))
    similar = similarities(found)
    for row in view.entries:
        ranked = np.argsort(-similar[int(row.query.stem)])[:8]
        assert [int(answer.path.stem) for answer in row.answers] == ranked.tolist()
        assert [answer.similarity for answer in row.answers] == pytest.approx(
            similar[int(row.query.stem), ranked].tolist(), abs=1e-5
        )
    drawn = [name for seed in range(200) for name in names(neighbours(found, count=5, seed=seed))]
    counts = np.bincount(drawn, minlength=49)
    assert counts[48] == 0, "a picture without a partner has no right answer"
    assert counts[:48].min() > 5


def test_worst_come_with_the_lowest_average_precision(found: Evaluation) -> None:
    view = worst(found, count=6)
    precision = found.found.values["map"]
    assert [row.average_precision for row in view.entries] == np.sort(precision[:48])[:6].tolist()
    assert view.total == int((precision[:48] < 1.0).sum())


def test_unmatched_have_a_right_answer_and_nothing_above_the_threshold(found: Evaluation) -> None:
    nearest = similarities(found).max(axis=1)[:48]
    threshold = float(np.median(nearest))
    view = unmatched(found, threshold, count=48)
    assert names(view) == np.argsort(nearest, kind="stable")[: view.total].tolist()
    assert view.total == int((nearest < threshold).sum()) == len(view.entries)
    assert (unmatched(found, -1.0).total, unmatched(found, 1.1).total) == (0, 48)
    assert len(unmatched(found, 1.1).entries) == 8, "no more than asked for"


def test_a_query_at_the_threshold_is_matched() -> None:
    found = judged(unit([[1, 0], [1, 0], [0, 1], [0, 1]]), ["a", "a", "b", "b"])
    assert unmatched(found, 1.0).total == 0


def test_missed_have_nothing_right_among_the_answers_kept(found: Evaluation) -> None:
    similar, labels = similarities(found), found.table.labels
    wrong = [row for row in range(48) if labels[row] not in labels[np.argsort(-similar[row])[:8]]]
    view = missed(found, count=48)
    assert sorted(names(view)) == wrong
    assert wrong, "else this tests nothing"
    sure = [row.answers[0].similarity for row in view.entries]
    assert sure == sorted(sure, reverse=True)
    assert not any(answer.right for row in view.entries for answer in row.answers)


def test_a_batch_asks_alone_and_is_answered_by_all(found: Evaluation) -> None:
    batch = list(range(10, 30))
    for view in (
        neighbours(found, rows=batch, count=48),
        worst(found, rows=batch, count=48),
        unmatched(found, 0.9, rows=batch, count=48),
        missed(found, rows=np.array(batch), count=48),
    ):
        assert view.of == 20
        assert set(names(view)) <= set(batch)
    answers = [int(a.path.stem) for row in neighbours(found, rows=batch).entries for a in row.answers]
    assert set(answers) - set(batch)
    assert sorted(names(neighbours(found, rows=batch, count=48))) == batch


@pytest.mark.parametrize("row", [-1, 49])
def test_rows_outside_of_the_table_are_refused(found: Evaluation, row: int) -> None:
    with pytest.raises(EvaluationError, match=f"outside of the table - rows - saw {row}, wanted 0 to 48"):
        neighbours(found, rows=[0, row])


def test_queries_and_gallery_keep_apart() -> None:
    vectors, labels = clustered(4, 4)
    roles = ["query", "gallery", "gallery", "gallery"] * 4
    found = judged(vectors, labels, columns={"role": roles})
    view = neighbours(found, count=16)
    assert names(view) == [0, 4, 8, 12]
    assert not {int(a.path.stem) for row in view.entries for a in row.answers} & {0, 4, 8, 12}
    assert neighbours(found, rows=[0, 1, 2]).of == 1
