"""What several data sets share: the zero-shot split, the publishers' own beside it, and boxes.

Enters: rows with the columns that a layout found. Leaves: the columns that a table has, and sentences on
what was decided. Not done here: reading files.
"""

from __future__ import annotations

import polars as pl

PUBLISHED = "published_split"
OWN = f"the publishers' own split is kept: split: {{by: column, column: {PUBLISHED}}} divides by it"


def zero_shot(frame: pl.DataFrame, classes: pl.Series) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Give the first half of the classes to train and the other half to test.

    Args:
        frame: with a column class, whole numbers.
        classes: the numbers of all classes of the data set.

    Returns:
        The frame with a column split, and a sentence that says so.
    """
    numbers = classes.unique().sort().to_list()
    first, others = numbers[: len(numbers) // 2], numbers[len(numbers) // 2 :]
    split = pl.when(pl.col("class").is_in(first)).then(pl.lit("train")).otherwise(pl.lit("test"))
    note = f"the split is zero-shot: {len(first)} classes train, the other {len(others)} test; {OWN}"
    return frame.with_columns(split=split), (note,)


def boxes(corners: pl.DataFrame) -> tuple[pl.Series, tuple[str, ...]]:
    """Make the column box.

    Args:
        corners: [n, 4] numbers in pixels: left, top, right and bottom; the last two are beyond the part.
            Broken pixels belong to the part.

    Returns:
        The column, null where a box holds no pixel, and a sentence that says how many.
    """
    left, top, right, bottom = (corners.to_series(place) for place in range(4))
    whole = pl.DataFrame([left.floor(), top.floor(), right.ceil(), bottom.ceil()]).cast(
        pl.Int64, strict=False
    )
    start, above, end, below = (whole.to_series(place) for place in range(4))
    empty = ~((start < end) & (above < below)).fill_null(value=False)
    column = whole.select(pl.concat_list(pl.all())).to_series().alias("box")
    note = f"boxes that hold no pixel, so that the whole picture is taken: {empty.sum():,}"
    return column.set(empty, None) if empty.any() else column, (note,) if empty.any() else ()
