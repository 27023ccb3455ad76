"""A judge file: who compares or grades, by which rubric, at what cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evalkit.config.model import ModelSpec
from evalkit.config.spec import Spec


class PriceSpec(Spec):
    """What an API takes, in USD per million tokens.

    input: read. output: written.
    """

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class LimitsSpec(Spec):
    """How much a judge may cost in one run; what is in the journal already costs nothing.

    concurrency: the most questions in flight. pairs_per_task: so many of each task, the first of a random order that is
    drawn before anything is answered. max_tokens: read and written together. max_usd: by `price`, which it needs.
    price: what the API takes.
    """

    concurrency: Annotated[int, Field(ge=1)] | None = None
    pairs_per_task: Annotated[int, Field(ge=1)] | None = None  # the first so many of the pre-drawn random order
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_usd: Annotated[float, Field(ge=0)] | None = None
    price: PriceSpec | None = None

    @model_validator(mode="after")
    def _a_bound_on_money_needs_a_price(self) -> LimitsSpec:
        if self.max_usd is not None and self.price is None:
            raise ValueError("max_usd needs `price: {input: ..., output: ...}`, in USD per million tokens")
        return self


_GRADED = ("pointwise", "reference", "checklist")
"""Kinds that see one answer at a time."""

# Which kinds a field belongs to, where that is not all of them.
_BELONGS = {
    "verdict": ("pairwise",),
    "explain": ("pairwise",),
    "orders": ("pairwise",),
    "scale": ("pointwise", "reference"),
    "criteria": ("pointwise",),
    "weights": ("pointwise",),
    "questions": ("checklist",),
    "tie_width": _GRADED,
    "members": ("jury",),
    "combine": ("jury",),
    "rubric": ("pairwise", *_GRADED),
    "model": ("pairwise", *_GRADED),
}


class JudgeSpec(Spec):
    """Who compares what the models wrote, or grades it, and by which rubric.

    name: how reports and policies call it. description: for the reader. model: who judges: a model file's fields, its name
    the judge's own where none is stated. orders: a pair is always read in both.
    verdict: the words for the first answer, the second, and neither. explain: whether a reason comes before the verdict.
    scale: from the worst grade to the best, of one digit each. criteria: what is graded, by name. weights: theirs; 1 each.
    questions: of a checklist. members: of a jury, by name or path. combine: how a jury's verdicts become one.
    rubric: a template over `prompt`, `answer`, and `first` and `second`, or `response`. limits: on what a run may cost.
    kind: pairwise sees both answers, in both orders; pointwise grades one answer on `scale`, by each of `criteria` where it
    has several; reference grades it against the item's reference answer; checklist answers yes or no to each of
    `questions` about it; a jury has `members` instead of a model, and combines their verdicts.
    version: of the rubric, for people; identity is by content. against: what tuned's answers are compared with.
    tie_width: answers graded apart tie where their marks, in [0, 1], are no further apart than this.
    recheck: how many questions of a run are asked a second time, to see whether the answer is the same.
    anchors: how many stored pairs an API judge reads in every run, to see whether it is still the same judge.
    """

    name: str = Field(min_length=1)
    description: str = ""
    version: str = "1"
    kind: Literal["pairwise", "pointwise", "reference", "checklist", "jury"] = "pairwise"
    model: ModelSpec = ModelSpec(name="jury", backend="none")
    against: Literal["base", "incumbent"] = "base"
    recheck: Annotated[int, Field(ge=0)] = 20
    anchors: Annotated[int, Field(ge=0, le=50)] = 50
    orders: Literal["both"] = "both"
    verdict: tuple[str, str, str] = ("first", "second", "tie")
    explain: bool = False
    scale: tuple[int, int] = (1, 5)
    criteria: Mapping[str, str] = Field(default_factory=dict)
    weights: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    questions: tuple[str, ...] = ()
    tie_width: Annotated[float, Field(ge=0, lt=1)] = 0.05
    members: tuple[str, ...] = ()
    combine: Literal["vote", "mean"] = "vote"
    rubric: str = ""
    limits: LimitsSpec = LimitsSpec()
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @property
    def is_graded_apart(self) -> bool:
        """Whether it sees one answer at a time."""
        return self.kind in _GRADED

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, data: Any) -> Any:
        """A judge's model may leave out its name: it is the judge's. Correctness against a reference is yes or no."""
        if isinstance(data, dict) and isinstance(data.get("model"), dict) and "name" not in data["model"]:
            data = {**data, "model": {"name": data.get("name", "judge"), **data["model"]}}
        if isinstance(data, dict) and data.get("kind") == "reference" and "scale" not in data:
            data = {**data, "scale": (0, 1)}
        return data

    @model_validator(mode="after")
    def _judges_are_not_looked_up(self) -> JudgeSpec:
        if self.model.train_data:
            raise ValueError("`train_data` belongs to a model under test: items are not looked up for a judge")
        return self

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> JudgeSpec:
        for field in sorted(self.model_fields_set & set(_BELONGS)):
            if self.kind not in _BELONGS[field]:
                raise ValueError(f"`{field}` does not belong to kind: {self.kind}")
        if self.kind == "jury":
            if len(self.members) < 2:
                raise ValueError("members: a jury names at least two judges")
            if len(set(self.members)) < len(self.members):
                raise ValueError("members: a judge has one seat in a jury")
            return self
        for field in ("model", "rubric"):
            if field not in self.model_fields_set or not getattr(self, field):
                raise ValueError(f"`{field}` is missing: a judge of kind {self.kind} needs one")
        if self.kind == "checklist" and not self.questions:
            raise ValueError("questions: a checklist asks at least one, each to be answered with yes or no")
        unknown = sorted(set(self.weights) - set(self.criteria))
        if unknown:
            raise ValueError(f"weights: no criterion {unknown[0]!r}; there are: {', '.join(self.criteria) or 'none'}")
        return self

    @model_validator(mode="after")
    def _words_differ(self) -> JudgeSpec:
        if len({word.casefold() for word in self.verdict}) != 3:
            raise ValueError("verdict: three different words, for the first answer, the second, and a tie")
        low, high = self.scale
        if not 0 <= low < high <= 9:
            # Grades of one digit: where a tokenizer writes 10 as 1 and 0, what it gives to 1 holds what it gives to 10.
            raise ValueError(
                f"scale: [{low}, {high}]: from the worst grade to the best, of one digit each, such as [1, 5]"
            )
        return self
