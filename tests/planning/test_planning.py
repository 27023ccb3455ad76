"""Before a token is spent: how often equal models get GO, what would help, and what a run takes."""

import json

import numpy as np
import pytest

from evalkit import api
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec
from evalkit.foresight import plan_comparison
from evalkit.planning import (
    Design,
    PlannedJudge,
    PlannedSuite,
    expectations,
    expected_of_run,
    looked_at,
    plan,
    simulate,
)
from evalkit.planning.scores import Scores
from evalkit.planning.simulation import comparison_of
from evalkit.statistics import sample_size
from evalkit.types import Expected, InputError, Silent, SuiteRecord, TaskRecord
from evalkit.yamlfile import validate
from tests.comparing.scored import compared


class Told(Silent):
    """A progress that keeps what it is told."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


LOOSE = {"tax": {"max": 0.5}}


def suite(name, n, role="retain", *, samples=1, groups=None, margin=None, **record):
    task = TaskRecord("t", "generate", "accuracy", n, 4 * n, samples=samples, binary=True)
    return PlannedSuite(
        SuiteRecord(name, role, "", (task,), margin=margin, **record),
        (n,),
        (groups,),
        samples=samples,
        binary=samples == 1,
        available=4 * n,
        sampled=samples > 1,
    )


def assumed(design, **fields):
    return {one.record.name: Expected(**fields) for one in design.suites}


def go(design, policy, expected, runs=400, **options):
    return float(simulate(design, policy, expected, runs=runs, **options).go.mean())


# --- the simulation ---


@pytest.mark.parametrize(("discordance", "margin", "n"), [(0.10, 0.03, 1496), (0.20, 0.015, 11971)])
def test_five_suites_of_the_textbook_size_get_go_at_the_power(discordance, margin, n):
    """Five gates at power .8 together need 1,496 items each at 10 % discordance and 3 pp, 11,971 at 20 % and 1.5 pp."""
    assert n == pytest.approx(sample_size(margin, discordance, power=0.8**0.2), abs=1)
    design = Design(tuple(suite(f"s{i}", n) for i in range(5)))
    policy = PolicySpec(retain={"margin": margin}, **LOOSE)
    assert go(design, policy, assumed(design, discordance=discordance)) == pytest.approx(0.8, abs=0.06)


def test_a_true_loss_at_the_margin_gets_go_at_most_at_the_level():
    design = Design((suite("s", 800),))
    policy = PolicySpec(retain={"margin": 0.03}, **LOOSE)
    assert go(design, policy, assumed(design), runs=1000, loss=0.03) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 1000)


def test_a_gate_passes_at_the_limit_that_is_called_detectable():
    """Held to that limit instead, it passes as often as the power says."""
    design, policy = Design((suite("s", 500),)), PolicySpec(retain={"margin": 0.01}, **LOOSE)
    found = plan(design, policy, assumed(design), runs=600, remedies=False)
    (gate,) = [one for one in found.gates if one.kind == "retain"]
    assert gate.passes < 0.3 and gate.detectable < -0.01
    held = PolicySpec(retain={"margin": -gate.detectable}, **LOOSE)
    assert go(design, held, assumed(design), runs=600, seed=1) == pytest.approx(0.8, abs=0.05)


def test_repeats_average_out_sampling_but_not_what_lasts():
    """At 20 % discordance, 8 samples help much where all of it is sampling and not at all where none of it is."""
    policy = PolicySpec(retain={"margin": 0.04}, **LOOSE)
    once, often = (Design((suite("s", 500, samples=k),)) for k in (2, 8))
    noise, lasting = (assumed(once, discordance=0.2, lasting=share) for share in (0.0, 1.0))
    assert go(often, policy, noise) > go(once, policy, noise) + 0.2
    assert go(often, policy, lasting) == pytest.approx(go(once, policy, lasting), abs=0.08)


def test_clusters_cost_power_as_their_items_correlate():
    groups = np.repeat(np.arange(60), 10)
    design, policy = Design((suite("s", 600, groups=groups),)), PolicySpec(retain={"margin": 0.04}, **LOOSE)
    loose, tight = (assumed(design, correlation=one) for one in (0.0, 0.6))
    assert go(design, policy, loose) > go(design, policy, tight) + 0.3


def test_missing_items_cost_power():
    design, policy = Design((suite("s", 800),)), PolicySpec(retain={"margin": 0.035}, missing={"max": 0.05}, **LOOSE)
    assert go(design, policy, assumed(design, missing=0.03)) < go(design, policy, assumed(design)) - 0.2


def test_guards_targets_and_judges_are_gates_of_the_plan():
    design = Design(
        (suite("keep", 2000), suite("learn", 800, "target"), suite("harm", 600, "guard")), (PlannedJudge("j", 400),)
    )
    found = plan(design, PolicySpec(), assumed(design, rate=0.02), runs=300, remedies=False, gain=0.06)
    passes = {(one.kind, one.subject): one.passes for one in found.gates}
    assert set(passes) == {
        ("tax", "tax"), ("retain", "keep"), ("target", "learn"), ("guard_rate", "harm"), ("guard_increase", "harm"), ("judge", "j"),
    }  # fmt: skip
    assert passes["target", "learn"] > 0.9 and passes["judge", "j"] > 0.4
    none = plan(design, PolicySpec(), assumed(design), runs=300, remedies=False, gain=0.0)
    assert {one.subject: one.passes for one in none.gates}["learn"] < 0.06


def test_an_advisory_suite_keeps_no_run_from_go():
    weak = suite("graded", 30, advisory=True)
    policy = PolicySpec(retain={"margin": 0.04}, **LOOSE)
    design = Design((suite("s", 1500), weak))
    assert go(design, policy, assumed(design), runs=200) > 0.9


def test_scores_without_bounds_are_left_out_until_a_pilot_knows_their_spread():
    task = TaskRecord("t", "loglikelihood", "bits per byte", 100, 100, bounded=False, binary=False)
    guard = PlannedSuite(SuiteRecord("bpb", "guard", "", (task,)), (100,), (None,), binary=False, bounded=False)
    design = Design((suite("s", 1500), guard))
    policy = PolicySpec(retain={"margin": 0.05}, **LOOSE)
    found = plan(design, policy, assumed(design), runs=200, remedies=False)
    assert "bpb" not in {one.subject for one in found.gates} and "--pilot" in found.cautions[0]
    known = {**assumed(design), "bpb": Expected(spread=0.05)}
    assert "bpb" in {one.subject for one in plan(design, policy, known, runs=200, remedies=False).gates}


# --- what would help ---


def test_each_remedy_that_is_called_enough_is():
    design = Design((suite("a", 400), suite("b", 400), suite("c", 4000)))
    policy = PolicySpec(retain={"margin": 0.04}, **LOOSE)
    found = plan(design, policy, assumed(design), runs=600)
    assert not found.decides
    more, pooled, wider = found.remedies
    assert more.available and more.enough and "the data hold" not in more.what
    assert "pools: {small: [a, b]}" in pooled.what and pooled.enough
    assert wider.what.startswith("retain.margin: 0.06")
    as_one = policy.model_copy(update={"pools": {"small": ("a", "b")}})
    assert go(design, as_one, assumed(design), runs=600, seed=3) == pytest.approx(pooled.go, abs=0.06)


def test_more_than_the_data_hold_is_said():
    design = Design((suite("a", 100),))
    found = plan(design, PolicySpec(retain={"margin": 0.02}, **LOOSE), assumed(design), runs=300)
    assert not found.remedies[0].available and "of a the data hold fewer" in found.remedies[0].what


def test_repeats_are_proposed_only_where_another_sample_is_another_answer():
    sampled, greedy = suite("s", 500, samples=2), suite("s", 500)
    policy = PolicySpec(retain={"margin": 0.03}, **LOOSE)
    for one, proposed in ((sampled, True), (greedy, False)):
        found = plan(Design((one,)), policy, {"s": Expected(discordance=0.2, lasting=0.0)}, runs=300)
        assert any("samples of each item" in remedy.what for remedy in found.remedies) == proposed


def test_a_run_that_decides_needs_no_remedy():
    design = Design((suite("s", 4000),))
    found = plan(design, PolicySpec(), assumed(design), runs=200)
    assert found.decides and not found.remedies


# --- looks ---


def test_looks_spare_items_and_keep_the_power():
    design, policy = Design((suite("s", 1700),)), PolicySpec(retain={"margin": 0.03}, **LOOSE)
    expected = assumed(design)
    looked = [looked_at(design, policy, expected, np.random.default_rng([0, run])) for run in range(300)]
    fixed = go(design, policy, expected, runs=300)
    assert np.mean([one.decision.outcome == "go" for one in looked]) > fixed - 0.05
    assert np.mean([one.asked for one in looked]) < 0.85
    lost = [looked_at(design, policy, expected, np.random.default_rng([0, run]), loss=0.09) for run in range(100)]
    assert np.mean([one.asked for one in lost]) < 0.5 and all(one.decision.outcome == "no_go" for one in lost)


def test_clusters_are_looked_at_whole():
    groups = np.repeat(np.arange(100), 8)
    design = Design((suite("s", 800, groups=groups),))
    found = looked_at(design, PolicySpec(**LOOSE), assumed(design), np.random.default_rng(0))
    (gate,) = [one for one in found.decision.gates if one.kind == "retain"]
    assert gate.estimate.n % 8 == 0 and gate.estimate.n == pytest.approx(800 * found.asked)


# --- what is expected ---


@pytest.fixture
def folder(tmp_path):
    def record(name, answer, n=600):
        rows = [{"id": i, "output": answer(i)} for i in range(n)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return ModelSpec(name=name, backend="replay", outputs=str(tmp_path / f"{name}.jsonl"))

    (tmp_path / "items.jsonl").write_text(
        "".join(json.dumps({"id": i, "q": f"{i}?", "a": "1"}) + "\n" for i in range(600))
    )
    fields = {"data": "items.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number"}
    spec = validate(SuiteSpec, {"name": "sums", "tasks": [fields]}).model_copy(update={"folder": str(tmp_path)})
    base = record("base", lambda i: "1" if i % 5 else "0")
    tuned = record("tuned", lambda i: "1" if (i + (i % 25 == 0)) % 5 else "0")
    return tmp_path, spec, base, tuned


def test_a_pilot_says_how_many_items_differ(folder):
    path, spec, base, tuned = folder
    run = api.run_comparison(base, tuned, suites=[spec], out=path / "pilot")
    observed = expected_of_run(run.samples, run.manifest, "pilot")["sums"]
    assert observed.discordance == pytest.approx(24 / 600) and observed.size == 1.0
    assert observed.rate == pytest.approx(0.8) and observed.source == "observed in pilot"
    found = plan_comparison(base, tuned, suites=[spec], pilot=path / "pilot", warm_up=0, runs=200)
    assert found.expected["sums"] == observed
    stated = plan_comparison(base, tuned, suites=[spec], pilot=path / "pilot", discordance=0.3, warm_up=0, runs=200)
    assert stated.expected["sums"].discordance == 0.3 and "discordance stated" in stated.expected["sums"].source
    assert stated.go < found.go


def test_a_pilot_with_repeats_tells_sampling_from_what_lasts(fake, tmp_path):
    """Of 300 items 30 differ for good, and of another 60 every sample is a coin's toss."""
    rng = np.random.default_rng(0)
    toss = {(model, i, k): rng.random() < 0.5 for model in ("base", "tuned") for i in range(300) for k in range(8)}

    def answer(request):
        i = int(request.example_id)
        if i < 30:
            return "1" if (request.model == "tuned") == (i % 2 == 0) else "0"
        if i < 90:
            return "1" if toss[request.model, i, request.sample] else "0"
        return "1"

    fake.answer = answer
    rows = [{"id": str(i), "q": f"{i}", "a": "1"} for i in range(300)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = {
        "data": "rows.jsonl",
        "prompt": "{{ q }}",
        "answer": "1",
        "score": "number",
        "sampling": {"n": 8, "temperature": 1},
    }
    spec = validate(SuiteSpec, {"name": "s", "tasks": [fields]}).model_copy(update={"folder": str(tmp_path)})
    models = (ModelSpec(name=name, backend="fake", model=name) for name in ("b", "t"))
    run = api.run_comparison(*models, suites=[spec], probes=False)
    observed = expected_of_run(run.samples, run.manifest, "x")["s"]
    assert observed.discordance == pytest.approx(30 / 300 + 60 / 300 / 2, abs=0.02)
    assert observed.lasting == pytest.approx(0.5, abs=0.1)


def test_what_is_stated_goes_before_what_is_assumed():
    got = expectations({"a": None}, {}, missing=0.01)["a"]
    assert (got.discordance, got.missing, got.source) == (0.10, 0.01, "assumed, missing stated")


def test_a_pilot_too_small_to_say_anything_is_refused(folder):
    path, spec, base, tuned = folder
    api.run_comparison(base, tuned, suites=[spec], limit=10, out=path / "small")
    with pytest.raises(InputError, match="--pilot: .*small: no suite of it has 20 items"):
        plan_comparison(base, tuned, suites=[spec], pilot=path / "small", warm_up=0)


# --- the run itself ---


def test_compare_says_beforehand_that_it_may_not_decide(folder):
    """Said to whoever waits in any case; noted on the run only where it ended undecided."""
    path, spec, base, tuned = folder
    told = Told()
    run = api.run_comparison(base, tuned, suites=[spec], limit=15, progress=told)
    assert run.decision.outcome == "inconclusive"
    (caution,) = [one for one in run.comparison.cautions if one.startswith("planned: ")]
    assert caution in run.manifest.cautions and "equal models would get GO in about" in caution
    assert any("asks for 80 %; evalkit plan, with the same arguments" in note for note in told.notes)
    whole = api.run_comparison(base, tuned, suites=[spec])
    assert whole.decision.outcome != "inconclusive"
    assert not [one for one in whole.comparison.cautions if one.startswith("planned: ")]


def test_a_policy_may_refuse_a_run_that_cannot_decide(folder):
    _, spec, base, tuned = folder
    with pytest.raises(InputError, match="plan: refuse: equal models would get GO in about .* evalkit plan"):
        api.run_comparison(base, tuned, suites=[spec], policy=PolicySpec(plan="refuse"))


def test_the_warm_up_measures_tokens_and_its_answers_are_not_asked_again(fake, folder):
    _, spec, _, _ = folder
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("b", "t")]
    found = plan_comparison(*models, suites=[spec], warm_up=6, runs=100)
    assert len(fake.generated) == 12
    base, tuned = found.costs
    assert (base.name, base.answers, base.measured) == ("base", 600, 6)
    assert (tuned.prompt_tokens, tuned.completion_tokens) == (600 * 3, 600 * 5)
    api.run_comparison(*models, suites=[spec], probes=False)
    assert len(fake.generated) == 1200


def test_an_engine_that_cannot_start_leaves_the_plan_and_is_named(fake, folder):
    _, spec, _, _ = folder
    fake.cannot_start = True
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("b", "t")]
    found = plan_comparison(*models, suites=[spec], warm_up=6, runs=100)
    assert [one.seconds for one in found.costs] == [None, None]
    assert found.cautions[0] == (
        "base: 6 answers of the warm-up never came: out of memory while loading (use a smaller model)"
    )


def test_nothing_is_asked_without_a_warm_up(fake, folder):
    _, spec, _, _ = folder
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("b", "t")]
    assert plan_comparison(*models, suites=[spec], warm_up=0, runs=100).costs == ()
    assert not fake.generated and not fake.started


def test_a_loss_at_the_limit_of_a_share_gets_go_at_most_at_the_level():
    """Base is right on 80 %, tuned loses 2 % of that and wins nothing."""
    design, policy = Design((suite("s", 200),)), PolicySpec(retain={"relative": 0.02}, **LOOSE)
    at_limit = assumed(design, discordance=0.016, score=0.8)
    assert go(design, policy, at_limit, runs=600, loss=0.016) <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 600)


def test_the_simulation_decides_scores_as_a_run_decides_them():
    """Two tasks that share their problems, averaged by task, and a guard in clusters: the numbers are the comparison's."""
    problems = np.arange(60)
    tasks = tuple(TaskRecord(one, "generate", "accuracy", 60, 60, clustered=True) for one in "ab")
    suites = tuple(
        PlannedSuite(SuiteRecord(name, role, "", tasks, aggregate="macro"), (60, 60), (problems, problems))
        for name, role in (("keep", "retain"), ("harm", "guard"))
    )
    rng = np.random.default_rng(3)
    base, tuned = (rng.integers(0, 2, (2, 60)).astype(float) for _ in range(2))
    events = np.zeros((2, 60))
    drawn = {
        name: [Scores(one, other, problems) for one, other in zip(base, values, strict=True)]
        for name, values in (("keep", tuned), ("harm", events))
    }
    policy = PolicySpec(retain={"relative": 0.1})
    planned = comparison_of(Design(suites), drawn, policy, rng)
    rows = [
        (name, task, f"{i}", first[place, i], second[place, i], f"p{i}")
        for name, first, second in (("keep", base, tuned), ("harm", base, events))
        for place, task in enumerate("ab")
        for i in problems
    ]
    run = compared(rows, *(one.record for one in suites), relative=0.1)
    for one, other in zip(planned.suites, run.suites, strict=True):
        for name in ("delta", "rate", "relative"):
            mine, its = getattr(one, name), getattr(other, name)
            assert (mine is None) == (its is None), name
            if mine is not None:
                assert (mine.low, mine.high, mine.se) == pytest.approx((its.low, its.high, its.se)), name
                assert (mine.method, mine.differing, mine.cautions) == (its.method, its.differing, its.cautions)
    assert (planned.tax.low, planned.tax.high) == pytest.approx((run.tax.low, run.tax.high))


def test_a_share_of_bases_score_is_planned_with_its_own_variance():
    """At a score of 60 %, 5 % of it are 3 points: about as hard as a margin of 3 points, and harder at 20 %."""
    design = Design((suite("s", 1200),))
    share, points = (
        PolicySpec(retain={name: value}, **LOOSE) for name, value in (("relative", 0.05), ("margin", 0.03))
    )
    same = assumed(design, score=0.6)
    assert go(design, share, same) == pytest.approx(go(design, points, same), abs=0.08)
    assert go(design, share, assumed(design, score=0.2)) < go(design, share, same) - 0.3
    found = plan(design, share, same, runs=200, remedies=False)
    assert [one.kind for one in found.gates] == ["tax", "retain_relative"]
