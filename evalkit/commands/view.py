"""`evalkit view`: all runs under a folder, browsed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    runs: Annotated[
        Path, typer.Argument(metavar="[RUNS]", help="The folder under which runs and sweeps lie, at any depth.")
    ] = Path("runs"),
    port: Annotated[
        int | None,
        typer.Option("--port", min=1, max=65535, metavar="N", help="The port to listen on. Default: a free one."),
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    static: Annotated[
        Path | None,
        typer.Option(
            "--static",
            metavar="DIR",
            help="Write the page and copies of the reports into DIR instead of serving them: for an artefact of CI or a bucket. "
            "Reports below DIR are linked where they lie.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON instead of serving it.")] = False,
) -> None:
    """Browse all runs and sweeps under RUNS: filter, sort, the trend of gain, tax and win rate, any two compared.

    The page is served on this machine alone (127.0.0.1) until Ctrl-C. A reload shows what has landed since. Of a run only
    summary.json and manifest.json are read; a folder that cannot be read is listed with the reason.

    With `--static DIR` the same page is written as files: `evalkit view runs --static runs` puts an index.html beside the runs.
    """
    from evalkit.browsing import Scanner, Serving, write_static
    from evalkit.types import InputError

    if not runs.is_dir():
        raise InputError(f"{runs}: no such folder; name the one that `evalkit compare --out` wrote to")
    if static is not None and (port is not None or open_ or json):
        raise InputError("--static: writes files and ends; leave out --port, --open and --json")
    if json:
        from evalkit.report.index_json import index_json

        typer.echo(index_json(Scanner(runs).index()), nl=False)
        return
    if static is not None:
        page, index = write_static(runs, static)
        typer.echo(f"{page}: {_found(len(index.runs), len(index.unreadable))}")
        return
    serving = Serving(runs, port or 0)
    index = serving.pages.index()
    typer.echo(f"{_found(len(index.runs), len(index.unreadable))} under {runs}; Ctrl-C ends")
    typer.echo(serving.address)
    if open_:
        import webbrowser

        webbrowser.open(serving.address)
    serving.forever()


def _found(runs: int, unreadable: int) -> str:
    lost = f", {unreadable:,} more could not be read" if unreadable else ""
    return f"{runs:,} {'run' if runs == 1 else 'runs'}{lost}"
