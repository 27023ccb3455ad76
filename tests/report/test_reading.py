"""Finding one's way on the page: the address, the doors to samples, the contents, and the list in its box."""

import json
from dataclasses import replace
from urllib.parse import quote

import opened
import pyarrow as pa
import pytest
from example_run import Planned, make_run
from opened import expect_rows, rows, written

from evalkit.report.items import item_frame
from evalkit.types import Slice

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = opened.MARKS
LAPTOP, PHONE = {"width": 1280, "height": 720}, {"width": 390, "height": 844}
FOCUSED = "document.activeElement.textContent"


def on_screen(page, selector):
    return page.locator(selector).evaluate(
        "one => 0 <= one.getBoundingClientRect().top && one.getBoundingClientRect().top < innerHeight"
    )


# --- the address ------------------------------------------------------------------------------------------------


def test_back_to_an_address_without_a_view_takes_the_filter_away(report, open_page):
    page = open_page(report)
    page.select_option("select[name=suite]", "gsm8k")
    page.select_option("select[name=cell]", "regressed")
    expect = sync_api.expect(page.locator("#found"))
    page.go_back()
    expect.to_contain_text("400 of 1\u202f300 items")
    page.go_back()
    expect.to_have_text("1\u202f300 items")
    assert "#" not in page.url and page.input_value("select[name=suite]") == ""
    page.go_forward()
    expect.to_contain_text("400 of 1\u202f300 items")


def test_back_to_a_part_of_the_page_takes_the_filter_away(report, open_page):
    page = open_page(report)
    page.click('.contents.beside a[href="#judge"]')
    assert page.url.endswith("#judge")
    page.select_option("select[name=suite]", "gsm8k")
    page.go_back()
    sync_api.expect(page.locator("#found")).to_have_text("1\u202f300 items")


def test_a_click_in_the_contents_goes_there_and_leaves_the_view_in_the_address(report, open_page):
    page = open_page(report)
    page.select_option("select[name=suite]", "gsm8k")
    page.select_option("select[name=cell]", "regressed")
    held = page.url
    page.click('.contents.beside a[href="#method"]')
    assert page.url == held and on_screen(page, "#method")
    assert page.evaluate("document.activeElement.id") == "method"  # the next Tab goes on from there
    page.reload()
    page.wait_for_selector("#explorer:not([hidden])")
    assert page.input_value("select[name=cell]") == "regressed"


def test_a_link_to_a_part_below_the_list_still_shows_that_part(report, open_page):
    assert on_screen(open_page(report + "#provenance"), "#provenance")


# --- doors ------------------------------------------------------------------------------------------------------


def test_a_tasks_row_opens_the_items_of_that_task_and_no_others(tmp_path, open_page):
    run = make_run((Planned("knowledge", items=220, tasks=11),), judge=None)
    page = open_page(written(run, tmp_path))
    page.click("button.expand")
    page.get_by_role("link", name="knowledge-1", exact=True).click()
    expect_rows(page, 20)  # not those of knowledge-10 and knowledge-11
    assert page.input_value("select[name=task]") == "knowledge-1"
    page.select_option("select[name=suite]", "")
    assert "task=" not in page.url


def test_a_slices_row_opens_the_items_of_that_slice(tmp_path, open_page):
    run = make_run((Planned("s", items=30),), judge=None)
    told = [
        {**row, "slices": json.dumps({"topic": "a: \u00e9", "level": "1"}) if row["id"][-1] in "02468" else None}
        for row in run.table.to_pylist()
    ]
    (suite,) = run.comparison.suites
    slices = (Slice("topic", "a: \u00e9", 15, 0.8, 0.7, 2, 1, suite.delta, 0.5, False),)
    comparison = replace(run.comparison, suites=(replace(suite, slices=slices),))
    page = open_page(
        written(
            replace(run, comparison=comparison, table=pa.Table.from_pylist(told, schema=run.table.schema)), tmp_path
        )
    )
    page.click("button.expand")
    page.get_by_role("link", name="topic: a: \u00e9").click()
    expect_rows(page, 15)
    assert page.locator("select[name=slice] option").all_inner_texts() == ["all slices", "level: 1", "topic: a: \u00e9"]
    page.goto(page.url + "&cell=unscored")
    sync_api.expect(page.locator("#found")).to_contain_text('15 without cell "– unscored"')
    sync_api.expect(page.locator("#found")).to_contain_text('without slice "topic: a: \u00e9"')


def test_a_suite_of_one_task_offers_no_tasks(report, open_page):
    page = open_page(report)
    assert page.locator("select[name=task]").is_visible() and not page.locator("select[name=slice]").is_visible()
    page.select_option("select[name=suite]", "gsm8k")
    assert not page.locator("select[name=task]").is_visible()


def test_an_item_outside_the_filter_is_said_to_be_and_can_be_shown(run, report, open_page):
    item = item_frame(run.table).query("suite == 'knowledge'").iloc[-1]
    key = quote(json.dumps([item["suite"], item["task"], item["id"]], separators=(",", ":")))
    page = open_page(f"{report}#samples?suite=gsm8k&open={key}")
    said = page.locator("#outside")
    assert f"{item['id']} of knowledge, is outside the filter" in said.inner_text() and on_screen(page, "#outside")
    said.get_by_role("button").click()
    sync_api.expect(page.locator('.row[aria-expanded="true"] .id')).to_have_text(item["id"])
    assert not said.is_visible() and "suite=" not in page.url
    nobody = quote('["no","such","item"]')
    page.goto(f"{report}#samples?open={nobody}")
    sync_api.expect(said).to_contain_text("not in this run")


# --- contents and the list in its box ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_the_contents_are_a_bar_where_the_page_is_narrow_and_lead_past_the_list(report, open_page, size):
    page = open_page(report, viewport=size)
    assert not page.locator(".contents.beside").is_visible()
    page.click(".contents.bar summary")
    page.click('.contents.bar a[href="#method"]')
    sync_api.expect(page.locator(".contents.bar ol")).not_to_be_visible()
    sync_api.expect(page.locator("#here")).to_have_text("Method")
    bar = page.locator(".contents.bar").evaluate("bar => bar.getBoundingClientRect().bottom")
    assert bar <= page.locator("#method h2").evaluate("one => one.getBoundingClientRect().top") < size["height"]


@pytest.mark.parametrize("size", [PHONE, LAPTOP], ids=["phone", "laptop"])
def test_what_follows_the_list_lies_a_screen_below_its_head(report, open_page, size):
    page = open_page(report, viewport=size)
    rows_, method = (
        page.locator(one).evaluate("one => one.getBoundingClientRect().top") for one in ("#rows", "#method")
    )
    assert method - rows_ < size["height"] + 100
    rows(page).nth(3).click()
    assert page.locator("#rows").evaluate("rows => rows.getBoundingClientRect().height") <= size["height"] - 70
    assert 0 <= page.locator('.row[aria-expanded="true"]').evaluate("row => row.getBoundingClientRect().top") < 100


def test_tab_goes_past_the_list_by_a_link(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k")
    page.locator("#heads button").last.focus()
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Skip the list" and page.locator(".skip.inline").is_visible()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "method" and "suite=gsm8k" in page.url
