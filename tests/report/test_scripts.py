"""The scripts of the pages, read by the TypeScript compiler as their `@ts-check` comments ask."""

import shutil
import subprocess

import pytest

from evalkit.catalog import builtin_folder
from evalkit.report import index_page
from evalkit.report.html import SCRIPTS

TSC = shutil.which("tsc")


@pytest.mark.skipif(not TSC, reason="needs the TypeScript compiler: npm install --global typescript")
@pytest.mark.parametrize("scripts", [SCRIPTS, index_page.SCRIPTS], ids=["report", "index"])
def test_the_types_in_a_pages_scripts_hold(scripts):
    options = "--noEmit --allowJs --checkJs --strict --noImplicitReturns --target es2022 --lib es2022,dom,dom.iterable --types".split()
    done = subprocess.run([TSC, *options, "", *scripts], cwd=builtin_folder("reports"), capture_output=True, text=True)
    assert done.stdout == "" and done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", sorted({*SCRIPTS, *index_page.SCRIPTS}))
def test_no_script_writes_markup(name):
    text = (builtin_folder("reports") / name).read_text(encoding="utf-8")
    assert text.startswith("// @ts-check")
    assert not [
        word for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(") if word in text
    ]
