"""`--json`: JSON alone on stdout, everything else on stderr, for every command that reports; and shell completion."""

import json
import os
import subprocess
import sys

import pytest
import typer

from evalkit import cli
from tests.commands.recorded_models import compare, folder  # noqa: F401
from tests.shell import evalkit


def leaves(commands, group=""):
    for name, command in sorted(commands.items()):
        below = getattr(command, "commands", {})
        if below:
            yield from leaves(below, f"{group}{name} ")
        if not below or command.invoke_without_command:
            yield pytest.param(command, id=group + name)


@pytest.mark.parametrize("command", [*leaves(typer.main.get_command(cli.app).commands)])
def test_every_command_that_reports_takes_json(command):
    assert "--json" in {flag for option in command.params for flag in option.opts}


def test_stdout_holds_json_and_nothing_else(folder):  # noqa: F811
    done = compare(folder, "worse", "--json")
    assert done.returncode == 1 and "base: generating" in done.stderr
    summary = json.loads(done.stdout)
    assert summary == json.loads((folder / "out" / "summary.json").read_text())
    for args in (("gate", "out"), ("report", "out")):
        again = json.loads(evalkit(*args, "--json", cwd=folder).stdout)
        assert again["decision"] == "no_go" and again["tax"] == summary["tax"]
    rows = json.loads(evalkit("run", "worse.yaml", "-s", "sums.yaml", "--json", cwd=folder).stdout)
    assert len(rows) == 400
    plan = ("plan", "base.yaml", "equal.yaml", "-s", "sums.yaml", "--runs", "100", "--warm-up", "0", "--json")
    assert json.loads(evalkit(*plan, cwd=folder).stdout)
    swept = evalkit("sweep", "base.yaml", "equal.yaml", "-s", "sums.yaml", "-o", "swept", "--json", cwd=folder)
    assert json.loads(swept.stdout) and swept.returncode == 0
    for args in (("suites",), ("judges",), ("suites", "validate", "sums.yaml"), ("suites", "show", "sums.yaml")):
        assert json.loads(evalkit(*args, "--json", cwd=folder).stdout)


def test_an_error_leaves_stdout_empty(folder):  # noqa: F811
    done = evalkit("compare", "base.yaml", "nobody.yaml", "--json", cwd=folder)
    assert done.returncode == 2 and done.stdout == "" and "nobody.yaml: no such file" in done.stderr


def completed(line, shell="bash"):
    env = {**os.environ, "_EVALKIT_COMPLETE": f"complete_{shell}", "COMP_WORDS": line}
    env |= {"COMP_CWORD": str(len(line.split(" ")) - 1), "_TYPER_COMPLETE_ARGS": line}
    code = "import sys\nfrom evalkit.cli import main\nimport atexit\n"
    code += "heavy = {'pandas', 'numpy', 'scipy', 'yaml', 'evalkit.config', 'evalkit.api'}\n"
    code += "atexit.register(lambda: print(*(heavy & set(sys.modules)), file=sys.stderr))\nmain()\n"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stderr.strip() == "", done.stderr
    return done.stdout.split()


def test_shells_complete_commands_options_and_built_in_names_without_a_heavy_import():
    assert completed("evalkit com") == ["compare"]
    assert "--suite" in completed("evalkit compare --su")
    assert completed("evalkit compare --suite gsm") == ["gsm8k"]
    assert "pairwise-general" in completed("evalkit compare --judge pairwise-g")
    assert completed("evalkit compare --suite ./our") == []  # then the shell completes file names
    assert completed("evalkit suites va") == ["validate"]


def test_completion_can_be_installed():
    done = evalkit("--show-completion", cwd=".", SHELL="/bin/bash")
    assert "--install-completion" in evalkit("--help", cwd=".").stdout
    assert "Traceback" not in done.stderr
