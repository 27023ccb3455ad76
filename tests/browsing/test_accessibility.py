"""axe-core over the report, the index, two runs side by side and a sweep: no serious finding in any theme, at any width."""

import shutil
from importlib import resources
from pathlib import Path

import pytest
from stored_runs import example, made, usual

from evalkit.browsing import write_static
from evalkit.report.html import render_html
from evalkit.report.sweep_page import render_sweep
from evalkit.types import Candidate, Sweep

sync_api = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install axe-playwright-python")

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium: apt-get install chromium"),
]
VIEWS = {
    "index": "index.html#runs?suite=gsm8k&decision=no_go&a=dpo-v1&at=dpo-v2",
    "two runs": "index.html#runs?a=dpo-v1&b=wider-suites&show=compare",
    "report": "report.html#samples?suite=gsm8k&cell=regressed",
    "sweep": "sweep.html",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = usual(tmp_path_factory.mktemp("axe") / "runs")
    site = write_static(root, root.parent / "site")[0].parent
    run = example()
    (site / "report.html").write_text(render_html(*run), encoding="utf-8")
    candidates = [
        Candidate(
            f"ckpt-{step}", f"ckpt-{step}.yaml", "ckpt", step=step, comparison=one.comparison, decision=one.decision
        )
        for step, one in (
            (200, run),
            (400, made("ckpt-400", gain=0.2, outcome="go")),
            (600, made("ckpt-600", tax=0.08)),
        )
    ]
    swept = Sweep("base-model", 0.95, tuple(candidates), best="ckpt-400")
    (site / "sweep.html").write_text(render_sweep(swept), encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_serious(site, browser, view, width, scheme):
    # The page's own policy lets no other script run, and so not this one.
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(f"{site.as_uri()}/{VIEWS[view]}")
    if view != "sweep":  # a page without a script
        page.wait_for_selector("#filters:not([hidden])", state="attached")
    if view == "report":
        page.wait_for_selector("#explorer:not([hidden])")
        page.locator(".row").first.click()
        page.wait_for_selector(".detail")
    page.evaluate((resources.files(axe.__name__) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []


def test_a_sweep_fits_a_phone_and_its_contents_do_not_cover_what_they_lead_to(site, browser):
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.goto(f"{site.as_uri()}/sweep.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator(".contents.bar summary").click()
    link = page.locator(".contents.bar a").last
    place = link.get_attribute("href")
    link.click()
    heading = page.locator(place)
    assert heading.evaluate(
        "(one) => { const at = one.getBoundingClientRect();"
        " const seen = document.elementFromPoint(at.left + 20, at.top + 4); return one.contains(seen) || seen.contains(one); }"
    )
    page.close()
