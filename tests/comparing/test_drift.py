import json
import math
import random

import numpy as np
import pandas as pd
import pytest

from evalkit import api
from evalkit.comparing.comparison import compare_records
from evalkit.comparing.drift import measure_drift
from evalkit.comparing.drift.writing import MOST_READ
from evalkit.config import ModelSpec, SuiteSpec
from evalkit.stored.records import Records, samples_frame, verdicts_frame
from evalkit.types import (
    PROBES,
    Completion,
    Example,
    Failure,
    Manifest,
    ModelRecord,
    Score,
    SuiteRecord,
    TaskRecord,
    Usage,
)
from evalkit.yamlfile import validate

WORDS = [
    "rain",
    "falls",
    "on",
    "the",
    "old",
    "mill",
    "while",
    "a",
    "train",
    "leaves",
    "for",
    "town",
    "and",
    "nobody",
    "waves",
]


def suite(kind="generate", **fields):
    return SuiteRecord("s", "retain", "h", (TaskRecord("t", kind, "accuracy", 9, 9, **fields),))


def prose(seed, words=60):
    rng = random.Random(seed)
    return " ".join(rng.choice(WORDS) for _ in range(words))


def written(base, tuned, *, samples=1, cause=(None, None), finish=("stop", "stop"), tokens=(10, 10), group=None, n=60):
    """base, tuned: what is written to item i. cause, finish, tokens: by arm, of every third item."""
    records = Records()
    for i in range(n):
        example = Example(str(i), (), "x", group=group(i) if group else None)
        for a, (arm, text) in enumerate((("base", base), ("tuned", tuned))):
            for sample in range(samples):
                third = i % 3 == 0
                completion = Completion(
                    text(i),
                    finish_reason=finish[a] if third or finish[a] == "recorded" else "stop",
                    usage=Usage(5, tokens[a] + i % 7 if tokens[a] else 0),
                )
                score = Score("accuracy", float(not third), cause=cause[a] if third else None)
                records.add("s", "t", arm, sample, example, completion, score)
    return records


def measured(records, *suites, **options):
    found = measure_drift(samples_frame(records.table()), suites or (suite(),), **options)
    return {(one.suite, measure.name): measure for one in found for measure in one.measures}


def of(records, name, *suites):
    return measured(records, *suites)["s", name]


# --- what was written ---


def test_twice_the_tokens_are_a_relative_change_of_a_hundred_percent():
    length = of(written(prose, prose, tokens=(40, 83)), "length")
    assert length.unit == "tokens" and length.change.value == pytest.approx(length.tuned / length.base - 1)
    assert length.change.value == pytest.approx(1.0, abs=0.02) and length.moved


def test_recorded_answers_are_measured_in_characters_and_their_endings_are_not_known():
    found = measured(written(prose, lambda i: prose(i) + " at last", tokens=(0, 0), finish=("recorded", "recorded")))
    assert found["s", "length"].unit == "characters"
    assert found["s", "length"].tuned - found["s", "length"].base == pytest.approx(8)
    assert ("s", "truncation_rate") not in found


def test_refusals_are_told_from_the_text_whatever_the_marks_say():
    refusal = of(
        written(prose, lambda i: "I'm sorry, but I can't help with that." if i % 2 else prose(i)), "refusal_rate"
    )
    assert (refusal.base, refusal.tuned, refusal.change.method) == (0.0, 0.5, "Tango score")
    assert refusal.moved


@pytest.mark.parametrize("cause", ["unparsed", "unextracted", "truncated"])
def test_an_answer_that_could_not_be_taken_is_not_in_the_form_asked_for(cause):
    validity = of(written(prose, prose, cause=("wrong", cause)), "format_validity")
    assert (validity.base, validity.tuned) == (1.0, pytest.approx(2 / 3))


def test_why_an_answer_could_not_be_taken_is_told_where_it_happened():
    found = measured(written(prose, prose, cause=("unparsed", "wrong")))
    assert found["s", "unparsed_rate"].change.value == pytest.approx(-1 / 3)
    assert ("s", "unextracted_rate") not in found


def test_answers_cut_off_are_counted_by_how_they_ended():
    assert of(written(prose, prose, finish=("stop", "length")), "truncation_rate").tuned == pytest.approx(1 / 3)


def test_going_round_in_circles_is_found():
    circles = of(written(prose, lambda i: "and so on and on " * 30 if i % 3 == 0 else prose(i)), "repetition_rate")
    assert (circles.base, circles.tuned) == (0.0, pytest.approx(1 / 3))


def test_fewer_different_words_are_found():
    def numbers(i):
        return " ".join(str(number) for number in random.Random(i).choices(range(500), k=30))

    distinct = of(written(numbers, lambda i: f"Certainly, here is what you asked for: {numbers(i)}"), "distinct_2")
    assert distinct.tuned < distinct.base and distinct.moved


def test_equal_models_have_not_moved():
    assert not any(measure.moved for measure in measured(written(prose, prose)).values())


def test_repeats_are_averaged_by_item():
    refusal = of(
        written(prose, lambda i: "I cannot help with that." if i % 2 else prose(i), samples=3),
        "refusal_rate",
        suite(samples=3),
    )
    assert refusal.change.n == 60 and refusal.change.method.startswith("t")


def test_clusters_make_the_interval_cluster_robust():
    records = written(prose, lambda i: "I cannot help with that." if i % 2 else prose(i), group=lambda i: f"g{i // 2}")
    assert "30 clusters" in of(records, "refusal_rate", suite(clustered=True)).change.method
    assert of(records, "distinct_2", suite(clustered=True)).change.n == 30


def test_items_that_one_side_did_not_answer_are_left_out():
    records = written(prose, prose)
    lost = Failure("tuned", "timeout", "no reply")
    records.add("s", "t", "base", 0, Example("more", ()), Completion("yes"), Score("accuracy", 1.0))
    records.add("s", "t", "tuned", 0, Example("more", ()), Completion("", failure=lost), Score("accuracy", None))
    assert of(records, "refusal_rate").change.n == 60


def test_answers_for_a_judge_alone_have_drift_but_no_format():
    records = Records()
    for i in range(30):
        for arm in ("base", "tuned"):
            records.add("s", "t", arm, 0, Example(str(i), ()), Completion(prose(i)), Score("judge only", None))
    found = measured(records)
    assert ("s", "refusal_rate") in found and ("s", "format_validity") not in found


def test_words_of_a_large_suite_are_counted_on_a_drawn_part_and_it_says_so():
    samples = samples_frame(written(prose, prose, n=MOST_READ + 200).table())
    (one,) = measure_drift(samples, (suite(),), seed=3)
    n = {measure.name: measure.change.n for measure in one.measures}
    assert n["distinct_2"] == n["repetition_rate"] == MOST_READ and n["refusal_rate"] == MOST_READ + 200
    assert f"{MOST_READ} of {MOST_READ + 200} items" in one.cautions[0]
    assert measure_drift(samples, (suite(),), seed=3) == (one,)


def test_the_order_of_rows_does_not_matter():
    samples = samples_frame(written(prose, lambda i: prose(i + 1), tokens=(30, 40)).table())
    assert measure_drift(samples, (suite(),)) == measure_drift(samples.sample(frac=1, random_state=0), (suite(),))


# --- what was chosen ---


def chosen(sure, *, n=400, gold="A", right=0.7, options=3):
    """Both models choose A, which is right in `right` of the items; sure: the probability that either gives it."""
    records = Records()
    for i in range(n):
        answer = gold if i < right * n else "B"
        for arm, p in zip(("base", "tuned"), sure, strict=True):
            logprobs = None if p is None else [math.log(p), *[math.log((1 - p) / (options - 1))] * (options - 1)]
            example = Example(str(i), (), answer, ("x",) * options)
            records.add(
                "s", "t", arm, 0, example, Completion("A", logprobs=logprobs), Score("accuracy", float(answer == "A"))
            )
    return records


def test_a_model_that_is_surer_than_right_is_less_calibrated():
    found = measured(chosen((0.7, 0.95)), suite("choice"))
    assert found["s", "ece"].base == pytest.approx(0.0, abs=1e-9)
    assert found["s", "ece"].tuned == pytest.approx(0.25)
    # of three options: .7 right (1 - p)^2 + (1 - p)^2 / 2, .3 wrong p^2 + (1 - rest)^2 + rest^2
    brier = 0.7 * (0.3**2 + 2 * 0.15**2) + 0.3 * (0.7**2 + 0.85**2 + 0.15**2)
    assert found["s", "brier"].base == pytest.approx(brier)
    assert set(found) == {("s", "ece"), ("s", "brier")}


def test_a_calibration_error_needs_a_hundred_items():
    assert set(measured(chosen((0.7, 0.9), n=99), suite("choice"))) == {("s", "brier")}


def test_recorded_choices_have_no_probabilities_and_no_calibration():
    assert measured(chosen((None, None)), suite("choice")) == {}
    assert measured(chosen((0.7, None)), suite("choice")) == {}


def test_of_several_right_options_any_is_right_and_brier_leaves_the_item_out():
    found = measured(chosen((0.7, 0.95), gold="A,C"), suite("choice"))
    assert found["s", "ece"].base == pytest.approx(0.0, abs=1e-9)
    assert found["s", "brier"].change.n == 120


# --- probes ---


def probes(*, drop=(), rise=0.02, n=50, seed=0):
    rng = np.random.default_rng(seed)
    records = Records()
    for i in range(n):
        bits = rng.normal(0.9, 0.1)
        for arm, value in (("base", bits), ("tuned", bits + rng.normal(rise, 0.02))):
            if "held-out text" not in drop:
                completion = Completion("", logprobs=(-1.0,))
                records.add(
                    PROBES, "held-out text", arm, 0, Example(str(i), ()), completion, Score("bits per byte", value)
                )
        if "kl" not in drop:
            said = Completion("so", usage=Usage(3, int(rng.integers(5, 60))))
            records.add(
                PROBES, "kl", "tuned", 0, Example(str(i), ()), said, Score("KL(tuned || base)", rng.normal(0.3, 0.2))
            )
    return records


def test_bits_per_byte_are_paired_by_text():
    found = measured(probes())[PROBES, "bits_per_byte"]
    assert found.change.value == pytest.approx(found.tuned - found.base)
    assert found.change.high - found.change.low < 0.02  # the texts differ by five times that


def test_kl_weighs_tokens_alike():
    records = Records()
    for id_, value, tokens in (("a", 0.1, 30), ("b", 0.5, 10)):
        said = Completion("so", usage=Usage(3, tokens))
        records.add(PROBES, "kl", "tuned", 0, Example(id_, ()), said, Score("KL(tuned || base)", value))
    assert measured(records)[PROBES, "kl_per_token"].change.value == pytest.approx((3 + 5) / 40)


def test_the_interval_of_kl_covers_its_truth():
    """Long continuations diverge more: the truth is the token-weighted mean."""
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(300):
        tokens = rng.integers(5, 60, 40)
        rows = pd.DataFrame(
            {"task": "kl", "arm": "tuned", "id": [str(i) for i in range(40)], "sample": 0, "failure": None}
        )
        rows = rows.assign(
            suite=PROBES, completion_tokens=tokens, value=tokens / 100 + rng.normal(0, 0.1, 40), group=None
        )
        (one,) = measure_drift(rows, ())
        change = one.measures[0].change
        truth = float(np.sum(np.arange(5, 60) ** 2) / 100 / np.sum(np.arange(5, 60)))
        covered += change.low <= truth <= change.high
    assert 0.91 <= covered / 300 <= 0.98


def test_a_distance_never_moves():
    assert not measured(probes())[PROBES, "kl_per_token"].moved


@pytest.mark.parametrize(("drop", "left"), [("kl", {"bits_per_byte"}), ("held-out text", {"kl_per_token"})])
def test_probes_that_were_not_taken_are_not_shown(drop, left):
    assert {name for _, name in measured(probes(drop=(drop,)))} == left
    assert measured(probes(drop=("kl", "held-out text"))) == {}


def test_probes_are_no_suite_of_the_comparison():
    records = probes()
    lost = Failure("tuned", "timeout", "no reply")
    records.add(PROBES, "kl", "tuned", 0, Example("x", ()), Completion("", failure=lost), Score("KL", None))
    for i in range(30):
        for arm in ("base", "tuned"):
            records.add("s", "t", arm, 0, Example(str(i), ()), Completion("x"), Score("accuracy", 1.0))
    model = ModelRecord("m", "vllm", "m", "f")
    manifest = Manifest(1, "r", "now", "", model, model, (suite(),), (), {}, {}, {})
    table = records.table()
    got = compare_records(samples_frame(table), verdicts_frame(table), manifest)
    assert [one.name for one in got.suites] == ["s"] and (got.n, got.failures) == (30, {})
    assert [one.suite for one in got.drift] == ["s", PROBES]


# --- real outputs ---


def test_what_llama_2s_new_system_prompt_did_agrees_with_people(recorded, tmp_path):
    """XSTest under both of Llama 2's system prompts: refusals fall by what human labels say, answers grow longer."""
    files = [recorded / "xstest" / f"llama2{name}.jsonl" for name in ("orig", "new")]
    rows = [[json.loads(line) for line in file.read_text("utf-8").splitlines()] for file in files]
    task = {"data": str(files[0]), "prompt": "{{ prompt }}", "score": "refusal"}
    asked = validate(SuiteSpec, {"name": "xstest", "role": "guard", "tasks": [task]}).model_copy(update={"folder": "/"})
    models = [
        ModelSpec(name=file.stem, backend="replay", outputs=str(file), output_field="completion") for file in files
    ]
    run = api.run_comparison(*models, suites=[asked], out=tmp_path)
    (drift,) = run.comparison.drift
    found = {measure.name: measure for measure in drift.measures}
    human = [np.mean([row["final_label"] != "1_full_compliance" for row in arm]) for arm in rows]
    assert found["refusal_rate"].change.value == pytest.approx(human[1] - human[0], abs=0.05)
    assert found["refusal_rate"].moved and found["length"].moved
    lengths = [sum(len(row["completion"]) for row in arm) for arm in rows]
    assert found["length"].change.value == pytest.approx(lengths[1] / lengths[0] - 1)
    assert set(found) >= {"format_validity", "repetition_rate", "distinct_2"}
    assert api.load(tmp_path).comparison.drift == run.comparison.drift
