"""`evalkit export`: a stored run in the forms that other tools read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from evalkit.types import InputError


class Format(StrEnum):
    """What a run can be written as."""

    PARQUET = "parquet"
    CSV = "csv"
    INSPECT = "inspect"
    MODEL_CARD = "model-card"


_BY_ENDING = {".parquet": Format.PARQUET, ".csv": Format.CSV, ".md": Format.MODEL_CARD}


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a stored run.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="PATH", help="The file to write; of Inspect's logs, a new folder.")
    ],
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="parquet, csv: every sample as a row. inspect: logs for `inspect view` and `read_eval_log`, one an arm and task. "
            "model-card: TUNED's results as the hub's model-index. Default: by the ending of PATH (.parquet, .csv, .md).",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the files that were written as JSON.")] = False,
) -> None:
    """Write a stored run in another tool's form.

    `evalkit export runs/mine --out samples.csv`: one row a sample, for pandas, DuckDB or R.
    `evalkit export runs/mine --format inspect --out logs`: then `inspect view --log-dir logs/tuned`.
    `evalkit export runs/mine --format model-card --out README.md`: into the card that is there, or a new one.

    The run itself stays as it is. Exit code 0 whatever its decision.
    """
    import json as as_json

    from evalkit.api import load
    from evalkit.exporters import export_csv, export_inspect, export_model_card, export_parquet
    from evalkit.report.progress import LiveProgress

    chosen = format or _BY_ENDING.get(out.suffix.lower())
    if chosen is None:
        raise InputError(f"--format: cannot be told from {out.name!r}; say one of {', '.join(Format)}")
    if chosen is not Format.INSPECT and out.is_dir():
        raise InputError(f"--out: {out}: is a folder; name the file to write")
    stored = load(run)
    match chosen:
        case Format.PARQUET:
            files = [export_parquet(stored.table, stored.manifest, out)]
        case Format.CSV:
            files = [export_csv(stored.table, stored.manifest, out)]
        case Format.INSPECT:
            with LiveProgress() as progress:
                files = export_inspect(stored.table, stored.manifest, out, progress=progress)
        case Format.MODEL_CARD:
            files = [export_model_card(stored.comparison, stored.decision, stored.manifest, out)]
    if json:
        told = {"run_id": stored.manifest.run_id, "format": str(chosen), "files": [str(file) for file in files]}
        typer.echo(as_json.dumps(told, indent=2))
        return
    for file in files:
        typer.echo(f"{file}  {file.stat().st_size:,} bytes")
