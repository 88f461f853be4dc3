"""The verdicts as JUnit XML, one test case per requirement, for the viewers that CI systems have.

FAIL is a ``failure``; ERROR and INCONCLUSIVE are ``error``; nothing is ever ``skipped``, since viewers show
a skipped test as harmless. https://github.com/testmoapp/junitxml describes the common shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from junitparser import Error, Failure, JUnitXml, Properties, Property, TestCase, TestSuite

from harness.model import Verdict
from harness.report.text import (
    decimals_for,
    number,
    parse_instant,
    seconds_between,
    short,
    statement,
    with_unit,
)
from harness.results import RequirementResult, Results
from harness.wording import count_of, measured_name, relation, swarm_words

_DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'
# XML 1.0, production [2]: what may not appear in a document, not even escaped.
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render_junit(results: Results, agreed: Sequence[str] = ()) -> str:
    """``junit.xml`` of a run: one suite, one case per requirement.

    ``agreed`` are the ids of the rig file: one that ``results`` does not know is a case as well, an error.
    A run without any requirement yields one case, an error, so that it cannot be taken for a pass.
    """
    suite = TestSuite(_clean(f"{_rig_name(results)} {results.run_id}"))
    started = parse_instant(results.started)
    if started is not None:
        suite.timestamp = started.strftime("%Y-%m-%dT%H:%M:%S")
    for name, value in _suite_properties(results):
        suite.add_property(name, _clean(value))
    length = seconds_between(results.started, results.ended) or 0.0
    cases = [_case(results, requirement) for requirement in results.requirements]
    decided = {requirement.id for requirement in results.requirements}
    cases += [_undecided(results, name) for name in agreed if name not in decided]
    cases = cases or [_undecided(results, "run")]
    # The run is measured once for all requirements; its duration is shared out so that the sum is right.
    for case in cases:
        case.time = round(length / len(cases), 3)
        suite.add_testcase(case)
    suite.update_statistics()
    document = JUnitXml("harness")
    document.add_testsuite(suite)
    document.update_statistics()
    return _DECLARATION + str(document.tostring().decode("utf-8")) + "\n"


def message(requirement: RequirementResult) -> str:
    """The outcome of a requirement in one line."""
    what = f"{requirement.id}: {requirement.verdict.value}: {measured_name(requirement)}"
    estimate = with_unit(number(requirement.estimate), requirement.unit)
    limit = with_unit(short(requirement.limit), requirement.unit)
    counts = count_of(requirement, requirement.exceedances, requirement.n)
    reasons = " ".join(requirement.reasons)
    return f"{what} {estimate}, {relation(requirement)} {limit} required, {counts}. {reasons}".strip()


def _rig_name(results: Results) -> str:
    return str(results.rig.get("name", "rig"))


def _suite_properties(results: Results) -> list[tuple[str, str]]:
    rows = [
        ("run_id", results.run_id),
        ("rig", _rig_name(results)),
        ("simulated", str(results.simulated).lower()),
        ("verdict", results.verdict.value),
        ("aborted", str(results.aborted).lower()),
    ]
    if results.abort_reason:
        rows.append(("abort_reason", results.abort_reason))
    return rows


def _figures(requirement: RequirementResult) -> list[tuple[str, str]]:
    """Properties of one case. A figure that does not exist is left out rather than given as a number."""
    rows: list[tuple[str, object]] = [
        ("verdict", requirement.verdict.value),
        ("scenario", requirement.scenario),
        ("quantity", requirement.quantity),
        ("statistic", requirement.statistic),
        ("quantile", requirement.quantile),
        ("within_ms", requirement.within_ms),
        ("jitter", requirement.jitter),
        ("limit_is", requirement.limit_is),
        ("limit", requirement.limit),
        ("unit", requirement.unit),
        ("confidence", requirement.confidence),
        ("alpha", requirement.alpha),
        ("estimate", requirement.estimate),
        ("lower_bound", requirement.lower_bound),
        ("upper_bound", requirement.upper_bound),
        ("pass_threshold", requirement.pass_threshold),
        ("fail_threshold", requirement.fail_threshold),
        ("uncertainty", requirement.uncertainty),
        ("floor", requirement.floor),
        ("n", requirement.n),
        ("exceedances", requirement.exceedances),
        ("exceedances_sent", requirement.exceedances_sent),
        ("pass_up_to", requirement.pass_up_to),
        ("fail_from", requirement.fail_from),
        ("headroom", requirement.headroom),
    ]
    return [(name, _plain(value)) for name, value in rows if value is not None]


def _plain(value: object) -> str:
    """A figure for a machine: a point, no grouping, no exponent for usual sizes."""
    return (
        f"{value:.{max(decimals_for(value, 6), 0)}f}".rstrip("0").rstrip(".")
        if isinstance(value, float)
        else str(value)
    )


def _case(results: Results, requirement: RequirementResult) -> TestCase:
    case = TestCase(_clean(requirement.id), classname=_clean(_rig_name(results)))
    properties = Properties()
    for name, value in _figures(requirement):
        properties.append(Property(name, _clean(value)))
    case.append(properties)
    if requirement.verdict is not Verdict.PASS:
        kind = Failure if requirement.verdict is Verdict.FAIL else Error
        result = kind(_clean(message(requirement)), requirement.verdict.value)
        result.text = _clean("\n".join(_details(results, requirement)))
        case.append(result)
    scenario = results.scenarios.get(requirement.scenario)
    told = swarm_words(scenario.swarm) if scenario is not None and scenario.swarm is not None else []
    case.system_out = _clean("\n".join([statement(requirement), *requirement.decision, *told]))
    return case


def _details(results: Results, requirement: RequirementResult) -> list[str]:
    lines = [statement(requirement), *requirement.reasons]
    for check in requirement.checks:
        if not check.ok:
            lines.append(f"check {check.name}: {check.value}, wanted {check.bound}. {check.remedy}".rstrip())
    if results.aborted:
        lines.append(f"The run was aborted: {results.abort_reason or 'no reason recorded'}")
    return lines


def _undecided(results: Results, name: str) -> TestCase:
    """The case of a requirement that the run never came to."""
    reason = results.abort_reason or "the run ended before the requirement could be evaluated"
    case = TestCase(_clean(name), classname=_clean(_rig_name(results)))
    result = Error(_clean(f"{name}: {Verdict.ERROR.value}: not decided: {reason}"), Verdict.ERROR.value)
    result.text = _clean("\n".join([reason, *(finding.get("message", "") for finding in results.findings)]))
    case.append(result)
    return case


def _clean(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text)
