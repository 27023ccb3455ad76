"""Reading the samples one after the other: keys, focus, what is searched and said of an item, and paper."""

import re
from dataclasses import replace

import opened
import pyarrow as pa
import pytest
from example_run import REASONING, make_run
from opened import rows, written

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = opened.MARKS
FOCUSED = "document.activeElement.textContent"


# --- keys and focus ---------------------------------------------------------------------------------------------


def test_a_closed_item_keeps_its_place(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed")
    ids = page.locator(".row .id").all_inner_texts()
    rows(page).nth(4).click()
    sync_api.expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.querySelector('.id').textContent") == ids[4]
    page.keyboard.press("j")
    assert page.locator('.row[aria-expanded="true"] .id').inner_text() == ids[5]
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("k")
    assert page.locator('.row[aria-expanded="true"] .id').inner_text() == ids[4]


def test_walking_starts_at_the_row_with_the_focus(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed")
    ids = page.locator(".row .id").all_inner_texts()
    rows(page).nth(6).focus()
    page.keyboard.press("j")
    assert page.locator('.row[aria-expanded="true"] .id').inner_text() == ids[7]


def test_the_keys_and_the_marks_of_the_diff_are_explained_where_they_are(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed&cause=wrong")
    page.get_by_role("button", name="Keys").click()
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    labels = page.locator("#filters label:visible").evaluate_all(
        "all => all.map(one => one.firstChild.textContent.trim())"
    )
    assert {"Out of form", "Judge's verdict"} <= set(labels) and not {"Form", "Verdict"} & set(labels)
    rows(page).first.click()
    assert page.locator(".told").inner_text() == "only in base only in tuned"
    for mark in ("del", "ins"):
        drawn = [
            page.locator(f"{place} {mark}").first.evaluate("one => getComputedStyle(one).backgroundColor")
            for place in (".told", ".pair")
        ]
        assert drawn[0] == drawn[1]
    page.keyboard.press("d")
    sync_api.expect(page.locator(".told")).to_have_count(0)


def test_drawing_an_item_again_keeps_the_focus_and_what_was_unfolded(tmp_path, open_page):
    run = make_run((replace(REASONING, items=12),), judge=None)
    page = open_page(written(run, tmp_path))
    rows(page).first.click()
    page.locator(".pair .tuned summary").click()
    for name in ("Sample 3", "Word diff", "Word diff"):
        page.get_by_role("button", name=name).focus()
        page.keyboard.press("Enter")
        assert page.evaluate(FOCUSED) == name.removeprefix("Sample ")
        assert [one.get_attribute("open") for one in page.locator(".pair details").all()] == [None, ""]
    assert page.locator('.tools [aria-label="Sample 3"]').get_attribute("aria-pressed") == "true"
    page.locator(".pair .tuned summary").click()
    page.keyboard.press("d")
    assert page.locator(".pair details[open]").count() == 0


def test_buttons_that_copy_say_what(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k")
    rows(page).first.click()
    for arm in ("base", "tuned"):
        assert page.get_by_role("button", name=f"Copy the command that asks {arm} again").count() == 1


def test_what_a_judge_said_and_what_was_extracted_are_searched(run, tmp_path, open_page):
    told = [
        {**row, "answer": "quokka", "verdicts": [{**said, "reason": "It mentions a wombat."} for said in row["verdicts"] or ()]} if row["id"] == "gsm8k-7" else row
        for row in run.table.to_pylist()
    ]  # fmt: skip
    address = written(replace(run, table=pa.Table.from_pylist(told, schema=run.table.schema)), tmp_path)
    for word in ("quokka", "WOMBAT"):
        page = open_page(f"{address}#samples?q={word}")
        sync_api.expect(page.locator("#found")).to_contain_text("1 of")
        assert rows(page).locator(".id").inner_text() == "gsm8k-7"


def test_an_item_says_what_scored_it(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k")
    rows(page).first.click()
    assert re.search(r"scored by\s+number", page.locator(".pair .tuned .answers").inner_text())


# --- paper ------------------------------------------------------------------------------------------------------


def test_what_is_folded_is_printed_and_folds_again(report, open_page):
    page = open_page(report)
    closed, hidden = "main details:not([open])", "tr.task[hidden]"
    before = page.locator(closed).count(), page.locator(hidden).count()
    assert before[0] >= 3 and before[1] == 3
    page.evaluate(
        f"addEventListener('beforeprint', () => {{ window.seen = document.querySelectorAll('{closed}, {hidden}').length; }})"
    )
    page.pdf()
    assert page.evaluate("seen") == 0
    assert (page.locator(closed).count(), page.locator(hidden).count()) == before


def test_without_scripts_what_is_folded_is_printed_too(report, open_page):
    page = open_page(report, java_script_enabled=False)
    assert not page.locator(".gates table").is_visible()
    page.emulate_media(media="print")
    assert page.locator(".gates table").is_visible() and page.locator("#provenance .facts").is_visible()
    assert not page.locator(".contents.bar").is_visible()
