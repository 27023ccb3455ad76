"""The command line: parse, call one function, map the outcome to an exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evalkit.commands import add_to
from evalkit.commands.options import (
    Base,
    Executor,
    Incumbent,
    Json,
    Judge,
    Limit,
    Policy,
    Seed,
    Suites,
    Tuned,
    Unsandboxed,
    waive_sandbox,
)
from evalkit.interrupted import INTERRUPTED as INTERRUPTED
from evalkit.interrupted import resumable
from evalkit.types import EngineError, InputError, RunError

if TYPE_CHECKING:
    from evalkit.run import Run

GO, NO_GO, BAD_INPUT, INCONCLUSIVE, INCOMPLETE, INTERNAL = 0, 1, 2, 3, 4, 70

_EXIT_CODES = """
**Exit codes**: 0 GO; 1 NO-GO; 2 bad input; 3 INCONCLUSIVE; 4 the run is incomplete; 70 internal error; 130 interrupted.
"""

app = typer.Typer(
    name="evalkit",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Is this post-trained model safe to release over its base?\n\n"
        "evalkit runs both models on task suites, measures what was gained and what it cost as paired differences with "
        "honest intervals, decides GO / NO-GO / INCONCLUSIVE under a written policy, and writes one HTML report.\n\n"
        "Start with:  `evalkit compare base.yaml tuned.yaml`"
    ),
    epilog=_EXIT_CODES,
)


def _version(wanted: bool) -> None:
    if wanted:
        from evalkit import __version__

        typer.echo(f"evalkit {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


@app.command(epilog=_EXIT_CODES)
def compare(
    base: Base,
    tuned: Tuned,
    suite: Suites = None,
    judge: Judge = None,
    incumbent: Incumbent = None,
    policy: Policy = None,
    train_data: Annotated[
        list[str] | None,
        typer.Option(
            "--train-data",
            metavar="FILE|DIR",
            help="What TUNED was trained on, or with `base=` in front, BASE: items are looked up in it, and those found "
            "are set aside in a second difference. Repeat for several; `train_data` in a model file says the same.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where the six files go. Default: runs/BASE-vs-TUNED-TIME."),
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    fresh_from: Annotated[
        list[Path] | None,
        typer.Option(
            "--fresh-from",
            metavar="DIR",
            help="Leave out every item that a stored run or sweep in DIR has asked: the best of several candidates is "
            "confirmed on items that had no part in choosing it. --limit draws from the rest. Repeat for several.",
        ),
    ] = None,
    probes: Annotated[
        bool,
        typer.Option(
            help="Measure beside the suites how far TUNED moved: bits per byte on held-out text, and KL(tuned || base) per "
            "token on what TUNED writes at temperature 1. Local engines only, 100 short prompts a model; it gates nothing.",
        ),
    ] = True,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential",
            help="Look at the run while it goes on (5 times, unless the policy says otherwise) and stop as soon as the whole "
            "policy is decided, or hardly can be. Same error rates. Saves most where answers are dear: long reasoning, judges.",
        ),
    ] = False,
    aa: Annotated[
        int | None,
        typer.Option(
            "--aa",
            min=1,
            metavar="N",
            help="Ask BASE the first N items of each task a second time, on the same engine with the same flags: how many "
            "answers and marks differ between two runs of one model stands beside what TUNED changed. It gates nothing.",
        ),
    ] = None,
    executor: Executor = None,
    allow_unsandboxed_code: Unsandboxed = False,
    json: Json = False,
) -> None:
    """Compare TUNED with BASE, decide, and write the report.

    Everything in the files is checked before an engine starts. Answers are journalled as they land: a run that was
    interrupted, or is run again with a new suite, policy or judge, generates only what is not known yet.
    """
    from evalkit.api import run_comparison
    from evalkit.report.progress import LiveProgress

    waive_sandbox(allow_unsandboxed_code)
    folder = out or _new_folder(base, tuned)
    with resumable(), LiveProgress() as progress:
        run = run_comparison(
            base,
            tuned,
            suites=suite,
            judge=judge,
            policy=policy,
            train_data=train_data or (),
            out=folder,
            incumbent=incumbent,
            limit=limit,
            seed=seed,
            probes=probes,
            sequential=sequential,
            fresh_from=fresh_from or (),
            aa=aa,
            executor=executor,
            progress=progress,
            command=shlex.join(["evalkit", *sys.argv[1:]]),
        )
    _tell(run, folder / "report.html", json=json)


@app.command(epilog=_EXIT_CODES)
def gate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", "-p", metavar="PATH", help="Default: the policy that the run was decided under."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Also write the six files of the new decision there."),
    ] = None,
    json: Json = False,
) -> None:
    """Decide a stored run again, under its own policy or another; no model runs.

    Without --out nothing is written: the exit code and the printed summary are the answer.
    """
    from evalkit.api import load

    decided = load(run, policy=policy, describe=json or out is not None)
    report = decided.write(out) if out else None
    _tell(decided, report, json=json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Where to write. Default: into RUN itself.")
    ] = None,
    json: Json = False,
) -> None:
    """Render the report of a stored run again; no model runs, nothing is decided anew."""
    from evalkit.api import load

    loaded = load(run)
    written = loaded.write(out or run)
    if json:
        _tell_json(loaded)
    else:
        typer.echo(written)


@app.command()
def run(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The model file (YAML).")],
    suite: Suites = None,
    id_: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="Only this item, shown in full. Repeat for several.")
    ] = None,
    limit: Limit = None,
    seed: Seed = 0,
    executor: Executor = None,
    allow_unsandboxed_code: Unsandboxed = False,
    json: Json = False,
) -> None:
    """Ask one model alone, and show how it scored; with --id, prompt and answer in full."""
    from evalkit.api import run_one
    from evalkit.report.progress import LiveProgress
    from evalkit.report.single import print_samples, print_scores

    waive_sandbox(allow_unsandboxed_code)
    with resumable(), LiveProgress() as progress:
        samples = run_one(
            model, suites=suite, ids=id_ or (), limit=limit, seed=seed, executor=executor, progress=progress
        )
    if json:
        typer.echo(samples.to_json(orient="records", force_ascii=False))
    elif id_:
        print_samples(samples)
    else:
        print_scores(samples)


add_to(app)


@app.command()
def judges(json: Json = False) -> None:
    """List the built-in judges."""
    from evalkit.catalog import builtin_names, find_judge
    from evalkit.report.listing import print_judges

    print_judges([find_judge(name) for name in builtin_names("judges")], json=json)


def _new_folder(base: Path, tuned: Path) -> Path:
    import datetime

    return Path("runs") / f"{base.stem}-vs-{tuned.stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}"


def _tell(run: Run, report: Path | None, *, json: bool) -> None:
    """Print the outcome and exit with its code."""
    if json:
        _tell_json(run)
    else:
        from evalkit.report.console import print_summary

        print_summary(run.comparison, run.decision, run.manifest, report)
    raise typer.Exit(exit_code(run))


def _tell_json(run: Run) -> None:
    """summary.json on stdout, and nothing else there."""
    from evalkit.report.summary import summary_json

    typer.echo(summary_json(run.comparison, run.decision, run.manifest), nl=False)


def exit_code(run: Run) -> int:
    """0 GO, 1 NO-GO, 3 INCONCLUSIVE (0 where the policy says `inconclusive: pass`), 4 incomplete."""
    if not run.decision.complete:
        return INCOMPLETE
    if run.decision.outcome == "inconclusive":
        return GO if run.policy.inconclusive == "pass" else INCONCLUSIVE
    return GO if run.decision.outcome == "go" else NO_GO


def main() -> None:
    """Entry point: user errors without a traceback, bugs with theirs."""
    # The name under which shells complete it, however it was started.
    sys.exit(_guarded(lambda: app(prog_name="evalkit")))


def _guarded(act: Callable[..., Any]) -> int:
    try:
        act()
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(bool(stop.code))
    except (InputError, RunError) as error:
        print(f"evalkit: {error}", file=sys.stderr)
        return BAD_INPUT
    except EngineError as error:
        print(f"evalkit: {error}" + (f"\n  {error.hint}" if error.hint else ""), file=sys.stderr)
        return INCOMPLETE
    except BrokenPipeError:
        # The reader of our output went away (`evalkit suites | head`): not an error of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return GO
    except Exception:
        import traceback

        traceback.print_exc()
        print("evalkit: internal error; please report it with the lines above", file=sys.stderr)
        return INTERNAL
    return GO


if __name__ == "__main__":
    main()
