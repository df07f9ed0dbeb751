"""The folder beside an index with the pictures that were given to it alone, and the manifest that lists them.

Contents enter; files that are called by what their sender called them and their content's hash leave, with a
row each in the manifest. What is kept is on the disk when a call returns, and what fails on the way leaves
nothing behind; whoever calls holds the writer's lock. What an index makes of it is told in `adding`.
"""

from __future__ import annotations

import io
import json
import mmap
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import LookalikeError
from lookalike.files import sync_folder, write_atomically
from lookalike.pictures import raw
from lookalike.pictures.finding import LISTED

SUFFIX = "-added"
MANIFEST = "pictures.jsonl"

LONGEST_STEM = 80  # bytes of what is kept of a sender's name

_HASH = re.compile(r"([0-9a-f]{32})\.\w+")  # at the end of a file's name
_UNFINISHED = re.compile(
    r"\.(?:(?:.+-)?[0-9a-f]{32}\.\w+|pictures\.jsonl|\.lookalike-added)\.\w{8}"
)  # of `files`
_WORDS = (
    "The pictures here are those of pictures.jsonl; a walk through the folder around it passes them by.\n"
)
_ENDINGS = {
    "JPEG": ".jpg",
    "MPO": ".jpg",
    "PNG": ".png",
    "GIF": ".gif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "TIFF": ".tif",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JPEG2000": ".jp2",
    "ICO": ".ico",
    "PSD": ".psd",
    "PPM": ".ppm",
    "QOI": ".qoi",
    "DDS": ".dds",
    "TGA": ".tga",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A picture to keep: the name of its file, its content, its label."""

    name: str
    content: bytes
    label: str | None


class AddedFolder:
    """The folder of one index; it is made when the first picture is kept.

    Attributes:
        path: the folder; manifest: the file in it that an index has as a source.
    """

    def __init__(self, index_file: Path) -> None:
        """Find the folder, which may not be there; a link to an index has the same one."""
        index_file = Path(os.path.realpath(index_file))
        self.path = index_file.with_name(f"{index_file.name}{SUFFIX}")
        self.manifest = self.path / MANIFEST

    @contextmanager
    def keeping(self, entries: Sequence[Entry]) -> Iterator[None]:
        """Write files and their rows; where what is done inside fails, they are taken back.

        Raises:
            LookalikeError: the folder is full, or cannot be written.
        """
        with _told(self.path), ExitStack() as undo:
            self._make()
            for entry in entries:
                file = self.path / entry.name
                if not file.exists():
                    undo.callback(file.unlink, missing_ok=True)
                write_atomically(file, entry.content)
            self._list(entries, undo)
            sync_folder(self.path)
            yield
            undo.pop_all()

    @contextmanager
    def unlisting(self, names: Collection[str]) -> Iterator[None]:
        """Take rows out of the manifest; where what is done inside fails, they come back. Files stay."""
        with _told(self.path), ExitStack() as undo:
            before = self._rows() if names else []
            kept = _without(before, names)
            if len(kept) < len(before):
                undo.callback(self._put_back, b"".join(before))
                write_atomically(self.manifest, b"".join(kept))
            yield
            undo.pop_all()

    def is_all(self, names: Collection[str]) -> bool:
        """Whether the manifest lists nothing but these names."""
        return not _without(self._rows(), names)

    def clear(self) -> None:
        """Remove the manifest; files stay."""
        self.manifest.unlink(missing_ok=True)

    def mend(self) -> None:
        """Take away what a process that was killed left unfinished: its temporary files, half a row."""
        with suppress(FileNotFoundError):
            for file in self.path.iterdir():
                if _UNFINISHED.fullmatch(file.name):
                    file.unlink(missing_ok=True)
            self._whole_size()

    def _make(self) -> None:
        if not (self.path / LISTED).exists():
            self.path.mkdir(exist_ok=True)
            write_atomically(self.path / LISTED, _WORDS.encode())
            sync_folder(self.path.parent)

    def _list(self, entries: Sequence[Entry], undo: ExitStack) -> None:
        rows = b"".join(_row(entry) for entry in entries)
        contents = {_content_of(entry.name) for entry in entries}
        if not self.manifest.exists() or self._has_any(contents):
            before = self._rows()
            undo.callback(self._put_back, b"".join(before))
            others = [row for row in before if _content_of(_image(row)) not in contents]
            write_atomically(self.manifest, b"".join(others) + rows)
            return
        undo.callback(self._cut, self._whole_size())
        with self.manifest.open("ab") as file:
            file.write(rows)
            file.flush()
            os.fsync(file.fileno())

    def _rows(self) -> list[bytes]:
        """The manifest's whole rows."""
        content = self.manifest.read_bytes() if self.manifest.exists() else b""
        return content[: content.rfind(b"\n") + 1].splitlines(keepends=True)

    def _has_any(self, contents: Collection[str]) -> bool:
        """Whether a row may be about one of these; a manifest of a million rows is not taken apart."""
        if self.manifest.stat().st_size == 0:
            return False
        with (
            self.manifest.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return any(content.find(each.encode()) >= 0 for each in contents)

    def _whole_size(self) -> int:
        """The manifest's size, half a row at its end being cut off first."""
        with self.manifest.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            if size == 0:
                return 0
            file.seek(size - 1)
            if file.read() == b"\n":
                return size
        whole = sum(map(len, self._rows()))
        self._cut(whole)
        return whole

    def _cut(self, size: int) -> None:
        with suppress(OSError), self.manifest.open("r+b") as file:
            file.truncate(size)
            os.fsync(file.fileno())

    def _put_back(self, content: bytes) -> None:
        with suppress(LookalikeError, OSError):
            if content:
                write_atomically(self.manifest, content)
            else:
                self.manifest.unlink(missing_ok=True)


def name_of(content_hash: bytes, content: bytes, kind: str, *, called: str = "") -> str:
    """What a picture's file is called: its sender's name, its hash, the ending of its format (Pillow's name).

    The hash keeps pictures of one name apart.
    """
    is_raw = raw.is_raw(io.BytesIO(content), content[:16])
    ending = ".raw" if is_raw else _ENDINGS.get(kind, ".img")
    return "-".join(filter(None, (plain_stem(called), content_hash.hex()))) + ending


def plain_stem(name: str) -> str:
    """What is kept of a sender's name: letters, digits and a few signs, not too long; never a path.

    >>> plain_stem("my dolphin.jpg"), plain_stem("../../.e:t|c"), plain_stem("...")
    ('my dolphin', 'e_t_c', '')
    """
    stem = Path(unicodedata.normalize("NFC", name).replace("\\", "/")).name
    stem = stem.rpartition(".")[0] or stem if not stem.startswith(".") else stem
    kept = "".join(sign if sign in " -_.()" or _is_written(sign) else "_" for sign in stem)
    cut = " ".join(kept.split()).encode()[:LONGEST_STEM].decode(errors="ignore")
    return cut.strip(" -_.")


def _is_written(sign: str) -> bool:
    return unicodedata.category(sign)[0] in "LMN"  # letters with their marks, and digits


def _content_of(name: str) -> str:
    """The hash that a file's name ends with; the whole name where it has none."""
    found = _HASH.search(name)
    return found[1] if found else name


def _row(entry: Entry) -> bytes:
    return json.dumps({"image": entry.name, "label": entry.label}).encode() + b"\n"


def _without(rows: Sequence[bytes], names: Collection[str]) -> list[bytes]:
    parts = [_content_of(name).encode() for name in names]  # a row that has none need not be taken apart
    return [row for row in rows if not any(part in row for part in parts) or _image(row) not in names]


def _image(row: bytes) -> str:
    """The file that a row is about; empty where somebody else wrote what is no row."""
    with suppress(ValueError, TypeError, KeyError):
        return str(json.loads(row)["image"])
    return ""


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say in four beats what the system refused."""
    try:
        yield
    except OSError as error:
        raise LookalikeError(
            "pictures cannot be added to the index",
            where=folder,
            saw=error.strerror or str(error),
            wanted="a folder beside the index that can be written",
            do="free some space, or make the folder writable, and add them again",
        ) from error
