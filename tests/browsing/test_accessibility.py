"""axe-core over the report, the index and two runs side by side: no serious finding in any theme, at any width."""

import shutil
from importlib import resources
from pathlib import Path

import pytest
from stored_runs import example, usual

from evalkit.browsing import write_static
from evalkit.report.html import render_html

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
}


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = usual(tmp_path_factory.mktemp("axe") / "runs")
    site = write_static(root, root.parent / "site")[0].parent
    (site / "report.html").write_text(render_html(*example()), encoding="utf-8")
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
    page.wait_for_selector("#filters:not([hidden])", state="attached")
    if view == "report":
        page.wait_for_selector("#explorer:not([hidden])")
        page.locator(".row").first.click()
        page.wait_for_selector(".detail")
    page.evaluate((resources.files(axe.__name__) / "axe.min.js").read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    context.close()
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
