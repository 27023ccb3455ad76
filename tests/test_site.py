"""The documentation as a site: built without a warning and without a network, whole, and in step with the code."""

import html
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer
import yaml

from evalkit import cli
from evalkit.config import Spec
from tests.shell import evalkit

pytest.importorskip("mkdocs", reason="needs mkdocs: pip install 'evalkit-gate[docs]'")

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
# Other tests make specs of their own.
SPECS = [spec for spec in Spec.__subclasses__() if spec.__module__.startswith("evalkit.config.")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, timeout=300,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr
    assert "WARNING" not in built.stderr  # told to be quiet, it would let warnings pass
    return folder


class Asked(HTMLParser):
    """What a page makes a browser ask for by itself: everything but the links that a reader follows."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for name, value in attrs:
            if name in ("src", "srcset", "data", "poster") or (name == "href" and tag != "a"):
                self.addresses.append(value)


def pages(site):
    return sorted(site.glob("**/*.html"))


def words_of(fragment):
    return html.unescape(re.sub(r"<[^>]+>", "", fragment))


def sections(page):
    """The text of each section of a reference page, by its anchor."""
    text = page.read_text(encoding="utf-8")
    starts = [*re.finditer(r'<h[23] id="([^"]+)"', text)]
    ends = [*(one.start() for one in starts[1:]), len(text)]
    return {one[1]: words_of(text[one.start() : end]) for one, end in zip(starts, ends, strict=True)}


def test_no_page_asks_for_anything_from_a_network(site):
    assert len(pages(site)) > 30
    for page in pages(site):
        asked = Asked(page.read_text(encoding="utf-8")).addresses
        assert asked and not [one for one in asked if one.startswith(("http:", "https:", "//"))], page.name
    for sheet in site.glob("**/*.css"):
        assert not re.search(r"(url\(|@import\s+)['\"]?(https?:)?//", sheet.read_text(encoding="utf-8")), sheet.name


def test_no_list_and_no_table_was_taken_for_a_paragraph(site):
    """Python-Markdown wants an empty line before them, and says nothing where there is none."""
    for page in pages(site):
        for paragraph in re.findall(r"<p>(.*?)</p>", page.read_text(encoding="utf-8"), re.DOTALL):
            assert not re.search(r"(?m)^(- |\d+\. |\|)", paragraph), (page.name, paragraph[:80])


def test_every_page_is_in_the_navigation():
    named = re.findall(r": ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(page.name for page in DOCS.glob("*.md"))


def all_commands(commands, prefix="evalkit"):
    for name, command in commands.items():
        yield f"{prefix} {name}", command
        yield from all_commands(getattr(command, "commands", {}), f"{prefix} {name}")


def test_every_command_is_on_its_page_with_every_option(site):
    said = sections(site / "command-line.html")
    for name, command in all_commands(typer.main.get_command(cli.app).commands):
        section = said[name.replace(" ", "-")]
        assert command.help.split("\n")[0].replace("`", "") in section
        for one in () if hasattr(command, "commands") else command.params:
            shown = (
                [*one.opts, *one.secondary_opts]
                if one.param_type_name == "option"
                else [one.metavar or one.name.upper()]
            )
            for word in shown:
                assert word.strip("[]") in section, f"{name}: {word}"


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.__name__)
def test_every_field_of_every_file_is_on_its_page_and_explained(site, spec):
    page = (site / "yaml-files.html").read_text(encoding="utf-8")
    _, _, section = page.partition(f'id="{spec.__name__.lower()}"')
    rows = re.findall(
        r"<tr>\s*<td>(.*?)</td>\s*<td>.*?</td>\s*<td>(.*?)</td>\s*<td>(.*?)</td>", section.split("<h")[0], re.S
    )
    shown = {words_of(name): (words_of(default), words_of(meaning)) for name, default, meaning in rows}
    read = {"file", "folder"} if {"file", "folder"} <= spec.model_fields.keys() else set()
    fields = {field.alias or name: field for name, field in spec.model_fields.items() if name not in read}
    assert shown.keys() == fields.keys()
    for name, field in fields.items():
        default, meaning = shown[name]
        assert meaning, f"say what {name} means in the docstring of {spec.__name__}: `{name}: ...`"
        assert (default == "required") == field.is_required()
        if isinstance(field.default, str | int | float) and field.default != "":
            assert json.dumps(field.default, ensure_ascii=False).strip('"') == default


def test_what_evalkit_exports_is_on_its_page(site):
    import evalkit

    page = words_of((site / "python.html").read_text(encoding="utf-8"))
    for name in evalkit.__all__:
        assert f"evalkit.{name}" in page
    assert "Tango" in page or "low" in page  # the fields' meanings, not names alone
    assert ">>>" not in page


def test_links_out_of_the_folder_became_names(site):
    for page in pages(site):
        text = page.read_text(encoding="utf-8")
        assert "generated:" not in text
        assert not re.findall(r'href="(?:\.\./)+[^"]*\.(?:yaml|yml|md)"', text), page.name
    assert "<code>examples/ci/gitlab.yml</code>" in (site / "ci.html").read_text(encoding="utf-8")


def test_the_five_minutes_are_what_the_page_says(tmp_path):
    """Its commands in their order, each with the exit code that stands beside it, and its numbers."""
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    shutil.copytree(ROOT / "examples" / "replay", tmp_path / "examples" / "replay")
    (policy,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    (tmp_path / "looser.yaml").write_text(policy)
    commands = re.findall(r"^evalkit (.*?) +# exit (\d)$", text, re.MULTILINE)
    assert len(commands) == 3
    printed = []
    for command, code in commands:
        done = evalkit(*shlex.split(command), cwd=tmp_path, COLUMNS="200")
        assert done.returncode == int(code), (command, done.stderr)
        printed.append(done.stdout)
    compared, decided, planned = printed
    for line in re.search(r"```text\n(.*?)```", text, re.DOTALL)[1].splitlines():
        assert " ".join(line.split()) in " ".join(compared.split())
    assert "INCONCLUSIVE" in decided
    assert re.search(r"GO in (1\.[5-9]|2\.[0-4]) %", planned)  # "about 2 %"
    shown = evalkit(*shlex.split(re.search(r"^evalkit (run .*?) +#", text, re.MULTILINE)[1]), cwd=tmp_path)
    assert shown.returncode == 0 and "12 bottles" in shown.stdout


def test_the_scorer_of_its_page_marks_as_the_page_says(tmp_path):
    """Every file of the page, word for word; then its commands, and its own test."""
    text = (DOCS / "scorers.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL)
    of = {kind: [body for name, body in blocks if name == kind] for kind, _ in blocks}
    project, suite, model = of["yml"]
    plugin, test = of["python"]
    written = {"within.py": plugin, "test_within.py": test, "evalkit.yaml": project, "estimates.yaml": suite}
    written |= {"tuned.yaml": model, "estimates.csv": of["csv"][0], "tuned.jsonl": of["json"][0]}
    for name, body in written.items():
        (tmp_path / name).write_text(body)
    validate, run, single = re.findall(r"^evalkit (.*?) +#", of["bash"][0], re.MULTILINE)
    assert evalkit(*validate.split(), cwd=tmp_path).returncode == 0
    whole = evalkit(*run.split(), cwd=tmp_path).stdout
    assert "57.6 %" in whole and "1 wrong, 1 unparsed" in whole
    assert "0.727" in evalkit(*single.split(), cwd=tmp_path).stdout
    own = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"},
    )  # fmt: skip
    assert own.returncode == 0 and "3 passed" in own.stdout, own.stdout

    (tmp_path / "estimates.csv").write_text(of["csv"][0].replace("365", "a year"))
    refused = evalkit(*validate.split(), cwd=tmp_path)
    assert refused.returncode == 2
    assert re.search(r"`(estimates\.yaml: tasks.*?'a year')`", text, re.DOTALL)[1] in refused.stderr


def test_a_mirror_is_laid_out_as_its_page_says(tmp_path):
    """Each line of the drawing: a file there is what the mapping beside it reads."""
    text = (DOCS / "air-gapped.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^  (\S+\.(?:parquet|jsonl)) +(\{hub: .*\})$", text, re.MULTILINE)
    assert len(drawn) == 2
    for path, mapping in drawn:
        place = (tmp_path / "mirror" / path).with_suffix(".jsonl")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text('{"q": "1 + 1?", "a": "2"}\n')
        task = {"data": yaml.safe_load(mapping), "prompt": "{{ q }}", "answer": "{{ a }}", "score": "number"}
        (tmp_path / "mirrored.yaml").write_text(yaml.safe_dump({"name": "mirrored", "tasks": [task]}))
        shown = evalkit("suites", "show", "mirrored.yaml", cwd=tmp_path, EVALKIT_DATA=str(tmp_path / "mirror"))
        assert "1 + 1?" in shown.stdout, shown.stderr


CHROMIUM = shutil.which("chromium")


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium: apt-get install chromium")
@pytest.mark.parametrize(
    ("name", "scheme"), [("index.html", "light"), ("python.html", "dark"), ("peers.html", "light")]
)
def test_a_browser_asks_for_nothing_elsewhere_and_finds_the_page_accessible(site, name, scheme):
    sync_api = pytest.importorskip("playwright.sync_api")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(color_scheme=scheme).new_page()
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / name).as_uri(), wait_until="networkidle")
        found = axe.Axe().run(page).response["violations"]
        browser.close()
    assert asked and all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    serious = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
    assert not serious
