"""A ranking of several models, as a table or JSON."""

from __future__ import annotations

import json as json_
import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from evalkit.report.console import printable
from evalkit.report.numbers import NOTHING, count, rate
from evalkit.types import Estimate, Ranking


def print_ranking(ranking: Ranking, *, json: bool = False, console: Console | None = None) -> None:
    """Strength with interval, win rate against the baseline and prompts, a row a model; then what to be wary of."""
    if json:
        print(json_.dumps(ranking_row(ranking), indent=2, ensure_ascii=False, allow_nan=False))
        return
    console = console or Console()
    if not console.is_terminal:
        console.width = max(console.width, 120)

    def say(text: str, style: str = "") -> Text:
        return Text(printable(text, console.encoding), style=style)

    table = Table(box=None, pad_edge=False)
    table.add_column("model", overflow="fold")
    for name in (f"strength [{ranking.level * 100:g} %]", f"win rate against {ranking.baseline}", "prompts", "battles"):
        table.add_column(say(name), justify="right")
    for model in ranking.models:
        of = model.strength
        against = "baseline" if model.name == ranking.baseline else rate(of.win_rate)
        cells = [model.name, elo(of.elo), against, count(of.elo.n), count(of.battles)]
        table.add_row(*map(say, cells))
    console.print(say(f"Judge {ranking.judge}, {count(ranking.prompts)} prompts; ties at half", "dim"))
    console.print(table)
    for caution in _told(ranking):
        console.print(say(f"! {caution}", "yellow"))


def elo(estimate: Estimate) -> str:
    """A strength with its interval, in whole points: 1 266 [1 221, 1 318]; without bounds: no finite strength."""
    if not math.isfinite(estimate.value):
        return NOTHING if math.isnan(estimate.value) else "no finite strength"
    if estimate.low is None or estimate.high is None:
        return f"{count(round(estimate.value))} no interval"
    return f"{count(round(estimate.value))} [{count(round(estimate.low))}, {count(round(estimate.high))}]"


def ranking_row(ranking: Ranking) -> dict[str, object]:
    """The ranking for a program. What is infinite or unknown is null, and a caution says which."""
    return {
        "judge": ranking.judge,
        "baseline": ranking.baseline,
        "level": ranking.level,
        "prompts": ranking.prompts,
        "models": [
            {
                "name": model.name,
                "fingerprint": model.fingerprint or None,
                "strength": _numbers(model.strength.elo),
                "win_rate": _numbers(model.strength.win_rate),
                "prompts": model.strength.elo.n,
                "battles": model.strength.battles,
                "cautions": list(dict.fromkeys([*model.strength.elo.cautions, *model.strength.win_rate.cautions])),
            }
            for model in ranking.models
        ],
        "cautions": list(ranking.cautions),
    }


def _numbers(estimate: Estimate) -> dict[str, object]:
    value = estimate.value if math.isfinite(estimate.value) else None
    return {
        "value": value,
        "se": estimate.se,
        "low": estimate.low,
        "high": estimate.high,
        "level": estimate.level,
        "method": estimate.method,
    }


def _told(ranking: Ranking) -> list[str]:
    told = [*ranking.cautions]
    for model in ranking.models:
        own = dict.fromkeys([*model.strength.elo.cautions, *model.strength.win_rate.cautions])
        told += [f"{model.name}: {caution}" for caution in own]
    return told
