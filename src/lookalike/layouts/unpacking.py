"""Give pictures that lie packed in a few large files a file each, once, in the cache.

Enters: the packed files, and their rows in portions: of the pictures, no more than one is held here.
Leaves: the contents of a folder in the cache: `<split>/<label>/<row>.<format>`, at most a thousand files in
one folder, with the table of all rows beside them. Encoded pictures are written as they are, pixels as PNG,
so nothing is lost. The folder's name comes from the content of the packed files: when one changes, another
folder is made, and the same files are unpacked once wherever they lie. Reading them is the layouts' work.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl
from PIL import Image

from lookalike.cache import UNPACKED, cache_folder, make_once
from lookalike.errors import LookalikeError, SkipReason, TableError
from lookalike.files import write_atomically
from lookalike.layouts.layout import Contents
from lookalike.layouts.listing import AGAIN, missing
from lookalike.pictures.formats import EXTENSIONS
from lookalike.records import Pixels, Skipped

_VERSION = 1  # of what is written: another one unpacks again
_ROWS, _FACTS = "rows.parquet", "facts.json"
_DATA = "<data>/"  # begins a path in the data set's own folder, wherever that lies; no label's folder has it
_FULL_FOLDER = 1000
_LONGEST_NAME = 60
_SETTLED_NANOSECONDS = 2_000_000_000  # a change within the clock's step of the last one would not show
_FASTEST = 1  # of zlib's levels: a third larger than the best, several times as fast

_MARKS = (
    (re.compile(rb"\xff\xd8\xff"), ".jpg"),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), ".png"),
    (re.compile(rb"GIF8[79]a"), ".gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), ".webp"),
    (re.compile(rb"II\*\0|MM\0\*"), ".tif"),
    (re.compile(rb"....ftypavi[fs]", re.DOTALL), ".avif"),
    (re.compile(rb"....ftyp(?:hei|hev|mif1|msf1)", re.DOTALL), ".heic"),
    (re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"), ".jp2"),
    (re.compile(rb"BM"), ".bmp"),
)


@dataclass(frozen=True)
class Packed:
    """Files in which pictures lie packed.

    Attributes:
        name: what the folder in the cache begins with.
        folder: where the data set lies.
        files: all files that what is unpacked depends on.
        options: how they are to be read, where that can differ.
    """

    name: str
    folder: Path
    files: tuple[Path, ...]
    options: str = ""


@dataclass(frozen=True)
class Absent:
    """A row without a picture: it is left out and reported."""

    reason: SkipReason
    detail: str


@dataclass(frozen=True)
class File:
    """A picture that has a file of its own already; nothing is unpacked.

    Attributes:
        path: absolute, or relative to the data set's folder.
    """

    path: str


@dataclass(frozen=True)
class Encoded:
    """A picture as the content of an image file.

    Attributes:
        content: the bytes.
        name: what the file was called, for the extension of formats that do not show theirs.
    """

    content: bytes
    name: str = ""


Picture = Pixels | Encoded | File | Absent


@dataclass(frozen=True)
class Portion:
    """Some rows of a data set that stand together.

    Attributes:
        split: the split's name as published; a folder gets it where it can.
        frame: [n] rows: label, and whatever else is known; no column image.
        pictures: n of them.
        place: where the first row stands, for reports: a file and the number of the row, from 1.
    """

    split: str
    frame: pl.DataFrame
    pictures: Sequence[Picture]
    place: tuple[str, int]


def unpack(packed: Packed, portions: Callable[[], Iterable[Portion]]) -> Contents:
    """Give every picture a file, or find that this was done.

    Args:
        packed: the files.
        portions: reads them; called when they have to be unpacked. All portions have the same columns.

    Returns:
        The rows in their order, without those that have no picture, relative to the folder in the cache.

    Raises:
        TableError: a file is missing or changes while it is read, or there is not one picture.
        LookalikeError: the cache cannot be written, for example because the disk is full.
    """
    before = _stamp(packed)
    folder = cache_folder().absolute() / UNPACKED / f"{packed.name}-{_content_key(packed, before)}"

    def fill(place: Path) -> None:
        writer = _Writer(packed, place)
        for portion in portions():
            writer.write(portion)
        if _stamp(packed) != before:
            saw, do = "another size or time than before", "wait until nobody writes there, and run this again"
            raise TableError("the files changed while they were read", where=packed.folder, saw=saw, do=do)
        writer.finish()

    make_once(folder, fill, is_whole=_is_whole)
    facts, skipped = _facts(folder)
    note = f"the pictures of {packed.folder} lie unpacked in {folder}, which may be deleted: it is made again"
    image, root = pl.col("image"), pl.lit(f"{packed.folder.absolute().as_posix()}/")
    own = pl.when(image.str.starts_with(_DATA)).then(root + image.str.strip_prefix(_DATA)).otherwise(image)
    frame = pl.read_parquet(folder / _ROWS).with_columns(own.alias("image"))
    return Contents(folder, frame, skipped, (note,) if facts["files"] else ())


class _Writer:
    """A folder that is being filled."""

    def __init__(self, packed: Packed, folder: Path) -> None:
        self.packed, self.folder = packed, folder
        self.rows: Counter[str] = Counter()  # by split
        self.files: Counter[str] = Counter()  # by folder
        self.frames: list[pl.DataFrame] = []
        self.skipped: list[Skipped] = []

    def write(self, portion: Portion) -> None:
        split, images = _safe(portion.split), list[str | None]()
        labels = portion.frame["label"].to_list()
        for index, (picture, label) in enumerate(zip(portion.pictures, labels, strict=True)):
            self.rows[split] += 1
            if isinstance(picture, Absent):
                file, first = portion.place
                where = f"{file}: row {first + index}"
                self.skipped.append(Skipped(where, picture.reason, picture.detail))
                images.append(None)
            elif isinstance(picture, File):
                images.append(picture.path if Path(picture.path).is_absolute() else _DATA + picture.path)
            else:
                images.append(self._write(picture, split, label))
        column = pl.Series("image", images, dtype=pl.String)
        frame = portion.frame.select(column, *portion.frame.columns)
        self.frames.append(frame.filter(pl.col("image").is_not_null()))

    def finish(self) -> None:
        frame = self._rows()
        if frame.is_empty():
            saw = f"{len(self.skipped):,} rows without one" if self.skipped else "no rows"
            what = "there are no pictures in the data set"
            raise TableError(what, where=self.packed.folder, saw=saw, do=AGAIN)
        rows = io.BytesIO()
        frame.write_parquet(rows)
        (self.folder / _ROWS).write_bytes(rows.getvalue())
        skipped = [asdict(entry) for entry in self.skipped]
        facts = {"files": self.files.total(), "rows": rows.tell(), "skipped": skipped}
        (self.folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

    def _rows(self) -> pl.DataFrame:
        try:
            return pl.concat(self.frames, how="vertical_relaxed") if self.frames else pl.DataFrame()
        except pl.exceptions.PolarsError as error:
            saw = str(error).strip().split("\n", 1)[0]
            what = "the files of the data set have columns of different kinds"
            raise TableError(what, where=self.packed.folder, saw=saw, do=AGAIN) from error

    def _write(self, picture: Pixels | Encoded, split: str, label: str | None) -> str:
        place = f"{split}/{_safe(label or 'unlabelled')}"
        block = self.files[place] // _FULL_FOLDER
        self.files[place] += 1
        inner = f"{place}/{block}" if block else place
        if self.files[place] % _FULL_FOLDER == 1:
            (self.folder / inner).mkdir(parents=True, exist_ok=True)
        name = f"{inner}/{self.rows[split]:06}"
        if isinstance(picture, Encoded):
            name += _extension(picture)
            (self.folder / name).write_bytes(picture.content)
        else:
            name += ".png"
            Image.fromarray(picture).save(self.folder / name, format="PNG", compress_level=_FASTEST)
        return name


def _safe(name: str) -> str:
    """A name for a folder on every system, still readable; two names may share a folder."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:_LONGEST_NAME].lower()
    return f"_{safe}" if safe in _NO_NAMES else safe


_NO_NAMES = {"", "con", "prn", "aux", "nul"} | {f"{port}{n}" for port in ("com", "lpt") for n in range(10)}


def _extension(picture: Encoded) -> str:
    for mark, extension in _MARKS:
        if mark.match(picture.content):
            return extension
    suffix = Path(picture.name).suffix.lower()
    return suffix if suffix in EXTENSIONS else ".bin"


def _is_whole(folder: Path) -> bool:
    """Whether nothing was deleted or cut short: as large a table, and as many files or more."""
    try:
        facts, _ = _facts(folder)
        if (folder / _ROWS).stat().st_size != facts["rows"]:
            return False
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return False
    shown = (file for _, _, files in os.walk(folder) for file in files if not file.startswith("."))
    return sum(1 for _ in shown) >= facts["files"] + len((_ROWS, _FACTS))


def _facts(folder: Path) -> tuple[dict[str, int], tuple[Skipped, ...]]:
    facts = json.loads((folder / _FACTS).read_bytes())
    skipped = (Skipped(row["path"], SkipReason(row["reason"]), row["detail"]) for row in facts["skipped"])
    return {name: int(facts[name]) for name in ("files", "rows")}, tuple(skipped)


def _stamp(packed: Packed) -> list[tuple[str, int, int, int, int]]:
    """What changes when a file changes."""
    stamp = []
    for file in packed.files:
        try:
            facts = file.stat()
        except OSError as error:
            raise missing("file", file, error) from error
        times = facts.st_mtime_ns, facts.st_ctime_ns
        stamp.append((str(file.absolute()), facts.st_size, *times, facts.st_ino))
    return stamp


def _content_key(packed: Packed, stamp: list[tuple[str, int, int, int, int]]) -> str:
    """A short hash of the files' content, remembered for as long as they do not change."""
    asked = json.dumps([_VERSION, packed.name, packed.options, str(packed.folder.absolute()), stamp])
    known = cache_folder() / UNPACKED / "known" / hashlib.sha256(asked.encode()).hexdigest()
    newest = max(max(modified, changed) for _, _, modified, changed, _ in stamp)
    with suppress(OSError, UnicodeDecodeError):
        if known.stat().st_mtime_ns - newest > _SETTLED_NANOSECONDS:
            remembered = known.read_text(encoding="ascii")
            if re.fullmatch(r"[0-9a-f]{16}", remembered):
                return remembered
    key = _hash(packed)
    with suppress(OSError, LookalikeError):  # it only saves time
        known.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(known, key.encode())
    return key


def _hash(packed: Packed) -> str:
    digest = hashlib.sha256(json.dumps([_VERSION, packed.options]).encode())
    for file in packed.files:
        try:
            with file.open("rb") as opened:
                content = hashlib.file_digest(opened, "sha256").digest()
        except OSError as error:
            raise missing("file", file, error) from error
        name = os.path.relpath(file, packed.folder).replace(os.sep, "/")
        digest.update(json.dumps(name).encode() + content)
    return digest.hexdigest()[:16]
