"""`evalkit judge ...`: examine a judge, attack it, correct it with labels, have it read a stored run."""

from __future__ import annotations

import typer

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="markdown", help="Examine a judge, attack it, correct it with labels."
)
