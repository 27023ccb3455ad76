"""`evalkit import ...`: existing annotations become a comparison with the same statistics, decision and report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from evalkit.importers import Imported, ImportedScores

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Turn another tool's results into a comparison: the same statistics, decision and report, and no model asked.\n\n"
    "Marks: `lm-eval`, `inspect`. Judgments: `alpaca-eval`, `mt-bench`, `arena-hard`.\n\n"
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
Tasks = Annotated[
    list[str] | None,
    typer.Option(
        "--task",
        "-t",
        metavar="NAME",
        help="Only this task or suite. Repeat for several. Default: all, which both must have.",
    ),
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role",
        metavar="[NAME=]ROLE",
        help="target (must gain), retain (must not lose, the default) or guard (higher is worse), of one suite or of all. "
        "Repeat for several.",
    ),
]
Margins = Annotated[
    list[str] | None,
    typer.Option(
        "--margin",
        metavar="[NAME=]X",
        help="A suite's own margin in place of the policy's, as in gsm8k=0.03. Repeat for several.",
    ),
]
Aggregates = Annotated[
    list[str] | None,
    typer.Option(
        "--aggregate",
        metavar="[NAME=]HOW",
        help="Of a suite of several tasks: pool (all items alike, the default) or macro (all tasks alike).",
    ),
]
BaseName = Annotated[str | None, typer.Option("--base", metavar="NAME", help="Another name for base than the log's.")]
TunedName = Annotated[
    str | None, typer.Option("--tuned", metavar="NAME", help="Another name for tuned than the log's.")
]


@app.command("lm-eval")
def lm_eval(
    base_dir: Annotated[
        Path, typer.Argument(metavar="BASE_DIR", help="Base's result folder, or one results_TIME.json in it.")
    ],
    tuned_dir: Annotated[Path, typer.Argument(metavar="TUNED_DIR", help="Tuned's.")],
    out: Out,
    task: Tasks = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="[NAME=]METRIC",
            help="Which of a task's metrics is the score, as in arc_challenge=acc_norm. Default: the first that marks items.",
        ),
    ] = None,
    filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="[NAME=]FILTER",
            help="Which of a task's filters is marked, as in gsm8k=flexible-extract. Default: its first.",
        ),
    ] = None,
    role: Roles = None,
    margin: Margins = None,
    aggregate: Aggregates = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster",
            metavar="[NAME=]FIELD",
            help="A field of the documents (a passage) whose value items of one cluster share: the errors become cluster-robust.",
        ),
    ] = None,
    base: BaseName = None,
    tuned: TunedName = None,
    policy: Policy = None,
    json: Json = False,
) -> None:
    """lm-evaluation-harness: two result folders, written with `--log_samples`.

    `lm_eval run ... --output_path results/base --log_samples`, the same for the tuned model, then
    `evalkit import lm-eval results/base results/tuned --role gsm8k=target --out runs/harness`.

    Documents are paired by doc_id; one that only one side has is missing, and two that differ under one id are refused. A
    group (mmlu) is one suite of its tasks. Of several runs in a folder the newest of each task counts, and it is said which.
    """
    from evalkit.importers import import_lm_eval
    from evalkit.report.progress import LiveProgress

    with LiveProgress() as progress:
        imported = import_lm_eval(
            base_dir,
            tuned_dir,
            tasks=task or (),
            metrics=metric or (),
            filters=filter or (),
            roles=role or (),
            margins=margin or (),
            aggregates=aggregate or (),
            clusters=cluster or (),
            base_name=base,
            tuned_name=tuned,
            progress=progress,
        )
    _finish(imported, out, policy, json=json)


@app.command("inspect")
def inspect(
    base_log: Annotated[
        Path, typer.Argument(metavar="BASE", help="Base's log (.eval or .json), or a folder of its logs.")
    ],
    tuned_log: Annotated[Path, typer.Argument(metavar="TUNED", help="Tuned's.")],
    out: Out,
    task: Tasks = None,
    scorer: Annotated[
        list[str] | None,
        typer.Option(
            "--scorer",
            metavar="[NAME=]SCORER",
            help="Whose marks are the score; of a scorer that gives several numbers SCORER.KEY. Default: the log's first.",
        ),
    ] = None,
    scale: Annotated[
        list[str] | None,
        typer.Option(
            "--scale",
            metavar="[NAME=]LOW:HIGH",
            help="The marks that become 0 and 1, as in 1:10, of a scorer that grades otherwise.",
        ),
    ] = None,
    role: Roles = None,
    margin: Margins = None,
    aggregate: Aggregates = None,
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            "--cluster",
            metavar="[NAME=]FIELD",
            help="A field of the samples' metadata whose value items of one cluster share. Default: that of a scorer's own "
            "stderr(cluster=...).",
        ),
    ] = None,
    base: BaseName = None,
    tuned: TunedName = None,
    policy: Policy = None,
    json: Json = False,
) -> None:
    """Inspect (inspect_ai): two logs, or two folders of logs; needs `pip install 'evalkit-gate[inspect]'`.

    `inspect eval gsm8k.py --model vllm/base --log-dir logs/base`, the same for the tuned model, then
    `evalkit import inspect logs/base logs/tuned --scorer match --out runs/inspect`.

    Samples are paired by id, and epochs are samples of one item. One that ended in an error was never answered: it is
    missing, not wrong. Two that differ in input or target under one id are refused.
    """
    from evalkit.importers import import_inspect
    from evalkit.report.progress import LiveProgress

    with LiveProgress() as progress:
        imported = import_inspect(
            base_log,
            tuned_log,
            tasks=task or (),
            scorers=scorer or (),
            scales=scale or (),
            roles=role or (),
            margins=margin or (),
            aggregates=aggregate or (),
            clusters=cluster or (),
            base_name=base,
            tuned_name=tuned,
            progress=progress,
        )
    _finish(imported, out, policy, json=json)


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


def _finish(imported: Imported | ImportedScores, out: Path, policy: Path | None, *, json: bool) -> None:
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
    for name, value in getattr(imported, "alpaca_eval", {}).items():
        typer.echo(f"AlpacaEval's own {name.replace('_', ' ')}: {100 * value:.2f} %")
