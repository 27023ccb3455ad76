"""What must never turn a loss into a GO, or a whole run into a crash: pools, guards, scorers and broken text."""

import json

import pytest

from evalkit import api
from evalkit.config import JudgeSpec, PolicySpec
from evalkit.scorers import registry, scorer
from evalkit.terms import Terms, check_policy
from evalkit.types import Completion, InputError, RunError
from evalkit.yamlfile import validate
from tests.deciding.graded import BASE, TUNED, suite  # noqa: F401


def run(*suites, **policy):
    return api.run_comparison(BASE, TUNED, suites=suites, policy=PolicySpec.model_validate(policy))


def refusals(name):
    return {"name": name, "role": "guard", "score": "refusal", "answer": None, "n": 300}


def test_a_pool_of_guards_is_held_to_tuneds_own_rate_as_its_members_are(fake, suite):
    fake.answer = lambda r: "I cannot help with that." if int(r.example_id) % 5 < 2 else "Yes."
    alone = run(suite(**refusals("a")), suite(**refusals("b")))
    assert alone.decision.outcome == "no_go"  # 40 %, and 5 % are allowed
    pooled = run(suite(**refusals("a")), suite(**refusals("b")), pools={"p": ["a", "b"]})
    assert pooled.decision.outcome == "no_go"
    (pool,) = pooled.comparison.pools
    assert pool.rate.value == 0.4


def test_a_pool_keeps_the_margin_that_its_members_state(fake, suite):
    fake.answer = lambda r: "42" if r.model == "base" or int(r.example_id) % 25 else "41"  # 4 points lost
    strict = run(suite("a", margin=0.01), suite("b", margin=0.01), pools={"p": ["a", "b"]}, tax={"max": 1.0})
    (gate,) = [gate for gate in strict.decision.gates if gate.kind == "pool"]
    assert (gate.threshold, gate.verdict) == (-0.01, "fail")


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"margin": 0.2}, "different limits"),
        ({"score": "rubric", "grader": "grader.yaml", "answer": None}, "marked by a judge"),
        ({"role": "guard", "score": "refusal", "answer": None}, "different roles"),
    ],
)
def test_what_is_not_gated_alike_is_not_pooled(fake, suite, second, said):
    with pytest.raises(InputError, match=said):
        run(suite("a"), suite("b", **second), pools={"p": ["a", "b"]})
    assert fake.generated == []


@pytest.mark.parametrize("score", ["truncated", "repetition"])
@pytest.mark.parametrize("role", ["retain", "target"])
def test_what_nobody_wants_more_of_is_for_guards_alone(fake, suite, score, role):
    with pytest.raises(InputError, match="say `role: guard`"):
        run(suite(role=role, score=score, answer=None))


def test_a_guard_to_which_no_gate_would_apply_is_refused(fake, suite):
    silent = {"role": "guard", "guard": {"max_rate": None, "max_increase": None}, "score": "refusal", "answer": None}
    with pytest.raises(InputError, match="without any limit"):
        run(suite("a"), suite("b", **silent))
    text = {"role": "guard", "kind": "loglikelihood", "score": None, "answer": None, "guard": {"max_increase": None}}
    with pytest.raises(InputError, match="without any limit"):
        run(suite("a"), suite("c", **text))


def test_a_graded_suite_cannot_be_required(fake, suite):
    graded = suite("b", score="rubric", grader="grader.yaml", answer=None)
    with pytest.raises(InputError, match="decides nothing"):
        run(suite("a"), graded, required=["b"])


def test_a_run_of_graded_suites_alone_is_complete_and_undecided(fake, suite):
    fake.answer = lambda r: Completion("5", logprobs=(-9.0, -9.0, -9.0, -9.0, 0.0)) if r.options else "words"
    got = run(suite("b", n=30, score="rubric", grader="grader.yaml", answer=None))
    assert got.decision.complete and got.decision.outcome == "inconclusive"


def test_a_judge_and_a_grader_of_one_name_are_told_apart_or_refused(fake, suite):
    judge = {
        "name": "g",
        "model": {"backend": "fake", "model": "w4"},
        "rubric": "{{ prompt }} {{ first }} {{ second }}",
    }
    with pytest.raises(InputError, match="rename one"):
        api.run_comparison(
            BASE,
            TUNED,
            suites=[suite("b", score="rubric", grader="grader.yaml", answer=None)],
            judge=validate(JudgeSpec, judge),
        )


def test_grades_of_two_digits_are_refused():
    with pytest.raises(InputError, match="one digit"):
        validate(
            JudgeSpec,
            {"name": "g", "kind": "pointwise", "model": {"model": "m"}, "rubric": "{{ response }}", "scale": [1, 10]},
        )


def test_half_a_character_is_replaced_and_ends_no_run(fake, suite):
    fake.answer = lambda r: "42 \ud83d" if r.model == "tuned" else "42"
    got = run(suite(n=30))
    assert set(got.samples.query("arm == 'tuned'")["text"]) == {"42 ?"}
    assert got.comparison.suites[0].tuned == 1.0


def test_a_sandbox_that_does_not_come_up_is_a_missing_item_and_not_the_end_of_the_run(fake, suite):
    @scorer("flaky", needs_answer=False, slow=True)
    def flaky(answer, example):
        if example.id == "3":
            raise RunError("the sandbox did not come up: no memory")
        return 1.0

    try:
        got = run(suite(n=30, score="flaky"))
    finally:
        del registry._SCORERS["flaky"]
    assert got.comparison.failures == {"not_marked": 2} and got.comparison.missing == 1
    assert not got.decision.complete


def test_a_misspelt_scorer_is_named_with_its_file(tmp_path, suite):
    spec = suite(score="numbr").model_copy(update={"file": "mine.yaml"})
    with pytest.raises(InputError, match=r"mine.yaml: tasks\[0\].score: unknown scorer 'numbr'; did you mean 'number'"):
        run(spec)


def test_a_written_choice_of_several_is_held_against_all_of_it(fake, suite):
    fake.answer = lambda r: "A"
    got = run(suite(n=30, answer="A,C", score="choice"))
    assert got.comparison.suites[0].tuned == 0.0


def test_a_task_without_a_scorer_beside_one_with_says_that_nobody_reads_it(fake, suite, tmp_path):
    first = suite(n=5)
    tasks = (
        first.tasks[0].model_copy(update={"name": "a"}),
        first.tasks[0].model_copy(update={"name": "b", "score": None}),
    )
    got = run(first.model_copy(update={"tasks": tasks}))
    assert "task 'b' of suite 's' is read by a judge alone, and none was named: --judge" in got.comparison.cautions


def test_a_worked_example_with_several_right_options_shows_the_first(fake, suite, tmp_path):
    rows = [{"id": str(i), "q": f"q{i}", "c": ["x", "y", "z"], "r": [1, 2]} for i in range(3)]
    (tmp_path / "many.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = suite("many2", n=1, kind="choice", choices="c", answer="{{ r }}", options="text", score="mc2", shots=1)
    spec = spec.model_copy(update={"tasks": (spec.tasks[0].model_copy(update={"data": "many.jsonl"}),)})
    fake.answer = lambda r: Completion("y", logprobs=(-1.0, -1.0, -1.0))
    run(spec)
    assert fake.generated[0].messages[1].content == "y"


@pytest.mark.parametrize(
    ("required", "message"),
    [
        (["a"], "'a' is gated as part of pool 'p'; name the pool"),
        (["talk"], "'talk' is read by a judge alone and has no gate of its own; name the judge"),
        (["j"], "no gate 'j' in this run; it has: p, tax"),
    ],
)
def test_a_name_that_no_gate_would_answer_to_cannot_be_required(required, message, fake, suite):
    talk = suite("talk", score=None, answer=None)
    with pytest.raises(InputError, match=message):
        run(suite("a"), suite("b"), talk, required=required, pools={"p": ["a", "b"]})


def test_a_judge_without_an_exam_cannot_be_required_and_nothing_to_score_cannot_be_pooled(fake, suite):
    policy = PolicySpec.model_validate({"required": ["a", "small-judge"]})
    terms = {"a": Terms("retain"), "talk": Terms("retain", scored=False)}
    with pytest.raises(InputError, match="judge 'small-judge' has passed no exam"):
        check_policy(policy, terms, {"small-judge": False})
    check_policy(policy, terms, {"small-judge": True})
    with pytest.raises(InputError, match="'talk' is read by a judge alone and has nothing to pool"):
        check_policy(PolicySpec.model_validate({"pools": {"p": ["a", "talk"]}}), terms, {})
