"""`evalkit suites`: what is built in; one item as a model will see it; whether a new suite is sound."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import pandas as pd

    from evalkit.backends import Backend
    from evalkit.config import ModelSpec

UNSOUND = 2

app = typer.Typer(
    help="List the built-in suites; `show` an item as a model will see it; `validate` a suite of your own.",
    invoke_without_command=True,
    rich_markup_mode="markdown",
)

Name = Annotated[str, typer.Argument(metavar="NAME|PATH", help="A built-in suite, or a YAML file.")]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", "-m", metavar="PATH", help="A model file (YAML): its template and tokens. No engine starts."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON to stdout instead of text.")]


@app.callback()
def suites(context: typer.Context, json: Json = False) -> None:
    """List the built-in suites."""
    if context.invoked_subcommand is not None:
        return
    from evalkit.catalog import builtin_names, find_any_suite
    from evalkit.report.listing import print_suites

    print_suites([find_any_suite(name) for name in builtin_names("suites")], json=json)


@app.command()
def show(
    name: Name,
    model: Model = None,
    id_: Annotated[str | None, typer.Option("--id", metavar="ID", help="This item.")] = None,
    task: Annotated[str | None, typer.Option("--task", "-t", metavar="NAME", help="Items of this task.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, metavar="N", help="The first N items (of each member suite).")
    ] = 1,
    json: Json = False,
) -> None:
    """Show items as a model will see them: prompt, special tokens, sampling, gold, extraction, scorer.

    With --model the chat template is applied and special tokens are written out; without it the turns are shown.
    """
    from evalkit.inputs import read_suite_by_name
    from evalkit.preview import pick, preview
    from evalkit.report.preview import print_previews

    opened = _opened(model)
    picked = pick(read_suite_by_name(name, _beside(opened)), id=id_, task=task, most=limit)
    print_previews([preview(item, suite.spec.role, opened) for suite, item in picked], as_json=json)


@app.command(epilog="**Exit codes**: 0 nothing has to be put right; 2 something has, or the files cannot be read.")
def validate(
    name: Name,
    model: Model = None,
    answers: Annotated[
        Path | None,
        typer.Option(
            "--answers",
            "-a",
            metavar="FILE",
            help='Recorded answers (rows `{"id": ..., "output": ...}`), scored as a model\'s would be.',
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Read a suite as `compare` would, and say whether it is sound and what it can show.

    Looked at are golds that their own scorer refuses, what replies earn that know nothing, prompts that come twice, the
    length of prompts (with --model: whether they fit), and the loss that so many items can rule out.
    """
    from evalkit.inputs import read_suite_by_name
    from evalkit.report.vetting import print_vetted
    from evalkit.vetting import vet

    opened = _opened(model)
    vetted = [vet(suite, opened) for suite in read_suite_by_name(name, _beside(opened))]
    print_vetted(vetted, _scored(name, answers) if answers else None, as_json=json)
    if not all(one.is_sound for one in vetted):
        raise typer.Exit(UNSOUND)


def _opened(model: Path | None) -> tuple[Backend, ModelSpec] | None:
    """A model whose template and tokens can be asked for; its engine stays where it is."""
    if model is None:
        return None
    from evalkit.backends import open_backends
    from evalkit.inputs import model_spec
    from evalkit.stored.cache import cache_folder

    spec = model_spec(model)
    (backend,) = open_backends({"base": spec}, cache_folder())
    return backend, spec


def _beside(opened: tuple[Backend, ModelSpec] | None) -> str:
    """Where the `evalkit.yaml` is that names plugins: beside the model, else here."""
    return opened[1].folder if opened else "."


def _scored(name: str, answers: Path) -> pd.DataFrame:
    """The samples of recorded answers to a suite."""
    from evalkit.api import run_one
    from evalkit.config import ModelSpec

    recorded = ModelSpec(name=answers.stem, backend="replay", outputs=str(answers.resolve()), file="--answers")
    return run_one(recorded, suites=[name])
