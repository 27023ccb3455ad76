"""What is asked of a model, what comes back, and how it was marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from evalkit.types.words import Order, Winner


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
    slices: values by which results are also told apart ("topic": "algebra").
    """

    id: str
    messages: tuple[Message, ...]
    answer: str | None = None
    choices: tuple[str, ...] = ()
    group: str | None = None
    meta: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    follow_ups: tuple[str, ...] = ()
    questions: tuple[Question, ...] = ()
    slices: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


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
    """What the engine may write: one of `choice`, or JSON that fits `json_schema` (the schema as JSON text).

    otherwise: what to ask for in words where an engine cannot hold a reply to that; added to the last message.
    """

    choice: tuple[str, ...] = ()
    json_schema: str | None = None
    otherwise: str = ""


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
    """One reading of one pair by one judge in one order. winner None: unscored, with the reply kept in `reason`.

    "base" stands for what tuned was held against. score: tuned's, in [0, 1]: 1 won, 0 lost; of annotations that hold a
    probability, that. Where the answers were graded apart, base_grade and tuned_grade are their marks in [0, 1], and the
    higher one wins. mass: the probability that all grades of the scale had together, the lower of both answers'; None
    where the engine tells none. detail: marks by criterion or question, as JSON. repeat: which time the same was asked.
    """

    example_id: str
    judge: str
    order: Order
    winner: Winner | None
    score: float | None = None
    reason: str = ""
    suite: str = ""
    task: str = ""
    failure: Failure | None = None
    repeat: int = 0
    base_grade: float | None = None
    tuned_grade: float | None = None
    mass: float | None = None
    detail: str = ""
