"""The page of a run in a real browser, from a folder, as a reader opens it: what the tests of it share."""

import shutil
from pathlib import Path

import pytest

from evalkit.report.html import render_html

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
MARKS = [
    pytest.mark.browser,
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason="needs Debian's chromium: apt-get install chromium"),
]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip


def written(run, folder):
    """The address of the run's page, written into a folder."""
    path = folder / "report.html"
    path.write_text(render_html(*run), encoding="utf-8")
    return path.as_uri()


def rows(page):
    return page.locator(".row")


def expect_rows(page, number):
    """Waits: a click changes the address, and the list follows it a moment later."""
    from playwright.sync_api import expect

    expect(rows(page)).to_have_count(number)
