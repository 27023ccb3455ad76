"""junit.xml: one test case per gate, so that any CI shows which rule broke.

Failed: <failure>. Undecided: <failure>, or <skipped> where the policy says `inconclusive: pass`. Advisory: <skipped>
unless it passed. An incomplete run adds one test case in <error>.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from evalkit.report.words import gate_limit, gate_name, gate_numbers, incomplete
from evalkit.types import Comparison, Decision, Gate, Manifest

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
        "skipped": str(sum(case.find("skipped") is not None for case in cases)),
        "time": seconds,
    }
    root = ET.Element("testsuites", {"name": "evalkit", **totals})
    name = _legal(f"{manifest.tuned.name} over {manifest.base.name}")
    suite = ET.SubElement(root, "testsuite", {"name": name, "timestamp": _legal(manifest.created), **totals})
    suite.extend(cases)
    ET.indent(root)
    return ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"


def _case(gate: Gate, *, skip_open: bool) -> ET.Element:
    case = ET.Element("testcase", classname=_legal(f"evalkit.{gate.kind}"), name=_legal(gate_name(gate)), time="0")
    message = _legal(gate.reason or gate.rule)
    detail = _legal(f"{gate.rule}\nmeasured {gate_numbers(gate)}, limit {gate_limit(gate)}\n{gate.reason}")
    if gate.verdict == "pass":
        ET.SubElement(case, "system-out").text = detail
    elif not gate.required:
        ET.SubElement(case, "skipped", message=f"advisory, {gate.verdict}: {message}")
    elif gate.verdict == "inconclusive" and skip_open:
        ET.SubElement(case, "skipped", message=f"inconclusive, which the policy lets pass: {message}")
    else:
        ET.SubElement(case, "failure", type=gate.verdict, message=message).text = detail
    return case


def _legal(text: str) -> str:
    """Replace what XML 1.0 cannot carry, even escaped."""
    return _FORBIDDEN.sub("\ufffd", text)
