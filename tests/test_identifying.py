"""Pictures are named, or not, by an index; embeddings are planted, so that every answer is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from album import Album
from fake_embedder import DIM, FakeEmbedder
from lookalike.composing import Given
from lookalike.errors import ModelError
from lookalike.identifying import Identification, identify
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.open_calibrating import calibrate_identification, keep_open_threshold
from lookalike.records import Floats, Skipped
from lookalike.tables.table import ImageTable
from some_open_threshold import some_open_threshold


class PlantedEmbedder(FakeEmbedder):
    """A picture whose content is "30 a" lies at an angle of 30 degrees in a plane."""

    def _vector(self, path: Path, content: bytes, *rest: object) -> Floats:
        self.embedded.append(path.name)
        angle = np.deg2rad(float(content.split()[0]))
        vector = np.zeros(DIM, np.float32)
        vector[:2] = np.cos(angle), np.sin(angle)
        return vector


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    made.embedder = PlantedEmbedder()
    yield made
    made.index.close()


def ask(album: Album, *angles: float, threshold: str = "identify") -> list[Identification]:
    paths = []
    for number, angle in enumerate(angles):
        path = album.root.parent / f"query {number}.png"
        path.write_bytes(f"{angle} query".encode())
        paths.append(path)
    answers = list(identify(album.index, paths, threshold=threshold, embed=album.embedder))
    assert [answer.query for answer in answers if isinstance(answer, Identification)] == [*map(str, paths)]
    return [answer for answer in answers if isinstance(answer, Identification)]


def test_the_nearest_picture_decides_from_the_threshold_on(album: Album) -> None:
    album.write("cup/a.png", "0 a")
    album.write("hat/b.png", "90 b")
    album.update()
    kept = keep_open_threshold(album.model, some_open_threshold(similarity=0.75))
    near, turned_away, far = ask(album, 40, 46, 180)
    assert (near.label, near.candidate, near.known, near.votes) == ("cup", "cup", True, 1)
    assert near.similarity == pytest.approx(np.cos(np.deg2rad(40)))
    assert (turned_away.label, turned_away.candidate, turned_away.known) == (None, "hat", False)
    assert turned_away.similarity == pytest.approx(np.cos(np.deg2rad(44)))
    assert (far.label, far.candidate) == (None, "hat")
    assert near.threshold == kept
    assert [hit.match for hit in near.neighbours] == [None]


def test_a_picture_as_alike_as_the_threshold_is_known(album: Album) -> None:
    album.write("cup/a.png", "0 a")
    album.update()
    keep_open_threshold(album.model, some_open_threshold(similarity=1.0))
    assert ask(album, 0)[0].known


def test_neighbours_vote_and_ties_go_to_the_most_similar(album: Album) -> None:
    for name, angle in {"cup/1": 10, "hat/1": 20, "hat/2": 25, "owl/1": 70, "owl/2": 71, "fox/1": 90}.items():
        album.write(f"{name}.png", f"{angle} {name}")
    album.update()
    keep_open_threshold(album.model, some_open_threshold(similarity=0.9, vote=3), name="three")
    outvoted, tied, distant = ask(album, 5, 84, 45, threshold="three")
    assert (outvoted.label, outvoted.votes) == ("hat", 2)
    assert outvoted.similarity == pytest.approx(np.cos(np.deg2rad(15)))
    assert [hit.label for hit in outvoted.neighbours] == ["cup", "hat", "hat"]
    assert (tied.label, tied.votes) == ("owl", 2)
    assert (distant.candidate, distant.votes, distant.label) == ("hat", 2, "hat")
    keep_open_threshold(album.model, some_open_threshold(similarity=0.9, vote=2), name="two")
    (tied,) = ask(album, 14, threshold="two")
    assert (tied.label, tied.votes) == ("cup", 1)


def test_a_label_that_is_added_to_the_index_is_named_without_training(album: Album) -> None:
    album.write("cup/a.png", "0 a")
    album.update()
    keep_open_threshold(album.model, some_open_threshold(similarity=0.9))
    assert not ask(album, 60)[0].known
    album.write("new/b.png", "62 b")
    album.update()
    assert ask(album, 60)[0].label == "new"


def test_an_empty_index_knows_nothing(album: Album) -> None:
    keep_open_threshold(album.model, some_open_threshold())
    (found,) = ask(album, 10)
    assert (found.label, found.candidate, found.similarity, found.votes, found.neighbours) == (
        None,
        None,
        None,
        0,
        (),
    )


def test_pictures_without_a_label_have_no_part(album: Album) -> None:
    for number in range(12):
        album.write(f"{number}.png", f"{number} loose")
    album.write("cup/a.png", "30 a")
    album.write("hat/a.png", "50 a")
    table = ImageTable.read(album.root / "cup")
    album.index.update(ImageTable.read(album.root), embed=album.embedder)
    assert len(table) == 1
    keep_open_threshold(album.model, some_open_threshold(similarity=0.9, vote=2))
    (found,) = ask(album, 5)
    assert {hit.label for hit in found.neighbours} <= {"cup", "hat"}
    assert found.candidate == "cup"


def test_neither_a_picture_nor_a_copy_of_it_answers_to_itself(album: Album) -> None:
    own = album.write("cup/a.png", "0 same")
    album.write("hat/b.png", "90 b")
    album.update()
    keep_open_threshold(album.model, some_open_threshold(similarity=0.9))
    copy = album.root.parent / "copy.png"
    copy.write_bytes(own.read_bytes())
    ((of_item,), (of_content,)) = album.index.vectors([1]), album.index.vectors([1])
    content = album.index.store.facts([1])[1].hash
    uploaded, listed = Given("upload", of_content, content), Given("item", of_item, content, 1)
    for found in identify(album.index, [own, copy, uploaded, listed], embed=album.embedder):
        assert isinstance(found, Identification)
        assert (found.label, found.candidate) == (None, "hat")


def test_pictures_that_cannot_be_used_keep_their_place(album: Album) -> None:
    album.write("cup/a.png", "0 a")
    album.update()
    keep_open_threshold(album.model, some_open_threshold())
    good = album.root.parent / "good.png"
    good.write_bytes(b"1 good")
    answers = list(identify(album.index, ["/no/such.png", good], embed=album.embedder))
    assert isinstance(answers[0], Skipped)
    assert isinstance(answers[1], Identification)


def test_a_threshold_for_two_pictures_does_not_do(album: Album) -> None:
    with pytest.raises(ModelError, match="has no threshold for identification"):
        ask(album, 1)
    with pytest.raises(ModelError, match="of that name"):
        ask(album, 1, threshold="strict")


def test_decisions_of_an_index_are_those_of_the_calibration(tiny: Model, few: Path, tmp_path: Path) -> None:
    """All pictures of a table, each asked of an index of all: the known things of a calibration."""
    table = ImageTable.read(few)
    threshold = calibrate_identification(tiny, table, vote=3)
    with Index.create(tmp_path / "all.idx", tiny) as index:
        index.update(table)
        answers = [answer for answer in identify(index, table.paths) if isinstance(answer, Identification)]
    right = sum(answer.label == label for answer, label in zip(answers, table.labels, strict=True))
    known = sum(answer.known for answer in answers)
    assert right / len(answers) == pytest.approx(threshold.true_identification_rate, abs=0.02)
    wrong = (known - right) / len(answers)
    assert wrong == pytest.approx(threshold.wrong_identification_rate, abs=0.02)


def test_pictures_that_are_given_are_identified_as_their_files(album: Album) -> None:
    album.write("cup/a.png", "0 a")
    album.write("b.png", "5 b")  # without a label: asked again among those that have one
    album.update()
    keep_open_threshold(album.model, some_open_threshold(similarity=0.75))
    path = album.root.parent / "query 0.png"
    (wanted,) = ask(album, 10)
    vector = album.embedder._vector(path, path.read_bytes(), None, b"", None)
    (found,) = identify(album.index, [Given("mine", vector)])
    assert found == replace(wanted, query="mine")
    assert isinstance(found, Identification)
    assert found.label == "cup"
