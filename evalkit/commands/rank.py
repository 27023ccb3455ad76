"""`evalkit rank`: more than two models in one order."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def rank(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Folders of finished runs that share a judge.")
    ] = None,
    battles: Annotated[
        list[Path] | None,
        typer.Option(
            "--battles",
            metavar="FILE",
            help="Instead of runs: JSONL rows {question_id, model_a, model_b, winner}; winner is model_a, model_b or tie. "
            "Repeat for several.",
        ),
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", "-j", metavar="NAME", help="Which judge, where the runs share several.")
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            "--baseline",
            metavar="NAME",
            help="The model that stands at 1000, and against which win rates are told. Default: the one with the most battles.",
        ),
    ] = None,
    level: Annotated[
        float, typer.Option("--level", min=0.5, max=0.999, metavar="P", help="Two-sided level of the intervals.")
    ] = 0.95,
    rounds: Annotated[
        int, typer.Option("--rounds", min=200, metavar="N", help="How many times prompts are drawn anew.")
    ] = 1000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")] = False,
) -> None:
    """Rank more than two models by Bradley-Terry strength, with intervals over prompts.

    Give the folders of several runs, `evalkit rank runs/a runs/b runs/c`: a base that was compared with three candidates
    links all four. Models are told apart by content, so that a retrained checkpoint is another model; prompts by suite,
    task and id. All runs must share one judge.

    Strengths are on the Elo scale: the baseline has 1000, and 400 points more mean ten wins to one loss against it. A tie
    counts half. **Intervals resample prompts**, each with all its battles: repeating a battle, or counting a clear win three
    times, makes nothing surer. Each interval is of the difference to the baseline; whether two other models differ is best
    asked with one of them as `--baseline`. A model that won or lost everything has no finite strength, and a caution says so.
    """
    import numpy as np

    from evalkit.ranking import battles_of_files, battles_of_runs
    from evalkit.ranking import rank as ranked
    from evalkit.report.ranking import print_ranking
    from evalkit.types import InputError

    if bool(runs) == bool(battles):
        raise InputError("rank: give the folders of finished runs, or files with --battles; one of the two")
    if battles and judge is not None:
        raise InputError(f"--judge: {judge!r}: files of battles name no judge; leave it out")
    fought = battles_of_files(battles) if battles else battles_of_runs(runs or [], judge)
    rng = np.random.default_rng(seed)
    print_ranking(ranked(fought, baseline, level=level, rng=rng, rounds=rounds), json=json)
