import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from evalkit.comparing.comparison import compare_records
from evalkit.config import PolicySpec
from evalkit.deciding.gate import decide
from evalkit.statistics import TOO_FEW, kept_share_interval
from evalkit.stored.records import Records, verdicts_frame
from evalkit.types import Estimate, JudgeResult, Manifest, ModelRecord, SuiteRecord, TaskRecord
from tests.deciding.made_up import comparison, estimate, suite


def verdicts(decision):
    return {(gate.kind, gate.subject): gate.verdict for gate in decision.gates}


@pytest.mark.parametrize(
    ("role", "low", "high", "verdict"),
    [
        ("retain", -0.049, 0.01, "pass"),
        ("retain", -0.051, 0.01, "inconclusive"),
        ("retain", -0.09, -0.051, "fail"),
        ("target", 0.001, 0.2, "pass"),
        ("target", -0.001, 0.2, "inconclusive"),
        ("target", -0.2, -0.001, "fail"),
    ],
)
def test_a_gate_looks_where_the_whole_interval_lies(role, low, high, verdict):
    decision = decide(comparison(suite(role, (low + high) / 2, low, high)), PolicySpec())
    assert verdicts(decision)[role, "s"] == verdict
    assert decision.outcome == {"pass": "go", "fail": "no_go", "inconclusive": "inconclusive"}[verdict]


@pytest.mark.parametrize(
    ("low", "high", "verdict"), [(0.0, 0.019, "pass"), (0.0, 0.021, "inconclusive"), (0.021, 0.05, "fail")]
)
def test_the_pooled_tax_is_a_required_gate(low, high, verdict):
    decision = decide(comparison(suite(), tax=estimate((low + high) / 2, low, high)), PolicySpec())
    assert verdicts(decision)["tax", "tax"] == verdict


def test_a_guard_is_held_to_its_own_rate_and_to_its_increase():
    guard = suite("guard", 0.0, -0.01, 0.01, rate=estimate(0.1, 0.08, 0.12))
    decision = decide(comparison(guard), PolicySpec())
    assert verdicts(decision) == {("guard_rate", "s"): "fail", ("guard_increase", "s"): "pass"}
    assert decision.outcome == "no_go"
    lenient = PolicySpec.model_validate({"guard": {"max_rate": None}})
    assert decide(comparison(guard), lenient).outcome == "go"


def test_a_suites_own_margin_replaces_the_policys():
    assert decide(comparison(suite(low=-0.08, high=0.01, margin=0.1)), PolicySpec()).outcome == "go"


def test_too_few_differences_cannot_pass_but_can_fail():
    few = (f"{TOO_FEW}: 3 items differ",)
    assert decide(comparison(suite(delta=estimate(0.0, -0.01, 0.01, few))), PolicySpec()).outcome == "inconclusive"
    assert decide(comparison(suite(delta=estimate(-0.2, -0.3, -0.1, few))), PolicySpec()).outcome == "no_go"


def test_without_an_interval_nothing_is_decided():
    decision = decide(comparison(suite(delta=estimate(0.0, None, None, ("no interval: 3 clusters",)))), PolicySpec())
    assert decision.outcome == "inconclusive" and "3 clusters" in decision.reasons[0]
    assert decision.gates[0].more_items_needed is None


def test_one_failed_gate_outweighs_an_undecided_one():
    decision = decide(comparison(suite(name="a", low=-0.1), suite(name="b", low=-0.2, high=-0.1)), PolicySpec())
    assert decision.outcome == "no_go" and decision.reasons[0].startswith("b:")


def test_more_missing_than_allowed_is_incomplete_and_never_go():
    good = suite(missing=2)
    decision = decide(comparison(good), PolicySpec())
    assert not decision.complete and decision.outcome == "inconclusive"
    assert decision.reasons[0].startswith("incomplete: 2 of 502 items")
    assert decide(comparison(good), PolicySpec.model_validate({"missing": {"max": 0.01}})).outcome == "go"


def test_a_run_without_any_item_is_not_a_go():
    empty = suite(n=0, missing=0, delta=Estimate(float("nan"), None, None, None, 0.95, "t", 0))
    decision = decide(comparison(empty), PolicySpec())
    assert (decision.outcome, decision.complete) == ("inconclusive", False)


@pytest.mark.parametrize(("exam", "outcome"), [("none", "go"), ("failed", "go"), ("passed", "no_go")])
def test_a_judge_gates_only_with_a_passed_exam(exam, outcome):
    judge = JudgeResult("j", 100, 0, estimate(0.3, 0.2, 0.4), exam=exam)
    decision = decide(comparison(suite(), judges=(judge,)), PolicySpec())
    assert decision.outcome == outcome
    assert next(g for g in decision.gates if g.kind == "judge").required is (exam == "passed")


@pytest.mark.parametrize(("exam", "outcome"), [("passed", "go"), ("none", "inconclusive")])
def test_a_run_that_only_a_judge_reads_is_complete_and_decided_by_its_gate(exam, outcome):
    judge = JudgeResult("j", 80, 0, estimate(0.6, 0.5, 0.7), exam=exam)
    decision = decide(comparison(judges=[judge]), PolicySpec())
    assert (decision.complete, decision.outcome) == (True, outcome)
    nobody = decide(comparison(judges=[JudgeResult("j", 0, 0, None)]), PolicySpec())
    assert (nobody.complete, nobody.outcome) == (False, "inconclusive")


def test_too_many_unscored_verdicts_leave_a_judge_undecided():
    judge = JudgeResult("j", 100, 10, estimate(0.6, 0.55, 0.65), exam="passed")
    assert decide(comparison(suite(), judges=(judge,)), PolicySpec()).outcome == "inconclusive"


@pytest.mark.parametrize(("exam", "outcome"), [("passed", "inconclusive"), ("none", "go")])
def test_a_judge_that_could_read_nothing_leaves_its_gate_undecided(exam, outcome):
    judge = JudgeResult("j", 0, 200, None, exam=exam)
    decision = decide(comparison(suite(), judges=(judge,)), PolicySpec())
    gate = next(gate for gate in decision.gates if gate.kind == "judge")
    assert (gate.verdict, decision.outcome, decision.complete) == ("inconclusive", outcome, True)
    assert "200 of 200 pairs unscored" in gate.reason


@pytest.mark.parametrize(("exam", "complete"), [("passed", False), ("none", True)])
def test_a_judge_that_decides_and_was_not_answered_makes_the_run_incomplete(exam, complete):
    """As missing items do: an engine died, and nothing can be said of either model."""
    judge = JudgeResult("j", 60, 40, estimate(0.6, 0.55, 0.65), exam=exam, unanswered=30)
    decision = decide(comparison(suite(), judges=(judge,)), PolicySpec())
    assert (decision.complete, decision.outcome) == (complete, "go" if complete else "inconclusive")
    assert decision.reasons[0].startswith("incomplete: 30 of 100 pairs") is not complete


@pytest.mark.parametrize(("exam", "outcome"), [("none", "go"), ("passed", "no_go")])
def test_a_corrected_win_rate_is_what_an_examined_judge_gates_on(exam, outcome):
    judge = JudgeResult(
        "j", 500, 0, estimate(0.6, 0.55, 0.65), exam=exam, corrected=estimate(0.35, 0.3, 0.4), labels=150
    )
    decision = decide(comparison(suite(), judges=(judge,)), PolicySpec())
    gate = next(gate for gate in decision.gates if gate.kind == "judge")
    assert (gate.estimate.value, gate.verdict, decision.outcome) == (0.35, "fail", outcome)
    refused = dataclasses.replace(judge, corrected=Estimate(float("nan"), None, None, None, 0.95, "PPI++", 99))
    gate = next(
        gate for gate in decide(comparison(suite(), judges=(refused,)), PolicySpec()).gates if gate.kind == "judge"
    )
    assert gate.estimate.value == 0.6, "too few labels correct nothing"


def test_an_undecided_corrected_win_rate_promises_no_number_of_items():
    judge = JudgeResult("j", 500, 0, estimate(0.6, 0.55, 0.65), exam="passed", corrected=estimate(0.46, 0.4, 0.52))
    decision = decide(comparison(suite(), judges=(judge,)), PolicySpec())
    assert next(gate for gate in decision.gates if gate.kind == "judge").more_items_needed is None


def test_a_pool_gates_in_place_of_its_members():
    a, b = suite(name="a", low=-0.2), suite(name="b", low=-0.2)
    pool = dataclasses.replace(suite(name="code"), tasks=())
    policy = PolicySpec.model_validate({"pools": {"code": ["a", "b"]}})
    decision = decide(comparison(a, b, pools=(pool,)), policy)
    assert decision.outcome == "go"
    assert [gate.subject for gate in decision.gates if gate.required] == ["code"]


def test_only_named_gates_are_required_besides_the_tax():
    a, b = suite(name="a", low=-0.2, high=-0.1), suite(name="b")
    decision = decide(comparison(a, b), PolicySpec.model_validate({"required": ["b"]}))
    assert decision.outcome == "go"


def test_an_undecided_gate_says_how_many_more_items_would_do():
    decision = decide(comparison(suite(value=-0.02, low=-0.06, high=0.02)), PolicySpec())
    assert (decision.gates[0].more_items_needed or 0) > 0


# --- a share of base's score ---


def test_a_share_of_bases_score_is_held_to_the_paired_difference_from_what_must_be_kept():
    """50 % on 1,000 items, 12 lost and 8 won: with rho = 0.04 tuned must keep 48 points, and has 49.6."""
    base = np.repeat([1.0, 0.0], 500)
    tuned = base.copy()
    tuned[:12], tuned[500:508] = 0.0, 1.0
    rows = {"suite": "s", "task": "t", "id": np.tile(np.arange(1000).astype(str), 2)}
    frame = pd.DataFrame({**rows, "arm": np.repeat(["base", "tuned"], 1000), "value": np.concatenate([base, tuned])})
    for name in ("group", "cause", "failure", "text", "reasoning", "logprobs", "slices"):
        frame[name] = None
    frame["overlap"], frame["sample"] = np.nan, 0
    task = TaskRecord("t", "generate", "accuracy", 1000, 1000)
    model = ModelRecord("m", "replay", "", "a")
    suites = (SuiteRecord("s", "retain", "", (task,)),)
    manifest = Manifest(1, "", "", "", model, model, suites, (), {}, {}, {})
    for rho, verdict in ((0.04, "pass"), (0.001, "inconclusive")):
        policy = PolicySpec.model_validate({"retain": {"relative": rho}})
        compared = compare_records(frame, verdicts_frame(Records().table()), manifest, describe=False, relative=rho)
        (gate,) = [one for one in decide(compared, policy).gates if one.subject == "s"]
        expected = kept_share_interval(488, 12, 8, 1000, share=1 - rho)
        assert (gate.kind, gate.verdict, gate.threshold) == ("retain_relative", verdict, 0.0)
        assert (gate.estimate.low, gate.estimate.high) == pytest.approx((expected.low, expected.high), abs=1e-12)
        assert f"keeps more than {100 - 100 * rho:g} % of base's score" in gate.reason
    own = replace(manifest, suites=(replace(suites[0], margin=0.05),))
    stated = compare_records(frame, verdicts_frame(Records().table()), own, describe=False, relative=0.04)
    assert [one.kind for one in decide(stated, policy).gates if one.subject == "s"] == ["retain"]
