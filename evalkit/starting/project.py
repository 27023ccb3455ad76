"""All files of a first comparison."""

from __future__ import annotations

import os
from pathlib import Path

from evalkit.starting.ci import ci_file, repository
from evalkit.starting.models import model_file, scalar, seen_from
from evalkit.starting.wanted import Wanted


def files(folder: Path, wanted: Wanted) -> dict[Path, str]:
    """The text of each file, by path. Paths that are there are written as seen from where they are read."""
    from evalkit.config import default_policy_text

    tuned = wanted.tuned or (wanted.base if wanted.adapter else "")
    written = {
        folder / "base.yaml": model_file("base", wanted.base, "", folder, wanted.backend),
        folder / "tuned.yaml": model_file("tuned", tuned, wanted.adapter, folder, wanted.backend),
        folder / "policy.yaml": default_policy_text(),
        folder / "evalkit.yaml": _project(folder, wanted),
    }
    if wanted.ci != "none":
        root = repository(folder)
        base, tuned = (os.path.relpath(folder / f"{arm}.yaml", root) for arm in ("base", "tuned"))
        path, text = ci_file(wanted, base, tuned, root)
        written[root / path] = text
    return written


def unnamed(wanted: Wanted) -> list[str]:
    """The model files that hold a placeholder, since nobody said which model."""
    tuned = wanted.tuned or (wanted.base if wanted.adapter else "")
    return [name for name, model in (("base.yaml", wanted.base), ("tuned.yaml", tuned)) if not model]


def _project(folder: Path, wanted: Wanted) -> str:
    suites = ", ".join(scalar(_seen(folder, suite)) for suite in wanted.suites)
    hint = (
        "a look in minutes; to decide a release on: [release]. See them all: evalkit suites"
        if wanted.suites == ("quick",)
        else "see what is built in: evalkit suites"
    )
    lines = ["# What `evalkit compare` takes where a flag does not say otherwise.", f"suites: [{suites}] # {hint}"]
    if wanted.judge == "none":
        lines.append("# judge: pairwise-general # who compares the answers; advisory until it has passed an exam")
    else:
        judge = scalar(_seen(folder, wanted.judge))
        lines.append(f"judge: {judge} # advisory until it has passed an exam: evalkit judge exam")
    return "\n".join([*lines, "policy: policy.yaml"]) + "\n"


def _seen(folder: Path, value: str) -> str:
    """A file as seen from `folder`; the name of something built in stays, whatever lies beside."""
    return seen_from(folder, value) if value.endswith((".yaml", ".yml")) or "/" in value else value
