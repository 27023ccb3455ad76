"""Rubric: a pointwise judge grades the answer against a rubric of its own; the mark is the expected grade, scaled to [0, 1].

    score: rubric
    grader: grades/letters.yaml       # a judge file of kind: pointwise

The judge is asked when the answers are there (`evalkit/judging/grading.py`). A suite with such a task is advisory: it is
shown, and never part of a decision, as long as its judge has passed no exam.
"""

from __future__ import annotations

import math

from evalkit.scorers.registry import scorer
from evalkit.types import Completion, Example


@scorer("rubric", metric="rubric score", binary=False, needs_answer=False, of_completion=True, gold_is_an_answer=False)
def rubric(completion: Completion, example: Example) -> float:
    """NaN: not told by the completion itself."""
    return math.nan
