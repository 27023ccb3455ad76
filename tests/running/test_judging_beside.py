"""Judging while generation goes on, what is asked again, what it costs, and a judge that holds tuned against an incumbent."""

import threading

import pytest

from evalkit import api
from evalkit.config import ModelSpec
from evalkit.types import Completion, InputError, Usage
from tests.asking import FAKE_BASE, FAKE_TUNED, by_request, judge, run, suite

__all__ = ["suite"]
PROD = ModelSpec(name="in-use", backend="fake", model="w4")


def test_a_pair_is_judged_as_soon_as_both_sides_exist(fake, suite):
    """Tuned's last answer waits until the judge has been asked: it would wait in vain were judging left to the end."""
    judged = threading.Event()

    def answer(request):
        if request.model == "j":
            judged.set()
            return "tie"
        if request.model == "tuned" and sum(one.model == "tuned" for one in fake.generated) == 6:
            assert judged.wait(timeout=60)
        return f"{request.model} 42"

    fake.answer, fake.as_asked = answer, ("j",)
    (result,) = run(suite(), judge=judge()).comparison.judges
    assert (result.n, result.ties, result.unscored) == (6, 6, 0)


@pytest.mark.parametrize("beside", [(), ("j",)])
def test_verdicts_are_the_same_whether_judged_beside_or_afterwards(fake, suite, beside):
    fake.as_asked = beside
    fake.answer = by_request(lambda r: "first" if int(r.example_id) < 2 else "tie")
    got = run(suite(), judge=judge(limits={"pairs_per_task": 4}))
    assert len(got.verdicts) == 8 and got.comparison.judges[0].n == 4
    again = run(suite(), judge=judge(limits={"pairs_per_task": 4}))
    assert again.verdicts.equals(got.verdicts)
    assert sum(request.model == "j" for request in fake.generated) == 8


@pytest.mark.parametrize("beside", [(), ("j",)])
def test_a_spent_budget_stops_a_judge_for_good(fake, suite, beside):
    """Neither questions that come later nor second readings are put any more, and none of them is lost."""
    spoken = Completion("tie", usage=Usage(5, 5))
    fake.as_asked = beside
    fake.answer = lambda request: spoken if request.model == "j" else f"{request.model} 42"
    got = run(suite(), judge=judge(limits={"max_tokens": 30}, recheck=4))
    assert sum(request.model == "j" for request in fake.generated) == 3
    first = got.verdicts[got.verdicts["repeat"] == 0]
    assert len(first) == 12 and first["winner"].notna().sum() == 3
    assert set(first["failure"].dropna().str.partition(":")[0]) == {"budget_spent"}


@pytest.mark.parametrize("beside", [(), ("j",)])
def test_a_judge_that_dies_leaves_every_other_pair_unscored(fake, suite, beside):
    def answer(request):
        return "tie" if request.model == "j" else f"{request.model} 42"

    fake.as_asked, fake.answer = beside, answer
    fake.refuse = lambda request: None
    fake.die_after = 15
    got = run(suite(), judge=judge())
    assert len(got.verdicts) == 12 and got.verdicts["winner"].notna().sum() <= 3
    assert "engine_died" in set(got.verdicts["failure"].dropna().str.partition(":")[0])


@pytest.mark.parametrize("beside", [(), ("j",)])
def test_the_first_pairs_are_read_a_second_time(fake, suite, beside):
    fake.as_asked = beside
    fake.answer = by_request(lambda request: "tie" if request.replicate else "first")
    got = run(suite(), judge=judge(recheck=4))
    assert len(got.verdicts) == 16 and (got.verdicts["repeat"] == 1).sum() == 4
    (result,) = got.comparison.judges
    assert (result.n, result.ties) == (6, 6) and result.order_flip_rate == 1.0
    assert (result.repeat_consistency.value, result.repeats_n) == (0.0, 4)


def test_cost_is_foreseen_and_told(fake, suite):
    spoken = Completion("tie", usage=Usage(100, 10))
    fake.answer = lambda request: spoken if request.model == "j" else f"{request.model} 42"
    priced = judge(limits={"max_usd": 5, "price": {"input": 1, "output": 5}})
    got = run(suite(), judge=priced)
    (cost,) = (record.cost for record in got.manifest.judges)
    assert (cost.questions, cost.prompt_tokens, cost.completion_tokens) == (12, 1200, 120)
    assert cost.usd == pytest.approx((1200 * 1 + 120 * 5) / 1e6)
    assert cost.estimated_questions == 12 and cost.estimated_tokens > 0 and cost.estimated_usd > 0
    again = run(suite(), judge=priced).manifest.judges[0].cost
    assert (again.questions, again.cached, again.usd) == (0, 12, 0)


def test_a_judge_can_hold_tuned_against_what_is_in_use(fake, suite):
    def prefer_tuned(request):
        text = request.messages[-1].content
        assert "base 42" not in text
        return "first" if text.index("tuned 42") < text.index("incumbent 42") else "second"

    fake.answer = by_request(prefer_tuned)
    quiet = suite(name="quiet", prompt="? {{ q }}").model_copy(update={"judge": False})
    got = api.run_comparison(
        FAKE_BASE, FAKE_TUNED, suites=[suite(), quiet], judge=judge(against="incumbent"), incumbent=PROD
    )
    (result,) = got.comparison.judges
    assert (result.win_rate.value, result.against) == (1.0, "incumbent")
    assert got.manifest.incumbent.name == "in-use"
    asked = {request.suite for request in fake.generated if request.model == "incumbent"}
    assert asked == {"s"}, "the incumbent answers only what a judge reads"
    assert [one.n for one in got.comparison.suites] == [6, 6]


def test_an_incumbent_without_a_reader_and_a_reader_without_an_incumbent_are_refused(fake, suite):
    with pytest.raises(InputError, match="add --incumbent"):
        run(suite(), judge=judge(against="incumbent"))
    with pytest.raises(InputError, match="against: incumbent"):
        run(suite(), judge=judge(), incumbent=PROD)


def test_a_jurys_members_stand_beside_it_and_only_it_is_gated(fake, suite, tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {{backend: fake, model: w{name}}}\nrecheck: 0\n"
            "rubric: '{{ prompt }} {{ first }} {{ second }}'\n"
        )
    (tmp_path / "jury.yaml").write_text("name: jury\nkind: jury\nmembers: [a.yaml, b.yaml, c.yaml]\ncombine: vote\n")

    def answer(request):
        if request.model not in "abc":
            return f"{request.model} 42"
        text = request.messages[-1].content
        tuned_first = text.index("tuned 42") < text.index("base 42")
        return "first" if tuned_first == (request.model != "c") else "second"  # a and b prefer tuned, c base

    fake.answer = answer
    got = run(suite(), judge=str(tmp_path / "jury.yaml"))
    assert [(one.name, one.win_rate.value, one.jury) for one in got.comparison.judges] == [
        ("jury", 1.0, None),
        ("a", 1.0, "jury"),
        ("b", 1.0, "jury"),
        ("c", 0.0, "jury"),
    ]
    assert got.manifest.judges[0].members == ("a", "b", "c") and len(got.verdicts) == 36
    assert not any("jury" in gate.subject and gate.required for gate in got.decision.gates)


def test_a_judge_that_grades_apart_reads_pairs_too(fake, suite):
    graded = judge(kind="pointwise", rubric="{{ prompt }} {{ response }}")
    fake.answer = lambda r: ("5" if "tuned 42" in r.messages[0].content else "2") if r.model == "j" else f"{r.model} 42"
    (result,) = run(suite(), judge=graded).comparison.judges
    assert (result.kind, result.n, result.wins, result.order_flip_rate) == ("pointwise", 6, 6, None)
    assert result.mean_difference.value == 0.75
