"""The CI file of a first comparison, for the folder that holds the repository."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from evalkit.starting.wanted import Wanted

_EXTRAS = {"vllm": ("vllm",), "vllm-server": ("vllm",), "transformers": ("hf",), "openai": (), "replay": ()}

# What holds the programs that models write (`score: code`).
_SANDBOX = {
    "github": """\
      # The sandbox for programs that the models write. Ubuntu 24.04 keeps user namespaces from it unless it is told to let them be.
      - run: |
          sudo apt-get update && sudo apt-get install --yes bubblewrap
          sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 || true
""",
    "gitlab": """\
    # The sandbox for programs that the models write; a runner in Docker needs `privileged = true` for it.
    - apt-get update && apt-get install --yes bubblewrap
""",
    "none": "",
}


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
        "@SANDBOX@": _SANDBOX[wanted.ci] if _runs_programs(wanted.suites) else "",
        "@SECRETS@": "      OPENAI_API_KEY: ${{ secrets.OPENAI_API_KEY }}\n" if wanted.backend == "openai" else "",
    }
    for mark, value in written.items():
        text = text.replace(mark, value)
    if wanted.ci == "github":
        return Path(".github") / "workflows" / "evalkit.yml", text
    whole = Path(".gitlab-ci.yml")
    return (Path(".gitlab") / "evalkit.yml" if (root / whole).exists() else whole), text


def _runs_programs(suites: Sequence[str]) -> bool:
    """Whether any task of these suites is marked by running a program that a model wrote."""
    from evalkit.composed import choose

    tasks = (task for suite in choose(suites).suites for task in suite.tasks)
    return any(getattr(task, "score", None) == "code" for task in tasks)


def repository(folder: Path) -> Path:
    """The folder of the repository that `folder` lies in, where CI looks for its files; `folder` itself where there is none."""
    there = folder.absolute()
    return next((one for one in (there, *there.parents) if (one / ".git").exists()), folder)
