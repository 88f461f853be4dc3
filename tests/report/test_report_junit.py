from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
import report_data as data
from junitparser import JUnitXml

from harness.model import Verdict
from harness.report.junit import render_junit
from harness.results import Check, Results


def suite_of(results: Results, agreed: tuple[str, ...] = ()) -> ET.Element:
    root = ET.fromstring(render_junit(results, agreed).encode())
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    return suite


def with_verdict(verdict: Verdict, **changes: object) -> Results:
    table = data.samples(200)
    return data.results(
        {"command": data.scenario_result(table)}, [data.requirement(table, verdict=verdict, **changes)]
    )


def properties(parent: ET.Element) -> dict[str, str]:
    return {entry.attrib["name"]: entry.attrib["value"] for entry in parent.iterfind("properties/property")}


@pytest.mark.parametrize(
    ("verdict", "tag"),
    [
        (Verdict.PASS, None),
        (Verdict.FAIL, "failure"),
        (Verdict.ERROR, "error"),
        (Verdict.INCONCLUSIVE, "error"),
    ],
)
def test_verdicts_become_what_a_viewer_takes_seriously(verdict: Verdict, tag: str | None) -> None:
    suite = suite_of(with_verdict(verdict))
    (case,) = suite.iterfind("testcase")
    assert (case.attrib["classname"], case.attrib["name"]) == ("sim-diff-drive", "CMD-RTT")
    outcomes = [child for child in case if child.tag in {"failure", "error", "skipped"}]
    assert [child.tag for child in outcomes] == ([tag] if tag else [])
    for child in outcomes:
        assert child.attrib["type"] == verdict.value
        assert child.attrib["message"].startswith(f"CMD-RTT: {verdict.value}: p99 latency ")
        assert "prove" in (child.text or "")
    counts = {key: int(suite.attrib[key]) for key in ("tests", "failures", "errors", "skipped")}
    assert counts == {
        "tests": 1,
        "failures": int(tag == "failure"),
        "errors": int(tag == "error"),
        "skipped": 0,
    }


def test_properties_carry_the_figures_and_leave_out_what_does_not_exist() -> None:
    results = with_verdict(Verdict.PASS, headroom=1.15, floor=None, limit=10.0, upper_bound=8.6956521)
    (case,) = suite_of(results).iterfind("testcase")
    found = properties(case)
    requirement = results.requirements[0]
    assert found["verdict"] == "PASS"
    assert found["quantile"] == "0.99"
    assert found["limit"] == "10"
    assert found["unit"] == "ms"
    assert found["n"] == str(requirement.n)
    assert found["exceedances"] == str(requirement.exceedances)
    assert float(found["headroom"]) == 1.15
    assert float(found["upper_bound"]) == pytest.approx(8.6956521, rel=1e-5)
    assert "floor" not in found
    assert "None" not in "".join(found.values())
    out = case.findtext("system-out") or ""
    for line in requirement.decision:
        assert line in out


def test_failed_checks_tell_what_to_do() -> None:
    check = Check(name="schedule kept", ok=False, value="3 ms", bound="≤ 1 ms", remedy="Use a quieter host.")
    (case,) = suite_of(with_verdict(Verdict.INCONCLUSIVE, checks=[check])).iterfind("testcase")
    assert "check schedule kept: 3 ms, wanted ≤ 1 ms. Use a quieter host." in (case.findtext("error") or "")


def test_requirements_that_were_never_decided_are_errors() -> None:
    results = data.results(
        {}, [], verdict=Verdict.ERROR, aborted=True, abort_reason="the robot never appeared"
    )
    suite = suite_of(results, ("CMD-RTT", "SENS-1"))
    cases = list(suite.iterfind("testcase"))
    assert [case.attrib["name"] for case in cases] == ["CMD-RTT", "SENS-1"]
    for case in cases:
        error = case.find("error")
        assert error is not None
        assert "the robot never appeared" in error.attrib["message"]
    assert suite.attrib["errors"] == "2"


def test_a_run_without_any_requirement_is_an_error() -> None:
    suite = suite_of(data.results({}, [], verdict=Verdict.ERROR))
    assert (suite.attrib["tests"], suite.attrib["errors"]) == ("1", "1")


def test_the_shape_that_viewers_agree_on() -> None:
    table = data.samples(200)
    requirements = [data.requirement(table, id=f"R{i}", verdict=verdict) for i, verdict in enumerate(Verdict)]
    results = data.results({"command": data.scenario_result(table)}, requirements)
    suite = suite_of(results)
    assert suite.attrib["timestamp"] == "2026-01-31T12:00:00"
    order = [child.tag for child in suite]
    assert order == ["properties"] + ["testcase"] * len(requirements)
    for case in suite.iterfind("testcase"):
        assert set(case.attrib) <= {"name", "classname", "time"}
        assert {child.tag for child in case} <= {"properties", "failure", "error", "system-out"}
    times = [float(case.attrib["time"]) for case in suite.iterfind("testcase")]
    assert sum(times) == pytest.approx(23.0, abs=0.01)
    again = JUnitXml.fromstring(render_junit(results).encode())
    assert (again.tests, again.failures, again.errors, again.skipped) == (4, 1, 2, 0)


def test_hostile_text_still_makes_xml() -> None:
    nasty = 'a & b < c > "d" ]]> \x00\x1b[31m \ud800 é 🤖\nnext'
    (case,) = suite_of(with_verdict(Verdict.FAIL, id=nasty, reasons=[nasty])).iterfind("testcase")
    text = case.findtext("failure") or ""
    assert 'a & b < c > "d" ]]>' in text
    assert "🤖\nnext" in text
    assert "\x00" not in text


def test_the_same_results_give_the_same_text() -> None:
    results = with_verdict(Verdict.PASS)
    assert render_junit(results) == render_junit(results)
