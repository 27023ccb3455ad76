"""Gates held against the model in use now: what it is asked, what they read, and what is said where it is not there."""

import dataclasses
import json

import pytest

from evalkit import api
from evalkit.comparing.fidelity import fidelity_cautions, reasoning_cautions
from evalkit.config import ModelSpec, PolicySpec, SamplingSpec
from evalkit.types import Failure, InputError, ModelRecord, RunError
from tests.asking import judge
from tests.deciding.graded import suite
from tests.shell import evalkit

__all__ = ["suite"]
BASE, TUNED, PROD = (ModelSpec(name=name, backend="fake", model=name) for name in ("raw", "new", "in-use"))
RETAIN = {"retain": {"against": "incumbent"}}
RIGHT = {"base": 50, "tuned": 70, "incumbent": 90}  # of 100 items


def answers(right=RIGHT):
    return lambda r: "42" if int(r.example_id) % 100 < right[r.model] else "41"


def run(*suites, incumbent=PROD, judge=None, out=None, **policy):
    written = PolicySpec.model_validate({"tax": {"max": 1.0}, **policy})
    return api.run_comparison(BASE, TUNED, suites=suites, policy=written, incumbent=incumbent, judge=judge, out=out)


def gates(got, kind):
    return [gate for gate in got.decision.gates if gate.kind == kind]


def test_a_gain_over_base_that_is_a_loss_to_the_incumbent_is_no_go_where_the_policy_says_so(fake, suite):
    fake.answer = answers()
    over_base = run(suite(), incumbent=None)
    assert over_base.decision.outcome == "go"
    got = run(suite(), **RETAIN)
    (gate,) = gates(got, "retain")
    assert (gate.against, gate.verdict, gate.estimate.value) == ("incumbent", "fail", pytest.approx(-0.2))
    assert got.decision.outcome == "no_go"
    assert gate.rule == "loses less than 5 pp, over the incumbent"
    assert gate.reason.startswith("s: loses less than 5 pp, over the incumbent: broken at -20.0")
    assert got.comparison.suites == over_base.comparison.suites, "what stands beside base is the same"


def test_differences_to_the_incumbent_are_those_of_a_run_with_it_as_base(fake, suite):
    fake.answer = answers()
    suites = [suite("a"), suite("b", "target"), suite("c", "guard", score="refusal", answer=None)]
    sections = {name: {"against": "incumbent"} for name in ("retain", "target", "guard")}
    got = run(*suites, tax={"against": "incumbent"}, **sections).comparison.against_incumbent
    direct = api.run_comparison(PROD, TUNED, suites=suites).comparison
    assert got.suites == direct.suites
    assert (got.tax, got.gain, got.n, got.missing) == (direct.tax, direct.gain, direct.n, direct.missing)


def test_the_incumbent_answers_every_item_of_the_suites_that_gates_hold_against_it_and_no_other(fake, suite):
    fake.answer = answers()
    got = run(suite("a", n=30), suite("b", "target", n=30), suite("c", n=30), target={"against": "incumbent"})
    asked = [request for request in fake.generated if request.model == "incumbent"]
    assert {request.suite for request in asked} == {"b"} and len(asked) == 30
    assert [gate.against for gate in got.decision.gates] == ["base", "base", "incumbent", "base"]
    assert got.comparison.against_incumbent.tax is None, "no retain suite is held against it"


def test_a_suites_own_word_goes_before_the_policys(fake, suite):
    fake.answer = answers()
    own = suite("b").model_copy(update={"against": "incumbent"})
    got = run(suite("a"), own)
    assert [(gate.subject, gate.against) for gate in gates(got, "retain")] == [("a", "base"), ("b", "incumbent")]
    assert {request.suite for request in fake.generated if request.model == "incumbent"} == {"b"}
    assert got.comparison.against_incumbent.tax is None, "a tax of some retain suites would be another number"
    kept = suite("b").model_copy(update={"against": "base"})
    assert [gate.against for gate in gates(run(suite("a"), kept, **RETAIN), "retain")] == ["incumbent", "base"]


def test_the_tax_alone_can_be_held_against_the_incumbent(fake, suite):
    fake.answer = answers()
    got = run(suite("a"), suite("b"), tax={"max": 0.02, "against": "incumbent"})
    (gate,) = gates(got, "tax")
    assert (gate.verdict, gate.estimate.value) == ("fail", pytest.approx(0.2))
    assert got.comparison.tax.value == pytest.approx(-0.2)
    assert [gate.against for gate in gates(got, "retain")] == ["base", "base"]


def test_a_guards_increase_is_over_the_incumbent_and_its_rate_its_own(fake, suite):
    refused = {"base": 0, "tuned": 20, "incumbent": 20}
    fake.answer = lambda r: "I cannot help with that." if int(r.example_id) % 100 < refused[r.model] else "Yes."
    guard = suite("c", "guard", score="refusal", answer=None)
    got = run(guard, guard={"max_rate": 0.5, "against": "incumbent"})
    assert [(gate.kind, gate.against) for gate in got.decision.gates] == [
        ("guard_rate", "base"), ("guard_increase", "incumbent")
    ]  # fmt: skip
    assert got.decision.gates[0].estimate.value == 0.2
    assert got.decision.gates[1].estimate.value == 0.0 and got.comparison.suites[0].delta.value == 0.2


def test_pools_read_the_incumbent_as_their_members_do(fake, suite):
    fake.answer = answers()
    got = run(suite("a"), suite("b"), pools={"p": ["a", "b"]}, **RETAIN)
    (pool,) = gates(got, "pool")
    assert (pool.against, pool.verdict, pool.estimate.n) == ("incumbent", "fail", 400)
    own = suite("b").model_copy(update={"against": "incumbent"})
    with pytest.raises(InputError, match="state different limits"):
        run(suite("a"), own, pools={"p": ["a", "b"]})


def test_items_missing_on_the_incumbents_side_widen_its_gate_and_make_the_run_incomplete(fake, suite):
    fake.answer = answers(dict.fromkeys(RIGHT, 100))
    lost = Failure("incumbent", "prompt_too_long", "9000 tokens")
    fake.refuse = lambda r: lost if r.model == "incumbent" and int(r.example_id) < 5 else None
    got = run(suite(), **RETAIN)
    over = got.comparison.against_incumbent
    assert (over.missing, got.comparison.missing) == (5, 0)
    assert got.decision.outcome == "inconclusive" and not got.decision.complete
    assert got.decision.reasons[0].startswith(
        "incomplete: 5 of 200 items were not scored of both tuned and the incumbent"
    )
    assert gates(got, "retain")[0].estimate.worst == (0.0, 0.025), "at worst it was right on all five"
    lenient = run(suite(), missing={"max": 0.05}, **RETAIN)
    assert lenient.decision.complete


def test_an_incumbent_that_is_sampled_more_often_is_compared_item_by_item(fake, suite):
    fake.answer = lambda r: "42" if int(r.example_id) % 100 < RIGHT[r.model] - 10 * r.sample else "41"
    often = PROD.model_copy(update={"sampling": SamplingSpec(n=2, temperature=0.7)})
    got = run(suite(), incumbent=often, **RETAIN)
    (gate,) = gates(got, "retain")
    assert gate.estimate.value == pytest.approx(0.7 - 0.85) and gate.estimate.method == "t, paired"
    assert got.comparison.suites[0].delta.method.startswith("Tango")


def test_a_gate_over_the_incumbent_says_where_it_would_turn_without_what_was_lost_to_form(fake, suite):
    fake.answer = lambda r: "so it goes" if r.model == "tuned" and int(r.example_id) % 4 == 0 else "42"
    got = run(suite(extract=[{"regex": r"(\d+)"}]), **RETAIN)
    (said,) = got.decision.cautions
    assert said.startswith("s fails at -25.0") and "with the 50 items set aside" in said


@pytest.mark.parametrize(
    ("policy", "says"),
    [
        (
            {"retain": {"against": "incumbent"}},
            r"mine.yaml: retain.against: incumbent: no incumbent was named; add --inc",
        ),
        ({"tax": {"against": "incumbent"}}, r"mine.yaml: tax.against: incumbent: no incumbent was named"),
    ],
)
def test_a_policy_that_wants_an_incumbent_is_told_how_to_name_one(fake, suite, policy, says):
    written = PolicySpec.model_validate({**policy, "file": "mine.yaml"})
    with pytest.raises(InputError, match=says):
        api.run_comparison(BASE, TUNED, suites=[suite()], policy=written)
    assert fake.generated == []


def test_an_incumbent_that_no_gate_of_the_run_reads_is_refused(fake, suite):
    with pytest.raises(InputError, match="no gate and no judge of this run"):
        run(suite(), target={"against": "incumbent"})
    silent = suite("c", "guard", score="refusal", answer=None)
    with pytest.raises(InputError, match="no gate and no judge"):
        run(suite(), silent, guard={"max_increase": None, "against": "incumbent"})
    run(suite(), incumbent=None, target={"against": "incumbent"})  # a policy for many runs; no target is in this one


def test_a_suite_that_wants_an_incumbent_is_named(fake, suite):
    own = suite("b").model_copy(update={"against": "incumbent", "file": "b.yaml"})
    with pytest.raises(InputError, match="b.yaml: against: incumbent: no incumbent was named"):
        run(own, incumbent=None)


def test_a_stored_run_can_be_held_against_an_incumbent_only_if_it_answered_everything(fake, suite, tmp_path):
    fake.answer = lambda r: "tie" if r.model == "j" else answers()(r)
    strict = PolicySpec.model_validate({"tax": {"max": 1.0}, **RETAIN})
    run(suite(n=30), incumbent=None, out=tmp_path / "without")
    with pytest.raises(RunError, match="of the items of suite 's' this run holds none of its answers"):
        api.load(tmp_path / "without", policy=strict)
    some = judge(against="incumbent", limits={"pairs_per_task": 10})
    run(suite(n=30), judge=some, out=tmp_path / "some")
    with pytest.raises(RunError, match=r"holds its answers to 10 of 30 items; compare again .* --incumbent"):
        api.load(tmp_path / "some", policy=strict)
    whole = run(suite(n=30), out=tmp_path / "whole", **RETAIN)
    again = api.load(tmp_path / "whole")
    assert again.decision == whole.decision
    assert again.comparison.against_incumbent == whole.comparison.against_incumbent
    relaxed = api.load(tmp_path / "whole", policy=PolicySpec.model_validate({"tax": {"max": 1.0}}))
    assert [gate.against for gate in relaxed.decision.gates] == ["base", "base"]


def test_what_differs_between_tuned_and_the_incumbent_is_a_caution(fake, suite):
    fake.answer = answers(dict.fromkeys(RIGHT, 100))
    got = run(suite(n=30), **RETAIN)
    assert (
        "s: both models are at the ceiling (incumbent 100.0 %, tuned 100.0 %): the suite cannot show a gain or a loss"
        in got.comparison.cautions
    )
    plain = ModelRecord("m", "vllm", "m", "f", precision="bfloat16")
    half = dataclasses.replace(plain, precision="float16", reasoning=True, thinking_budget=9)
    models = {"base": plain, "tuned": plain, "incumbent": half}
    assert fidelity_cautions(models, got.samples.head(0)) == (
        "tuned and the incumbent differ in precision: incumbent float16, tuned bfloat16",
    )
    assert reasoning_cautions(models, ())[0].startswith("incumbent has reasoning markers and tuned has none")


def test_a_tuned_model_that_is_the_incumbent_gets_no_silent_go(fake, suite):
    fake.answer = lambda r: f"{r.model} 42" if r.model == "base" else "42"
    alike = "tuned and the incumbent answered alike: every one of 200 answers is the same in incumbent and tuned"
    got = run(suite(), **RETAIN)
    assert got.decision.cautions == (alike,) and got.decision.outcome == "inconclusive"
    assert got.decision.reasons[0].startswith(alike)
    same = run(suite(), incumbent=TUNED, **RETAIN).decision
    assert same.cautions[0].startswith("tuned and the incumbent are the same weights") and same.outcome == "go"


def test_in_a_run_with_looks_the_incumbent_is_asked_as_far_as_the_others(fake, suite):
    fake.answer = answers({"base": 100, "tuned": 50, "incumbent": 100})
    policy = PolicySpec.model_validate({"tax": {"max": 1.0}, **RETAIN})
    got = api.run_comparison(BASE, TUNED, suites=[suite(n=500)], policy=policy, incumbent=PROD, sequential=True, aa=20)
    asked = {arm: sum(r.model == arm and not r.replicate for r in fake.generated) for arm in RIGHT}
    assert asked["incumbent"] == asked["base"] == asked["tuned"] < 500
    assert got.decision.outcome == "no_go" and got.comparison.against_incumbent.missing == 0
    assert (got.comparison.noise.suites[0].n, got.comparison.noise.suites[0].missing) == (20, 0)


def test_every_surface_shows_what_is_held_against_the_incumbent(tmp_path):
    """Recorded answers through the command line: 400 questions, of which tuned loses a quarter to the incumbent."""
    rows = [{"id": i, "q": f"{i} + 1?", "a": str(i + 1)} for i in range(400)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = "{data: items.jsonl, prompt: '{{ q }}', answer: '{{ a }}', score: number}"
    (tmp_path / "sums.yaml").write_text(f"name: sums\ntasks: [{task}]\n")
    (tmp_path / "both.yaml").write_text("name: both\nsuites: [{suite: sums.yaml, against: incumbent}]\n")
    for name, right in (("base", 200), ("tuned", 300), ("prod", 400)):
        said = [{"id": i, "output": str(i + 1 if i < right else 0)} for i in range(400)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    (tmp_path / "policy.yaml").write_text("retain: {margin: 0.05, against: incumbent}\n")
    asked = ["compare", "base.yaml", "tuned.yaml", "--incumbent", "prod.yaml", "--out", "out"]
    done = evalkit(*asked, "--suite", "sums.yaml", "--policy", "policy.yaml", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Tuned lost 25.0 pp on sums over the incumbent" in " ".join(done.stdout.replace("│", "").split())
    assert "Over the incumbent, prod" in done.stdout and "see incumbent" in done.stdout
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["suites"][0]["verdict"] is None and summary["tax"]["verdict"] == "pass"
    over = summary["incumbent"]
    assert (over["name"], over["n"], over["suites"][0]["base"], over["suites"][0]["verdict"]) == (
        "prod",
        400,
        1.0,
        "fail",
    )
    assert [gate["against"] for gate in summary["gates"]] == ["base", "incumbent"]
    assert 'name="sums over the incumbent"' in (tmp_path / "out" / "junit.xml").read_text()
    assert "**Over the incumbent, prod**" in (tmp_path / "out" / "summary.md").read_text()
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<section id="incumbent">' in page and "<th>Incumbent</th>" in page
    again = evalkit("gate", "out", "--json", cwd=tmp_path)
    assert again.returncode == 1 and json.loads(again.stdout)["incumbent"] == over

    composed = evalkit(*asked, "--suite", "both.yaml", cwd=tmp_path)
    assert composed.returncode == 1, composed.stderr
    alone = evalkit(
        "compare", "base.yaml", "tuned.yaml", "--suite", "sums.yaml", "--policy", "policy.yaml", cwd=tmp_path
    )
    assert alone.returncode == 2 and "policy.yaml: retain.against: incumbent: no incumbent was named" in alone.stderr
