"""What every part of a run file has in common: it is frozen, and a key that it does not know is an error."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Section(BaseModel):
    """A part of a run file: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
