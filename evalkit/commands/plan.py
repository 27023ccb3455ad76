"""`evalkit plan`: before a token is spent, whether a run can decide."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.commands.options import Base, Incumbent, Json, Judge, Limit, Policy, Suites, Tuned
from evalkit.interrupted import resumable

DECIDES, MAY_NOT = 0, 3


def plan(
    base: Base,
    tuned: Tuned,
    suite: Suites = None,
    judge: Judge = None,
    incumbent: Incumbent = None,
    policy: Policy = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw and of the simulation.")] = 0,
    pilot: Annotated[
        Path | None,
        typer.Option(
            "--pilot",
            metavar="RUN",
            help="The folder of an earlier run of models like these: how many items differed, and how many were missing, "
            "is taken from it, suite by suite.",
        ),
    ] = None,
    discordance: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="The share of items on which one answer of either model differs in score, of every suite. Default: the pilot's, "
            "else 0.10.",
        ),
    ] = None,
    lasting: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            metavar="SHARE",
            help="The part of the discordance that no repeat averages out, since the models really differ there. Default: the "
            "pilot's, else 0.25.",
        ),
    ] = None,
    missing: Annotated[
        float | None,
        typer.Option(
            min=0.0, max=0.5, metavar="SHARE", help="The share of items never answered. Default: the pilot's, else 0."
        ),
    ] = None,
    gain: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="What TUNED is assumed to gain on target suites.")
    ] = 0.05,
    runs: Annotated[int, typer.Option(min=100, max=100_000, metavar="N", help="How many runs are simulated.")] = 1000,
    sequential: Annotated[
        bool, typer.Option("--sequential", help="Plan `compare --sequential`: its last look, and what looking spares.")
    ] = False,
    warm_up: Annotated[
        int,
        typer.Option(
            "--warm-up",
            min=0,
            metavar="N",
            help="Ask so many items of each suite, to measure tokens, time and cost; compare finds their answers in the journal. "
            "0: ask nothing.",
        ),
    ] = 4,
    json: Json = False,
) -> None:
    """Can `compare` decide, with these suites under this policy? If not, what would help? And what does it take?

    The run is simulated under the whole policy: scores are drawn for every item of two equal models and go through the very
    intervals and gates of a real run. Printed are how often they get GO, how often each gate passes, and the limit at which
    it would pass as often as `power` says.

    **Exit codes**: 0 GO is as likely as the policy asks; 3 it is not; 2 bad input. An engine that fails in the warm-up leaves the plan as it is, and
    a caution says so.
    """
    from evalkit.foresight import plan_comparison
    from evalkit.report.planned import print_plan
    from evalkit.report.progress import LiveProgress

    with resumable(), LiveProgress() as progress:
        found = plan_comparison(
            base,
            tuned,
            suites=suite,
            judge=judge,
            policy=policy,
            incumbent=incumbent,
            limit=limit,
            seed=seed,
            pilot=pilot,
            discordance=discordance,
            lasting=lasting,
            missing=missing,
            gain=gain,
            runs=runs,
            sequential=sequential,
            warm_up=warm_up,
            progress=progress,
        )
    print_plan(found, json=json)
    raise typer.Exit(DECIDES if found.decides else MAY_NOT)
