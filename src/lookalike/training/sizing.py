"""Which sizes of pictures a backbone takes: transformers the one they are made for, others nearly any.

Names and sizes enter; what timm is told, or an error that names the setting, leaves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import timm

from lookalike.errors import ConfigError


def made_for(name: str, size: int | None) -> dict[str, Any]:
    """What timm is told to make a backbone of one fixed size for another; nothing for all other backbones.

    Args:
        name: timm's.
        size: side of the pictures in pixels; None: the backbone's own.
    """
    known = None if ":" in name else timm.get_pretrained_cfg(name, allow_unregistered=True)
    if size is None or known is None or not known.fixed_input_size or size == known.input_size[-1]:
        return {}
    return {"img_size": size}


@contextmanager
def fitting(size: int, *, key: str, wanted: str) -> Iterator[None]:
    """Turn what a backbone says to pictures that it cannot take into an error that names the setting.

    Args:
        size: side of the pictures in pixels.
        key: of the run file, that asks for the size.
        wanted: sizes that fit.

    Raises:
        ConfigError: what is done within fails as networks do on maps of a wrong size.
    """
    try:
        yield
    except (ArithmeticError, AssertionError, RuntimeError) as error:
        said = str(error).partition("\n")[0]
        raise ConfigError(
            "the backbone does not take pictures of this size",
            where=key,
            saw=f"{size}: {said}"[:200],
            wanted=wanted,
            do=f"leave out {key}, or choose a convolutional backbone",
        ) from error
