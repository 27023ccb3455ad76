"""vLLM's real server and its offline engine: the same answers to everything, and nothing left running."""

from __future__ import annotations

import importlib.util

import pytest

from evalkit.backends import open_backends
from evalkit.config import ModelSpec
from evalkit.types import Completion, Constraint, Message, Prepared, Request, Sampling, Silent
from tests.backends.test_server_process import goes

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed"),
]

# On a CPU greedy answers in float32 do not depend on what else is in a batch; in bfloat16 they do.
ENGINE = {"dtype": "float32", "max_model_len": 512, "enforce_eager": True, "max_num_seqs": 16}


def ask(text: str, **more) -> Request:
    sampling = more.pop("sampling", Sampling(max_tokens=12))
    return Request("base", "s", "t", text, (Message("user", text),), sampling, **more)


CITIES = ("Paris", "Berlin", "Rome", "Madrid", "Oslo", "Vienna")
GREEDY = [ask(f"What is {n} plus {n + 3}? Explain.") for n in range(17)]
STOPPED = ask(
    "Count from 1 to 20: 1, 2, 3,", sampling=Sampling(max_tokens=30, stop=("no such text", "x!", "y!", "z!", "7"))
)
PENALISED = ask("Say the same word again and again.", sampling=Sampling(max_tokens=12, repetition_penalty=1.3))
SAMPLED = ask(
    "Name an animal.", sampling=Sampling(temperature=1.0, top_p=0.9, top_k=40, seed=3, max_tokens=8), keep_tokens=True
)
JUDGED = ask("Which is longer, a word or a sentence?", constraint=Constraint(("first", "second", "tie")))
SCHEMA = ask(
    "A colour as JSON.",
    sampling=Sampling(max_tokens=40),
    constraint=Constraint(
        json_schema='{"type": "object", "properties": {"colour": {"enum": ["red", "blue"]}}, "required": ["colour"]}'
    ),
)
LETTERS = [
    ask(
        f"Which is the capital of {land}?\nA. {CITIES[n]}\nB. {CITIES[(n + 1) % 6]}\nAnswer with a letter.",
        options=("A", "B"),
    )
    for n, land in enumerate(("France", "Germany", "Italy", "Spain", "Norway", "Austria"))
]
TEXTS = [
    ask(f"The capital of {land} is", options=CITIES[:4] + ("the city of Rome",))
    for land in ("France", "Germany", "Italy")
]
READ = Request("base", "s", "t", "read", (), Sampling(), text=" ".join(f"{city} is a city." for city in CITIES))
ASKED = [*GREEDY, STOPPED, PENALISED, SAMPLED, JUDGED, SCHEMA, *LETTERS, *TEXTS, READ]


def test_server_and_offline_engine_give_the_same_answers_and_the_server_is_gone_afterwards(
    model_folder, tmp_path, monkeypatch
):
    monkeypatch.setenv("VLLM_CPU_KVCACHE_SPACE", "1")
    keys: dict[str, list[str]] = {}
    found: dict[str, dict[str, Completion]] = {}
    for kind in ("vllm-server", "vllm"):
        spec = ModelSpec(name="smol", backend=kind, model=str(model_folder), engine=ENGINE)
        (backend,) = open_backends({"base": spec}, tmp_path)
        try:
            backend.start(Silent())
            pid = backend._own.process.pid if kind == "vllm-server" else 0  # type: ignore[attr-defined]
            prepared = [one for one in map(backend.prepare, ASKED) if isinstance(one, Prepared)]
            keys[kind] = [one.key for one in prepared]
            found[kind] = {one.request.example_id: done for one, done in backend.stream(prepared)}
        finally:
            backend.close()
        assert len(found[kind]) == len(ASKED)
        assert not [done.failure for done in found[kind].values() if done.failure]
        if pid:
            assert goes(pid)
    assert keys["vllm-server"] == keys["vllm"]
    for id, offline in found["vllm"].items():
        served = found["vllm-server"][id]
        assert (served.text, served.finish_reason, served.greedy, served.token_ids) == (
            offline.text, offline.finish_reason, offline.greedy, offline.token_ids,
        ), id  # fmt: skip
        if id != STOPPED.example_id:  # the server takes four stop strings: the fifth is cut off when all is written
            assert served.usage == offline.usage, id
        if offline.logprobs is not None:
            assert served.logprobs == pytest.approx(offline.logprobs, abs=1e-3)
