"""Answers as they land: of several turns, of several questions, over several samples, and marked beside the engine."""

import itertools
import json
import re
import threading

import pytest

from evalkit import api
from evalkit.config import JudgeSpec, ModelSpec, ReasoningSpec, SuiteSpec
from evalkit.running.landing import Landing
from evalkit.running.requests import draw, requests_for
from evalkit.scorers import registry, scorer
from evalkit.stored.records import Records, samples_frame
from evalkit.tasks import _SOURCES, Task, load_suite, task_source
from evalkit.types import Completion, Example, Failure, InputError, Message, Question, Score
from evalkit.yamlfile import validate
from tests.hub_mirror import write_mirror

MODELS = {arm: ModelSpec(name=f"{arm}-model", backend="fake", model=arm) for arm in ("base", "tuned")}
JUDGE = {"name": "j", "model": {"backend": "fake", "model": "w3"}, "rubric": "{{ prompt }} {{ first }} {{ second }}"}
JUDGE["recheck"] = 0
TURNS = ["Name a city.", "And its river?", "How long is it?"]


@pytest.fixture
def suite(tmp_path):
    def make(n=3, turns=2, **task):
        rows = [{"id": str(i), "turns": [f"{turn} ({i})" for turn in TURNS[:turns]]} for i in range(n)]
        (tmp_path / "d.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        fields = {"data": "d.jsonl", "prompt": "{{ turns[0] }}", "follow_ups": "{{ turns[1:] }}", **task}
        return validate(SuiteSpec, {"name": "talk", "tasks": [fields]}).model_copy(update={"folder": str(tmp_path)})

    return make


def run(*suites, judge=None, models=MODELS):
    spec = validate(JudgeSpec, JUDGE) if judge else None
    return api.run_comparison(models["base"], models["tuned"], suites=suites, judge=spec)


def echo(request):
    """An answer that says whose it is, of which item and turn; a judge's verdict is a tie."""
    return "tie" if request.model == "j" else f"{request.model} on {request.example_id}, turn {request.turn + 1}"


def asked_in_turn(fake, turn, model):
    return [r for r in fake.generated if r.turn == turn and r.model == model]


# --- turns --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arm", ["base", "tuned"])
def test_a_later_turn_is_asked_after_the_models_own_answers(fake, suite, arm):
    fake.answer = echo
    run(suite(n=2, turns=3))
    (last,) = [r for r in asked_in_turn(fake, 2, arm) if r.example_id == "1"]
    assert [(message.role, message.content) for message in last.messages] == [
        ("user", "Name a city. (1)"),
        ("assistant", f"{arm} on 1, turn 1"),
        ("user", "And its river? (1)"),
        ("assistant", f"{arm} on 1, turn 2"),
        ("user", "How long is it? (1)"),
    ]


def test_an_item_of_several_turns_is_one_row_with_its_last_answer(fake, suite):
    fake.answer = echo
    samples = run(suite()).samples
    assert len(samples) == 6
    assert set(samples["text"]) == {f"{arm} on {i}, turn 2" for arm in MODELS for i in range(3)}
    assert all("turn 1" in prompt and "river" in prompt for prompt in samples["prompt"])


def test_the_last_answer_is_what_is_scored(fake, suite):
    fake.answer = lambda request: "Arno" if request.turn == 1 and request.model == "tuned" else "Rome"
    (result,) = run(suite(answer="Arno", score="exact")).comparison.suites
    assert (result.base, result.tuned) == (0.0, 1.0)


def test_each_sample_goes_on_from_its_own_first_answer(fake, suite):
    fake.answer = lambda request: f"turn {request.turn + 1} of sample {request.sample}"
    samples = run(suite(n=2, sampling={"n": 3, "temperature": 1.0})).samples
    assert len(samples) == 2 * 2 * 3
    for request in asked_in_turn(fake, 1, "base"):
        assert request.messages[1].content == f"turn 1 of sample {request.sample}"
    for row in samples.itertuples():
        assert row.text == f"turn 2 of sample {row.sample}"


def test_the_judge_reads_every_turn_of_both_models(fake, suite):
    fake.answer = echo
    got = run(suite(n=1), judge=True)
    texts = [r.messages[0].content for r in fake.generated if r.model == "j"]
    assert len(texts) == 2 and got.comparison.judges[0].n == 1
    for text in texts:
        assert "turn 1]\nName a city. (0)" in text and "turn 2]\nAnd its river? (0)" in text
        for arm in MODELS:
            assert f"answer to turn 1]\n{arm} on 0, turn 1" in text
            assert f"answer to turn 2]\n{arm} on 0, turn 2" in text


@pytest.mark.parametrize(("turn", "later"), [(0, 0), (1, 1)])
def test_a_turn_that_fails_ends_its_item_which_is_missing_and_not_judged(fake, suite, turn, later):
    fails = Failure("tuned", "too_long", "does not fit")
    fake.refuse = lambda r: fails if (r.model, r.example_id, r.turn) == ("tuned", "1", turn) else None
    fake.answer = echo
    got = run(suite(turns=3), judge=True)
    failed = got.samples[got.samples["failure"].notna()]
    assert list(zip(failed["arm"], failed["id"], failed["failure"], strict=True)) == [("tuned", "1", "too_long")]
    turns = [r.turn for r in fake.generated if r.model == "tuned" and r.example_id == "1"]
    assert turns == list(range(later))
    assert got.comparison.judges[0].n == 2
    read = got.verdicts[got.verdicts["winner"].notna()]
    assert set(read["id"]) == {"0", "2"} and got.comparison.judges[0].unscored == 1


def test_a_run_that_ended_between_turns_goes_on_from_there(fake, suite):
    fake.answer = echo
    fake.die_after = 4  # three first answers of base, and one second
    broken = run(suite())
    assert set(broken.samples.loc[broken.samples["failure"].notna(), "failure"]) == {"engine_died"}
    first = [(r.example_id, r.turn) for r in fake.generated]
    fake.die_after = None
    fake.generated.clear()
    whole = run(suite())
    again = [(r.example_id, r.turn) for r in fake.generated if r.model == "base"]
    assert len(first) == 4 and len(again) == 2 and not set(first) & set(again)
    fake.generated.clear()
    assert run(suite()).samples["text"].equals(whole.samples["text"]) and fake.generated == []


# --- recorded turns -----------------------------------------------------------------------------------------------


def recorded_model(folder, name, outputs):
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps({"id": id_, "output": output}) + "\n" for id_, output in outputs.items()))
    return ModelSpec(name=name, backend="replay", outputs=path.name, folder=str(folder))


def test_recorded_conversations_of_mt_bench_are_judged_turn_by_turn(fake, tmp_path, monkeypatch):
    questions = [
        {
            "prompt": ["Write a post about Hawaii.", "Start every sentence with A."],
            "prompt_id": 81,
            "category": "writing",
        },
        {"prompt": ["What is 2 + 3?", "Double it."], "prompt_id": 111, "category": "math"},
    ]
    write_mirror(tmp_path, {"HuggingFaceH4/mt_bench_prompts/default/train.jsonl": questions})
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    models = {
        arm: recorded_model(
            tmp_path,
            arm,
            {
                "81": {"turns": [f"{arm}: aloha", f"{arm}: Aloha. All good."]},
                "111": {"turns": [f"{arm}: 5", f"{arm}: 10"]},
            },
        )
        for arm in ("base", "tuned")
    }

    def prefer_tuned(request):
        text = request.messages[0].content
        return "first" if text.index("tuned:") < text.index("base:") else "second"

    fake.answer = prefer_tuned
    got = run("mt-bench", judge=True, models=models)
    (result,) = got.comparison.judges
    assert (result.n, result.unscored, result.win_rate.value, result.order_flip_rate) == (2, 0, 1.0, 0.0)
    assert got.decision.complete and got.comparison.suites == ()
    maths = next(r.messages[0].content for r in fake.generated if r.example_id == "111")
    headless = re.sub(r"\[\w{12} (\w[^\]]*)\]", r"[\1]", maths)
    assert "[turn 1]\nWhat is 2 + 3?\n\n[turn 2]\nDouble it." in headless
    assert "[answer to turn 1]\nbase: 5\n\n[answer to turn 2]\nbase: 10" in headless
    prompts = {(row.id, row.arm): row.prompt for row in got.samples.itertuples()}
    assert prompts["111", "tuned"] == "user: What is 2 + 3?\n\nassistant: tuned: 5\n\nuser: Double it."


def test_recorded_samples_have_turns_of_their_own(suite, tmp_path):
    outputs = {str(i): [{"turns": [f"a{i}", f"b{i}"]}, {"turns": [f"c{i}", f"d{i}"]}] for i in range(3)}
    models = dict.fromkeys(MODELS, recorded_model(tmp_path, "m", outputs))
    samples = run(suite(answer="b1", score="exact", sampling={"n": 2}), models=models).samples
    one = samples[(samples["id"] == "1") & (samples["arm"] == "base")].sort_values("sample")
    assert list(one["text"]) == ["b1", "d1"] and list(one["value"]) == [1.0, 0.0]
    assert one["prompt"].iloc[1] == "user: Name a city. (1)\n\nassistant: c1\n\nuser: And its river? (1)"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("Rome", "answers 1 turns of this item, and turn 2 is asked for"),
        ({"turns": ["Rome"]}, "answers 1 turns of this item, and turn 2 is asked for"),
        ({"turns": []}, "answers 0 turns of this item, and turn 1 is asked for"),
        ({"turns": ["Rome", None]}, "holds null for this item"),
    ],
)
def test_a_turn_that_was_not_recorded_is_missing_and_never_the_first_answer_again(suite, tmp_path, output, message):
    models = dict.fromkeys(MODELS, recorded_model(tmp_path, "m", {str(i): output for i in range(3)}))
    samples = run(suite(answer="Rome", score="exact"), models=models).samples
    assert set(samples["failure"]) == {"absent_row"} and samples["value"].isna().all()
    assert all(message in text for text in samples["failure_message"])


def test_a_json_answer_that_has_turns_among_its_fields_is_an_answer(suite, tmp_path):
    answer = {"turns": ["left", "right"], "steps": 2}
    models = dict.fromkeys(MODELS, recorded_model(tmp_path, "m", {str(i): answer for i in range(3)}))
    samples = run(suite(turns=1, answer="2", extract=[{"json": "steps"}], score="exact"), models=models).samples
    assert set(samples["value"]) == {1.0} and json.loads(samples["text"].iloc[0]) == answer


# --- several questions, and marks over all samples ----------------------------------------------------------------


class Majority:
    """Marks the two questions of an item together, and every sample by what most samples say."""

    metric = "majority"
    binary = True
    bounded = True
    worse_is_higher = False
    runs_programs = False

    def __init__(self):
        self.seen = []

    def mark(self, example, samples):
        self.seen.append([[one.text for one in parts] for parts in samples])
        sums = [sum(int(one.text) for one in parts) for parts in samples]
        most = max(set(sums), key=sums.count)
        return [Score(self.metric, float(most == int(example.answer)), str(most))] * len(samples)


@pytest.fixture
def summed(monkeypatch):
    """A task source, `- summed: {items: N}`: two questions an item, whose answers are to add up to 5."""
    for name in list(_SOURCES):
        monkeypatch.setitem(_SOURCES, name, _SOURCES[name])  # put back what stood there
    marker = Majority()

    def source(entry, place):
        examples = tuple(
            Example(
                str(i),
                (Message("user", f"two numbers ({i})"),),
                "5",
                questions=tuple(Question((Message("user", f"number {part} of {i}"),)) for part in (1, 2)),
            )
            for i in range(entry.options["items"])
        )
        return [Task(place.suite, entry.name, "generate", examples, "hash", entry.sampling, marker=marker)]

    monkeypatch.setitem(_SOURCES, "summed", task_source("summed")(source))
    return marker


def summed_suite(items=2, **entry):
    return validate(SuiteSpec, {"name": "sums", "tasks": [{"summed": {"items": items}, **entry}]})


def test_answers_to_an_items_questions_wait_for_each_other_in_any_order(summed):
    suite = load_suite(summed_suite(items=1))
    (item,) = draw([suite], seed=0)
    asked = list(requests_for(item, "base", MODELS["base"]))
    assert [(r.part, r.messages[0].content) for r in asked] == [(0, "number 1 of 0"), (1, "number 2 of 0")]
    for order in itertools.permutations(asked):
        records = Records()
        landing = Landing(MODELS, [item], [], records)
        *others, last = order
        for request in others:
            landing.answer(request, Completion(str(request.part)), None)
        assert len(samples_frame(records.table())) == 0
        landing.answer(last, Completion(str(last.part)), None)
        assert len(samples_frame(records.table())) == 1
    assert summed.seen == [[["0", "1"]]] * 2


def test_a_source_marks_all_samples_of_an_item_together(fake, summed):
    # 2 + 3 in two samples of three; the third says 2 + 4.
    fake.answer = lambda r: "2" if r.part == 0 else "4" if r.sample == 1 else "3"
    got = run(summed_suite(sampling={"n": 3, "temperature": 1.0}))
    assert summed.seen == [[["2", "3"], ["2", "4"], ["2", "3"]]] * 4
    assert len(got.samples) == 2 * 2 * 3 and set(got.samples["value"]) == {1.0}
    assert set(got.samples["answer"]) == {"5"} and set(got.samples["metric"]) == {"majority"}


def test_an_item_of_which_one_answer_is_missing_is_not_marked_at_all(fake, summed):
    fake.answer = lambda r: "2" if r.part == 0 else "3"
    lost = Failure("tuned", "timeout", "no reply")
    fake.refuse = lambda r: lost if (r.model, r.example_id, r.part, r.sample) == ("tuned", "1", 1, 2) else None
    got = run(summed_suite(sampling={"n": 3, "temperature": 1.0}))
    tuned = got.samples[(got.samples["id"] == "1") & (got.samples["arm"] == "tuned")]
    assert len(tuned) == 3 and tuned["value"].isna().all() and set(tuned["failure"]) == {"timeout"}
    assert got.comparison.missing == 1 and len(summed.seen) == 3


def test_an_unknown_source_names_those_that_are_there(summed):
    spec = validate(SuiteSpec, {"name": "sums", "tasks": [{"sumed": {"items": 1}}]})
    with pytest.raises(InputError, match=r"tasks\[0\]: unknown task source 'sumed'; did you mean 'summed'"):
        load_suite(spec)


# --- marking beside the engine ------------------------------------------------------------------------------------


@pytest.fixture
def slow(monkeypatch):
    """`score: slow`, which notes the threads it runs in."""
    monkeypatch.setattr(registry, "_SCORERS", dict(registry._SCORERS))
    threads = []

    @scorer("slow", slow=True, needs_answer=False)
    def mark(answer, example):
        threads.append(threading.current_thread().name)
        if answer == "broken":
            raise RuntimeError("the scorer itself is broken")
        return float(answer.startswith("tuned"))

    return threads


def test_slow_marks_are_made_in_threads_of_their_own_and_all_recorded(fake, suite, slow):
    fake.answer = echo
    got = run(suite(n=20, score="slow"))
    assert len(slow) == 40 and all(name.startswith("marking") for name in slow)
    (result,) = got.comparison.suites
    assert (result.n, result.base, result.tuned) == (20, 0.0, 1.0)
    assert any("running programs after the last answer" in phase.name for phase in got.manifest.phases)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("marking")]


def test_what_a_slow_scorer_raises_is_raised_and_leaves_no_thread_behind(fake, suite, slow):
    fake.answer = lambda request: "broken"
    with pytest.raises(RuntimeError, match="the scorer itself is broken"):
        run(suite(score="slow"))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("marking")]


def test_a_pair_of_which_one_answer_never_came_is_unscored_and_not_forgotten(fake, tmp_path):
    lost = Failure("tuned", "timeout", "no reply")
    fake.refuse = lambda r: lost if r.model == "tuned" and r.example_id == "1" else None
    fake.answer = lambda r: "tie" if r.model == "j" else "some answer"
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "q": "a"}\n{"id": "2", "q": "b"}\n')
    fields = {"name": "open", "tasks": [{"data": "rows.jsonl", "prompt": "{{ q }}"}]}
    suite = validate(SuiteSpec, fields).model_copy(update={"folder": str(tmp_path)})
    rubric = "{{ prompt }} {{ first }} {{ second }}"
    judge = validate(JudgeSpec, {"name": "j", "model": {"backend": "fake", "model": "w3"}, "rubric": rubric})
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("w1", "w2")]
    (result,) = api.run_comparison(*models, suites=[suite], judge=judge).comparison.judges
    assert (result.n, result.unscored) == (1, 1)


def test_a_suite_that_only_a_judge_reads_says_so_before_anything_is_asked(fake, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "q": "a"}\n')
    fields = {"name": "open", "tasks": [{"data": "rows.jsonl", "prompt": "{{ q }}"}]}
    suite = validate(SuiteSpec, fields).model_copy(update={"folder": str(tmp_path)})
    models = [ModelSpec(name=name, backend="fake", model=name) for name in ("w1", "w2")]
    got = api.run_comparison(*models, suites=[suite])
    assert "suite 'open' is read by a judge alone, and none was named: --judge" in got.comparison.cautions


def test_stop_strings_end_the_answer_of_a_reasoning_model_and_never_its_trace(fake, tmp_path):
    fake.answer = lambda r: "<think>one\n\ntwo</think>\n42\n\nQuestion: another" if r.model == "tuned" else "42"
    (tmp_path / "rows.jsonl").write_text('{"id": "1", "q": "a"}\n')
    task = {"data": "rows.jsonl", "prompt": "{{ q }}", "answer": "42", "score": "exact", "sampling": {"stop": ["\n\n"]}}
    suite = validate(SuiteSpec, {"name": "s", "tasks": [task]}).model_copy(update={"folder": str(tmp_path)})
    models = {**MODELS, "tuned": MODELS["tuned"].model_copy(update={"reasoning": ReasoningSpec(budget=8)})}
    got = run(suite, models=models)
    assert {r.model: r.sampling.stop for r in fake.generated} == {"base": ("\n\n",), "tuned": ()}
    mine = got.samples[got.samples["arm"] == "tuned"].iloc[0]
    assert (mine["text"], mine["reasoning"], mine["value"]) == ("42", "one\n\ntwo", 1.0)


def test_prompts_of_later_turns_hold_own_answers_and_are_no_difference_between_the_models(fake, suite):
    fake.answer = echo
    assert not [caution for caution in run(suite(turns=2)).comparison.cautions if "prompts" in caution]
