"""What to change before the next run: what stood in the way of this one, each thing once."""

from __future__ import annotations

from harness.report import text as t
from harness.results import Check, Results


def changes(results: Results) -> list[str]:
    """What a verdict rests on: failed checks, monitors out of bounds, errors with a remedy.

    Of a run that was cut short only what broke is listed: checks that then had little or nothing to look at
    fail in its wake, and would send the reader the wrong way.
    """
    lines: list[str] = []
    checks = [check for scenario in results.scenarios.values() for check in scenario.checks]
    checks += [check for requirement in results.requirements for check in requirement.checks]
    monitors = {monitor.name for monitor in results.monitors}
    reasons = [reason for requirement in results.requirements for reason in requirement.reasons]
    for check in checks:
        if not check.ok and check.name not in monitors and (_broken(check) or not results.aborted):
            lines.append(_line(check, reasons))
    if not results.aborted:
        lines += _monitors(results, checks)
    lines += _findings(results, lines, {"error"})
    return list(dict.fromkeys(lines))


def besides(results: Results) -> list[str]:
    """Warnings with a remedy that no verdict rests on, as an identity that nobody filled in."""
    return list(dict.fromkeys(_findings(results, changes(results), {"warning"})))


def _findings(results: Results, told: list[str], severities: set[str]) -> list[str]:
    lines: list[str] = []
    said = "\n".join(reason for requirement in results.requirements for reason in requirement.reasons)
    for finding in results.findings:
        message, remedy = finding.get("message", ""), finding.get("remedy", "")
        severity = finding.get("severity")
        if severity not in severities or not remedy or (results.aborted and severity == "warning"):
            continue
        known = [*told, results.abort_reason or ""]
        if not any((message in line or message in said) and remedy in line for line in known):
            lines.append(t.sentences(message, remedy))
    return lines


def _line(check: Check, reasons: list[str]) -> str:
    """What mends it; what was found only where the reasons above do not tell it already."""
    if check.remedy and any(check.value in reason for reason in reasons):
        return f"{check.name}: {check.remedy}"
    what = f"{check.name}: {check.value}, wanted {check.bound}"
    return ". ".join(part for part in (what, check.consequence, check.remedy) if part)


def _broken(check: Check) -> bool:
    return check.consequence.startswith("ERROR")


def _monitors(results: Results, checks: list[Check]) -> list[str]:
    remedies = {check.name: check.remedy for check in checks if not check.ok}
    lines = []
    for monitor in results.monitors:
        if monitor.ok:
            continue
        seen = t.with_unit(t.number(monitor.value), monitor.unit) if monitor.n else "no value"
        line = f"Monitor {monitor.name} out of bounds: {seen}."
        lines.append(" ".join(part for part in (line, remedies.get(monitor.name, "")) if part))
    return lines
