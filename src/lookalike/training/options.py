"""Options of losses and miners that are called from Python, held to the ranges that a run file has for them.

Options enter as they were given, and leave as what they mean; what does not fit is a ConfigError that names
the option and its range. Shapes of batches are not looked at here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from numbers import Integral
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from lookalike.errors import ConfigError
from lookalike.misfits import explain
from lookalike.section import Section

S = TypeVar("S", bound=Section)


def checked(section: type[S], *, where: str = "", within: Sequence[str] = ("loss",), **options: Any) -> S:
    """Return options of a loss, checked as the section of a run file that has them.

    Args:
        where: what was called; empty: the loss of that section.
        within: the section's own key in a run file.

    Raises:
        ConfigError: an option is out of its range; the message names option and range.
    """
    try:
        return section.model_validate(options)
    except ValidationError as error:
        named = section.model_fields.get("name")
        values = {"name": named.default, **options} if named else options
        for key in reversed(within):
            values = {key: values}
        raise explain(error, values, where=where or (named and named.default), within=within) from error


def check_option(value: object, options: object, *, name: str) -> None:
    """Refuse a value that is not one of a Literal's.

    Raises:
        ConfigError: the value is none of them; the message names the nearest.
    """
    choices = get_args(options)
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1, cutoff=0.5)
    raise ConfigError(
        f"unknown {name}",
        where=name,
        saw=repr(value),
        wanted=" or ".join(choices),
        do=f"did you mean {near[0]}?" if near else "choose one of these",
    )


def check_whole(*, least: int, where: str, **options: object) -> None:
    """Refuse options that are not whole numbers of a size.

    Args:
        least: the smallest that fits.
        where: what they belong to.

    Raises:
        ConfigError: one does not fit; the message names it.
    """
    for name, value in options.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or int(value) < least:
            raise ConfigError(
                "an option is out of range",
                where=f"{where}: {name}",
                saw=repr(value),
                wanted=f"a whole number >= {least}",
                do=f"change {name}",
            )
