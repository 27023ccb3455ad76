"""Suite `tools`: one call alone is right, it can be told from the request, and its own schema allows it."""

import calendar
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from evalkit.config import read_suite
from evalkit.scorers import check_golds, score
from evalkit.tasks import load_task
from evalkit.types import Completion

jsonschema = pytest.importorskip("jsonschema")

SUITES = Path(__file__).resolve().parents[2] / "suites"
DATA = SUITES / "data" / "tools"
SPEC = read_suite(SUITES / "tools.yaml")
TASKS = {
    spec.name: load_task(SPEC.name, index, spec, file=SPEC.file, folder=SPEC.folder)
    for index, spec in enumerate(SPEC.tasks)
}
ROWS = {
    name: [json.loads(line) for line in (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    for name in TASKS
}
ALL = [row for rows in ROWS.values() for row in rows]
GRANTED = [row for row in ALL if row["call"]["tool"]]
NO_CALL = {"tool": None, "arguments": {}}


def pairs(name):
    return zip(ROWS[name], TASKS[name].examples, strict=True)


def marked(name, example, text):
    return score(TASKS[name].spec, example, Completion(text)).value


def parameters(row):
    return next(tool["parameters"] for tool in row["tools"] if tool["name"] == row["call"]["tool"])


# --- rows -------------------------------------------------------------------------------------------------------


def test_the_rows_are_what_the_generator_writes_byte_for_byte(tmp_path):
    subprocess.run([sys.executable, "-B", str(DATA / "make_tools.py"), str(tmp_path)], check=True)
    written = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert written == {path.name: path.read_bytes() for path in DATA.glob("*.jsonl")}


def test_no_id_and_no_request_comes_twice_even_across_tasks():
    assert len({row["id"] for row in ALL}) == len({row["request"] for row in ALL}) == len(ALL) == 320


def test_every_tool_is_wanted_equally_often():
    for rows in ROWS.values():
        wanted = Counter(row["call"]["tool"] for row in rows)
        del wanted[None]
        assert len(wanted) == 20 and len(set(wanted.values())) == 1


def test_two_to_four_tools_are_on_offer_and_the_right_one_stands_anywhere_among_them():
    assert Counter(len(row["tools"]) for row in ALL).keys() == {2, 3, 4}
    places = Counter([tool["name"] for tool in row["tools"]].index(row["call"]["tool"]) for row in GRANTED)
    assert places[0] < len(GRANTED) / 2


def test_a_gold_call_is_valid_against_its_own_tool_and_no_other_on_offer():
    for row in GRANTED:
        arguments = row["call"]["arguments"]
        jsonschema.Draft202012Validator(parameters(row)).validate(arguments)
        for tool in row["tools"]:
            valid = jsonschema.Draft202012Validator(tool["parameters"]).is_valid(arguments)
            assert valid == (tool["name"] == row["call"]["tool"]), row["id"]


def test_where_no_tool_fits_the_one_that_would_is_not_on_offer():
    refused = [row for row in ALL if row["call"] == NO_CALL]
    assert len(refused) == 20
    opening = {re.sub(r"\W.*", "", row["request"]) for row in refused}
    for row in refused:
        offered = {tool["name"] for tool in row["tools"]}
        granting = {
            other["call"]["tool"] for other in GRANTED if other["request"].split()[:2] == row["request"].split()[:2]
        }
        assert not granting & offered, row["id"]
    assert len(opening) > 8


def test_required_optional_nested_and_listed_arguments_all_occur_in_both_ways():
    optional = {
        (row["call"]["tool"], key): set()
        for row in GRANTED
        for key in parameters(row)["properties"]
        if key not in parameters(row)["required"]
    }
    for row in GRANTED:
        for (name, key), seen in optional.items():
            if name == row["call"]["tool"]:
                seen.add(key in row["call"]["arguments"])
    assert len(optional) > 12 and all(seen == {True, False} for seen in optional.values())
    assert {bool, int, float, str, list, dict} <= {
        type(value) for row in GRANTED for value in row["call"]["arguments"].values()
    }


# --- the golds, told a second time from the words of the request -------------------------------------------------

WORDS = dict(zip("two three four five six seven eight nine ten eleven twelve".split(), range(2, 13), strict=True))
SPANS = {
    "half an hour": 30,
    "an hour": 60,
    "an hour and a half": 90,
    "two hours": 120,
    "two and a half hours": 150,
    "an hour and ten minutes": 70,
}
MONEY = {"CHF": "Swiss franc", "EUR": "euro", "GBP": "pound", "JPY": "yen", "USD": "US dollar"}
LANGUAGES = {"de": "German", "es": "Spanish", "fr": "French", "it": "Italian", "pt": "Portuguese"}
WEEKDAYS = {name[:3].lower(): name for name in calendar.day_name}
MODES = {"foot": "on foot", "bicycle": "by bicycle", "car": "by car"}
MONTHS = "|".join(calendar.month_name[1:])


def dates(request):
    """All dates in a request, as year, month, day in ISO 8601."""
    found = re.findall(rf"(\d+) ({MONTHS}) (\d{{4}})", request)
    found += [(day, month, year) for month, day, year in re.findall(rf"({MONTHS}) (\d+), (\d{{4}})", request)]
    return {f"{y}-{list(calendar.month_name).index(m):02}-{int(d):02}" for d, m, y in found}


def times(request):
    """All times of day in a request, as HH:MM."""
    said = re.sub(r"half past (\d+)", r"\1:30", re.sub(r"a quarter past (\d+)", r"\1:15", request))
    found = re.findall(r"(\d+)(?::(\d+)| o'clock) in the (morning|afternoon|evening)", said)
    return {f"{int(h) % 12 + (0 if half == 'morning' else 12):02}:{int(m or 0):02}" for h, m, half in found}


def numbers(request):
    """All numbers in a request: in digits, in words, and lengths of time in minutes."""
    digits = {float(number) for number in re.findall(r"\d+(?:\.\d+)?", request)}
    words = {value for word, value in WORDS.items() if re.search(rf"\b{word}\b", request)}
    spans = [said for said in SPANS if said in request]
    return digits | words | ({SPANS[max(spans, key=len)]} if spans else set())


def told(request, value):
    """Whether a request speaks of an argument's value."""
    match value:
        case bool():
            return value != bool(re.search(r"\b[Nn]ot\b", request))
        case int() | float():
            return value in numbers(request)
        case list():
            places = [request.find(each) for each in value if isinstance(each, str)]
            return all(told(request, each) for each in value) and places == sorted(places)
        case dict():
            return all(told(request, each) for each in value.values())
    if re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return value in dates(request)
    if re.fullmatch(r"\d\d:\d\d", value):
        return value in times(request)
    named = {**MONEY, **LANGUAGES, **WEEKDAYS, **MODES}.get(value, value)
    return named in request or value.title() in request


def test_every_argument_can_be_told_from_the_request():
    for row in GRANTED:
        for key, value in row["call"]["arguments"].items():
            assert told(row["request"], value), (row["id"], row["request"], key, value)


def test_every_date_and_time_of_a_request_is_asked_for():
    for row in GRANTED:
        gold = json.dumps(row["call"])
        assert all(said in gold for said in dates(row["request"]) | times(row["request"])), row["id"]


# --- prompts and replies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_the_prompt_shows_each_tool_as_json_that_parses_back(name):
    for row, example in pairs(name):
        text = example.messages[0].content
        shown = [json.loads(line) for line in text.splitlines() if line.startswith('{"description"')]
        assert shown == row["tools"]
        assert "\\u" not in text and row["request"] in text


FORMS = ["{}", "```json\n{}\n```", "Here is the call:\n\n```\n{}\n```\nDone.", "Sure. {}"]


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("form", FORMS)
def test_the_gold_call_scores_in_usual_forms_and_in_any_order_of_keys(name, form):
    for row, example in pairs(name):
        call = row["call"]
        turned = {"arguments": dict(reversed(call["arguments"].items())), "tool": call["tool"]}
        for written in (json.dumps(call), json.dumps(turned, indent=2)):
            assert marked(name, example, form.replace("{}", written)) == 1.0, example.id


def spoilt(call):
    """Calls near to the gold."""
    arguments = call["arguments"]
    yield {**call, "tool": "set_the_table"}
    yield {**call, "arguments": {**arguments, "urgent": True}}
    yield {"name": call["tool"], "arguments": arguments}
    yield {"tool": call["tool"], **arguments}
    if call["tool"]:
        yield NO_CALL
        yield {**call, "arguments": {}}
        key = next(iter(arguments))
        yield {**call, "arguments": {**arguments, key: None}}


@pytest.mark.parametrize("name", TASKS)
def test_a_call_near_to_the_gold_earns_nothing(name):
    for row, example in pairs(name):
        for call in spoilt(row["call"]):
            assert marked(name, example, json.dumps(call)) == 0.0, (example.id, call)
        assert marked(name, example, json.dumps(row["call"])[:-1]) == 0.0
        assert marked(name, example, example.messages[0].content) == 0.0
        assert marked(name, example, "I cannot do that.") == 0.0


def test_a_wrong_value_of_the_right_form_is_a_call_that_can_be_executed_and_not_the_right_one():
    call = {"tool": "set_timer", "arguments": {"minutes": 7777}}
    for name, value in (("call", 0.0), ("schema", 1.0)):
        examples = [example for row, example in pairs(name) if row["call"]["tool"] == "set_timer"]
        assert examples and all(marked(name, example, json.dumps(call)) == value for example in examples)


def test_golds_are_ones_that_the_scorers_can_mark_by():
    for task in TASKS.values():
        check_golds(task.spec, task.examples, asked_by="tools.yaml")


def test_chance_is_what_the_best_reply_earns_that_never_reads_the_request():
    replies = {json.dumps(row["call"], sort_keys=True) for row in ALL}
    scored = {
        reply: sum(marked(name, example, reply) for name in TASKS for example in TASKS[name].examples)
        for reply in [json.dumps(NO_CALL), *sorted(replies)[:40]]
    }
    best = max(scored, key=scored.get)
    assert json.loads(best) == NO_CALL
    assert SPEC.chance == scored[best] / len(ALL)
