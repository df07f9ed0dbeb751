"""What a person decides on pairs of pictures, kept in the index by content: names enter, they are stored.

A decision survives renaming, re-indexing and removal of its pictures, and can be taken to another index. What
is found to be a duplicate, and what decisions mean together, is decided elsewhere.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from lookalike.duplicates.agreement import Contradiction, contradictions, links_of, moment_of, things_of
from lookalike.duplicates.decision_files import Row, decision_of, read_rows
from lookalike.duplicates.moving import Changed, look_at
from lookalike.errors import LookalikeError, StoreError, TableError
from lookalike.files import write_atomically
from lookalike.indexing.schema import Decision, Verdict
from lookalike.indexing.store import Store
from lookalike.models.embedding import HASH_BYTES

_SHOWN = 3  # contradictions that an error names


@dataclass(frozen=True, slots=True)
class Imported:
    """What taking decisions in did: to pairs that nothing was known of, to others, and what was older."""

    added: int
    changed: int
    older: int


def decide(store: Store, a: str, b: str, verdict: Verdict, *, made: str) -> Decision:
    """Keep a decision on two pictures.

    Args:
        a, b: paths of pictures, ids of items, or content hashes in hexadecimal digits.
        made: when, ISO 8601.

    Raises:
        StoreError: a picture is not known; or the two are one file, or copies byte for byte that cannot be
            called different.
    """
    first, second = (content_of(store, name) for name in (a, b))
    if first == second and (verdict == "different" or _is_one_item(store, a, b)):
        raise StoreError(
            "the two pictures have the same content",
            where=f"{a} and {b}",
            saw="equal bytes",
            wanted="two pictures" if verdict != "different" else "two contents to tell apart",
            do="to keep copies of one file beside each other: lookalike decide INDEX A B --keep-both",
        )
    decision = Decision.of(first, second, verdict, made=made)
    with store.writing() as writer:
        writer.decide([decision])
    return decision


def forget(store: Store, a: str, b: str) -> bool:
    """Forget what was decided on two pictures; whether there was anything.

    Raises:
        StoreError: a picture is not known.
    """
    pair = content_of(store, a), content_of(store, b)
    with store.writing() as writer:
        return writer.forget_decisions([pair]) > 0


def content_of(store: Store, name: str) -> bytes:
    """The content hash of a picture that is named by its path, its id or this hash.

    A path need not be in the index; what is there counts as it was when it was indexed.

    Raises:
        StoreError: there is no such picture, or its file has several parts in the index.
    """
    digests = _known(store, name)
    if len(digests) > 1:
        raise StoreError(
            "the index has several parts of this picture",
            where=name,
            saw=f"{len(digests)} boxes of it",
            wanted="one of them",
            do="name it by its id, which lookalike search INDEX IMAGE --json tells",
        )
    if digests:
        return digests.pop()
    if len(name) == 2 * HASH_BYTES and not set(name) - set("0123456789abcdef"):
        return bytes.fromhex(name)
    try:
        return bytes.fromhex(look_at(Path(name), links=True).hash)
    except (OSError, ValueError, Changed) as error:
        raise StoreError(
            "there is no such picture",
            where=name,
            saw=getattr(error, "strerror", None) or str(error),
            wanted=f"a picture of {store.path}, or its id",
            do="lookalike duplicates INDEX --json tells paths and ids",
        ) from error


def paths_of(store: Store, decisions: Iterable[Decision]) -> dict[bytes, str]:
    """Content hash to the path of a picture that has it, for those that the index knows."""
    digests = {digest for entry in decisions for digest in (entry.first, entry.second)}
    paths: dict[bytes, str] = {}
    for digest in sorted(digests):
        ids = store.ids_of(digest)
        if ids:
            paths[digest] = store.facts(ids[:1])[ids[0]].path
    return paths


def rows_of(store: Store) -> list[Row]:
    """All decisions of an index, with paths where it has such pictures."""
    decisions = store.decisions()
    paths = paths_of(store, decisions)
    return [
        Row(
            paths.get(entry.first, ""),
            paths.get(entry.second, ""),
            entry.verdict,
            entry.made,
            entry.first.hex(),
            entry.second.hex(),
        )
        for entry in decisions
    ]


def take_in(store: Store, path: Path, *, made: str) -> Imported:
    """Take the decisions of a file in; of two on one pair that which was made later stands.

    Args:
        made: when those were made of which the file does not say it, ISO 8601.

    Raises:
        TableError: the file cannot be read, or a row of it is wrong; then nothing is taken in.
    """
    known = {(entry.first, entry.second): entry for entry in store.decisions()}
    before = dict(known)
    older = 0
    for row in read_rows(path):
        entry = decision_of(row, path, made=made)
        pair = entry.first, entry.second
        if pair in known and moment_of(known[pair].made) > moment_of(entry.made):
            older += known[pair].verdict != entry.verdict
        else:
            known[pair] = entry
    new = [entry for pair, entry in known.items() if before.get(pair) != entry]
    with store.writing() as writer:
        writer.decide(new)
    changed = [entry for entry in new if (entry.first, entry.second) in before]
    verdicts = sum(before[entry.first, entry.second].verdict != entry.verdict for entry in changed)
    return Imported(len(new) - len(changed), verdicts, older)


def training_manifest(store: Store, path: Path) -> tuple[int, int, int]:
    """Write the pictures of "same" and "different" as a manifest that `train` takes: image and label.

    Pictures that "same" joins share a label; every other one has a label of its own.

    Args:
        path: a CSV file.

    Returns:
        The numbers of pictures and labels, and of pictures that are left out because the index has none with
        this content.

    Raises:
        TableError: there are no decisions for it, decisions contradict each other, or path is no CSV file.
        LookalikeError: the file cannot be written.
    """
    if path.suffix.lower() != ".csv":
        what, do = "a manifest of decisions is a CSV file", f"name it {path.stem}.csv"
        raise TableError(what, where=path, saw=path.suffix or "no extension", wanted=".csv", do=do)
    decisions = store.decisions()
    paths = paths_of(store, decisions)
    check_agreement(contradictions(decisions), paths, where=store.path)
    things = things_of(decisions)
    rows = [
        (paths[digest], f"thing-{number:04}")
        for number, thing in enumerate(things, start=1)
        for digest in thing
        if digest in paths
    ]
    if not rows:
        do = "decide on some: lookalike decide INDEX A B --same"
        raise TableError("there are no decisions to learn from", where=store.path, saw="none", do=do)
    content = io.BytesIO()
    pl.DataFrame(rows, schema={"image": pl.String, "label": pl.String}, orient="row").write_csv(content)
    write_atomically(path, content.getvalue())
    return len(rows), len({label for _, label in rows}), sum(map(len, things)) - len(rows)


def is_manifest(path: Path) -> bool:
    """Whether a file is what `training_manifest` wrote: no label in it is of anybody's own making."""
    head, *rows = path.read_text(encoding="utf-8").splitlines()
    labels = [row.rpartition(",")[2] for row in rows]
    return head == "image,label" and all(label.startswith("thing-") for label in labels)


def check_agreement(found: Sequence[Contradiction], paths: dict[bytes, str], *, where: object) -> None:
    """Refuse decisions that contradict each other.

    Raises:
        TableError: they do; the message names the pictures.
    """
    if not found:
        return
    more = f" and {len(found) - _SHOWN:,} more" if len(found) > _SHOWN else ""
    a, b = (name_of(digest, paths) for digest in links_of(found[0])[0])
    raise TableError(
        "decisions contradict each other",
        where=where,
        saw="; ".join(told(entry, paths) for entry in found[:_SHOWN]) + more,
        do=f"look at them again, and change or forget one: lookalike decisions INDEX --forget {a} {b}",
    )


def told(contradiction: Contradiction, paths: dict[bytes, str]) -> str:
    """A contradiction in words: A = B = C, but A is not C."""
    names = [name_of(digest, paths) for digest in contradiction.chain]
    return f"{' = '.join(names)}, but {names[0]} is not {names[-1]}"


def name_of(digest: bytes, paths: dict[bytes, str]) -> str:
    """The path of a picture, or its hash where there is none."""
    return paths.get(digest) or digest.hex()


def _known(store: Store, name: str) -> set[bytes]:
    """What the index has of a path, or else of an id."""
    return {facts.hash for facts in store.facts(_ids(store, name)).values()}


def _ids(store: Store, name: str) -> list[int]:
    try:
        ids = store.ids_at(Path(name))
    except ValueError:  # a name that no file can have
        ids = []
    if not ids and name.isascii() and name.isdecimal() and len(name) < 19:
        ids = [int(name)]
    return ids


def _is_one_item(store: Store, a: str, b: str) -> bool:
    ids = _ids(store, a)
    return a == b or (bool(ids) and ids == _ids(store, b))


def check_verdict(chosen: Sequence[Verdict]) -> Verdict:
    """The one verdict that was asked for.

    Raises:
        LookalikeError: there is none, or more than one.
    """
    if len(chosen) == 1:
        return chosen[0]
    raise LookalikeError(
        "a decision is one of three",
        where="decide",
        saw=" and ".join(f"--{verdict}" for verdict in chosen) or "none",
        wanted="--same, --different or --keep-both",
        do="name one",
    )
