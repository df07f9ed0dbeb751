"""Memory that one training step frees, kept for the next one.

Nothing enters or leaves; the C library's allocator behaves otherwise for a while. A step on a processor
allocates the same hundreds of megabytes as the step before it. By default glibc hands each large piece back
to the system, which then clears every page anew: a quarter to a half of a step's time. GPUs have an allocator
of torch's own.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4  # glibc's malloc.h
_NEVER = -1
_DEFAULTS = {_TRIM_THRESHOLD: 128 * 1024, _MMAP_MAX: 65_536}


@contextmanager
def kept_memory() -> Iterator[bool]:
    """Within the block, freed memory stays with the process; behind it, it goes back to the system.

    Yields:
        Whether this had an effect: it has none but with glibc, on Linux.

    Reference: mallopt(3) of the Linux manual pages, M_TRIM_THRESHOLD and M_MMAP_MAX.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    if library is None or not hasattr(library, "mallopt") or not hasattr(library, "malloc_trim"):
        yield False
        return
    library.mallopt(_TRIM_THRESHOLD, _NEVER)
    library.mallopt(_MMAP_MAX, 0)
    try:
        yield True
    finally:
        for name, value in _DEFAULTS.items():
            library.mallopt(name, value)
        library.malloc_trim(0)
