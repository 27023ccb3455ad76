"""Where engines stand. An executor is not a backend: the engine is the very one that would run here, elsewhere.

`farmed` wraps the backends whose engines can stand on a cluster; their models are identified, and their prompts
rendered, on this machine as ever, and everything after an answer (journal, scores, judging) stays here too.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence

from evalkit.backends import Backend
from evalkit.config import ExecutorSpec, ModelSpec
from evalkit.types import InputError

PLACED = ("transformers", "vllm")
"""The backends that load weights. The others ask what runs elsewhere already, or read a file."""


def farmed(backends: Sequence[Backend], models: Mapping[str, ModelSpec], executor: ExecutorSpec) -> list[Backend]:
    """The same backends in the same order, those that load weights as replicas on the executor's cluster.

    models: the specs by the names that the backends serve. Connects to nothing; that happens when a first question has
    to be asked. Raises InputError where Ray is needed and not installed.
    """
    if executor.kind == "local" or not any(_is_placed(one, models) for one in backends):
        return list(backends)
    if importlib.util.find_spec("ray") is None:
        raise InputError("executor: ray is not installed; pip install 'evalkit-gate[ray]', or say `executor: local`")
    from evalkit.executors.cluster import Cluster
    from evalkit.executors.farm import Farm

    cluster = Cluster(executor)
    return [
        Farm(one, {name: models[name] for name in one.models}, cluster) if _is_placed(one, models) else one
        for one in backends
    ]


def _is_placed(backend: Backend, models: Mapping[str, ModelSpec]) -> bool:
    return all(models[name].backend in PLACED for name in backend.models)
