"""Judges behind an API whose mind is known: they find the better answer of an anchor pair by looking it up."""

import json
import re
from collections.abc import Callable

from evalkit.examining.anchors import Anchor, read_anchors
from tests.backends.openai_local_api import BODY, Api, completion

RUBRIC = "Which answer is better?\n{{ prompt }}\n{{ first }}\n{{ second }}\n"
ANCHORS = {anchor.prompt: anchor for anchor in read_anchors()}


def judge_file(url: str, **fields: object) -> str:
    """A judge file (JSON is YAML) for the server at `url`."""
    model = {"backend": "openai", "model": "tiny", "base_url": url, "api_key": "sk-test", "concurrency": 4}
    return json.dumps({"name": "judge", "model": model, "rubric": RUBRIC, **fields})


def question(body: BODY) -> str:
    messages = body["messages"]
    assert isinstance(messages, list)
    return messages[-1]["content"]


def anchor_in(asked: str) -> Anchor:
    """The pair that is asked about: several prompts could begin alike, so the longest that stands there."""
    return max((one for prompt, one in ANCHORS.items() if prompt in asked), key=lambda one: len(one.prompt))


def knowing(asked: str) -> str:
    """The slot of the better answer."""
    better = anchor_in(asked).better
    upper, lower = re.split(r"\[\w+ second answer begins\]", asked.split("first answer begins]", 1)[1], maxsplit=1)
    assert (better in upper) != (better in lower)
    return "first" if better in upper else "second"


def judging(mind: Callable[[str, int], str]) -> Api:
    """A server that replies `mind(question, how many times the same was asked)`, in the JSON that is asked for."""

    def reply(body: BODY, attempt: int):
        verdict = mind(question(body), attempt)
        return 200, {}, completion(json.dumps({"choice": verdict}) if "response_format" in body else verdict)

    return Api(reply)
