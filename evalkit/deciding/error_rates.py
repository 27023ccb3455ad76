"""How often a decision rule errs, in sentences: for the gates that a decision really had, at its level."""

from __future__ import annotations

from collections.abc import Sequence

from evalkit.types import Gate


def error_rates(gates: Sequence[Gate], level: float) -> tuple[str, ...]:
    """What the error rates of "all required gates must pass, one failed is a NO-GO" are for these gates.

    level: two-sided, the policy's; each limit is crossed by chance at most (1 - level) / 2 of the time, over all looks of a
    sequential run. A GO with a truly broken gate needs that gate to pass, so the number of gates adds nothing to it (Berger 1982,
    Technometrics 24:295-300: intersection-union). A NO-GO needs any one to fail, so its rate grows with their number; the
    rate given is that of independent gates, and gates that rise and fall together (the tax and its suites) fail together
    more often, so their rate is lower (Sidak 1967, JASA 62:626-633). Empty without a required gate.
    """
    k = sum(gate.required for gate in gates)
    if not k:
        return ()
    tail = (1 - level) / 2
    once = f"{100 * tail:.2g} %"
    if k == 1:
        return (
            f"One gate is required. Were its true value exactly at its limit, GO would come at most {once} of the time, and "
            f"NO-GO at most {once}; the rest would be INCONCLUSIVE.",
        )
    anywhere = 1 - (1 - tail) ** k
    return (
        f"All {k} required gates must pass for GO: were the true value of any one of them exactly at its limit, GO would come "
        f"at most {once} of the time, however the others stand.",
        f"One failed gate is a NO-GO: were the true values of all {k} exactly at their limits, NO-GO would come in about "
        f"{100 * anywhere:.2g} % of runs (1 - {1 - tail:g}^{k}, as for independent gates).",
    )
