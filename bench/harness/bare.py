"""The floor: the engine alone, with nothing but the tokens. `python bare.py REQUESTS.json DTYPE CONTEXT`.

Imports, loads each model once, and answers each model's requests as one list; a choice is one distribution.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any


def main() -> None:
    requests, dtype, context = sys.argv[1:]
    arms = json.loads(Path(requests).read_text("utf-8"))
    from vllm import LLM, SamplingParams

    for arm in arms.values():
        options: dict[str, Any] = {"dtype": dtype, "max_model_len": int(context), "generation_config": "vllm"}
        llm = LLM(model=arm["model"], enforce_eager=_on_cpu(), logprobs_mode="raw_logprobs", **options)
        params = [
            SamplingParams(temperature=0.0, max_tokens=1, logprob_token_ids=one["named"], detokenize=False)
            if "named" in one
            else SamplingParams(
                temperature=0.0,
                max_tokens=one["max_tokens"],
                stop=list(one["stop"]),
                stop_token_ids=list(one["stop_token_ids"]),
            )
            for one in arm["requests"]
        ]
        outputs = llm.generate([{"prompt_token_ids": one["ids"]} for one in arm["requests"]], params, use_tqdm=False)
        print(f"{len(outputs)} requests, {sum(len(one.outputs[0].token_ids) for one in outputs)} new tokens")
        llm.llm_engine.engine_core.shutdown()
        del llm, outputs
        gc.collect()
        from vllm.distributed.parallel_state import cleanup_dist_env_and_memory

        cleanup_dist_env_and_memory()


def _on_cpu() -> bool:
    from vllm.platforms import current_platform

    return current_platform.is_cpu()


if __name__ == "__main__":
    main()
