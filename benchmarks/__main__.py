"""Run every benchmark, one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys

NAMES = (
    "data",
    "embedding",
    "training",
    "trainer",
    "losses",
    "tuning",
    "judging",
    "identification",
    "retrieval",
    "intervals",
    "indexing",
    "approximate",
    "reranking",
    "near_duplicates",
    "duplicates",
    "leaks",
    "report",
    "serving",
)

if __name__ == "__main__":
    for name in NAMES:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
