"""How much is noise: base asked again, what it is held beside, and that nothing else ever reads its second run."""

import dataclasses
import json
import math

import pytest

from evalkit import api
from evalkit.config import ModelSpec, PolicySpec, SamplingSpec
from evalkit.stored.records import of_both_arms
from evalkit.types import Completion, Failure, InputError
from tests.asking import judge
from tests.deciding.graded import BASE, TUNED, suite
from tests.shell import evalkit

__all__ = ["suite"]
LAX = PolicySpec.model_validate({"tax": {"max": 1.0}, "retain": {"margin": 1.0}})


def run(*suites, aa=50, base=BASE, **options):
    return api.run_comparison(base, TUNED, suites=suites, policy=LAX, aa=aa, **options)


def unsteady(request, again=(3, 7), tuned=(1, 3, 5, 9)):
    """Base's second run gets items wrong that end in a digit of `again`, tuned those of `tuned`."""
    wrong = again if request.replicate else tuned if request.model == "tuned" else ()
    return "41" if int(request.example_id) % 10 in wrong else "42"


def test_two_runs_of_base_stand_beside_what_tuned_changed_on_the_same_items(fake, suite):
    fake.answer = unsteady
    got = run(suite(n=200), aa=200)
    (noise,) = got.comparison.noise.suites
    assert (noise.n, noise.flips, noise.tuned_flips) == (200, 40, 80)
    assert (noise.flip_rate.value, noise.tuned_flip_rate.value) == (0.2, 0.4)
    assert (noise.delta.value, noise.tuned_delta.value) == (-0.2, -0.4)
    assert (noise.answers, noise.answers_differ) == (200, 40)
    assert noise.floor == pytest.approx(1.959964 * math.sqrt(0.2 / 200))
    whole = got.comparison.noise
    assert (whole.asked, whole.flip_rate.value, whole.tax.value) == (200, 0.2, 0.2)


def test_the_first_items_of_each_task_are_asked_again_on_the_engine_that_is_up(fake, suite):
    run(suite("a", n=30), suite("b", n=5), aa=10)
    again = [request for request in fake.generated if request.replicate]
    first = [request for request in fake.generated if request.model == "base" and not request.replicate]
    asked = {name: [one.example_id for one in again if one.suite == name] for name in "ab"}
    order = {name: [one.example_id for one in first if one.suite == name] for name in "ab"}
    assert asked == {"a": order["a"][:10][::-1], "b": order["b"][::-1]}, "last first, so that they share other batches"
    assert fake.closed[:2] == ["base", "tuned"] and {one.model for one in again} == {"base"}
    fake.generated.clear()
    run(suite("a", n=30), suite("b", n=5), aa=12)
    assert len(fake.generated) == 2, "what was asked again is journalled too"


def free_of_cost(value):
    """What a judge cost depends on what is in the journal."""
    return (
        [dataclasses.replace(one, cost=None) for one in value]
        if isinstance(value, tuple) and value and hasattr(value[0], "win_rate")
        else value
    )


def test_nothing_that_decides_or_describes_reads_the_second_run(fake, suite):
    fake.answer = lambda r: "tie" if r.model == "j" else unsteady(r)
    options = {"judge": judge()}
    suites = suite("a", n=60), suite("c", "guard", n=60, score="refusal", answer=None)
    plain, got = run(*suites, aa=None, **options), run(*suites, aa=60, **options)
    assert plain.comparison.noise is None and got.comparison.noise is not None
    for name in ("suites", "tax", "gain", "judges", "pools", "n", "missing", "failures", "test_time", "drift"):
        assert free_of_cost(getattr(got.comparison, name)) == free_of_cost(getattr(plain.comparison, name)), name
    assert got.decision == plain.decision
    assert of_both_arms(got.table).to_pylist() == of_both_arms(plain.table).to_pylist()
    assert got.table.num_rows == plain.table.num_rows + 120
    assert got.verdicts.equals(plain.verdicts)


def test_a_second_run_that_fails_makes_nothing_missing_but_its_own_items(fake, suite):
    lost = Failure("base", "timeout", "x", retryable=True)
    fake.answer = lambda r: Completion("", failure=lost) if r.replicate and int(r.example_id) < 8 else "42"
    got = run(suite(n=60), aa=60)
    assert got.decision.complete and got.comparison.missing == 0 and got.comparison.failures == {}
    (noise,) = got.comparison.noise.suites
    assert (noise.n, noise.missing, noise.answers) == (52, 8, 52)


def test_a_deterministic_base_is_said_to_be_one(fake, suite):
    fake.answer = lambda r: unsteady(r, again=())
    noise = run(suite(n=60)).comparison.noise
    assert noise.deterministic and noise.cautions == ()
    assert (noise.suites[0].flips, noise.suites[0].floor, noise.suites[0].delta.value) == (0, 0.0, 0.0)
    assert noise.suites[0].delta.high > 0, "no flip among 50 items is not none among all"


def test_answers_that_read_differently_without_a_flip_are_no_floor_of_zero(fake, suite):
    fake.answer = lambda r: f"It is {'surely ' * r.replicate}42"
    (noise,) = run(suite(n=60)).comparison.noise.suites
    assert (noise.answers_differ, noise.flips, noise.floor, noise.deterministic) == (50, 0, None, False)


def test_a_log_probability_that_moved_is_an_answer_that_differs(fake, suite):
    fake.answer = lambda r: Completion("", logprobs=(-1.0, -2.0 - 1e-3 * r.replicate))
    task = {"kind": "choice", "choices": ["yes", "no"], "answer": "yes", "score": None}
    (noise,) = run(suite(n=20, **task), aa=20).comparison.noise.suites
    assert (noise.answers, noise.answers_differ, noise.flips) == (20, 20, 0)


def test_of_several_samples_a_flip_is_another_mean(fake, suite):
    fake.answer = lambda r: "42" if r.replicate or r.sample else "41"
    got = run(suite(n=30, sampling={"n": 2, "temperature": 0.7}), aa=30)
    (noise,) = got.comparison.noise.suites
    assert (noise.n, noise.flips, noise.delta.value) == (30, 30, 0.5)
    seeds = {(r.example_id, r.sample): set() for r in fake.generated}
    for r in fake.generated:
        if r.model == "base":
            seeds[r.example_id, r.sample].add(r.sampling.seed)
    assert all(len(two) == 2 for two in seeds.values()), "a second run is sampled with seeds of its own"


def test_a_shift_between_two_runs_of_base_is_a_caution(fake, suite):
    fake.answer = unsteady
    cautions = run(suite(n=200), aa=200).comparison.cautions
    assert any(
        said.startswith("s: base asked again differs from itself by -20.0 pp [-26.1, -15.0]") for said in cautions
    )
    assert not [said for said in cautions if "flips" in said], "tuned flips twice as many"


def test_as_many_flips_without_training_as_with_it_are_a_caution(fake, suite):
    fake.answer = lambda r: unsteady(r, again=(0, 1), tuned=(1, 2))
    cautions = run(suite(n=100), aa=100).comparison.cautions
    assert any("flips 20 of 100 items against itself, and tuned 20" in said for said in cautions)


def test_sampled_answers_that_come_again_word_for_word_are_a_caution(fake, suite):
    warm = BASE.model_copy(update={"sampling": SamplingSpec(temperature=0.8)})
    cautions = run(suite(n=60), base=warm).comparison.cautions
    assert any("sampled at temperature 0.8, and yet all 50 answers came again" in said for said in cautions)


def test_what_only_a_judge_reads_has_its_answers_compared(fake, suite):
    fake.answer = lambda r: "tie" if r.model == "j" else f"text {r.replicate}"
    (noise,) = run(suite(n=20, score=None, answer=None), aa=20, judge=judge()).comparison.noise.suites
    assert (noise.n, noise.missing, noise.answers, noise.answers_differ, noise.flip_rate) == (0, 0, 20, 20, None)


def test_turns_are_asked_again_to_the_last(fake, suite):
    fake.answer = lambda r: f"turn {r.turn} of {r.replicate}: 42"
    got = run(suite(n=20, follow_ups=["Sure?"]), aa=5)
    again = got.samples.query("arm == 'base-again'")
    assert len(again) == 5 and set(again["text"]) == {"turn 1 of 1: 42"}


def test_tasks_graded_by_a_judge_are_graded_again(fake, suite):
    grade = Completion("5", logprobs=(-9.0, -9.0, -9.0, -9.0, 0.0))
    fake.answer = lambda r: grade if r.options else f"words {r.replicate}"
    (noise,) = run(suite("g", n=20, score="rubric", grader="grader.yaml", answer=None), aa=20).comparison.noise.suites
    assert (noise.n, noise.flips, noise.answers_differ) == (20, 0, 20)


def test_recorded_answers_cannot_be_asked_again(suite):
    recorded = ModelSpec(name="old", backend="replay", outputs="old.jsonl", file="base.yaml")
    with pytest.raises(InputError, match=r"base.yaml: backend: replay: --aa asks base the same questions again"):
        run(suite(), base=recorded)


def test_a_stored_run_shows_its_noise_again_on_every_surface(fake, suite, tmp_path):
    fake.answer = unsteady
    got = run(suite(n=100), aa=100, out=tmp_path / "run")
    assert api.load(tmp_path / "run").comparison == got.comparison
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())["noise_floor"]
    assert (summary["asked"], summary["suites"][0]["n"], summary["suites"][0]["flips"]) == (100, 100, 20)
    assert json.loads((tmp_path / "run" / "manifest.json").read_text())["aa"] == 100
    page = (tmp_path / "run" / "report.html").read_text()
    assert '<section id="noise">' in page and "base flips 20.0 %" in page
    assert "**Noise** Asked again, base flips" in (tmp_path / "run" / "summary.md").read_text()
    told = evalkit("gate", "run", cwd=tmp_path)
    assert "Noise        Asked again, base flips 20.0 %" in told.stdout, told.stderr
