"""The nouns of evalkit and its error tree. Imports nothing local.

The order is always base, tuned; a difference is tuned - base; rates lie in [0, 1].

Errors:

    EvalkitError
    ├── InputError      the user's file, flag or data is wrong: exit 2, no traceback
    ├── EngineError     an engine could not start, or died: recorded as failures, exit 4
    └── RunError        a stored run cannot be read or is incomplete
"""

from __future__ import annotations

from evalkit.types.asking import (
    Completion,
    Constraint,
    Example,
    Failure,
    Message,
    Plain,
    Prepared,
    Question,
    Request,
    Sampling,
    Score,
    Span,
    Token,
    Usage,
    Verdict,
)
from evalkit.types.errors import EngineError, EvalkitError, InputError, RunError
from evalkit.types.estimate import Estimate
from evalkit.types.judged import Anchors, ExamRecord, ExamSlice, JudgeCost, JudgeResult, LengthControl
from evalkit.types.noise import NoiseFloor, SuiteNoise
from evalkit.types.progress import Progress, Silent
from evalkit.types.provenance import (
    JudgeRecord,
    Label,
    Manifest,
    ModelRecord,
    Phase,
    SuiteRecord,
    TaskRecord,
    TrainingFile,
)
from evalkit.types.ranked import RankedModel, Ranking, Strength
from evalkit.types.results import (
    Comparison,
    Decision,
    Drift,
    Gate,
    Measure,
    Overlap,
    SuiteAtTestTime,
    SuiteDrift,
    SuiteResult,
    TaskResult,
)
from evalkit.types.words import (
    AGAIN,
    ARMS,
    FLAGGED_FROM,
    IMPORTED,
    INCUMBENT,
    LOST_TO_FORM,
    PROBES,
    Against,
    Exam,
    GateVerdict,
    Order,
    Outcome,
    Role,
    Votes,
    Winner,
)

__all__ = [
    "AGAIN",
    "ARMS",
    "Against",
    "Anchors",
    "Comparison",
    "Completion",
    "Constraint",
    "Decision",
    "Drift",
    "EngineError",
    "Estimate",
    "EvalkitError",
    "Exam",
    "ExamRecord",
    "ExamSlice",
    "Example",
    "FLAGGED_FROM",
    "IMPORTED",
    "INCUMBENT",
    "Failure",
    "Gate",
    "GateVerdict",
    "InputError",
    "JudgeCost",
    "JudgeRecord",
    "JudgeResult",
    "LOST_TO_FORM",
    "Label",
    "LengthControl",
    "Manifest",
    "Measure",
    "Message",
    "ModelRecord",
    "NoiseFloor",
    "Order",
    "Outcome",
    "Overlap",
    "PROBES",
    "Phase",
    "Plain",
    "Prepared",
    "Progress",
    "Question",
    "RankedModel",
    "Ranking",
    "Request",
    "Role",
    "RunError",
    "Sampling",
    "Score",
    "Silent",
    "Span",
    "Strength",
    "SuiteAtTestTime",
    "SuiteDrift",
    "SuiteNoise",
    "SuiteRecord",
    "SuiteResult",
    "TaskRecord",
    "TaskResult",
    "Token",
    "TrainingFile",
    "Usage",
    "Verdict",
    "Votes",
    "Winner",
]
