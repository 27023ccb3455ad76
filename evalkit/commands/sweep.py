"""`evalkit sweep`: one base against several candidates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from evalkit.commands.options import Base, Executor, Incumbent, Judge, Limit, Policy, Suites, Unsandboxed, waive_sandbox
from evalkit.interrupted import resumable

if TYPE_CHECKING:
    from evalkit.types import Sweep

EPILOG = """
**Exit codes**: 0 at least one candidate is GO; 1 all are NO-GO; 3 otherwise (0 where the policy says `inconclusive: pass`);
4 at least one run is incomplete or broke off, whatever the others say; 2 bad input; 70 internal error; 130 interrupted.
"""


def sweep(
    base: Base,
    candidates: Annotated[
        list[Path],
        typer.Argument(
            metavar="CANDIDATE...", help="The model files (YAML) of the candidates: checkpoints, adapters, merges."
        ),
    ],
    suite: Suites = None,
    judge: Judge = None,
    incumbent: Incumbent = None,
    policy: Policy = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Where report.html, sweep.json, summary.md and a folder for each candidate go. Default: "
            "runs/sweep-BASE-TIME. Name the same DIR again to go on with an interrupted sweep.",
        ),
    ] = None,
    limit: Limit = None,
    seed: Annotated[
        int, typer.Option("--seed", min=0, help="Seed of the order in which items are drawn, and of what is held out.")
    ] = 0,
    hold_out: Annotated[
        float,
        typer.Option(
            "--hold-out",
            min=0.0,
            max=0.9,
            metavar="SHARE",
            help="Keep back this share of every task's items, clusters whole: the best of several is confirmed on items that "
            "had no part in choosing it. 0.25 is a good share; 0 keeps none.",
        ),
    ] = 0.0,
    probes: Annotated[
        bool,
        typer.Option(
            help="Measure beside the suites how far each candidate moved, as compare does. Starts base's engine again for "
            "every candidate.",
        ),
    ] = False,
    executor: Executor = None,
    allow_unsandboxed_code: Unsandboxed = False,
    json: Annotated[bool, typer.Option("--json", help="Print sweep.json to stdout instead of a table.")] = False,
) -> None:
    """Compare several candidates with one BASE, and put them side by side.

    BASE is asked once: from the second candidate on its answers come from the journal, and its engine is not started
    again. Each candidate gets the full run that `evalkit compare` would give it, in DIR/CANDIDATE; the page in DIR shows
    gain and tax of all, the Pareto front, intervals that hold for all of them at once, and curves over training steps.

    All files are checked before an engine starts. A candidate that fails later is named, and the others go on.

    **The best of several is flattered by the choice.** Confirm it on items that had no part in it: with --hold-out or
    --limit some are left, and the command that asks them is printed at the end.
    """
    import datetime

    from evalkit.report.progress import LiveProgress
    from evalkit.report.sweep import print_sweep, sweep_json, write_sweep
    from evalkit.sweeping import run_sweep

    waive_sandbox(allow_unsandboxed_code)
    folder = out or Path("runs") / f"sweep-{base.stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
    with resumable(), LiveProgress() as progress:
        swept = run_sweep(
            base,
            candidates,
            suites=suite,
            judge=judge,
            policy=policy,
            out=folder,
            incumbent=incumbent,
            limit=limit,
            seed=seed,
            hold_out=hold_out,
            probes=probes,
            executor=executor,
            progress=progress,
        )
        report = write_sweep(folder, swept)
    if json:
        typer.echo(sweep_json(swept), nl=False)
    else:
        print_sweep(swept, report)
    raise typer.Exit(exit_code(swept))


def exit_code(sweep: Sweep) -> int:
    """4 where a candidate is incomplete; else 0 with a GO, 1 where all are NO-GO, 3 otherwise, or 0 if the policy passes it."""
    outcomes = [one.decision.outcome for one in sweep.candidates if one.decision is not None]
    if not sweep.complete:
        return 4
    if "go" in outcomes:
        return 0
    if set(outcomes) == {"no_go"}:
        return 1
    return 0 if sweep.inconclusive_passes else 3
