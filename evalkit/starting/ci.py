"""The CI file of a first comparison, for the folder that holds the repository."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from evalkit.starting.project import Wanted

CI = Literal["github", "gitlab", "none"]

_EXTRAS = {"vllm": ("vllm",), "vllm-server": ("vllm",), "transformers": ("hf",), "openai": (), "replay": ()}


def ci_file(wanted: Wanted, base: str, tuned: str, root: Path) -> tuple[Path, str]:
    """Where the file goes, as seen from `root`, and its text. base, tuned: the model files, likewise.

    A `.gitlab-ci.yml` that is there is left alone: the job goes into a file of its own, to be included.
    """
    local = wanted.backend in ("vllm", "vllm-server", "transformers")
    extras = [*_EXTRAS[wanted.backend], *(["hub", "scorers"] if set(wanted.suites) - {"quick"} else [])]
    text = Path(__file__).with_name(f"{wanted.ci}.yml").read_text(encoding="utf-8")
    written = {
        "@INSTALL@": f"evalkit-gate[{','.join(extras)}]" if extras else "evalkit-gate",
        "@BASE@": shlex.quote(base),
        "@TUNED@": shlex.quote(tuned),
        "@RUNNER@": "[self-hosted, gpu]" if local else "ubuntu-latest",
        "@TAGS@": "  tags: [gpu]\n" if local else "",
        "@SECRETS@": "      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n" if wanted.backend == "openai" else "",
    }
    for mark, value in written.items():
        text = text.replace(mark, value)
    if wanted.ci == "github":
        return Path(".github") / "workflows" / "evalkit.yml", text
    whole = Path(".gitlab-ci.yml")
    return (Path(".gitlab") / "evalkit.yml" if (root / whole).exists() else whole), text


def repository(folder: Path) -> Path:
    """The folder of the repository that `folder` lies in, where CI looks for its files; `folder` itself where there is none."""
    there = folder.absolute()
    return next((one for one in (there, *there.parents) if (one / ".git").exists()), folder)
