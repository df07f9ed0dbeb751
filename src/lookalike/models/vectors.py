"""Vectors as a Parquet file that other programs read: id, path, vector. Memory holds one part at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import polars as pl

from lookalike.errors import LookalikeError
from lookalike.models.embedding import Chunk, embed_chunks, without_bad_names
from lookalike.models.model import Model
from lookalike.records import Progress, Skipped

PART = 20_000  # rows that are held in memory


def embed_to_parquet(
    model: Model, paths: Sequence[Path], out: Path, *, progress: Progress | None = None
) -> tuple[Skipped, ...]:
    """Embed pictures into a Parquet file, in input order.

    The columns: id (hex of the content's hash: the same picture has the same id wherever it lies, so files
    that are byte for byte equal share one; the path tells rows apart), path (as given), vector (d float32,
    unit length). The file appears when it is whole.

    Returns:
        The pictures that were left out.

    Raises:
        LookalikeError: the file cannot be written.
    """
    if out.suffix != ".parquet":
        raise LookalikeError(
            "vectors are written as Parquet",
            where=out,
            saw=f"the ending {out.suffix!r}",
            do="end it in .parquet",
        )
    skipped: list[Skipped] = []
    try:
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".embedding-") as name:
            folder = Path(name)
            for number, frame in enumerate(_frames(model, paths, skipped, progress)):
                frame.write_parquet(folder / f"{number:06}.part")
            whole = folder / "whole"
            pl.scan_parquet(folder / "*.part").sink_parquet(whole)
            whole.replace(out)
    except OSError as error:
        raise LookalikeError(
            "the vectors cannot be written",
            where=out,
            saw=error.strerror or str(error),
            do="make the folder, free some space, or name another file",
        ) from error
    return tuple(skipped)


def _frames(
    model: Model, paths: Sequence[Path], skipped: list[Skipped], progress: Progress | None
) -> Iterator[pl.DataFrame]:
    """Parts of at most PART rows; at least one, empty where nothing could be used."""
    held: list[Chunk] = []
    done = 0
    for chunk in without_bad_names(embed_chunks(model, paths), paths):
        held.append(chunk)
        skipped.extend(entry for _, entry in chunk.skipped)
        done += len(chunk.rows) + len(chunk.skipped)
        if progress is not None:
            progress(done, len(paths))
        if sum(len(kept.rows) for kept in held) >= PART:
            yield _frame(paths, held)
            held = []
    if held or done == 0:
        yield _frame(paths, held)


def _frame(paths: Sequence[Path], chunks: Sequence[Chunk]) -> pl.DataFrame:
    rows = [row for chunk in chunks for row in chunk.rows]
    vectors = [vector for chunk in chunks for vector in chunk.vectors]
    return pl.DataFrame(
        {
            "id": [digest.hex() for chunk in chunks for digest in chunk.hashes],
            "path": [str(paths[row]) for row in rows],
            "vector": pl.Series(vectors, dtype=pl.List(pl.Float32)),
        },
        schema={"id": pl.String, "path": pl.String, "vector": pl.List(pl.Float32)},
    )
