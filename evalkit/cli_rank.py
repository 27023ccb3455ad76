"""`evalkit rank`: more than two candidates on one scale."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evalkit.statistics.bradley_terry import Strength


def rank(
    runs: Annotated[
        list[Path] | None, typer.Argument(metavar="RUN...", help="Folders of finished runs that one judge read.")
    ] = None,
    battles: Annotated[
        Path | None,
        typer.Option(
            "--battles", metavar="FILE", help="Instead of runs: JSONL rows {question_id, model_a, model_b, winner}."
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option("--baseline", metavar="NAME", help="Who stands at 1000. Default: the model that most runs share."),
    ] = None,
    judge: Annotated[
        str | None, typer.Option("--judge", "-j", metavar="NAME", help="Which judge, where runs share several.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the bootstrap.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")] = False,
) -> None:
    """Rank more than two candidates by what a judge said of them: Bradley-Terry, with intervals by prompt.

    Compare each candidate with the same base under the same judge, then: `evalkit rank runs/a runs/b runs/c`. Candidates that
    met the same base are put on one scale, though they never met each other. 400 points are odds of ten to one; where intervals
    overlap, the order says little.
    """
    from evalkit.ranking import battles_of_file, battles_of_runs
    from evalkit.ranking import rank as ranked
    from evalkit.types import InputError

    if bool(runs) == (battles is not None):
        raise InputError("give the folders of finished runs, or --battles FILE")
    if battles is not None:
        fought = battles_of_file(battles)
        common = baseline or min(battle.first for battle in fought)
    else:
        fought, _, common = battles_of_runs(runs or [], judge)
    strengths = ranked(fought, baseline or common, seed=seed)
    _print_json(strengths) if json else _print_table(strengths, baseline or common)


def _print_json(strengths: Sequence[Strength]) -> None:
    import dataclasses
    import json

    typer.echo(json.dumps([dataclasses.asdict(one) for one in strengths], indent=2, ensure_ascii=False))


def _print_table(strengths: Sequence[Strength], baseline: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from evalkit.report.numbers import count, rate

    table = Table(box=None, pad_edge=False)
    for name in ("model", "rating", "95 %", f"wins against {baseline}", "prompts"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for one in strengths:
        rating = one.rating
        ends = "no interval" if rating.low is None or rating.high is None else f"[{rating.low:.0f}, {rating.high:.0f}]"
        own = one.model == baseline
        cells = [
            one.model,
            f"{rating.value:.0f}",
            "baseline" if own else ends,
            "" if own else rate(one.win_rate),
            count(one.prompts),
        ]
        table.add_row(*(Text(cell) for cell in cells))
    console = Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)
    console.print(table)
