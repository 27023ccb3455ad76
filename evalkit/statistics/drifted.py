"""Whether a judge changes its mind more than it always did."""

from __future__ import annotations


def more_changed(changed: int, n: int, noise: int, noise_n: int, *, alpha: float = 0.01, least: int = 3) -> bool:
    """Whether more pairs changed between then and now (`changed` of `n`) than between two readings at one time.

    noise, noise_n: the pairs that differed between those two readings. One-sided Fisher exact test at `alpha`; never on
    fewer than `least` changes. Without a pair on either side nothing is known, and nothing is claimed. The pair is the
    unit: its two orders are not two observations. Both comparisons share the first reading, which ties them together
    and keeps false alarms below `alpha`.
    Raises ValueError unless 0 <= changed <= n and 0 <= noise <= noise_n.
    Source: Fisher 1935, The logic of inductive inference, Journal of the Royal Statistical Society 98:39-82.
    """
    from scipy.stats import hypergeom

    for name, count, of in (("changed", changed, n), ("noise", noise, noise_n)):
        if not 0 <= count <= of:
            raise ValueError(f"{name}={count} of {of}: must satisfy 0 <= {name} <= its n")
    if changed < least or not n or not noise_n:
        return False
    # Given how many changed in both together, how often would so many of them fall to the later reading?
    return float(hypergeom.sf(changed - 1, n + noise_n, changed + noise, n)) <= alpha
