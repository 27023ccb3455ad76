"""What a first comparison is to compare, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Backend = Literal["vllm", "vllm-server", "transformers", "openai", "replay"]
CI = Literal["github", "gitlab", "none"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a user wants to compare. base, tuned, adapter: empty where it was not said. judge: a name, a file, or `none`."""

    base: str = ""
    tuned: str = ""
    adapter: str = ""
    backend: Backend = "vllm"
    suites: tuple[str, ...] = ("quick",)
    judge: str = "none"
    ci: CI = "none"
