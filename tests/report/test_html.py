import re
import subprocess
import sys
from dataclasses import replace
from functools import partial
from html.parser import HTMLParser

import pytest
from example_run import Planned, make_run

from evalkit.report.embed import embed
from evalkit.report.html import render_html
from evalkit.report.words import CAUSES

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028\u202e\x1b[31m\x00"


class Tags(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.text = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(run):
    return render_html(*run)


def test_the_verdict_its_reason_and_what_would_decide_it_are_plain_text(page):
    text = " ".join(Tags(page).text)
    assert "INCONCLUSIVE" in text
    assert "Tuned gained 36.2 pp on arithmetic-json [29.4, 43.1]" in text
    assert "gsm8k: about 1\u202f120 more gsm8k items, or a margin of 9.6 pp" in text


def test_the_page_asks_nothing_of_the_network(page):
    for name, value in Tags(page).attributes:
        if name in ("src", "srcset", "action", "data", "poster"):
            raise AssertionError(f"{name}={value}")
        if name == "href":
            assert value.startswith("#")
    assert "@import" not in page and "url(" not in page


def test_the_policy_admits_only_this_pages_own_script_and_style(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not [name for name, _ in Tags(page).attributes if name == "style" or name.startswith("on")]


def test_scripts_are_one_program_and_blocks_of_data(page):
    scripts = re.findall("<script([^>]*)>", page)
    assert scripts.pop() == "" and len(scripts) > 2
    assert all(one.startswith(' type="application/octet-stream" ') for one in scripts)


def test_hostile_text_stays_text():
    run = make_run((Planned("s", items=30),), prompt=HOSTILE, output=HOSTILE, cautions=(HOSTILE,))
    named = replace(run.manifest, tuned=replace(run.manifest.tuned, name=HOSTILE), command=HOSTILE)
    suites = (replace(run.comparison.suites[0], name=HOSTILE, cautions=(HOSTILE,)),)
    page = render_html(replace(run.comparison, suites=suites), run.decision, named, run.table)
    tags = Tags(page)
    assert tags.tags.count("script") == page.count('type="application/octet-stream"') + 1 and "img" not in tags.tags
    assert not re.search("[\x00\x1b\u2028\u202e]", page)


def test_the_judge_is_second_class_until_it_has_passed_its_exam():
    for exam, word in (("none", "advisory: not examined"), ("failed", "advisory: exam failed")):
        page = render_html(*make_run((Planned("s", items=40),), judge=exam))
        assert 'class="judge second"' in page and word in page
        assert ("not passed." in page) is (exam == "failed")
    page = render_html(*make_run((Planned("s", items=40),), judge="passed"))
    assert 'class="judge"' in page and "; passed." in page


def test_without_a_judge_there_is_no_judge_on_the_page():
    assert 'id="judge"' not in render_html(*make_run((Planned("s", items=40),), judge=None))


def test_every_cause_has_the_same_words_in_the_tables_and_beside_the_samples(page):
    script = re.search(r"const WORDS = \{(.*?)\};", page, re.DOTALL)[1]
    for cause, words in CAUSES.items():
        assert f'{cause}: "{words}"' in script


def test_what_was_left_out_is_said(run, monkeypatch):
    monkeypatch.setattr("evalkit.report.html.embed", partial(embed, room=60_000))
    page = " ".join(render_html(*run).split())
    assert re.search(r"All 1.300 items are listed; the texts of \d+ are on this page", page)
    assert re.search(r"Those of the other [\d\u202f]+ are left out", page)
    assert "Every text is in samples.parquet" in page


def test_a_run_of_one_failed_item_still_renders():
    run = make_run((Planned("s", items=2, missing=1),), judge=None, complete=False)
    assert "INCOMPLETE" in render_html(*run)


def test_nothing_scored_still_renders(run):
    empty = replace(run.comparison, suites=(), tax=None, gain=None, judges=(), n=0, missing=0)
    page = render_html(empty, replace(run.decision, gates=(), complete=False), run.manifest, run.table.slice(0, 0))
    assert "No suite has items scored on both sides." in page


def test_importing_the_report_draws_nothing():
    code = (
        "import sys, evalkit.report; print([m for m in ('altair', 'vl_convert', 'jinja2', 'rich') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
