"""Entries of a suite as tasks of the harness: names, data, what is refused. No engine is asked."""

import json
import random
import socket

import numpy as np
import pytest

from evalkit.scorers import sandbox
from evalkit.scorers.code import check_programs
from evalkit.tasks.lm_eval import finding
from evalkit.types import InputError
from tests.harness_tasks import CHOICE, COLOURS, GENERATE, ROLLING, SUMS, lm_eval, load, suite, write_task, write_yaml
from tests.hub_mirror import write_mirror


def names(loaded):
    return [task.name for task in loaded.tasks]


# --- names --------------------------------------------------------------------------------------------------------


@pytest.fixture
def group(harness):
    """A group of two tasks, and a tag that all three have."""
    for name in ("sky", "grass", "blood"):
        write_task(harness, name, COLOURS, tag="colours", **CHOICE)
    write_yaml(harness / "_two.yaml", {"group": "two", "task": ["sky", "grass"]})
    return harness


@pytest.fixture
def no_built_in(monkeypatch):
    """Groups look among the built-in tasks too, whose index takes seconds to read."""
    from lm_eval.tasks import TaskManager

    monkeypatch.setattr(finding, "_built_in", lambda: TaskManager(include_defaults=False))


def test_a_group_becomes_its_leaves(group, no_built_in):
    assert names(load(group, lm_eval("two"))) == ["sky", "grass"]


def test_a_tag_becomes_its_tasks(group):
    assert names(load(group, lm_eval("colours"))) == ["blood", "grass", "sky"]


def test_leaves_of_a_named_entry_go_by_both_names(group, no_built_in):
    assert names(load(group, {"name": "few", **lm_eval("two")})) == ["few/sky", "few/grass"]


def test_a_lone_task_goes_by_the_name_of_its_entry(group):
    assert names(load(group, {"name": "heaven", **lm_eval("sky")})) == ["heaven"]


def test_the_same_task_asked_in_two_ways_needs_names(harness):
    write_task(harness, "sky", COLOURS, train=COLOURS, **CHOICE)
    zero, two = lm_eval("sky", num_fewshot=0), lm_eval("sky", num_fewshot=2)
    with pytest.raises(InputError, match="two tasks are named 'sky'"):
        load(harness, zero, two)
    loaded = load(harness, {"name": "zero", **zero}, {"name": "two", **two})
    assert names(loaded) == ["zero", "two"]
    assert [len(task.examples[0].messages) for task in loaded.tasks] == [1, 5]


def test_a_task_and_its_group_in_one_suite_are_told_apart_only_by_names(group, no_built_in):
    with pytest.raises(InputError, match=r"s\.yaml: tasks: two tasks are named 'sky'"):
        load(group, lm_eval("two"), lm_eval("sky"))
    assert names(load(group, lm_eval("two"), {"name": "alone", **lm_eval("sky")})) == ["sky", "grass", "alone"]


def test_an_unknown_task_is_told_its_nearest(group, no_built_in):
    with pytest.raises(
        InputError, match=r"s\.yaml: tasks\[0\]: lm_eval\.task: unknown task 'grasss'; did you mean 'grass'\?"
    ):
        load(group, lm_eval("grasss"))


def test_an_unknown_field_is_told_its_nearest(harness):
    with pytest.raises(
        InputError, match=r"s\.yaml: tasks\[0\]: lm_eval: num_fewshots: unknown field; did you mean 'num_fewshot'\?"
    ):
        load(harness, lm_eval("sky", num_fewshots=5))


def test_a_folder_that_is_not_there_is_named(tmp_path, harness):
    with pytest.raises(InputError, match=r"lm_eval\.include_path: no such folder '.*absent'"):
        load(tmp_path / "absent", lm_eval("sky"))


def test_without_the_harness_it_is_said_how_to_install_it(harness, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"lm_eval: .*not installed; pip install 'evalkit-gate\[lm-eval\]'"):
        load(harness, lm_eval("sky"))


def test_paths_are_relative_to_the_suite_file(tmp_path, harness):
    from evalkit.tasks import load_suite

    write_task(harness, "sky", COLOURS, **CHOICE)
    spec = suite(None, lm_eval("sky", include_path="tasks"))
    assert names(load_suite(spec.model_copy(update={"folder": str(tmp_path)}))) == ["sky"]


# --- items ----------------------------------------------------------------------------------------------------------


def test_ids_are_the_harnesss_own_and_the_same_each_time(harness):
    write_task(harness, "sums", SUMS, **GENERATE)
    first, second = load(harness, lm_eval("sums")), load(harness, lm_eval("sums"))
    assert [example.id for example in first.tasks[0].examples] == [str(n) for n in range(12)]
    assert first.tasks[0].examples == second.tasks[0].examples
    assert first.hash == second.hash


def test_the_harnesss_limit_takes_the_first_and_evalkits_draws(harness):
    from evalkit.running.requests import draw

    write_task(harness, "sums", SUMS, **GENERATE)
    first = load(harness, lm_eval("sums", limit=4))
    assert [item.example.id for item in draw([first], seed=0)] != []
    assert sorted(item.example.id for item in draw([first], seed=0)) == ["0", "1", "2", "3"]
    drawn = load(harness, {"limit": 4, **lm_eval("sums")})
    seeds = {tuple(sorted(item.example.id for item in draw([drawn], seed=seed))) for seed in range(5)}
    assert {len(ids) for ids in seeds} == {4}
    assert len(seeds) > 1


def test_the_gold_is_shown_as_text(harness):
    write_task(harness, "sky", COLOURS, **CHOICE)
    write_task(harness, "either", [{**COLOURS[0], "gold": [0, 1]}], **CHOICE)
    loaded = load(harness, lm_eval("sky"), lm_eval("either"))
    assert [example.answer for example in loaded.tasks[0].examples] == ["blue", "green", "red", "white"]
    assert loaded.tasks[1].examples[0].answer == "blue | green"
    assert loaded.tasks[0].examples[0].choices == ("blue", "green", "red")


# --- the suite's hash -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"generation_kwargs": {"until": ["\n"], "do_sample": False}},
        {"doc_to_text": "Add: {{q}}"},
        {"doc_to_target": "{{sum}}."},
        {"repeats": 3},
        {"metric_list": [{"metric": "exact_match", "ignore_case": True}]},
        {"filter_list": [{"name": "low", "filter": [{"function": "lowercase"}, {"function": "take_first"}]}]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_hash_changes_with_what_is_asked_and_how_it_is_marked(harness, change):
    write_task(harness, "sums", SUMS, **GENERATE)
    before = load(harness, lm_eval("sums")).hash
    write_task(harness, "sums", SUMS, **{**GENERATE, **change})
    assert load(harness, lm_eval("sums")).hash != before


def test_the_hash_changes_with_the_few_shot_examples_and_the_filter(harness):
    filters = [{"name": name, "filter": [{"function": "take_first"}]} for name in ("one", "two")]
    write_task(harness, "sums", SUMS, train=SUMS, **GENERATE, filter_list=filters)
    ways = [{}, {"num_fewshot": 2}, {"filter": "two"}, {"system_instruction": "Add."}, {"limit": 3}]
    assert len({load(harness, lm_eval("sums", **way)).hash for way in ways}) == len(ways)


def test_the_hash_changes_with_the_code_of_a_task_and_not_with_where_it_lies(harness, tmp_path):
    def hash_of(folder, code):
        folder.mkdir(exist_ok=True)
        (folder / "own.py").write_text(code)
        write_task(folder, "sums", SUMS, **{**GENERATE, "process_results": "!function own.marks"})
        return load(folder, lm_eval("sums")).hash

    code = "def marks(doc, results):\n    return {'exact_match': %s}\n"
    here = hash_of(harness, code % "1.0")
    assert hash_of(tmp_path / "elsewhere", code % "1.0") == here
    assert hash_of(harness, code % "0.50") != here


# --- data -----------------------------------------------------------------------------------------------------------

HUB = {"dataset_path": "somebody/colours", "dataset_name": "plain", "dataset_kwargs": None}


def test_a_data_set_that_cannot_be_had_offline_says_what_to_do(harness):
    write_task(harness, "sky", COLOURS, **CHOICE, **HUB)
    with pytest.raises(
        InputError, match=r"lm_eval\.task: 'sky' cannot be loaded: .*; without a network, set EVALKIT_DATA"
    ):
        load(harness, lm_eval("sky"))


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_a_mirror_of_the_hub_is_read_in_its_place(harness, tmp_path, monkeypatch, ending):
    import pandas as pd

    write_task(harness, "sky", COLOURS, **CHOICE, **HUB)
    mirror = write_mirror(tmp_path / "mirror", {"somebody/colours/plain/test.jsonl": COLOURS[2:]})
    if ending == "parquet":  # comes before .jsonl, as everywhere in evalkit
        pd.DataFrame(COLOURS[:1]).to_parquet(mirror / "somebody/colours/plain/test.parquet")
    monkeypatch.setenv("EVALKIT_DATA", str(mirror))
    examples = load(harness, lm_eval("sky")).tasks[0].examples
    assert [example.answer for example in examples] == (["blue"] if ending == "parquet" else ["red", "white"])


def test_a_mirror_without_the_data_set_says_where_it_was_looked_for(harness, tmp_path, monkeypatch):
    write_task(harness, "sky", COLOURS, **CHOICE, **HUB)
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    with pytest.raises(
        InputError, match=r"EVALKIT_DATA is set, and holds no .*/somebody/colours/plain/<split>\.parquet"
    ):
        load(harness, lm_eval("sky"))


def test_a_mirror_leaves_a_tasks_own_files_alone(harness, tmp_path, monkeypatch):
    write_task(harness, "sky", COLOURS, **CHOICE)
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "mirror"))
    assert len(load(harness, lm_eval("sky")).tasks[0].examples) == 4


def test_where_a_mirror_is_set_a_file_on_a_server_is_not_fetched(harness, tmp_path, monkeypatch):
    far = {"dataset_kwargs": {"data_files": {"test": "https://example.invalid/rows.jsonl"}}}
    write_task(harness, "sky", COLOURS, **CHOICE, **far)
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "mirror"))
    with pytest.raises(InputError, match="EVALKIT_DATA is set, and holds no"):
        load(harness, lm_eval("sky"))


def test_a_task_that_needs_a_missing_package_names_it(harness):
    (harness / "own.py").write_text("import no_such_package\n")
    write_task(harness, "sums", SUMS, **{**GENERATE, "process_results": "!function own.marks"})
    with pytest.raises(InputError, match=r"'sums' needs a package that is not installed: .*no_such_package"):
        load(harness, lm_eval("sums"))


# --- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("task", "fields", "problem"),
    [
        ("sky", {**CHOICE, "metric_list": [{"metric": "f1"}, {"metric": "acc"}]}, "f1: not the mean .* that are: acc"),
        ("sky", {**CHOICE, "metric_list": [{"metric": "brier_score"}]}, "brier_score: not the mean .* that are: none"),
        ("sums", {**GENERATE, "metric_list": [{"metric": "bleu"}, {"metric": "exact_match"}]}, "bleu: not the mean"),
        ("sums", {**ROLLING}, "word_perplexity: not the mean .* that are: bits_per_byte"),
    ],
    ids=["f1", "brier", "bleu", "perplexity"],
)
def test_metrics_of_the_whole_corpus_are_refused_with_those_that_can_be_used(harness, task, fields, problem):
    write_task(harness, task, COLOURS if task == "sky" else SUMS, **fields)
    asked = fields["metric_list"][0]["metric"]
    with pytest.raises(InputError, match=rf"s\.yaml: tasks\[0\]: lm_eval: {task}\.metric: {problem}"):
        load(harness, lm_eval(task, metric=asked))


def test_an_unknown_metric_or_filter_is_named_with_what_there_is(harness):
    write_task(harness, "sky", COLOURS, **CHOICE)
    with pytest.raises(InputError, match=r"sky\.metric: 'accc' is none of this task's metrics; did you mean 'acc'\?"):
        load(harness, lm_eval("sky", metric="accc"))
    with pytest.raises(InputError, match=r"sky\.filter: 'strict' is none of this task's filters: none"):
        load(harness, lm_eval("sky", filter="strict"))


@pytest.mark.parametrize(
    ("fields", "metric"),
    [
        ({**GENERATE, "metric_list": [{"metric": "exact_match", "higher_is_better": False}]}, "exact_match"),
        (ROLLING, "bits per byte"),
    ],
    ids=["lower is better", "without bounds"],
)
def test_metrics_where_more_is_worse_are_left_to_guards(harness, fake, fields, metric):
    from evalkit import api
    from evalkit.config import ModelSpec

    write_task(harness, "sums", SUMS, **fields)
    model = ModelSpec(name="m", backend="fake", model="m")
    with pytest.raises(InputError, match=rf"role: retain: task 'sums' is marked by {metric}, .*say `role: guard`"):
        api.run_one(model, suites=[suite(harness, lm_eval("sums"))])
    fake.answer = lambda request: "4" if request.text is None else scored(-1.0)
    assert len(api.run_one(model, suites=[suite(harness, lm_eval("sums"), role="guard")])) == 12


def scored(*logprobs):
    from evalkit.types import Completion

    return Completion("", logprobs=logprobs, greedy=(True,) * len(logprobs))


def test_tasks_that_run_what_a_model_wrote_need_a_waiver(harness, monkeypatch):
    write_task(harness, "sums", SUMS, unsafe_code=True, **GENERATE)
    loaded = load(harness, lm_eval("sums"))
    monkeypatch.delenv(sandbox.ALLOW, raising=False)
    with pytest.raises(InputError, match=r"task 'sums'.*--allow-unsandboxed-code"):
        check_programs([loaded])
    monkeypatch.setenv(sandbox.ALLOW, "1")
    (caution,) = check_programs([loaded])
    assert "without a sandbox" in caution


def test_tasks_about_images_are_refused(harness):
    write_task(harness, "sums", SUMS, doc_to_image=["picture"], **GENERATE)
    with pytest.raises(InputError, match="sums: asks about images or sound, and evalkit asks in text only"):
        load(harness, lm_eval("sums"))


def test_a_class_that_asks_in_two_ways_is_refused(harness):
    (harness / "own.py").write_text(CLASS)
    fields = {**GENERATE, "class": "!function own.TwoWays"}
    write_task(harness, "sums", SUMS, **fields)
    with pytest.raises(InputError, match=r"sums: its prompts cannot be built: .*in other ways than its output_type"):
        load(harness, lm_eval("sums"))


def test_a_class_of_its_own_is_asked_with_the_settings_it_builds(harness):
    (harness / "own.py").write_text(CLASS)
    write_task(harness, "sums", SUMS, **{**GENERATE, "class": "!function own.Short"})
    assert load(harness, lm_eval("sums")).tasks[0].sampling.max_tokens == 7


CLASS = """
from lm_eval.api.instance import Instance
from lm_eval.api.task import ConfigurableTask

class Short(ConfigurableTask):
    def __init__(self, config):
        super().__init__(config={name: value for name, value in config.items() if name != "class"})

    def construct_requests(self, doc, ctx, **kwargs):
        kwargs = {"metadata": kwargs["metadata"]}
        settings = {"until": [], "max_gen_toks": 7}
        return [Instance(request_type="generate_until", doc=doc, arguments=(ctx, settings), idx=0, **kwargs)]

class TwoWays(Short):
    def construct_requests(self, doc, ctx, **kwargs):
        (first,) = super().construct_requests(doc, ctx, **kwargs)
        metadata = kwargs["metadata"]
        return [first, Instance(request_type="loglikelihood", doc=doc, arguments=(ctx, " 1"), idx=1, metadata=metadata)]
"""


def test_a_way_of_sampling_that_no_engine_of_evalkit_has_is_refused(harness):
    write_task(harness, "sums", SUMS, **{**GENERATE, "generation_kwargs": {"until": [], "num_beams": 10}})
    with pytest.raises(InputError, match=r"sums: generation_kwargs: num_beams: 10: evalkit's engines do not sample"):
        load(harness, lm_eval("sums"))


def test_a_template_that_fails_is_an_input_error(harness):
    write_task(harness, "sums", [*SUMS[:2], {"q": None, "sum": "1"}], **{**GENERATE, "doc_to_text": "{{q.strip()}}"})
    with pytest.raises(InputError, match="sums: its prompts cannot be built: UndefinedError"):
        load(harness, lm_eval("sums"))


# --- generation settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stated", "read"),
    [
        ({"until": "\n"}, {"temperature": 0.0, "stop": ("\n",), "max_tokens": 256}),
        ({"until": ["a", ""], "max_gen_toks": 9}, {"stop": ("a",), "max_tokens": 9}),
        ({"until": [], "temperature": 0.7}, {"temperature": 0.7}),
        ({"until": [], "temperature": 0.7, "do_sample": False}, {"temperature": 0.0}),
        ({"until": [], "do_sample": True, "temperature": 1, "top_p": 0.95, "top_k": -1}, {"top_p": 0.95, "top_k": 0}),
        ({"until": [], "max_new_tokens": 3, "max_tokens": 5}, {"max_tokens": 3}),
        ({"until": [], "num_beams": 1}, {"temperature": 0.0}),
    ],
    ids=repr,
)
def test_generation_settings_are_read_as_the_harness_reads_them(harness, stated, read):
    write_task(harness, "sums", SUMS, **{**GENERATE, "generation_kwargs": stated})
    sampling = load(harness, lm_eval("sums")).tasks[0].sampling.model_dump()
    assert {name: sampling[name] for name in read} == read


def test_a_task_without_settings_stops_where_the_next_example_would_begin(harness):
    fields = {name: value for name, value in GENERATE.items() if name != "generation_kwargs"}
    write_task(harness, "sums", SUMS, **fields)
    assert load(harness, lm_eval("sums")).tasks[0].sampling.stop == ("\n\n",)


def test_what_the_suite_file_states_comes_first(harness):
    write_task(harness, "sums", SUMS, **GENERATE)
    task = load(harness, {"sampling": {"max_tokens": 5}, **lm_eval("sums", repeats=4)}).tasks[0]
    assert (task.sampling.max_tokens, task.sampling.n, task.sampling.stop) == (5, 4, ("\n\n",))
    assert load(harness, {"sampling": {"stop": []}, **lm_eval("sums")}).tasks[0].sampling.stop == ()


# --- surroundings ---------------------------------------------------------------------------------------------------


def test_loading_prints_nothing_asks_no_network_and_leaves_generators_as_they_were(harness, capfd, monkeypatch):
    def refuse(*args):
        raise AssertionError(f"a connection was tried: {args[1:]}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    code = "import random\ndef shuffled(rows):\n    print('shuffling')\n    return rows.shuffle(seed=random.getrandbits(9))\n"
    (harness / "own.py").write_text(code)
    write_task(harness, "sky", COLOURS, **CHOICE)
    write_task(harness, "sums", SUMS, **{**GENERATE, "process_docs": "!function own.shuffled"})
    random.seed(5), np.random.seed(5)
    before = random.getstate(), np.random.get_state()[1].tolist()
    first = load(harness, lm_eval("sky"), lm_eval("sums"))
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before
    random.seed(6)
    assert load(harness, lm_eval("sky"), lm_eval("sums")).hash == first.hash
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")


def test_the_index_of_built_in_tasks_is_read_once_and_not_for_own_tasks(harness, monkeypatch):
    import lm_eval.tasks

    read = []
    monkeypatch.setattr(lm_eval.tasks, "TaskManager", lambda **options: read.append(options))
    finding._built_in.cache_clear()
    try:
        assert finding._built_in() is finding._built_in()
    finally:
        finding._built_in.cache_clear()
    assert read == [{}]


def test_own_tasks_hide_built_in_ones(harness):
    write_task(harness, "gsm8k", SUMS, **GENERATE)
    (task,) = load(harness, lm_eval("gsm8k")).tasks
    assert json.loads(task.examples[0].answer) == 2
