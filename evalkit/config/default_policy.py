"""The default policy as a file that a person can read and change."""

from __future__ import annotations

from pathlib import Path


def default_policy_text() -> str:
    """A policy file with every field at its default and a comment in plain words. It reads as `PolicySpec()`."""
    return Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
