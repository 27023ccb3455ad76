"""What must not pass in silence: suites that can show nothing, and a tuned model that is base."""

import dataclasses

import pytest

from evalkit import api
from evalkit.comparing.comparison import compare_records
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec
from evalkit.deciding.error_rates import error_rates
from evalkit.deciding.gate import decide
from evalkit.report.junit import junit_xml
from evalkit.report.words import sentence
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import Completion, Example, Score
from evalkit.yamlfile import validate
from tests.comparing.scored import MODEL, compared, manifest, record
from tests.deciding.made_up import comparison, estimate, suite


def marks(base, tuned, n=200):
    """n items of which the first base and tuned are right."""
    return [("s", "t", str(i), int(i < base), int(i < tuned)) for i in range(n)]


@pytest.mark.parametrize(
    ("base", "tuned", "chance", "said"),
    [
        (52, 49, 0.25, "neither model is shown to be above chance (25 %; base 26.0 %, tuned 24.5 %)"),
        (52, 150, 0.25, None),
        (150, 52, 0.25, None),
        (199, 197, 0.25, "both models are at the ceiling (base 99.5 %, tuned 98.5 %)"),
        (199, 190, 0.0, None),
        (3, 2, 0.0, "both models are at the floor (base 1.5 %, tuned 1.0 %)"),
        (0, 0, 0.0, "both models are at the floor (base 0.0 %, tuned 0.0 %)"),
        (3, 20, 0.0, None),
    ],
)
def test_a_suite_at_chance_or_at_the_ceiling_says_so_on_every_surface(base, tuned, chance, said):
    found = compared(marks(base, tuned), record(chance=chance))
    cautions = [one for one in found.suites[0].cautions if "cannot show a gain or a loss" in one]
    assert cautions == ([f"{said}: the suite cannot show a gain or a loss"] if said else [])
    # The run's own cautions go to the page, the terminal, summary.md and summary.json.
    assert [f"s: {one}" for one in cautions] == [one for one in found.cautions if one.startswith("s: ")]


def test_a_guard_that_nobody_trips_has_done_its_work():
    assert compared(marks(0, 0), record(role="guard")).cautions == ()


def answered(pairs, tuned=MODEL, base=MODEL):
    """pairs: (base completion, tuned completion)."""
    held = Records()
    for place, sides in enumerate(pairs):
        for arm, completion in zip(("base", "tuned"), sides, strict=True):
            held.add("s", "t", arm, 0, Example(str(place), (), "x"), completion, Score("accuracy", 1.0))
    table = held.table()
    told = dataclasses.replace(manifest(record()), base=base, tuned=tuned)
    return compare_records(samples_frame(table), verdicts_frame(table), told)


OTHER = dataclasses.replace(MODEL, fingerprint="another")
ADAPTED = dataclasses.replace(OTHER, adapter="lora")
SAME = [(Completion(f"it is {i}", logprobs=(-0.5, float("nan"))),) * 2 for i in range(400)]


@pytest.mark.parametrize(
    ("tuned", "outcome", "said"),
    [
        (
            ADAPTED,
            "inconclusive",
            "the adapter changed nothing: every one of 400 answers is the same in base and tuned",
        ),
        (OTHER, "inconclusive", "the two models answered alike: every one of 400 answers"),
        (MODEL, "go", "both models are the same weights, and every one of 400 answers is the same"),
    ],
)
def test_a_tuned_model_that_is_base_gets_no_go_unless_it_is_said_to_be_base(tuned, outcome, said):
    decision = decide(answered(SAME, tuned), PolicySpec())
    assert all(gate.verdict == "pass" for gate in decision.gates)
    assert decision.outcome == outcome and decision.cautions[0].startswith(said)
    assert decision.reasons[0].startswith(said) is (outcome == "inconclusive")


@pytest.mark.parametrize(
    "other",
    [
        Completion("it is 7.", logprobs=(-0.5, float("nan"))),
        Completion("it is 7", reasoning="hm", logprobs=(-0.5, float("nan"))),
        Completion("it is 7", logprobs=(-0.5001, float("nan"))),
    ],
)
def test_one_answer_trace_or_log_probability_that_differs_is_enough(other):
    assert answered([*SAME[:7], (SAME[7][0], other), *SAME[8:]], OTHER).unchanged is None


def test_what_nobody_kept_the_text_of_is_not_called_the_same():
    assert answered([(None, None)] * 50, OTHER).unchanged is None


def test_the_same_text_marked_otherwise_is_not_the_same():
    assert compared(marks(90, 80), record()).unchanged is None
    assert compared(marks(90, 90), record()).unchanged.same_weights


def test_a_failed_gate_stays_a_no_go_and_the_words_say_why_there_is_no_go():
    alike = answered(SAME, ADAPTED)
    lost = dataclasses.replace(alike, tax=estimate(0.1, 0.05, 0.15))
    assert decide(lost, PolicySpec()).outcome == "no_go"
    decision = decide(alike, PolicySpec())
    told = dataclasses.replace(manifest(record()), tuned=ADAPTED)
    assert sentence(alike, decision).startswith("All 2 required gates passed, but the adapter changed nothing")
    assert b'name="tuned differs from base"' in junit_xml(alike, decision, told)
    assert b'failures="1"' in junit_xml(alike, decision, told)


def test_full_weights_that_answer_alike_are_seen_through_the_whole_pipeline(fake, tmp_path):
    (tmp_path / "d.jsonl").write_text("".join(f'{{"id": {i}, "q": "{i}?"}}\n' for i in range(300)))
    task = {"data": "d.jsonl", "prompt": "{{ q }}", "answer": "42", "score": "number"}
    asked = [
        validate(SuiteSpec, {"name": name, "tasks": [task]}).model_copy(update={"folder": str(tmp_path)})
        for name in ("one", "two")
    ]
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("w1", "w2")]
    run = api.run_comparison(*models, suites=asked, out=tmp_path / "run")
    assert run.decision.outcome == "inconclusive" and "every one of 600 answers" in run.decision.reasons[0]
    assert api.load(tmp_path / "run").decision == run.decision
    fake.answer = lambda request: "41" if request.model == "tuned" and request.example_id == "7" else "42"
    differs = api.run_comparison(*models, suites=[asked[1].model_copy(update={"name": "three"})])
    assert differs.comparison.unchanged is None or differs.decision.outcome == "inconclusive"


# --- how often the rule errs ----------------------------------------------------------------------------------------


def test_the_error_rates_are_those_of_the_gates_that_are_required():
    five = [suite(name=str(place)) for place in range(5)]
    said = decide(comparison(*five), PolicySpec()).error_rates
    assert len(said) == 2
    assert "All 5 required gates" in said[0] and "GO would come at most 2.5 % of the time" in said[0]
    assert "NO-GO would come in about 12 % of runs (1 - 0.975^5" in said[1]
    with_tax = decide(comparison(*five, tax=estimate(0.0, -0.01, 0.01)), PolicySpec()).error_rates
    assert "All 6 required gates" in with_tax[0] and "about 14 %" in with_tax[1]
    fewer = decide(comparison(*five), PolicySpec(required=("0", "1"))).error_rates
    assert "All 2 required gates" in fewer[0] and "about 4.9 %" in fewer[1]


def test_one_gate_and_none():
    (said,) = decide(comparison(suite()), PolicySpec()).error_rates
    assert said.startswith("One gate is required") and "2.5 %" in said
    assert error_rates((), 0.95) == ()


def test_the_rates_follow_the_level():
    said = decide(comparison(suite(name="a"), suite(name="b")), PolicySpec(level=0.99)).error_rates
    assert "at most 0.5 % of the time" in said[0] and "about 1 %" in said[1]
