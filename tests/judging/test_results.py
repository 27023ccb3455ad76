import math

import pandas as pd
import pytest

from evalkit.judging import judge_result
from evalkit.statistics import win_rate
from evalkit.stored.records import Records, verdicts_frame
from evalkit.types import Completion, Example, Failure, Message, Order, Score, Verdict, Winner

Pair = tuple[Winner | None, Winner | None]


def frame(*pairs: Pair) -> pd.DataFrame:
    """Winners in the orders (base first, tuned first), one pair a prompt, through the table that is stored."""
    records = Records()
    for number, pair in enumerate(pairs):
        example = Example(str(number), (Message("user", "hi"),))
        records.add("s", "t", "tuned", 0, example, Completion("x"), Score("judged", None))
        for order, winner in zip(("base_first", "tuned_first"), pair, strict=True):
            records.add_verdict(Verdict(str(number), "j", order, winner, suite="s", task="t"))
    return verdicts_frame(records.table())


BASE: Pair = ("base", "base")
TUNED: Pair = ("tuned", "tuned")
TIE: Pair = ("tie", "tie")
FIRST_SLOT: Pair = ("base", "tuned")
SECOND_SLOT: Pair = ("tuned", "base")


def test_both_orders_are_averaged_and_the_prompt_is_the_unit():
    pairs = [TUNED] * 3 + [BASE] * 2 + [TIE, FIRST_SLOT, ("tie", "tuned"), ("base", "tie")]
    result = judge_result("j", frame(*pairs), level=0.95)
    scores = [1, 1, 1, 0, 0, 0.5, 0.5, 0.75, 0.25]
    assert result.win_rate == win_rate(scores, level=0.95)
    assert (result.n, result.unscored) == (9, 0)
    assert (result.wins, result.ties, result.losses) == (4, 2, 3)


def test_a_prompt_counts_only_when_both_orders_were_read():
    pairs: list[Pair] = [TUNED, ("tuned", None), (None, "base"), (None, None), BASE]
    result = judge_result("j", frame(*pairs), level=0.95)
    assert (result.n, result.unscored) == (2, 3)
    assert result.win_rate is not None and result.win_rate.value == 0.5
    assert any("3 of 5 prompts unscored" in caution for caution in result.cautions)


def test_an_order_that_was_never_recorded_leaves_the_prompt_unscored():
    verdicts = frame(TUNED, BASE)
    result = judge_result("j", verdicts[verdicts["order"] == "base_first"], level=0.95)
    assert (result.n, result.unscored, result.win_rate) == (0, 2, None)


def test_without_verdicts_there_is_no_rate():
    result = judge_result("j", frame(), level=0.95)
    assert (result.n, result.unscored) == (0, 0)
    assert result.win_rate is None and result.order_flip_rate is None and result.first_slot_rate is None


def test_the_same_id_in_two_tasks_is_two_prompts():
    twice = pd.concat([frame(TUNED), frame(BASE).assign(task="other")])
    assert judge_result("j", twice, level=0.95).n == 2


def test_a_flip_is_a_different_winner_and_a_tie_is_none():
    result = judge_result("j", frame(FIRST_SLOT, SECOND_SLOT, TUNED, ("tie", "base")), level=0.95)
    assert result.order_flip_rate == 0.5


def test_a_judge_that_always_takes_the_first_slot_is_found_out():
    result = judge_result("j", frame(*[FIRST_SLOT] * 30), level=0.95)
    assert (result.first_slot_rate, result.order_flip_rate) == (1.0, 1.0)
    assert result.win_rate is not None and result.win_rate.value == 0.5
    assert "flips on 100 % of prompts when the order is swapped" in result.cautions
    assert "prefers the first slot: 100 %" in result.cautions


def test_a_judge_that_prefers_the_second_slot_is_told_so():
    result = judge_result("j", frame(*[SECOND_SLOT] * 15, *[TUNED] * 15), level=0.95)
    assert result.first_slot_rate == 0.25
    assert "prefers the second slot: 75 %" in result.cautions


def test_a_fair_judge_names_the_first_slot_half_the_time_whoever_is_better():
    result = judge_result("j", frame(*[TUNED] * 28, *[BASE] * 2), level=0.95, exam="passed")
    assert (result.first_slot_rate, result.order_flip_rate) == (0.5, 0.0)
    assert not result.cautions


@pytest.mark.parametrize(("exam", "told"), [("none", "has not passed an exam"), ("failed", "failed its exam")])
def test_without_a_passed_exam_a_judge_is_advisory(exam, told: str):
    result = judge_result("j", frame(*[TUNED] * 5), level=0.95, exam=exam)
    assert any(told in caution and "advisory" in caution for caution in result.cautions)
    assert result.exam == exam


def test_only_ties_have_no_first_slot_rate():
    result = judge_result("j", frame(*[TIE] * 5), level=0.95)
    assert result.first_slot_rate is None and result.order_flip_rate == 0.0
    assert result.win_rate is not None and math.isclose(result.win_rate.value, 0.5)


def single(order: Order, *scores: float | None) -> pd.DataFrame:
    """One verdict a prompt, of annotations that know no two orders."""
    records = Records()
    for number, score in enumerate(scores):
        example = Example(str(number), (Message("user", "hi"),))
        records.add("s", "t", "tuned", 0, example, Completion("x"), Score("judged", None))
        winner: Winner | None = None if score is None else "tie" if score == 0.5 else "tuned" if score > 0.5 else "base"
        records.add_verdict(Verdict(str(number), "j", order, winner, score, suite="s", task="t"))
    return verdicts_frame(records.table())


@pytest.mark.parametrize("order", ["unknown", "apart"])
def test_annotations_without_orders_count_with_the_probability_they_hold(order: Order):
    result = judge_result("j", single(order, 0.9, 0.2, 0.5, 0.51, None), level=0.95)
    assert result.win_rate == win_rate([0.9, 0.2, 0.5, 0.51], level=0.95)
    assert (result.n, result.unscored, result.wins, result.ties, result.losses) == (4, 1, 2, 1, 1)
    assert result.order_flip_rate is None and result.first_slot_rate is None


def test_a_question_asked_again_counts_once():
    once = single("unknown", 1.0, 0.0)
    again = single("unknown", 0.0, 0.0).assign(repeat=1)
    assert judge_result("j", pd.concat([once, again]), level=0.95) == judge_result("j", once, level=0.95)


def test_turns_of_one_question_are_one_observation():
    verdicts = single("unknown", *[1.0, 1.0, 0.0, 0.0] * 10)
    items = pd.MultiIndex.from_product([["s"], ["t"], [str(number) for number in range(40)]])
    groups = pd.Series([f"s {number // 2}" for number in range(40)], index=items)
    alone, together = (judge_result("j", verdicts, level=0.95, groups=one).win_rate for one in (None, groups))
    assert alone is not None and together is not None and alone.se is not None and together.se is not None
    assert together.value == alone.value and together.se == pytest.approx(alone.se * math.sqrt(2), rel=0.03)


def test_prompts_that_an_engine_never_answered_are_told_from_replies_that_could_not_be_read():
    def failed(kind):
        return Failure("judge", kind, "why")

    records = Records()
    kinds = ["engine_died", "unreadable_verdict", "timeout", "budget_spent", None]
    for number, kind in enumerate(kinds):
        example = Example(str(number), (Message("user", "hi"),))
        records.add("s", "t", "tuned", 0, example, Completion("x"), Score("judged", None))
        for order in ("base_first", "tuned_first"):
            lost = kind if order == "tuned_first" or kind == "timeout" else None
            failure = failed(lost) if lost else None
            winner = None if lost else "tuned"
            records.add_verdict(Verdict(str(number), "j", order, winner, suite="s", task="t", failure=failure))
    result = judge_result("j", verdicts_frame(records.table()), level=0.95)
    assert (result.n, result.unscored, result.unanswered) == (1, 4, 2)
