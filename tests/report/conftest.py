import pytest
from example_run import make_run
from opened import CHROMIUM, QUIET, written


@pytest.fixture(scope="session")
def run():
    """A usual run: five suites in three roles, an unexamined judge, an undecided outcome."""
    return make_run()


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(run, tmp_path_factory):
    """The address of the usual run's page."""
    return written(run, tmp_path_factory.mktemp("report"))


@pytest.fixture
def open_page(browser):
    """Open an address; at the end, nothing but the page itself was asked for and the console stayed silent."""
    contexts, requests, complaints = [], [], []

    def open_(address, **options):
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("request", lambda request: requests.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("#explorer:not([hidden])")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert {url.split("#")[0].rsplit("/", 1)[-1] for url in requests} == {"report.html"}
    assert all(url.startswith("file://") for url in requests)
    assert complaints == []
