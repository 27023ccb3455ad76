"""What is known of a judge: the exam it took, what its verdicts add up to, how far it can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evalkit.types.estimate import Estimate
from evalkit.types.words import Against, Exam


@dataclass(frozen=True, slots=True)
class ExamSlice:
    """Agreement on the pairs whose length difference lies in a range. Name: "preferred answer 20 % longer or more", ..."""

    name: str
    n: int
    agreement: Estimate


@dataclass(frozen=True, slots=True)
class ExamRecord:
    """How one judge did on labels that people gave. Kept under the judge's hash: another rubric is another judge.

    labels: the file's name; labels_hash: of its content. form: labelled pairs, or answers labelled one by one.
    n: labelled items that people did not tie on and the judge read. unscored: those it did not; unanswered: of these,
    the ones whose question its engine never answered, and may answer when it is asked again.
    agreement: with people on them, both orders averaged, a tie of the judge's counting half. human_agreement: of one
    person with another on the same items; the ceiling. kappa: Cohen's, ties of both sides included.
    Of answers: a mark of 0.5 or more passes, and agreement is the share of answers that both pass or both fail.
    errors: both error rates by name, such as "people prefer the first, the judge does not"; a tie of its is one.
    order_consistency: share of pairs judged alike in both orders. taken: the date. judge_version: the rubric's.
    """

    judge: str
    judge_hash: str
    labels: str
    labels_hash: str
    form: Literal["pairs", "answers"]
    n: int
    unscored: int
    agreement: Estimate
    unanswered: int = 0
    kappa: Estimate | None = None
    human_agreement: Estimate | None = None
    errors: Mapping[str, Estimate] = field(default_factory=dict)
    order_consistency: Estimate | None = None
    slices: tuple[ExamSlice, ...] = ()
    taken: str = ""
    judge_version: str = ""
    cautions: tuple[str, ...] = ()

    def is_complete(self, max_unscored: float) -> bool:
        """Whether the judge read enough of what people labelled: a part of its own choosing says nothing of the rest."""
        return self.n > 0 and self.unscored <= max_unscored * (self.n + self.unscored)

    @property
    def tells_apart(self) -> bool:
        """Whether it agrees with people beyond chance: where nine answers of ten are good, one that passes all agrees too.

        Of pairs always: asked in both orders, one that says the same whatever it reads agrees on half of them.
        """
        if self.form == "pairs":
            return True
        return self.kappa is not None and self.kappa.low is not None and self.kappa.low > 0

    def standing(self, min_agreement: float, max_unscored: float = 0.02) -> Exam:
        """Passed where it is complete, tells apart, and the lower bound of agreement reaches the policy's mark."""
        low = self.agreement.low
        reached = low is not None and low >= min_agreement and self.tells_apart
        return "passed" if reached and self.is_complete(max_unscored) else "failed"


@dataclass(frozen=True, slots=True)
class LengthControl:
    """A win rate with the answers' lengths held equal. slope: log odds for tuned per unit of tanh(standardised length
    difference, tuned - base). supported: pairs of about equal length were among those judged.
    """

    win_rate: Estimate
    slope: Estimate
    supported: bool = True


@dataclass(frozen=True, slots=True)
class JudgeCost:
    """What a judge was asked in this run, and what it took. estimated_*: as foreseen before the first question.

    questions: those put to the model; cached: answered from the journal. usd: None without a price.
    """

    questions: int = 0
    cached: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    estimated_questions: int | None = None
    estimated_tokens: int | None = None
    estimated_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Anchors:
    """Stored pairs that an API judge reads anew in each run. n: read now and at first. changed: those that came out
    otherwise than at first, in either order. noise: those that differed between the first two readings, of `noise_n`.
    drifted: more changed than noise explains. since: the date of the first reading.
    """

    n: int
    changed: int
    noise: int
    noise_n: int
    drifted: bool
    since: str = ""


@dataclass(frozen=True, slots=True)
class JudgeResult:
    """How one judge saw the pairs. `n` prompts read in every order asked; the win rate is tuned's, ties at half.

    unscored: prompts that were not. unanswered: of these, the ones that an engine never answered: the judge's, or a model's.
    kind: as the judge file says; a jury's members have results of their own, with `jury` naming it. against: what tuned
    was held against. mean_difference: mean of tuned's mark - base's, where answers are graded apart.
    order_flip_rate, first_slot_rate: None where answers were not seen side by side in both orders.
    repeat_consistency: share of questions answered alike when asked again, over `repeats_n` of them.
    unscored_by: unscored verdicts by the arm that stood first, or whose answer was graded, as a share of all such.
    mass: mean probability that all grades together had. corrected: the win rate corrected with `labels` labels by people.
    alpaca_eval: as in `JudgeRecord`.
    """

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
    kind: str = "pairwise"
    jury: str | None = None
    against: Against = "base"
    mean_difference: Estimate | None = None
    length_controlled: LengthControl | None = None
    repeat_consistency: Estimate | None = None
    repeats_n: int = 0
    unscored_by: Mapping[str, float] = field(default_factory=dict)
    mass: float | None = None
    corrected: Estimate | None = None
    labels: int = 0
    examined: ExamRecord | None = None
    anchors: Anchors | None = None
    cost: JudgeCost | None = None
    alpaca_eval: Mapping[str, float] = field(default_factory=dict)
    unanswered: int = 0
