"""What is said of a reasoning model that is not seen as it is used."""

import dataclasses

import pytest

from evalkit.comparing.fidelity import reasoning_cautions
from evalkit.types import ModelRecord, SuiteRecord, TaskRecord

PLAIN = ModelRecord("m", "vllm", "m", "f")
REASONER = dataclasses.replace(PLAIN, reasoning=True, thinking_budget=4096)


def suites(temperature=0.6, samples=4, kind="generate"):
    by_arm = {"base": temperature, "tuned": temperature}
    task = TaskRecord("t", kind, "accuracy", 9, 9, samples=samples, temperature=by_arm)
    return (SuiteRecord("aime", "target", "h", (task,)), SuiteRecord("maths", "retain", "h", (task,)))


def cautions(base, tuned, asked):
    return reasoning_cautions({"base": base, "tuned": tuned}, asked)


def test_two_reasoners_sampled_four_times_with_one_budget_need_no_word():
    assert cautions(REASONER, REASONER, suites()) == ()


def test_models_that_do_not_reason_may_be_greedy():
    assert cautions(PLAIN, PLAIN, suites(0, 1)) == ()


def test_greedy_decoding_is_said_of_each_model_that_reasons_with_the_suites():
    said = cautions(REASONER, REASONER, suites(0, 1))
    assert [one.partition(" ")[0] for one in said] == ["base", "tuned"]
    assert all("greedily (temperature 0) in aime, maths" in one for one in said)


@pytest.mark.parametrize(("samples", "too_few"), [(1, True), (3, True), (4, False)])
def test_fewer_than_four_samples_of_a_sampled_reasoner_are_few(samples, too_few):
    said = cautions(REASONER, REASONER, suites(samples=samples))
    assert [("fewer than 4 times an item in aime, maths" in one) for one in said] == [True, True] * too_few


def test_a_task_that_is_only_scored_is_never_greedy():
    assert cautions(REASONER, REASONER, suites(0, 1, kind="choice")) == ()


def test_budgets_that_differ_are_named_with_what_both_were_given():
    smaller = dataclasses.replace(REASONER, thinking_budget=1024)
    (said,) = cautions(smaller, REASONER, suites())
    assert said.endswith("base 1024, tuned 4096; both were given 4096")
    (said,) = cautions(REASONER, dataclasses.replace(REASONER, thinking_budget=None), suites())
    assert "base 4096, tuned 0;" in said


@pytest.mark.parametrize(("base", "tuned", "one"), [(PLAIN, REASONER, "tuned"), (REASONER, PLAIN, "base")])
def test_markers_of_one_model_only_are_pointed_out(base, tuned, one):
    (said,) = cautions(base, tuned, suites())
    assert said.startswith(f"{one} has reasoning markers")


def test_nothing_is_said_of_how_recorded_outputs_were_sampled():
    recorded = dataclasses.replace(REASONER, backend="replay")
    assert cautions(recorded, recorded, suites(0, 1)) == ()


def test_a_run_that_did_not_store_its_temperatures_says_nothing_of_them():
    task = TaskRecord("t", "generate", "accuracy", 9, 9)
    assert cautions(REASONER, REASONER, (SuiteRecord("s", "retain", "h", (task,)),)) == ()
