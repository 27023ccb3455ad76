"""`evalkit judge label-next` and `evalkit judge correct`: a judge's win rate corrected by what people say of some pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from evalkit.commands.judge import app
from evalkit.commands.options import Json

Run = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a finished run with a judge.")]
Judge = Annotated[
    str | None, typer.Option("--judge", "-j", metavar="NAME", help="Which judge, where the run has several.")
]


@app.command("label-next")
def label_next(
    n: Annotated[
        int, typer.Argument(metavar="N", min=1, help="How many pairs to label; a correction needs 100 in all.")
    ],
    run: Run,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="CSV", help="Where the file to fill in goes.")] = Path(
        "labels.csv"
    ),
    earlier: Annotated[
        list[Path] | None,
        typer.Option(
            "--labels", metavar="CSV", help="Files of this draw that exist already: the draw goes on after them."
        ),
    ] = None,
    judge: Judge = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of the draw; the same for all its files.")] = 0,
    json: Json = False,
) -> None:
    """Draw N pairs of RUN for people to label, with known probabilities.

    20 % of the draw is spread evenly; the rest goes where the judge is in doubt, so that a label tells most. Fill in the column
    `label` with first, second or tie; which model wrote which answer is not in the file. Keep all rows. Then:
    `evalkit judge correct RUN --labels CSV`.
    """
    from evalkit.api import load
    from evalkit.examining.labelling import draw, read_rows, to_label
    from evalkit.types import InputError

    if out.exists():
        raise InputError(f"--out: {out} exists, and may hold labels; name another file")
    stored = load(run)
    drawn = draw(stored.manifest, stored.verdicts, judge, seed=seed)
    rows = [row for path in earlier or () for row in read_rows(path)]
    against = next(record.against for record in stored.manifest.judges if record.name == drawn.judge)
    out.write_text(to_label(drawn, stored.samples, n, rows, against), encoding="utf-8", newline="")
    if json:
        import json as json_

        typer.echo(json_.dumps({"file": str(out), "pairs": n, "judge": drawn.judge, "seed": seed}))
        return
    typer.echo(f"{out}: {n} pairs to label: write first, second or tie into the column `label`")


@app.command()
def correct(
    run: Run,
    labels: Annotated[
        list[Path],
        typer.Option(
            "--labels", metavar="CSV", help="A filled-in file of label-next. Repeat for all files of the draw."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Where the six files go. Default: into RUN itself."),
    ] = None,
    judge: Judge = None,
    json: Annotated[bool, typer.Option("--json", help="Print the judge's part of summary.json.")] = False,
) -> None:
    """Correct a judge's win rate with people's labels, and write the report anew.

    PPI++: the judge's scores on all pairs, plus what the labels say it is wrong by, weighted by inverse probability. The result is
    right on average however wrong the judge is; a good judge makes it narrower. At least 100 labels.
    """
    import json as json_

    from evalkit.api import load, with_labels
    from evalkit.report.numbers import rate
    from evalkit.report.summary import summary_json

    corrected = with_labels(load(run), labels, judge)
    corrected.write(out or run)
    found = [one for one in corrected.comparison.judges if one.labels]
    if json:
        told = json_.loads(summary_json(corrected.comparison, corrected.decision, corrected.manifest))["judges"]
        typer.echo(json_.dumps(told, indent=2, ensure_ascii=False))
        return
    for one in found:
        typer.echo(f"{one.name}: win rate {rate(one.win_rate)} by the judge on {one.n} prompts")
        if one.corrected is not None:
            why = f" ({'; '.join(one.corrected.cautions)})" if one.corrected.cautions else ""
            typer.echo(f"{one.name}: win rate {rate(one.corrected)} corrected with {one.labels} labels{why}")
    typer.echo(f"The report: {(out or run) / 'report.html'}")
