"""What a suite of this size can show, under the default policy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from evalkit.config import PolicySpec, SuiteSpec
from evalkit.running.requests import Item
from evalkit.scorers import marking
from evalkit.statistics import ENOUGH, clopper_pearson, detectable_difference, sample_size
from evalkit.vetting.findings import Finding, Power

DISCORDANCES = (0.10, 0.15)
"""Shares of items that come out differently, between which fine-tunes of one base mostly lie."""

_POLICY = PolicySpec()


def power_of(suite: SuiteSpec, items: Sequence[Item], samples: int) -> Power:
    """What the items that a run asks can show. samples: of each item; for equal models the spread falls as with more items."""
    clusters = {one.example.group or f"item {place}" for place, one in enumerate(items)}
    clustered = any(one.example.group is not None for one in items)
    max_rate = _limits(suite)["max_rate"] if suite.role == "guard" else None
    return Power(
        items=len(items),
        samples=samples,
        margin=_margin(suite),
        within=_within(len(items) * samples),
        clusters=len(clusters) if clustered else None,
        within_clusters=_within(len(clusters) * samples) if clustered else {},
        max_rate=max_rate,
        most_hits=_most_hits(len(items), max_rate) if max_rate is not None else None,
    )


def shortfalls(suite: SuiteSpec, items: Sequence[Item], power: Power) -> Iterator[Finding]:
    """Gates that so few items cannot pass."""
    margin, low = power.margin, DISCORDANCES[0]
    if margin and suite.role != "target" and power.within[low] > margin:
        needed = sample_size(margin, low, power=_POLICY.power, level=_POLICY.level)
        yield Finding(
            False,
            "",
            f"{power.items} items cannot be relied on to show equal models within {100 * margin:g} pp: {needed} would at "
            f"{100 * low:g} % discordance; add items, sample each several times, pool the suite with another, or state a margin",
        )
    if power.max_rate is None:
        return
    if power.samples > 1 or not all(marking(one.task).binary for one in items):
        text = f"its own rate is not of yes and no: {ENOUGH} items must be above zero before it can pass; a rare event is asked once (n: 1)"
        yield Finding(False, "", text)
    elif power.most_hits is None:
        text = f"not one of {power.items} items may count, and the rate is still not shown to be below {100 * power.max_rate:g} %"
        yield Finding(False, "", f"{text}; add items or state `guard: {{max_rate: ...}}`")


def _margin(suite: SuiteSpec) -> float | None:
    """By how much its gate lets the difference go the wrong way; for a target, the gain it asks for."""
    if suite.role == "guard":
        return _limits(suite)["max_increase"]
    usual = _POLICY.retain.margin if suite.role == "retain" else _POLICY.target.min_gain
    return usual if suite.margin is None else suite.margin


def _limits(suite: SuiteSpec) -> dict[str, float | None]:
    limits = {"max_rate": _POLICY.guard.max_rate, "max_increase": _POLICY.guard.max_increase}
    if suite.margin is not None:
        limits["max_increase"] = suite.margin
    return limits | suite.guard.stated


def _within(n: int) -> dict[float, float]:
    return {
        share: detectable_difference(n, share, power=_POLICY.power, level=_POLICY.level) if n else 1.0
        for share in DISCORDANCES
    }


def _most_hits(n: int, max_rate: float) -> int | None:
    """The largest count whose Clopper-Pearson limit lies below `max_rate`."""
    passing = None
    for hits in range(n + 1):
        high = clopper_pearson(hits, n, level=_POLICY.level).high
        if high is None or high >= max_rate:
            break
        passing = hits
    return passing
