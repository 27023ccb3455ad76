"""What a user relies on, through the command line and the files it writes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

import pytest

from tests.commands.recorded_models import compare, folder  # noqa: F401
from tests.shell import evalkit

SIX = {"report.html", "summary.json", "samples.parquet", "manifest.json", "junit.xml", "summary.md"}


@pytest.mark.parametrize(
    ("tuned", "code", "word", "decision"),
    [
        ("equal", 0, "GO", "go"),
        ("worse", 1, "NO-GO", "no_go"),
        ("unsure", 3, "INCONCLUSIVE", "inconclusive"),
        ("partial", 4, "INCOMPLETE", "inconclusive"),
    ],
)
def test_every_outcome_has_its_exit_code_and_its_six_files(folder, tuned, code, word, decision):
    done = compare(folder, tuned)
    assert done.returncode == code, done.stderr
    assert word in done.stdout
    assert {path.name for path in (folder / "out").iterdir()} == SIX
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert (summary["decision"], summary["complete"]) == (decision, code != 4)
    ET.parse(folder / "out" / "junit.xml")


def test_an_inconclusive_policy_can_pass_without_changing_the_decision(folder):
    (folder / "policy.yaml").write_text("inconclusive: pass\n")
    assert compare(folder, "unsure", "--policy", "policy.yaml").returncode == 0
    assert json.loads((folder / "out" / "summary.json").read_text())["decision"] == "inconclusive"


def test_gate_decides_a_stored_run_again_and_report_renders_it_again(folder):
    assert compare(folder, "worse").returncode == 1
    (folder / "lax.yaml").write_text("tax: {max: 0.5}\nretain: {margin: 0.5}\n")
    assert evalkit("gate", "out", cwd=folder).returncode == 1
    done = evalkit("gate", "out", "--policy", "lax.yaml", "--out", "again", "--json", cwd=folder)
    assert done.returncode == 0 and json.loads(done.stdout)["decision"] == "go"
    assert {path.name for path in (folder / "again").iterdir()} == SIX
    (folder / "out" / "report.html").unlink()
    assert evalkit("report", "out", cwd=folder).returncode == 0
    assert "NO-GO" in (folder / "out" / "report.html").read_text()


def test_flags_have_defaults_in_an_evalkit_yaml_beside_base(folder):
    (folder / "evalkit.yaml").write_text("suites: [sums.yaml]\npolicy: lax.yaml\n")
    (folder / "lax.yaml").write_text("tax: {max: 0.5}\nretain: {margin: 0.5}\n")
    done = evalkit("compare", folder / "base.yaml", folder / "worse.yaml", "--out", "o", cwd="/tmp")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda f: (f / "tuned.yaml").unlink(), "tuned.yaml: no such file"),
        (lambda f: (f / "tuned.yaml").write_text("name: t\nbackend: vlm\nmodel: m\n"), "backend: unknown backend 'vlm'; did you mean 'vllm'?"),
        (lambda f: (f / "tuned.jsonl").write_text('{"id": 1, "output": "x"}\n{"id": 1, "output": "y"}\n'), "tuned.jsonl:2: id '1' stands at"),
        (lambda f: (f / "tuned.jsonl").write_text('{"id": 1, "outptu": "x"}\n'), "tuned.jsonl:1: no field 'output'"),
        (lambda f: (f / "tuned.jsonl").write_text('{"id": 1, "output": \n'), "tuned.jsonl:1: not a JSON row"),
        (lambda f: (f / "items.jsonl").write_text(""), "holds no rows"),
        (lambda f: (f / "items.jsonl").write_text('{"id": 1, "q": "x"}\n'), "items.jsonl:1: sums.yaml: tasks[0].answer: 'a' is undefined"),
        (lambda f: (f / "sums.yaml").write_text("name: sums\nrole: retian\ntasks: []\n"), "sums.yaml:2: role: 'retian'"),
        (lambda f: (f / "evalkit.yaml").write_text("suites: [quikc]\n"), "--suite"),
    ],
)  # fmt: skip
def test_bad_input_exits_2_with_one_message_and_no_traceback(folder, break_it, message):
    for ending in ("yaml", "jsonl"):
        text = (folder / f"equal.{ending}").read_text().replace("equal", "tuned")
        (folder / f"tuned.{ending}").write_text(text)
    break_it(folder)
    if message == "--suite":
        done = evalkit("compare", "base.yaml", "tuned.yaml", cwd=folder)
        message = "evalkit.yaml: suites: unknown suite 'quikc'; did you mean 'quick'?"
    else:
        done = compare(folder, "tuned")
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr
    assert not (folder / "out" / "summary.json").exists()


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("compare", "base.yaml"), "Missing argument 'TUNED'"),
        (("compare", "base.yaml", "equal.yaml", "--suite", "sums.yaml", "--judge", "nobody"), "unknown judge 'nobody'"),
        (("compare", "base.yaml", "equal.yaml", "--suite", "sums.yaml", "--suite", "sums.yaml"), "two suites are named 'sums'"),
        (("compare", "base.yaml", "equal.yaml", "--suite", "sums.yaml", "--policy", "none.yaml"), "none.yaml: no such file"),
        (("compare", "base.yaml", "equal.yaml", "--suite", "sums.yaml", "--out", "items.jsonl"), "--out: items.jsonl: cannot be written"),
        (("gate", "nowhere"), "nowhere: no such folder"),
        (("gate", "."), "manifest.json: no such file"),
        (("run", "base.yaml", "--suite", "sums.yaml", "--id", "4711"), "--id: no item '4711' in sums"),
    ],
)  # fmt: skip
def test_wrong_usage_exits_2_and_says_what_to_do(folder, args, message):
    done = evalkit(*args, cwd=folder, COLUMNS="200")
    assert done.returncode == 2
    assert message in done.stderr and "Traceback" not in done.stderr


def test_a_pool_of_unknown_suites_is_refused_before_anything_runs(folder):
    (folder / "policy.yaml").write_text("pools: {code: [sums, humaneval]}\n")
    done = compare(folder, "equal", "--policy", "policy.yaml")
    assert done.returncode == 2
    assert "policy.yaml: pools.code: no suite 'humaneval' in this run; it has: sums" in done.stderr


def test_secrets_reach_no_file_and_no_stream(folder):
    (folder / "api.yaml").write_text(
        "name: api\nbackend: openai\nmodel: m\nbase_url: http://127.0.0.1:9/v1\napi_key: ${MY_API_KEY}\nmax_retries: 0\n"
        "headers: {x-team: '${MY_API_KEY}'}\n"
    )
    done = compare(folder, "api", "--limit", 2, MY_API_KEY="sk-hush-hush-hush")
    assert done.returncode == 4, done.stderr
    written = b"".join(path.read_bytes() for path in (folder / "out").iterdir())
    assert b"hush" not in written and "hush" not in done.stdout + done.stderr


def test_run_asks_one_model_and_shows_one_item_in_full(folder):
    done = evalkit("run", "worse.yaml", "--suite", "sums.yaml", cwd=folder)
    assert done.returncode == 0 and "75.0 %" in done.stdout and "100 unparsed" in done.stdout
    shown = evalkit("run", "worse.yaml", "--suite", "sums.yaml", "--id", "4", cwd=folder).stdout
    assert "4 + 1?" in shown and "no idea" in shown


def test_progress_is_plain_lines_without_a_terminal(folder):
    done = compare(folder, "equal")
    assert "base: generating: " in done.stderr and "\x1b[" not in done.stderr + done.stdout


@pytest.mark.parametrize("command", ["suites", "judges"])
def test_listings_have_tables_and_json(folder, command):
    assert "quick" in evalkit("suites", cwd=folder).stdout
    assert json.loads(evalkit(command, "--json", cwd=folder).stdout)


def test_two_models_lacking_a_row_for_everything_do_not_crash(folder):
    (folder / "equal.jsonl").write_text('{"id": "elsewhere", "output": "x"}\n')
    done = compare(folder, "equal")
    assert done.returncode == 4, done.stderr
    summary = json.loads((folder / "out" / "summary.json").read_text())
    assert summary["suites"][0]["n"] == 0 and summary["suites"][0]["base"] is None


SLOW = """
import time
import evalkit
from evalkit.types import Completion, ModelRecord, Prepared

class Slow:
    def __init__(self, name, spec):
        self.models, self.spec = (name,), spec
    def record(self, model):
        return ModelRecord(self.spec.name, "slow", "slow", "slow")
    def prepare(self, request):
        return Prepared(request, request.messages[-1].content, key="slow " + request.example_id)
    def start(self, progress): pass
    def stream(self, prepared):
        for one in prepared:
            time.sleep(0.02)
            yield one, Completion(one.prompt.split()[0])
    def close(self): pass

@evalkit.backend("slow")
def open_slow(models, folder):
    return [Slow(name, spec) for name, spec in models.items()]
"""


def test_ctrl_c_exits_130_keeps_what_was_generated_and_a_rerun_goes_on(folder, tmp_path_factory):
    """With a backend from a plugin file, as a user would add one."""
    (folder / "slow.py").write_text(SLOW)
    (folder / "evalkit.yaml").write_text("plugins: [slow.py]\nsuites: [sums.yaml]\n")
    for name in ("base", "tuned"):
        (folder / f"{name}.yaml").write_text(f"name: {name}\nbackend: slow\nmodel: m\n")
    cache = tmp_path_factory.mktemp("cache")
    args = [sys.executable, "-m", "evalkit", "compare", "base.yaml", "tuned.yaml", "--out", "out"]
    env = {**os.environ, "EVALKIT_CACHE": str(cache)}
    running = subprocess.Popen(
        args,
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell starts what runs in its background with Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert running.stderr is not None
    for line in running.stderr:
        if "generating" in line:
            break
    time.sleep(1)
    running.send_signal(signal.SIGINT)
    _, errors = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "run the same command to go on" in errors and "Traceback" not in errors
    done = compare(folder, "tuned", EVALKIT_CACHE=str(cache))
    assert done.returncode in (0, 1, 3), done.stderr
    already = re.search(r"base: (\d+) of 400 answers are in the journal already", done.stderr)
    assert already and 0 < int(already.group(1)) < 400
