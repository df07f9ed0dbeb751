"""Time and memory of the losses, forward + backward, against pytorch-metric-learning in one run.

Prints, for each batch size n (d = 128, K = 4): milliseconds of both (the best of steps that take turns, so
that what else the machine does hits both alike), their ratio, the bare product [n, d] x [d, n] that finding
any nearest negative needs, forward alone and with its backward pass, how many times the former ours takes,
and the peak memory as a multiple of one float32 matrix [n, n].

    python benchmarks/losses.py [--losses triplet_batch_hard] [--sizes 128 512 1024 4096] [--peer-limit 1024]
                                [--threads 2] [--seconds 4]
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import torch
from pytorch_metric_learning import losses as peer_losses
from pytorch_metric_learning import miners as peer_miners
from torch import Tensor
from torch.nn import functional
from torch.profiler import ProfilerActivity, profile

from lookalike.training import losses

DIMS, IMAGES = 128, 4
CLASSES = 1024  # with a learned vector, whatever n is
Step = Callable[[], None]


class Contest(NamedTuple):
    """A loss, and the peer's that is defined alike or nearest to it; both take embeddings and labels."""

    name: str
    ours: losses.Loss
    peer: losses.Loss | None = None


def contests() -> tuple[Contest, ...]:
    """Return all that is measured, in the order of the table."""
    triplets = partial(_mined_peer, peer_losses.TripletMarginLoss(margin=0.2))
    easy_positive = partial(losses.triplet_easy_positive, margin=0.2, distance="euclidean")
    return (
        Contest(
            "triplet_semi_hard",
            partial(losses.triplet_semi_hard, margin=0.2),
            triplets(peer_miners.TripletMarginMiner(0.2, "semihard")),
        ),
        Contest(
            "triplet_batch_hard",
            partial(losses.triplet_batch_hard, margin=0.2),
            triplets(peer_miners.BatchHardMiner()),
        ),
        Contest("triplet_batch_all", partial(losses.triplet_batch_all, margin=0.2), triplets(None)),
        Contest("triplet_easy_positive", easy_positive, triplets(peer_miners.BatchEasyHardMiner())),
        Contest(
            "triplet_distance_weighted",
            partial(losses.triplet_distance_weighted, margin=0.2),
            triplets(peer_miners.DistanceWeightedMiner()),
        ),
        *_pair_contests(),
        Contest(
            "proxy_anchor",
            losses.ProxyAnchor(classes=CLASSES, dim=DIMS),
            peer_losses.ProxyAnchorLoss(CLASSES, DIMS),
        ),
    )


def _pair_contests() -> tuple[Contest, ...]:
    mined = partial(_mined_peer, peer_losses.MultiSimilarityLoss(alpha=2, beta=50, base=0.5))
    return (
        Contest("contrastive", losses.contrastive, peer_losses.ContrastiveLoss(neg_margin=0.5)),
        Contest("multi_similarity", losses.multi_similarity, mined(peer_miners.MultiSimilarityMiner(0.1))),
        Contest("circle", losses.circle, peer_losses.CircleLoss(m=0.4, gamma=80)),
        Contest("hap2s_exponential", losses.hap2s_exponential),
        Contest("hap2s_polynomial", losses.hap2s_polynomial),
        Contest("supervised_contrastive", losses.supervised_contrastive, peer_losses.SupConLoss(0.1)),
        Contest("nt_xent", losses.nt_xent),  # the peer's needs (pairs)², 23 s at n = 512
        Contest("smooth_ap", losses.smooth_ap),  # the peer's needs n³ and labels in order
        Contest("recall_at_k", losses.recall_at_k),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table row for each loss and batch size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    names = [contest.name for contest in contests()]
    parser.add_argument("--losses", nargs="+", default=names, choices=names, metavar="NAME")
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 512, 1024, 4096])
    parser.add_argument("--peer-limit", type=int, default=1024, help="largest n the peer is tried at")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=4.0, help="time for each row")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, d {DIMS}, K {IMAGES}")
    print("| loss | n | ours, ms | peer, ms | peer / ours | product forward, ms | forward + backward, ms |"
          " ours / product forward | peak / (4 n² bytes) |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for contest in (contest for contest in contests() if contest.name in options.losses):
        for n in options.sizes:
            print(_row(contest, n, with_peer=n <= options.peer_limit, seconds=options.seconds), flush=True)


def _row(contest: Contest, n: int, *, with_peer: bool, seconds: float) -> str:
    embeddings, labels = _batch(n)
    steps = {
        "ours": _step(contest.ours, embeddings, labels),
        "forward": lambda: _product(embeddings.detach()),
        "both": _product_both(embeddings),
    }
    if with_peer and contest.peer:
        steps["peer"] = _step(contest.peer, embeddings, labels)
    times = _best_ms(steps, seconds=seconds)
    peak = _peak_bytes(steps["ours"]) / (4 * n * n)
    ours, peer, forward, both = (times.get(key, math.nan) for key in ("ours", "peer", "forward", "both"))
    return (
        f"| {contest.name} | {n} | {ours:.2f} | {peer:.2f} | {peer / ours:.1f} | "
        f"{forward:.2f} | {both:.2f} | {ours / forward:.1f} | {peak:.2f} |"
    )


def _batch(n: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    embeddings = functional.normalize(torch.randn(n, DIMS, generator=generator), dim=1).requires_grad_()
    labels = torch.arange(n) // IMAGES
    return embeddings, labels[torch.randperm(n, generator=generator)]


def _step(loss: losses.Loss, embeddings: Tensor, labels: Tensor) -> Step:
    def step() -> None:
        embeddings.grad = None
        loss(embeddings, labels).backward()

    return step


def _mined_peer(loss: Callable[..., Tensor], miner: Callable[[Tensor, Tensor], object] | None) -> losses.Loss:
    """The peer's loss on what its miner finds; without one, on all that a batch offers."""
    if miner is None:
        return loss
    return lambda embeddings, labels: loss(embeddings, labels, miner(embeddings, labels))


def _product(rows: Tensor) -> None:
    rows @ rows.T


def _product_both(embeddings: Tensor) -> Step:
    ones = torch.ones(len(embeddings), len(embeddings))

    def step() -> None:
        embeddings.grad = None
        torch.autograd.backward(embeddings @ embeddings.T, ones)

    return step


def _best_ms(steps: dict[str, Step], *, seconds: float) -> dict[str, float]:
    """The shortest time of each step; the steps take turns, each with an equal share of the time."""
    best = dict.fromkeys(steps, math.inf)
    spent = dict.fromkeys(steps, 0.0)
    for step in steps.values():
        step()
    while min(spent.values()) < seconds / len(steps):
        for name, step in steps.items():
            while spent[name] <= min(spent.values()):
                begin = time.perf_counter()
                step()
                took = time.perf_counter() - begin
                spent[name] += took
                best[name] = min(best[name], took * 1e3)
    return best


def _peak_bytes(step: Step) -> int:
    """Most bytes that torch held at once during a step, beyond what it held before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as recorder:
        step()
    held = peak = 0
    for event in recorder.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            peak = max(peak, held)
    return peak


if __name__ == "__main__":
    main()
