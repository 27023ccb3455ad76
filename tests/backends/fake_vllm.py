"""A program with the flags and routes of vLLM's server, that answers at once what can be checked: which model was asked what.

An answer is "NAME: sum of the ids"; the log-probability of a token is -(token % 7) / 10, and 1 lower from an adapter.
FAKE_VLLM, words separated by commas: slow (healthy after a second), dies (at start), taken (the first port it is given
is in use), stubborn (ignores SIGTERM), mixes (once an adapter was asked the base is answered as one), unmoved (adapters change nothing),
mute (never healthy), fragile (dies at a prompt of more than 20 tokens), memory (dies saying so).
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOW = set(os.environ.get("FAKE_VLLM", "").split(","))


def main() -> None:
    parser = argparse.ArgumentParser(prog="fake_vllm")
    parser.add_argument("model")
    parser.add_argument("--served-model-name", required=True)
    parser.add_argument("--lora-modules", nargs="*", default=[])
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--max-model-len", type=int, default=64)
    for flag in ("tokenizer", "generation-config", "logprobs-mode", "dtype"):
        parser.add_argument(f"--{flag}")
    parser.add_argument("--max-loras", type=int)
    parser.add_argument("--max-cpu-loras", type=int)
    parser.add_argument("--max-lora-rank", type=int)
    for flag in ("disable-uvicorn-access-log", "enable-lora"):
        parser.add_argument(f"--{flag}", action="store_true")
    given = parser.parse_args()
    print(f"INFO 01-01 00:00:00 [fake.py:1] arguments: {' '.join(sys.argv[1:])}", flush=True)
    if "stubborn" in HOW:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"child {child.pid}", flush=True)
    if "dies" in HOW:
        print("(EngineCore pid=7) ERROR 01-01 00:00:00 [core.py:1] ValueError: the weights are in Klingon", flush=True)
        print("\n".join(f"line {n}" for n in range(20)), flush=True)
        sys.exit("RuntimeError: Engine core initialization failed. See root cause above.")
    if "memory" in HOW:
        sys.exit("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 9 GiB")
    marker = Path(given.model) / "port-was-taken"
    if "taken" in HOW and not marker.exists():
        marker.write_text("")
        sys.exit("OSError: [Errno 98] Address already in use")
    if "mute" in HOW:
        time.sleep(600)
    if "slow" in HOW:
        time.sleep(1.0)
    serve(given)


def serve(given: argparse.Namespace) -> None:
    names = [given.served_model_name, *(module.split("=")[0] for module in given.lora_modules)]
    paths = [given.model, *(module.split("=")[1] for module in given.lora_modules)]

    asked: set[str] = set()

    def choice(index: int, body: dict, ids: list[int]) -> dict:
        name = body["model"]
        lora = name != names[0]
        asked.add(name)
        answers_as = names[-1] if "mixes" in HOW and not lora and len(asked) > 1 else name
        lower = 0.0 if "unmoved" in HOW or answers_as == names[0] else 1.0

        def logprob(token: int) -> float:
            return -(token % 7) / 10 - lower

        found = {"index": index, "text": f"{answers_as}: {sum(ids)}", "finish_reason": "stop", "token_ids": [7]}
        if named := body.get("logprob_token_ids"):
            found["logprobs"] = {"top_logprobs": [{f"token_id:{token}": logprob(token) for token in [*named, 7]}]}
        if body.get("prompt_logprobs") is not None:
            rows = [{str(token): {"logprob": logprob(token), "rank": 1 + token % 7}} for token in ids[1:]]
            found["prompt_logprobs"] = [None, *rows]
        return found

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def send(self, status: int, payload: object) -> None:
            data = json.dumps(payload).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.send_header("content-type", "application/json")
            self.end_headers()
            self.wfile.write(data)

        def is_allowed(self) -> bool:
            key = os.environ.get("VLLM_API_KEY")
            return not key or self.headers.get("authorization") == f"Bearer {key}"

        def do_GET(self) -> None:
            if self.path == "/health":
                self.send(200, {})
            elif self.path == "/version":
                self.send(200, {"version": "9.9"})
            elif not self.is_allowed():
                self.send(401, {"error": "Unauthorized"})
            else:
                rows = [
                    {"id": name, "owned_by": "vllm", "root": path, "parent": None if name == names[0] else names[0]}
                    for name, path in zip(names, paths, strict=True)
                ]
                rows[0]["max_model_len"] = given.max_model_len
                self.send(200, {"data": rows})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if not self.is_allowed():
                self.send(401, {"error": "Unauthorized"})
                return
            prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
            if "fragile" in HOW and len(prompts[0]) > 20:
                print("RuntimeError: EngineDead: the device fell off the bus", flush=True)
                os._exit(3)
            choices = [choice(index, body, ids) for index, ids in enumerate(prompts)]
            self.send(200, {"choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1}})

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer((given.host, given.port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
