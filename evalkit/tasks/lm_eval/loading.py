"""An entry of a suite as tasks with every prompt built."""

from __future__ import annotations

import importlib.metadata
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from evalkit.config import SamplingSpec, SourceSpec
from evalkit.tasks import Place, Task
from evalkit.tasks.lm_eval.finding import find_leaves
from evalkit.tasks.lm_eval.marking import HarnessMarker, check_metric
from evalkit.tasks.lm_eval.options import Options
from evalkit.tasks.lm_eval.prompts import Prompts
from evalkit.tasks.lm_eval.sampling import read_sampling
from evalkit.tasks.lm_eval.surroundings import harness_at_work
from evalkit.tasks.native import content_hash
from evalkit.types import InputError

_KINDS = {
    "multiple_choice": "choice",
    "loglikelihood": "loglikelihood",
    "loglikelihood_rolling": "loglikelihood",
    "generate_until": "generate",
}


def load(options: Options, entry: SourceSpec, place: Place, where: str) -> Sequence[Task]:
    """Build every leaf task. Raises InputError for an unknown name, data that cannot be read or what is not supported."""
    with harness_at_work(where):
        leaves = find_leaves(options, place.folder, where)
        return [_task(name, leaf, options, entry, place, f"{where}: {name}") for name, leaf in leaves.items()]


def _task(name: str, leaf: Any, options: Options, entry: SourceSpec, place: Place, where: str) -> Task:
    _check_supported(leaf, where)
    _configure(leaf, options)
    metric, filter_ = check_metric(leaf, options.metric, options.filter, where)
    try:
        prompts = Prompts(leaf, options)
    except Exception as error:  # a boundary: a task's templates and functions are anybody's code
        raise InputError(f"{where}: its prompts cannot be built: {type(error).__name__}: {error}") from None
    if not prompts.docs:
        raise InputError(f"{where}: holds no documents; a suite needs items")
    kind = _KINDS[leaf.OUTPUT_TYPE]
    sampling = entry.sampling
    if kind == "generate":
        asked = [arguments[1] for asks in prompts.asked for arguments in asks]
        sampling = read_sampling(asked, int(leaf.config.repeats or 1), entry.sampling, where=where)
    return Task(
        suite=place.suite,
        name=_name(name, options, entry),
        kind=kind,
        examples=prompts.examples,
        hash=content_hash(_how(name, leaf, (metric, filter_), prompts, sampling), prompts.examples),
        sampling=sampling,
        judge=entry.judge and kind == "generate",
        limit=entry.limit,
        marker=HarnessMarker(leaf, metric, filter_, {str(doc_id): doc for doc_id, doc in prompts.docs}),
    )


def _check_supported(leaf: Any, where: str) -> None:
    from lm_eval.api.task import ConfigurableTask

    if not isinstance(leaf, ConfigurableTask) or leaf.OUTPUT_TYPE not in _KINDS:
        raise InputError(
            f"{where}: a task of a class of its own is not supported; those of a YAML file are, and classes derived from "
            "ConfigurableTask"
        )
    if getattr(leaf, "MULTIMODAL", False):
        raise InputError(f"{where}: asks about images or sound, and evalkit asks in text only")


def _configure(leaf: Any, options: Options) -> None:
    """Apply `num_fewshot` and `repeats` as the harness's evaluator does."""
    if options.num_fewshot is not None and leaf.get_config("num_fewshot") != 0:
        leaf.set_config(key="num_fewshot", value=options.num_fewshot)
    elif leaf.get_config("num_fewshot") is None:
        leaf.set_config(key="num_fewshot", value=0)
    if options.repeats is not None:
        leaf.set_config(key="repeats", value=options.repeats)


def _name(leaf: str, options: Options, entry: SourceSpec) -> str:
    """A lone task goes by the entry's name; those of a group or tag by their own, after a name that the entry states."""
    if leaf == options.task:
        return entry.name or leaf
    return leaf if entry.name in ("", options.task) else f"{entry.name}/{leaf}"


def _how(name: str, leaf: Any, chosen: tuple[str, str], prompts: Prompts, sampling: SamplingSpec) -> object:
    """All that a score depends on, as plain data, beside the examples."""
    config = leaf.config
    return {
        "lm_eval": importlib.metadata.version("lm_eval"),
        "task": [name, str(leaf.VERSION), leaf.OUTPUT_TYPE, *chosen],
        # A scored request is its texts; what a generating one is asked with is `sampling`.
        "asked": [[[one for one in ask if isinstance(one, str)] for ask in asks] for asks in prompts.asked],
        "sampling": sampling.model_dump(mode="json"),
        "marked": _as_data([config.filter_list, config.metric_list, config.process_results, _own_class(leaf)]),
    }


def _own_class(leaf: Any) -> type | None:
    from lm_eval.api.task import ConfigurableTask

    return None if type(leaf) is ConfigurableTask else type(leaf)


def _as_data(value: Any) -> Any:
    """Settings with a function in them as data: in a function's place stands the file it is from."""
    if isinstance(value, Mapping):
        return {str(key): _as_data(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_as_data(one) for one in value]
    if inspect.isroutine(value) or inspect.isclass(value):
        try:
            file = inspect.getsourcefile(inspect.unwrap(value))
        except TypeError:  # compiled
            file = None
        return [value.__qualname__, Path(file).read_text("utf-8") if file else ""]
    return value
