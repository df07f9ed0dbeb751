"""What the doctor's command does with an index: look at it, and mend it where that is asked for."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.mending.inspection import Inspection
    from lookalike.mending.repair import Repair
    from lookalike.models.model import Model


def look_at_index(path: Path, *, model: str | None, mend: bool, as_json: bool) -> int:
    """Print what is found, and what was mended; the exit code: 0 where nothing is left to mend, else 1."""
    from lookalike.checkups.findings import Verdict
    from lookalike.doors.console import Talk, put_json, put_lines
    from lookalike.mending.inspection import inspect_index
    from lookalike.models.model import Model

    with Talk() as talk:
        opened = None if model is None else Model.load(model, say=talk.say)
        found = inspect_index(path, model=opened, watcher=talk)
        mended = _mended(found, opened, talk) if mend and _is_mendable(found) else None
        if mended is not None:
            found = inspect_index(mended.path, model=opened, watcher=talk)
    if as_json:
        put_json({**found.to_json(), "repaired": None if mended is None else mended.to_json()})
    else:
        put_lines([*([] if mended is None else [*mended.lines(), ""]), *found.lines()])
    unfinished = mended is not None and (mended.path != path or bool(mended.command))
    return int(unfinished or found.verdict is Verdict.MEND)


def index_at(data: str, *, repair: bool, refused: Mapping[str, object]) -> Path | None:
    """The index that the command's argument names, or None where it names pictures.

    Raises:
        LookalikeError: an option of the other was given.
    """
    from lookalike.indexing.faults import is_index

    path = Path(data)
    if not is_index(path):
        if repair:
            raise _no_repair(data)
        return None
    if named := [name for name, value in refused.items() if value is not None]:
        raise LookalikeError(
            "the option goes with pictures, not with an index",
            where=path,
            saw=named[0],
            do=f"lookalike doctor {shlex.quote(data)} looks at the index alone",
        )
    return path


def _no_repair(data: str) -> LookalikeError:
    return LookalikeError(
        "only an index can be repaired",
        where=data,
        saw="--repair, and no index file",
        do=f"lookalike doctor {shlex.quote(data)} --manifest clean.csv leaves out what cannot be used",
    )


def _is_mendable(found: Inspection) -> bool:
    from lookalike.checkups.findings import Verdict

    return any("--repair" in entry.command and entry.verdict is not Verdict.OK for entry in found.findings)


def _mended(found: Inspection, model: Model | None, talk: Talk) -> Repair:
    from lookalike.mending.repair import repair

    return repair(found, model=model, watcher=talk)
