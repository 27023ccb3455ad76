"""What each number of the page is, in a sentence: only of what this run shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from evalkit.report import drift
from evalkit.types import Comparison, JudgeResult

DRIFT = {
    "length": "tuned's tokens over base's, all answers together, as a change in percent; characters where no tokens were counted.",
    "refusal_rate": "the share of answers that open by declining, in English phrases, whatever their marks.",
    "format_validity": "the share of scored answers from which an answer was taken.",
    "unparsed_rate": "the share of scored answers in which nothing could be read as an answer.",
    "unextracted_rate": "the share of scored answers that hold the right answer, but not where it was asked for (“unextracted”).",
    "truncation_rate": "the share of answers that ended at the token limit.",
    "repetition_rate": "the share of answers of 40 words or more of which at least half the runs of four words occurred before in the same answer.",
    "distinct_2": "different pairs of neighbouring words over all such pairs, both answers to an item cut to the shorter one's length.",
    "ece": "expected calibration error: how far the probability given to the chosen option lies from how often it is right, on average over ten bins of equally many items.",
    "brier": "the squared error of all options' probabilities, summed over the options and averaged over items: 0 is perfect, 2 the worst.",
    "bits_per_byte": "how many bits a model needs for a byte of text it has not seen: fewer is a better prediction.",
    "kl_per_token": "how much less probable base finds what tuned writes: mean of log p(tuned) - log p(base) over the tokens that tuned drew, in nats; 0 means alike.",
}
"""Each measure of drift by its name in summary.json."""


@dataclass(frozen=True, slots=True)
class Term:
    """A number as the page names it, and what it is."""

    name: str
    meaning: str


def terms(comparison: Comparison) -> list[Term]:
    """Every number that this run's page shows and that its own table does not explain."""
    return [*_suites(comparison), *_test_time(comparison), *_judges(comparison), *_drift(comparison)]


def _suites(comparison: Comparison) -> Iterator[Term]:
    if any(not suite.unit for suite in comparison.suites):
        yield Term("Lost / won", "items whose score fell from base to tuned, and items whose score rose.")
    if any(suite.rate for suite in comparison.suites):
        yield Term("Guard rate", "the share of items on which tuned shows what a guard counts, by itself, with an interval of its own.")  # fmt: skip


def _test_time(comparison: Comparison) -> Iterator[Term]:
    suites = comparison.test_time
    if any(suite.pass_at_k for suite in suites):
        yield Term(
            "pass@k", "how likely one of k samples of an item is right, estimated without bias from all samples."
        )
    if any(k > 1 for suite in suites for k in suite.maj_at_k):
        yield Term("maj@k", "how often the answer that most of k samples give is right.")
    if any(suite.tokens_per_solved for suite in suites):
        yield Term(
            "Tokens a solved answer", "all tokens written, wrong answers' too, over the number of right answers."
        )


def _judges(comparison: Comparison) -> Iterator[Term]:
    judges = comparison.judges

    def any_has(name: str) -> bool:
        return any(getattr(judge, name) is not None for judge in judges)

    if any_has("win_rate"):
        yield Term("Win rate", "the share of prompts on which the judge prefers tuned, a tie counted half.")
    if any_has("order_flip_rate"):
        yield Term("Verdict flips with the order", "the share of prompts on which the judge prefers another model when the two answers change places.")  # fmt: skip
    if any_has("first_slot_rate"):
        yield Term(
            "Prefers the first slot", "how often the answer shown first wins; 50 % where the place does not matter."
        )
    if any_has("repeat_consistency"):
        yield Term("Same answer when asked again", "self-agreement: the share of questions that the judge answers alike a second time.")  # fmt: skip
    if any_has("length_controlled"):
        yield Term("Win rate at equal length", "what the win rate would be if both answers were equally long, by a logistic regression; the slope says how much longer answers are preferred.")  # fmt: skip
    if any_has("mass"):
        yield Term("Probability of all grades", "how probable all grades of the scale are together in what the judge was about to write.")  # fmt: skip
    if any_has("examined"):
        yield from _exam(judges)


def _exam(judges: tuple[JudgeResult, ...]) -> Iterator[Term]:
    exams = [judge.examined for judge in judges if judge.examined is not None]
    yield Term("Agreement with people", "of the items people did not tie on, the share on which the judge says the same, its ties counted half.")  # fmt: skip
    if any(exam.errors for exam in exams):
        yield Term("Exam error rates", "of the items on which people say one thing, the share on which the judge does not; one rate for each thing people say.")  # fmt: skip
    if any(exam.kappa for exam in exams):
        yield Term("Cohen's kappa", "agreement beyond what chance gives, ties included: 0 is chance, 1 always.")
    if any(exam.order_consistency for exam in exams):
        yield Term("Same verdict in both orders", "the share of labelled pairs that the judge decides alike whichever answer stands first.")  # fmt: skip


def _drift(comparison: Comparison) -> Iterator[Term]:
    shown = {measure.name for one in comparison.drift for measure in one.measures if not drift.is_nothing(measure)}
    for name, meaning in DRIFT.items():
        if name in shown:
            label = drift.NAMES[name]
            yield Term(label[:1].upper() + label[1:], meaning)
