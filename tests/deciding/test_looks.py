"""Looks at a run while it goes on: what each one sees, when it stops, and what is said of it."""

import json
from pathlib import Path

import numpy as np
import pytest

from evalkit import api
from evalkit.config import JudgeSpec, ModelSpec, PolicySpec, SequentialPolicy, SuiteSpec
from evalkit.deciding.looks import hope, in_stages, look_level
from evalkit.running.requests import draw
from evalkit.tasks import load_suite
from evalkit.types import Looked
from evalkit.yamlfile import validate

BASE = ModelSpec(name="base-model", backend="fake", model="w1")
TUNED = ModelSpec(name="tuned-model", backend="fake", model="w2")


@pytest.fixture
def suite(tmp_path):
    def make(n=400, name="s", groups=0, role="retain", **task):
        rows = [
            {"id": str(i), "q": f"{name} {i}", "a": "42", **({"g": f"g{i * i % groups}"} if groups else {})}
            for i in range(n)
        ]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        fields = {"data": f"{name}.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number", **task}
        if groups:
            fields["group"] = "{{ g }}"
        return validate(SuiteSpec, {"name": name, "role": role, "tasks": [fields]}).model_copy(
            update={"folder": str(tmp_path)}
        )

    return make


def run(*suites, **options):
    return api.run_comparison(BASE, TUNED, suites=suites, sequential=True, probes=False, **options)


def losing(share):
    """Tuned gets every 1/share-th item wrong that base gets right."""
    every = round(1 / share)
    return lambda request: "41" if request.model == "tuned" and int(request.example_id) % every == 0 else "42"


# --- what a look sees ---


def items_of(*suites):
    return draw([load_suite(one) for one in suites], seed=0)


def test_every_look_sees_each_task_in_its_share_and_in_the_drawn_order(suite):
    items = items_of(suite(100, "a"), suite(11, "b"))
    stages = in_stages(items, 5, seed=0)
    assert [sum(one.task.suite == "a" for one in stage) for stage in stages] == [20] * 5
    assert [sum(one.task.suite == "b" for one in stage) for stage in stages] == [3, 2, 2, 2, 2]
    for name in "ab":
        drawn = [one.example.id for one in items if one.task.suite == name]
        assert [one.example.id for stage in stages for one in stage if one.task.suite == name] == drawn


def test_clusters_are_drawn_whole_and_large_ones_come_no_earlier(suite):
    """Half of 600 items stand in one cluster, the others in 300 of one each: by first items it would always come first."""
    spec = suite(600, "c", groups=3)
    rows = [{"id": str(i), "q": f"c {i}", "a": "1", "g": "big" if i < 300 else f"g{i}"} for i in range(600)]
    Path(spec.folder, "c.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    loaded = load_suite(spec)
    where = []
    for seed in range(60):
        stages = in_stages(draw([loaded], seed=seed), 5, seed=seed)
        held = [sum(one.example.group == "big" for one in stage) for stage in stages]
        assert sorted(held) == [0, 0, 0, 0, 300]
        where.append(held.index(300))
    assert set(where) == {0, 1, 2, 3, 4}


# --- when it stops ---


def test_a_clear_loss_stops_early_and_what_was_not_asked_is_not_missing(fake, suite):
    fake.answer = losing(0.5)
    got = run(suite())
    looked = got.manifest.sequential
    assert got.decision.outcome == "no_go" and got.decision.complete
    assert (looked.look, looked.stopped, looked.planned) == (1, "decided", 400)
    assert len(fake.generated) == 2 * looked.asked == 160
    assert got.comparison.suites[0].n == 80 and got.comparison.missing == 0
    assert "look 1 of 5, after 80 of 400 items" in got.decision.reasons[-1]


def test_without_looks_everything_is_asked(fake, suite):
    fake.answer = losing(0.5)
    got = api.run_comparison(BASE, TUNED, suites=[suite()], probes=False)
    assert len(fake.generated) == 800 and got.manifest.sequential is None


def test_the_first_look_has_to_be_very_sure(fake, suite):
    """Five looks, one-sided 0.025: the first is held to z = 4.877, the last to 2.031."""
    looked = Looked(5, 1, "obrien_fleming", None, 100, 20)
    assert look_level(0.95, looked) == pytest.approx(1 - 2 * 5.39e-7, abs=1e-8)
    last = Looked(5, 5, "obrien_fleming", None, 100, 100)
    assert look_level(0.95, last) == pytest.approx(1 - 2 * 0.02113, abs=1e-4)


def test_the_interval_shown_is_the_repeated_one(fake, suite):
    """Nothing differs: Tango's interval at the last look's level is wider than the fixed design's."""
    sequential, fixed = run(suite(60)), api.run_comparison(BASE, TUNED, suites=[suite(60)], probes=False)
    wide, plain = sequential.comparison.suites[0].delta, fixed.comparison.suites[0].delta
    assert wide.level == plain.level == 0.95
    assert wide.low < plain.low and "repeated, look 5 of 5" in wide.method


def test_one_more_gate_that_is_undecided_keeps_all_suites_going(fake, suite):
    """A suite of 2,000 is decided at once; the small one is not, and the policy stops as a whole or not at all."""
    policy = PolicySpec(sequential=SequentialPolicy(futility=None))
    got = run(suite(600, "large"), suite(40, "small"), policy=policy)
    assert got.manifest.sequential.look == 5 and len(fake.generated) == 1280


def test_hopeless_is_given_up_and_said(fake, suite):
    """Half of the items differ, as many won as lost: 400 of them never decide a margin of 2 points."""
    fake.answer = lambda r: "41" if int(r.example_id) % 2 == (r.model == "tuned") else "42"
    got = run(suite(400))
    looked = got.manifest.sequential
    assert looked.stopped == "futile" and looked.look < 5 and got.decision.outcome == "inconclusive"
    assert "going on would hardly have decided it" in got.decision.reasons[-1]
    # As many more as the last look's bound takes (z = 2.031), not this look's.
    (gate,) = [one for one in got.decision.gates if one.kind == "retain"]
    n, sigma = gate.estimate.n, gate.estimate.se * np.sqrt(gate.estimate.n)
    wanted = (2.031 * sigma / abs(gate.estimate.value - gate.threshold)) ** 2
    assert gate.more_items_needed == pytest.approx(wanted - n, rel=0.01, abs=2)
    fake.generated.clear()
    kept = run(suite(400), policy=PolicySpec(sequential=SequentialPolicy(futility=None)))
    assert kept.manifest.sequential.look == 5 and len(fake.generated) == 800 - 2 * looked.asked


def test_a_run_that_is_missing_answers_is_not_stopped_as_decided(fake, suite):
    fake.answer = losing(0.5)
    fake.die_after = 30
    got = run(suite())
    assert not got.decision.complete and got.manifest.sequential.stopped == "end"


def test_a_stored_run_is_decided_again_at_the_look_where_it_stopped(fake, suite, tmp_path):
    fake.answer = losing(0.5)
    got = run(suite(), out=tmp_path / "run")
    page = (tmp_path / "run" / "report.html").read_text()
    assert page.count("decided at look 1 of 5, after 80 of 400 items") >= 2 and "a repeated one" in page
    again = api.load(tmp_path / "run")
    assert again.decision == got.decision and again.comparison.suites == got.comparison.suites
    strict = api.load(tmp_path / "run", policy=PolicySpec(level=0.99))
    assert strict.comparison.suites[0].delta.low < got.comparison.suites[0].delta.low


def test_a_judge_reads_each_stage_before_the_look(fake, suite, tmp_path):
    """Its verdicts are counted at the look, and no pair of an item that was never asked is waited for."""
    fake.answer = lambda r: "tie" if r.model == "j" else losing(0.5)(r)
    judge = validate(
        JudgeSpec,
        {"name": "j", "model": {"backend": "fake", "model": "w3"}, "rubric": "{{ prompt }} {{ first }} {{ second }}"},
    )
    for as_asked in ((), ("j",)):
        fake.as_asked = as_asked
        got = run(suite(name=f"s{len(as_asked)}"), judge=judge)
        assert got.comparison.judges[0].n == got.manifest.sequential.asked == 80
        assert got.comparison.judges[0].unscored == 0


def test_the_chance_of_a_decision_is_that_of_the_trend(fake, suite):
    """At the margin neither is likely; far from it one is certain."""
    looked = Looked(5, 2, "obrien_fleming", 0.05, 1000, 400)
    fake.answer = losing(0.1)
    close = api.run_comparison(BASE, TUNED, suites=[suite(400)], probes=False).decision
    assert hope(close, 0.95, looked) > 0.9
    assert np.isfinite(hope(close, 0.95, looked))
