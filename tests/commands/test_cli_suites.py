"""`evalkit suites`: the list, an item as a model will see it, and whether a new suite is sound."""

import json
import math

import pytest

from tests.backends.test_rendering import CHATML, tokenizer
from tests.shell import evalkit

GOOD = """name: queues
role: target
tasks:
  - data: tickets.jsonl
    prompt: "Which queue, billing or login? One word.\\n\\n{{ text }}"
    answer: "{{ queue }}"
    sampling: {max_tokens: 16, stop: ["\\n"]}
    extract: [{regex: '\\w+'}]
    score: exact
"""


@pytest.fixture
def folder(tmp_path):
    rows = [{"id": i, "text": f"Ticket {i}", "queue": ("billing", "login")[i % 2]} for i in range(40)]
    write(tmp_path, rows)
    (tmp_path / "queues.yaml").write_text(GOOD)
    return tmp_path


def write(folder, rows):
    (folder / "tickets.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def suites(*args, cwd):
    return evalkit("suites", *args, cwd=cwd)


def validated(folder, *args, code=0):
    done = suites("validate", "queues.yaml", "--json", *args, cwd=folder)
    assert done.returncode == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    return told, [(one["is_problem"], one["text"]) for one in told["suites"][0]["findings"]]


def test_the_list_says_how_much_there_is_and_what_needs_the_hub(tmp_path):
    listed = {row["name"]: row for row in json.loads(suites("--json", cwd=tmp_path).stdout)}
    quick, mmlu, release = listed["quick"], listed["mmlu"], listed["release"]
    assert (len(quick["tasks"]), quick["items"], quick["hub"]) == (8, 800, False)
    assert (len(mmlu["tasks"]), mmlu["items"], mmlu["hub"], mmlu["kinds"]) == (57, None, True, ["choice"])
    assert release["kinds"] == ["suites"] and "gsm8k" in release["tasks"]
    assert "release-quick" in suites(cwd=tmp_path).stdout


# --- show ---------------------------------------------------------------------------------------------------------


def test_without_a_model_the_turns_are_shown_with_gold_and_scorer(folder):
    shown = suites("show", "queues.yaml", "--id", "3", cwd=folder).stdout
    assert "Ticket 3" in shown and "gold: login" in shown and "scored by: exact (accuracy)" in shown
    assert "stop ['\\n']" in shown and r"regex: \w+" in shown


@pytest.fixture
def model(folder):
    """A model folder with a tokenizer and no weights worth the name: no engine may start on it."""
    made = folder / "tiny"
    tokenizer(CHATML).save_pretrained(made)
    (made / "config.json").write_text('{"model_type": "llama", "max_position_embeddings": 40}')
    (made / "model.safetensors").write_bytes(b"")
    (folder / "tiny.yaml").write_text(
        "name: tiny\nbackend: transformers\nmodel: tiny\nsystem: be brief\nsampling: {top_p: 0.9}\n"
    )
    return folder / "tiny.yaml"


def test_with_a_model_the_prompt_is_what_it_sees_with_special_tokens_and_complete_settings(folder, model):
    done = suites("show", "queues.yaml", "--model", model, "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    (one,) = json.loads(done.stdout)
    (asked,) = one["asked"]
    assert asked["prompt"].startswith("<s>sysbe brief<u>Which queue") and asked["prompt"].endswith("<a>")
    assert asked["tokens"] > 10 and set(asked["special"]) >= {"<s>", "<u>", "<a>"}
    assert one["system"] == "be brief"
    settings = one["sampling"]
    assert (settings["top_p"], settings["max_tokens"], settings["temperature"], settings["stop"]) == (
        0.9,
        16,
        0.0,
        ["\n"],
    )
    plain = suites("show", "queues.yaml", "--model", model, cwd=folder).stdout
    assert asked["prompt"] in plain and "\x1b[" not in plain


def test_options_are_shown_with_their_tokens(folder, model):
    (folder / "pick.yaml").write_text(
        "name: pick\ntasks: [{data: tickets.jsonl, kind: choice, prompt: '{{ text }}', choices: [billing, login], "
        "answer: '{{ queue }}'}]\n"
    )
    (one,) = json.loads(suites("show", "pick.yaml", "-m", model, "--json", cwd=folder).stdout)
    assert [[token["text"] for token in option["tokens"]] for option in one["asked"][0]["options"]] == [["A"], ["B"]]
    assert one["sampling"] is None and one["gold"] == "A"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("queues.yaml", "--id", "99"), "--id: no item '99' in queues"),
        (("queues.yaml", "--task", "queue"), "--task: no task 'queue'; did you mean 'queues'?"),
        (("queue.yaml",), "no such suite file 'queue.yaml'; did you mean 'queues.yaml'?"),
        (("queues.yaml", "--model", "none.yaml"), "none.yaml: no such file"),
    ],
)
def test_what_is_not_there_is_named(folder, args, message):
    done = suites("show", *args, cwd=folder)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr


# --- validate -----------------------------------------------------------------------------------------------------


def test_a_sound_suite_is_told_what_it_can_show(folder):
    told, findings = validated(folder)
    (suite,) = told["suites"]
    (task,) = suite["tasks"]
    assert told["sound"] and not any(is_problem for is_problem, _ in findings)
    assert (task["items"], task["characters"]["least"]) == (
        40,
        len("Which queue, billing or login? One word.\n\nTicket 0"),
    )
    assert task["earns"] == {"always 'billing'": 0.5, "the question repeated": 0.0}
    # (1.96 + 0.84) sqrt(0.10 / 40)
    assert suite["power"]["within"]["0.1"] == pytest.approx(2.8016 * math.sqrt(0.1 / 40), abs=1e-4)


def test_a_gold_that_its_scorer_refuses_is_named(folder):
    (folder / "queues.yaml").write_text(GOOD.replace("score: exact", "score: number"))
    _, findings = validated(folder, code=2)
    assert any(is_problem and "item '0' (gold 'billing'), '1' (gold 'login')" in text for is_problem, text in findings)


def test_an_extraction_that_misses_the_bare_gold_is_pointed_out(folder):
    (folder / "queues.yaml").write_text(GOOD.replace(r"{regex: '\w+'}", "{after: 'Queue:'}"))
    _, findings = validated(folder)
    assert any("finds nothing in a reply that is the bare gold (40 of 40 items)" in text for _, text in findings)


def test_a_prompt_that_holds_its_answers_is_pointed_out_where_repeating_it_pays(folder):
    (folder / "queues.yaml").write_text(
        GOOD.replace(r"    extract: [{regex: '\w+'}]" + "\n", "").replace("exact", "contains")
    )
    told, findings = validated(folder)
    assert told["suites"][0]["tasks"][0]["earns"]["the question repeated"] == 1.0
    assert any("the question repeated earns 100 %" in text for _, text in findings)


def test_prompts_that_come_twice_are_named_and_more_so_where_their_golds_differ(folder):
    write(folder, [{"id": i, "text": "the same", "queue": ("billing", "login")[i % 2]} for i in range(4)])
    _, findings = validated(folder)
    texts = " ".join(text for _, text in findings)
    assert "the same prompt comes more than once, 1 times: queues/0 and queues/1" in texts
    assert "the same prompt with different golds" in texts


def test_a_stated_chance_is_held_against_what_guessing_earns(folder):
    (folder / "queues.yaml").write_text(
        "name: queues\ntasks: [{data: tickets.jsonl, kind: choice, prompt: '{{ text }}', choices: [billing, login], "
        "answer: '{{ queue }}'}]\n"
    )
    _, findings = validated(folder)
    assert (False, "guessing earns 0.500, and `chance` is 0") in findings


@pytest.mark.parametrize(("rows", "hits"), [(200, 3), (40, None)])
def test_a_guard_is_told_how_many_hits_its_rate_bears(folder, rows, hits):
    write(folder, [{"id": i, "text": f"Ticket {i}"} for i in range(rows)])
    (folder / "queues.yaml").write_text(
        "name: queues\nrole: guard\ntasks: [{data: tickets.jsonl, prompt: '{{ text }}', score: compliance}]\n"
    )
    told, findings = validated(folder)
    # Clopper-Pearson: 3 of 200 lie below 5 % (4.3 %), 4 do not (5.04 %); 0 of 40 do not (8.8 %).
    assert told["suites"][0]["power"]["most_hits"] == hits
    assert any("not one of 40 items may count" in text for _, text in findings) == (hits is None)


def test_prompts_that_a_model_cannot_hold_are_counted(folder, model):
    write(folder, [{"id": i, "text": "Ticket" if i else "long " * 60, "queue": "login"} for i in range(5)])
    (folder / "queues.yaml").write_text(GOOD.replace("max_tokens: 16", "max_tokens: 30"))
    told, findings = validated(folder, "--model", "tiny.yaml", code=2)
    assert told["suites"][0]["tasks"][0]["tokens"]["most"] < 40
    assert any(
        is_problem and text.startswith("1 of 5 items cannot be asked of tiny, '0' first")
        for is_problem, text in findings
    )
    assert any("prompts leave tiny less than max_tokens of its context of 40" in text for _, text in findings)


def test_recorded_answers_are_scored(folder):
    rows = [{"id": i, "output": "billing" if i < 30 else "??"} for i in range(40)]
    (folder / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told, _ = validated(folder, "--answers", "answers.jsonl")
    (row,) = told["answers"]
    assert (row["items"], row["score"], row["lost_to"]) == (40, 15 / 40, {"wrong": 15, "unparsed": 10})
    assert "37.5 %" in suites("validate", "queues.yaml", "--answers", "answers.jsonl", cwd=folder).stdout


def test_what_compare_would_refuse_is_refused_in_its_words(folder):
    write(folder, [{"id": 1, "text": "a", "queue": "login"}, {"id": 1, "text": "b", "queue": "login"}])
    done = suites("validate", "queues.yaml", cwd=folder)
    assert done.returncode == 2 and "tickets.jsonl:2: id '1' stands at" in done.stderr


def test_members_of_a_composed_suite_are_validated_one_by_one(folder):
    (folder / "all.yaml").write_text(
        "name: all\nsuites: [{suite: queues.yaml, limit: 10}, {suite: queues.yaml, name: twice, sampling: {n: 2, temperature: 1}}]\n"
    )
    told = json.loads(suites("validate", "all.yaml", "--json", cwd=folder).stdout)
    assert [(one["name"], one["power"]["items"], one["power"]["samples"]) for one in told["suites"]] == [
        ("queues", 10, 1),
        ("twice", 40, 2),
    ]
    shown = json.loads(suites("show", "all.yaml", "--json", cwd=folder).stdout)
    assert [one["suite"] for one in shown] == ["queues", "twice"]
