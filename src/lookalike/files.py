"""Writing files so that a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from lookalike.errors import LookalikeError


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file through a temporary one beside it, synced before it takes the name.

    Raises:
        LookalikeError: the folder is missing, read-only or full; the old file is then untouched.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise LookalikeError(
            "a file cannot be written",
            where=path,
            saw=error.strerror or str(error),
            do="make the folder, free some space, or name another place",
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
