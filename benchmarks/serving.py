"""The server: search by id and by upload over HTTP, beside the same without HTTP; memory; the first answer.

Prints a table. A load generator of its own process asks (benchmarks.load), whose own limit stands first: what
it reaches with a server that does nothing. Search by id: an index of 100 000 x 128, one worker, beside the
same searches through `Index` in this process, one at a time. Search by upload: 64 x 64 PNGs from 16 clients,
on an index of 2 000, beside the model alone on pixels that are ready, on as many threads as processors; the
two take turns, so that what else the machine does hits both alike. On that index too: the time from the start
of a server until it is ready, and that of its first answer. Memory of the server and its decoders over many
requests.

    python -m benchmarks.serving [--items 100000] [--seconds 10] [--clients 12] [--requests 100000] [--quick]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.indexing import K, clustered, filled_index, random_head
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.search import search_ids

SMALL = 2_000  # items of an index like the sample
UPLOADING = 16  # clients
EXACT_WITHIN = 1.0  # milliseconds
TURNS = 3
BATCH = 8
SERVER = "from lookalike.cli import main; main()"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000, help="vectors in the index that is searched")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each measurement")
    parser.add_argument("--clients", type=int, default=12, help="that search by id")
    parser.add_argument("--requests", type=int, default=100_000, help="over which memory is watched")
    parser.add_argument("--quick", action="store_true", help="2 000 items, 1 second, 2 000 requests")
    options = parser.parse_args(arguments)
    if options.quick:
        options.items, options.seconds, options.requests = 2_000, 1.0, 2_000
    with tempfile.TemporaryDirectory() as folder:
        model = random_head(Path(folder))
        path = filled_index(Path(folder) / "vectors.idx", model, items=options.items)
        print("| what | measured |\n|---|---|", flush=True)
        generator_row(options)
        small_rows(model, options)
        with server(path) as (port, process):
            id_rows(path, port, options)
            memory_row(port, process, options)
        with_base(path, options)


@contextmanager
def server(path: Path) -> Iterator[tuple[int, int]]:
    """A server in a process of its own: its port and its number."""
    command = [sys.executable, "-c", SERVER, "serve", str(path), "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline()
        yield int(address.split("#")[0].strip().strip("/").rpartition(":")[2]), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def load(port: int, **options: object) -> dict[str, Any]:
    """What the load generator measures."""
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "benchmarks.load", "--port", str(port), *words]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    wrong = {status: count for status, count in found["statuses"].items() if status != "200"}
    if wrong:
        raise SystemExit(f"answers that are no answers: {wrong}")
    return found


def generator_row(options: argparse.Namespace) -> None:
    """What the load generator can do."""
    command = [sys.executable, "-m", "benchmarks.load", "--server"]
    trivial = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert trivial.stdout is not None
        port = int(trivial.stdout.readline())
        found = load(port, ask="id", clients=options.clients, seconds=options.seconds)
        row("the load generator, with a server that does nothing", told(found))
    finally:
        trivial.kill()
        trivial.wait()


def small_rows(model: Model, options: argparse.Namespace) -> None:
    """A small index: from start to answer, and search by upload."""
    path = filled_index(model.folder.with_name("small.idx"), model, items=SMALL)
    begun = time.perf_counter()
    with server(path) as (port, _):
        up = time.perf_counter() - begun
        first = load(port, ask="upload", clients=1, count=1)
        after = load(port, ask="upload", clients=1, count=50)
        row(
            f"{SMALL:,} x 128: start to ready; first answer to an upload; later ones, p50",
            f"{up:.2f} s; {first['p50_ms']:.0f} ms; {after['p50_ms']:.0f} ms",
        )
        upload_row(model, port, options)


def id_rows(path: Path, port: int, options: argparse.Namespace) -> None:
    """Search by id, over HTTP and without."""
    asked = {"ask": "id", "clients": options.clients, "items": options.items}
    load(port, **asked, seconds=1)
    health = load(port, ask="health", clients=options.clients, seconds=options.seconds / 2)
    row(f"/healthz, {options.clients} clients", told(health))
    found = load(port, **asked, seconds=options.seconds)
    row(f"search by id, {options.items:,} x 128, {options.clients} clients", told(found))
    row("the same, one client", told(load(port, **(asked | {"clients": 1}), seconds=options.seconds / 2)))
    with Index.open(path) as index:
        bare = rate_of(lambda: index.search(clustered(1, seed=2), k=K), options.seconds / 2)
        verb = rate_of(lambda: search_ids(index, [7]), options.seconds / 2)
    row("Index.search one at a time; search_ids one at a time", f"{bare:,.0f}/s; {verb:,.0f}/s")
    row("search by id over HTTP / Index.search one at a time", f"{found['rate'] / bare:.2f}")


def with_base(path: Path, options: argparse.Namespace) -> None:
    """Search by id where `index --exact-within 1` asked for a base."""
    with Index.open(path) as index:
        index.refresh(exact_within=EXACT_WITHIN)
        note = index.info().base
    with server(path) as (port, _):
        asked = {"ask": "id", "clients": options.clients, "items": options.items}
        load(port, **asked, seconds=1)
        found = load(port, **asked, seconds=options.seconds)
    how = note.in_words() if note is not None else "exact"
    row(f"the same with --exact-within {EXACT_WITHIN:g}: {how}", told(found))


def upload_row(model: Model, port: int, options: argparse.Namespace) -> None:
    """Search by upload and the model alone, taking turns."""
    asked = {"ask": "upload", "clients": UPLOADING}
    load(port, **asked, seconds=1)
    ours, bare, figures = [], [], dict[str, Any]()
    for _ in range(TURNS):
        bare.append(model_rate(model, options.seconds / TURNS))
        figures = load(port, **asked, seconds=options.seconds / TURNS)
        ours.append(figures["rate"])
    ratio = statistics.median(a / b for a, b in zip(ours, bare, strict=True))
    row(
        f"search by upload, {UPLOADING} clients; the model alone",
        f"{told(figures)}; {statistics.median(bare):.1f}/s; ratio {ratio:.2f}",
    )


def model_rate(model: Model, seconds: float) -> float:
    """Pictures a second that the model embeds, on as many threads as processors."""
    size = model.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)
    threads = os.cpu_count() or 1

    def work(_: int) -> float:
        return BATCH * rate_of(lambda: model.embed_pixels(pixels), seconds)

    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(work, range(threads)))


def rate_of(step: Any, seconds: float) -> float:
    """How often a step is done in a second."""
    step()
    begun, count = time.perf_counter(), 0
    while (took := time.perf_counter() - begun) < seconds:
        step()
        count += 1
    return count / took


def memory_row(port: int, process: int, options: argparse.Namespace) -> None:
    """Memory of the server and its children, at the start, in the middle and in the end."""
    seen = [memory_of(process)]
    for _ in range(2):
        load(port, ask="id", clients=options.clients, items=options.items, count=options.requests // 2)
        seen.append(memory_of(process))
    row(
        f"memory before, in the middle of and after {options.requests:,} searches",
        ", ".join(f"{megabytes:.1f} MB" for megabytes in seen),
    )


def memory_of(process: int) -> float:
    """Megabytes that a process and its children hold."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    total = 0
    for number in (process, *children):
        lines = Path(f"/proc/{number}/status").read_text(encoding="ascii").splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total / 1024


def told(found: dict[str, Any]) -> str:
    """Figures in words."""
    return f"{found['rate']:,.0f}/s, p50 {found['p50_ms']:.1f} ms, p99 {found['p99_ms']:.1f} ms"


def row(what: str, measured: str) -> None:
    """Print a line of the table."""
    print(f"| {what} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
