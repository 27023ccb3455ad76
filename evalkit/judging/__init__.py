"""A judge that compares what two models wrote, or grades what one wrote: prompts, strict reading, what it adds up to.

Pure: no engine in here. The schedule sends the requests to whichever backend serves the judge's model.
"""

from evalkit.judging.anchored import compare_readings, drift_caution, read_winners
from evalkit.judging.family import family, self_preference
from evalkit.judging.grading import grade_request, read_grade
from evalkit.judging.identity import judge_hash
from evalkit.judging.prompts import ORDERS, JudgeRequest, judge_requests
from evalkit.judging.reader import Landed, Pair, PairReader
from evalkit.judging.results import judge_result
from evalkit.judging.rubrics import check_judge
from evalkit.judging.verdicts import read_verdict

__all__ = [
    "ORDERS",
    "JudgeRequest",
    "Landed",
    "Pair",
    "PairReader",
    "check_judge",
    "compare_readings",
    "drift_caution",
    "family",
    "grade_request",
    "judge_hash",
    "judge_requests",
    "judge_result",
    "read_grade",
    "read_verdict",
    "read_winners",
    "self_preference",
]
