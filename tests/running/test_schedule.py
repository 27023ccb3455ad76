import json
import math
import time
from dataclasses import replace

import pytest

from evalkit import api
from evalkit.config import ReasoningSpec, SamplingSpec
from evalkit.running.probes import KL
from evalkit.running.requests import draw
from evalkit.stored.runs import read_manifest
from evalkit.tasks import load_suite
from evalkit.types import PROBES, Completion, Failure, InputError, Usage
from tests.asking import FAKE_BASE, FAKE_TUNED, by_request, judge, run, suite  # noqa: F401
from tests.fake_backend import Fake


def test_every_item_is_asked_of_both_models_and_scored(fake, suite):
    fake.answer = lambda request: "42" if request.model == "base" or request.example_id != "3" else "41"
    got = run(suite())
    assert (got.comparison.suites[0].regressed, got.comparison.suites[0].kept) == (1, 5)
    assert len(fake.generated) == 12
    assert got.manifest.base.name == "base-model"


def test_a_second_run_generates_nothing_and_starts_no_engine(fake, suite):
    first = run(suite())
    fake.generated.clear()
    fake.started.clear()
    second = run(suite())
    assert fake.generated == [] and fake.started == []
    assert second.comparison == first.comparison


def test_an_engine_that_dies_leaves_rows_and_the_rest_is_generated_next_time(fake, suite):
    fake.die_after = 8
    got = run(suite())
    assert not got.decision.complete
    assert got.comparison.missing == 4 and got.comparison.failures == {"engine_died": 4}
    assert set(got.samples.loc[got.samples["failure"].notna(), "arm"]) == {"tuned"}
    fake.die_after = None
    fake.generated.clear()
    again = run(suite())
    assert len(fake.generated) == 4 and again.decision.complete


def test_a_model_that_cannot_start_does_not_stop_the_other(fake, suite):
    fake.cannot_start = True
    got = run(suite())
    assert got.comparison.failures == {"out_of_memory": 12} and not got.decision.complete
    assert "smaller model" in set(got.samples["failure_hint"]).pop()
    assert set(fake.closed) == {"base", "tuned"}


def test_a_question_that_cannot_be_asked_is_a_row_and_others_go_on(fake, suite):
    too_long = Failure("base", "prompt_too_long", "9000 tokens, and the context holds 8192", "raise max_model_len")
    fake.refuse = lambda request: too_long if request.example_id == "2" else None
    got = run(suite())
    assert got.comparison.suites[0].missing == 1 and len(fake.generated) == 10


def test_a_failed_answer_is_not_journalled(fake, suite):
    fake.answer = lambda request: Completion("", failure=Failure("base", "timeout", "x", retryable=True))
    run(suite())
    fake.generated.clear()
    fake.answer = lambda request: "42"
    assert run(suite()).decision.complete and len(fake.generated) == 12


def test_the_same_question_in_two_suites_is_generated_once(fake, suite):
    strict, lenient = suite(name="a", extract=[{"json": "answer"}]), suite(name="b")
    got = run(strict, lenient)
    assert len(fake.generated) == 12
    assert [s.base for s in got.comparison.suites] == [0.0, 1.0]


def test_a_sampled_question_that_two_suites_ask_is_generated_once(fake, suite):
    sampled = {"sampling": {"n": 2, "temperature": 0.7}}
    guard = suite(n=3, name="cut-off", score="truncated", **sampled).model_copy(update={"role": "guard"})
    run(suite(n=3, name="scored", **sampled), guard)
    assert len(fake.generated) == 12


@pytest.mark.parametrize(("cut", "verdict"), [(0, "pass"), (30, "fail")])
def test_truncation_is_a_guard_that_a_policy_gates_on(fake, suite, cut, verdict):
    """Of 100 answers none, or 30, are cut off; the guard's own rate may be 5 %."""
    fake.answer = lambda r: Completion(
        "42", finish_reason="length" if r.model == "tuned" and int(r.example_id) < cut else "stop"
    )
    guard = suite(n=100, name="cut-off", score="truncated").model_copy(update={"role": "guard"})
    got = run(suite(n=100, name="scored"), guard)
    (gate,) = [gate for gate in got.decision.gates if gate.kind == "guard_rate"]
    assert (gate.subject, gate.required, gate.verdict) == ("cut-off", True, verdict)
    assert got.decision.outcome == ("no_go" if cut else got.decision.outcome)
    assert gate.estimate.value == cut / 100


def test_bits_per_byte_are_a_guard_in_their_own_unit(fake, suite):
    """Texts of two bytes (q0, q1, ...): base needs 8 bits a text, tuned 8.2 to 8.6: a rise of 0.1 to 0.3 bits a byte."""

    def answer(request):
        extra = 0.2 + 0.1 * (int(request.example_id) % 5) if request.model == "tuned" else 0.0
        return Completion("", logprobs=(-(8 + extra) * math.log(2),))

    fake.answer = answer
    text = suite(n=10, name="text", kind="loglikelihood", answer=None, score=None)
    guard = text.model_copy(update={"role": "guard", "margin": 0.05})
    got = run(guard)
    (result,) = got.comparison.suites
    assert (result.metric, result.base) == ("bits per byte", 4.0)
    assert result.delta.value == pytest.approx(0.2) and result.delta.low > 0.05
    assert all(request.text and not request.messages for request in fake.generated)
    (gate,) = got.decision.gates
    assert (gate.kind, gate.verdict) == ("guard_increase", "fail") and "bits per byte" in gate.reason
    with pytest.raises(InputError, match="say `role: guard`"):
        run(text)


def test_a_question_that_stands_in_a_task_twice_is_sampled_twice(fake, suite):
    run(suite(n=2, prompt="always the same", sampling={"temperature": 0.7}))
    assert len({request.sampling.seed for request in fake.generated}) == 2 and len(fake.generated) == 4


def test_each_sample_is_a_request_with_a_seed_of_its_own_shared_by_both_arms(fake, suite):
    run(suite(n=3, sampling={"n": 2, "temperature": 0.7}))
    seeds = {}
    for request in fake.generated:
        seeds.setdefault((request.example_id, request.sample), set()).add(request.sampling.seed)
    assert len(fake.generated) == 12
    assert all(len(both_arms) == 1 for both_arms in seeds.values())
    assert len({next(iter(one)) for one in seeds.values()}) == 6


def test_a_tasks_sampling_overrides_the_models_and_nothing_is_left_open(fake, suite):
    stated = SamplingSpec(temperature=0.5, max_tokens=9)
    base = FAKE_BASE.model_copy(update={"sampling": stated})
    api.run_comparison(base, FAKE_TUNED, suites=[suite(sampling={"max_tokens": 7})])
    first = fake.generated[0].sampling
    assert (first.temperature, first.max_tokens, first.top_p, first.n) == (0.5, 7, 1.0, 1)


def test_limit_takes_a_random_prefix_of_one_order(suite):
    whole = load_suite(suite(n=50))
    ids = [[item.example.id for item in draw([whole], seed=0, limit=limit)] for limit in (10, 20)]
    assert ids[1][:10] == ids[0] and ids[0] != [str(i) for i in range(10)]
    assert ids[0] != [item.example.id for item in draw([whole], seed=1, limit=10)]


def test_models_that_answer_alike_are_pointed_out(fake, suite):
    alike = run(suite())
    assert any("answered alike" in caution for caution in alike.decision.cautions)
    assert alike.decision.outcome == "inconclusive"
    fake.answer = lambda request: f"{request.model} 42"
    other = run(suite(name="other", prompt="again {{ q }}"))
    assert [one for one in other.manifest.cautions if not one.startswith("planned: ")] == []
    assert other.comparison.unchanged is None


def test_phases_say_where_time_and_tokens_went(fake, suite):
    fake.answer = lambda request: Completion("42", usage=Usage(3, 5))
    phases = {phase.name: phase for phase in run(suite()).manifest.phases}
    assert phases["base: generating"].completion_tokens == 30
    assert phases["base: generating"].tokens_per_second == pytest.approx(30 / phases["base: generating"].seconds)
    assert [name for name, phase in phases.items() if not phase.beside] == [
        "reading and planning",
        *(f"{arm}: {what}" for arm in ("base", "tuned") for what in ("preparing", "loading", "generating")),
        "deciding",
    ]
    assert phases["tuned: scoring"].beside and phases["tuned: scoring"].tokens_per_second is None


def test_where_writing_the_report_took_its_time_stands_in_the_manifest_once(fake, suite, tmp_path):
    got = run(suite(), out=tmp_path / "out")
    for _ in range(2):
        written = read_manifest(tmp_path / "out")
        assert [phase.name for phase in written.phases][-2:] == ["deciding", "report"]
        got.write(tmp_path / "out")


def test_a_judge_reads_every_pair_in_both_orders(fake, suite):
    fake.answer = by_request(lambda request: "first")
    (result,) = run(suite(), judge=judge()).comparison.judges
    assert (result.n, result.win_rate.value, result.first_slot_rate, result.order_flip_rate) == (6, 0.5, 1.0, 1.0)


def test_a_fair_judge_that_prefers_tuned_gives_it_every_prompt(fake, suite):
    def prefer_tuned(request):
        text = request.messages[-1].content
        return "first" if text.index("tuned 42") < text.index("base 42") else "second"

    fake.answer = by_request(prefer_tuned)
    got = run(suite(), judge=judge())
    (result,) = got.comparison.judges
    assert (result.win_rate.value, result.order_flip_rate, result.first_slot_rate) == (1.0, 0.0, 0.5)
    assert len(got.verdicts) == 12 and set(got.verdicts["winner"]) == {"tuned"}


def test_an_unreadable_verdict_is_unscored_and_never_a_tie(fake, suite):
    fake.answer = by_request(lambda request: "I would rather not say, both are fine")
    (result,) = run(suite(), judge=judge()).comparison.judges
    assert (result.n, result.unscored, result.ties, result.win_rate) == (0, 6, 0, None) or result.win_rate.low is None


def test_a_suite_can_be_kept_from_the_judge(fake, suite):
    fake.answer = by_request(lambda request: "tie")
    quiet = suite().model_copy(update={"judge": False})
    assert run(quiet, judge=judge()).comparison.judges[0].n == 0


def test_a_pair_with_a_failed_side_is_not_judged(fake, suite):
    fake.answer = by_request(lambda request: "tie")
    fake.refuse = lambda request: Failure("tuned", "x", "y") if request.model == "tuned" else None
    assert run(suite(), judge=judge()).comparison.judges[0].n == 0


@pytest.mark.parametrize(
    "limits", [{"max_tokens": 30}, {"max_usd": 0.00009, "price": {"input": 1, "output": 5}}, {"max_tokens": 25}]
)
def test_a_judge_stops_asking_at_its_limit_and_goes_on_from_there(fake, suite, limits):
    spoken = Completion("tie", usage=Usage(5, 5))
    fake.answer = lambda request: spoken if request.model == "j" else f"{request.model} 42"
    first = run(suite(), judge=judge(limits=limits))
    (result,) = first.comparison.judges
    asked = sum(request.model == "j" for request in fake.generated)
    assert asked == 3 and result.n == 1 and result.unscored == 5
    assert set(first.verdicts["failure"].dropna().str.partition(":")[0]) == {"budget_spent"}
    assert run(suite(), judge=judge()).comparison.judges[0].unscored == 0
    assert sum(request.model == "j" for request in fake.generated) == 12


def test_a_limit_in_money_needs_a_price():
    with pytest.raises(InputError, match=r"max_usd needs `price"):
        judge(limits={"max_usd": 1})


def test_a_judge_can_read_a_random_part_of_each_task(fake, suite):
    fake.answer = by_request(lambda request: "tie")
    got = run(suite(n=20), suite(n=3, name="other", prompt="? {{ q }}"), judge=judge(limits={"pairs_per_task": 4}))
    (result,) = got.comparison.judges
    assert (result.n, result.unscored) == (7, 0)
    assert set(got.verdicts.loc[got.verdicts["suite"] == "s", "id"]) != {"0", "1", "2", "3"}


def test_a_reasoning_trace_has_room_of_its_own_and_is_not_scored(fake, suite):
    fake.answer = lambda request: "<think>6 * 7, so 41</think>42" if request.model == "tuned" else "<think>42"
    thinking = [model.model_copy(update={"reasoning": ReasoningSpec(budget=100)}) for model in (FAKE_BASE, FAKE_TUNED)]
    got = api.run_comparison(*thinking, suites=[suite(sampling={"max_tokens": 7})])
    assert {request.sampling.max_tokens for request in fake.generated} == {107}
    (result,) = got.comparison.suites
    assert (result.base, result.tuned) == (0.0, 1.0)
    causes = got.samples.loc[got.samples["arm"] == "base", "cause"]
    assert set(causes) == {"truncated"}


def reasoners(*budgets, **sampling):
    return [
        model.model_copy(update={"reasoning": ReasoningSpec(budget=budget), "sampling": SamplingSpec(**sampling)})
        for model, budget in zip((FAKE_BASE, FAKE_TUNED), budgets, strict=True)
    ]


def test_budgets_that_differ_become_the_larger_for_both_and_the_manifest_keeps_what_was_stated(fake, suite):
    got = api.run_comparison(*reasoners(50, 200), suites=[suite(sampling={"max_tokens": 7})])
    assert {request.sampling.max_tokens for request in fake.generated} == {207}
    assert [getattr(got.manifest, arm).thinking_budget for arm in ("base", "tuned")] == [50, 200]
    assert any("both were given 200" in caution for caution in got.manifest.cautions)


def test_a_tasks_own_temperature_decides_whether_a_reasoner_is_greedy(fake, suite):
    models = reasoners(50, 50, temperature=0.6, n=4)
    warm, greedy = suite(name="warm"), suite(name="greedy", sampling={"temperature": 0, "n": 1})
    got = api.run_comparison(*models, suites=[warm, greedy])
    assert [task.temperature for one in got.manifest.suites for task in one.tasks] == [
        {"base": 0.6, "tuned": 0.6},
        {"base": 0.0, "tuned": 0.0},
    ]
    said = [caution for caution in got.manifest.cautions if "greedily" in caution]
    assert len(said) == 2 and all("in greedy, where" in caution for caution in said)


def test_a_stored_run_shows_test_time_compute_again(fake, suite, tmp_path):
    fake.answer = lambda request: Completion(
        f"<think>{'so ' * request.sample}</think>{42 if request.sample % 2 else 41}",
        usage=Usage(3, 10 * request.sample + 5),
    )
    got = api.run_comparison(*reasoners(50, 50, temperature=0.6, n=4), suites=[suite()], out=tmp_path / "run")
    (seen,) = got.comparison.test_time
    assert (list(seen.pass_at_k), seen.pass_at_k[4].tuned, seen.maj_at_k[4].tuned) == ([1, 2, 4], 1.0, 0.5)
    assert (seen.budgets[0], seen.budgets[-1]) == (5, 35)
    assert api.load(tmp_path / "run").comparison.test_time == got.comparison.test_time
    written = json.loads((tmp_path / "run" / "summary.json").read_text())["test_time"]
    assert [one["k"] for one in written[0]["pass_at_k"]] == [1, 2, 4] and written[0]["curve"]["budgets"][-1] == 35


def test_turns_are_not_taken_for_samples_of_one_reply(fake, suite):
    got = api.run_comparison(*reasoners(50, 50, temperature=0.6, n=4), suites=[suite(follow_ups=["Sure?"])])
    assert got.comparison.test_time == ()


@pytest.mark.parametrize(
    ("task", "votes"),
    [
        ({"score": "number"}, "answer"),
        ({"score": "contains"}, None),
        ({"score": "contains", "extract": [{"after": "Answer:"}]}, "answer"),
        ({"score": "math"}, "box"),
        ({"score": "truncated"}, None),
    ],
)
def test_votes_are_taken_over_short_answers_and_never_over_whole_replies(fake, suite, task, votes):
    role = "guard" if task["score"] == "truncated" else "retain"
    got = run(suite(**task).model_copy(update={"role": role}))
    assert got.manifest.suites[0].tasks[0].votes == votes


@pytest.mark.parametrize("beside", [("base", "tuned"), ("base",), ("tuned",)])
def test_base_scores_what_tuned_wrote_whichever_of_two_servers_is_done_first(beside, fake, suite, monkeypatch):
    fake.as_asked = beside
    record = Fake.record
    monkeypatch.setattr(
        Fake, "record", lambda self, model: replace(record(self, model), tokenizer_fingerprint="the same")
    )

    def answer(request):
        if request.tokens:
            return Completion("", logprobs=(-1.0 if request.model == "tuned" else -1.5,))
        if request.text is not None:
            return Completion("", logprobs=(-1.0,))
        if request.model == "tuned":
            time.sleep(0.02)
        return Completion("42", token_ids=(7, 8) if request.keep_tokens else None)

    fake.answer = answer
    got = run(suite())
    kl = got.samples[(got.samples["suite"] == PROBES) & (got.samples["task"] == KL)]
    assert len(kl) == 6 and set(kl["value"]) == {0.25}
