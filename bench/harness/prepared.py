"""Writes what evalkit hands to the engine for a suite, as token ids: `python -m bench.harness.prepared SUITE OUT MODEL...`.

One JSON object: by arm, the model's folder and its engine requests in the order of a run.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    suite, out, *models = sys.argv[1:]
    from evalkit.backends.local import LocalModel, parts_of
    from evalkit.backends.vllm import installed
    from evalkit.config import read_model
    from evalkit.inputs import read_suite_by_name
    from evalkit.running.requests import draw, requests_for
    from evalkit.types import Prepared

    items = draw(read_suite_by_name(suite), seed=0)
    engine, version = installed() or ("vllm", "unknown")
    written: dict[str, Any] = {}
    for file in models:
        spec = read_model(file)
        local = LocalModel(spec, Path(os.environ["EVALKIT_CACHE"]), engine=engine, engine_version=version)
        rows: list[dict[str, Any]] = []
        for item in items:
            for request in requests_for(item, spec.name, spec):
                one = local.prepare(request)
                assert isinstance(one, Prepared), one
                if request.is_scored:
                    parts = parts_of(one)
                    assert not any(part.scored for part in parts), "options of several tokens: no bare side for them"
                    rows += [
                        {"ids": part.ids, "named": sorted({last for _, last in part.lasts}), "task": request.task}
                        for part in parts
                    ]
                else:
                    asked = request.sampling
                    rows.append(
                        {
                            "ids": one.token_ids,
                            "max_tokens": asked.max_tokens,
                            "stop": asked.stop,
                            "stop_token_ids": local.stop_token_ids,
                            "task": request.task,
                        }
                    )
        written[spec.name] = {"model": str(local.folder), "requests": rows, "prompts": _prompts(items, local, spec)}
    Path(out).write_text(json.dumps(written), "utf-8")


def _prompts(items: Any, local: Any, spec: Any) -> dict[str, dict[str, str]]:
    """The text of each prompt, by task and item."""
    from evalkit.running.requests import requests_for
    from evalkit.types import Prepared

    found: dict[str, dict[str, str]] = {}
    for item in items:
        for request in requests_for(item, spec.name, spec):
            one = local.prepare(request)
            assert isinstance(one, Prepared)
            found.setdefault(request.task, {})[request.example_id] = one.prompt
    return found


if __name__ == "__main__":
    main()
