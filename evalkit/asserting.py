"""A comparison as something that tests assert on: what its gates will be called, and what became of each."""

from __future__ import annotations

import difflib
import hashlib
import inspect
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evalkit.api import load, run_comparison
from evalkit.config import ModelSpec, PolicySpec, SuiteSpec, TaskSpec
from evalkit.inputs import named, readers_of
from evalkit.report.junit import Standing, standing
from evalkit.report.text import visible
from evalkit.report.words import HEADLINES, cautions, gate_limit, gate_numbers, headline, incomplete, remedies, sentence
from evalkit.run import Run
from evalkit.scorers import scorer_of
from evalkit.types import Comparison, Estimate, Gate, InputError, Progress

DECISION = "decision"
"""The name of what is asked of the run as a whole, beside its gates."""

_OWN = {"out", "progress", "command"}
_PATHS = ("base", "tuned", "incumbent", "policy")
_LISTS = ("suites", "train_data", "fresh_from")


@dataclass(frozen=True, slots=True)
class GateOutcome:
    """What a test item makes of the gates of one name; several only of a pool of guards. sentence: why, on one line."""

    name: str
    standing: Standing
    sentence: str
    gates: tuple[Gate, ...] = ()


@dataclass(frozen=True, repr=False)
class Release:
    """A finished comparison, for asserting: `assert release.go`, `assert release.decision == "go"`.

    run: all of it, as `evalkit.load` gives it. Its repr says in a line why it is not GO, for pytest to show.
    """

    run: Run
    report: Path

    @property
    def decision(self) -> str:
        """go, no_go or inconclusive; an incomplete run is never go."""
        return self.run.decision.outcome

    @property
    def go(self) -> bool:
        """Whether every required gate passed, and nothing that they need is missing."""
        return self.complete and self.decision == "go"

    @property
    def complete(self) -> bool:
        """Whether no more is missing than the policy allows."""
        return self.run.decision.complete

    @property
    def passed(self) -> bool:
        """Whether `evalkit compare` would exit with 0: GO, or undecided where the policy lets that pass."""
        return self.complete and (self.go or (self.decision == "inconclusive" and self._lets_pass))

    @property
    def comparison(self) -> Comparison:
        """Every number."""
        return self.run.comparison

    @property
    def tax(self) -> Estimate | None:
        """The loss pooled over retain suites; None where there are none."""
        return self.comparison.tax

    @property
    def gain(self) -> Estimate | None:
        """The gain pooled over target suites; None where there are none."""
        return self.comparison.gain

    @property
    def gates(self) -> tuple[GateOutcome, ...]:
        """What became of each gate, by name, in the order in which they are reported."""
        by_name: dict[str, list[Gate]] = {}
        for gate in self.run.decision.gates:
            by_name.setdefault(gate_title(gate), []).append(gate)
        return tuple(self._outcome(name, gates) for name, gates in by_name.items())

    def gate(self, name: str) -> GateOutcome:
        """What became of the gate of this name, or of `decision`. One that does not apply is skipped, and says so."""
        if name == DECISION:
            return self._decision()
        for one in self.gates:
            if one.name == name:
                return one
        return GateOutcome(name, "skipped", f"{name}: no such gate came of this run; nothing it would read was scored")

    @property
    def headline(self) -> str:
        """The decision and whom it is about, on one line."""
        return f"{headline(self.run.decision)}: {self.run.manifest.tuned.name} over {self.run.manifest.base.name}"

    @property
    def why(self) -> str:
        """Why, in a sentence."""
        return visible(sentence(self.comparison, self.run.decision))

    @property
    def explanation(self) -> str:
        """All gates with their numbers, what would decide them, cautions, and where the report is."""
        width = max((len(one.name) for one in self.gates), default=0)
        lines = [self.headline, self.why, ""]
        for one in self.gates:
            told = "; ".join(f"{gate_numbers(gate)}, limit {gate_limit(gate)}" for gate in one.gates)
            lines.append(f"  {_WORDS[one.standing]:<8} {one.name:<{width}}  {told}")
        lines += ["", *(f"  to decide: {one}" for one in remedies(self.run.decision))]
        lines += [f"  caution: {one}" for one in cautions(self.comparison, self.run.decision, self.run.manifest)]
        return visible("\n".join([*lines, f"  report: {self.report}"]))

    def __repr__(self) -> str:
        return f"<{self.headline}: {self.why} Report: {self.report}>"

    @property
    def _lets_pass(self) -> bool:
        return self.run.policy.inconclusive == "pass"

    def _outcome(self, name: str, gates: list[Gate]) -> GateOutcome:
        each = [standing(gate, lets_pass=self._lets_pass) for gate in gates]
        worst = next(one for word in ("failed", "skipped", "passed") for one in each if one[0] == word)
        return GateOutcome(name, worst[0], visible(worst[1]), tuple(gates))

    def _decision(self) -> GateOutcome:
        if self.go:
            return GateOutcome(DECISION, "passed", self.why)
        word = HEADLINES[self.run.decision.outcome]
        if self.passed:
            return GateOutcome(DECISION, "skipped", f"{word}, which the policy lets pass: {self.why}")
        return GateOutcome(DECISION, "failed", f"{self.headline}: {self.why}")


_WORDS: dict[Standing, str] = {"passed": "passed", "failed": "FAILED", "skipped": "skipped"}
_KINDS = {
    "retain_relative": "retain {}",
    "guard_rate": "guard {} rate",
    "guard_increase": "guard {} increase",
}


def gate_title(gate: Gate) -> str:
    """A gate's name as a test item has it: "tax", "retain gsm8k", "guard toxicity rate", "judge ours"."""
    return "tax" if gate.kind == "tax" else _KINDS.get(gate.kind, f"{gate.kind} {{}}").format(gate.subject)


def foreseen_gates(arguments: Mapping[str, Any]) -> list[str]:
    """The names of the gates that a run with these arguments will have, and `decision`; read from its files alone.

    Neither a model's file nor any row of data is read. What a source of tasks says only later (whether marks have bounds)
    is taken for the usual. Raises InputError.
    """
    base = arguments["base"]
    folder = base.folder if isinstance(base, ModelSpec) else str(Path(base).parent)
    chosen, judge, policy = named(folder, arguments.get("suites"), arguments.get("judge"), arguments.get("policy"))
    marked = [suite for suite in chosen.suites if any(_is_marked(task) for task in suite.tasks)]
    names = ["tax"] if any(suite.role == "retain" for suite in marked) else []
    for suite in marked:
        names += _of_suite(suite, policy)
    names += [f"pool {pool}" for pool in policy.pools]
    readers = readers_of(judge)
    if readers:
        names += [f"judge {one.name}" for one in readers]
    if judge is not None and judge.kind == "jury":
        names.append(f"judge {judge.name}")
    return [*names, DECISION]


def _of_suite(suite: SuiteSpec, policy: PolicySpec) -> list[str]:
    if suite.role != "guard":
        return [f"{suite.role} {suite.name}"]
    limits = {"max_rate": policy.guard.max_rate, "max_increase": policy.guard.max_increase}
    if suite.margin is not None:
        limits["max_increase"] = suite.margin
    limits |= suite.guard.stated
    rated = limits["max_rate"] is not None and all(_has_bounds(task) for task in suite.tasks)
    return [
        *([f"guard {suite.name} rate"] if rated else []),
        *([f"guard {suite.name} increase"] if limits["max_increase"] is not None else []),
    ]


def _has_bounds(task: object) -> bool:
    if not isinstance(task, TaskSpec):
        return True
    try:
        how = scorer_of(task)
    except InputError:  # of a plugin, which is loaded when the run is
        return True
    return how is None or how.bounded


def _is_marked(task: object) -> bool:
    try:
        return not isinstance(task, TaskSpec) or scorer_of(task) is not None
    except InputError:
        return True


def checked_arguments(arguments: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Arguments of `evalkit.run_comparison` with paths seen from `folder`; `suite` may be said for `suites`.

    Raises InputError for one it does not take, and for a missing base or tuned.
    """
    known = {*inspect.signature(run_comparison).parameters} - _OWN
    given = dict(arguments)
    if "suite" in given:
        if "suites" in given:
            raise InputError("suite: suites is given too; say one of the two")
        given["suites"] = given.pop("suite")
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
            raise InputError(f"{name}: not something that a comparison takes; {hint}")
    for name in ("base", "tuned"):
        if given.get(name) is None:
            raise InputError(f"{name}: which model file? A comparison needs base and tuned")
    for name in _PATHS:
        if isinstance(given.get(name), str | Path):
            given[name] = folder / given[name]
    for name in _LISTS:
        if isinstance(given.get(name), str | Path | SuiteSpec):
            given[name] = [given[name]]
    if given.get("suites") is not None:
        given["suites"] = [_named_or_path(one, folder) for one in given["suites"]]
    if isinstance(given.get("judge"), str | Path):
        given["judge"] = _named_or_path(given["judge"], folder)
    if given.get("train_data"):
        given["train_data"] = [_training(str(one), folder) for one in given["train_data"]]
    if given.get("fresh_from"):
        given["fresh_from"] = [folder / one for one in given["fresh_from"]]
    return given


def _named_or_path(value: Any, folder: Path) -> Any:
    """A built-in name as it is; what looks like a path, seen from `folder`."""
    is_path = isinstance(value, Path) or (
        isinstance(value, str) and (value.endswith((".yaml", ".yml")) or "/" in value)
    )
    return str(folder / value) if is_path else value


def _training(value: str, folder: Path) -> str:
    arm, equals, path = value.partition("=")
    return f"base={folder / path}" if equals and arm == "base" else str(folder / value)


@dataclass
class Comparisons:
    """The comparisons of one test session: each is run once, and handed out again to whoever asks with the same arguments.

    out: the folder that gets a folder for each. session: names the session; processes that share it share its runs, one
    running while the others wait. progress: makes what is told how far a run is.
    """

    out: Path
    session: str
    progress: Callable[[], Progress]
    _done: dict[str, Release | Exception] = field(default_factory=dict)

    def release(self, arguments: Mapping[str, Any]) -> Release:
        """The finished comparison with these arguments (as `checked_arguments` gives them).

        Raises InputError, EngineError; the same again for the same arguments.
        """
        key = _key(arguments)
        if key not in self._done:
            try:
                self._done[key] = self._shared(arguments, key)
            except Exception as error:  # a boundary: whoever asks for the same gets the same, and nothing runs twice
                self._done[key] = error
        found = self._done[key]
        if isinstance(found, Exception):
            raise found
        return found

    def _shared(self, arguments: Mapping[str, Any], key: str) -> Release:
        from filelock import FileLock

        name = f"{_stem(arguments['base'])}-vs-{_stem(arguments['tuned'])}-{key}"
        folder, ran = self.out / name, self.out / f".{name}.session"
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--evalkit-out: {self.out}: cannot be written: {error.strerror}") from None
        with FileLock(self.out / f".{name}.lock"):
            if ran.exists() and ran.read_text(encoding="utf-8") == self.session:
                return Release(load(folder), folder / "report.html")
            progress = self.progress()
            try:
                run = run_comparison(
                    **arguments, out=folder, progress=progress, command=f"pytest, session {self.session}"
                )
            finally:
                getattr(progress, "close", lambda: None)()
            ran.write_text(self.session, encoding="utf-8")
        return Release(run, folder / "report.html")


def why_incomplete(release: Release) -> str:
    """What is missing, and where the report is."""
    return visible(f"{release.headline}: {incomplete(release.comparison)} Report: {release.report}")


class Logged:
    """A `types.Progress` for test runs: phases and notes go to the logger `evalkit`; show them with --log-cli-level=INFO."""

    def __init__(self) -> None:
        self._log = logging.getLogger("evalkit")

    def phase(self, name: str, total: int | None = None, *, unit: str = "requests") -> None:
        """Log that it begins."""
        self._log.info("%s%s", name, f": {total} {unit}" if total is not None else "")

    def advance(self, requests: int = 1, tokens: int = 0) -> None:
        """Ignore."""

    def note(self, text: str) -> None:
        """Log it."""
        self._log.info("%s", text)


def _key(arguments: Mapping[str, Any]) -> str:
    told = repr(sorted((name, str(value)) for name, value in arguments.items() if value is not None))
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def _stem(model: object) -> str:
    name = model.name if isinstance(model, ModelSpec) else Path(str(model)).stem
    return "".join(char if char.isalnum() or char in "._-" else "-" for char in name)
