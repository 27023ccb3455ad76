"""`evalkit judge ...`: examine a judge, attack it, correct it with labels, have it read a stored run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Examine a judge, attack it, correct it with labels."
)

PASSED, FAILED, INCOMPLETE = 0, 1, 4


@app.command(
    epilog="**Exit codes**: 0 passed; 1 failed; 2 bad input; 4 incomplete: too much of what people labelled is unscored."
)
def exam(
    judge: Annotated[str, typer.Argument(metavar="JUDGE", help="A built-in judge, or a YAML file.")],
    labels: Annotated[
        Path,
        typer.Option(
            "--labels",
            "-l",
            metavar="FILE",
            help="What people said: JSONL or CSV rows with id, prompt, first, second and label (first, second or tie), or "
            "`labels` of several people; for a judge that grades one answer: response, and label (pass or fail).",
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="PATH", help="Whose mark must be reached. Default: the default policy."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="Only a seeded random sample of N labels.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of that sample.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Store the exam here too. In a folder `exams` beside the judge's file every run of that judge finds it.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of a table.")] = False,
) -> None:
    """Have JUDGE read what people labelled, in both orders, and say whether it agrees with them well enough to decide.

    It passes when the lower end of its agreement reaches `judge.exam.min_agreement` of the policy. The exam is stored
    under the judge's hash: another rubric, model or setting is another judge, which has taken none.
    """
    from evalkit.catalog import find_judge
    from evalkit.config import PolicySpec
    from evalkit.examining import take_exam
    from evalkit.inputs import policy_spec
    from evalkit.interrupted import resumable
    from evalkit.judging import save_exam
    from evalkit.report.exam import outcome, print_exam
    from evalkit.report.progress import LiveProgress
    from evalkit.stored.cache import cache_folder

    spec = find_judge(judge, asked_by="JUDGE")
    rule = policy_spec(policy) if policy is not None else PolicySpec()
    with resumable(), LiveProgress() as progress:
        record = take_exam(spec, labels, limit=limit, seed=seed, level=rule.level, progress=progress)
    verdict = outcome(record, rule)
    # An engine that died says nothing of the judge, and must not take the place of an exam that it has passed.
    if record.n and not (verdict == "INCOMPLETE" and record.unanswered):
        for folder in (cache_folder() / "exams", *([out] if out is not None else [])):
            save_exam(record, folder)
    print_exam(record, rule, json=json)
    raise typer.Exit({"PASSED": PASSED, "FAILED": FAILED}.get(verdict, INCOMPLETE))


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
    from evalkit.canaries import try_canaries
    from evalkit.catalog import find_judge
    from evalkit.interrupted import resumable
    from evalkit.judging import check_judge
    from evalkit.report.canaries import print_canaries
    from evalkit.report.progress import LiveProgress
    from evalkit.stored.cache import Journal, cache_folder

    spec = find_judge(judge, asked_by="JUDGE")
    check_judge(spec)
    folder = cache_folder()
    with resumable(), Journal(folder / "journal.sqlite") as journal, LiveProgress() as progress:
        tried = try_canaries(spec, journal, folder, progress, n=n, seed=seed)
    print_canaries(tried, json=json)
    if tried.failures:
        first = tried.failures[0]
        hint = f"; {first.hint}" if first.hint else ""
        print(f"evalkit: incomplete: {len(tried.failures)} unanswered: {first.message}{hint}", file=sys.stderr)
        raise typer.Exit(INCOMPLETE)
