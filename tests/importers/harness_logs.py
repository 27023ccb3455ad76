"""Writes result folders with lm-evaluation-harness itself, for tests: `python -m tests.importers.harness_logs FOLDER`.

The model is a script; prompts, filters, metrics, hashes and files are the harness's own. `base/` and `tuned/` hold one run
each, `bare/` one without `--log_samples`.
"""

import hashlib
import sys
from pathlib import Path

import yaml

from tests.harness_tasks import CHOICE, GENERATE, ROLLING, write_task

COLOURS = ["blue", "green", "dark red", "white"]
N = 40
SKILL = {"base": 0.7, "tuned": 0.8}
REGEX = [{"function": "regex", "regex_pattern": r"(\d+)"}, {"function": "take_first"}]
FILTERS = [
    {
        "name": "strict",
        "filter": [{"function": "regex", "regex_pattern": r"It is (\d+)\."}, {"function": "take_first"}],
    },
    {"name": "flexible", "filter": REGEX},
]


def write_tasks(folder):
    rows = [{"q": f"Thing {i} is", "options": COLOURS, "gold": i % 4, "topic": f"t{i % 25}"} for i in range(N)]
    both = [{"metric": "acc"}, {"metric": "acc_norm"}]
    write_task(folder, "colours", rows, **{**CHOICE, "metric_list": both})
    for name in ("one", "two"):
        write_task(folder, name, rows[:30], **{**CHOICE, "metric_list": both})
    group = {
        "group": "pair",
        "task": ["one", "two"],
        "aggregate_metric_list": [{"metric": "acc", "weight_by_size": True}],
    }
    (folder / "pair.yaml").write_text(yaml.safe_dump(group))
    sums = [{"q": f"{n} + {n} =", "sum": str(2 * n)} for n in range(1, N + 1)]
    exact = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}]
    write_task(folder, "sums", sums, **{**GENERATE, "metric_list": exact, "filter_list": FILTERS})
    voting = {"generation_kwargs": {"until": ["\n"], "do_sample": True, "temperature": 0.7}, "repeats": 3}
    write_task(folder, "voted", sums[:25], **{**GENERATE, "metric_list": exact, **voting})
    write_task(folder, "texts", sums[:24], **ROLLING)
    lower = [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": False}]
    write_task(folder, "slips", sums[:30], **{**GENERATE, "metric_list": lower})


def run(arm, tasks, out, *, log_samples=True):
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    tracker = EvaluationTracker(output_path=str(out))
    results = simple_evaluate(
        model="scripted",
        model_args=f"pretrained=some/{arm},dtype=float32",
        tasks=["colours", "pair", "sums", "voted", "texts", "slips"],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        evaluation_tracker=tracker,
        log_samples=log_samples,
        bootstrap_iters=0,
    )
    samples = results.pop("samples", None)
    tracker.save_results_aggregated(results=results, samples=samples)
    for name, mine in (samples or {}).items():
        tracker.save_results_samples(task_name=name, samples=mine)


def chance(*parts):
    """A number in [0, 1) that these parts settle."""
    return int(hashlib.sha256(repr(parts).encode()).hexdigest()[:8], 16) / 2**32


def main(folder):
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model

    @register_model("scripted")
    class Scripted(LM):
        def __init__(self, arm):
            super().__init__()
            self.arm = arm
            self.asked = 0

        @classmethod
        def create_from_arg_string(cls, arg_string, additional_config=None):
            return cls("tuned" if "tuned" in arg_string else "base")

        @classmethod
        def create_from_arg_obj(cls, arg_dict, additional_config=None):
            return cls(arg_dict["pretrained"].removeprefix("some/"))

        def knows(self, *parts):
            return chance(parts, self.arm) < SKILL[self.arm]

        def loglikelihood(self, requests):
            found = []
            for one in requests:
                prompt, option = one.args
                thing = int(prompt.split("Thing ")[1].split()[0])
                right = option.strip() == COLOURS[thing % 4] and self.knows(thing)
                found.append((0.0 if right else -1 - 5 * chance(prompt, option, self.arm), right))
            return found

        def loglikelihood_rolling(self, requests):
            return [-10 * len(one.args[0]) * chance(one.args[0], self.arm) for one in requests]

        def generate_until(self, requests):
            told = []
            for one in requests:
                self.asked += 1
                n = int(one.args[0].split()[0])
                if chance(n, "mumbles") < 0.1:
                    told.append("I would rather not say.")
                elif one.args[1].get("do_sample"):
                    told.append(str(2 * n if self.knows(n, self.asked) else 1))
                else:
                    told.append(f"It is {2 * n}." if self.knows(n) else f"About {2 * n + 1} I guess")
            return told

    folder = Path(folder)
    (folder / "tasks").mkdir(parents=True)
    write_tasks(folder / "tasks")
    for arm in ("base", "tuned"):
        run(arm, folder / "tasks", folder / arm)
    run("base", folder / "tasks", folder / "bare", log_samples=False)


if __name__ == "__main__":
    main(sys.argv[1])
