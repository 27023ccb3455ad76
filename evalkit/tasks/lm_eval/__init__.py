"""Tasks of lm-evaluation-harness: its own prompts, filters and metrics, through evalkit's engine, journal and pairs.

    tasks:
      - lm_eval: {task: mmlu, num_fewshot: 5}

Only this package sees the harness's types. Its tasks become `Task`s whose items hold the prompt twice: as turns, for a
model asked in chat format, and as the harness's plain text, for one asked in completion format.

Source: https://github.com/EleutherAI/lm-evaluation-harness (0.4.13).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence

from evalkit.config import SourceSpec
from evalkit.tasks import Place, Task, task_source
from evalkit.tasks.lm_eval.options import Options
from evalkit.types import InputError
from evalkit.yamlfile import validate


@task_source("lm_eval")
def lm_eval_tasks(entry: SourceSpec, place: Place) -> Sequence[Task]:
    """The tasks behind a name of the harness, one for each leaf of a group. Raises InputError."""
    where = f"{place.where}: lm_eval"
    options = validate(Options, dict(entry.options), file=where)
    if importlib.util.find_spec("lm_eval") is None:
        raise InputError(
            f"{where}: lm-evaluation-harness is not installed; pip install 'evalkit-gate[lm-eval]' (its own extras, such "
            "as lm-eval[ifeval], as the task needs them)"
        )
    from evalkit.tasks.lm_eval.loading import load

    return load(options, entry, place, where)
