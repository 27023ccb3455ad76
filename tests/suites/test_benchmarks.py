"""Suites over public benchmarks: rows in the hub's own columns give the right questions, golds, letters and marks.

Rows are real where the recorded data has them, put back into the columns of the hub; elsewhere they are written by hand.
"""

import json
import re
from collections import Counter, defaultdict

import pytest
from typer.testing import CliRunner

from evalkit.catalog import builtin_names, find_suite
from evalkit.cli import app
from evalkit.config import HubSpec
from evalkit.scorers import score
from evalkit.tasks import load_suite
from evalkit.types import Completion

BENCHMARKS = "arc-challenge bbh gsm8k hellaswag mgsm mmlu mmlu-pro truthfulqa-mc1 winogrande".split()
BY_CHOICE = {"arc-challenge", "hellaswag", "mmlu", "truthfulqa-mc1", "winogrande"}
BY_TEXT = {"hellaswag", "truthfulqa-mc1"}
OFFICIAL_COUNTS = {"bbh": (27, 6511), "gsm8k": (1, 1319), "mgsm": (11, 2750), "mmlu": (57, 14042)}

# --- rows in the hub's columns: {(dataset, config, split): rows} --------------------------------------------------


def lines(recorded, name):
    with (recorded / "tasks" / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def without(row, *columns):
    return {name: value for name, value in row.items() if name not in columns}


def by_config(rows, dataset, column, split):
    tables = defaultdict(list)
    for row in rows:
        tables[dataset, row[column], split].append(without(row, "id", "task", "lang"))
    return dict(tables)


def gsm8k(recorded):
    return {("openai/gsm8k", "main", "test"): [without(row, "id") for row in lines(recorded, "gsm8k_test")]}


def mmlu(recorded):
    test, dev = lines(recorded, "mmlu_test"), lines(recorded, "mmlu_dev")
    return by_config(test, "cais/mmlu", "subject", "test") | by_config(dev, "cais/mmlu", "subject", "dev")


def bbh(recorded):
    return by_config(lines(recorded, "bbh"), "SaylorTwift/bbh", "task", "test")


def mgsm(recorded):
    rows = [
        {
            "lang": row["lang"],
            "question": row["question"],
            "answer": None,
            "answer_number": int(row["answer"].replace(",", "")),
            "equation_solution": None,
        }
        for row in lines(recorded, "mgsm")
    ]
    return by_config(rows, "juletxara/mgsm", "lang", "test")


def truthfulqa(recorded):
    rows = []
    for row in lines(recorded, "truthfulqa"):
        false = [text.strip() for text in row["incorrect_answers"].split(";") if text.strip()]
        choices = list(dict.fromkeys([row["best_answer"].strip(), *false]))
        labels = [1] + [0] * (len(choices) - 1)
        both = {"choices": choices, "labels": labels}
        rows.append({"question": row["question"], "mc1_targets": both, "mc2_targets": both})
    return {("truthfulqa/truthful_qa", "multiple_choice", "validation"): rows}


def arc_row(number, options, key, labels="ABCDE"):
    shown = {"text": options, "label": list(labels[: len(options)])}
    return {"id": f"own_{number}", "question": f"Which is number {number}?", "choices": shown, "answerKey": key}


def arc(_):
    train = [arc_row(i, [f"t{i}", "w", "x", "y"], "A") for i in range(10, 17)]
    test = [
        arc_row(1, ["one", "two", "three", "four"], "B"),
        arc_row(2, ["one", "two", "three", "four"], "3", labels="1234"),
        arc_row(3, ["1", "2", "3", "4"], "1", labels="1234"),
        arc_row(4, ["one", "two", "three"], "C"),
        arc_row(5, ["one", "two", "three", "four", "five"], "E"),
    ]
    return {
        ("allenai/ai2_arc", "ARC-Challenge", "train"): train,
        ("allenai/ai2_arc", "ARC-Challenge", "test"): test,
    }


def winogrande_row(big, small, answer):
    sentence = f"The {big} did not fit into the {small} because the _ was too large."
    return {"sentence": sentence, "option1": big, "option2": small, "answer": answer}


def winogrande(_):
    dataset = ("allenai/winogrande", "winogrande_xl")
    train = [winogrande_row(f"box{i}", f"bag{i}", str(1 + i % 2)) for i in range(7)]
    return {
        (*dataset, "train"): train,
        (*dataset, "validation"): [winogrande_row("lamp", "van", "1"), winogrande_row("key", "cup", "2")],
    }


def hellaswag(_):
    how_to = {
        "ind": 4,
        "activity_label": "Home and Garden",
        "ctx_a": "How to paint a door [title] Take the door down. [step] Lay it flat.",
        "ctx_b": "",
        "ctx": "How to paint a door [title] Take the door down. [step] Lay it flat.",
        "endings": ["Sand it [title] Wipe it.", "[substeps] Eat it.", "Burn  it.", "Burn it."],
        "source_id": "wikihow~1",
        "split": "val",
        "split_type": "indomain",
        "label": "0",
    }
    caption = {
        "ind": 24,
        "activity_label": "Roof shingle removal",
        "ctx_a": "A man is sitting on a roof.",
        "ctx_b": "he",
        "ctx": "A man is sitting on a roof. he",
        "endings": ["sings to a cat.", "is a roof.", "melts.", "pulls up shingles."],
        "source_id": "activitynet~1",
        "split": "val",
        "split_type": "zeroshot",
        "label": "3",
    }
    return {("Rowan/hellaswag", "default", "validation"): [how_to, caption]}


def mmlu_pro(_):
    def row(number, options, answer):
        return {
            "question_id": number,
            "question": f"What is {number} + 1?",
            "options": options,
            "answer": answer,
            "answer_index": "ABCDEFGHIJ".index(answer),
            "cot_content": "",
            "category": "math",
            "src": "own",
        }

    rows = [row(70, [str(70 + i) for i in range(10)], "B"), row(71, ["70", "71", "72"], "C")]
    return {("TIGER-Lab/MMLU-Pro", "default", "test"): rows}


REAL = {"bbh": bbh, "gsm8k": gsm8k, "mgsm": mgsm, "mmlu": mmlu, "truthfulqa-mc1": truthfulqa}
BY_HAND = {"arc-challenge": arc, "hellaswag": hellaswag, "mmlu-pro": mmlu_pro, "winogrande": winogrande}


@pytest.fixture(scope="module")
def loaded(request, tmp_path_factory):
    """From a suite's name to the suite, read from a mirror of the hub."""
    known = {}

    def load(name):
        if name not in known:
            build = BY_HAND.get(name)
            tables = build(None) if build else REAL[name](request.getfixturevalue("recorded"))
            mirror = tmp_path_factory.mktemp("mirror")
            for (dataset, config, split), rows in tables.items():
                folder = mirror / dataset / config
                folder.mkdir(parents=True, exist_ok=True)
                text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
                (folder / f"{split}.jsonl").write_text(text, encoding="utf-8")
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("EVALKIT_DATA", str(mirror))
                known[name] = load_suite(find_suite(name)), tables
        return known[name]

    return load


def items(suite):
    return [(task, example) for task in suite.tasks for example in task.examples]


def marked(task, example, text, logprobs=None):
    return score(task.spec, example, Completion(text, logprobs=logprobs)).value


# --- what each file says ------------------------------------------------------------------------------------------


def test_every_benchmark_ships_and_reads_the_hub_alone():
    assert set(BENCHMARKS) == {*REAL, *BY_HAND} <= set(builtin_names("suites"))
    for name in BENCHMARKS:
        assert all(isinstance(task.data, HubSpec) for task in find_suite(name).tasks)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_says_whose_it_is_and_what_it_may_be_used_for(name):
    spec = find_suite(name)
    hub = {task.data.hub for task in spec.tasks}
    assert len(hub) == 1 and hub.pop() in spec.source
    assert re.search(r"arXiv:\d{4}\.\d{5}", spec.source)
    assert spec.licence and spec.version and spec.description
    assert spec.role == "retain"


def test_the_command_line_lists_them_with_their_licence():
    listed = {row["name"]: row for row in json.loads(CliRunner().invoke(app, ["suites", "--json"]).stdout)}
    assert set(BENCHMARKS) <= set(listed)
    assert listed["gsm8k"]["licence"] == "MIT"


# --- what is asked ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", OFFICIAL_COUNTS)
def test_all_items_of_the_benchmark_are_asked(name, loaded):
    suite, _ = loaded(name)
    assert (len(suite.tasks), len(items(suite))) == OFFICIAL_COUNTS[name]


@pytest.mark.parametrize("name", BENCHMARKS)
def test_ids_are_unique_and_the_last_turn_asks_the_question(name, loaded):
    suite, tables = loaded(name)
    for task in suite.tasks:
        assert len({example.id for example in task.examples}) == len(task.examples)
        rows = tables[task.spec.data.hub, task.spec.data.config, task.spec.data.split]
        for row, example in zip(rows, task.examples, strict=True):
            asked = row.get("question") or row.get("input") or row.get("sentence") or row["ctx_a"].split(" [")[0]
            assert example.messages[-1].role == "user"
            assert asked.strip() in example.messages[-1].content


@pytest.mark.parametrize("name", BENCHMARKS)
def test_turns_alternate_and_nothing_takes_the_place_of_a_models_system_prompt(name, loaded):
    for _, example in items(loaded(name)[0]):
        roles = [message.role for message in example.messages]
        assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


@pytest.mark.parametrize(("name", "shots"), [("gsm8k", 5), ("mmlu", 5), ("arc-challenge", 5), ("winogrande", 5)])
def test_worked_examples_come_first_and_never_hold_the_question(name, shots, loaded):
    for _, example in items(loaded(name)[0]):
        assert len(example.messages) == 2 * shots + 1
        assert example.messages[-1].content not in {message.content for message in example.messages[:-1]}


def test_worked_examples_of_mmlu_are_of_the_same_subject(loaded):
    suite, tables = loaded("mmlu")
    for task in suite.tasks:
        dev = [row["question"].strip() for row in tables["cais/mmlu", task.name, "dev"]]
        shown = task.examples[0].messages[:-1:2]
        assert [question in turn.content for question, turn in zip(dev, shown, strict=True)] == [True] * 5


def test_the_worked_solutions_of_gsm8k_end_in_the_form_asked_for(loaded):
    solutions = [turn.content for turn in items(loaded("gsm8k")[0])[0][1].messages if turn.role == "assistant"]
    assert [text.splitlines()[-1] for text in solutions] == ["#### 72", "#### 10", "#### 5", "#### 42", "#### 624"]
    assert not any("<<" in text for text in solutions)


@pytest.mark.parametrize("name", sorted(BY_CHOICE - BY_TEXT) + ["mmlu-pro"])
def test_options_are_shown_with_their_letters(name, loaded):
    suite, tables = loaded(name)
    for task in suite.tasks:
        rows = tables[task.spec.data.hub, task.spec.data.config, task.spec.data.split]
        for row, example in zip(rows, task.examples, strict=True):
            options = example.choices or row["options"]
            lettered = "\n".join(f"{'ABCDEFGHIJ'[i]}. {text}" for i, text in enumerate(options))
            assert f"\n{lettered}\n" in example.messages[-1].content


def test_truthfulqa_is_primed_as_in_the_paper_and_shows_no_option(loaded):
    for _, example in items(loaded("truthfulqa-mc1")[0]):
        assert len(example.messages) == 13
        assert example.messages[-1].content.startswith("Q: ") and example.messages[-1].content.endswith("\nA:")
        assert example.answer == "A" and len(example.choices) >= 2


def test_hellaswag_is_freed_of_the_marks_of_its_pages(loaded):
    (_, how_to), (_, caption) = items(loaded("hellaswag")[0])
    assert how_to.messages[0].content == "Home and Garden: How to paint a door. Take the door down. Lay it flat."
    # Two wrong endings that come out alike are no reason to stop.
    assert how_to.choices == ("Sand it. Wipe it.", "Eat it.", "Burn it.", "Burn it.")
    assert caption.messages[0].content == "Roof shingle removal: A man is sitting on a roof. He"


def test_versions_of_one_problem_in_eleven_languages_are_one_cluster(loaded):
    suite, _ = loaded("mgsm")
    versions = list(zip(*(task.examples for task in suite.tasks), strict=True))
    assert len(versions) == 250
    assert all(len({example.group for example in version}) == 1 for version in versions)


# --- how it is marked ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(BY_CHOICE))
def test_the_likeliest_option_wins_or_loses_by_the_gold_alone(name, loaded):
    for task, example in items(loaded(name)[0]):
        (options,) = [question.options for question in task.questions(example)]
        assert options == (example.choices if name in BY_TEXT else tuple("ABCDE"[: len(example.choices)]))
        right = "ABCDEFGHIJKLMNOPQRSTUVWXYZ".index(example.answer)
        for place in range(len(options)):
            logprobs = tuple(-0.1 if i == place else -3.0 for i in range(len(options)))
            assert marked(task, example, options[place], logprobs) == float(place == right), example.id


def test_labels_of_arc_may_be_digits_and_options_may_be_numbers(loaded):
    assert [example.answer for _, example in items(loaded("arc-challenge")[0])] == ["B", "C", "A", "C", "E"]


def test_the_labels_of_the_others_are_read_as_they_are_meant(loaded):
    assert [example.answer for _, example in items(loaded("winogrande")[0])] == ["A", "B"]
    assert [example.answer for _, example in items(loaded("hellaswag")[0])] == ["A", "D"]
    assert [example.answer for _, example in items(loaded("mmlu-pro")[0])] == ["B", "C"]
    suite, tables = loaded("mmlu")
    for task in suite.tasks:
        golds = ["ABCD"[row["answer"]] for row in tables["cais/mmlu", task.name, "test"]]
        assert [example.answer for example in task.examples] == golds


OTHER_WORD = {"yes": "No", "no": "Yes", "true": "False", "false": "True", "valid": "invalid", "invalid": "valid"}


def another(gold, metric):
    """A wrong answer of the gold's kind."""
    if metric == "number":
        return f"{gold.replace(',', '')}9"
    if gold.casefold() in OTHER_WORD:
        return OTHER_WORD[gold.casefold()]
    return {"A": "B"}.get(gold, "A") if len(gold) == 1 and gold.isalpha() else f"{gold} {gold}"


REPLIES = {
    "gsm8k": ["16 - 3 = 13.\n#### {}", "So there are {}"],
    "mgsm": ["16 - 3 = 13.\nAnswer: {}", "**Answer:** {}.", "{}"],
    "bbh": ["First this.\nAnswer: {}", "First this.\n\n**Answer:** {}\n", "Answer: A man?\n**Answer**: {}"],
    "mmlu-pro": ["First this.\nThe answer is ({}).", "the answer is **{}**", "Answer: {}", "answer is $\\boxed{{{}}}$"],
}


@pytest.mark.parametrize("name", REPLIES)
def test_the_gold_in_a_usual_form_scores_and_another_answer_does_not(name, loaded):
    for task, example in items(loaded(name)[0]):
        for form in REPLIES[name]:
            assert marked(task, example, form.format(example.answer)) == 1.0, (example.id, form, example.answer)
            wrong = another(example.answer, task.spec.score)
            assert marked(task, example, form.format(wrong)) == 0.0, (example.id, form, wrong)
        assert marked(task, example, "I cannot say.") == 0.0


def test_a_letter_of_bbh_counts_with_and_without_its_parentheses(loaded):
    for task, example in items(loaded("bbh")[0]):
        if re.fullmatch("[A-R]", example.answer):
            for form in ("Answer: ({})", "Answer: ({}) the last one", "Answer: {}.", "**Answer: ({})**"):
                assert marked(task, example, form.format(example.answer)) == 1.0


def test_an_article_is_not_taken_for_option_a(loaded):
    task, example = next(pair for pair in items(loaded("bbh")[0]) if pair[1].answer == "A")
    assert marked(task, example, "Answer: A man cannot tell.") == 0.0


# --- what guessing earns ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "within"), [("mmlu", 0.001), ("truthfulqa-mc1", 0.01), ("winogrande", 0.001)])
def test_chance_is_the_mean_over_items_of_one_in_the_options(name, within, loaded):
    found = items(loaded(name)[0])
    guess = sum(1 / len(example.choices) for _, example in found) / len(found)
    assert find_suite(name).chance == pytest.approx(guess, abs=within)


def test_chance_of_bbh_counts_the_options_that_each_question_shows(loaded):
    suite, _ = loaded("bbh")
    guesses = []
    for _, example in items(suite):
        shown = len(re.findall(r"^\([A-Z]\)", example.messages[-1].content, re.MULTILINE))
        two = example.answer.casefold() in OTHER_WORD
        guesses.append(0.5 if two else 1 / shown if shown > 1 and len(example.answer) == 1 else 0.0)
    assert suite.spec.chance == pytest.approx(sum(guesses) / len(guesses), abs=0.002)


def test_golds_of_bbh_are_of_the_kind_their_task_asks_for(loaded):
    kinds = Counter()
    for task, example in items(loaded("bbh")[0]):
        asked = example.messages[-1].content.rpartition('"Answer: "')[2]
        if "letter" in asked:
            kinds["letter" if re.fullmatch("[A-R]", example.answer) else "text"] += 1
        elif "number" in asked:
            assert re.fullmatch(r"-?\d+", example.answer)
        elif " or " in asked:
            assert example.answer.casefold() in asked.casefold()
        else:
            assert task.name in ("dyck_languages", "word_sorting")
    assert kinds["text"] == 3  # known slips of the published data
