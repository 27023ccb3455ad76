"""`evalkit doctor`: is everything here that a comparison needs?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.commands.options import Json

UNWELL = 2


def doctor(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[FILE...]",
            help="Model and judge files (YAML): are their keys set, their servers there, their folders whole and small enough? "
            "With them the `evalkit.yaml` beside the first.",
        ),
    ] = None,
    engine: Annotated[
        bool,
        typer.Option(
            "--engine/--no-engine",
            help="Also import the installed engine, in a process of its own: takes seconds, and shows that it works.",
        ),
    ] = True,
    json: Json = False,
) -> None:
    """Look at GPU and driver, engine, memory, disk, journal, sandbox and hub, and at the files of a run: each with its fix.

    Nothing is loaded onto a GPU and no answer is generated; an API is asked which models it has.

    **Exit codes**: 0 nothing would keep a comparison from running; 2 something would.
    """
    from rich.console import Console

    from evalkit.doctor import examine
    from evalkit.report.doctor import closing, findings_json, print_finding

    console, findings = Console(), []
    for one in examine(files or (), start_engines=engine):
        findings.append(one)
        if not json:
            print_finding(one, console)
    if json:
        typer.echo(findings_json(findings))
    else:
        typer.echo(f"\n{closing(findings)}")
    if any(one.status == "fail" for one in findings):
        raise typer.Exit(UNWELL)
