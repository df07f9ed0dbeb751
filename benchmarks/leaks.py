"""What two leaks are worth: calibrating on training pictures, and asking for pictures that the index holds.

    python -m benchmarks.leaks [--picture docs/confusion.png]

On the sample, labelled by its nine categories. A closed-form head is trained on 60 % of the pictures; a fifth
of the test pictures is indexed. The threshold with the best F1 of the nearest picture is chosen with queries
from train (the first leak) or from val, and tried on the other test pictures; then, the second leak, the one
from val also on all test pictures, without leaving out those that the index holds.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from lookalike import Index, Model, search_images
from lookalike.identification import confusion, nearest_pairs
from lookalike.judging.curves import threshold_curve
from lookalike.models.embedding import embed_table
from lookalike.presenting.plots import save
from lookalike.presenting.plots_identification import confusion_matrix
from lookalike.records import Hits, Skipped
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.run import train

SAMPLE = Path(__file__).parent.parent / "examples" / "emoji"
SPLIT = {"by": "ratio", "train": 0.6, "val": 0.2, "test": 0.2}
DRAWS = 3
Answers = Sequence[Hits | Skipped]


def by_category() -> ImageTable:
    """The sample with its categories as labels."""
    table = ImageTable.read(SAMPLE)
    known = pl.read_csv(SAMPLE / "attributes.csv", infer_schema_length=0).select("class", "category")
    joined = table.frame.select("image", "label").join(known, left_on="label", right_on="class")
    return ImageTable(table.root, joined.select("image", label="category"))


@dataclass(frozen=True)
class Draw:
    """One draw of index and queries, with the answers.

    Attributes:
        known, asked: the test pictures that are indexed, and the others.
        learned: as many training pictures as there are val pictures.
        answers: to the queries of "train", "val" and "test", and "leaking", to all of test without leaving
            anything out.
    """

    known: ImageTable
    asked: ImageTable
    learned: ImageTable
    answers: Mapping[str, Answers]


def draw(model: Model, table: ImageTable, *, seed: int, place: Path) -> Draw:
    """Index a fifth of test, and ask."""
    rng = np.random.default_rng(seed)
    test, val, learned = (table.select(split) for split in ("test", "val", "train"))
    order = rng.permutation(len(test))
    known, asked = test.take(order[: len(order) // 5]), test.take(order[len(order) // 5 :])
    learned = learned.take(rng.permutation(len(learned))[: len(val)])
    with Index.create(place / f"{seed}.idx", model) as index:
        index.update(known)
        parts = {"train": learned, "val": val, "test": asked}
        answers = {name: list(search_images(index, part.paths, k=1)) for name, part in parts.items()}
        vectors = embed_table(model, test).embeddings.vectors
        leaking = index.search(vectors, k=1, names=[str(path) for path in test.paths])
    return Draw(known, asked, learned, {**answers, "leaking": leaking})


def measure(drawn: Draw, table: ImageTable) -> Mapping[str, float]:
    """The figures of one draw."""
    figures: dict[str, float] = {"known": len(drawn.known), "asked": len(drawn.asked)}
    for name, part in (("train", drawn.learned), ("val", table.select("val"))):
        f1, precision, limit = _best(drawn.answers[name], part)
        kept = confusion(drawn.answers["test"], drawn.asked, threshold=limit)
        figures |= {f"{name} queries": len(part), f"{name} f1": f1, f"{name} precision": precision}
        figures |= {f"{name} precision kept": kept.precision, f"{name} right": kept.right}
    leaking = confusion(drawn.answers["leaking"], table.select("test"), threshold=limit)
    return {**figures, "leaking right": leaking.right}


def _best(answers: Answers, table: ImageTable) -> tuple[float, float, float]:
    """F1, precision and similarity of the threshold with the best F1."""
    curve = threshold_curve(nearest_pairs(answers, table))
    best = int(curve.f1.argmax())
    return float(curve.f1[best]), float(curve.precision[best]), float(curve.similarity[best])


def main() -> None:
    """Print the mean of some draws, and the lowest and highest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--picture", type=Path, help="draw the confusion matrix of the first draw to this file"
    )
    picture: Path | None = parser.parse_args().picture
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        run = train(parse_config({"name": "categories", "split": SPLIT}), by_category(), out=place / "run")
        table = ImageTable.read(place / "run" / "split.parquet")
        draws = [draw(run.model, table, seed=seed, place=place) for seed in range(DRAWS)]
        found = [measure(drawn, table) for drawn in draws]
        if picture is not None:
            limit = _best(draws[0].answers["val"], table.select("val"))[2]
            matrix = confusion(draws[0].answers["test"], draws[0].asked, threshold=limit)
            save(confusion_matrix(matrix), picture)
    for figure in found[0]:
        values = [each[figure] for each in found]
        print(f"{figure:<21} {np.mean(values):8.3f}  ({min(values):.3f} to {max(values):.3f})")


if __name__ == "__main__":
    main()
