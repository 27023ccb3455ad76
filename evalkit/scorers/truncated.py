"""Truncated: the answer was cut off at its token limit, or its reasoning never ended. For guards: a high rate is worse.

A gate on it is a suite of role guard over the questions of another one; the journal answers them, so it costs nothing.
"""

from __future__ import annotations

import math

from evalkit.scorers.registry import scorer
from evalkit.types import Completion, Example


@scorer("truncated", metric="truncation rate", needs_answer=False, of_completion=True, worse_is_higher=True)
def truncated(completion: Completion, example: Example) -> float:
    """1 when the engine stopped at the limit. Of recorded outputs nobody knows how they ended: NaN."""
    if completion.finish_reason == "recorded":
        return math.nan
    return float(completion.finish_reason == "length")
