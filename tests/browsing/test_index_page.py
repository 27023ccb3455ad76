"""The index in a real browser, from a folder and from the server."""

import re
import shutil
import threading
from pathlib import Path

import pytest
from stored_runs import example, made, store, usual

from evalkit.browsing import Serving, write_static
from evalkit.report.files import write_run

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium: apt-get install chromium"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
HOSTILE = (
    "</script><script>document.title='owned'</script><img src=https://example.com/x onerror=\"document.title='owned'\">"
)
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    root = usual(tmp_path_factory.mktemp("index") / "runs")
    return write_static(root, root.parent / "site")[0].as_uri()


@pytest.fixture
def open_page(browser):
    """Open an address; at the end, nothing but pages that were opened was asked for, and the console stayed silent."""
    contexts, requests, complaints = [], [], []

    def open_(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#filters:not([hidden])", state="attached")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert all(request.is_navigation_request() for request in requests)
    assert complaints == []


def names(page):
    return page.locator(".runs tbody:visible .name").all_inner_texts()


def shows(page, number):
    """Waits until the table holds so many runs: a change of the address is followed a moment later."""
    sync_api.expect(page.locator(".runs tbody:visible")).to_have_count(number)


def test_filters_narrow_the_table_and_the_address_says_how(index, open_page):
    page = open_page(index)
    shows(page, 18)
    page.select_option("select[name=decision]", "no_go")
    shows(page, 5)
    assert set(page.locator(".runs tbody:visible .verdict").all_inner_texts()) >= {"NO-GO"}
    page.fill("input[name=model]", "dpo")
    shows(page, 2)
    assert page.locator("#found").inner_text().startswith("2 of 18 runs")
    assert "decision=no_go" in page.url and "model=dpo" in page.url
    again = open_page(page.url)
    assert names(again) == names(page) == ["dpo-v2", "dpo-v1"]
    assert again.input_value("input[name=model]") == "dpo"


def test_the_search_reads_names_folders_and_reasons(index, open_page):
    page = open_page(index)
    page.fill("input[name=q]", "engine died")
    shows(page, 1)
    page.fill("input[name=q]", "other/")
    shows(page, 2)
    assert names(page) == ["small-sft-2", "small-sft"]


def test_an_empty_result_says_which_filter_emptied_it(index, open_page):
    page = open_page(index + "#runs?model=small&decision=go")
    said = page.locator("#found").inner_text()
    assert said.startswith("No run is left.") and '2 without decision "go"' in said
    page.click("text=2 without decision")
    shows(page, 2)


def test_a_filter_by_suite_shows_what_each_run_did_on_it(index, open_page):
    page = open_page(index)
    page.select_option("select[name=suite]", "gsm8k")
    own = page.locator(".runs tbody:visible .own").first
    assert re.fullmatch(r"gsm8k: \d+\.\d → \d+\.\d %, [+-]\d\.\d pp \[.*\], undecided", own.inner_text())
    page.select_option("select[name=sort]", "-own")
    sync_api.expect(page.locator(".runs tbody:visible .name").first).to_have_text("small-sft")  # lost most of all


@pytest.mark.parametrize(
    ("head", "first", "then"),
    [("gain", "lr1e4-ckpt-1600", "small-sft"), ("tax", "lr1e4-ckpt-200", "small-sft"), ("win", "dpo-v5", "lr1e4-ckpt-200")],
)  # fmt: skip
def test_a_columns_head_sorts_and_turns_round(index, open_page, head, first, then):
    page = open_page(index)
    column = page.locator(f"th[data-sort={head}]")
    for expected in (first, then):
        column.locator("button").click()
        assert names(page)[0] == expected
    assert column.get_attribute("aria-sort") in ("ascending", "descending")
    assert page.locator("th[aria-sort]").count() == 1


def test_back_undoes_a_step(index, open_page):
    page = open_page(index)
    page.select_option("select[name=decision]", "go")
    shows(page, 6)
    page.go_back()
    shows(page, 18)


def test_a_mark_of_a_trend_leads_to_its_run_even_when_it_is_filtered_out(index, open_page):
    page = open_page(index + "#runs?decision=go")
    shows(page, 6)
    faded = page.locator("details[open] .curves").first.locator(".chart").first.locator("a.off")
    assert faded.count() == 6  # of eight checkpoints two are GO
    faded.first.locator("path").first.click(force=True)
    shows(page, 18)
    assert page.locator("tbody.current").count() == 1
    assert "at=sweep-0901" in page.url


def test_two_runs_side_by_side(index, open_page):
    page = open_page(index)
    for folder in ("dpo-v4", "dpo-v1"):
        page.check(f'input[aria-label$=", {folder}"]')
    assert "dpo-v4 and dpo-v1" in page.locator("#picked").inner_text()
    page.click("#picked button.main")
    compare = page.locator("#compare")
    cards = compare.locator(".two > div").all_inner_texts()
    assert [card.split()[:2] for card in cards] == [["A", "dpo-v1"], ["B", "dpo-v4"]]  # the older one first
    assert "the decision, from NO-GO to GO" in compare.locator(".moved").inner_text()
    assert not compare.locator(".cautions").is_visible() and not page.locator("#overview").is_visible()
    gain = compare.locator("tr", has=page.locator("th", has_text=re.compile("^gain")))
    assert gain.locator("td").nth(0).inner_text().startswith("+20.0 pp [")
    assert gain.locator("td").nth(2).inner_text() == "-6.0 pp [-24.2, 12.2]"
    win = compare.locator("tr.moves", has_text="win rate")
    assert "+9.0 pp [5.9, 12.1]" in win.inner_text() and "better" in win.inner_text()
    assert "fail → pass" in compare.locator("tr.moves", has_text="pooled tax").inner_text()
    again = open_page(page.url)
    assert again.locator("#compare .two").inner_text() == compare.locator(".two").inner_text()
    page.keyboard.press("Escape")
    assert page.locator("#overview").is_visible() and not compare.is_visible()


def test_a_shift_has_the_interval_of_two_independent_ones(index, open_page):
    page = open_page(index)
    # By hand: 0.1 [0.0, 0.3] and 0.4 [0.35, 0.6]: 0.3 - hypot(0.05, 0.2), 0.3 + hypot(0.2, 0.1).
    low, high = 0.3 - 0.2061553, 0.3 + 0.2236068
    assert page.evaluate("shift([0.1, 0.0, 0.3], [0.4, 0.35, 0.6])") == pytest.approx([0.3, low, high], abs=1e-6)
    assert page.evaluate("shift([0.1, null, null], [0.4, 0.35, 0.6])[1]") is None
    assert page.evaluate("shift(null, [0.4, 0.35, 0.6])") is None
    assert page.evaluate("shiftText([-0.0004, -0.01, 0.02], null)") == "0.0 pp [-1.0, 2.0]"
    assert page.evaluate("shiftText([0.0194, null, null], 'bits per byte')") == "+0.019 bits per byte no interval"


@pytest.mark.parametrize(
    ("one", "other", "caution"),
    [
        ("dpo-v5", "wider-suites", "are not the same suites in both"),
        ("dpo-v5", "stricter", "Their policies differ in tax: the same figures may be decided otherwise."),
        ("dpo-v5", "stricter", "Both measured the same tuned weights"),
        ("dpo-v5", "other/one", "hold their candidates against different bases"),
    ],
)
def test_figures_that_are_not_comparable_are_not_held_against_each_other(index, open_page, one, other, caution):
    page = open_page(f"{index}#runs?a={one}&b={other}&show=compare")
    assert caution in page.locator("#compare .cautions").inner_text()
    gain = page.locator("#compare tr", has=page.locator("th", has_text=re.compile("^gain")))
    comparable = other == "stricter"
    assert (gain.locator("td").nth(2).inner_text() != "") == comparable
    assert ("not comparable" in gain.inner_text()) != comparable


def test_keys_walk_pick_and_compare(index, open_page):
    page = open_page(index)
    for _ in range(2):
        page.keyboard.press("j")
    assert page.evaluate("document.activeElement.textContent") == "dpo-v6"
    page.keyboard.press("k")
    page.keyboard.press("x")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("x")
    page.keyboard.press("c")
    assert page.locator("#compare .two").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("small")
    shows(page, 2)


def test_a_third_pick_takes_the_place_of_the_first(index, open_page):
    page = open_page(index)
    for folder in ("dpo-v1", "dpo-v2", "dpo-v3"):
        page.check(f'input[aria-label$=", {folder}"]')
    assert "dpo-v2 and dpo-v3" in page.locator("#picked").inner_text()
    page.uncheck('input[aria-label$=", dpo-v2"]')
    assert "Picked: dpo-v3." in page.locator("#picked").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("view", ["", "#runs?a=dpo-v1&b=wider-suites&show=compare", "#runs?suite=gsm8k&a=dpo-v1"])
def test_no_width_scrolls_sideways_and_each_theme_has_its_paper(index, open_page, scheme, width, view):
    page = open_page(index + view, viewport={"width": width, "height": 844}, color_scheme=scheme)
    for closed in page.locator("details:not([open]) > summary").all():
        if closed.is_visible():
            closed.click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_without_scripts_everything_but_its_order_shows(index, open_page):
    page = open_page(index, java_script_enabled=False)
    shows(page, 18)
    assert page.locator("text=Sorting, filtering and comparing two runs need scripts").is_visible()
    assert page.locator(".trend .chart svg").first.is_visible()
    assert not page.locator("#filters").is_visible() and not page.locator(".pick").first.is_visible()
    page.click("text=over small-base")
    assert page.locator("text=cut").first.is_visible()
    page.click(".runs tbody:has-text('dpo-v1') a.name")
    assert page.locator("h1").inner_text() == "Report of dpo-v1"


def test_hostile_names_are_text_everywhere(tmp_path, open_page):
    odd = "\u202egnp.exe\u2028"
    for at in range(2):
        run = made(HOSTILE + odd + str(at), HOSTILE + odd, hours=at, reason=HOSTILE + odd, suites="5f" if at else "77")
        store(tmp_path / "runs" / f"{at}{HOSTILE.replace('/', '_')}", run)
    page = open_page(write_static(tmp_path / "runs", tmp_path / "site")[0].as_uri(), viewport=PHONE)
    for box in page.locator(".pick input").all():
        box.check()
    page.click("#picked button.main")
    assert HOSTILE + "U+202Egnp.exe" in page.locator("#compare .two").inner_text()
    assert page.locator("img").count() == 0
    assert page.title().startswith("2 runs: ")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.keyboard.press("Escape")
    page.fill("input[name=q]", "<img src")
    shows(page, 2)


def test_names_of_eighty_characters_and_many_judges_fit_a_phone(tmp_path, open_page):
    name = "a-model-with-a-name-of-eighty-characters-that-somebody-generated-from-a-config-x"
    for at in range(3):
        store(tmp_path / "runs" / f"{name}{at}", made(f"{name}{at}", name, hours=at))
    page = open_page(write_static(tmp_path / "runs", tmp_path / "site")[0].as_uri(), viewport=PHONE)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_real_report_works_in_the_confines_it_is_served_in(tmp_path, open_page):
    write_run(tmp_path / "real", *example())
    store(tmp_path / "other", made("second", hours=-5))
    serving = Serving(tmp_path)
    thread = threading.Thread(target=serving.forever)
    thread.start()
    try:
        page = open_page(serving.address)
        page.click("a.name:has-text('tuned-model')")
        page.wait_for_selector("#explorer:not([hidden])")
        page.select_option("select[name=cell]", "fixed")
        page.locator(".row").first.click()
        sync_api.expect(page.locator(".detail .pair")).to_be_visible()
        assert "cell=fixed" in page.url
        assert page.evaluate("self.origin") == "null"  # an origin of its own: it can read no other run
        page.go_back()
    finally:
        serving.stop()
        thread.join()


def test_the_keys_have_a_button_and_folded_trends_are_printed(index, open_page):
    page = open_page(index)
    page.get_by_role("button", name="Keys").click()
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    closed = page.locator("main details:not([open])")
    before = closed.count()
    assert before >= 1
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert closed.count() == before


def test_the_trend_says_at_which_level_its_intervals_hold(index, open_page):
    assert "with its 95 % interval" in open_page(index).locator("#trend .note").first.inner_text()
