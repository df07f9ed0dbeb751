"""A report with everything in it: of small painted pictures, judged and calibrated with a tiny model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.calibrating import calibrate
from lookalike.evaluation import evaluate
from lookalike.models.model import Model
from lookalike.presenting.contents import ReportPage
from lookalike.presenting.pages import report_page
from lookalike.records import Alarm, AlarmKind
from lookalike.tables.table import ImageTable

CLASSES, IMAGES = 20, 6
NOISE = 170
MISTAKEN = {(3, 0), (8, 1), (13, 2)}  # pictures that show another thing than their label says
EVIL = "<script>globalThis.broken = 1</script><img src=x onerror='globalThis.broken = 2'>&\" b/w"


def painted(root: Path, *, noise: int = NOISE) -> ImageTable:
    """Things of 4 x 4 coloured fields, half of them for val and half for test; some are taken for others."""
    rng = np.random.default_rng(0)
    names = [f"thing {number}" for number in range(CLASSES - 1)] + [EVIL.replace("/", "|")]
    things = rng.integers(0, 256, (CLASSES, 4, 4, 3))
    for place, name in enumerate(names):
        (root / name).mkdir(parents=True)
        for number in range(IMAGES):
            shown = things[(place + 2) % CLASSES if (place, number) in MISTAKEN else place]
            seen = np.kron(shown + rng.integers(-noise, noise + 1, (4, 4, 3)), np.ones((8, 8, 1)))
            Image.fromarray(np.clip(seen, 0, 255).astype(np.uint8)).save(root / name / f"{number}.png")
    (root / names[0] / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    table = ImageTable.read(root)
    known = np.array(sorted(set(table.labels)))
    splits = np.where(np.isin(table.labels, known[::2]), "val", "test")
    return table.with_splits(splits)


def full_page(root: Path, model: Model) -> ReportPage:
    """Every part of a report, of pictures below root."""
    table = painted(root)
    calibrate(model, table)
    return report_page(
        evaluate(model, table, draws=50), model, table=table, created="2031-01-02 03:04 UTC",
        history={"train_loss": [3.0, 2.0], "val_map@r": [0.1, 0.2], "val_easy": [0.5, 0.6]},
        start={"val_map@r": 0.08}, alarms=[Alarm(AlarmKind.TOO_EASY, 1, "Nearly all are easy.", "Mine.")],
        notes=["Trained 2 epochs on cpu."], candidates=[{"power": 0.5, "map@r": 0.3}], recipe="name: painted",
    )  # fmt: skip
