"""junit.xml: one test case per gate, so that any CI shows which rule broke.

Failed: <failure>. Undecided: <failure>, or <skipped> where the policy says `inconclusive: pass`. Advisory: <skipped>
unless it passed. An incomplete run adds one test case in <error>.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from typing import Literal

from evalkit.report.numbers import difference
from evalkit.report.words import gate_limit, gate_name, gate_numbers, headline, incomplete
from evalkit.types import Comparison, Decision, Gate, Manifest

Standing = Literal["passed", "failed", "skipped"]
"""What a test runner makes of a gate."""

_FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(comparison: Comparison, decision: Decision, manifest: Manifest) -> bytes:
    """The file's bytes: UTF-8, valid XML 1.0 whatever the names and reasons hold."""
    skip_open = manifest.policy.get("inconclusive") == "pass"
    cases = [_case(gate, skip_open=skip_open) for gate in decision.gates]
    required = [gate for gate in decision.gates if gate.required]
    if not decision.complete:
        case = ET.Element("testcase", classname="evalkit.run", name="complete", time="0")
        ET.SubElement(case, "error", type="incomplete", message=_legal(incomplete(comparison)))
        cases.insert(0, case)
    elif decision.outcome == "inconclusive" and required and all(gate.verdict == "pass" for gate in required):
        case = ET.Element("testcase", classname="evalkit.run", name="tuned differs from base", time="0")
        kind = "skipped" if skip_open else "failure"
        ET.SubElement(case, kind, type="inconclusive", message=_legal(decision.reasons[0]))
        cases.insert(0, case)
    seconds = f"{sum(phase.seconds for phase in manifest.phases if not phase.beside):.3f}"
    totals = {
        "tests": str(len(cases)),
        "failures": str(sum(case.find("failure") is not None for case in cases)),
        "errors": str(sum(case.find("error") is not None for case in cases)),
        "time": seconds,
    }
    # The schema that Jenkins validates against knows no `skipped` on the root.
    root = ET.Element("testsuites", {"name": "evalkit", **totals})
    skipped = str(sum(case.find("skipped") is not None for case in cases))
    name = _legal(f"{manifest.tuned.name} over {manifest.base.name}")
    suite = ET.SubElement(root, "testsuite", {"name": name, "timestamp": _time(manifest), **totals, "skipped": skipped})
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(comparison, decision, manifest).items():
        ET.SubElement(properties, "property", name=key, value=_legal(value))
    suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def standing(gate: Gate, *, lets_pass: bool) -> tuple[Standing, str]:
    """What a test runner makes of a gate, and why. lets_pass: the policy says `inconclusive: pass`."""
    message = gate.reason or gate.rule
    if gate.verdict == "pass":
        return "passed", message
    if not gate.required:
        return "skipped", f"advisory, {gate.verdict}: {message}"
    if gate.verdict == "inconclusive" and lets_pass:
        return "skipped", f"inconclusive, which the policy lets pass: {message}"
    return "failed", message


def _case(gate: Gate, *, skip_open: bool) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(f"evalkit.{gate.kind}"), name=_legal(gate_name(gate)), time="0")
    word, message = standing(gate, lets_pass=skip_open)
    detail = _legal(f"{gate.rule}\nmeasured {gate_numbers(gate)}, limit {gate_limit(gate)}\n{gate.reason}")
    if word == "passed":
        ET.SubElement(case, "system-out").text = detail
    elif word == "skipped":
        ET.SubElement(case, "skipped", message=_legal(message))
    else:
        ET.SubElement(case, "failure", type=gate.verdict, message=_legal(message)).text = detail
    return case


def _properties(comparison: Comparison, decision: Decision, manifest: Manifest) -> dict[str, str]:
    """What a dashboard may want beside the cases."""
    told = {"run_id": manifest.run_id, "decision": headline(decision)}
    told |= {"base": manifest.base.name, "tuned": manifest.tuned.name}
    pooled = {"tax": comparison.tax, "gain": comparison.gain}
    return told | {name: difference(estimate) for name, estimate in pooled.items() if estimate is not None}


def _time(manifest: Manifest) -> str:
    """When the run began, in UTC and without an offset: stricter readers take no other form."""
    try:
        began = datetime.fromisoformat(manifest.created)
    except ValueError:
        return "1970-01-01T00:00:00"
    return (began.astimezone(UTC) if began.tzinfo else began).strftime("%Y-%m-%dT%H:%M:%S")


def _legal(text: str) -> str:
    """Replace what XML 1.0 cannot carry, even escaped."""
    return _FORBIDDEN.sub("\ufffd", text)
