"""Both local engines on a real model: what they must agree on, and what each must keep."""

from __future__ import annotations

import importlib.util
import math
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from evalkit.backends import Backend, open_backends
from evalkit.config import ModelSpec
from evalkit.scorers.choice import read_choice
from evalkit.types import (
    Completion,
    Constraint,
    EngineError,
    Example,
    Failure,
    InputError,
    Message,
    Prepared,
    Request,
    Sampling,
    Silent,
)

pytestmark = pytest.mark.e2e

ENGINES = [
    pytest.param(
        name, marks=pytest.mark.skipif(importlib.util.find_spec(name) is None, reason=f"{name} is not installed")
    )
    for name in ("vllm", "transformers")
]
# In bfloat16 a step between neighbouring logits of this model is 0.125: options tie or swap by rounding alone, in each
# engine another way. Agreement is a claim about prompts and arithmetic, so it is examined in float32.
EXACT = {"dtype": "float32", "max_model_len": 1024}

CAPITALS = dict(
    zip(
        "France Germany Italy Spain Portugal Austria Hungary Greece Norway Sweden Poland Ireland".split(),
        "Paris Berlin Rome Madrid Lisbon Vienna Budapest Athens Oslo Stockholm Warsaw Dublin".split(),
        strict=True,
    )
)
LETTERS = ("A", "B", "C", "D")


def ask(text: str, id: str, sampling: Sampling | None = None, **more) -> Request:
    messages = (Message("user", text),)
    return Request("base", "suite", "task", id, messages, sampling or Sampling(max_tokens=16), **more)


def choice_items() -> list[Request]:
    """Three dozen questions of four options, the right one in every place."""
    items, cities = [], list(CAPITALS.values())
    for place, (country, city) in enumerate(CAPITALS.items()):
        wrong = [other for other in cities if other != city]
        for turn in range(3):
            options = [wrong[(place + turn + k) % len(wrong)] for k in range(3)]
            options.insert((place + turn) % 4, city)
            lines = "\n".join(f"{letter}. {name}" for letter, name in zip(LETTERS, options, strict=True))
            text = f"What is the capital of {country}?\n{lines}\nAnswer with one letter."
            items.append(ask(text, f"{country}-{turn}", options=LETTERS))
    return items


TEXTS = ask("The capital of Italy is", "texts", options=("Rome", "the city of London", "the city of Rome", "Bern"))
GREEDY = [ask(f"What is {n} plus {n + 2}? Explain.", f"greedy-{n}") for n in range(6)]
STOPPED = ask("Count from 1 to 20: 1, 2, 3,", "stopped", Sampling(max_tokens=40, stop=("7", "no such text")))
SHORT = ask("Write a long story about a cat.", "short", Sampling(max_tokens=5))
SAMPLED = Sampling(temperature=1.0, top_p=0.95, max_tokens=12)
SAMPLES = [
    ask("Name an animal and say why.", f"sample-{seed}-{sample}", replace(SAMPLED, seed=seed), sample=sample)
    for seed, sample in ((1, 0), (1, 1), (2, 2))
]
WORDS = ("first", "second", "tie")
JUDGED = [
    ask(f"Which is longer? first: {a} second: {b}", f"judged-{a}", Sampling(max_tokens=8), constraint=Constraint(WORDS))
    for a, b in (("a word", "two words more"), ("a very long sentence", "x"), ("same", "same"))
]
DISTINCT = [replace(one, constraint=Constraint((*WORDS, str(place)))) for place, one in enumerate(JUDGED)]
VERBATIM = ask("Paris is the capital of", "verbatim", options=(" France", " Germany and Austria", "\n"), verbatim=True)
PROSE = " ".join(f"{city} is the capital of {country}." for country, city in CAPITALS.items())
READ = Request("base", "suite", "task", "read", (), Sampling(), text=PROSE)
READ_LONG = Request("base", "suite", "task", "read-long", (), Sampling(), text=" ".join([PROSE] * 16))
# Prompts that fill a block of vLLM's prefix cache, which their options share; those of the second begin alike for longer
# than a block as well.
SHARED = ask(f"{PROSE} {PROSE}", "shared", options=(" Rome is large.", " Rome", " Is it so? No."), verbatim=True)
ALIKE = ask(
    f"Again: {PROSE} {PROSE}",
    "alike",
    options=tuple(f" {PROSE} {PROSE} {end}" for end in ("Yes, it is.", "No.")),
    verbatim=True,
)
KEPT = ask("Name a colour.", "kept", Sampling(temperature=1.0, max_tokens=12, seed=3), keep_tokens=True)
SCORED = [VERBATIM, SHARED, ALIKE, READ, READ_LONG]
EVERYTHING = [*SCORED, KEPT, *choice_items(), TEXTS, *GREEDY, STOPPED, SHORT, *SAMPLES, *JUDGED]


def opened(backend: str, model: Path, folder: Path, **engine) -> Backend:
    spec = ModelSpec(name="smol", backend=backend, model=str(model), engine={**EXACT, **engine})
    return open_backends({"base": spec}, folder)[0]


def prepare(backend: Backend, requests: list[Request]) -> list[Prepared]:
    prepared = [backend.prepare(request) for request in requests]
    assert not [one for one in prepared if isinstance(one, Failure)]
    return [one for one in prepared if isinstance(one, Prepared)]


def answer(backend: Backend, requests: list[Request]) -> dict[str, Completion]:
    landed = {one.request.example_id: done for one, done in backend.stream(prepare(backend, requests))}
    assert set(landed) == {request.example_id for request in requests}
    return landed


@dataclass
class Served:
    """One engine's answers to everything, and the few more that need the engine again."""

    prepared: dict[str, Prepared]
    answers: dict[str, Completion]
    alone: Completion
    again: dict[str, Completion]


@pytest.fixture(scope="module")
def served(model_folder, tmp_path_factory):
    """Every engine's answers. Each loads, answers and is closed, one after the other in this one process."""
    cache: dict[str, Served] = {}

    def serve(name: str) -> Served:
        if name not in cache:
            backend = opened(name, model_folder, tmp_path_factory.mktemp(name))
            backend.start(Silent())
            try:
                answers = answer(backend, EVERYTHING)
                alone = answer(backend, GREEDY[:1])[GREEDY[0].example_id]
                again = answer(backend, SAMPLES[::-1])
                prepared = {one.request.example_id: one for one in prepare(backend, EVERYTHING)}
                cache[name] = Served(prepared, answers, alone, again)
            finally:
                backend.close()
        return cache[name]

    return serve


def margin(logprobs: tuple[float, ...]) -> float:
    best, second = sorted(logprobs, reverse=True)[:2]
    return best - second


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_both_engines_choose_alike_unless_two_options_are_within_two_hundredths(served):
    ours, theirs = served("vllm").answers, served("transformers").answers
    compared = 0
    for item in choice_items():
        a, b = ours[item.example_id], theirs[item.example_id]
        assert a.logprobs and b.logprobs and len(a.logprobs) == len(b.logprobs) == 4
        if min(margin(a.logprobs), margin(b.logprobs)) >= 0.02:
            compared += 1
            assert a.text == b.text, f"{item.example_id}: {a.logprobs} {b.logprobs}"
    assert compared >= 24


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_both_engines_score_options_of_several_tokens_alike(served):
    ours, theirs = (served(name).answers["texts"].logprobs for name in ("vllm", "transformers"))
    assert ours == pytest.approx(theirs, abs=0.02)
    assert all(value < 0 for value in ours)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
@pytest.mark.parametrize("asked", SCORED, ids=lambda request: request.example_id)
def test_both_engines_give_texts_and_verbatim_options_the_same_likelihood(served, asked):
    vllm, transformers = (served(name).answers[asked.example_id] for name in ("vllm", "transformers"))
    # What else is in vLLM's batch moves a sum by up to two thousandths; a token read wrongly moves it by far more.
    assert vllm.logprobs == pytest.approx(transformers.logprobs, rel=5e-3, abs=2e-2)
    assert vllm.greedy == transformers.greedy
    assert all(value < 0 for value in vllm.logprobs)


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
@pytest.mark.parametrize("normalise", ["none", "characters", "bytes"])
def test_both_engines_pick_the_same_long_option_raw_and_for_its_length(served, normalise):
    example = Example("texts", TEXTS.messages, "A", TEXTS.options)
    picks = {name: read_choice(served(name).answers["texts"], example, normalise) for name in ("vllm", "transformers")}
    # Raw, the shortest right option wins; by length a longer one has its chance, and both engines see it alike.
    values = served("vllm").answers["texts"].logprobs
    sizes = [1 if normalise == "none" else len(option) for option in TEXTS.options]
    best = max(range(len(values)), key=lambda place: values[place] / sizes[place])
    assert picks == {"vllm": "ABCD"[best], "transformers": "ABCD"[best]}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_text_beyond_the_context_is_read_in_windows_and_an_option_knows_whether_it_was_the_likeliest(served, engine):
    answers = served(engine).answers
    assert len(answers["read"].logprobs) == 1 and len(answers["read-long"].logprobs) > 1
    # Repetition makes a text likelier: its windows cost less a token than its first telling.
    long = served(engine).prepared["read-long"]
    tokens = sum(len(span.ids) - span.start for span in long.spans)
    first = served(engine).prepared["read"].spans[0]
    assert sum(answers["read-long"].logprobs) / tokens > sum(answers["read"].logprobs) / (len(first.ids) - 1)


@pytest.mark.parametrize("engine", ENGINES)
def test_tokens_that_were_kept_spell_the_answer(served, engine):
    kept = served(engine).answers["kept"]
    assert 1 <= len(kept.token_ids) == kept.usage.completion_tokens <= 12
    assert served(engine).answers["greedy-0"].token_ids is None


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_both_engines_tokenise_alike_and_begin_each_turn_once(served):
    ours, theirs = served("vllm").prepared, served("transformers").prepared
    for id, one in ours.items():
        assert one.token_ids == theirs[id].token_ids and one.option_ids == theirs[id].option_ids
        assert one.spans == theirs[id].spans
        if one.request.text is None:
            assert one.token_ids and one.token_ids[0] == 1 and one.token_ids[1] != 1
        else:  # a text by itself is scored after one beginning token
            assert all(span.ids[1] != 1 for span in one.spans) and one.token_ids == (1,)
        assert one.key != theirs[id].key  # another engine may answer otherwise


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_both_engines_write_the_same_greedy_text(served):
    ours, theirs = served("vllm").answers, served("transformers").answers
    same = [ours[one.example_id].text == theirs[one.example_id].text for one in GREEDY]
    assert sum(same) >= len(same) - 1  # a tie of two tokens may be broken either way


@pytest.mark.parametrize("engine", ENGINES)
def test_greedy_text_is_the_same_alone_and_in_a_batch(served, engine):
    assert served(engine).alone == served(engine).answers[GREEDY[0].example_id]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_seed_fixes_a_sample_whatever_else_is_in_the_batch(served, engine):
    answers, again = served(engine).answers, served(engine).again
    first, same_seed, other_seed = (one.example_id for one in SAMPLES)
    assert answers[first].text == again[first].text == again[same_seed].text
    assert answers[first].text != answers[other_seed].text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_choice_constraint_allows_its_words_and_nothing_else(served, engine):
    for one in JUDGED:
        done = served(engine).answers[one.example_id]
        assert done.text in WORDS and done.finish_reason == "stop"


@pytest.mark.parametrize("engine", ENGINES)
def test_text_is_cut_at_the_stop_string_or_at_the_length_and_says_which(served, engine):
    stopped, short = served(engine).answers["stopped"], served(engine).answers["short"]
    assert "7" not in stopped.text and stopped.finish_reason == "stop"
    assert short.finish_reason == "length" and short.usage.completion_tokens == 5
    assert "<|im_" not in short.text


@pytest.mark.parametrize("engine", ENGINES)
def test_a_choice_reports_every_option_and_names_the_likeliest(served, engine):
    done = served(engine).answers["texts"]
    assert done.logprobs and not any(map(math.isnan, done.logprobs))
    assert done.text == TEXTS.options[done.logprobs.index(max(done.logprobs))]
    assert done.usage.prompt_tokens == len(served(engine).prepared["texts"].token_ids or ())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_prompt_too_long_fails_alone_and_says_by_how_much(model_folder, tmp_path, engine):
    backend = opened(engine, model_folder, tmp_path, max_model_len=64)
    long, short = backend.prepare(ask("word " * 100, "long")), backend.prepare(SHORT)
    assert isinstance(long, Failure) and long.kind == "prompt_too_long" and "64" in long.message
    assert isinstance(short, Prepared)
    try:
        backend.start(Silent())
        [(_, done)] = backend.stream(
            [replace(short, request=replace(short.request, sampling=Sampling(max_tokens=500)))]
        )
    finally:
        backend.close()
    # What the context leaves of 500 tokens is what there is.
    assert done.failure is None and done.finish_reason == "length"
    assert done.usage.prompt_tokens + done.usage.completion_tokens == 64


@pytest.mark.parametrize("engine", ENGINES)
def test_identity_and_prompts_need_no_engine(model_folder, tmp_path, engine):
    program = f"""
import sys
from pathlib import Path
from evalkit.backends import open_backends
from evalkit.config import ModelSpec
from evalkit.types import Message, Request, Sampling
spec = ModelSpec(name="smol", backend={engine!r}, model={str(model_folder)!r})
[backend] = open_backends({{"base": spec, "judge": spec}}, Path({str(tmp_path)!r}))
assert backend.models == ("base", "judge"), backend.models
record = backend.record("base")
assert (record.format, record.context_limit) == ("chat", 8192), record
prepared = backend.prepare(Request("base", "s", "t", "1", (Message("user", "Hi"),), Sampling()))
assert prepared.key and prepared.token_ids
assert "vllm" not in sys.modules and "peft" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("engine", ENGINES)
def test_on_a_cpu_float32_is_the_default_and_a_stated_precision_is_obeyed(model_folder, tmp_path, engine):
    if __import__("torch").cuda.is_available():
        pytest.skip("the default precision on a CPU is the subject")

    def record(**options):
        spec = ModelSpec(name="smol", backend=engine, model=str(model_folder), engine=options)
        return open_backends({"base": spec}, tmp_path)[0].record("base")

    settled, stated = record(), record(dtype="bfloat16")
    assert settled.precision == "float32" and "float32" in " ".join(settled.notes)
    assert stated.precision == "bfloat16" and "float32" not in " ".join(stated.notes)
    assert settled.engine_options != stated.engine_options  # and so their answers have different keys


@pytest.mark.parametrize("engine", ENGINES)
def test_an_unknown_engine_option_is_the_users_mistake(model_folder, tmp_path, engine):
    backend = opened(engine, model_folder, tmp_path, tensor_paralel_size=2)
    with pytest.raises(InputError, match="smol: engine: .*'tensor_paralel_size'"):
        backend.start(Silent())


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_an_engine_option_with_an_impossible_value_is_the_users_mistake(model_folder, tmp_path):
    backend = opened("vllm", model_folder, tmp_path, dtype="float33")
    with pytest.raises(InputError, match=r"smol: engine: dtype: .*'float32'"):
        backend.start(Silent())


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_an_engine_without_memory_says_what_to_change_and_the_next_one_loads(model_folder, tmp_path):
    starved = opened("vllm", model_folder, tmp_path, max_model_len=8192, num_gpu_blocks_override=8)
    with pytest.raises(EngineError) as caught:
        starved.start(Silent())
    starved.close()
    assert caught.value.kind == "out_of_memory" and "max_model_len" in caught.value.hint
    backend = opened("vllm", model_folder, tmp_path)
    try:
        assert answer(backend, [SHORT])["short"].failure is None
    finally:
        backend.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_not_pulled_yet_can_be_withheld(model_folder, tmp_path, engine):
    backend = (
        opened(engine, model_folder, tmp_path, max_num_seqs=2)
        if engine == "vllm"
        else opened(engine, model_folder, tmp_path, batch_size=1)
    )
    pulled: list[str] = []

    def source():
        for one in prepare(backend, [ask("Say hi.", str(n), Sampling(max_tokens=2)) for n in range(40)]):
            pulled.append(one.request.example_id)
            yield one

    try:
        backend.start(Silent())
        stream = backend.stream(source())
        next(stream)
        stream.close()
        assert len(pulled) <= 5
        assert answer(backend, [SHORT])["short"].failure is None  # what was withdrawn does not come back
    finally:
        backend.close()


def test_a_batch_too_large_for_memory_is_halved_and_a_single_request_too_large_fails_alone(
    model_folder, tmp_path, monkeypatch
):
    backend = opened("transformers", model_folder, tmp_path, batch_size=4)
    backend.start(Silent())
    generate, sizes = backend._engine.generate, []  # type: ignore[attr-defined]

    def small_memory(batch, words):
        sizes.append(len(batch))
        if len(batch) > 2 or any(one.request.example_id == "greedy-3" for one in batch):
            raise MemoryError("out of memory")
        return generate(batch, words)

    monkeypatch.setattr(backend._engine, "generate", small_memory)  # type: ignore[attr-defined]
    try:
        landed = answer(backend, GREEDY[:4])
    finally:
        backend.close()
    failed = {id: done.failure.kind for id, done in landed.items() if done.failure}
    assert failed == {"greedy-3": "out_of_memory"}
    assert sizes[0] == 4 and max(sizes[1:]) == 2


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_an_engine_that_dies_while_generating_says_so_and_can_be_started_again(model_folder, tmp_path, monkeypatch):
    backend = opened("vllm", model_folder, tmp_path)
    backend.start(Silent())

    def die():
        raise RuntimeError("the worker is gone")

    monkeypatch.setattr(backend._engine._engine, "step", die)  # type: ignore[attr-defined]
    with pytest.raises(EngineError, match="died while generating: the worker is gone"):
        answer(backend, GREEDY[:2])
    backend.close()
    try:
        backend.start(Silent())
        assert answer(backend, [SHORT])["short"].failure is None
    finally:
        backend.close()


@pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vllm is not installed")
def test_a_request_that_the_engine_gives_up_alone_is_put_again_and_at_last_reported(
    model_folder, tmp_path, monkeypatch
):
    from vllm.v1.structured_output import StructuredOutputManager

    compile_ = StructuredOutputManager._create_grammar
    failures = {'"0"': 1, '"2"': 99}  # by a word that only one of them allows

    def failing(self, request):
        _, grammar = request.structured_output_request.structured_output_key
        for word in failures:
            if word in grammar and failures[word]:
                failures[word] -= 1
                raise RuntimeError("the grammar does not compile")
        return compile_(self, request)

    monkeypatch.setattr(StructuredOutputManager, "_create_grammar", failing)
    backend = opened("vllm", model_folder, tmp_path)
    try:
        landed = answer(backend, [*DISTINCT, SHORT])
    finally:
        backend.close()
    failed = {id: done.failure.kind for id, done in landed.items() if done.failure}
    assert failed == {"judged-same": "aborted"} and failures == {'"0"': 0, '"2"': 96}
    assert all(landed[one.example_id].text in one.constraint.choice for one in DISTINCT[:2])
