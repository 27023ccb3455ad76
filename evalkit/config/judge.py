"""A judge file: who compares or grades, by which rubric, at what cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from evalkit.config.model import ModelSpec
from evalkit.config.spec import Spec


class PriceSpec(Spec):
    """What an API takes, in USD per million tokens."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]


class LimitsSpec(Spec):
    """How much a judge may cost in one run; what is in the journal already costs nothing."""

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


class JudgeSpec(Spec):
    """Who compares what the models wrote (pairwise) or grades it (pointwise, on `scale`), and by which rubric.

    version: of the rubric, for people; identity is by content. against: what tuned's answers are compared with.
    recheck: how many questions of a run are asked a second time, to see whether the answer is the same.
    anchors: how many stored pairs an API judge reads in every run, to see whether it is still the same judge.
    """

    name: str = Field(min_length=1)
    description: str = ""
    version: str = "1"
    kind: Literal["pairwise", "pointwise"] = "pairwise"
    model: ModelSpec
    against: Literal["base", "incumbent"] = "base"
    recheck: Annotated[int, Field(ge=0)] = 20
    anchors: Annotated[int, Field(ge=0, le=50)] = 50
    orders: Literal["both"] = "both"
    verdict: tuple[str, str, str] = ("first", "second", "tie")
    explain: bool = False
    scale: tuple[int, int] = (1, 5)
    rubric: str = Field(min_length=1)
    limits: LimitsSpec = LimitsSpec()
    file: str = Field(default="", exclude=True)
    folder: str = Field(default="", exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _name_the_model(cls, data: Any) -> Any:
        """A judge's model may leave out its name: it is the judge's."""
        if isinstance(data, dict) and isinstance(data.get("model"), dict) and "name" not in data["model"]:
            data = {**data, "model": {"name": data.get("name", "judge"), **data["model"]}}
        return data

    @model_validator(mode="after")
    def _judges_are_not_looked_up(self) -> JudgeSpec:
        if self.model.train_data:
            raise ValueError("`train_data` belongs to a model under test: items are not looked up for a judge")
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
        stated = self.model_fields_set & ({"verdict", "explain", "orders"} if self.kind == "pointwise" else {"scale"})
        if stated:
            raise ValueError(f"`{min(stated)}` does not belong to kind: {self.kind}")
        return self
