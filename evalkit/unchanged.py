"""Whether tuned answered everything exactly as base did: the sign of an adapter that was never applied."""

from __future__ import annotations

import pandas as pd

from evalkit.types import PROBES, Manifest, Unchanged

_PLACE = ["suite", "task", "id", "sample"]
_ANSWER = ["value", "text", "reasoning", "logprobs"]


def unchanged(samples: pd.DataFrame, manifest: Manifest) -> Unchanged | None:
    """How many answers were compared, where every one of tuned's is base's own; None as soon as one differs.

    samples: of all suites, as `records.samples_frame` gives them. Compared are the mark, the text, the trace before it and
    the log-probabilities of options, where both arms gave an answer whose text is known. None where there is no such pair,
    and for a frame that was kept without texts.
    """
    if not set(_ANSWER) <= set(samples.columns):
        return None
    told = samples.loc[
        samples["failure"].isna() & samples["text"].notna() & (samples["suite"] != PROBES), [*_PLACE, "arm", *_ANSWER]
    ]
    base, tuned = (told.loc[told["arm"] == arm, [*_PLACE, *_ANSWER]] for arm in ("base", "tuned"))
    pairs = base.merge(tuned, on=_PLACE, suffixes=(" base", " tuned"))
    if pairs.empty:
        return None
    # Marks first: nearly every pair of models is told apart by them, and they cost least.
    for name, plain in (("value", repr), ("text", _text), ("reasoning", _text), ("logprobs", _numbers)):
        if not (pairs[f"{name} base"].map(plain) == pairs[f"{name} tuned"].map(plain)).all():
            return None
    return Unchanged(
        answers=len(pairs),
        adapter=manifest.tuned.adapter is not None,
        same_weights=manifest.base.fingerprint == manifest.tuned.fingerprint != "",  # empty: nobody knows the weights
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _numbers(value: object) -> str:
    """As text, so that NaN (an option that the engine gave no number for) equals NaN."""
    return "" if value is None or isinstance(value, float) else repr([float(one) for one in value])  # type: ignore[union-attr]
