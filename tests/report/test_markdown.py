import re
from dataclasses import replace

from evalkit.report.markdown import plain, summary_markdown


def test_the_verdict_and_the_sentence_come_first(run):
    lines = summary_markdown(run.comparison, run.decision, run.manifest).splitlines()
    assert lines[0] == "## ❔ INCONCLUSIVE: tuned-model over base-model"
    assert lines[2].startswith("Tuned gained 36.2 pp on arithmetic-json")


def test_every_suite_is_a_row_with_as_many_cells_as_the_head(run):
    text = summary_markdown(run.comparison, run.decision, run.manifest)
    table = [line for line in text.splitlines() if line.startswith("|")]
    for suite in run.comparison.suites:
        row = next(line for line in table if line.startswith(f"| {suite.name} "))
        assert row.count("|") == table[0].count("|")


def test_an_unexamined_judge_is_called_advisory(run):
    assert "advisory: not examined" in summary_markdown(run.comparison, run.decision, run.manifest)


def test_no_name_or_reason_becomes_markup(run):
    hostile = "<img src=x onerror=alert(1)> | [a](http://b) `c` @everyone **d**\n# e \u202e\x1b[31m"
    named = replace(run.manifest, tuned=replace(run.manifest.tuned, name=hostile))
    text = summary_markdown(replace(run.comparison, cautions=(hostile,)), run.decision, named)
    assert "<img" not in text and "@everyone" not in text
    assert r"\[a\](http://b) \`c\`" in text and r"\*\*d\*\*" in text
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", text)
    assert "\n# e" not in text


def test_plain_text_stays_readable():
    assert plain("gsm8k: 6.4 pp (n = 1319), a-b") == "gsm8k: 6.4 pp (n = 1319), a-b"
