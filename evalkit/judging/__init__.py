"""A judge that compares what two models wrote, or grades what one wrote: prompts, strict reading, what it adds up to.

Pure: no engine in here. The schedule sends the requests to whichever backend serves the judge's model.
"""

from evalkit.judging.anchored import compare_readings, drift_caution, read_winners
from evalkit.judging.cost import foreseen, remaining, spent, told
from evalkit.judging.exams import exam_folders, find_exam, save_exam
from evalkit.judging.family import family, self_preference
from evalkit.judging.grading import AnswerReader, Mark
from evalkit.judging.health import examined_result
from evalkit.judging.identity import judge_hash, jury_hash, rubric_hash
from evalkit.judging.jury import jury_verdicts
from evalkit.judging.prompts import ORDERS, JudgeRequest, judge_requests
from evalkit.judging.reader import Landed, Pair, PairReader
from evalkit.judging.results import judge_result, prompt_scores
from evalkit.judging.rubrics import check_judge
from evalkit.judging.verdicts import read_verdict

__all__ = [
    "AnswerReader",
    "JudgeRequest",
    "Landed",
    "Mark",
    "ORDERS",
    "Pair",
    "PairReader",
    "check_judge",
    "compare_readings",
    "drift_caution",
    "exam_folders",
    "examined_result",
    "family",
    "find_exam",
    "foreseen",
    "judge_hash",
    "judge_requests",
    "judge_result",
    "jury_hash",
    "jury_verdicts",
    "prompt_scores",
    "read_verdict",
    "read_winners",
    "remaining",
    "rubric_hash",
    "save_exam",
    "self_preference",
    "spent",
    "told",
]
