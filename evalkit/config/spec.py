"""What every spec is: read from YAML, strict about its fields, unchanged afterwards."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class Spec(BaseModel):
    """Base of all that is read from YAML: unknown fields are errors, values do not change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False, hide_input_in_errors=True)


Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
