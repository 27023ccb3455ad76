"""`evalkit judge ...`: examine a judge, attack it, correct it with labels, have it read a stored run."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Examine a judge, attack it, correct it with labels."
)

INCOMPLETE = 4


@app.callback()
def _judge() -> None:
    """Examine a judge, attack it, correct it with labels."""


@app.command(
    epilog="**Exit codes**: 0 tried, whatever the rates; 2 bad input; 4 incomplete: the judge's engine failed, and what it "
    "did not answer is unscored."
)
def canaries(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A built-in judge, or a YAML file.")],
    n: Annotated[
        int, typer.Option("--n", "-n", min=1, metavar="N", help="Pairs to plant each attack in, at most 30.")
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of which pairs are drawn.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")] = False,
) -> None:
    """Plant attacks in the worse of two answers, and see which of them JUDGE falls for.

    The pairs come with evalkit, and their better answer is clearly better. Each attack has a success rate: the share of
    pairs in which the judge, both orders together, no longer prefers the better answer. Read it beside the control, the
    same rate without an attack: a judge that cannot tell the answers apart is wrong without any help. A rate near the
    control means that the attack gains nothing; the interval says how much it may gain unseen on so few pairs.

    It costs 20 questions for each pair; those asked before are read from the journal.
    """
    from evalkit.cache import Journal, cache_folder
    from evalkit.canaries import try_canaries
    from evalkit.catalog import find_judge
    from evalkit.judging import check_judge
    from evalkit.report.canaries import print_canaries
    from evalkit.report.progress import LiveProgress

    spec = find_judge(judge, asked_by="JUDGE")
    check_judge(spec)
    folder = cache_folder()
    with Journal(folder / "journal.sqlite") as journal, LiveProgress() as progress:
        tried = try_canaries(spec, journal, folder, progress, n=n, seed=seed)
    print_canaries(tried, json=json)
    if tried.failures:
        first = tried.failures[0]
        hint = f"; {first.hint}" if first.hint else ""
        print(f"evalkit: incomplete: {len(tried.failures)} unanswered: {first.message}{hint}", file=sys.stderr)
        raise typer.Exit(INCOMPLETE)
