"""How are options of several tokens scored in the least time? Four ways on one engine, the same tokens.

    python bench/choice_scoring.py [--model FOLDER] [--prompts 100,600,2000] [--tokens 2,4,8,16] [--questions 4]

whole: one request an option, `prompt_logprobs` of prompt and option together. vLLM then computes all of it: a request
with `prompt_logprobs` does not read the prefix cache (`SamplingParams.skip_reading_prefix_cache`).
steps: one request a token of the option, its log-probability read from the distribution before it
(`logprob_token_ids`); each finds all full blocks of the prompt in the prefix cache.
shared: as `whole`, and the prefix cache is read. vLLM then gives rows only for what it computed, which is enough as long
as the cache ends before the option begins; where it reached further the option is asked again as `whole`.
forked: one request for the prompt, whose distribution has the first token of every option, and one an option for what
follows, as `shared`. It is what evalkit does where a prompt fills a block (`evalkit/backends/local.py`, `parts_of`).

Printed: seconds of each (medians; the four alternate, with an empty prefix cache each time), the ratio to `whole`, and
the largest difference of a sum of log-probabilities from `whole`. Minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bench.machine import load_note, machine  # noqa: E402

MODEL = ROOT / "examples" / "models" / "SmolLM2-135M-Instruct"


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt and its options, as token ids."""

    prompt: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(os.environ.get("EVALKIT_TEST_MODEL") or MODEL))
    parser.add_argument("--prompts", type=_numbers, default=[100, 600, 2000], help="prompt lengths, in tokens")
    parser.add_argument("--tokens", type=_numbers, default=[2, 4, 8, 16], help="tokens an option")
    parser.add_argument("--questions", type=int, default=4)
    parser.add_argument("--options", type=int, default=4, help="options a question")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument(
        "--cpu-time", action="store_true", help="count processor seconds: for a machine that is not quiet"
    )
    parser.add_argument("--block-size", type=int, help="tokens a block of the KV cache (default: the engine's own)")
    given = parser.parse_args()
    print(machine(), load_note(), sep="\n", flush=True)
    engine = _load(given)
    block = engine.llm_engine.vllm_config.cache_config.block_size
    seconds = "processor seconds" if given.cpu_time else "seconds"
    print(f"{given.dtype}, blocks of {block} tokens, {given.questions} questions of {given.options} options, ", end="")
    print(f"{seconds}, medians of {given.repeats}\n")
    clock = time.process_time if given.cpu_time else time.monotonic
    for way in WAYS.values():  # first calls compile and allocate
        way(engine, _questions(min(given.prompts), max(given.tokens), given)[:1])
    print(f"{'prompt':>8}{'option':>8}" + "".join(f"{name + ', s':>11}" for name in WAYS), end="")
    print("".join(f"{name:>9}" for name in _OTHERS) + f"{'difference':>12}{'asked again':>13}", flush=True)
    for length in given.prompts:
        for count in given.tokens:
            try:
                _row(engine, _questions(length, count, given), given.repeats, clock, length, count)
            except Exception as error:  # one cell must not cost the others
                print(f"{length:>8}{count:>8}   FAILED {type(error).__name__}: {str(error)[:200]}", flush=True)


def _numbers(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


def _load(given: argparse.Namespace) -> Any:
    from evalkit.backends.vllm import is_cpu_build
    from evalkit.backends.vllm_engine import settle_environment

    settle_environment(cpu=is_cpu_build())
    from vllm import LLM

    options: dict[str, Any] = {"block_size": given.block_size} if given.block_size else {}
    longest = max(given.prompts) + max(given.tokens) + 1
    if is_cpu_build():
        options["enforce_eager"] = True
    return LLM(
        model=str(given.model),
        dtype=given.dtype,
        max_model_len=longest,
        logprobs_mode="raw_logprobs",
        generation_config="vllm",
        **options,
    )


def _questions(length: int, count: int, given: argparse.Namespace) -> list[Question]:
    draw = random.Random(length * 100 + count)

    def tokens(n: int) -> tuple[int, ...]:
        return tuple(draw.randrange(1000, 40000) for _ in range(n))

    return [
        Question(tokens(length), tuple(tokens(count) for _ in range(given.options))) for _ in range(given.questions)
    ]


def _row(
    engine: Any, questions: Sequence[Question], repeats: int, clock: Callable[[], float], length: int, count: int
) -> None:
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    sums: dict[str, list[float]] = {}
    again: dict[str, int] = {}
    for repeat in range(repeats):
        for name in list(WAYS) if repeat % 2 else reversed(list(WAYS)):
            engine.reset_prefix_cache()
            began = clock()
            sums[name], again[name] = WAYS[name](engine, questions)
            seconds[name].append(clock() - began)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    difference = max(abs(a - b) for name in _OTHERS for a, b in zip(sums[name], sums["whole"], strict=True))
    print(f"{length:>8}{count:>8}" + "".join(f"{median[name]:>11.3f}" for name in WAYS), end="")
    print("".join(f"{median[name] / median['whole']:>9.2f}" for name in _OTHERS), end="")
    print(f"{difference:>12.1e}{again['shared']:>6} {again['forked']:>6}", flush=True)


def whole(engine: Any, questions: Sequence[Question]) -> tuple[list[float], int]:
    """Sums of log-probabilities, question by question and option by option; how many options were asked again."""
    return [value for value, _ in _scored(engine, _pairs(questions), reads_cache=False)], 0


def shared(engine: Any, questions: Sequence[Question]) -> tuple[list[float], int]:
    """As `whole`, with the prefix cache."""
    pairs = _pairs(questions)
    found = _scored(engine, pairs, reads_cache=True)
    lost = [place for place, (_, usable) in enumerate(found) if not usable]
    values = [value for value, _ in found]
    if lost:
        for place, (value, _) in zip(
            lost, _scored(engine, [pairs[one] for one in lost], reads_cache=False), strict=True
        ):
            values[place] = value
    return values, len(lost)


def forked(engine: Any, questions: Sequence[Question]) -> tuple[list[float], int]:
    """As `shared`, with the first tokens of all options from one distribution, which is asked for first."""
    from vllm import SamplingParams

    asked: list[tuple[tuple[int, ...], Any]] = []
    for one in questions:
        first = sorted({option[0] for option in one.options})
        asked.append((one.prompt, SamplingParams(max_tokens=1, logprob_token_ids=first, **_GREEDY)))
        asked += [
            (one.prompt + option[:-1], _params(option[-1], scored=len(option) > 2, reads_cache=True))
            for option in one.options
        ]
    outputs = iter(engine.generate([_ids(ids) for ids, _ in asked], [params for _, params in asked], use_tqdm=False))
    values: list[float] = []
    again: list[tuple[int, tuple[tuple[int, ...], tuple[int, ...]]]] = []
    for one in questions:
        firsts = next(outputs).outputs[0].logprobs[0]
        for option in one.options:
            output = next(outputs)
            inside = len(option) - 2  # tokens between the first and the last
            if inside > 0 and (output.num_cached_tokens or 0) > len(one.prompt):
                again.append((len(values), (one.prompt, option)))
                values.append(0.0)
                continue
            rows = output.prompt_logprobs[-inside:] if inside > 0 else []
            value = firsts[option[0]].logprob + output.outputs[0].logprobs[0][option[-1]].logprob
            values.append(value + sum(row[token].logprob for token, row in zip(option[1:], rows, strict=False)))
    for (place, _), (value, _) in zip(
        again, _scored(engine, [pair for _, pair in again], reads_cache=False), strict=True
    ):
        values[place] = value
    return values, len(again)


def steps(engine: Any, questions: Sequence[Question]) -> tuple[list[float], int]:
    """As `whole`, token by token."""
    from vllm import SamplingParams

    named: dict[tuple[int, ...], set[int]] = {}
    for prompt, option in _pairs(questions):
        for place, token in enumerate(option):
            named.setdefault(prompt + option[:place], set()).add(token)
    params = [SamplingParams(max_tokens=1, logprob_token_ids=sorted(some), **_GREEDY) for some in named.values()]
    outputs = engine.generate([_ids(ids) for ids in named], params, use_tqdm=False)
    rows = {ids: output.outputs[0].logprobs[0] for ids, output in zip(named, outputs, strict=True)}
    return [
        sum(rows[prompt + option[:place]][token].logprob for place, token in enumerate(option))
        for prompt, option in _pairs(questions)
    ], 0


def _pairs(questions: Sequence[Question]) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(one.prompt, option) for one in questions for option in one.options]


def _scored(
    engine: Any, pairs: Sequence[tuple[tuple[int, ...], tuple[int, ...]]], *, reads_cache: bool
) -> list[tuple[float, bool]]:
    """For each pair the option's log-probability, and whether the engine computed all that this needs."""
    params = [_params(option[-1], scored=len(option) > 1, reads_cache=reads_cache) for _, option in pairs]
    prompts = [_ids(prompt + option[:-1]) for prompt, option in pairs]
    if not pairs:
        return []
    found: list[tuple[float, bool]] = []
    for (prompt, option), output in zip(pairs, engine.generate(prompts, params, use_tqdm=False), strict=True):
        inside = len(option) - 1  # all but the last
        usable = inside == 0 or (output.num_cached_tokens or 0) < len(prompt)
        rows = output.prompt_logprobs[-inside:] if usable and inside else []
        value = output.outputs[0].logprobs[0][option[-1]].logprob
        value += sum(row[token].logprob for token, row in zip(option, rows, strict=False))
        found.append((value, usable))
    return found


def _ids(ids: Sequence[int]) -> dict[str, list[int]]:
    return {"prompt_token_ids": list(ids)}


_GREEDY: dict[str, Any] = {"temperature": 0.0, "detokenize": False}


def _params(last: int, *, scored: bool, reads_cache: bool) -> Any:
    from vllm import SamplingParams

    return SamplingParams(
        max_tokens=1,
        logprob_token_ids=[last],
        prompt_logprobs=0 if scored else None,
        skip_reading_prefix_cache=False if reads_cache or not scored else None,
        flat_logprobs=True,
        **_GREEDY,
    )


WAYS: dict[str, Callable[[Any, Sequence[Question]], tuple[list[float], int]]] = {
    "whole": whole,
    "steps": steps,
    "shared": shared,
    "forked": forked,
}
_OTHERS = [name for name in WAYS if name != "whole"]


if __name__ == "__main__":
    main()
