"""What a doctor says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. status: `warn` is well for some runs, `fail` for none. fix: what to do; empty where all is well."""

    name: str
    status: Status
    found: str
    fix: str = ""
