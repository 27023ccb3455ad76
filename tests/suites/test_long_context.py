"""Suite `long-context`: what is hidden is found by reading the rendered notes, and fits the length that a task is named by."""

import re
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from evalkit.config import read_suite
from evalkit.scorers import score
from evalkit.tasks import load_task
from evalkit.types import Completion

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "suites" / "data" / "long-context"
SPEC = read_suite(ROOT / "suites" / "long-context.yaml")
TASKS = {
    spec.name: load_task(SPEC.name, index, spec, file=SPEC.file, folder=SPEC.folder)
    for index, spec in enumerate(SPEC.tasks)
}
EXAMPLES = [(name, example) for name, task in TASKS.items() for example in task.examples]
KINDS = ("single", "similar", "values", "two-hop")
CONTEXT = {"4k": 4096, "8k": 8192, "16k": 16_384, "32k": 32_768}


def notes(example):
    """The notes as a reader has them: what stands between the opening line and the question."""
    return example.messages[0].content.split("\n")[2:-2]


def marked(name, example, text):
    return score(TASKS[name].spec, example, Completion(text)).value


def test_the_rows_are_what_the_generator_writes_byte_for_byte(tmp_path):
    subprocess.run([sys.executable, "-B", str(DATA / "make_long_context.py"), str(tmp_path)], check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in DATA.glob("*.jsonl")}


def test_a_task_asks_one_kind_at_one_length_and_all_are_asked():
    assert set(TASKS) == {f"{kind}-{length}" for kind in KINDS for length in CONTEXT}
    assert {Path(task.spec.data).stem for task in TASKS.values()} == set(TASKS)
    assert {len(task.examples) for task in TASKS.values()} == {15}


def test_no_id_no_prompt_and_no_answer_comes_twice():
    for once in ([e.id for _, e in EXAMPLES], [e.messages for _, e in EXAMPLES], [e.answer for _, e in EXAMPLES]):
        assert len(set(once)) == len(once)


# --- the golds, found a second time by reading -------------------------------------------------------------------


def read(question, lines):
    """Answers a question from the notes alone."""
    thing = re.search(r"the (\w+ \w+)(?:\?|\.| kept)", question).group(1)
    if question.startswith("Under which name"):
        (name,) = [
            found[1] for line in lines if (found := re.match(rf"The {thing} is kept under the name (\w+)", line))
        ]
        return [line.split()[-1][:-1] for line in lines if line.startswith(f"The number of {name} ")]
    return [line.split()[-1][:-1] for line in lines if f"number of the {thing} is" in line]


@pytest.mark.parametrize("name", TASKS)
def test_the_gold_is_what_a_reader_of_the_notes_finds(name):
    for example in TASKS[name].examples:
        question = example.messages[0].content.rsplit("\n", 1)[1]
        assert ", ".join(read(question, notes(example))) == example.answer, example.id


@pytest.mark.parametrize("name", TASKS)
def test_the_notes_around_hold_no_number_and_no_word_of_what_is_hidden(name):
    for example in TASKS[name].examples:
        hidden = [line for line in notes(example) if re.search(r"\d|kept under", line)]
        others = set(re.findall(r"\w+", "\n".join(line for line in notes(example) if line not in hidden)))
        telling = {word for line in hidden for word in re.findall(r"\w+", line)}
        assert telling & others <= {"The", "the", "One", "of", "is", "under", "name"}


@pytest.mark.parametrize("name", [name for name in TASKS if not name.startswith("single")])
def test_similar_keys_share_a_word_with_the_one_asked_for(name):
    for example in TASKS[name].examples:
        text = "\n".join(notes(example))
        asked = re.search(r"the (\w+ \w+)(?:\?|\.| kept)", example.messages[0].content.rsplit("\n", 1)[1]).group(1)
        keys = set(re.findall(r"[Tt]he (\w+ \w+) is (?:kept|\d)", text)) - {asked}
        assert any(set(key.split()) & set(asked.split()) for key in keys), example.id


@pytest.mark.parametrize("name", TASKS)
def test_what_is_asked_for_stands_at_every_depth(name):
    depths = []
    for example in TASKS[name].examples:
        lines = notes(example)
        question = example.messages[0].content.rsplit("\n", 1)[1]
        needed = [at for at, line in enumerate(lines) if any(number in line for number in example.answer.split(", "))]
        if question.startswith("Under"):
            thing = re.search(r"the (\w+ \w+) kept", question).group(1)
            needed += [at for at, line in enumerate(lines) if line.startswith(f"The {thing} is kept")]
        depths += [at / len(lines) for at in needed]
    depths.sort()
    assert depths[0] < 0.15 and depths[-1] > 0.85
    assert max(later - earlier for earlier, later in pairwise(depths)) < 0.2


# --- lengths ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_a_prompt_fills_most_of_its_length_and_leaves_room_to_answer(name):
    tokenizers = pytest.importorskip("tokenizers")
    file = ROOT / "examples" / "models" / "SmolLM2-135M-Instruct" / "tokenizer.json"
    if not file.is_file():
        pytest.skip("no tokenizer here: make demo fetches one")
    tokenizer = tokenizers.Tokenizer.from_file(str(file))
    context = CONTEXT[name.rpartition("-")[2]]
    for example in TASKS[name].examples[:3]:
        assert 0.8 * context < len(tokenizer.encode(example.messages[0].content).ids) < 0.92 * context


def test_the_notes_hardly_repeat_themselves():
    for example in TASKS["single-32k"].examples:
        assert len(set(notes(example))) > 0.97 * len(notes(example))


def test_the_longest_prompts_are_written_in_milliseconds():
    index = list(TASKS).index("two-hop-32k")
    start = time.perf_counter()
    load_task(SPEC.name, index, SPEC.tasks[index], file=SPEC.file, folder=SPEC.folder)
    assert (time.perf_counter() - start) / 15 < 0.05  # seconds a prompt; measured: 0.003


def test_rows_stay_small():
    assert sum(path.stat().st_size for path in DATA.glob("*.jsonl")) < 200_000


# --- replies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "example"), [(name, TASKS[name].examples[1]) for name in TASKS])
def test_the_gold_scores_in_usual_forms_and_nothing_near_it_does(name, example):
    gold = example.answer
    for right in (gold, f"{gold}.", f"**{gold}**", f"According to the notes: {gold}"):
        assert marked(name, example, right) == 1.0, right
    numbers = re.findall(r"\d{6}", "\n".join(notes(example)))
    for wrong in ({*numbers} - {gold}) | {"I cannot find it.", "100000", gold[:-1], ""}:
        assert marked(name, example, wrong) == 0.0, wrong


def test_all_the_numbers_are_asked_for_and_in_their_order():
    for name in (name for name in TASKS if name.startswith("values")):
        for example in TASKS[name].examples:
            first, *rest = example.answer.split(", ")
            assert marked(name, example, ", ".join(rest)) == 0.0
            assert marked(name, example, ", ".join([*rest, first])) == 0.0
            assert marked(name, example, example.answer + ", 111111") == 0.0


def test_guessing_earns_nothing_as_the_suite_says():
    assert SPEC.chance == 0.0
    for name, example in EXAMPLES:
        assert marked(name, example, example.messages[0].content.rsplit("\n", 1)[1]) == 0.0
