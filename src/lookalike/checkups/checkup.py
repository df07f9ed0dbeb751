"""The doctor's look at a table before training: examined, judged, and what would be left of it.

A table enters, a Checkup leaves, as a record, as JSON or as lines of text. The doctor of a training that runs
is another (training.doctor). Nothing is written here.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from lookalike.checkups import findings_copies, findings_files, findings_labels, findings_splits
from lookalike.checkups.cleaning import MANIFEST, Cleaned, clean
from lookalike.checkups.examination import Examination, examine
from lookalike.checkups.findings import Finding, Look, Verdict, counts_line, findings_lines, worst
from lookalike.checkups.near_duplicates import SIMILARITY
from lookalike.models.embedding import Memory
from lookalike.models.model import DEFAULT, Model
from lookalike.records import SILENT, Watcher
from lookalike.tables.table import ImageTable

LOOKS: tuple[Look, ...] = (
    findings_files.files,
    findings_files.boxes,
    findings_labels.empty,
    findings_files.blank,
    findings_copies.contradictions,
    findings_copies.copies,
    findings_copies.near_duplicates,
    findings_copies.doubtful_labels,
    findings_labels.labels,
    findings_labels.spelling,
    findings_labels.single,
    findings_splits.splits,
    findings_splits.promise,
    findings_labels.balance,
    findings_labels.attributes,
    findings_files.faint,
    findings_files.shapes,
    findings_files.kinds,
)


@dataclass(frozen=True)
class Checkup:
    """What the doctor says of a table.

    Attributes:
        examination: what was found.
        findings: one for each thing that is looked at, in a fixed order.
        manifest: what the commands call the manifest that they write.
    """

    examination: Examination
    findings: tuple[Finding, ...]
    manifest: str = MANIFEST

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return worst(self.findings)

    @cached_property
    def cleaned(self) -> Cleaned:
        """What a manifest of the usable pictures has, with one of each, and what it leaves out."""
        return clean(self.examination)

    def to_json(self) -> dict[str, Any]:
        """Plain values under stable keys."""
        found = self.examination
        near = found.near
        columns = (near.first, near.second, near.similarities, near.differences, near.mirrored)
        return {
            "verdict": str(self.verdict),
            "findings": [{**asdict(entry), "verdict": str(entry.verdict)} for entry in self.findings],
            "near_duplicates": [
                {
                    "images": [found.ids[a], found.ids[b]],
                    "similarity": similarity,
                    "difference": difference,
                    "mirrored": mirrored,
                }
                for a, b, similarity, difference, mirrored in zip(
                    *(column.tolist() for column in columns), strict=True
                )
            ],
            "near_duplicates_complete": near.complete,
            "model": found.model,
            "left_out": [asdict(entry) for entry in self.cleaned.left_out],
            "description": found.description.to_json(),
        }


def doctor(
    table: ImageTable,
    *,
    model: Model | None = None,
    memory: Memory | None = None,
    similarity: float = SIMILARITY,
    command: str = "lookalike doctor DATA",
    manifest: str = MANIFEST,
    watcher: Watcher = SILENT,
) -> Checkup:
    """Look at a table before training: what would go wrong, and what mends it.

    Every picture is opened, embedded and compared with all others, which takes about as
    long as indexing them.

    Args:
        table: labelled or not, with splits or without.
        model: whose embeddings propose near-duplicates; None: the untrained default.
        memory: embeddings of earlier runs by content; None: none are kept.
        similarity: of embeddings, from which on a pair is looked at twice, in (0, 1]. The default is measured
            for the untrained default model.
        command: how the doctor is called on this table, for the commands that findings give.
        manifest: the file that those commands write.
        watcher: told of the stages.

    Raises:
        MissingExtraError, ModelError: there is no model given, and the default cannot be made.
    """
    model = model or Model.load(DEFAULT, say=watcher.say)
    found = examine(table, model=model, memory=memory, similarity=similarity, watcher=watcher)
    again = f"{command} --manifest {shlex.quote(manifest)}"
    return Checkup(found, tuple(look(found, again) for look in LOOKS), manifest)


def lines(checkup: Checkup) -> list[str]:
    """A checkup as text: the worst first, long lists cut, and what was in order in one line each."""
    notes = [f"note: {note}" for note in checkup.examination.description.notes]
    return [*findings_lines(checkup.findings), *notes, "", total(checkup)]


def total(checkup: Checkup) -> str:
    """How many things are to be mended, to be looked at and in order."""
    return counts_line(checkup.findings)
