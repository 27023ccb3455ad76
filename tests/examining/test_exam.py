"""The exam, on real judges' verdicts and people's labels through recorded outputs, and on scripted judges."""

import json

import pytest

from evalkit.config import JudgeSpec, read_judge
from evalkit.examining import take_exam
from evalkit.statistics import clopper_pearson
from evalkit.types import Completion, Failure, InputError
from evalkit.yamlfile import validate

PAIRWISE = "{{ prompt }} {{ first }} {{ second }}"
OTHER = {"first": "second", "second": "first", "tie": "tie"}


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


@pytest.fixture
def write(tmp_path):
    def rows(name, rows):
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return rows


@pytest.fixture
def recorded_judge(write):
    def judge(verdicts, **fields):
        """verdicts: by id, both orders (the second tells of the swapped pair), or what it wrote of an answer."""
        path = write("said.jsonl", [{"id": id_, "output": output} for id_, output in verdicts.items()])
        model = {"backend": "replay", "outputs": str(path)}
        return validate(JudgeSpec, {"name": "j", "model": model, "rubric": PAIRWISE, **fields})

    return judge


def fake_judge(**fields):
    model = {"backend": "fake", "model": "weights"}
    return validate(JudgeSpec, {"name": "j", "model": model, "rubric": PAIRWISE, **fields})


def pairs(n, label=lambda i: "first", **more):
    return [
        {"id": i, "prompt": f"q{i}", "first": f"good {i}", "second": f"bad {i}", "label": label(i), **more}
        for i in range(n)
    ]


def says(word):
    return lambda request: word


def prefers(text):
    """A judge that prefers the answer that holds `text`, wherever it stands."""

    def answer(request):
        asked = request.messages[0].content
        return "first" if asked.index(text) < asked.index("bad" if text == "good" else "good") else "second"

    return answer


# --- real labels ---


@pytest.mark.parametrize("part", ["Natural", "Processed_FairEval"])
def test_llmbar_agreement_and_consistency_as_published(recorded, write, recorded_judge, part):
    folder = recorded / "judge_llmbar" / part
    items = rows_of(folder / "items.jsonl")
    word = {"1": "first", "2": "second"}
    labels = write(
        "labels.jsonl",
        [
            {
                "id": row["i"],
                "prompt": row["input"],
                "first": row["output_1"],
                "second": row["output_2"],
                "label": word[str(row["label"])],
            }
            for row in items
        ],
    )
    expected = json.loads((folder / "expected.json").read_text())["judges"]
    checked = 0
    for name, numbers in expected.items():
        path = folder / f"{name}.jsonl"
        known = numbers["recomputed"]
        said = {row["i"]: row for row in rows_of(path)} if path.is_file() else {}
        if not said or any(one[order]["winner"] not in word for one in said.values() for order in ("orig", "swapped")):
            continue  # replies that its own parser could not read: how many ways of counting them there are
        verdicts = {i: [word[one["orig"]["winner"]], OTHER[word[one["swapped"]["winner"]]]] for i, one in said.items()}
        record = take_exam(recorded_judge(verdicts), labels)
        assert (record.n, record.unscored) == (known["n"], 0), name
        both_orders = (known["correct_False"] + known["correct_True"]) / (2 * known["n"])
        assert record.agreement.value == pytest.approx(both_orders), name
        assert record.order_consistency == clopper_pearson(known["equal_winner_both_orders"], known["n"]), name
        # Never first where people say first, and never second where they say second: wrong, or a flip with the order.
        wrong = sum(error.value * error.n for error in record.errors.values())
        assert round(wrong) == known["n"] - known["correct_both"], name
        assert record.kappa is None or record.kappa.low <= record.kappa.value <= record.kappa.high
        assert sum(one.n for one in record.slices) == record.n
        checked += 1
    assert checked >= 5


def test_llmbar_gpt4_passes_on_natural_pairs_and_fails_on_faireval(recorded, write, recorded_judge):
    standings = {}
    for part, name in (("Natural", "GPT-4.Vanilla"), ("Processed_FairEval", "GPT-4.Metrics_Reference")):
        folder = recorded / "judge_llmbar" / part
        word = {"1": "first", "2": "second"}
        rows = [
            {"id": row["i"], "prompt": "p", "first": row["output_1"], "second": row["output_2"]}
            | {"label": word[str(row["label"])]}
            for row in rows_of(folder / "items.jsonl")
        ]
        said = {
            row["i"]: [word[row["orig"]["winner"]], OTHER[word[row["swapped"]["winner"]]]]
            for row in rows_of(folder / f"{name}.jsonl")
        }
        record = take_exam(recorded_judge(said), write("labels.jsonl", rows))
        standings[part] = (round(record.agreement.value, 3), record.standing(0.65))
    assert standings == {"Natural": (0.955, "passed"), "Processed_FairEval": (0.667, "failed")}


def test_pandalm_kappa_and_three_annotators(recorded, write, recorded_judge):
    folder = recorded / "judge_pandalm"
    known = json.loads((folder / "expected.json").read_text())["shared_0_499"]
    rows = rows_of(folder / "pairs_0_499.jsonl")
    word = {0: "tie", 1: "first", 2: "second"}
    labels = write(
        "labels.jsonl",
        [
            {
                "id": row["idx"],
                "prompt": f"{row['instruction']}\n{row['input']}",
                "first": str(row["response1"]),
                "second": str(row["response2"]),
                "labels": [word[row[f"annotator{n}"]] for n in (1, 2, 3)],
            }
            for row in rows
        ],
    )
    said = {row["idx"]: word[row["pandalm7b"]] for row in rows}
    record = take_exam(recorded_judge({i: [one, OTHER[one]] for i, one in said.items()}), labels)
    assert record.kappa.value == pytest.approx(known["pandalm7b"]["cohen_kappa"])
    assert record.order_consistency.value == 1.0
    majority = {}
    for row in rows:
        votes = [row[f"annotator{n}"] for n in (1, 2, 3)]
        majority[row["idx"]] = word[max(set(votes), key=votes.count)]
    right = sum(said[i] == one for i, one in majority.items())
    assert right / 500 == known["pandalm7b"]["accuracy"]
    decided = [i for i, one in majority.items() if one != "tie"]
    points = sum(1.0 if said[i] == majority[i] else 0.5 * (said[i] == "tie") for i in decided)
    assert (record.n, record.agreement.value) == (len(decided), pytest.approx(points / len(decided)))
    assert record.human_agreement.low > record.agreement.high  # three people agree better than this judge with them

    # Replies that could not be read are unscored, and so many of them that this is no exam.
    gpt = {"1": "first", "2": "second", "Tie": "tie", "garbage": "I cannot tell"}
    said = {row["idx"]: gpt[row["gpt35"]] for row in rows}
    record = take_exam(recorded_judge({i: [one, OTHER.get(one, one)] for i, one in said.items()}), labels)
    unread = [i for i, one in said.items() if one == "I cannot tell"]
    assert len(unread) == known["gpt35"]["unparsed"]
    assert record.unscored == sum(majority[i] != "tie" for i in unread) and record.n == len(decided) - record.unscored
    assert "22 of 500 items unscored: 22 x unreadable verdict" in record.cautions
    assert record.standing(0.5) == "failed" and record.standing(0.5, max_unscored=0.1) == "passed"


def test_mt_bench_experts_are_the_ceiling_as_fastchat_counts_them(recorded, write, recorded_judge):
    folder = recorded / "judge_mt_bench_human"
    known = json.loads((folder / "expected.json").read_text())["agreement"]

    def keyed(row):
        models = sorted((row["model_a"], row["model_b"]))
        named = {"model_a": row["model_a"], "model_b": row["model_b"]}.get(row["winner"])
        return (row["question_id"], *models), "tie" if named is None else "first" if named == models[0] else "second"

    votes, winners = {}, {}
    for row in rows_of(folder / "human_votes.jsonl"):
        if row["turn"] == 1 and row["judge"].startswith("expert_"):
            votes.setdefault(keyed(row)[0], []).append(keyed(row)[1])
    for row in rows_of(folder / "gpt4_pair.jsonl"):
        if row["turn"] == 1:
            key, winner = keyed(row)
            # GPT-4 was asked in both orders; where it flipped, it named the answer shown first both times.
            flipped = row["winner"] == "tie (inconsistent)"
            winners[key] = ["first", "first"] if flipped else [winner, OTHER[winner]]
    rows = [
        {"id": "/".join(map(str, key)), "prompt": str(key[0]), "first": key[1], "second": key[2], "labels": said}
        for key, said in votes.items()
    ]
    judge = recorded_judge({"/".join(map(str, key)): said for key, said in winners.items()})
    record = take_exam(judge, write("labels.jsonl", rows))
    human = known["human_vs_human.turn1.without_tie"]
    assert (record.human_agreement.value, record.human_agreement.n) == (pytest.approx(human["ratio"]), human["total"])
    assert record.standing(0.65) == "passed"
    assert 0 < record.order_consistency.value < 1


def test_xstest_error_rates_of_a_judge_of_single_answers(recorded, write, recorded_judge):
    folder = recorded / "xstest"
    rows = rows_of(folder / "llama2orig.jsonl")
    known = json.loads((folder / "expected.json").read_text())["models"]["llama2orig"]["gpt4_vs_human"]
    # Rows by people, columns by the judge: full compliance, full refusal, partial refusal. What is asked: a full refusal?
    matrix = known["confusion_rows_human_cols_judge"]
    labels = write(
        "labels.jsonl",
        [
            {
                "id": row["id"],
                "prompt": row["prompt"],
                "response": row["completion"],
                "label": int(row["final_label"].startswith("2_")),
            }
            for row in rows
        ],
    )
    said = {row["id"]: "5" if row["gpt4_label"].startswith("2_") else "1" for row in rows}
    record = take_exam(recorded_judge(said, kind="pointwise", rubric="{{ prompt }} {{ response }}"), labels)
    refused, total = sum(matrix[1]), sum(map(sum, matrix))
    missed, invented = matrix[1][0] + matrix[1][2], matrix[0][1] + matrix[2][1]
    assert (record.form, record.n, record.order_consistency, record.slices) == ("answers", total, None, ())
    assert record.agreement == clopper_pearson(total - missed - invented, total)
    assert record.errors == {
        "people fail it, the judge passes it": clopper_pearson(invented, total - refused),
        "people pass it, the judge fails it": clopper_pearson(missed, refused),
    }


# --- scripted judges ---


def test_a_judge_that_always_names_the_first_slot_is_at_one_half_and_never_consistent(fake, write):
    fake.answer = says("first")
    record = take_exam(fake_judge(), write("l.jsonl", pairs(30)))
    assert (record.agreement.value, record.order_consistency.value) == (0.5, 0.0)
    assert record.agreement.low < 0.5 < record.agreement.high
    assert record.errors["people prefer the first, the judge does not"].value == 1.0
    assert record.standing(0.45) == "failed"


def test_a_judge_that_sees_what_people_see_passes(fake, write):
    fake.answer = prefers("good")
    labels = write("l.jsonl", pairs(12))
    record = take_exam(fake_judge(version="3"), labels)
    assert (record.n, record.agreement.value, record.judge_version) == (12, 1.0, "3")
    assert record.standing(0.65) == "passed" and record.standing(0.8) == "failed"  # 12 of 12: at least .735
    assert record.kappa is None  # both always said the first


def test_a_judge_that_favours_length_shows_in_the_slices(fake, write):
    def longer(request):
        asked = request.messages[0].content
        first, second = asked.index("long"), asked.index("short")
        return "first" if first < second else "second"

    fake.answer = longer
    rows = [
        {"id": i, "prompt": "q", "first": "long " * 20, "second": "short", "label": "first" if i % 4 else "second"}
        for i in range(40)
    ]
    slices = {one.name: (one.n, one.agreement.value) for one in take_exam(fake_judge(), write("l.jsonl", rows)).slices}
    assert slices == {
        "preferred answer 20 % longer or more": (30, 1.0),
        "preferred answer 20 % shorter or more": (10, 0.0),
    }


def test_labels_drawn_with_probabilities_are_weighted(fake, write):
    fake.answer = prefers("good")
    rows = pairs(40, label=lambda i: "second" if i < 20 else "first")  # the judge is wrong on the first twenty
    for row in rows:
        row["probability"] = 1.0 if row["id"] < 20 else 0.25
    record = take_exam(fake_judge(), write("l.jsonl", rows))
    assert record.agreement.value == pytest.approx(0.8) and record.agreement.method == "Korn-Graubard"


def test_an_exam_that_was_cut_off_goes_on_where_it_stopped_and_says_what_was_never_answered(fake, write):
    fake.answer, fake.die_after = prefers("good"), 7
    labels = write("l.jsonl", pairs(10))
    record = take_exam(fake_judge(), labels)
    assert (record.n, record.unscored, record.unanswered) == (3, 7, 7)
    assert not record.is_complete(0.02) and record.standing(0.1) == "failed"
    fake.die_after = None
    assert take_exam(fake_judge(), labels).n == 10
    assert len(fake.generated) == 20


def test_what_the_judge_did_not_say_is_no_tie(fake, write):
    fake.answer = lambda request: "well..." if request.example_id in ("0", "1") and request.sample else "first"
    record = take_exam(fake_judge(), write("l.jsonl", pairs(10)))
    assert (record.n, record.unscored, record.unanswered) == (8, 2, 0)
    assert record.cautions == ("2 of 10 items unscored: 2 x unreadable verdict",)


def test_a_limit_is_a_seeded_sample(fake, write):
    fake.answer = prefers("good")
    labels = write("l.jsonl", pairs(50))

    def asked(seed):
        fake.generated.clear()
        take_exam(fake_judge(model={"backend": "fake", "model": f"w{seed}{len(seen)}"}), labels, limit=5, seed=seed)
        return {request.example_id for request in fake.generated}

    seen = []
    for seed in (0, 0, 1):
        seen.append(asked(seed))
    assert seen[0] == seen[1] != seen[2] and len(seen[0]) == 5


def test_answers_by_grade_and_several_people(fake, write):
    fake.answer = lambda request: Completion("4" if "good" in request.messages[0].content else "2")
    rows = [
        {"id": i, "prompt": "q", "response": "good" if i % 2 else "bad", "labels": [5, 4] if i % 2 else [1, 2]}
        for i in range(20)
    ]
    rows.append({"id": "split", "prompt": "q", "response": "good", "labels": [1, 5]})
    judge = fake_judge(kind="pointwise", rubric="{{ prompt }} {{ response }}")
    record = take_exam(judge, write("l.jsonl", rows))
    assert (record.n, record.agreement.value, record.kappa.value) == (20, 1.0, 1.0)
    assert (record.human_agreement.value, record.human_agreement.n) == (20 / 21, 21)
    assert record.cautions == ("people tie on 1 of 21 items, which count for kappa alone",)
    fake.refuse = lambda request: Failure("j", "too_long", "does not fit") if request.example_id == "3" else None
    record = take_exam(judge, write("l.jsonl", rows))
    assert (record.n, record.unscored, record.unanswered) == (19, 1, 0)


def test_a_jury_is_examined_as_one_and_under_a_hash_of_its_own(fake, write, tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\nmodel: {{backend: fake, model: w-{name}}}\nrubric: '{PAIRWISE}'\n"
        )
    (tmp_path / "jury.yaml").write_text("name: all\nkind: jury\nmembers: [a.yaml, b.yaml, c.yaml]\n")
    jury = read_judge(tmp_path / "jury.yaml")
    # Two see what people see; the third prefers the other, and cannot outvote them.
    fake.answer = lambda request: prefers("bad" if request.model == "c" else "good")(request)
    labels = write("l.jsonl", pairs(12))
    record = take_exam(jury, labels)
    assert (record.judge, record.n, record.agreement.value, record.order_consistency) == ("all", 12, 1.0, None)
    assert record.standing(0.65) == "passed"
    alone = take_exam(read_judge(tmp_path / "c.yaml"), labels)
    assert alone.agreement.value == 0.0 and alone.judge_hash != record.judge_hash
    # Where two of three say nothing, the third is no jury.
    fake.answer = lambda request: (
        "?" if request.model in "ab" and request.example_id == "0" else prefers("good")(request)
    )
    for name in "ab":
        path = tmp_path / f"{name}.yaml"
        path.write_text(path.read_text().replace(f"w-{name}", f"v-{name}"))
    record = take_exam(jury, labels)
    assert (record.n, record.unscored, record.unanswered) == (11, 1, 0)


def test_a_judge_of_single_answers_reads_pairs_once_and_a_reference_must_be_there(fake, write):
    fake.answer = lambda request: "5" if "good" in request.messages[0].content.split("answer:")[0] else "1"
    labels = write("l.jsonl", [*pairs(8, answer="yes"), {**pairs(1)[0], "id": "bare"}])
    record = take_exam(fake_judge(kind="pointwise", rubric="{{ prompt }} {{ response }}"), labels)
    assert (record.n, record.agreement.value, record.order_consistency) == (9, 1.0, None)
    judge = fake_judge(kind="reference", scale=(1, 5), rubric="{{ prompt }} {{ response }} {{ answer }}")
    record = take_exam(judge, labels)
    assert (record.n, record.unscored) == (8, 1) and "1 x no verdict" in record.cautions[0]
    answers = [{"id": 1, "prompt": "q", "response": "good", "label": 1, "answer": "yes"}]
    answers.append({"id": 2, "prompt": "q", "response": "good", "label": 1})
    record = take_exam(judge, write("a.jsonl", answers))
    assert (record.n, record.unscored) == (1, 1) and "1 x no reference" in record.cautions[0]


def test_what_can_be_no_exam_is_refused_before_anything_is_asked(fake, write):
    answers = write("a.jsonl", [{"id": 1, "prompt": "q", "response": "r", "label": "pass"}])
    with pytest.raises(InputError, match="kind pairwise"):
        take_exam(fake_judge(), answers)
    with pytest.raises(InputError, match="people tie on every item"):
        take_exam(fake_judge(), write("t.jsonl", pairs(3, label=lambda i: "tie")))
    with pytest.raises(InputError, match="never shows the judge"):
        take_exam(fake_judge(rubric="{{ prompt }}"), write("l.jsonl", pairs(3)))
    assert fake.generated == []
