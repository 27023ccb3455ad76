"""Whether tuned answered everything exactly as base did: the sign of an adapter that was never applied."""

from __future__ import annotations

import numpy as np
import pandas as pd

from evalkit.comparing.texts import Texts, texts_of
from evalkit.stored.columns import is_, matched, places
from evalkit.types import PROBES, Manifest, Unchanged

_PLACE = ["suite", "task", "id", "sample"]
_ANSWER = ("text", "reasoning", "logprobs")


def unchanged(samples: pd.DataFrame, manifest: Manifest, texts: Texts | None = None) -> Unchanged | None:
    """How many answers were compared, where every one of tuned's is base's own; None as soon as one differs.

    samples: of all suites, as `records.samples_frame` gives them. texts: of a frame that does not hold them itself. Compared are
    the mark, the text, the trace before it and the log-probabilities of options, where both arms gave an answer whose text is
    known. None where there is no such pair, and for a frame that was kept without texts.
    """
    if texts is None and not set(_ANSWER) <= set(samples.columns):
        return None
    told = texts_of(samples, texts)
    mine = samples.loc[(samples["failure"].isna() & (samples["suite"] != PROBES)).to_numpy(), [*_PLACE, "arm", "value"]]
    mine = mine.loc[told.known(mine.index.to_numpy()), :]
    place = places(mine, _PLACE)
    base, tuned = (np.flatnonzero(is_(mine["arm"], arm)) for arm in ("base", "tuned"))
    one, other = matched(place[base], place[tuned])
    base, tuned = base[one], tuned[other]
    if not base.size:
        return None
    # Marks first: nearly every pair of models is told apart by them, and they cost least.
    marks = mine["value"].to_numpy(dtype=float)
    if not np.array_equal(marks[base], marks[tuned], equal_nan=True):
        return None
    labels = mine.index.to_numpy()
    if any(told.differ(name, labels[base], labels[tuned]).any() for name in _ANSWER):
        return None
    return Unchanged(
        answers=int(base.size),
        adapter=manifest.tuned.adapter is not None,
        same_weights=manifest.base.fingerprint == manifest.tuned.fingerprint != "",  # empty: nobody knows the weights
    )
