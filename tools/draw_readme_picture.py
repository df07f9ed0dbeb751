"""Draw README's picture: ranked rows of the sample's test split, as the program ranks them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from lookalike.presenting.gallery import draw_rows
from lookalike.training.run import train

ROOT = Path(__file__).parent.parent
ROWS = 5

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        run = train(ROOT / "recipes" / "emoji.yaml", ROOT / "examples" / "emoji", out=Path(name) / "run")
        assert run.evaluation is not None, "the sample has a test split"
        draw_rows(run.evaluation.rows[:ROWS]).save(ROOT / "docs" / "ranked_rows.png", optimize=True)
