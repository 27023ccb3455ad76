"""Exams on disk, and what they change in a run: a passed one makes a judge's gate required."""

import json
from dataclasses import replace

import pytest

from evalkit import api
from evalkit.config import JudgeSpec, ModelSpec, PolicySpec, SuiteSpec, read_judge
from evalkit.examining import take_exam
from evalkit.judging import find_exam, save_exam
from evalkit.statistics import clopper_pearson
from evalkit.stored.cache import cache_folder
from evalkit.types import Completion, Estimate, ExamRecord, InputError
from evalkit.yamlfile import validate

BASE, TUNED = (ModelSpec(name=name, backend="fake", model=name) for name in ("w1", "w2"))
RECORD = ExamRecord(
    judge="j", judge_hash="abc", labels="l.jsonl", labels_hash="def", form="pairs", n=60, unscored=0,
    agreement=clopper_pearson(54, 60), errors={"e": clopper_pearson(3, 30)}, taken="2025-01-02T03:04:05+00:00",
)  # fmt: skip


def test_an_exam_is_written_whole_and_read_back_alike(tmp_path):
    assert find_exam("abc", [tmp_path / "exams"]) is None
    assert save_exam(RECORD, tmp_path / "exams") == tmp_path / "exams" / "abc.json"
    assert find_exam("abc", [tmp_path / "none", tmp_path / "exams"]) == RECORD
    assert [path.name for path in (tmp_path / "exams").iterdir()] == ["abc.json"]


def test_the_latest_exam_counts_wherever_it_lies(tmp_path):
    later = replace(RECORD, taken="2025-03-01T00:00:00+00:00", agreement=clopper_pearson(30, 60))
    for folders in ((tmp_path / "a", tmp_path / "b"), (tmp_path / "b", tmp_path / "a")):
        save_exam(RECORD, folders[0])
        save_exam(later, folders[1])
        assert find_exam("abc", folders) == later


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "take the exam again"),
        ('{"judge": "j"}', "take the exam again"),
        (None, "another judge's exam"),
    ],
)
def test_a_file_that_is_no_exam_of_this_judge_is_refused(tmp_path, text, said):
    path = save_exam(RECORD, tmp_path)
    content = text if text is not None else path.read_text().replace('"abc"', '"xyz"')
    path.write_text(content)
    with pytest.raises(InputError, match=f"abc.json.*{said}"):
        find_exam("abc", [tmp_path])


def test_agreement_that_chance_would_bring_as_well_does_not_pass():
    """Nine labels of ten say "pass", and so does the judge, whatever it reads."""
    answers = replace(RECORD, form="answers", kappa=clopper_pearson(48, 60))
    assert answers.standing(0.65) == "passed"
    for kappa in (None, Estimate(0.0, 0.05, -0.1, 0.1, 0.95, "kappa", 60), Estimate(1, 0, None, 1, 0.95, "kappa", 1)):
        assert replace(answers, kappa=kappa).standing(0.65) == "failed"
        assert replace(RECORD, kappa=kappa).standing(0.65) == "passed", "pairs are shown in both orders"


def test_a_folder_that_cannot_be_written_is_the_users_mistake(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        save_exam(RECORD, tmp_path / "file")


# --- in a run ---


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": str(i), "q": f"question {i}"} for i in range(60)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = "{backend: fake, model: w3}"
    (tmp_path / "judge.yaml").write_text(f"name: j\nmodel: {model}\nrubric: '{{{{ first }}}} {{{{ second }}}}'\n")
    (tmp_path / "grader.yaml").write_text(f"name: g\nkind: pointwise\nmodel: {model}\nrubric: '{{{{ response }}}}'\n")
    pairs = [{"id": i, "prompt": "q", "first": "fine", "second": "poor", "label": "first"} for i in range(20)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    answers = [
        {"id": i, "prompt": "q", "response": "fine" if i % 2 else "poor", "label": "pass" if i % 2 else "fail"}
        for i in range(40)
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    return tmp_path


def answer(request):
    asked = request.messages[0].content
    if request.options:
        good = "fine" in asked
        return Completion(
            "5" if good else "1", logprobs=(0.0 if not good else -20.0, -20, -20, -20, 0.0 if good else -20)
        )
    if request.constraint is not None:
        if "fine" not in asked:
            return "tie"
        return "first" if asked.index("fine") < asked.index("poor") else "second"
    return "fine" if request.model == "tuned" and int(request.example_id) % 20 else "poor"


def suite(folder, **more):
    task = {"data": "rows.jsonl", "prompt": "{{ q }}", **more}
    return validate(SuiteSpec, {"name": "letters", "role": "target", "tasks": [task]}).model_copy(
        update={"folder": str(folder)}
    )


def test_only_a_passed_exam_lets_a_judge_decide_and_another_policy_has_another_mark(fake, folder, tmp_path):
    fake.answer = answer
    judge = read_judge(folder / "judge.yaml")

    def run(**policy):
        return api.run_comparison(
            BASE,
            TUNED,
            suites=[suite(folder)],
            judge=judge,
            policy=PolicySpec.model_validate(policy),
            out=tmp_path / "out",
        )

    before = run()
    assert before.comparison.judges[0].exam == "none" and before.decision.outcome == "inconclusive"
    record = take_exam(judge, folder / "pairs.jsonl")
    assert record.judge_hash == before.manifest.judges[0].hash
    save_exam(record, cache_folder() / "exams")
    after = run()
    (result,) = after.comparison.judges
    assert (result.exam, result.examined) == ("passed", record)
    assert [gate.required for gate in after.decision.gates if gate.kind == "judge"] == [True]
    assert after.decision.outcome == "go", after.decision.reasons
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["judges"][0]["exam"], summary["judges"][0]["human_agreement"]) == ("passed", 1.0)
    # The run remembers the exam, and a stricter policy holds it to a higher mark: 20 of 20 show at least 83 %.
    strict = api.load(tmp_path / "out", policy=PolicySpec.model_validate({"judge": {"exam": {"min_agreement": 0.9}}}))
    assert strict.comparison.judges[0].exam == "failed" and strict.decision.outcome == "inconclusive"
    assert [gate.required for gate in strict.decision.gates if gate.kind == "judge"] == [False]


def test_a_jury_decides_by_its_own_exam_and_its_members_never(fake, folder):
    fake.answer = answer
    for name in "ab":
        text = (folder / "judge.yaml").read_text()
        (folder / f"{name}.yaml").write_text(text.replace("name: j", f"name: {name}").replace("w3", f"w-{name}"))
    (folder / "jury.yaml").write_text("name: all\nkind: jury\nmembers: [a.yaml, b.yaml]\n")
    jury = read_judge(folder / "jury.yaml")
    save_exam(take_exam(jury, folder / "pairs.jsonl"), folder / "exams")
    got = api.run_comparison(BASE, TUNED, suites=[suite(folder)], judge=jury)
    assert {one.name: one.exam for one in got.comparison.judges} == {"all": "passed", "a": "none", "b": "none"}
    required = {gate.subject: gate.required for gate in got.decision.gates if gate.kind == "judge"}
    assert required == {"all": True, "a": False, "b": False}


def test_an_exam_beside_the_judges_file_is_found_and_another_rubric_has_none(fake, folder):
    fake.answer = answer
    judge = read_judge(folder / "judge.yaml")
    save_exam(take_exam(judge, folder / "pairs.jsonl"), folder / "exams")
    other = judge.model_copy(update={"rubric": "Other: {{ first }} {{ second }}"})
    found = [
        api.run_comparison(BASE, TUNED, suites=[suite(folder)], judge=one).comparison.judges[0].exam
        for one in (judge, other)
    ]
    assert found == ["passed", "none"]


def test_a_spoilt_exam_is_said_before_anything_is_asked(fake, folder):
    fake.answer = answer
    judge = read_judge(folder / "judge.yaml")
    path = save_exam(take_exam(judge, folder / "pairs.jsonl"), folder / "exams")
    path.write_text("{")
    fake.generated.clear()
    with pytest.raises(InputError, match="take the exam again"):
        api.run_comparison(BASE, TUNED, suites=[suite(folder)], judge=judge)
    assert fake.generated == []


def test_a_suite_decides_when_the_judge_that_marks_it_has_passed(fake, folder, tmp_path):
    fake.answer = answer
    graded = suite(folder, score="rubric", grader="grader.yaml", judge=False)

    def run(**policy):
        chosen = PolicySpec.model_validate(policy)
        return api.run_comparison(BASE, TUNED, suites=[graded], policy=chosen, out=tmp_path / "out")

    before = run()
    assert before.comparison.suites[0].advisory and before.comparison.gain is None
    assert before.manifest.suites[0].graders == ("g",)
    with pytest.raises(InputError, match="without a passed exam"):
        run(required=["letters"])
    save_exam(take_exam(read_judge(folder / "grader.yaml"), folder / "answers.jsonl"), cache_folder() / "exams")
    after = run(required=["letters"])
    assert not after.comparison.suites[0].advisory and after.comparison.gain.value == pytest.approx(0.95, abs=1e-6)
    assert after.decision.outcome == "go", after.decision.reasons
    # Decided again under a mark that 40 of 40 do not show.
    mark = {"judge": {"exam": {"min_agreement": 0.95}}}
    strict = api.load(tmp_path / "out", policy=PolicySpec.model_validate(mark))
    assert strict.comparison.suites[0].advisory and strict.decision.outcome == "inconclusive"
    with pytest.raises(InputError, match="without a passed exam"):
        api.load(tmp_path / "out", policy=PolicySpec.model_validate({**mark, "required": ["letters"]}))


def test_a_judge_without_a_file_has_no_folder_beside_it(fake, folder):
    fake.answer = answer
    model = {"backend": "fake", "model": "w3"}
    judge = validate(JudgeSpec, {"name": "j", "model": model, "rubric": "{{ first }} {{ second }}"})
    save_exam(take_exam(judge, folder / "pairs.jsonl"), cache_folder() / "exams")
    assert api.run_comparison(BASE, TUNED, suites=[suite(folder)], judge=judge).comparison.judges[0].exam == "passed"
