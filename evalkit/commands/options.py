"""Options that several commands share, said once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer


def _built_in(kind: str) -> Callable[[str], list[str]]:
    """Completes built-in names; where none begins so, shells complete file names. Reads folders and imports nothing."""

    def names(incomplete: str) -> list[str]:
        package = Path(__file__).resolve().parents[1]
        folders = (package / "_builtin" / kind, package.parent / kind)
        found = {path.stem for folder in folders for path in folder.glob("*.yaml")}
        return sorted(name for name in found if name.startswith(incomplete))

    return names


Base = Annotated[Path, typer.Argument(metavar="BASE", help="The model file (YAML) of the base.")]
Tuned = Annotated[Path, typer.Argument(metavar="TUNED", help="The model file (YAML) of the tuned candidate.")]
Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        "-j",
        metavar="NAME|PATH",
        autocompletion=_built_in("judges"),
        help="Who compares the answers: a built-in judge (see: evalkit judges), a YAML file, or `none`. Advisory "
        "until it has passed an exam.",
    ),
]
Incumbent = Annotated[
    Path | None,
    typer.Option(
        "--incumbent",
        metavar="PATH",
        help="The model file of what is in use now, for gates (`retain: {against: incumbent}` in the policy) and judges that "
        "are held against it: beating a raw base proves little. It answers only what they read.",
    ),
]
Suites = Annotated[
    list[str] | None,
    typer.Option(
        "--suite",
        "-s",
        metavar="NAME|PATH",
        autocompletion=_built_in("suites"),
        help="What to ask: a built-in suite (see: evalkit suites) or a YAML file. Repeat for several. "
        "Default: the evalkit.yaml beside BASE, else `quick`.",
    ),
]
Policy = Annotated[
    Path | None,
    typer.Option(
        "--policy",
        "-p",
        metavar="PATH",
        help="The written rule: margins, maximal tax, level. Default: the evalkit.yaml beside BASE, else the default policy.",
    ),
]
Limit = Annotated[
    int | None,
    typer.Option("--limit", "-n", min=1, metavar="N", help="Only a seeded random sample of N items of each task."),
]
Executor = Annotated[
    str | None,
    typer.Option(
        "--executor",
        metavar="local|ray|ADDRESS",
        help="Where engines stand: `local` is this process; `ray` the cluster that RAY_ADDRESS names or that runs on this machine "
        "(else one is started on it); HOST:PORT or ray://HOST:PORT that one. Replicas, shards and more: `executor` in the "
        "evalkit.yaml beside BASE.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of the order in which items are drawn.")]
Unsandboxed = Annotated[
    bool,
    typer.Option(
        "--allow-unsandboxed-code",
        help="Run programs that a model wrote (`score: code`) even where there is no bubblewrap to hold them; they then "
        "can do whatever you can. The environment variable EVALKIT_ALLOW_UNSANDBOXED_CODE=1 says the same.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of tables.")]


def waive_sandbox(waived: bool) -> None:
    """Through the environment, so that it reaches a scorer wherever it runs."""
    from evalkit.scorers.sandbox import ALLOW

    if waived:
        os.environ[ALLOW] = "1"
