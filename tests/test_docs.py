"""README and docs say what is so: files exist, YAML validates, flags and commands are there."""

import json
import re
from pathlib import Path

import pytest
import typer
import yaml

from evalkit import cli
from evalkit.catalog import builtin_names
from evalkit.config import ComposedSpec, JudgeSpec, ModelSpec, PolicySpec, ProjectSpec, SuiteSpec
from evalkit.scorers import scorer_names
from evalkit.yamlfile import validate
from tests.shell import evalkit

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "suites" / "README.md",
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
COMMANDS = typer.main.get_command(cli.app).commands


def command_of(words):
    """The command that a line calls, through its group (`suites show`), and the words that follow it."""
    assert words[0] in COMMANDS, words
    command, rest = COMMANDS[words[0]], words[1:]
    while rest and not rest[0].startswith("-") and getattr(command, "commands", None):
        assert rest[0] in command.commands, words
        command, rest = command.commands[rest[0]], rest[1:]
    return command, rest


def all_commands(commands=COMMANDS, group=""):
    for name, command in sorted(commands.items()):
        yield pytest.param(command, id=group + name)
        yield from all_commands(getattr(command, "commands", {}), f"{group}{name} ")


def blocks(language):
    for page in PAGES:
        for found in re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            yield pytest.param(found, id=f"{page.name}: {found.splitlines()[0][:40]}")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("text", [*blocks("yaml")])
def test_every_yaml_example_is_valid(text, monkeypatch):
    data = yaml.safe_load(text.replace("...", "x") if "rubric" in text else text)
    if data is None or not isinstance(data, dict):
        return  # steps of a CI file
    if "suites" in data and "name" in data:
        validate(ComposedSpec, data)
        assert {member["suite"] for member in data["suites"]} <= {*builtin_names("suites")}
    elif "tasks" in data:
        validate(SuiteSpec, data)
        assert {task.get("score") for task in data["tasks"]} <= {*scorer_names(), None}
    elif "rubric" in data:
        validate(JudgeSpec, data)
    elif {"tax", "sequential"} & data.keys():
        validate(PolicySpec, data)
    elif "executor" in data:
        validate(ProjectSpec, data)
    elif "name" in data:
        validate(ModelSpec, data)
    else:
        assert "adapter" in data  # the continuation of a model file


@pytest.mark.parametrize("text", [*blocks("bash"), *blocks("yaml")])
def test_every_command_and_flag_exists(text):
    for line in re.findall(r"\bevalkit ((?:compare|gate|report|run|suites|judges|[a-z]+) ?.*)", text):
        command, words = command_of(line.partition("#")[0].split())
        known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
        assert {word for word in words if word.startswith("-")} <= known | {"--help"}, line


def test_what_the_first_suite_page_shows_is_sound_and_decides(tmp_path):
    """Its CSV and YAML, word for word, through `suites validate`, `suites show` and a comparison of recorded answers."""
    text = (ROOT / "docs" / "first-suite.md").read_text(encoding="utf-8")
    rows = re.search(r"```csv\n(.*?)```", text, re.DOTALL).group(1)
    suite = re.search(r"```yaml\n(.*?)```", text, re.DOTALL).group(1)
    (tmp_path / "tickets.csv").write_text(rows)
    (tmp_path / "tickets.yaml").write_text(suite)
    assert len(suite.splitlines()) == 10
    checked = json.loads(evalkit("suites", "validate", "tickets.yaml", "--json", cwd=tmp_path).stdout)
    assert checked["sound"] and checked["suites"][0]["tasks"][0]["items"] == len(rows.splitlines()) - 1
    shown = json.loads(evalkit("suites", "show", "tickets.yaml", "--limit", "99", "--json", cwd=tmp_path).stdout)
    for name, answer in (("base", lambda gold: "other"), ("tuned", lambda gold: f"{gold.title()}.")):
        outputs = "".join(json.dumps({"id": one["id"], "output": answer(one["gold"])}) + "\n" for one in shown)
        (tmp_path / f"{name}.jsonl").write_text(outputs)
        (tmp_path / f"{name}.yaml").write_text(f"name: {name}\nbackend: replay\noutputs: {name}.jsonl\n")
    done = evalkit("compare", "base.yaml", "tuned.yaml", "--suite", "tickets.yaml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (measured,) = json.loads(done.stdout)["suites"]
    assert (measured["base"], measured["tuned"]) == (pytest.approx(1 / 3), 1.0)

    # What the page says of a suite without `extract`.
    (tmp_path / "tickets.yaml").write_text("".join(line for line in suite.splitlines(True) if "extract" not in line))
    assert "the question repeated earns 100 %" in evalkit("suites", "validate", "tickets.yaml", cwd=tmp_path).stdout


def test_the_exit_codes_of_the_readme_are_those_of_the_command():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    codes = [int(code) for code in re.search(r"\| exit ((?:\| \d+ )+)\|", text).group(1).split("|") if code.strip()]
    assert codes == [cli.GO, cli.NO_GO, cli.BAD_INPUT, cli.INCONCLUSIVE, cli.INCOMPLETE, cli.INTERNAL, cli.INTERRUPTED]


@pytest.mark.parametrize("command", [*all_commands()])
def test_every_command_and_option_explains_itself(command):
    assert command.help
    for option in command.params:
        assert getattr(option, "help", None), f"{command.name}: {option.name}"
