"""The page in a real browser, from a folder, as a reader opens it."""

import json
import random
import re
from dataclasses import replace
from functools import partial
from urllib.parse import quote, urlencode

import opened
import pyarrow as pa
import pytest
from example_run import REASONING, Planned, make_run
from opened import expect_rows, rows, written

from evalkit.report.embed import embed
from evalkit.report.items import item_frame
from evalkit.stored.records import Records, with_overlaps
from evalkit.types import Completion, Example, Message, Prepared, Request, Sampling, Score

sync_api = pytest.importorskip("playwright.sync_api")
pytestmark = opened.MARKS
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=https://example.com/x onerror=\"document.title='owned'\">"
)


def test_a_flip_cell_opens_the_samples_behind_it(run, report, open_page):
    page = open_page(report)
    gsm8k = next(suite for suite in run.comparison.suites if suite.name == "gsm8k")
    page.click('a[data-suite="gsm8k"][data-cell="regressed"]')
    expect_rows(page, gsm8k.regressed)
    assert page.locator(".row .cell").all_inner_texts() == ["▼ regressed"] * gsm8k.regressed
    assert page.locator("#samples h2").evaluate("element => element.getBoundingClientRect().top") < 900
    rows(page).first.click()
    detail = page.locator(".detail")
    assert "Give your reasoning, then the answer as JSON." in detail.locator(".prompt").inner_text()
    assert "Adding the" in detail.locator(".pair .base .text").inner_text()
    assert "Taking away the" in detail.locator(".pair .tuned .text").inner_text()
    assert detail.locator(".says").count() == 2
    assert re.fullmatch(
        r"evalkit run tuned.yaml --suite \S+ --id gsm8k-\d+", detail.locator(".command").last.inner_text()
    )


def test_the_word_diff_marks_what_changed_and_can_be_switched_off(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed&cause=wrong")
    rows(page).first.click()
    assert page.locator(".pair del").first.inner_text() == "Adding"
    assert "Taking" in page.locator(".pair ins").first.inner_text()
    whole = page.locator(".pair .tuned .text").inner_text()
    page.keyboard.press("d")
    assert page.locator(".pair ins, .pair del").count() == 0
    assert page.locator(".pair .tuned .text").inner_text() == whole
    assert "diff=off" in page.url


def test_the_address_holds_the_view(report, open_page):
    first = open_page(report)
    first.select_option("select[name=suite]", "knowledge")
    first.select_option("select[name=cell]", "fixed")
    rows(first).nth(2).click()
    opened = first.locator('.row[aria-expanded="true"] .id').inner_text()
    second = open_page(first.url)
    assert second.locator('.row[aria-expanded="true"] .id').inner_text() == opened
    assert second.input_value("select[name=cell]") == "fixed"
    assert rows(second).count() == rows(first).count()


def test_back_closes_what_was_opened(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k")
    rows(page).first.click()
    assert page.locator(".detail").count() == 1
    page.go_back()
    sync_api.expect(page.locator(".detail")).to_have_count(0)


def test_keys_walk_through_the_filter(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed")
    ids = page.locator(".row .id").all_inner_texts()
    opened = page.locator('.row[aria-expanded="true"] .id')
    for key, expected in [("j", 0), ("j", 1), ("j", 2), ("k", 1)]:
        page.keyboard.press(key)
        assert opened.inner_text() == ids[expected]
    page.keyboard.press("Escape")
    assert opened.count() == 0
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("gsm8k-1")
    page.wait_for_url("**q=gsm8k-1*")
    assert all("gsm8k-1" in id_ for id_ in page.locator(".row .id").all_inner_texts())


def test_of_a_long_list_only_what_is_near_the_screen_is_drawn(run, report, open_page):
    page = open_page(report)
    total = len(item_frame(run.table))
    height = page.locator("#rows").evaluate("rows => rows.scrollHeight")
    assert total * 30 < height < total * 45  # as tall as all of them, at 33 pixels a row
    assert rows(page).count() < total / 3
    page.locator("#rows").evaluate("rows => { rows.scrollIntoView(); rows.scrollTop = rows.scrollHeight; }")
    last = page.locator(f'li[aria-posinset="{total}"] .row')
    sync_api.expect(last).to_be_visible()
    assert rows(page).count() < total / 3
    last.click()
    sync_api.expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("k")
    assert page.locator("li:has(.detail)").get_attribute("aria-posinset") == str(total - 1)


def test_a_link_to_an_item_far_down_shows_it(run, report, open_page):
    item = item_frame(run.table).iloc[-1]
    key = json.dumps([item["suite"], item["task"], item["id"]], separators=(",", ":"))
    page = open_page(f"{report}#samples?open={quote(key)}")
    opened = page.locator('.row[aria-expanded="true"]')
    assert opened.locator(".id").inner_text() == item["id"]
    assert 0 <= opened.evaluate("row => row.getBoundingClientRect().top") < 900


def test_walking_crosses_the_border_of_a_chunk(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k")
    rows(page).nth(49).click()
    sync_api.expect(page.locator(".detail")).to_be_visible()
    page.keyboard.press("j")
    assert page.locator("li:has(.detail)").get_attribute("aria-posinset") == "51"


@pytest.mark.parametrize(("sort", "column", "first"), [("loss", "cell", "▼ regressed"), ("gain", "cell", "▲ fixed"), ("cause", "cause", "no answer found")])  # fmt: skip
def test_items_are_sorted_and_the_address_says_by_what(report, open_page, sort, column, first):
    page = open_page(report + "#samples?suite=gsm8k")
    page.select_option("select[name=sort]", sort)
    assert f"sort={sort}" in page.url
    expected = "cut off at the token limit" if sort == "cause" else first
    assert rows(page).first.locator(f".{column}").inner_text() == expected


def test_judge_and_scores_can_be_held_against_each_other(run, report, open_page):
    items = item_frame(run.table)
    worse = (items["tuned"] < items["base"]) & (items["judge"] == "tuned")
    better = (items["tuned"] > items["base"]) & (items["judge"] == "base")
    page = open_page(report + "#samples?agree=split")
    sync_api.expect(page.locator("#found")).to_contain_text(f"{(items['judge'] == 'split').sum()} of")
    offered = page.locator("select[name=agree] option").evaluate_all("all => all.map(one => one.value)")
    assert ("contradicts" in offered) == bool((worse | better).any())
    page.select_option("select[name=agree]", "agrees")
    sign = (items["tuned"] - items["base"]).map(
        lambda value: "" if value != value else "tuned" if value > 0 else "base" if value < 0 else "tie"
    )
    same = (items["judge"] == sign) & items["judge"].isin(["base", "tuned", "tie"])
    sync_api.expect(page.locator("#found")).to_contain_text(f"{same.sum()} of")


def test_the_score_is_a_filter(run, report, open_page):
    items = item_frame(run.table)
    mine = items[(items["suite"] == "knowledge") & (items["tuned"] == 0)]
    page = open_page(report + "#samples?suite=knowledge&score=zero")
    sync_api.expect(page.locator("#found")).to_contain_text(f"{len(mine)} of")


def test_a_command_is_copied_or_at_least_selected(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed")
    rows(page).first.click()
    page.locator(".copy").last.click()
    sync_api.expect(page.locator(".copy").last).to_have_text(re.compile("Copied|Selected"))


def test_an_open_item_is_printed_and_the_list_is_not(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed")
    page.emulate_media(media="print")
    assert not page.locator("#explorer").is_visible()
    page.emulate_media(media="screen")
    rows(page).first.click()
    sync_api.expect(page.locator(".detail")).to_be_visible()
    page.emulate_media(media="print")
    assert page.locator(".detail .pair").is_visible() and not page.locator("#filters").is_visible()
    assert page.locator(".row:visible").count() == 1


def test_answers_out_of_form_and_items_in_training_data_are_filters(run, tmp_path, open_page):
    items = item_frame(run.table)
    keys = list(zip(items["suite"], items["task"], items["id"], strict=True))
    shares = {key: (None, 0.05, 0.83)[at % 3] for at, key in enumerate(keys)}
    table = with_overlaps(run.table, {"tuned": shares})
    page = open_page(written(replace(run, table=table), tmp_path))
    mine = items[items["suite"] == "gsm8k"]
    for whose, cells in {
        "tuned": ["tuned", "both"],
        "base": ["base", "both"],
        "either": ["base", "tuned", "both"],
    }.items():
        page.goto(f"{page.url.split('#')[0]}#samples?suite=gsm8k&form={whose}")
        sync_api.expect(page.locator("#found")).to_contain_text(f"{mine['form'].isin(cells).sum()} of")
    page.select_option("select[name=form]", "")
    page.select_option("select[name=overlap]", "yes")
    inside = [key for key in keys if key[0] == "gsm8k" and (shares[key] or 0) > 0.5]
    sync_api.expect(page.locator("#found")).to_contain_text(f"{len(inside)} of")
    rows(page).first.click()
    assert "83 % of the item's words" in page.locator(".pair .tuned").inner_text()
    assert "in training" not in page.locator(".pair .base").inner_text()


def test_filters_that_would_find_nothing_are_not_offered(report, open_page):
    page = open_page(report)
    assert page.locator("select[name=form]").is_visible()
    assert not page.locator("select[name=overlap]").is_visible()


def test_search_reads_the_texts(report, open_page):
    page = open_page(report)
    page.fill("input[name=q]", "printing press sells")
    page.wait_for_url("**q=printing*")
    sync_api.expect(page.locator("#found")).to_contain_text("of 1\u202f300 items")
    assert 0 < rows(page).count()


def test_search_goes_on_from_what_was_found_and_a_new_one_ends_the_last(run, report, open_page):
    prompts = run.table.to_pandas().drop_duplicates(["suite", "task", "id"])["prompt"]
    page = open_page(report + "#samples?q=printing press sells 1")
    found = page.locator("#found")
    sync_api.expect(found).to_contain_text(f"{prompts.str.contains('printing press sells 1').sum()} of")
    page.fill("input[name=q]", "printing press sells 12 crates")
    sync_api.expect(found).to_contain_text(f"{prompts.str.contains('printing press sells 12 crates').sum()} of")
    for text in ("gl", "glacier sells 9", "harbour sells 4"):
        page.fill("input[name=q]", text)
        page.wait_for_timeout(160)
    sync_api.expect(found).to_contain_text(f"{prompts.str.contains('harbour sells 4').sum()} of")
    assert page.locator("progress").count() == 0


def test_a_search_with_quotes_and_line_breaks_of_json_is_read_as_it_stands(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&" + urlencode({"q": '{"answer": 1'}))
    sync_api.expect(page.locator("#found")).to_contain_text("of 1\u202f300 items")
    rows(page).first.click()
    assert '{"answer": 1' in page.locator(".pair").inner_text()


def test_a_head_of_the_list_sorts_and_again_backwards(run, report, open_page):
    items = item_frame(run.table)
    mine = items[items["suite"] == "gsm8k"]
    page = open_page(report + "#samples?suite=gsm8k")
    heads = page.locator("#heads button")
    heads.filter(has_text="Item").click()
    assert page.url.endswith("sort=id")
    assert rows(page).first.locator(".id").inner_text() == mine["id"].min()
    heads.filter(has_text="Item").click()
    assert page.url.endswith("sort=-id")
    sync_api.expect(rows(page).first.locator(".id")).to_have_text(mine["id"].max())
    assert page.locator("#reverse").get_attribute("aria-pressed") == "true"
    heads.filter(has_text="Suite").click()
    sync_api.expect(rows(page).first.locator(".id")).to_have_text(mine["id"].iloc[0])
    page.click("#reverse")
    sync_api.expect(rows(page).first.locator(".id")).to_have_text(mine["id"].iloc[-1])


def test_every_order_puts_all_items_in_it_and_what_is_unknown_last(report, open_page):
    page = open_page(report)
    for sort in page.locator("select[name=sort] option").evaluate_all("all => all.map(one => one.value)"):
        for order in (sort, f"-{sort}"):
            page.evaluate("order => { location.hash = `#samples?sort=${order}`; }", order)
            page.wait_for_function("order => view.sort === order", arg=order)
            assert page.evaluate("new Set(matching).size") == 1300
            if sort:
                assert page.evaluate(
                    "name => { const keys = ranks(name); return matching.map((i) => keys[i] === null).join('').match(/^(false)*(true)*$/) !== null; }",
                    sort,
                )


def test_one_of_several_judges_is_picked(run, tmp_path, open_page):
    table = second_judge(run.table)
    judged = int((item_frame(run.table)["judge"] != "").sum())
    page = open_page(written(replace(run, table=table), tmp_path) + "#samples?judge=tie")
    found = page.locator("#found")
    sync_api.expect(found).to_contain_text(f"{judged} of")
    page.select_option("select[name=by]", "pairwise-general")
    ties = int((item_frame(run.table)["judge"] == "tie").sum())
    sync_api.expect(found).to_contain_text(f"{ties} of" if ties else "No item is left")
    assert "by=pairwise-general" in page.url


def test_one_judge_is_not_a_choice(report, open_page):
    assert not open_page(report).locator("select[name=by]").is_visible()


def second_judge(table):
    """The same run, read by another judge as well, whose name comes first and to whom all is equal."""
    read = [
        {**row, "verdicts": [{**row["verdicts"][0], "judge": "a-second", "winner": "tie"}, *row["verdicts"]]}
        if row["verdicts"]
        else row
        for row in table.to_pylist()
    ]
    return pa.Table.from_pylist(read, schema=table.schema)


def test_texts_that_had_no_room_are_said_to_be_elsewhere(run, tmp_path, open_page, monkeypatch):
    monkeypatch.setattr("evalkit.report.html.embed", partial(embed, room=60_000))
    page = open_page(written(run, tmp_path) + "#samples?cell=kept&sort=-")
    assert "are left out" in page.locator("#samples .note").inner_text()
    page.locator(".row.none").first.click()
    assert "samples.parquet has them" in page.locator(".detail").inner_text()


def test_an_empty_result_says_which_filter_emptied_it(report, open_page):
    page = open_page(report + "#samples?suite=gsm8k&cell=regressed&judge=tie")
    said = page.locator("#found").inner_text()
    assert said.startswith("No item is left.")
    assert '31 without judge "tie"' in said
    page.click("text=31 without judge")
    expect_rows(page, 31)


def test_a_row_of_the_forest_plot_is_a_door(report, open_page):
    page = open_page(report)
    page.locator('.chart.wide a[href="#samples?suite=knowledge"]').first.click()
    sync_api.expect(page.locator("select[name=suite]")).to_have_value("knowledge")
    assert set(page.locator(".row .suite").evaluate_all("all => all.map(one => one.textContent.split(' / ')[0])")) == {
        "knowledge"
    }


def test_hostile_answers_are_read_and_do_nothing(tmp_path, open_page):
    odd = "\u202egnp.exe\u2028\x00\x1b[31m"
    run = make_run((Planned("s", items=30),), prompt=HOSTILE + odd, output=HOSTILE + odd)
    page = open_page(written(run, tmp_path))
    rows(page).first.click()
    shown = page.locator(".pair .tuned .text").inner_text()
    assert shown == HOSTILE + "U+202Egnp.exeU+2028U+0000U+001B[31m"
    assert page.locator("#samples img").count() == 0
    assert page.title().startswith(("GO", "NO-GO", "INCONCLUSIVE"))


def test_a_line_of_a_megabyte_neither_freezes_nor_widens_the_page(tmp_path, open_page):
    run = make_run((Planned("s", items=10),), judge=None, output="x" * 1_000_000)
    page = open_page(written(run, tmp_path), viewport={"width": 390, "height": 844})
    rows(page).first.click()
    assert "whole in samples.parquet" in page.locator(".pair .tuned .text").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_no_width_scrolls_sideways_and_each_theme_has_its_paper(report, open_page, scheme, width):
    page = open_page(
        report + "#samples?suite=gsm8k&cell=regressed", viewport={"width": width, "height": 844}, color_scheme=scheme
    )
    rows(page).first.click()
    while (closed := page.locator("main details:not([open]) > summary")).count():
        closed.first.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "plot"), [(390, "narrow"), (1440, "wide")])
def test_curves_of_reasoning_models_fit_every_width_and_take_the_themes_colours(
    tmp_path, open_page, scheme, width, plot
):
    run = make_run((REASONING, Planned("gsm8k", items=40)), judge=None)
    page = open_page(written(run, tmp_path), viewport={"width": width, "height": 844}, color_scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shown = page.locator("#test-time .chart:visible")
    assert shown.count() == 2 and all(plot in one for one in shown.evaluate_all("all => all.map(one => one.className)"))
    ends = shown.first.locator("text", has_text=re.compile("^(base|tuned) ")).evaluate_all(
        "all => all.map(one => [getComputedStyle(one).fill, one.getBoundingClientRect().right])"
    )
    assert [colour for colour, _ in ends] == (
        ["rgb(107, 115, 124)", "rgb(0, 114, 178)"] if scheme == "light" else ["rgb(154, 163, 173)", "rgb(86, 180, 233)"]
    )
    assert all(right <= width for _, right in ends)


def test_sixty_suites_with_long_names_fit_a_phone(tmp_path, open_page):
    name = "a-suite-with-a-name-of-eighty-characters-that-somebody-generated-from-a-confi"
    run = make_run(
        tuple(Planned(f"{name}-{i}", ("target", "retain", "guard")[i % 3], items=20) for i in range(60)), judge=None
    )
    page = open_page(written(run, tmp_path), viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_scripts_the_verdict_charts_and_tables_show(report, open_page):
    page = open_page(report, java_script_enabled=False)
    assert page.locator("h1").inner_text() == "INCONCLUSIVE"
    assert page.locator(".chart.wide svg").first.is_visible()
    assert page.locator("tr.task").first.is_visible()
    assert page.locator("text=Reading single answers needs scripts").is_visible()


def test_tasks_fold_away_and_open(report, open_page):
    page = open_page(report)
    assert not page.locator("tr.task").first.is_visible()
    page.click("button.expand")
    assert page.locator("tr.task").first.is_visible()


def test_a_run_with_more_text_than_the_page_has_room_for_stays_below_25_megabytes_and_opens(run, tmp_path, open_page):
    draw = random.Random(0)
    records = Records()
    for i in range(12_000):
        example = Example(f"item-{i}", (Message("user", "Say something."),), answer="x")
        for arm in ("base", "tuned"):
            said = f"{draw.randbytes(1000).hex()} {arm} of {i}."  # 2,000 characters that pack to half
            request = Request(arm, "s", "s", example.id, example.messages, Sampling())
            score = Score("exact", float(draw.random() < 0.5))
            records.add("s", "s", arm, 0, example, Completion(said), score, Prepared(request, "Say something.", "k"))
    path = written(replace(run, table=records.table()), tmp_path)
    size = (tmp_path / "report.html").stat().st_size
    assert 20_000_000 < size < 25_000_000
    page = open_page(path)
    assert re.search(r"the texts of \d+\u202f\d+ are on this page", page.locator("#samples .note").inner_text())
    flipped = page.evaluate(
        "matching.filter((i) => ['regressed', 'fixed'].includes(columns.cells[columns.cell[i]]) && places[i] >= 0)"
    )
    page.fill("input[name=q]", f"tuned of {page.evaluate('i => columns.id[i]', flipped[-1]).removeprefix('item-')}.")
    sync_api.expect(page.locator("#found")).to_contain_text("1 of 12\u202f000", timeout=30_000)
    rows(page).first.click()
    assert "tuned of" in page.locator(".pair .tuned .text").inner_text()
