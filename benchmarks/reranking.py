"""What re-ranking gains on things that were never seen: answers of an index, as they come and re-ranked.

    python -m benchmarks.reranking [FOLDER] [--model MODEL]

FOLDER has one sub-folder per class, the sample if left out. Without a model, the sample's recipe learns from
half of the classes; the pictures of the other half are indexed and ask one after the other, and gains are
told with their 95 % intervals over classes. The settings of each way were chosen on the val classes of a
larger set of such drawings, of which 25 are among the sample's 150 test classes. A model that is given must
not know the test half.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.quality import halves
from lookalike.hits import Rerank
from lookalike.indexing.index import Index
from lookalike.judging.intervals import bootstrap_difference
from lookalike.judging.similarity import Doubles
from lookalike.models.model import Model
from lookalike.search import search_ids
from lookalike.tables.table import ImageTable
from lookalike.training.run import train

ROOT = Path(__file__).parent.parent
DEPTH = 50  # answers of each query; no class has more pictures
FIGURES = ("recall@1", "MAP@R")

Thing = tuple[str, bytes]  # label and content hash


def judged(
    index: Index, ids: list[int], things: dict[int, Thing], *, by: Rerank | None
) -> tuple[Doubles, float]:
    """[2, q] recall@1 and MAP@R of each query, NaN without a right answer, and milliseconds a query."""
    start = time.perf_counter()
    answers = search_ids(index, ids, k=DEPTH, rerank=by)
    took = 1000 * (time.perf_counter() - start) / len(ids)
    labels, same = Counter(label for label, _ in things.values()), Counter(things.values())
    figures = []
    for own, found in zip(ids, answers, strict=True):
        label = things[own][0]
        right = np.array([things[hit.id][0] == label for hit in found.hits])
        figures.append(_figures(right, labels[label] - same[things[own]]))
    return np.array(figures).T, took


def _figures(right: NDArray[np.bool_], relevant: int) -> tuple[float, float]:
    if not relevant:
        return np.nan, np.nan
    first = right[:relevant]
    precision = np.cumsum(first) / np.arange(1, len(first) + 1)
    return float(first[0]), float((precision * first).sum() / relevant)


def measure(index: Index, part: ImageTable) -> None:
    """Print the figures of the plain order, and what each way gains."""
    named = zip(part.paths, part.labels, strict=True)
    labels = {item: str(label) for path, label in named for item in index.same_content(None, path)}
    contents = index.contents(list(labels))
    things = {item: (label, contents[item]) for item, label in labels.items()}
    ids = sorted(things)
    names = np.array([labels[item] for item in ids])
    before, took = judged(index, ids, things, by=None)
    shown = zip(FIGURES, np.nanmean(before, axis=1), strict=True)
    print(f"{len(ids):,} pictures of {len(part.classes):,} classes:", end=" ")
    print(", ".join(f"{name} {100 * value:.1f}" for name, value in shown), f"; {took:.2f} ms a query")
    for by in Rerank:
        after, took = judged(index, ids, things, by=by)
        gains = []
        for name, ours, theirs in zip(FIGURES, after, before, strict=True):
            low, high = bootstrap_difference(ours, theirs, names)
            gain = float(np.nanmean(ours) - np.nanmean(theirs))
            gains.append(f"{name} {100 * gain:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})")
        print(f"  {by}: {', '.join(gains)}; {took:.2f} ms a query", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "examples" / "emoji")
    parser.add_argument("--model", type=Path)
    arguments = parser.parse_args()
    table = halves(arguments.folder)
    with tempfile.TemporaryDirectory() as name:
        if arguments.model is None:
            model = train(ROOT / "recipes" / "emoji.yaml", table, out=Path(name) / "run").model
        else:
            model = Model.load(arguments.model)
        for split in ("val", "test"):
            part = table.select(split)
            with Index.create(Path(name) / f"{split}.idx", model) as index:
                index.update(part)
                print(split, end=": ")
                measure(index, part)


if __name__ == "__main__":
    main()
