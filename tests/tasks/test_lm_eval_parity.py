"""Prompts and marks against the harness's own evaluator, with a scripted model on both sides in place of an engine."""

import hashlib
import re

import pytest

from evalkit import api
from evalkit.config import ModelSpec
from evalkit.types import Completion
from tests.harness_tasks import CHOICE, COLOURS, GENERATE, ROLLING, SUMS, lm_eval, load, suite, write_task

FILTERS = [
    {"name": name, "filter": [{"function": "regex", "group_select": place, "regex_pattern": r"(\d+)"}, {"function": "take_first"}]}
    for name, place in (("last", -1), ("first", 0))
]  # fmt: skip
SKIES = [{**row, "q": f"{time}: {row['q'].lower()}"} for time in ("Today", "At night", "In May") for row in COLOURS]
BLANKS = [
    {
        "label": place % 2,
        "starts": [f"The {whole} broke, for the {what}" for what in ("cup", "shelf")],
        "end": "was weak.",
    }
    for place, whole in enumerate(["cup", "plate", "jug", "bowl", "pot", "vase", "pan", "mug", "dish", "tray"])
]
CLOZE = {"output_type": "loglikelihood", "doc_to_text": "{{q}}", "doc_to_target": "{{' ' ~ sum}}"}

NUMBERS = {**GENERATE, "filter_list": FILTERS}
TASKS = {
    "choice": (SKIES, {**CHOICE, "num_fewshot": 2, "description": "Say the colour.\n\n"}),
    "norm": (SKIES, {**CHOICE, "metric_list": [{"metric": "acc_norm"}]}),
    "bytes": ([{**row, "options": ["blau", "grün", "röt"]} for row in SKIES], {**CHOICE, "metric_list": [{"metric": "acc_bytes"}]}),
    "mutual": (SKIES, {**CHOICE, "num_fewshot": 1, "metric_list": [{"metric": "acc_mutual_info"}, {"metric": "acc"}]}),
    "prefix": (SKIES, {**CHOICE, "num_fewshot": 1, "gen_prefix": "The colour is"}),
    "either": ([{**row, "gold": [0, 1]} for row in SKIES], CHOICE),
    "blank": (BLANKS, {**CHOICE, "doc_to_text": "{{label}}", "doc_to_choice": "{{starts}}", "doc_to_target": "{{end}}"}),
    "sums": (SUMS, {**NUMBERS, "num_fewshot": 3}),
    "sums_prefix": (SUMS, {**NUMBERS, "num_fewshot": 1, "gen_prefix": "It is"}),
    "aliases": ([{**row, "sum": [row["sum"], "4"]} for row in SUMS], {**NUMBERS, "doc_to_target": "sum"}),
    "same_rows": (SUMS, {**NUMBERS, "num_fewshot": 3, "fewshot_split": "test"}),
    "cloze": (SUMS, {**CLOZE, "metric_list": [{"metric": "acc"}, {"metric": "perplexity"}]}),
    "rolling": (SUMS, ROLLING),
}  # fmt: skip


def chance(*texts):
    """A number from 0 to 999 that belongs to these texts."""
    return int.from_bytes(hashlib.sha256(repr(texts).encode()).digest()[:4]) % 1000


def likelihood(prompt, option):
    return -chance(prompt, option) / 100 - 0.01, chance(prompt, option) % 2 == 0


def written(prompt):
    """Two numbers, of which the second is the sum asked for now and then."""
    number = int(re.findall(r"(\d+) \+", prompt)[-1])
    return f"Perhaps {chance(prompt)}, or {number * 2 + chance(prompt) % 2}"


def rendered(turns):
    """A chat template: the last turn is open where it is the assistant's."""
    return "".join(f"<{role}>{content}" for role, content in turns)


def theirs(folder, task, chat, **options):
    """The harness's own samples of a task, by item."""
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.tasks import TaskManager

    class Scripted(LM):
        tokenizer_name = "scripted"

        def loglikelihood(self, requests):
            return [likelihood(*request.args) for request in requests]

        def loglikelihood_rolling(self, requests):
            return [likelihood("", *request.args)[0] for request in requests]

        def generate_until(self, requests):
            return [written(request.args[0]) for request in requests]

        def apply_chat_template(self, chat_history, add_generation_prompt=True):
            assert add_generation_prompt == (chat_history[-1]["role"] == "user")
            return rendered((turn["role"], turn["content"]) for turn in chat_history)

    done = simple_evaluate(
        Scripted(),
        tasks=[task],
        task_manager=TaskManager(include_path=str(folder), include_defaults=False),
        apply_chat_template=chat,
        bootstrap_iters=0,
        **options,
    )
    return done["samples"][task]


def ours(fake, folder, task, chat, **options):
    """Evalkit's samples of the task, with the texts that the scripted model was asked."""
    asked = []

    def answer(request):
        prompt = (
            rendered((m.role, m.content) for m in request.messages) if chat else request.plain and request.plain.prompt
        )
        if request.text is not None:
            asked.append((request.text,))
            return Completion("", logprobs=(likelihood("", request.text)[0],))
        if not request.options:
            asked.append((prompt,))
            return Completion(written(prompt))
        continuations = request.options if chat else request.plain.options
        asked.extend((prompt, option) for option in continuations)
        both = [likelihood(prompt, option) for option in continuations]
        return Completion("", logprobs=tuple(value for value, _ in both), greedy=tuple(sure for _, sure in both))

    fake.answer = answer
    model = ModelSpec(name="m", backend="fake", model="m")
    role = "guard" if task == "rolling" else "retain"
    return api.run_one(model, suites=[suite(folder, lm_eval(task, **options), role=role)]), asked


@pytest.fixture
def written_tasks(harness):
    for name, (rows, fields) in TASKS.items():
        write_task(harness, name, rows, train=rows[::-1], **fields)
    return harness


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("format_", ["completion", "chat", "chat, examples in one turn"])
@pytest.mark.parametrize("task", TASKS)
def test_prompts_and_marks_are_the_harnesss_own(written_tasks, fake, monkeypatch, task, format_):
    for about_the_machine in ("add_env_info", "get_git_commit_hash"):
        monkeypatch.setattr(f"lm_eval.evaluator.{about_the_machine}", lambda *args: None)
    chat, options = format_ != "completion", {}
    if chat:
        options = {"fewshot_as_multiturn": format_ == "chat", "system_instruction": "Be brief."}
    expected = theirs(written_tasks, task, chat, **options)
    mine, asked = ours(fake, written_tasks, task, chat, **options)

    first = expected[0]["filter"]
    expected = {str(row["doc_id"]): row for row in expected if row["filter"] == first}
    texts = {
        tuple(one for one in arguments if isinstance(one, str))
        for row in expected.values()
        for arguments in row["arguments"]
    }
    assert set(asked) == texts  # evalkit asks equal texts once

    metric = TASKS[task][1].get("metric_list", [{"metric": "acc"}])[0]["metric"]
    assert mine["failure"].isna().all()
    if task == "rolling":
        assert set(mine["metric"]) == {"bits per byte"}
        return
    assert set(mine["metric"]) == {metric}
    assert dict(zip(mine["id"], mine["value"], strict=True)) == {id_: row[metric] for id_, row in expected.items()}
    assert len(set(mine["value"])) == 2, "a task where every item scores the same shows nothing"


def test_few_shot_examples_are_those_of_a_fresh_run_of_the_harness(written_tasks):
    from lm_eval.tasks import TaskManager

    manager = TaskManager(include_path=str(written_tasks), include_defaults=False)
    fresh = manager.load(["sums"])["tasks"]["sums"]
    fresh.set_config(key="num_fewshot", value=4)
    fresh.set_fewshot_seed(seed=1234)
    fresh.build_all_requests()
    examples = load(written_tasks, lm_eval("sums", num_fewshot=4)).tasks[0].examples
    assert [example.questions[0].plain.prompt for example in examples] == [ask.args[0] for ask in fresh.instances]
    assert len({example.questions[0].plain.prompt.split("\n\n")[0] for example in examples}) > 1, "draws differ by item"


def test_worked_examples_are_the_same_in_both_formats(written_tasks):
    for example in load(written_tasks, lm_eval("sums", num_fewshot=4)).tasks[0].examples:
        (question,) = example.questions
        pairs = [
            f"{one.content} {two.content}"
            for one, two in zip(question.messages[::2], question.messages[1::2], strict=False)
        ]
        assert question.plain.prompt == "\n\n".join([*pairs, question.messages[-1].content])


def test_a_task_that_fixes_no_examples_keeps_it(harness):
    write_task(harness, "sums", SUMS, train=SUMS, num_fewshot=0, **GENERATE)
    example = load(harness, lm_eval("sums", num_fewshot=5)).tasks[0].examples[0]
    assert example.questions[0].plain.prompt == "1 + 1 ="


def test_the_system_instruction_comes_before_the_tasks_description(harness):
    write_task(harness, "sums", SUMS, description="Add up.", **GENERATE)
    (question,) = load(harness, lm_eval("sums", system_instruction="Be brief.")).tasks[0].examples[0].questions
    assert [(m.role, m.content) for m in question.messages] == [("system", "Be brief.\n\nAdd up."), ("user", "1 + 1 =")]
    assert question.plain.prompt == "Be brief.\n\nAdd up.1 + 1 ="


def test_the_beginning_of_an_answer_is_the_assistants_last_turn(written_tasks):
    (question,) = load(written_tasks, lm_eval("prefix")).tasks[0].examples[0].questions
    assert question.messages[-1].role == "assistant" and question.messages[-1].content == "The colour is"
    assert question.options == (" blue", " green", " red")
    assert question.plain.prompt.endswith("A: The colour is")


def test_documents_that_a_task_changes_while_building_are_built_alike_in_both_formats(harness):
    code = "def text(doc):\n    doc['q'] = doc['q'] + '?'\n    return doc['q']\n"
    (harness / "own.py").write_text(code)
    write_task(harness, "sums", SUMS, **{**GENERATE, "doc_to_text": "!function own.text"})
    (question,) = load(harness, lm_eval("sums")).tasks[0].examples[0].questions
    assert question.plain.prompt == question.messages[-1].content == "1 + 1 =?"


def test_where_a_tokenizer_adds_a_first_token_the_harness_gives_two_to_a_rolled_text_and_evalkit_one():
    """What docs/lm-eval.md says of both."""
    pytest.importorskip("lm_eval")
    pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    from evalkit.backends.rendering import Renderer
    from evalkit.types import Request, Sampling

    words = Tokenizer(models.WordLevel({"<s>": 0, "</s>": 1, "a": 2, "b": 3}))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    words.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, bos_token="<s>", eos_token="</s>")
    # `VLLM.loglikelihood_rolling` in two lines; the class itself needs an engine.
    from lm_eval.utils import get_rolling_token_windows

    (window,) = get_rolling_token_windows(tokenizer("a b a").input_ids, tokenizer.bos_token_id, 62, 1)
    assert window == ([0, 0, 2, 3], [0, 2, 3, 2]), "the second of the two is among what is scored"
    request = Request("base", "s", "t", "0", (), Sampling(), text="a b a")
    (span,) = Renderer(tokenizer, limit=64).render(request).spans
    assert (span.ids, span.start) == ((0, 2, 3, 2), 1)
