"""Choose the sample under examples/emoji from a larger collection of emoji drawings.

Enters: a folder with emoji/<class>/<artist>.png, emoji_classes.csv and emoji_attributes.csv. Leaves:
<class>/<artist>.png copied byte for byte, attributes.csv, LICENSES.md and README.md. The choice has no
randomness: the categories take turns, inside a category its subcategories take turns, inside a
subcategory classes come in the order of the SHA-256 of their names. No picture is drawn or changed here.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path


@dataclass(frozen=True)
class EmojiClass:
    """One thing that several artists have drawn."""

    code: str
    name: str
    category: str
    subcategory: str


@dataclass(frozen=True)
class Artist:
    """One source of drawings, and the terms it comes under."""

    key: str
    project: str
    holder: str
    licence: str
    duty: str


ARTISTS = (
    Artist("noto", "Noto Emoji", "Google LLC", "Apache-2.0", "keep the notice"),
    Artist("notov1", "Noto Emoji, old design", "Google LLC", "Apache-2.0", "keep the notice"),
    Artist("twemoji", "Twemoji", "Twitter, Inc and other contributors", "CC BY 4.0", "required"),
    Artist("openmoji", "OpenMoji", "the OpenMoji project", "CC BY-SA 4.0", "required, share alike"),
    Artist("fluent3d", "Fluent Emoji, 3D", "Microsoft Corporation", "MIT", "keep the notice"),
    Artist("emojione2", "EmojiOne 2", "the EmojiOne project", "CC BY 4.0", "required"),
    Artist("emojione1", "EmojiOne 1", "the EmojiOne project", "CC BY-SA 4.0", "required, share alike"),
    Artist("fxemoji", "FxEmojis", "Mozilla Foundation", "Apache-2.0", "keep the notice"),
)

MIT_NOTICE = """\
> Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
> associated documentation files (the "Software"), to deal in the Software without restriction, including
> without limitation the rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
> copies of the Software, and to permit persons to whom the Software is furnished to do so, subject to
> the following conditions: The above copyright notice and this permission notice shall be included in
> all copies or substantial portions of the Software. THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY
> OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
> FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT
> HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
> OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
> SOFTWARE.
"""

LICENCES = """\
# Licences of the drawings

Each file is named after its artist; the artist's licence covers every file of that name.

| file | drawings | project | copyright | licence | attribution |
|---|---|---|---|---|---|
{rows}
Changes: each drawing was scaled to 64 × 64 pixels and laid on white; nothing else was changed.
`attributes.csv` is drawn from emoji-datasource and emojibase (both MIT).

- Apache-2.0: <https://www.apache.org/licenses/LICENSE-2.0>; the text is also this repository's LICENSE.
- CC BY 4.0: <https://creativecommons.org/licenses/by/4.0/>. Name the project and its copyright holder,
  link the licence and say that the drawing was changed.
- CC BY-SA 4.0: <https://creativecommons.org/licenses/by-sa/4.0/>. The same, and what you make of these
  drawings comes under the same licence.
- MIT (Fluent Emoji, Copyright (c) Microsoft Corporation; emoji-datasource, Copyright (c) Cal Henderson;
  emojibase, Copyright (c) Miles Johnson):

{mit}"""

README = """\
# The same thing, drawn by different artists

{pictures:,} drawings of {classes} emoji by {artists} artists: `<class>/<artist>.png`, 64 × 64 RGB on white.
A class is a code point (or several), so the label of a picture is its folder's name. Every class has at
least {drawings} drawings; the classes are spread evenly over the categories and, inside each, over its
subcategories. `attributes.csv` has the name, category, subcategory and binary attributes of each class;
`LICENSES.md` says whose drawings they are and under which terms.

Chosen by `tools/make_emoji_sample.py` and copied byte for byte. The drawings of `notov1`, `emojione1`,
`emojione2` and `fxemoji` were joined to their class by name, so a few may be wrong.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the arguments and make the sample."""
    parser = argparse.ArgumentParser(description="Choose the emoji sample from a larger collection.")
    parser.add_argument(
        "source", type=Path, help="folder with emoji/, emoji_classes.csv, emoji_attributes.csv"
    )
    parser.add_argument("target", type=Path, help="folder to write, for example examples/emoji; must be new")
    parser.add_argument("--classes", type=int, default=300, help="how many classes to take")
    parser.add_argument("--drawings", type=int, default=6, help="fewest drawings a class must have")
    options = parser.parse_args(arguments)
    if options.target.exists() and any(options.target.iterdir()):
        parser.error(f"{options.target} is not empty")
    make_sample(options.source, options.target, classes=options.classes, drawings=options.drawings)


def make_sample(source: Path, target: Path, *, classes: int, drawings: int) -> None:
    """Copy the chosen classes and write the files that describe them.

    Raises:
        ValueError: the source has fewer than `classes` classes with `drawings` drawings.
    """
    chosen = sorted(choose(eligible(source, drawings=drawings), classes), key=lambda entry: entry.code)
    if len(chosen) < classes:
        raise ValueError(f"only {len(chosen)} classes have {drawings} drawings, wanted {classes}")
    for entry in chosen:
        (target / entry.code).mkdir(parents=True)
        for picture in drawings_of(source, entry.code):
            shutil.copyfile(picture, target / entry.code / picture.name)
    write_attributes(source / "emoji_attributes.csv", target / "attributes.csv", chosen)
    counts = Counter(picture.stem for picture in target.glob("*/*.png"))
    (target / "LICENSES.md").write_text(licences(counts), encoding="utf-8")
    (target / "README.md").write_text(readme(len(chosen), counts, drawings), encoding="utf-8")


def eligible(source: Path, *, drawings: int) -> list[EmojiClass]:
    """The classes with enough drawings."""
    with (source / "emoji_classes.csv").open(encoding="utf-8", newline="") as file:
        entries = [
            EmojiClass(row["class"], row["name"], row["category"], row["subcategory"])
            for row in csv.DictReader(file)
        ]
    return [entry for entry in entries if len(drawings_of(source, entry.code)) >= drawings]


def drawings_of(source: Path, code: str) -> list[Path]:
    """The pictures of one class, by artist."""
    return sorted((source / "emoji" / code).glob("*.png"))


def choose(entries: Iterable[EmojiClass], count: int) -> list[EmojiClass]:
    """Let categories take turns, and inside each of them its subcategories."""
    tree: defaultdict[str, defaultdict[str, list[EmojiClass]]] = defaultdict(lambda: defaultdict(list))
    for entry in sorted(entries, key=lambda entry: hashlib.sha256(entry.code.encode()).digest()):
        tree[entry.category][entry.subcategory].append(entry)
    categories = [
        list(in_turns(tree[category][sub] for sub in sorted(tree[category]))) for category in sorted(tree)
    ]
    return list(islice(in_turns(categories), count))


def in_turns(queues: Iterable[Sequence[EmojiClass]]) -> Iterator[EmojiClass]:
    """The first of every queue, then the second of every queue, and so on."""
    return (entry for entry in chain.from_iterable(zip_longest(*queues)) if entry is not None)


def write_attributes(source: Path, target: Path, chosen: Sequence[EmojiClass]) -> None:
    """Write one row a class: its names, then every binary attribute that one of the classes has."""
    with source.open(encoding="utf-8", newline="") as file:
        rows = {row.pop("class"): row for row in csv.DictReader(file)}
    columns = [name for name in next(iter(rows.values())) if any(rows[e.code][name] == "1" for e in chosen)]
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["class", "name", "category", "subcategory", *columns])
        for entry in chosen:
            values = (rows[entry.code][name] for name in columns)
            writer.writerow([entry.code, entry.name, entry.category, entry.subcategory, *values])


def licences(counts: Counter[str]) -> str:
    """LICENSES.md: which terms each artist's drawings come under."""
    rows = [
        f"| `{a.key}.png` | {counts[a.key]} | {a.project} | {a.holder} | {a.licence} | {a.duty} |\n"
        for a in ARTISTS
        if counts[a.key]
    ]
    return LICENCES.format(rows="".join(rows), mit=MIT_NOTICE)


def readme(classes: int, counts: Counter[str], drawings: int) -> str:
    """README.md: what the folder is and how it was made."""
    return README.format(pictures=counts.total(), classes=classes, artists=len(counts), drawings=drawings)


if __name__ == "__main__":
    main()
