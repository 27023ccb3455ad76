"""Whether a run can decide, gate by gate and as a whole, and what would help where it cannot."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evalkit.config import PolicySpec
from evalkit.planning.design import Design
from evalkit.planning.simulation import Simulated, is_planned, simulate
from evalkit.statistics import clopper_pearson
from evalkit.types import Expected, Plan, PlannedGate, Progress, Remedy, Silent

_MOST_ITEMS = 64.0  # times what is planned: nobody has more
_REPEATS = 4
_HELPS = 0.02  # more GO than that, or it is not worth a line


def plan(
    design: Design,
    policy: PolicySpec,
    expected: Mapping[str, Expected],
    *,
    gain: float = 0.05,
    runs: int = 1000,
    seed: int = 0,
    level: float | None = None,
    remedies: bool = True,
    progress: Progress | None = None,
) -> Plan:
    """How often equal models get GO from the whole policy, and which limit each gate could be held to.

    gain: what tuned is assumed to gain on targets, whose gates equal models would never pass. level: of the intervals, where
    that is not the policy's: in a sequential run that of its last look. remedies: also look for what would help, a few
    simulations more.
    """
    progress = progress or Silent()
    progress.phase(f"simulating {runs} runs of equal models under the whole policy")
    simulated = simulate(design, policy, expected, runs=runs, seed=seed, gain=gain, level=level)
    go = int(simulated.go.sum())
    share = clopper_pearson(go, runs)
    gates = tuple(_gates(simulated, policy))
    found = Plan(
        go=share.value,
        low=share.low or 0.0,
        high=share.high if share.high is not None else 1.0,
        power=policy.power,
        runs=runs,
        gain=gain,
        gates=gates,
        expected=dict(expected),
        cautions=tuple(_cautions(design, expected)),
        items={one.record.name: one.n for one in design.suites},
    )
    if not remedies or found.low >= policy.power:
        return found
    progress.phase("simulating what would help")
    tried = _Tried(design, policy, expected, gain, max(300, runs // 2), seed, level)
    helpful = [one for one in tried.remedies(simulated) if one.go > found.go + _HELPS]
    return replace(found, remedies=tuple(helpful))


def _gates(simulated: Simulated, policy: PolicySpec) -> Iterator[PlannedGate]:
    for place, gate in enumerate(simulated.gates):
        yield PlannedGate(
            kind=gate.kind,
            subject=gate.subject,
            required=gate.required,
            rule=gate.rule,
            threshold=gate.threshold,
            passes=float(simulated.passed[:, place].mean()),
            detectable=cleared(simulated.edges[:, place], policy.power, above=gate.side == "above"),
            items=gate.estimate.n,
            unit=gate.unit,
        )


def _cautions(design: Design, expected: Mapping[str, Expected]) -> Iterator[str]:
    for suite in design.suites:
        if not is_planned(suite, expected):
            yield (
                f"{suite.record.name}: its scores have no bounds, and how far they spread is not known: left out of the plan; "
                "name an earlier run with --pilot"
            )


class _Tried:
    """What would help, each thing simulated on its own."""

    def __init__(
        self,
        design: Design,
        policy: PolicySpec,
        expected: Mapping[str, Expected],
        gain: float,
        runs: int,
        seed: int,
        level: float | None,
    ) -> None:
        self._design, self._policy, self._expected = design, policy, expected
        self._gain, self._runs, self._seed, self._level = gain, runs, seed, level

    def remedies(self, simulated: Simulated) -> Iterator[Remedy]:
        """More items, repeats, a pool of the small suites, wider limits: those that apply."""
        yield from self._more_items()
        yield from self._repeats()
        yield from self._pooled(simulated)
        yield from self._wider(simulated)

    def _go(self, design: Design, policy: PolicySpec) -> float:
        found = simulate(
            design, policy, self._expected, runs=self._runs, seed=self._seed, gain=self._gain, level=self._level
        )
        return float(found.go.mean())

    def _more_items(self) -> Iterator[Remedy]:
        """The least multiple of all items that is enough, by doubling and then halving the way back."""
        low, high = 1.0, 2.0
        while not self._is_enough(go := self._go(self._design.scaled(high), self._policy)):
            low, high = high, high * 2
            if high > _MOST_ITEMS:
                yield Remedy(f"{low:g} times the items are not enough", go, enough=False, available=False)
                return
        for _ in range(3):
            middle = math.sqrt(low * high)
            got = self._go(self._design.scaled(middle), self._policy)
            low, high, go = (low, middle, got) if self._is_enough(got) else (middle, high, go)
        short = [one.record.name for one in self._design.suites if one.n * high > one.available]
        wanted = sum(round(one.n * high) for one in self._design.suites)
        what = f"{high:.2g} times the items of every suite, {wanted:,} in all"
        if short:
            what += f" (of {', '.join(short)} the data hold fewer)"
        yield Remedy(what, go, enough=True, available=not short)

    def _repeats(self) -> Iterator[Remedy]:
        repeated = self._design.repeated(_REPEATS)
        if repeated == self._design:
            return
        go = self._go(repeated, self._policy)
        yield Remedy(
            f"{_REPEATS} samples of each item that is answered at a temperature (`sampling: {{n: {_REPEATS}}}`)",
            go,
            enough=self._is_enough(go),
        )

    def _pooled(self, simulated: Simulated) -> Iterator[Remedy]:
        """The retain suites that are hardly ever decided alone, gated as one."""
        taken = {member for members in self._policy.pools.values() for member in members}
        records = {one.record.name: one.record for one in self._design.suites}
        share = self._share(simulated)
        weak = [
            gate.subject
            for place, gate in enumerate(simulated.gates)
            if gate.kind == "retain" and gate.required and simulated.passed[:, place].mean() < share
        ]
        weak = [name for name in weak if name not in taken and records[name].margin == records[weak[0]].margin]
        if len(weak) < 2:
            return
        pools = {**self._policy.pools, "small": tuple(weak)}
        go = self._go(self._design, self._policy.model_copy(update={"pools": pools}))
        yield Remedy(f"pools: {{small: [{', '.join(weak)}]}}: gate them as one", go, enough=self._is_enough(go))

    def _wider(self, simulated: Simulated) -> Iterator[Remedy]:
        """The limits that the tax and the retain suites which hardly pass would pass, the rest as it is."""
        share = self._share(simulated)
        tax, margin = self._policy.tax.max, self._policy.retain.margin
        own: dict[str, float] = {}
        records = {one.record.name: one.record for one in self._design.suites}
        for place, gate in enumerate(simulated.gates):
            if not gate.required or gate.kind not in ("tax", "retain") or simulated.passed[:, place].mean() >= share:
                continue
            limit = cleared(simulated.edges[:, place], share, above=gate.side == "above")
            if limit is None or not abs(limit) < 1:
                return
            limit = math.ceil(1000 * abs(limit) + 1e-9) / 1000
            if gate.kind == "tax":
                tax = max(tax, limit)
            elif records[gate.subject].margin is None:
                margin = max(margin, limit)
            else:
                own[gate.subject] = limit
        told = [f"tax.max: {tax:g}"] * (tax != self._policy.tax.max)
        told += [f"retain.margin: {margin:g}"] * (margin != self._policy.retain.margin)
        told += [f"margin: {limit:g} in {name}" for name, limit in own.items()]
        if not told:
            return
        policy = self._policy.model_copy(
            update={
                "tax": self._policy.tax.model_copy(update={"max": tax}),
                "retain": self._policy.retain.model_copy(update={"margin": margin}),
            }
        )
        suites = tuple(
            replace(one, record=replace(one.record, margin=own.get(one.record.name, one.record.margin)))
            for one in self._design.suites
        )
        go = self._go(replace(self._design, suites=suites), policy)
        yield Remedy(f"{', '.join(told)}, if such a loss can be borne", go, enough=self._is_enough(go))

    def _share(self, simulated: Simulated) -> float:
        """How often each required gate has to pass by itself, were they independent."""
        return self._policy.power ** (1 / max(1, sum(gate.required for gate in simulated.gates)))

    def _is_enough(self, go: float) -> bool:
        """Surely, as far as a simulation of so many runs can tell."""
        return go - 2 * math.sqrt(go * (1 - go) / self._runs) >= self._policy.power


def cleared(edges: NDArray[np.float64], share: float, *, above: bool) -> float | None:
    """The limit that this share of all runs would clear; runs without an interval clear none. None where none would do."""
    sure = edges[~np.isnan(edges)]
    if sure.size < share * edges.size:
        return None
    wanted = share * edges.size / sure.size
    return float(np.quantile(sure, 1 - wanted if above else wanted))
