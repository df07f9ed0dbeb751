"""Published data sets as they lie on disk: which there are, how one is named, and how a folder is told.

Enters: what a user names, `name:path`, `name+option:path` or a folder. Leaves: the Contents of the data
set, or None where it is a path like any other. Not done here: reading one data set (its own module), what
a table is.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.cars196 import CARS196
from lookalike.layouts.celeba import CELEBA
from lookalike.layouts.cifar import CIFAR10, CIFAR100
from lookalike.layouts.cub200 import CUB200
from lookalike.layouts.hugging_face import HUGGING_FACE
from lookalike.layouts.inshop import INSHOP
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.omniglot import OMNIGLOT
from lookalike.layouts.places import names_in
from lookalike.layouts.sop import SOP
from lookalike.layouts.tiny_imagenet import TINY_IMAGENET
from lookalike.pictures.finding import is_there
from lookalike.pictures.formats import EXTENSIONS

__all__ = ["LAYOUTS", "Asked", "Contents", "Layout", "parse", "placed", "read", "read_recognised"]

# in the order in which a folder is compared with them: what fits many folders last
_ALL = (TINY_IMAGENET, CARS196, CUB200, CELEBA, SOP, INSHOP, OMNIGLOT, CIFAR10, CIFAR100, HUGGING_FACE)
LAYOUTS = {layout.name: layout for layout in _ALL}

_NAMED = re.compile(r"([A-Za-z][\w .-]+)(?:\+([^:]*))?:(.*)", re.DOTALL)  # two letters: one is a drive
_LEADS_OUT = r"^([A-Za-z]:)?[/\\]|(^|[/\\])\.\.([/\\]|$)"
_NEAR = 0.6
_SHOWN = 8


@dataclass(frozen=True)
class Asked:
    """A data set that was named.

    Attributes:
        layout: its layout.
        option: what stood after the plus; empty where nothing did.
        folder: what stood after the colon.
    """

    layout: Layout
    option: str
    folder: Path

    @property
    def name(self) -> str:
        """What stands before the colon."""
        return f"{self.layout.name}+{self.option}" if self.option else self.layout.name


def parse(source: str | Path) -> Asked | None:
    """Take `name:path` or `name+option:path` apart.

    Returns:
        What was asked for; None where the source is a path like any other: it leads to something, or what
        stands before the colon is not the name of a layout.

    Raises:
        TableError: the name is nearly that of a layout, the layout has no such option, or there is no path.
    """
    named = _NAMED.fullmatch(str(source))
    if named is None or is_there(Path(source)):
        return None
    name, option, path = named.groups()
    if name not in LAYOUTS:
        _refuse_near(str(source), name, option, path)
        return None
    layout = LAYOUTS[name]
    if option is not None and option not in layout.options:
        raise _no_option(layout, option, path)
    if not path:
        do = f"write {name}:FOLDER"
        raise TableError("no folder is named", where=source, saw="nothing after the colon", do=do)
    return Asked(layout, option or "", Path(path).expanduser() if path.startswith("~/") else Path(path))


def placed(source: str | Path) -> tuple[str, str]:
    """What a source is called wherever it is named from, and the path that it names; both absolute."""
    asked = None
    with suppress(TableError):  # a path with a colon that is not there any more
        asked = parse(source)
    path = os.path.abspath(source if asked is None else asked.folder)  # noqa: PTH100 - leaves no ".."
    return path if asked is None else f"{asked.name}:{path}", path


def read(asked: Asked) -> Contents:
    """Read a data set that was named.

    The folder may also be the one above, in which an archive made a folder of its own.

    Raises:
        TableError: the folder is not there or not of this layout, a file of it is missing or malformed, a
            picture lies outside it, or none of its pictures is there.
    """
    layout, folder = asked.layout, _home(asked)
    return _checked(layout, folder, layout.options[asked.option] if asked.option else layout.read)


def read_recognised(folder: Path) -> Contents | None:
    """Read a folder, or the only folder in it, by the layout that its files tell; None where they tell none.

    Raises:
        TableError: they tell one, and a file is missing or malformed, a picture lies outside the folder, or
            none is there.
    """
    inner = _only_folder(folder)
    for place in (folder, inner) if inner is not None else (folder,):
        layout = next((layout for layout in LAYOUTS.values() if layout.recognises(place)), None)
        if layout is not None:
            try:
                contents = _checked(layout, place, layout.read)
            except TableError as error:
                raise _taken_for(layout, error) from error
            note = f"this is {layout.title} by its files, and is read as {layout.name}:{place}"
            return replace(contents, notes=(note, *contents.notes))
    return None


def _checked(layout: Layout, folder: Path, read_folder: Callable[[Path], Contents]) -> Contents:
    contents = read_folder(folder.absolute())
    images = contents.frame["image"]
    _refuse_outside(images, folder.absolute(), contents.root)
    if not any(is_there(contents.root / image) for image in images):
        raise TableError(
            f"none of the pictures of {layout.title} is there",
            where=contents.root,
            saw=f"{len(images):,} listed" + (f", such as {images[0]}" if len(images) else ""),
            wanted=layout.files,
            do="unpack the pictures there as well",
        )
    return contents


def _taken_for(layout: Layout, error: TableError) -> TableError:
    """The same error, with what to do where the folder is not that data set after all."""
    taken = f"the folder was taken for {layout.title} by its files"
    do = f"{error.do}; {taken}: if it is something else, list its pictures in a manifest, or take those out"
    return TableError(error.what, where=error.where, saw=error.saw, wanted=error.wanted, do=do)


def _refuse_outside(images: pl.Series, folder: Path, root: Path) -> None:
    """Refuse pictures that lie neither in the data set's folder nor in the root, where it was unpacked to.

    Whoever made a data set that was downloaded could otherwise have any file of this machine read.
    """
    inner = images
    for place in {folder, root}:
        inner = inner.str.strip_prefix(f"{place.as_posix().rstrip('/')}/")
    outside = images.filter(inner.str.contains(_LEADS_OUT))
    if len(outside):
        more = f" and {len(outside) - 1:,} more" if len(outside) > 1 else ""
        raise TableError(
            "a data set names a picture that lies outside its folder",
            where=folder,
            saw=f"{outside[0]!r}{more}",
            wanted="paths that stay in the folder",
            do="if these pictures are meant, list them in a manifest, which may name any file",
        )


def _home(asked: Asked) -> Path:
    layout, folder = asked.layout, asked.folder
    if layout.recognises(folder):
        return folder
    names = names_in(folder)
    inner = [folder / name for name in names if layout.recognises(folder / name)]
    if len(inner) == 1:
        return inner[0]
    raise TableError(
        f"the folder holds {layout.title} {len(inner)} times" if inner else f"this is not {layout.title}",
        where=folder,
        saw=_some([path.name for path in inner] or names),
        wanted=layout.files,
        do="name one of them" if inner else "name the folder that the data set was unpacked to",
    )


def _only_folder(folder: Path) -> Path | None:
    """The one folder in a folder; None where there are several, or pictures beside it."""
    found = None
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "__MACOSX")):
                continue
            if (found and entry.is_dir()) or Path(entry.name).suffix.lower() in EXTENSIONS:
                return None
            found = Path(entry.path) if entry.is_dir() else found
    return found


def _refuse_near(source: str, name: str, option: str | None, path: str) -> None:
    plain = {_plain(known): known for known in LAYOUTS}
    near = difflib.get_close_matches(_plain(name), plain, n=1, cutoff=_NEAR)
    if near and not path.startswith("//"):
        meant = plain[near[0]] + (f"+{option}" if option else "")
        raise TableError(
            "there is no such path, and no data set of this name",
            where=source,
            saw=repr(name),
            wanted=f"a folder, a file, or one of {', '.join(LAYOUTS)} before the colon",
            do=f"did you mean {meant}:{path}?",
        )


def _no_option(layout: Layout, option: str, path: str) -> TableError:
    known = list(layout.options)
    near = difflib.get_close_matches(option, known, n=1, cutoff=0.0)
    return TableError(
        f"{layout.name} has no such option",
        where=f"{layout.name}+{option}:{path}",
        saw=repr(option),
        wanted=" or ".join(known) or "no option",
        do=f"did you mean {layout.name}+{near[0]}:{path}?" if near else f"write {layout.name}:{path}",
    )


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _some(names: Sequence[str]) -> str:
    return (
        ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else "")
        or "nothing"
    )
