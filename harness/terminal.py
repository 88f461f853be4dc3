"""What a person sees at the end of a run, and what ``check`` and ``list`` print."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.arming import duration_s, movements
from harness.conclude import RunOutcome
from harness.config import LoadedRig, expand_variants
from harness.model import Finding, Severity, Verdict
from harness.results import RequirementResult, Results
from harness.steps import describe
from harness.wording import measured_name, relation

STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
}
SEVERITY_STYLES = {Severity.INFO: "", Severity.WARNING: "yellow", Severity.ERROR: "bold red"}


def show_outcome(console: Console, outcome: RunOutcome, *, brief: bool = False) -> None:
    """The verdict, the figures that decide, the reasons, and where the report is."""
    results = outcome.results
    where = shown_path(outcome.folder)
    if brief:
        name = results.rig.get("name", "") if results else ""
        console.print(
            Text.assemble((outcome.verdict.value, STYLES[outcome.verdict]), f" {name} {where}"),
            soft_wrap=True,
        )
        return
    if outcome.error:
        console.print(Text(outcome.error, style="bold red"))
    if results is None:
        console.print(
            Text.assemble(
                (outcome.verdict.value, STYLES[outcome.verdict]), f"  no results; evidence: {where}"
            )
        )
        return
    console.print(_heading(results, outcome.verdict))
    console.print(_requirements(results.requirements))
    for requirement in results.requirements:
        for reason in requirement.reasons:
            console.print(Text.assemble((f"  {requirement.id}  ", "bold"), reason))
    for name, scenario in results.scenarios.items():
        late = scenario.lateness_ms.p99
        console.print(
            f"  {name}  {scenario.sent} sent, {scenario.answered} answered, {scenario.lost} lost, "
            f"{scenario.skipped} skipped, {scenario.duplicates} duplicates, "
            f"{scenario.out_of_order} out of order; lateness p99 {_figure(late)} ms",
            style="dim",
            highlight=False,
            soft_wrap=True,
        )
    report = outcome.folder / "report.pdf"
    what = "report" if report.is_file() else "evidence"
    console.print(
        f"\n  {what}: {shown_path(report if report.is_file() else outcome.folder)}",
        soft_wrap=True,
        highlight=False,
    )


def _heading(results: Results, verdict: Verdict) -> Panel:
    item = "SIMULATED item" if results.simulated else "REAL item"
    aborted = "  ABORTED" if results.aborted else ""
    return Panel(
        Text.assemble(
            (verdict.value, STYLES[verdict]), f"  {results.rig.get('name', '')}  ({item}){aborted}"
        ),
        subtitle=results.run_id,
        expand=False,
        padding=(0, 2),
    )


def _requirements(requirements: Sequence[RequirementResult]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=True)
    for heading in ("requirement", "limit", "estimate", "at most", "over limit", "verdict"):
        justify: JustifyMethod = "left" if heading in ("requirement", "verdict") else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for r in requirements:
        table.add_row(
            f"{r.id}  {measured_name(r)}",
            f"{r.limit:g} {r.unit}",
            f"{_figure(r.estimate)} {r.unit}",
            f"{_figure(r.upper_bound)} {r.unit}",
            f"{r.exceedances} of {r.n}",
            Text(r.verdict.value, style=STYLES[r.verdict]),
        )
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def shown_path(path: Path) -> str:
    """Relative to the working directory where that is shorter."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def show_plan(console: Console, loaded: LoadedRig) -> None:
    """What a run of the rig would start and send."""
    rig = loaded.rig

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(f"{rig.rig.name}: {rig.rig.description} ({'simulated' if rig.rig.simulated else 'REAL'})")
    for name, process in rig.processes.items():
        say(f"starts    {name}: {shlex.join(process.command)}")
    for name, device in rig.devices.items():
        say(f"opens     {name}: {device.adapter}")
        if device.stop:
            say(f"stops     {name}: {device.stop.repeat} x {device.stop.port} {dict(device.stop.values)}")
    for section in ("setup", "reset"):
        for step in getattr(rig, section):
            say(f"{section:<9} {describe(step)}")
    for name, spec in rig.scenarios.items():
        schedule = spec.schedule
        how = f"at {schedule.rate_hz:g} Hz" if schedule.kind == "paced" else "one at a time, from rest"
        say(
            f"measures  {name}: {schedule.samples} stimuli on {spec.stimulus} {how},"
            f" answers on {spec.response}"
        )
        device, _, port = spec.stimulus.partition(".")
        for values in expand_variants(rig.devices[device].ports[port].stimulus.values)[:8]:
            say(f"sends     {values or 'default values'}")
        say(f"lasts     about {duration_s(spec):.0f} s")
    for line in movements(rig) if not rig.rig.simulated else []:
        say(f"moves     {line}")
    for r in rig.requirements:
        say(
            f"requires  {r.id}: {measured_name(r)} of {r.scenario} {relation(r)}"
            f" {r.limit:g} {r.unit} at {100 * r.confidence:g} % confidence"
        )
    for step in rig.teardown:
        say(f"teardown  {describe(step)}")


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """A line per finding, and what mends it."""
    for finding in findings:
        style = SEVERITY_STYLES[finding.severity]
        console.print(
            Text.assemble((f"{finding.severity.value:<8}", style), f" {finding.name}: {finding.message}"),
            soft_wrap=True,
        )
        if finding.remedy:
            console.print(Text(f"         next: {finding.remedy}"), soft_wrap=True)
