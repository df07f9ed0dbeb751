"""What every part of a run file has in common: it is frozen, and a key that it does not know is an error.

Nor is a number ever infinite, and true is not read as 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
FINITE = "finite_number"  # the kind of error that pydantic makes of .inf and .nan
_MISPLACED = object()  # fits no key


class Section(BaseModel):
    """A part of a run file: frozen, unknown keys are errors, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, values: Any) -> Any:
        """Let true and false be refused in a number's place, where pydantic takes them for 1 and 0."""
        if not isinstance(values, Mapping):
            return values
        return {
            key: _MISPLACED if isinstance(value, bool) and not cls._takes_truth(key) else value
            for key, value in values.items()
        }

    @classmethod
    def _takes_truth(cls, key: object) -> bool:
        field = cls.model_fields.get(key) if isinstance(key, str) else None
        return field is None or not {bool, Any}.isdisjoint(parts_of(field.annotation))


def parts_of(annotation: object) -> Iterator[object]:
    """A type and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from parts_of(part)
