"""Retrieval figures and all-pairs ROC AUC: time and memory, beside two libraries that make such figures.

    python -m benchmarks.retrieval [--quick] [--pictures 20000] [--skip NAME ...]

Recall@k, R-precision and MAP@R of pictures in overlapping clusters, some 20 of a class, each in a process of
its own, one after the other; where other work runs too, the time of all processors tells more. Memory is what
the process's peak grows by over its state before the call. pytorch-metric-learning's AccuracyCalculator runs
with faiss twice: as it comes (k = None, which ranks the whole set and needs n² memory; not above 5,000
pictures), and with k = "max_bin_count", which looks as far as the largest class. open-metric-learning has no
R-precision and no MAP@R; it makes CMC@k, precision@1 and MAP at the size of the largest class, the nearest
there is. A library that is not installed is left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from lookalike.judging.metrics import retrieval, summarise
from lookalike.judging.pairs import pair_histogram, roc_auc, roc_auc_error
from lookalike.records import Floats, Labels

DIMS, PER_CLASS = 128, 20
KS = (1, 2, 4, 8)
ASKED = (*(f"recall@{k}" for k in KS), "r_precision", "map@r")
ROUNDS, LONG = 3, 20.0  # the best of three, unless they take many seconds
MOST_FULL = 5000  # pictures, for a peer that ranks the whole set in n² memory

Work = Callable[[], dict[str, float]]
Measured = tuple[float, float, float]


def embeddings(count: int) -> tuple[Floats, Labels]:
    """Unit rows in overlapping clusters, and their labels."""
    rng = np.random.default_rng(0)
    classes = count // PER_CLASS
    labels = rng.integers(0, classes, count)
    rows = rng.normal(size=(classes, DIMS))[labels] + 1.5 * rng.normal(size=(count, DIMS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def three_figures(count: int) -> Work:
    """Recall@k, R-precision and MAP@R of ours."""
    vectors, labels = embeddings(count)
    return lambda: summarise(retrieval(vectors, labels, ks=KS, figures=ASKED, neighbours=0))


def all_figures(count: int) -> Work:
    """Every figure of ours, with eight neighbours of each picture."""
    vectors, labels = embeddings(count)
    return lambda: summarise(retrieval(vectors, labels, ks=KS))


def all_pairs(count: int) -> Work:
    """ROC AUC of all pairs, with what its bins can cost."""
    vectors, labels = embeddings(count)

    def work() -> dict[str, float]:
        histogram = pair_histogram(vectors, labels)
        return {"roc_auc": roc_auc(histogram), "stated error": roc_auc_error(histogram)}

    return work


def metric_learning(count: int) -> Work:
    """pytorch-metric-learning, as far as the largest class."""
    return _calculator(count, k="max_bin_count")


def metric_learning_in_full(count: int) -> Work:
    """pytorch-metric-learning as it comes."""
    return _calculator(count, k=None)


def _calculator(count: int, *, k: str | None) -> Work:
    import torch
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

    vectors, labels = embeddings(count)
    include = ("precision_at_1", "r_precision", "mean_average_precision_at_r")
    calculator = AccuracyCalculator(include=include, k=k, device=torch.device("cpu"))
    return lambda: calculator.get_accuracy(torch.from_numpy(vectors), torch.from_numpy(labels))


def open_metric_learning(count: int) -> Work:
    """open-metric-learning, as far as the largest class."""
    import torch
    from oml.functional.knn import batched_knn
    from oml.functional.metrics import calc_retrieval_metrics

    vectors, labels = embeddings(count)
    largest, ids = int(np.bincount(labels).max()), torch.arange(count)

    def work() -> dict[str, float]:
        _, found, right = batched_knn(
            torch.from_numpy(vectors), ids, ids, top_n=largest, labels_gt=torch.from_numpy(labels)
        )
        made = calc_retrieval_metrics(
            found, right, cmc_top_k=KS, precision_top_k=(1,), map_top_k=(largest,), verbose=False
        )
        return {f"{name}@{k}": float(value) for name, of in made.items() for k, value in of.items()}

    return work


PEERS = {
    "pytorch-metric-learning": metric_learning,
    "pytorch-metric-learning, k = None": metric_learning_in_full,
    "open-metric-learning": open_metric_learning,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--pictures", type=int, default=20_000, help="beside the peers")
    parser.add_argument("--many", type=int, default=60_000, help="of ours alone")
    parser.add_argument("--skip", nargs="+", default=[], choices=[*PEERS, "many"], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="5,000 pictures in both")
    options = parser.parse_args(arguments)
    if options.quick:
        options.pictures = options.many = MOST_FULL
    print("| what | pictures | s | processor s | MB | times ours: s | processor s | MB |\n|" + "---|" * 8)
    _beside_peers(options.pictures, [name for name in PEERS if name not in options.skip])
    if "many" not in options.skip:
        for name, make in (
            ("three figures", three_figures),
            ("all figures", all_figures),
            ("pairs", all_pairs),
        ):
            _print_alone(name, make, options.many)


def _beside_peers(count: int, names: Sequence[str]) -> None:
    ours = _print_alone("ours: recall@k, R-precision, MAP@R", three_figures, count)
    for name in names:
        full = PEERS[name] is metric_learning_in_full and count > MOST_FULL
        base = _alone(three_figures, MOST_FULL) if full else ours
        _print_alone(name, PEERS[name], MOST_FULL if full else count, beside=base)
    _print_alone("ours: all figures, 8 neighbours", all_figures, count, beside=ours)


def _print_alone(
    name: str, make: Callable[[int], Work], count: int, *, beside: Measured | None = None
) -> Measured | None:
    measured = _alone(make, count)
    if measured is None:
        print(f"| {name} | not installed |", flush=True)
        return None
    ratios = [f"{own / other:.1f}" for own, other in zip(measured, beside or (), strict=False)] or [""] * 3
    seconds, processor, memory = measured
    cells = (name, f"{count:,}", f"{seconds:.2f}", f"{processor:.2f}", f"{memory:.0f}", *ratios)
    print(f"| {' | '.join(cells)} |", flush=True)
    return measured


def _alone(make: Callable[[int], Work], count: int) -> Measured | None:
    """What `_measure` sends, from a process of its own; None where something is missing."""
    context = get_context("spawn")
    receive, send = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(make, count, send))
    process.start()
    send.close()
    measured: Measured | None = receive.recv()
    process.join()
    return measured


def _measure(make: Callable[[int], Work], count: int, send: Connection) -> None:
    """Send seconds, seconds of all processors, and megabytes, the least of some rounds."""
    try:
        work = make(count)
    except ModuleNotFoundError:
        send.send(None)
        return
    figures: dict[str, float] = {}
    Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew
    before, taken, busy = _memory_mb("VmRSS"), [0.0], [0.0]
    while len(taken) <= ROUNDS and sum(taken) < LONG:
        start, start_busy = time.perf_counter(), time.process_time()
        figures = work()
        taken.append(time.perf_counter() - start)
        busy.append(time.process_time() - start_busy)
    send.send((min(taken[1:]), min(busy[1:]), _memory_mb("VmHWM") - before))
    print("  " + ", ".join(f"{name} {value:.6g}" for name, value in figures.items()), flush=True)


def _memory_mb(key: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) / 1024


if __name__ == "__main__":
    main()
