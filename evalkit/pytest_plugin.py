"""pytest: release gates beside a team's tests. Loaded in every pytest run, so that it imports nothing until it is used.

@pytest.mark.evalkit(base="base.yaml", tuned="tuned.yaml", suite="quick")
def test_release(): ...                     # an item for each gate, and one for the decision

def test_by_hand(evalkit_compare):
    assert evalkit_compare("base.yaml", "tuned.yaml", suites=["quick"]).go
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from evalkit.asserting import Comparisons, GateOutcome, Release

MARKER = "evalkit"
_PARAMETER = "evalkit_gate"
_PROPERTY = "evalkit"
_DECISION = "decision"  # as asserting.DECISION, which is not imported for its name

_COMPARISONS: pytest.StashKey[Any] = pytest.StashKey()
_AT_WORK: pytest.StashKey[pytest.Item] = pytest.StashKey()
_USED: pytest.StashKey[list[Any]] = pytest.StashKey()

_HELP_OUT = "where comparisons are written, a folder for each (default: runs/pytest under the rootdir)"


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--evalkit-out DIR`, seen from the current folder, and the ini value `evalkit_out`, seen from the rootdir."""
    group = parser.getgroup("evalkit", "evalkit: release gates for models")
    group.addoption("--evalkit-out", metavar="DIR", default=None, help=_HELP_OUT)
    parser.addini("evalkit_out", _HELP_OUT, default="runs/pytest")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        "evalkit(base, tuned, *, suite, policy, judge, limit, ...): compare tuned with base once, and make each gate of the "
        "policy a test of its own; takes what evalkit.run_comparison takes, paths seen from the test's file",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A marked test becomes one item a gate, by the names that suites and policy foresee."""
    marker = metafunc.definition.get_closest_marker(MARKER)
    if marker is None:
        return
    if _PARAMETER not in metafunc.fixturenames:
        metafunc.fixturenames.append(_PARAMETER)
    names = _names(marker, metafunc.definition.path)
    metafunc.parametrize(_PARAMETER, names, ids=names, indirect=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember whose turn it is: paths are seen from its file. A marked test's comparison runs now, after its skip marks were
    looked at and before its fixtures: what keeps it from running, or from being complete, is an error and no failed gate.
    """
    item.config.stash[_AT_WORK] = item
    if _gate_name(item) is not None:
        from evalkit.asserting import why_incomplete

        release = _marked_release(item)
        if not release.complete:
            pytest.fail(why_incomplete(release), pytrace=False)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> None:
    """Before the body of a marked test: its gate has passed, or the test fails or is skipped as the policy says."""
    name = _gate_name(item)
    if name is None:
        return
    outcome = _marked_release(item).gate(name)
    if outcome.standing == "failed":
        pytest.fail(outcome.sentence, pytrace=False)
    if outcome.standing == "skipped":
        pytest.skip(outcome.sentence)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Beneath a failed assertion stands the whole decision: every gate, what would decide it, where the report is."""
    report: Any = yield
    if report.failed and report.when == "call" and _gate_name(item) in (None, _DECISION):
        for release in _at_hand(item):
            report.sections.append((f"evalkit: {release.headline}", release.explanation))
    return report


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Each comparison's decision and report, once."""
    told = {
        value: None
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == _PROPERTY
    }
    if told:
        terminalreporter.section("evalkit")
        for line in told:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def evalkit_compare(request: pytest.FixtureRequest) -> Callable[..., Release]:
    """Compare two models and decide: `evalkit_compare("base.yaml", "tuned.yaml", suites=[...], policy=..., judge=..., limit=...)`.

    Paths are seen from the file of the test that is running. The same arguments are compared once a session. Returns an
    `evalkit.asserting.Release`: `.go`, `.decision`, `.gates`, `.tax`, `.run`.
    """
    config = request.config

    def compare(base: Any, tuned: Any, **options: Any) -> Release:
        __tracebackhide__ = True
        from evalkit.asserting import checked_arguments

        item = config.stash[_AT_WORK]
        arguments = checked_arguments({"base": base, "tuned": tuned, **options}, item.path.parent)
        return _used(item, _comparisons(config).release(arguments))

    return compare


@pytest.fixture
def evalkit_result(request: pytest.FixtureRequest) -> Release:
    """The comparison of a test marked `evalkit`."""
    if request.node.get_closest_marker(MARKER) is None:
        pytest.fail("evalkit_result: the test has no marker `evalkit`; use evalkit_compare", pytrace=False)
    return _marked_release(request.node)


@pytest.fixture
def evalkit_gate(request: pytest.FixtureRequest) -> GateOutcome:
    """What became of the gate that this item of a marked test stands for."""
    name = getattr(request, "param", None)
    if name is None:
        pytest.fail("evalkit_gate: the test has no marker `evalkit`", pytrace=False)
    return _marked_release(request.node).gate(name)


def _names(marker: pytest.Mark, path: Path) -> list[str]:
    """The gates a marked test will have. Where its files cannot be read now, `decision` alone, which says so when it is run:
    one wrong file must not keep the other tests of a project from being collected.
    """
    from evalkit.asserting import foreseen_gates
    from evalkit.types import EvalkitError

    try:
        return foreseen_gates(_arguments(marker, path))
    except EvalkitError:
        return [_DECISION]


def _arguments(marker: pytest.Mark, path: Path) -> dict[str, Any]:
    from evalkit.asserting import checked_arguments
    from evalkit.types import InputError

    given = dict(zip(("base", "tuned"), marker.args, strict=False))
    twice = sorted(given.keys() & marker.kwargs)
    if len(marker.args) > 2 or twice:
        raise InputError("pytest.mark.evalkit: takes base and tuned, each once, and the rest by name")
    return checked_arguments({**given, **marker.kwargs}, path.parent)


def _gate_name(item: pytest.Item) -> str | None:
    """Which gate this item stands for; None for tests without the marker."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get(_PARAMETER) if callspec is not None else None


def _marked_release(item: pytest.Item) -> Release:
    """The comparison of a marked test, run at its first item. What keeps it from running is said without a traceback."""
    from evalkit.types import EngineError, EvalkitError

    marker = item.get_closest_marker(MARKER)
    assert marker is not None
    try:
        return _used(item, _comparisons(item.config).release(_arguments(marker, item.path)))
    except EvalkitError as error:
        hint = f"\n{error.hint}" if isinstance(error, EngineError) and error.hint else ""
        pytest.fail(f"evalkit: {error}{hint}", pytrace=False)


def _used(item: pytest.Item, release: Release) -> Release:
    used = item.stash.setdefault(_USED, [])
    if not any(one is release for one in used):
        used.append(release)
        item.user_properties.append((_PROPERTY, f"{release.headline}: {release.report}"))
    return release


def _at_hand(item: pytest.Item) -> list[Release]:
    """The comparisons that a test made, or was handed by a fixture of its project's."""
    asserting = sys.modules.get("evalkit.asserting")
    if asserting is None:
        return []
    handed = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, asserting.Release)]
    return list({id(one): one for one in [*item.stash.get(_USED, []), *handed]}.values())


def _comparisons(config: pytest.Config) -> Comparisons:
    """The session's comparisons, shared by the workers of pytest-xdist."""
    if _COMPARISONS not in config.stash:
        from evalkit.asserting import Comparisons, Logged

        def progress() -> Any:
            if config.getoption("capture") != "no":
                return Logged()
            from evalkit.report.progress import LiveProgress

            return LiveProgress()

        option = config.getoption("--evalkit-out")
        out = Path(option).absolute() if option else config.rootpath / str(config.getini("evalkit_out"))
        worker = getattr(config, "workerinput", {})
        session = str(worker.get("testrunuid") or f"{os.getpid()}-{os.urandom(4).hex()}")
        config.stash[_COMPARISONS] = Comparisons(out, session, progress)
    return config.stash[_COMPARISONS]
