"""The nouns of evalkit and its error tree. Imports nothing local.

The order is always base, tuned; a difference is tuned - base; rates lie in [0, 1].

Errors:

    EvalkitError
    ├── InputError      the user's file, flag or data is wrong: exit 2, no traceback
    ├── EngineError     an engine could not start, or died: recorded as failures, exit 4
    └── RunError        a stored run cannot be read or is incomplete
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, Protocol

Role = Literal["target", "retain", "guard"]
GateVerdict = Literal["pass", "fail", "inconclusive"]
Outcome = Literal["go", "no_go", "inconclusive"]
Winner = Literal["base", "tuned", "tie"]
Order = Literal["base_first", "tuned_first"]
Exam = Literal["passed", "failed", "none"]
Votes = Literal["answer", "box"]

ARMS = ("base", "tuned")

PROBES = "drift probes"
"""The suite name under which the samples table keeps what was measured beside the suites. No suite may have it."""

LOST_TO_FORM = ("unparsed", "unextracted")
"""The causes of an answer that was lost to its form: none could be read, or the right one stands elsewhere. An answer cut
off at the token limit is not among them: it never came to an end, in any form."""

FLAGGED_FROM = 0.2
"""Share from which an item counts as overlapping: below it Llama 2 calls a sample clean. Low on purpose: a question seen
in training is often only part of what is asked (options, instructions), and the items left over should be free of doubt."""


class EvalkitError(Exception):
    """Root of everything evalkit raises on purpose."""


class InputError(EvalkitError):
    """A user's mistake: the message names the place, the value and the fix."""


class EngineError(EvalkitError):
    """An engine could not start, or died. `kind` is a short word (`out_of_memory`), `hint` says what to try."""

    def __init__(self, message: str, *, kind: str = "engine_died", hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.hint = hint


class RunError(EvalkitError):
    """A stored run is missing, unreadable or of another schema."""


# --- what is asked and what comes back -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One chat turn."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Plain:
    """A question in completion format, where that is not the turns joined: the prompt, and the options after it."""

    prompt: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """What one engine call is asked, independent of engine and sampling.

    messages: the turns; a last turn of the assistant is the beginning of the answer, which the model goes on with.
    plain: the same for a model that is asked in completion format.
    options: continuations of the prompt whose log-probability is wanted; empty for generation. verbatim: they follow the
    prompt character by character, white space included (else an option is set off as an answer is).
    text: this text's own log-likelihood is wanted, from its first token; there is no prompt then.
    """

    messages: tuple[Message, ...] = ()
    plain: Plain | None = None
    options: tuple[str, ...] = ()
    verbatim: bool = False
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Example:
    """One item of a task. For choice tasks `answer` is the right option's letter and `choices` the option texts.

    Where several options are right `answer` joins their letters by commas. follow_ups: user turns asked one by one
    after the model's answer to what came before. questions: what is asked, where that is more than `messages` say.
    """

    id: str
    messages: tuple[Message, ...]
    answer: str | None = None
    choices: tuple[str, ...] = ()
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    follow_ups: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()


@dataclass(frozen=True, slots=True)
class Sampling:
    """A complete set of sampling settings: nothing is left to an engine's or a checkpoint's own defaults."""

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0  # 0: no limit
    min_p: float = 0.0
    max_tokens: int = 1024
    stop: tuple[str, ...] = ()
    seed: int = 0
    n: int = 1
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Constraint:
    """What the engine may write: one of `choice`, or JSON that fits `json_schema` (the schema as JSON text)."""

    choice: tuple[str, ...] = ()
    json_schema: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One question to one model, for one completion. The engine-independent side of a cache key.

    model: "base", "tuned" or a judge's name. suite, task, example_id, sample: where the answer belongs. part: which of
    the item's questions this is. turn: which of its turns, where the item goes on after an answer.
    options: for choice items, the option strings (letters, or texts) whose log-probability is wanted after the prompt;
    empty for generation. plain, verbatim, text: as in `Question`.
    tokens: the log-probability of these very tokens is wanted after the prompt. keep_tokens: the ids that were written
    are to be kept with the answer.
    sampling.seed is this very sample's seed, and sampling.n is 1: each sample is its own request.
    """

    model: str
    suite: str
    task: str
    example_id: str
    messages: tuple[Message, ...]
    sampling: Sampling
    sample: int = 0
    replicate: int = 0
    options: tuple[str, ...] = ()
    constraint: Constraint | None = None
    part: int = 0
    turn: int = 0
    plain: Plain | None = None
    verbatim: bool = False
    text: str | None = None
    tokens: tuple[int, ...] = ()
    keep_tokens: bool = False

    @property
    def is_scored(self) -> bool:
        """Whether log-probabilities are wanted rather than an answer."""
        return bool(self.options or self.tokens) or self.text is not None


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens of which those from `start` on are to be scored, each after all before it."""

    ids: tuple[int, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request rendered for one engine.

    prompt: the text the model sees, special tokens written out (for an API: the messages as JSON).
    token_ids: the same as ids, or None where the engine tokenises itself. option_ids: the tokens of each option.
    spans: what is to be scored, where that is not options after one prompt; `option_ids` is empty then.
    key: content hash over model fingerprint, token ids or messages, sampling, sample, replicate, engine version;
    empty where nothing is worth journalling (recorded outputs).
    """

    request: Request
    prompt: str
    key: str
    token_ids: tuple[int, ...] | None = None
    option_ids: tuple[tuple[int, ...], ...] = ()
    spans: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """One token, decoded by itself. special: it stands for no text of its own (begin of text, end of turn)."""

    id: int
    text: str
    special: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no completion or verdict: a row, never a crash and never a zero."""

    where: str
    kind: str
    message: str
    hint: str = ""
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and written."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model gave back.

    logprobs: for a scored request, one log-probability per option or span in the order asked; NaN where the engine gave
    none. greedy: for each of them, whether its every token was the likeliest; None where the engine does not tell.
    finish_reason: "stop", "length", "recorded", or "error" beside a failure.
    token_ids: what was written, where the request asked to keep it. earlier: the answers to the turns before the last.
    """

    text: str
    reasoning: str | None = None
    finish_reason: str = "stop"
    usage: Usage = Usage()
    logprobs: tuple[float, ...] | None = None
    failure: Failure | None = None
    greedy: tuple[bool, ...] | None = None
    token_ids: tuple[int, ...] | None = None
    earlier: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Score:
    """The mark of one completion, and why: in [0, 1], unless the metric is one without bounds (bits per byte).

    value None means the model never got to answer. A wrong, unparsed, truncated or refused output scores 0 and
    `cause` says which: "wrong", "unparsed", "unextracted" (the answer is there but was not extracted), "truncated",
    "refused". answer: what was extracted and compared.
    """

    metric: str
    value: float | None
    answer: str | None = None
    cause: str | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One reading of one pair by one judge in one order. winner None: unscored, with the reply kept in `reason`."""

    example_id: str
    judge: str
    order: Order
    winner: Winner | None
    score: float | None = None
    reason: str = ""
    suite: str = ""
    task: str = ""
    failure: Failure | None = None


# --- identity and provenance -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """Which model really answered. Fingerprints are content hashes: a retrained checkpoint is another model.

    reasoning: its file states the markers of a trace. thinking_budget: tokens for a trace, as its own file states them.
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

    guard: its own limits, by the names of those it states. advisory: marked by a judge without a passed exam, so that it
    is shown and decides nothing.
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


@dataclass(frozen=True, slots=True)
class JudgeRecord:
    """Who graded: `hash` covers model fingerprint, settings, rubric and orders."""

    name: str
    kind: str
    hash: str
    model: ModelRecord
    exam: Exam = "none"


@dataclass(frozen=True, slots=True)
class TrainingFile:
    """One file that an arm was trained on, as it was when items were looked up in it. size: in bytes."""

    arm: str
    path: str
    size: int
    hash: str


@dataclass(frozen=True, slots=True)
class Phase:
    """Where the time went: one row per phase of the run."""

    name: str
    seconds: float
    requests: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything needed to say what was compared with what, and to do it again.

    policy: as it was applied. pools: those that came with composed suites; they hold under another policy too, unless
    it defines a pool of that name itself.
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


# --- what follows from it --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with what is known about it. low and high are None where no interval can honestly be given.

    df: the degrees of freedom of se. worst: the smallest and the largest value that missing items could have brought
    about; None where none are missing. differing: how many items (or clusters, where they are the unit) differ between
    the models; of a pool, the fewest of its components.
    """

    value: float
    se: float | None
    low: float | None
    high: float | None
    level: float
    method: str
    n: int
    cautions: tuple[str, ...] = ()
    df: float | None = None
    worst: tuple[float, float] | None = None
    differing: int | None = None


@dataclass(frozen=True, slots=True)
class TaskResult:
    """One task's paired outcome; `delta.low/high` are widened for missing items.

    base, tuned: mean score over the `n` items scored on both sides. se_* fields live in `delta`.
    regressed, fixed: items with d < 0 and d > 0. kept, both_wrong: items with d = 0, above and at zero.
    causes: why tuned lost the items it lost. bounded: scores lie in [0, 1], so that differences are points.
    """

    name: str
    metric: str
    n: int
    missing: int
    base: float
    tuned: float
    delta: Estimate
    regressed: int
    fixed: int
    kept: int
    both_wrong: int
    causes: Mapping[str, int]
    cautions: tuple[str, ...] = ()
    bounded: bool = True

    @property
    def unit(self) -> str | None:
        """What scores without bounds are counted in ("bits per byte"); None for scores in [0, 1]."""
        return None if self.bounded else self.metric


@dataclass(frozen=True, slots=True)
class Overlap:
    """How many of a suite's items stand in training data, of the `n` scored on both sides.

    checked: training files were given, of either arm. Without any, every item is unknown: nothing says it is clean.
    flagged: items of which so much stands in them that they count as overlapping. unknown: items too short to tell.
    delta_without: the difference on the items known to be free of overlap; None where none is flagged.
    """

    checked: bool = False
    flagged: int = 0
    unknown: int = 0
    n: int = 0
    delta_without: Estimate | None = None

    @property
    def status(self) -> Literal["overlap", "none_found", "unknown"]:
        """In a word; unknown where nothing was looked up, or no item is long enough to be. Never "clean"."""
        if self.flagged:
            return "overlap"
        return "none_found" if self.checked and self.unknown < self.n else "unknown"


@dataclass(frozen=True, slots=True)
class SuiteResult(TaskResult):
    """A suite's paired outcome: its tasks' items pooled, or averaged by task where `aggregate: macro`.

    rate: for a guard, tuned's own rate with its interval; None where the metric is no rate. guard: the suite's own
    limits, by name (`max_rate`, `max_increase`). advisory: it decides nothing.
    without_format: the difference on the items of which neither arm's answer was lost to its form; None where none was,
    and for guards. lost_to_form: how many of the `n` items each arm lost so, by arm; an item may count for both.
    """

    role: Role = "retain"
    chance: float = 0.0
    margin: float | None = None
    weight: float = 1.0
    tasks: tuple[TaskResult, ...] = ()
    rate: Estimate | None = None
    guard: Mapping[str, float | None] = field(default_factory=dict)
    advisory: bool = False
    without_format: Estimate | None = None
    lost_to_form: Mapping[str, int] = field(default_factory=dict)
    overlap: Overlap = Overlap()


@dataclass(frozen=True, slots=True)
class Drift:
    """One measure of how the two models behave, whatever the marks. It describes; no gate reads it.

    base, tuned: in `unit`, over the same items; None where the measure is of tuned alone or of the pair (a divergence).
    change: tuned - base in `unit`; of a length the relative change, tuned / base - 1. Zero always means no change.
    unit: "rate" (in [0, 1]), "tokens", "characters", "score" (a number without unit), or the unit itself in words.
    """

    name: str
    base: float | None
    tuned: float | None
    change: Estimate
    unit: str

    @property
    def moved(self) -> bool:
        """Whether the change's interval leaves zero out. A divergence is a distance: it is never zero, and never moves."""
        low, high = self.change.low, self.change.high
        return self.base is not None and low is not None and high is not None and (low > 0 or high < 0)


@dataclass(frozen=True, slots=True)
class SuiteDrift:
    """The measures that apply to one suite, or to the probes. cautions: what they were computed without."""

    suite: str
    measures: tuple[Drift, ...]
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """How one judge saw the pairs. `n` prompts read in both orders; the win rate is tuned's, ties at half."""

    name: str
    n: int
    unscored: int
    win_rate: Estimate | None
    wins: int = 0
    ties: int = 0
    losses: int = 0
    order_flip_rate: float | None = None
    first_slot_rate: float | None = None
    exam: Exam = "none"
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measure:
    """One number of both models, and tuned - base with its interval. base, tuned, delta: None where there is none."""

    base: float | None
    tuned: float | None
    delta: Estimate | None


@dataclass(frozen=True, slots=True)
class SuiteAtTestTime:
    """What more samples and more tokens buy each model on one suite. Descriptive: no gate reads it.

    n: items with every sample scored on both sides. samples: how many of an item both models wrote. pass_at_k, maj_at_k:
    by k; empty where marks are graded, or no answers are extracted. tokens: an answer, its trace included; None, as
    are the following, where the engine counted none. tokens_per_solved: all tokens over all solved samples. truncated:
    the share of answers cut off, None where nobody knows how they ended. budgets: tokens an answer; base_curve,
    tuned_curve: the mean score had every answer been cut off there.
    """

    name: str
    metric: str
    n: int
    samples: int
    pass_at_k: Mapping[int, Measure]
    maj_at_k: Mapping[int, Measure]
    truncated: Measure | None = None
    tokens: Measure | None = None
    tokens_per_solved: Measure | None = None
    budgets: tuple[int, ...] = ()
    base_curve: tuple[float, ...] = ()
    tuned_curve: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """base against tuned: every number of the report that does not depend on the policy's verdicts."""

    base: str
    tuned: str
    level: float
    suites: tuple[SuiteResult, ...]
    tax: Estimate | None
    gain: Estimate | None
    judges: tuple[JudgeResult, ...] = ()
    pools: tuple[SuiteResult, ...] = ()
    n: int = 0
    missing: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    cautions: tuple[str, ...] = ()
    test_time: tuple[SuiteAtTestTime, ...] = ()
    drift: tuple[SuiteDrift, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """One rule, what it was applied to, and what came of it.

    kind: "tax", "retain", "target", "guard_rate", "guard_increase", "pool" or "judge". subject: the suite, pool or
    judge. rule: the rule in words. threshold: the number the interval was held against, in score units, signed as
    `estimate` is. more_items_needed: 0 when decided, None when no number of further items would do.
    unit: of `estimate` and `threshold` where scores have no bounds ("bits per byte"); None: rates and points.
    """

    kind: str
    subject: str
    required: bool
    rule: str
    threshold: float
    estimate: Estimate
    verdict: GateVerdict
    reason: str
    more_items_needed: int | None = 0
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome, gate by gate. Incomplete runs are never `go`.

    cautions: gates that would fall out otherwise with some items set aside. They change no verdict.
    """

    outcome: Outcome
    complete: bool
    gates: tuple[Gate, ...]
    reasons: tuple[str, ...]
    cautions: tuple[str, ...] = ()


# --- what long work reports as it goes -------------------------------------------------------------------------


class Progress(Protocol):
    """Receives what happens, as it happens. The console implements it; `Silent` ignores it."""

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """A new phase begins, e.g. "base: generating", of `total` requests (or another unit) where that is known."""
        ...

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Requests landed, with so many tokens written; or so many of the phase's unit are done."""
        ...

    def note(self, text: str) -> None:
        """Something a person waiting would want to know."""
        ...


class Silent:
    """A Progress that says nothing."""

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """Ignore."""

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Ignore."""
