"""`evalkit doctor`: each line is OK, WARN or FAIL, and what is not well comes with its fix."""

import http.server
import json
import sqlite3
import sys
import threading

import pytest

from evalkit.doctor import engine as engines_
from evalkit.doctor import examine, gpus, hub
from tests.shell import evalkit


def by_name(findings):
    return {one.name: one for one in findings}


def doctor(*args, cwd, **env):
    done = evalkit("doctor", "--no-engine", "--json", *args, cwd=cwd, HF_HUB_OFFLINE="1", **env)
    told = json.loads(done.stdout)
    assert done.returncode == (0 if told["ok"] else 2), done.stderr
    return {one["name"].rpartition("/")[2]: one for one in told["checks"]}


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """An `nvidia-smi` that answers as told: no GPU is on this machine."""

    def answer(text, code=0):
        (tmp_path / "bin").mkdir(exist_ok=True)
        tool = tmp_path / "bin" / "nvidia-smi"
        tool.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\nexit {code}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")

    return answer


def test_every_line_has_a_word_and_what_is_not_well_a_fix(tmp_path):
    done = evalkit("doctor", "--no-engine", cwd=tmp_path, HF_HUB_OFFLINE="1")
    lines = [line for line in done.stdout.splitlines() if line]
    words = [line.split()[0] for line in lines[:-1]]
    assert set(words) <= {"OK", "WARN", "FAIL", "fix:"}
    assert words.count("fix:") == words.count("WARN") + words.count("FAIL") and lines[-1].endswith(".")
    assert "Traceback" not in done.stderr and done.returncode in (0, 2)


def test_a_gpu_is_named_with_its_driver_and_one_in_use_is_a_warning(smi):
    smi("NVIDIA H100 80GB HBM3, 81559, 4, 550.54.15\nNVIDIA H100 80GB HBM3, 81559, 60000, 550.54.15")
    free, busy = gpus()
    assert (free.name, free.status) == ("gpu 0", "ok")
    assert free.found == "NVIDIA H100 80GB HBM3, 80 GiB, driver 550.54.15"
    assert busy.status == "warn" and "58.6 GiB of it in use" in busy.found and "CUDA_VISIBLE_DEVICES" in busy.fix


def test_a_driver_that_does_not_answer_is_a_failure(smi):
    smi("Failed to initialize NVML: Driver/library version mismatch", code=18)
    (found,) = gpus()
    assert found.status == "fail" and "version mismatch" in found.found and "reboot" in found.fix


@pytest.mark.parametrize(
    ("told", "status", "said"),
    [
        ({"torch": "2.9.0+cpu", "cuda": "", "devices": 0, "vllm": True}, "fail", "is a CPU build, and there is a GPU"),
        ({"torch": "2.9.0", "cuda": "13.0", "devices": 0, "vllm": True}, "fail", "built for CUDA 13.0 and reaches no GPU"),
        ({"torch": "2.9.0", "cuda": "13.0", "devices": 1, "vllm": True}, "ok", "torch runs on 1 GPU, CUDA 13.0"),
        ({"error": "RuntimeError: operator torchvision::nms does not exist"}, "fail", "torchvision::nms"),
    ],
)  # fmt: skip
def test_what_an_engine_tells_of_itself_is_read(smi, monkeypatch, tmp_path, told, status, said):
    """The process that imports the engine is stood in for by one that only tells."""
    smi("NVIDIA L4, 23034, 4, 535.161.08")
    monkeypatch.setattr(engines_, "_TRIAL", f"print('noise'); print({json.dumps(json.dumps(told))})")
    (found,) = engines_._tried(["vllm"], built_for_cpu=False)
    assert found.status == status and said in found.found and (status == "ok") is not bool(found.fix)


def test_a_process_that_dies_while_importing_is_told(monkeypatch):
    monkeypatch.setattr(engines_, "_TRIAL", "import os, sys; sys.stderr.write('Illegal instruction\\n'); os._exit(132)")
    (found,) = engines_._tried(["vllm"], built_for_cpu=True)
    assert found.status == "fail" and "Illegal instruction" in found.found and "import vllm" in found.fix


def test_versions_that_do_not_fit_are_named_with_what_to_install(monkeypatch):
    class Asking:
        requires = ["torch==9.9", "numpy>=1; extra == 'never'", "rich>=999"]  # noqa: RUF012

    real = engines_.distribution
    monkeypatch.setattr(engines_, "distribution", lambda name: Asking() if name == "vllm" else real(name))
    monkeypatch.setattr(engines_, "_version", lambda name: {"vllm": "0.30", "torch": "2.0"}.get(name))
    (found,) = engines_.engines(start=False)
    assert found.status == "fail" and "vllm needs torch==9.9, and 2.0 is installed" in found.found
    assert found.fix == "pip install 'torch==9.9'" and "rich" not in found.found


def test_without_an_engine_it_says_what_still_works(monkeypatch):
    monkeypatch.setattr(engines_, "_version", lambda name: None)
    (found,) = engines_.engines(start=True)
    assert found.status == "warn" and "API models and recorded answers" in found.found


@pytest.fixture
def served():
    """An API on this machine that knows one key and one model."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            right = self.headers.get("Authorization") == "Bearer right"
            body = json.dumps({"data": [{"id": "judge-1", "object": "model"}]} if right else {"error": "no"}).encode()
            self.send_response(200 if right else 401)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_): ...

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_key_that_is_not_set_names_the_variable(tmp_path):
    (tmp_path / "m.yaml").write_text("name: m\nbackend: openai\nmodel: x\napi_key: ${SOME_KEY_OF_OURS}\n")
    found = doctor("m.yaml", cwd=tmp_path)["m.yaml"]
    assert found["status"] == "fail" and found["fix"] == "export SOME_KEY_OF_OURS=..."
    assert "SOME_KEY_OF_OURS is not set" in found["found"]


def test_a_judge_behind_an_api_is_asked_for(tmp_path, served):
    def judge(model, key):
        (tmp_path / "judge.yaml").write_text(
            f"name: j\nmodel: {{backend: openai, model: {model}, base_url: '{served}/v1', api_key: '${{K}}'}}\n"
            "rubric: '{{ prompt }} {{ first }} {{ second }}'\n"
        )
        return doctor("judge.yaml", cwd=tmp_path, K=key)["judge.yaml"]

    right = judge("judge-1", "right")
    assert right["status"] == "ok" and "takes the key for judge-1" in right["found"] and served in right["found"]
    wrong = judge("judge-1", "wrong-and-secret")
    assert wrong["status"] == "fail" and "wrong-and-secret" not in json.dumps(wrong)
    unlisted = judge("judge-2", "right")
    assert unlisted["status"] == "warn" and "'judge-2'" in unlisted["found"] and "'judge-1'" in unlisted["found"]


def test_a_server_that_is_not_there_is_a_failure(tmp_path):
    (tmp_path / "m.yaml").write_text(
        "name: m\nbackend: openai\nmodel: x\nbase_url: http://127.0.0.1:9/v1\napi_key: k\n"
    )
    found = doctor("m.yaml", cwd=tmp_path)["m.yaml"]
    assert found["status"] == "fail" and "127.0.0.1:9" in found["found"] and found["fix"]


def test_files_beside_and_recorded_answers_are_looked_at(tmp_path):
    (tmp_path / "base.yaml").write_text("name: b\nbackend: replay\noutputs: b.jsonl\n")
    (tmp_path / "evalkit.yaml").write_text("suites: [quikc]\n")
    found = doctor("base.yaml", "none.yaml", cwd=tmp_path)
    assert found["base.yaml"]["status"] == "fail" and "b.jsonl" in found["base.yaml"]["found"]
    assert found["none.yaml"]["status"] == "fail" and "no such file" in found["none.yaml"]["found"]
    assert "did you mean 'quick'?" in found["evalkit.yaml"]["found"] + found["evalkit.yaml"]["fix"]
    (tmp_path / "b.jsonl").write_text('{"id": 1, "output": "x"}\n')
    (tmp_path / "evalkit.yaml").write_text("suites: [quick]\n")
    found = doctor("base.yaml", cwd=tmp_path)
    assert {found[name]["status"] for name in ("base.yaml", "evalkit.yaml")} == {"ok"}


def test_a_folder_that_is_no_model_says_so(tmp_path):
    (tmp_path / "weights").mkdir()
    (tmp_path / "m.yaml").write_text("name: m\nbackend: transformers\nmodel: weights\n")
    found = doctor("m.yaml", cwd=tmp_path)["m.yaml"]
    assert found["status"] == "fail" and ("has no config.json" in found["found"] or "not installed" in found["found"])


def test_a_journal_that_cannot_be_opened_is_a_failure(tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    with sqlite3.connect(cache / "journal.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    found = doctor(cwd=tmp_path, EVALKIT_CACHE=str(cache))["journal"]
    assert found["status"] == "fail" and "another version" in found["found"] and "EVALKIT_CACHE" in found["fix"]


def test_a_mirror_is_counted_and_a_wrong_one_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path))
    assert by_name(hub())["mirror"].status == "warn"
    (tmp_path / "openai" / "gsm8k" / "main").mkdir(parents=True)
    (tmp_path / "openai" / "gsm8k" / "main" / "test.jsonl").write_text("{}\n")
    assert by_name(hub())["mirror"].found.endswith("1 data sets; suites read them there and not from the hub")
    monkeypatch.setenv("EVALKIT_DATA", str(tmp_path / "none"))
    assert by_name(hub())["mirror"].status == "fail"


def test_the_hub_is_reached_or_says_what_to_check(served, monkeypatch):
    pytest.importorskip("huggingface_hub")
    for name in ("HF_HUB_OFFLINE", "EVALKIT_DATA", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", served)
    assert by_name(hub())["hub"].status == "ok"
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    found = by_name(hub())["hub"]
    assert found.status == "warn" and "cannot be reached" in found.found and "EVALKIT_DATA" in found.fix


def test_looking_imports_no_engine(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    before = {"torch", "vllm"} & set(sys.modules)
    assert by_name(examine(start_engines=False))["evalkit"].status == "ok"
    assert {"torch", "vllm"} & set(sys.modules) == before


def test_suites_with_programs_and_nothing_to_hold_them_are_a_failure(tmp_path):
    (tmp_path / "base.yaml").write_text("name: base\nbackend: replay\noutputs: base.jsonl\n")
    (tmp_path / "base.jsonl").write_text('{"id": "1", "output": "x"}\n')
    (tmp_path / "evalkit.yaml").write_text("suites: [humaneval]\n")
    found = doctor("base.yaml", cwd=tmp_path, PATH="/nowhere")
    assert found["sandbox"]["status"] == "warn"
    names = [one for one in found.values() if one["status"] == "fail"]
    assert any("bubblewrap" in one["found"] + one["fix"] for one in names), found
