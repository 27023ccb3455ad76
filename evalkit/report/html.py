"""report.html: one self-contained page that opens from a folder, shows without scripts, and asks the network nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa

from evalkit.catalog import builtin_folder
from evalkit.report import (
    drift,
    glossary,
    incumbent,
    judged,
    noise,
    numbers,
    origins,
    plots,
    setaside,
    tax,
    text,
    thinking,
    view,
    words,
)
from evalkit.report.embed import embed
from evalkit.report.items import item_frame
from evalkit.stored.records import Samples, without_probes
from evalkit.types import IMPORTED, Comparison, Decision, Manifest

SCRIPTS = (
    "page.js",
    "print.js",
    "shards.js",
    "orders.js",
    "items.js",
    "address.js",
    "view.js",
    "diff.js",
    "detail.js",
    "rows.js",
    "contents.js",
    "explorer.js",
)


def render_html(comparison: Comparison, decision: Decision, manifest: Manifest, table: pa.Table | Samples) -> str:
    """The page as text. Everything that comes from a file or a model is escaped or packed; nothing is trusted."""
    table = without_probes(Samples.of(table))
    items = item_frame(table)
    embedded = embed(table, items, seed=manifest.seed)
    suites = view.suite_views(comparison, decision)
    style, script = asset("report.css"), "".join(asset(name) for name in SCRIPTS)
    page = environment().get_template("report.html.j2")
    return page.render(
        comparison=comparison,
        decision=decision,
        manifest=manifest,
        style=trusted(style),
        script=trusted(script),
        policy=content_policy(style, script),
        headline=words.headline(decision),
        sentence=words.sentence(comparison, decision),
        remedies=words.remedies(decision, imported=manifest.base.backend == IMPORTED),
        cautions=words.cautions(comparison, decision, manifest),
        tax_lines=tax.tax_lines(comparison, decision),
        p_values=tax.p_values(comparison),
        terms=glossary.terms(comparison),
        has_slices=any(suite.slices for suite in comparison.suites),
        groups=plots.forest_groups(comparison, decision),
        plane=plots.gain_tax_plane(comparison, decision),
        tally=view.tally(decision),
        suites=suites,
        # Where only a judge reads, there is no mark of which a difference could be shown.
        scored=bool(suites) or not comparison.judges,
        flips=[suite for suite in suites if suite.result.bounded],
        graded=any(not task.binary and task.bounded for suite in manifest.suites for task in suite.tasks),
        over=incumbent.incumbent_table(comparison, decision, manifest),
        noise=noise.noise_view(comparison),
        causes=view.causes(comparison),
        form=setaside.form_lines(comparison),
        training_data=setaside.training_data(comparison, manifest),
        overlap=setaside.overlap_lines(comparison) if manifest.train_data else [],
        test_time=thinking.views(comparison),
        drift=drift.drift_view(comparison),
        judges=judged.judge_views(comparison, manifest),
        facts=origins.model_facts(manifest),
        commands_json=json.dumps(origins.commands(manifest)),
        policy_text=origins.policy_text(manifest),
        embedded=embedded,
    )


def environment() -> Any:
    """Where the templates of all pages are rendered: everything is escaped, an undefined name is an error."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(builtin_folder("reports")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters |= {
        "amount": numbers.amount,
        "count": numbers.count,
        "difference": numbers.difference,
        "duration": numbers.duration,
        "gate_limit": words.gate_limit,
        "gate_name": words.gate_name,
        "gate_numbers": words.gate_numbers,
        "megabytes": setaside.megabytes,
        "interval": numbers.interval,
        "percent": numbers.percent,
        "pp": numbers.pp,
        "rate": numbers.rate,
        "rounded": numbers.rounded,
        "trusted": trusted,
        "when": origins.when,
    }
    environment.globals |= {"VERDICTS": words.VERDICTS, "ROLES": words.ROLES, "CAUSES": words.CAUSES}
    return environment


def asset(name: str) -> str:
    """A style sheet or script of our own, as text."""
    return (Path(builtin_folder("reports")) / name).read_text(encoding="utf-8")


def content_policy(style: str, script: str) -> str:
    """The content-security policy: this page's own style and script by their hashes, and nothing else at all.

    script: empty for a page without any.
    """

    def digest(content: str) -> str:
        return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode("utf-8")).digest()).decode("ascii") + "'"

    runs = digest(script) if script else "'none'"
    return (
        f"default-src 'none'; script-src {runs}; style-src {digest(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def trusted(markup: str) -> Any:
    """Our own style, script and charts: the only text that enters the page as it is."""
    from markupsafe import Markup

    return Markup(markup)


def _visible(value: Any) -> Any:
    """Replace invisible and direction-turning characters in whatever a template prints, but not in trusted markup."""
    if type(value) is str:
        return text.visible(value)
    return value
