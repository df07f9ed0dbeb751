"""What pictures are taken for, counted by hand; and through an index that holds the queries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from album import Album
from lookalike.errors import EvaluationError, SkipReason, TableError
from lookalike.identification import confusion, nearest_pairs, open_confusion, ranked_rows
from lookalike.judging.curves import threshold_curve
from lookalike.judging.decisions import count_at, decide
from lookalike.judging.strangers import ask_twice
from lookalike.records import Hit, Hits, Skipped
from lookalike.search import search_images
from lookalike.tables.table import ImageTable
from vectors_for_judging import clusters, exact_similarities


def table_of(labels: dict[str, str | None]) -> ImageTable:
    frame = pl.DataFrame(
        {"image": list(labels), "label": list(labels.values())}, schema_overrides={"label": pl.String}
    )
    return ImageTable(Path("/album"), frame)


def hits(name: str, *answers: tuple[str | None, float], threshold: float | None = 0.5) -> Hits:
    found = tuple(
        Hit(rank, rank, f"/known/{rank}.png", label, similarity)
        for rank, (label, similarity) in enumerate(answers, start=1)
    )
    return Hits(f"/album/{name}", found, threshold)


TABLE = table_of({"a1": "cup", "a2": "cup", "a3": "cup", "b1": "hat", "b2": "hat", "c1": "owl"})
ANSWERS = [
    hits("a1", ("cup", 0.9), ("hat", 0.8)),
    hits("a2", ("hat", 0.7), ("cup", 0.6)),
    hits("a3", ("cup", 0.4)),  # right, but turned away
    hits("b1", ("hat", 0.5)),  # as alike as the threshold
    hits("b2", ("cup", 0.3)),
    hits("c1"),  # an empty index
]


def test_every_query_is_counted_once() -> None:
    found = confusion(ANSWERS, TABLE)
    assert found.labels == ("cup", "hat", "owl")
    assert found.counts.tolist() == [[1, 1, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1]]
    assert (found.threshold, found.queries) == (0.5, 6)
    assert (found.matched, found.right) == (3 / 6, 2 / 6)
    assert found.precision == 2 / 3


def test_threshold_can_be_another() -> None:
    everything = confusion(ANSWERS, TABLE, threshold=-1.0)
    assert everything.counts.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 1]]
    nothing = confusion(ANSWERS, TABLE, threshold=1.0)
    assert (nothing.matched, nothing.precision, nothing.counts[:, -1].tolist()) == (0.0, 0.0, [3, 2, 1])


def test_labels_that_only_the_index_has_get_a_column() -> None:
    found = confusion([hits("a1", ("bat", 0.9))], TABLE)
    assert found.labels == ("bat", "cup")
    assert found.counts.tolist() == [[0, 0, 0], [1, 0, 0]]


def test_strangers_have_a_row_of_their_own() -> None:
    vectors, labels = clusters(7, 6, noise=1.0, dims=5, seed=2)
    labels[0] = 99  # can only be a stranger
    names = np.array([f"thing {label:02}" for label in labels])
    decisions = decide(ask_twice(vectors, names))
    found = open_confusion(decisions, threshold=0.8)
    counts = count_at(decisions, 0.8)
    assert found.labels == (*(f"thing {number:02}" for number in range(7)), "thing 99")
    assert found.counts.shape == (8, 9)
    assert found.counts.sum(axis=1).tolist() == [*np.unique(names[1:], return_counts=True)[1].tolist(), 0]
    assert (np.trace(found.counts), found.counts[:, -1].sum()) == (counts.right_accepts, counts.wrong_rejects)
    assert found.counts[:, :-1].sum() - np.trace(found.counts) == counts.wrong_accepts
    assert found.strangers is not None
    assert (found.strangers[:-1].sum(), found.strangers[-1]) == (counts.false_accepts, counts.right_rejects)
    exact = exact_similarities(vectors, vectors)
    taken = [names[row] for row in np.where(names == names[:, None], -1, exact).argmax(axis=1)]
    intruded = [
        name for name, alike in zip(taken, decisions.stranger_similarity, strict=True) if alike >= 0.8
    ]
    assert found.strangers[:-1].tolist() == [intruded.count(name) for name in found.labels]


def test_labels_of_any_type_are_sorted_as_text() -> None:
    decisions = decide(ask_twice(np.eye(4, dtype=np.float32)[[0, 0, 1, 1]], np.array([10, 10, 9, 9])))
    found = open_confusion(decisions, threshold=0.5)
    assert found.labels == ("10", "9")
    assert found.counts.tolist() == [[2, 0, 0], [0, 2, 0]]
    assert found.strangers is not None
    assert found.strangers.tolist() == [0, 0, 4]


def test_nearest_pairs_keep_similarity_and_kind() -> None:
    pairs = nearest_pairs(ANSWERS, TABLE)
    assert (pairs.same.sum(), pairs.different.sum()) == (3, 2)
    curve = threshold_curve(pairs)
    assert np.allclose(curve.similarity, [0.9, 0.7, 0.5, 0.4, 0.3], atol=1e-6)
    assert np.allclose(curve.precision, [1, 1 / 2, 2 / 3, 3 / 4, 3 / 5])
    assert np.allclose(curve.recall, [1 / 3, 1 / 3, 2 / 3, 1, 1])


def test_most_and_least_alike_have_bins() -> None:
    pairs = nearest_pairs([hits("a1", ("cup", 1.0)), hits("b1", ("cup", -1.0))], TABLE)
    assert (pairs.same[-1], pairs.different[0]) == (1, 1)


def test_ranked_rows_say_what_is_right() -> None:
    first, second = ranked_rows(ANSWERS[:2], TABLE)
    assert (first.query, first.label) == (Path("/album/a1"), "cup")
    assert [answer.right for answer in first.answers] == [True, False]
    assert [answer.label for answer in second.answers] == ["hat", "cup"]
    assert (first.average_precision, second.average_precision) == (1.0, 0.5)
    assert ranked_rows([hits("a1", ("hat", 0.9))], TABLE)[0].average_precision == 0.0
    assert ranked_rows([hits("c1")], TABLE)[0].answers == ()


def test_pictures_that_could_not_be_used_are_passed_over() -> None:
    answers: list[Hits | Skipped] = [Skipped("/album/b1", SkipReason.EMPTY), ANSWERS[0]]
    assert confusion(answers, TABLE).queries == 1


@pytest.mark.parametrize(
    ("answers", "beats"),
    [
        (
            [hits("a1", ("cup", 0.9), threshold=None)],
            r"threshold - saw answers of a model that has none - lookalike cal",
        ),
        ([hits("z9", ("cup", 0.9))], r"/album/z9 - saw a query that is not in the table - give the table"),
        (
            [hits("a1", (None, 0.9))],
            r"/known/1\.png - saw a picture of the index without a label - index pictures",
        ),
        ([Skipped("/album/a1", SkipReason.EMPTY)], r"answers - saw not one query that could be used"),
    ],
)
def test_answers_that_cannot_be_judged(answers: list[Hits | Skipped], beats: str) -> None:
    with pytest.raises(EvaluationError, match=rf"answers cannot be judged - {beats}"):
        confusion(answers, TABLE)


def test_table_without_a_label_is_refused() -> None:
    with pytest.raises(TableError, match="have no label"):
        confusion([hits("a1", ("cup", 0.9))], table_of({"a1": "cup", "a2": None}))


def test_table_with_parts_of_pictures_is_refused() -> None:
    twice = ImageTable(TABLE.root, pl.concat([TABLE.frame, TABLE.frame[:1]]))
    with pytest.raises(
        EvaluationError, match=r"/album - saw several rows of one picture - a search asks for whole"
    ):
        confusion(ANSWERS, twice)


def test_queries_that_the_index_holds_do_not_find_themselves(tmp_path: Path) -> None:
    """All items are queries too; found by themselves, every one of them would be right."""
    album = Album(tmp_path)
    for number in range(6):
        album.write(f"{'cup' if number % 2 else 'hat'}/{number}.png")
    album.update()
    table = ImageTable.read(album.root)
    answers = list(search_images(album.index, table.paths, k=1, embed=album.embedder))
    assert all(
        hit.path != answer.query for answer in answers if isinstance(answer, Hits) for hit in answer.hits
    )
    assert all(
        hit.similarity < 0.999 for answer in answers if isinstance(answer, Hits) for hit in answer.hits
    )
    found = confusion(answers, table, threshold=-1.0)
    assert found.right < 1.0
    album.index.close()
