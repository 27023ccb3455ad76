"""Who answered, to what, with what: all that a stored run must remember."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.types.asking import Sampling
from evalkit.types.judged import Anchors, ExamRecord, JudgeCost
from evalkit.types.words import Against, Role, Spending, Votes


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Which model really answered. Fingerprints are content hashes: a retrained checkpoint is another model.

    reasoning: its file states the markers of a trace. thinking_budget: tokens for a trace, as its own file states them.
    architecture: the checkpoint's `model_type` ("llama"); None behind an API. file: the model file, as it was named.
    """

    name: str
    backend: str
    model: str
    fingerprint: str
    revision: str | None = None
    adapter: str | None = None
    adapter_mode: str | None = None  # served | merged
    tokenizer_fingerprint: str | None = None
    template_hash: str | None = None
    format: str | None = None  # chat | completion
    precision: str | None = None
    context_limit: int | None = None
    engine: str = ""
    engine_version: str = ""
    engine_options: Mapping[str, object] = field(default_factory=dict)
    sampling: Sampling | None = None
    reasoning: bool = False
    thinking_budget: int | None = None
    notes: tuple[str, ...] = ()
    architecture: str | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """What a stored run must remember of a task so that it can be decided again.

    bounded: its scores lie in [0, 1]. temperature: by arm, where its answers are generated. separate: each sample is
    one reply with a mark of its own; not so where turns follow, or where a task source marks all samples of an item as
    one. turns: the most that an item has; the prompts of later ones hold the model's own answers. votes: over what samples can be found to agree, the extracted "answer" or the "box" in it; None over nothing.
    """

    name: str
    kind: str
    metric: str
    items: int
    available: int
    samples: int = 1
    binary: bool = True
    clustered: bool = False
    bounded: bool = True
    temperature: Mapping[str, float] = field(default_factory=dict)
    separate: bool = True
    turns: int = 1
    votes: Votes | None = None


@dataclass(frozen=True, slots=True)
class SuiteRecord:
    """What a stored run must remember of a suite.

    guard: its own limits, by the names of those it states. graders: the judges that mark its tasks. advisory: no exam that
    they took lets it decide, so that it is shown and decides nothing. against: what its file says its gates are held
    against; None where that is the policy's to say. file: where it was read, or the name of one of evalkit's own; empty where it
    came from neither.
    """

    name: str
    role: Role
    hash: str
    tasks: tuple[TaskRecord, ...]
    chance: float = 0.0
    margin: float | None = None
    weight: float = 1.0
    aggregate: Literal["pool", "macro"] = "pool"
    source: str | None = None
    licence: str | None = None
    guard: Mapping[str, float | None] = field(default_factory=dict)
    advisory: bool = False
    graders: tuple[str, ...] = ()
    against: Against | None = None
    file: str = ""


@dataclass(frozen=True, slots=True)
class Label:
    """What a person said of one pair: `value` is tuned's, 1 better, 0 worse, 0.5 neither.

    probability: with which the pair was drawn to be labelled; without it no estimate may rest on the label.
    """

    suite: str
    task: str
    id: str
    value: float
    probability: float


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """Who graded: `hash` covers model fingerprint, settings, rubric and orders; `rubric_hash` the rubric alone.

    exam: the one it took, if any; whether that is enough is the policy's to say. jury: the jury it sits in.
    labels: what people said of its pairs in this run. alpaca_eval: that tool's own length-controlled win rates in [0, 1], by
    its name for them, of imported annotations. A jury itself has no model of its own: `members` names its judges, and `combine` says how they become one.
    """

    name: str
    kind: str
    hash: str
    model: ModelRecord | None
    exam: ExamRecord | None = None
    version: str = ""
    rubric_hash: str = ""
    against: Against = "base"
    jury: str | None = None
    members: tuple[str, ...] = ()
    combine: Literal["vote", "mean"] = "vote"
    anchors: Anchors | None = None
    cost: JudgeCost | None = None
    labels: tuple[Label, ...] = ()
    alpaca_eval: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """One file that an arm was trained on, as it was when items were looked up in it. size: in bytes."""

    arm: str
    path: str
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Phase:
    """Where the time went: one row per phase of the run.

    requests: answered by the engine in this phase; cached: by the journal. beside: part of another phase, or done while
    another went on; its seconds are no part of the run's wall time, nor its tokens of the run's tokens.
    tokens_per_second: written; where nothing is written, read. None where neither is.
    """

    name: str
    seconds: float
    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    beside: bool = False
    tokens_per_second: float | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """How a sequential run went: at which of its looks it stopped, and why.

    looks: as planned, equally spaced. look: the last one taken, from 1. futility: the chance of a decision below which it gives
    up; None: never. planned, asked: items of each model.
    """

    looks: int
    look: int
    spending: Spending
    futility: float | None
    planned: int
    asked: int
    stopped: Literal["decided", "futile", "end"] = "end"

    @property
    def words(self) -> str:
        """Where the run stopped, and why."""
        where = f"look {self.look} of {self.looks}, after {self.asked:,} of {self.planned:,} items"
        if self.stopped == "futile":
            chance = f"{100 * (self.futility or 0):g} %"
            return f"stopped at {where}: going on would hardly have decided it (chance below {chance})"
        if self.stopped == "decided":
            return f"decided at {where}; the others were not asked"
        return f"all {self.looks} looks were taken"


@dataclass(frozen=True, slots=True)
class FreshFrom:
    """Stored runs whose items this run left out. folders: as they were named; runs: the run ids found in them.

    left_out: how many items of this run's suites they had asked. left: how many were left to draw from.
    """

    folders: tuple[str, ...]
    runs: tuple[str, ...]
    left_out: int
    left: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to say what was compared with what, and to do it again.

    policy: as it was applied. pools: those that came with composed suites; they hold under another policy too, unless
    it defines a pool of that name itself. incumbent: the model now in use, where judges or gates hold tuned against it.
    sequential: how its looks went; None where everything was asked at once. fresh_from: runs whose items were left out.
    hold_out: the share of every task that was kept back, unasked. aa: how many items of each task base was to be asked
    again; None where it was not.
    """

    schema: int
    run_id: str
    created: str
    command: str
    base: ModelRecord
    tuned: ModelRecord
    suites: tuple[SuiteRecord, ...]
    judges: tuple[JudgeRecord, ...]
    policy: Mapping[str, object]
    versions: Mapping[str, str]
    hardware: Mapping[str, str]
    seed: int = 0
    limit: int | None = None
    phases: tuple[Phase, ...] = ()
    cautions: tuple[str, ...] = ()
    graders: tuple[JudgeRecord, ...] = ()
    pools: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    train_data: tuple[TrainingFile, ...] = ()
    incumbent: ModelRecord | None = None
    sequential: Looked | None = None
    fresh_from: FreshFrom | None = None
    hold_out: float = 0.0
    aa: int | None = None
