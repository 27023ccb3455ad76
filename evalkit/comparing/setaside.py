"""The difference once more with some items set aside: those lost to form, and those that stand in training data.

Both describe and gate nothing. Which items are set aside for their form depends on the answers, so what is left is no
random draw of the suite's items: a model that loses its form on hard items looks better without them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from evalkit.comparing.pairing import PairedScores
from evalkit.types import ARMS, FLAGGED_FROM, Estimate, Overlap

Difference = Callable[[Sequence[PairedScores]], Estimate]
"""How a suite's parts (its tasks) make its difference: pooled, or averaged by task."""


def form_losses(parts: Sequence[PairedScores], difference: Difference) -> tuple[dict[str, int], Estimate | None]:
    """How many of the items scored on both sides each arm lost to its form, and the difference on the others.

    An item with several samples is set aside as soon as one of them, of either arm, was lost so: with only that sample
    left out the two arms' means would rest on different numbers of samples. The second is None where no item was lost.
    """
    lost = np.concatenate([part.lost_to_form[part.both] for part in parts]).sum(axis=0)
    by_arm = {arm: int(number) for arm, number in zip(ARMS, lost, strict=True)}
    if not any(by_arm.values()):
        return by_arm, None
    return by_arm, difference(without_form(parts))


def without_form(parts: Sequence[PairedScores]) -> list[PairedScores]:
    """The items of which neither arm lost a sample to its form."""
    return [part.only(np.logical_not(part.lost_to_form.any(axis=1))) for part in parts]


def without_overlap(parts: Sequence[PairedScores]) -> list[PairedScores]:
    """The items that are known not to stand in training data. A comparison with NaN is false: what is unknown goes with what is flagged."""
    return [part.only(part.overlap < FLAGGED_FROM) for part in parts]


def overlap(parts: Sequence[PairedScores], difference: Difference, *, checked: bool) -> Overlap:
    """What is known of the items scored on both sides. checked: whether any training file was given."""
    shares = np.concatenate([part.overlap[part.both] for part in parts])
    flagged = int((shares >= FLAGGED_FROM).sum())
    return Overlap(
        checked=checked,
        flagged=flagged,
        unknown=int(np.isnan(shares).sum()),
        n=shares.size,
        delta_without=difference(without_overlap(parts)) if flagged else None,
    )
