"""What to change before the next run: what stood in the way of this one, each thing once."""

from __future__ import annotations

from harness.report import text as t
from harness.results import Check, Results


def changes(results: Results) -> list[str]:
    """Failed checks, monitors out of bounds, findings with a remedy.

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
    for finding in results.findings:
        message, remedy = finding.get("message", ""), finding.get("remedy", "")
        severity = finding.get("severity")
        if severity not in {"warning", "error"} or not remedy:
            continue
        known, said = [*lines, results.abort_reason or ""], "\n".join(reasons)
        if (results.aborted and severity == "warning") or any(
            (message in line or message in said) and remedy in line for line in known
        ):
            continue
        lines.append(f"{message} Remedy: {remedy}".strip())
    return list(dict.fromkeys(lines))


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
