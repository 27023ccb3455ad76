"""`evalkit import ...`: existing annotations become a comparison with the same statistics, decision and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalkit.importers import Imported

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Turn another tool's annotations into a comparison: the same statistics, decision and report, and no model asked. "
    "Exit code 0 whatever the decision; `evalkit gate DIR` gives the decision's.",
)

Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the six files go.")]
Base = Annotated[str | None, typer.Option("--base", metavar="NAME", help="The model that stands for base.")]
Tuned = Annotated[str | None, typer.Option("--tuned", metavar="NAME", help="The model that stands for tuned.")]
Questions = Annotated[
    list[Path] | None, typer.Option("--questions", metavar="FILE", help="question.jsonl, for the prompts' texts.")
]
Answers = Annotated[
    list[Path] | None,
    typer.Option("--answers", metavar="FILE", help="A model_answer file, for the answers' texts. Repeat for several."),
]
Policy = Annotated[
    Path | None, typer.Option("--policy", "-p", metavar="PATH", help="The written rule, for the decision.")
]
Json = Annotated[bool, typer.Option("--json", help="Print summary.json to stdout instead of tables.")]
Judgments = Annotated[list[Path], typer.Argument(metavar="JUDGMENTS...", help="The judgments (JSONL).")]


@app.command("alpaca-eval")
def alpaca_eval(
    annotations: Annotated[Path, typer.Argument(metavar="ANNOTATIONS", help="annotations.json of one model.")],
    out: Out,
    base: Base = None,
    tuned: Tuned = None,
    difficulty: Annotated[
        Path | None,
        typer.Option(
            "--difficulty",
            metavar="FILE",
            help="AlpacaEval's instruction_difficulty (JSON, one number a row): prints its own length-controlled win rate too.",
        ),
    ] = None,
    policy: Policy = None,
    json: Json = False,
) -> None:
    """AlpacaEval: annotations of one model against the baseline, with full texts."""
    from evalkit.importers import import_alpaca_eval

    _finish(import_alpaca_eval(annotations, base=base, tuned=tuned, difficulty=difficulty), out, policy, json=json)


@app.command("mt-bench")
def mt_bench(
    judgments: Judgments,
    out: Out,
    base: Base = None,
    tuned: Tuned = None,
    turn: Annotated[
        int | None,
        typer.Option(
            "--turn", min=1, max=2, help="Only this turn. Default: both, each an item, clustered by question."
        ),
    ] = None,
    questions: Questions = None,
    answers: Answers = None,
    policy: Policy = None,
    json: Json = False,
) -> None:
    """MT-bench: pair judgments, single grades, or votes of people, as FastChat writes them."""
    from evalkit.importers import import_mt_bench

    imported = import_mt_bench(
        judgments, base=base, tuned=tuned, turn=turn, questions=questions or (), answers=answers or ()
    )
    _finish(imported, out, policy, json=json)


@app.command("arena-hard")
def arena_hard(
    judgments: Judgments,
    out: Out,
    base: Base = None,
    tuned: Tuned = None,
    questions: Questions = None,
    answers: Answers = None,
    policy: Policy = None,
    json: Json = False,
) -> None:
    """Arena-Hard: judgments of a model against the baseline (v0.1 and v2.0), or battles."""
    from evalkit.importers import import_arena_hard

    imported = import_arena_hard(judgments, base=base, tuned=tuned, questions=questions or (), answers=answers or ())
    _finish(imported, out, policy, json=json)


def _finish(imported: Imported, out: Path, policy: Path | None, *, json: bool) -> None:
    import shlex
    import sys

    from evalkit.api import import_run
    from evalkit.report.console import print_summary
    from evalkit.report.summary import summary_json

    run = import_run(imported, policy=policy, out=out, command=shlex.join(["evalkit", *sys.argv[1:]]))
    if json:
        typer.echo(summary_json(run.comparison, run.decision, run.manifest))
        return
    print_summary(run.comparison, run.decision, run.manifest, out / "report.html")
    for name, value in imported.alpaca_eval.items():
        typer.echo(f"AlpacaEval's own {name.replace('_', ' ')}: {100 * value:.2f} %")
