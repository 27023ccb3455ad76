import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import junitparser
import pytest
from example_run import Planned, make_run

from evalkit.report.junit import junit_xml


def parse(run, decision=None, manifest=None):
    return ET.fromstring(junit_xml(run.comparison, decision or run.decision, manifest or run.manifest))


def test_one_test_case_per_gate_and_totals_that_add_up(run):
    root = parse(run)
    cases = root.findall("testsuite/testcase")
    assert len(cases) == len(run.decision.gates)
    assert len({case.get("name") for case in cases}) == len(cases)
    suite = root.find("testsuite")
    assert int(suite.get("tests")) == len(cases)
    assert int(suite.get("failures")) == len(root.findall(".//failure")) == 3
    assert int(suite.get("errors")) == 0


def test_an_undecided_gate_is_skipped_where_the_policy_lets_it_pass(run):
    lenient = replace(run.manifest, policy={**run.manifest.policy, "inconclusive": "pass"})
    root = parse(run, manifest=lenient)
    assert not root.findall(".//failure")
    assert all("lets pass" in skipped.get("message") for skipped in root.findall(".//skipped"))
    assert len(root.findall(".//skipped")) == 3


def test_a_failed_gate_fails_whatever_the_policy_says_of_undecided_ones(run):
    lenient = replace(run.manifest, policy={"inconclusive": "pass"})
    failed = replace(
        run.decision, gates=tuple(replace(gate, verdict="fail", required=True) for gate in run.decision.gates)
    )
    assert len(parse(run, failed, lenient).findall(".//failure")) == len(failed.gates)


def test_an_advisory_gate_never_fails_the_build(run):
    advisory = tuple(replace(gate, required=False, verdict="fail") for gate in run.decision.gates)
    root = parse(run, replace(run.decision, gates=advisory))
    assert not root.findall(".//failure")
    assert len(root.findall(".//skipped")) == len(advisory)


def test_an_incomplete_run_is_an_error_of_its_own():
    run = make_run((Planned("b", "retain", 0.9, 0.8, 40, missing=6),), judge=None, complete=False)
    root = parse(run)
    assert root.find("testsuite").get("errors") == "1"
    assert "6 items lack a score" in root.find(".//error").get("message")


def test_characters_that_xml_forbids_do_not_break_the_file(run):
    gate = replace(
        run.decision.gates[0], reason='\x00\x1b[31m\ud800\uffff </testcase><evil/> & "quoted"', verdict="fail"
    )
    root = parse(run, replace(run.decision, gates=(gate,)))
    assert root.find(".//evil") is None
    assert '</testcase><evil/> & "quoted"' in root.find(".//failure").get("message")


# Of each element: the attributes that must and may be there, and the elements it may hold. The rules of the schema that
# Jenkins' xunit plugin validates against (junit-10.xsd), which GitLab's and GitHub's reporters are wider than.
RULES = {
    "testsuites": ((), ("name", "time", "tests", "failures", "disabled", "errors"), ("testsuite",)),
    "testsuite": (
        ("tests",),
        ("name", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"),
        ("properties", "testcase", "system-out", "system-err"),
    ),
    "properties": ((), (), ("property",)),
    "property": (("name", "value"), (), ()),
    "testcase": (
        ("name",),
        ("classname", "time", "file", "line"),
        ("skipped", "error", "failure", "system-out", "system-err"),
    ),
    "skipped": ((), ("type", "message"), ()),
    "error": ((), ("type", "message"), ()),
    "failure": ((), ("type", "message"), ()),
    "system-out": ((), (), ()),
}


def check(element):
    must, may, holds = RULES[element.tag]
    assert set(must) <= set(element.keys()) <= {*must, *may}, element.attrib
    for child in element:
        assert child.tag in holds, f"{child.tag} in {element.tag}"
        check(child)


def varied(run):
    """One gate of each kind that can come, required and advisory."""
    gates = [
        replace(gate, verdict=verdict, required=required)
        for gate, verdict in zip(run.decision.gates, ("pass", "fail", "inconclusive") * 9, strict=False)
        for required in (True, False)
    ]
    return replace(run.decision, gates=tuple(gates))


@pytest.mark.parametrize("policy", ["fail", "pass"])
def test_the_published_rules_of_elements_and_attributes_hold(run, policy):
    decision = varied(run)
    root = parse(run, decision, replace(run.manifest, policy={"inconclusive": policy}))
    check(root)
    (suite,) = root
    assert suite[0].tag == "properties"  # before any case, as stricter readers want it
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.get("timestamp"))
    cases = suite.findall("testcase")
    for case in cases:
        assert float(case.get("time")) >= 0 and case.get("classname") and len(case) <= 1
    for name, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        assert int(suite.get(name)) == len(suite.findall(f"testcase/{tag}"))
    assert int(suite.get("tests")) == len(cases) == 2 * len(run.decision.gates)
    assert {root.get(name) for name in ("tests", "failures", "errors")} == {
        suite.get(name) for name in ("tests", "failures", "errors")
    } and float(root.get("time")) == float(suite.get("time")) >= 0


def test_a_junit_library_reads_what_was_written(run, tmp_path):
    (tmp_path / "junit.xml").write_bytes(junit_xml(run.comparison, varied(run), run.manifest))
    read = junitparser.JUnitXml.fromfile(str(tmp_path / "junit.xml"))
    (suite,) = list(read)
    assert (read.tests, read.failures, read.errors) == (suite.tests, suite.failures, suite.errors)
    before = suite.tests, suite.failures, suite.errors, suite.skipped
    suite.update_statistics()  # counted anew, from the cases
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == before
    assert {one.name: one.value for one in suite.properties()}["decision"] == "INCONCLUSIVE"
    for case in suite:
        assert isinstance(case.result, list) and len(case.result) <= 1
        assert case.is_passed is not bool(case.result)
        assert (case.system_out is not None) is case.is_passed
    failed = [one.result[0] for one in suite if one.is_failure]
    assert failed and all(one.message and one.type and "measured" in one.text for one in failed)


def test_no_text_holds_what_a_parser_refuses(run):
    hostile = "a\x00\x0b\ud800\uffff\u202e]]>&<b>"
    gates = tuple(replace(gate, reason=hostile, rule=hostile, subject=hostile) for gate in run.decision.gates)
    named = replace(run.manifest, tuned=replace(run.manifest.tuned, name=hostile), run_id=hostile, created=hostile)
    written = junit_xml(run.comparison, replace(run.decision, gates=gates), named)
    check(ET.fromstring(written))
    assert not re.search("[\x00-\x08\x0b-\x1f]", written.decode("utf-8"))
