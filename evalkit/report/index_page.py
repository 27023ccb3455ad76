"""The index of runs as one page: shows, links and charts without scripts; sorts, filters and compares with them."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.report import html
from evalkit.report.embed import pack
from evalkit.report.index_rows import Link, page_data, quoted, run_rows, sweep_rows, tallies
from evalkit.report.index_trend import levels, panels
from evalkit.report.words import ROLES, VERDICTS
from evalkit.types import RunIndex, Trend

SCRIPTS = ("page.js", "print.js", "runs.js", "view.js", "two_runs.js", "index.js")

GENERATOR = "evalkit view"
"""Stands in the page, so that a page of ours can be told from anybody else's before it is written over."""


def render_index(index: RunIndex, trends: Sequence[Trend], link: Link | None = None) -> str:
    """The page as text; everything that comes from a file or a folder's name is escaped or packed.

    link: where the report of a folder lies, relative to the page; by default beside the page, as the folders lie.
    """
    at = link or (lambda folder: quoted(folder, "report.html"))
    style = html.asset("report.css") + html.asset("index.css")
    script = "".join(html.asset(name) for name in SCRIPTS)
    rows = run_rows(index, at)
    drawn, undrawn = panels(trends)
    return (
        html.environment()
        .get_template("index.html.j2")
        .render(
            index=index,
            generator=GENERATOR,
            style=html.trusted(style),
            script=html.trusted(script),
            policy=html.content_policy(style, script),
            rows=rows,
            sweeps=sweep_rows(index, at),
            sweep_keys={row.sweep.folder: row.key for row in sweep_rows(index, at)},
            tallies=tallies(index),
            bases=len({run.base.name for run in index.runs}),
            judged=any(row.win_rate for row in rows),
            panels=drawn,
            undrawn=undrawn,
            levels=levels(trends),
            data=pack({**page_data(rows), "verdicts": VERDICTS, "roles": ROLES}),
        )
    )
