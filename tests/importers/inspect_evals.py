"""Writes logs with Inspect itself, for tests: `python -m tests.importers.inspect_evals FOLDER`.

Its `mockllm` provider answers from a script. `base/` and `tuned/` hold a log of each task.
"""

import hashlib
import sys
from pathlib import Path

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ContentReasoning, ContentText, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import Score, accuracy, choice, match, mean, scorer, stderr
from inspect_ai.solver import generate, multiple_choice, solver, system_message

N = 30
SKILL = {"base": 0.6, "tuned": 0.75}
LONG = " Think before you answer, and then say only what you are sure of." * 3


@scorer(metrics=[mean(), stderr(cluster="passage")])
def graded():
    async def score(state, target):
        return Score(value=0.5 if "maybe" in state.output.completion else 1.0, answer=state.output.completion)

    return score


@scorer(metrics={"form": [mean()], "content": [mean()]})
def both():
    async def score(state, target):
        return Score(value={"form": 1.0, "content": 0.25})

    return score


@scorer(metrics=[mean()])
def stars():
    async def score(state, target):
        if state.sample_id == "4":
            return Score.unscored(reason="grader_failed", explanation="the grader wrote no grade")
        return Score(value=1 + len(state.output.completion) % 10)

    return score


@scorer(metrics=[accuracy()])
def letters():
    async def score(state, target):
        value = {"1": "N", "2": "P", "5": "C"}.get(str(state.sample_id), "I")
        return Score(value=value, reason="invalid_response_format" if state.sample_id == "6" else None)

    return score


@solver
def breaking(arm):
    async def solve(state, generate):
        if arm == "tuned" and state.sample_id == "3" and state.epoch == 2:
            raise ValueError("the sandbox is gone")
        return await generate(state)

    return solve


def chance(*parts):
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def replies(arm):
    asked = {}

    def reply(input, tools, tool_choice, config):
        question = input[-1].text
        asked[question] = asked.get(question, 0) + 1
        n = int(question.split("What is ")[1].split()[0])
        knows = chance(arm, n, asked[question]) < SKILL[arm]
        text = f"ANSWER: {2 * n if knows else 'maybe ' + str(n)}"
        content = [ContentReasoning(reasoning=f"{n} and {n}"), ContentText(text=text)]
        cut = n == 7 and not knows
        output = ModelOutput.from_content("mockllm/model", content, stop_reason="max_tokens" if cut else "stop")
        output.usage = ModelUsage(
            input_tokens=5, output_tokens=7, total_tokens=12
        )  # else it is counted with a tokenizer of the web
        return output

    return reply


def picks(arm):
    def pick(input, tools, tool_choice, config):
        n = int(input[-1].text.split("Number ")[1].split()[0])
        output = ModelOutput.from_content(
            "mockllm/model", f"ANSWER: {'AB'[n % 2] if chance(arm, n) < SKILL[arm] else 'C'}"
        )
        output.usage = ModelUsage(input_tokens=5, output_tokens=2, total_tokens=7)
        return output

    return pick


def main(folder):
    for arm in ("base", "tuned"):
        sums = [
            Sample(id=str(n), input=f"What is {n} + {n} ?{LONG}", target=str(2 * n), metadata={"passage": f"p{n % 12}"})
            for n in range(1, N + 1)
        ]
        tasks = [
            Task(
                name="sums",
                dataset=MemoryDataset(sums, name="sums"),
                solver=[system_message("Be brief."), breaking(arm)],
                scorer=[match(), graded(), both(), stars(), letters()],
                epochs=2,
            )
        ]
        log = {"display": "none", "log_dir": str(Path(folder) / arm), "fail_on_error": False, "max_samples": 1}
        eval(tasks, model=get_model("mockllm/model", custom_outputs=replies(arm)), temperature=0.5, **log)
        numbers = [
            Sample(input=f"Number {n} is", choices=["even", "odd", "neither"], target="AB"[n % 2]) for n in range(25)
        ]
        task = Task(
            name="parity", dataset=MemoryDataset(numbers, name="parity"), solver=multiple_choice(), scorer=choice()
        )
        eval(task, model=get_model("mockllm/model", custom_outputs=picks(arm)), log_format="json", **log)
        task = Task(name="first", dataset=MemoryDataset(sums[:25]), solver=generate(), scorer=[both(), match()])
        eval(task, model=get_model("mockllm/model", custom_outputs=replies(arm)), limit=20, **log)


if __name__ == "__main__":
    main(sys.argv[1])
