"""A server that fails one request in ten, in every way there is: nothing is lost, nothing is invented, nothing counted twice."""

import hashlib
import json
import random
import time

import pytest
from openai_local_api import Api, api_error, ask, completion, request, serving, spec

from evalkit import api as evalkit_api
from evalkit.config import JudgeSpec, ModelSpec, SuiteSpec
from evalkit.judging import Pair
from evalkit.running.reading import read_pairs
from evalkit.stored.cache import Journal
from evalkit.types import Completion, Example, Message, Silent
from evalkit.yamlfile import validate

TROUBLES = ("429", "429 with a pause", "500", "cut", "slow", "html", "half", "empty", "other json")


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class Fire:
    """Answers each question with what `right` makes of it, except where the dice say trouble; counts what it did."""

    def __init__(self, right, seed=0, share=0.1):
        self.right = right
        self.random = random.Random(seed)
        self.share = share
        self.troubles = []

    def __call__(self, body, attempt):
        content = body["messages"][-1]["content"]
        if self.random.random() >= self.share:
            return 200, {}, completion(self.right(content))
        trouble = TROUBLES[len(self.troubles) % len(TROUBLES)]
        self.troubles.append(trouble)
        match trouble:
            case "429":
                return 429, {}, api_error("slow down")
            case "429 with a pause":
                return 429, {"retry-after": "0.05"}, api_error("slow down")
            case "500":
                return 500, {}, api_error("oops")
            case "cut":
                return 200, {}, None
            case "slow":
                time.sleep(1.5)
                return 200, {}, completion("too late: a wrong answer")
            case "html":
                return 200, {}, "<html>bad gateway</html>"
            case "half":
                return 200, {}, json.dumps(completion(self.right(content)))[:40]
            case "empty":
                return 200, {}, ""
        return 200, {}, {"status": "fine"}


@pytest.fixture
def no_pauses(monkeypatch):
    """The pauses between attempts are shortened; how many there are is not."""
    import tenacity

    from evalkit.backends import openai_server

    monkeypatch.setattr(openai_server, "_backoff", tenacity.wait_fixed(0.01))


def test_every_answer_comes_and_is_its_questions_own(no_pauses):
    fire = Fire(digest)
    with serving(Api(fire)) as api:
        landed = ask(spec(api, timeout_s=1, concurrency=32), *(request(f"question {i}") for i in range(400)))
    assert len(landed) == 400 and len({one.request.example_id for one, _ in landed}) == 400
    assert [answer.failure for _, answer in landed if answer.failure] == []
    assert all(answer.text == digest(one.request.messages[-1].content) for one, answer in landed)
    assert set(fire.troubles) == set(TROUBLES), "every kind of trouble was met"


def fair(content):
    """A judge that prefers the answer with the larger number."""
    numbers = [int(part.split()[0]) for part in content.split("number ")[1:3]]
    word = "first" if numbers[0] > numbers[1] else "second"
    return json.dumps({"choice": word})


def test_no_verdict_is_lost_and_none_invented(no_pauses, tmp_path):
    fire = Fire(fair, seed=1)
    with serving(Api(fire)) as api:
        judge = validate(
            JudgeSpec,
            {
                "name": "j",
                "model": {
                    "backend": "openai", "model": "tiny", "base_url": api.url, "api_key": "k" * 12,
                    "timeout_s": 1, "concurrency": 32,
                },
                "rubric": "{{ prompt }} {{ first }} {{ second }}",
            },
        )  # fmt: skip
        pairs = [
            Pair("s", "t", Example(str(i), (Message("user", f"item {i}"),)), *answers)
            for i in range(200)
            for answers in [(Completion(f"number {i}"), Completion(f"number {(7 * i + 3) % 199}"))]
        ]
        with Journal(tmp_path / "journal.sqlite") as journal:
            reading = read_pairs(judge, pairs, journal, tmp_path, Silent())
    assert len(reading.verdicts) == 400 and len({(v.example_id, v.order) for v in reading.verdicts}) == 400
    for verdict in reading.verdicts:
        base, tuned = int(verdict.example_id), (7 * int(verdict.example_id) + 3) % 199
        if base != tuned:
            assert verdict.winner == ("base" if base > tuned else "tuned"), verdict
    assert len(fire.troubles) > 20


def test_candidates_under_fire_are_compared_as_if_nothing_had_happened(no_pauses, tmp_path):
    rows = [{"id": str(i), "q": f"say {i}", "a": str(i)} for i in range(100)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"data": "rows.jsonl", "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number"}
    suite = validate(SuiteSpec, {"name": "s", "tasks": [task]}).model_copy(update={"folder": str(tmp_path)})

    def answer(content):
        number = int(content.split()[1])
        return str(number if number % 4 else number + 1)

    fire = Fire(answer, seed=2)
    with serving(Api(fire)) as api:
        base, tuned = (
            ModelSpec.model_validate(
                {"name": n, "backend": "openai", "model": "tiny", "revision": n, "base_url": api.url, "timeout_s": 1}
            )
            for n in ("base", "tuned")
        )
        run = evalkit_api.run_comparison(base, tuned, suites=[suite])
    (result,) = run.comparison.suites
    assert (result.n, result.missing, result.base, result.tuned) == (100, 0, 0.75, 0.75)
    assert run.decision.complete and len(fire.troubles) > 5


def test_a_key_refused_midway_keeps_what_has_landed(no_pauses, tmp_path):
    def reply(body, attempt):
        content = body["messages"][-1]["content"]
        return (401, {}, api_error("no")) if content == "question 60" else (200, {}, completion(digest(content)))

    from evalkit.backends import open_backends
    from evalkit.types import EngineError

    with serving(Api(reply)) as api:
        (backend,) = open_backends({"base": spec(api, concurrency=8)}, tmp_path)
        landed = []
        with pytest.raises(EngineError, match="api_key"):
            for one, answer in backend.stream(backend.prepare(request(f"question {i}")) for i in range(400)):
                landed.append((one.request.example_id, answer.text))
        backend.close()
    assert 50 <= len(landed) < 100 and all(text == digest(id) for id, text in landed)
