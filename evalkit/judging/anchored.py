"""Two readings of the same pairs by one judge: which of them came out otherwise, and what that says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from evalkit.statistics import more_changed
from evalkit.types import Anchors, Order, Verdict, Winner

Read = Mapping[str, Mapping[Order, Winner]]
"""Of one reading: by pair, who won in each order. A pair of which a verdict could not be read is not in it."""


def read_winners(verdicts: Iterable[Verdict]) -> dict[str, dict[Order, Winner]]:
    """Who won each pair in each order, of the pairs that were read in every order they were asked in."""
    winners: dict[str, dict[Order, Winner | None]] = {}
    for verdict in verdicts:
        winners.setdefault(verdict.example_id, {})[verdict.order] = verdict.winner
    return {
        id: {order: winner for order, winner in by_order.items() if winner is not None}
        for id, by_order in winners.items()
        if None not in by_order.values()
    }


def changed_pairs(before: Read, after: Read) -> tuple[int, int]:
    """How many pairs were read both times, and how many of them came out otherwise in any order."""
    both = before.keys() & after.keys()
    return len(both), sum(dict(before[id]) != dict(after[id]) for id in both)


def compare_readings(first: Read, second: Read, now: Read, *, since: str) -> Anchors:
    """What became of a judge since `first`. second: taken at the same time as `first`, for the judge's own noise."""
    noise_n, noise = changed_pairs(first, second)
    n, changed = changed_pairs(first, now)
    return Anchors(n, changed, noise, noise_n, more_changed(changed, n, noise, noise_n), since)


def drift_caution(anchors: Anchors) -> str | None:
    """The warning in words; None where the judge reads the stored pairs as it did at first."""
    if not anchors.drifted:
        return None
    return (
        f"is not the judge it was on {anchors.since}: reads {anchors.changed} of {anchors.n} stored pairs otherwise "
        f"({anchors.noise} of {anchors.noise_n} between two readings then); examine it again under another `revision`"
    )
