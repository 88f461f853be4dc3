"""What a person sees at the end of a run, and what ``check`` and ``list`` print."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, JustifyMethod
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from harness.arming import movements
from harness.conclude import RunOutcome
from harness.config import LoadedRig, expand_variants
from harness.config.changing import DESCRIBED, in_words
from harness.config.faults import DONE
from harness.config.in_time import RampOver
from harness.config.schema import OpenLoop, Replay, RigFile, SwarmReorganization, Throughput
from harness.config.values import sent_values
from harness.folder import RunFolder
from harness.model import Finding, Severity, Verdict
from harness.pace import duration_s
from harness.results import RequirementResult, Results
from harness.resuming import may_go_on
from harness.steps import describe
from harness.wording import (
    amount,
    confidence_words,
    count_of,
    measured_name,
    outward,
    places,
    relation,
    shown_bound,
    sign,
    swarm_words,
    with_uncertainty,
)

STYLES = {
    Verdict.PASS: "bold green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "bold yellow",
    Verdict.ERROR: "bold magenta",
}
SEVERITIES = (Severity.ERROR, Severity.WARNING, Severity.INFO)
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
        console.print(Text(outcome.error, style="bold red"), soft_wrap=not wraps(console))
    if results is None:
        console.print(
            Text.assemble(
                (outcome.verdict.value, STYLES[outcome.verdict]), f"  no results; evidence: {where}"
            )
        )
        return
    console.print(_heading(results, outcome.verdict))
    table = _requirements(results.requirements)
    unbounded = console.options.update(max_width=1000)
    fits = console.measure(table, options=unbounded).maximum <= console.width
    console.print(table if fits else _stacked(results.requirements))
    if shared := _shared_error(results.requirements):
        _hang(console, Text("confidence", style="dim"), Text(shared, style="dim"))
    for reason, ids in _reasons(results, outcome.error).items():
        _hang(console, Text(", ".join(ids), style="bold"), Text(reason))
    for name, scenario in results.scenarios.items():
        late = scenario.lateness_ms.p99
        said_no = f"{scenario.rejected} rejected, " if scenario.rejected else ""
        figures = (
            f"{scenario.sent} sent, {scenario.answered} answered, {said_no}{scenario.lost} lost, "
            f"{scenario.skipped} skipped, {scenario.duplicates} duplicates, "
            f"{scenario.out_of_order} out of order; lateness p99 {_figure(late)} ms"
        )
        _hang(console, Text(name, style="dim"), Text(figures, style="dim"))
        for words in scenario.search.words[:-1] if scenario.search is not None else []:
            _hang(console, Text(name, style="dim"), Text(words))
        for words in swarm_words(scenario.swarm) if scenario.swarm is not None else []:
            _hang(console, Text(name, style="dim"), Text(words))
    if results.aborted and may_go_on(RunFolder.open(outcome.folder)):
        _hang(console, Text("to go on with it", style="dim"), Text(f"harness resume {where}"))
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
    for heading in ("requirement", "limit", "estimate", "shown", "exceedances", "verdict"):
        justify: JustifyMethod = "left" if heading in ("requirement", "verdict") else "right"
        table.add_column(heading, justify=justify, no_wrap=True)
    for r in requirements:
        table.add_row(
            f"{r.id}  {measured_name(r)}",
            f"{sign(r)} {amount(r.limit, r.unit)}",
            _estimate(r),
            "-" if _bound(r) == "-" else f"{sign(r)} {_bound(r)}",
            count_of(r, r.exceedances, r.n),
            Text(r.verdict.value, style=STYLES[r.verdict]),
        )
    return table


def _stacked(requirements: Sequence[RequirementResult]) -> Table:
    """The same for a narrow terminal: nothing is cut, a requirement takes some lines."""
    table = Table.grid(padding=(0, 2))
    table.add_column(overflow="fold")
    for r in requirements:
        table.add_row(
            Text.assemble(
                " ", (r.verdict.value, STYLES[r.verdict]), "  ", (r.id, "bold"), f"  {measured_name(r)}"
            )
        )
        figures = (
            f"limit {relation(r)} {amount(r.limit, r.unit)}, estimate {_estimate(r)}, "
            + ("" if _bound(r) == "-" else f"shown {relation(r)} {_bound(r)}, ")
            + count_of(r, r.exceedances, r.n)
        )
        table.add_row(Padding(Text(figures), (0, 0, 0, 4)))
    return table


def _reasons(results: Results, error: str | None) -> dict[str, list[str]]:
    """Why, each reason once, with the requirements it is about; what was said as the error is left out."""
    said = {text for text in (error, results.abort_reason if error else None) if text}
    found: dict[str, list[str]] = {}
    for requirement in results.requirements:
        for reason in requirement.reasons:
            if not any(text in reason for text in said):
                found.setdefault(reason, []).append(requirement.id)
    return found


def wraps(console: Console) -> bool:
    """Whether lines are broken: in a terminal, and where COLUMNS says how wide the reader is. For another
    program a line is a line."""
    return console.is_terminal or "COLUMNS" in os.environ


def _hang(console: Console, label: Text, text: Text, indent: int = 2, gap: int = 2) -> None:
    """``label  text``; in a terminal the text is broken between words, below its own beginning."""
    if not wraps(console):
        console.print(Text.assemble(" " * indent, label, " " * gap, text), soft_wrap=True, highlight=False)
    elif label.cell_len > console.width // 3:
        console.print(Padding(label, (0, 0, 0, indent)), highlight=False)
        console.print(Padding(text, (0, 0, 0, indent + 4)), highlight=False)
    else:
        grid = Table.grid(padding=(0, gap, 0, 0))
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        grid.add_row(label, text)
        console.print(Padding(grid, (0, 0, 0, indent), expand=False), highlight=False)


def first_reason(outcome: RunOutcome) -> str:
    """What to say of anything but a PASS beside the one line of a brief outcome; empty for a PASS."""
    if outcome.verdict is Verdict.PASS:
        return ""
    if outcome.error:
        return outcome.error
    for requirement in outcome.results.requirements if outcome.results else ():
        if requirement.verdict is outcome.verdict and requirement.reasons:
            return f"{requirement.id}: {requirement.reasons[0]}"
    return ""


def _broken(rig: RigFile, spec: SwarmReorganization) -> str:
    """Who is broken in a trial, and by what: the words of the fault port and what it touches."""
    device = rig.devices[spec.stimulus.partition(".")[0]]

    def one(robot: str, reference: str) -> str:
        fault = device.ports[reference.partition(".")[2]].fault
        told = getattr(fault, "process", None) or " ".join(getattr(fault, "inject", ()))
        return f"the {robot} is {DONE[fault.kind]} ({reference}: {told!r})"

    return ", then ".join(
        [one(spec.robot, spec.stimulus), *(one(each.robot, each.stimulus) for each in spec.also)]
    )


def _shared_error(requirements: Sequence[RequirementResult]) -> str:
    """The confidence of each requirement, where they share the error."""
    said = {confidence_words(r.confidence, r.alpha) for r in requirements}
    return ", ".join(sorted(each for each in said if "each" in each))


def _estimate(requirement: RequirementResult) -> str:
    value = requirement.estimate
    if known := with_uncertainty(requirement):
        return f"{known} {requirement.unit}"
    return "-" if value is None else _with_unit(value, requirement)


def _bound(requirement: RequirementResult) -> str:
    """The bound that PASS rests on, rounded outward."""
    name = shown_bound(requirement)
    value: float | None = getattr(requirement, name)
    if value is None:
        return "-"
    return _with_unit(outward(value, places(requirement), up=name == "upper_bound"), requirement)


def _with_unit(value: float, requirement: RequirementResult) -> str:
    shown = f"{value:.{places(requirement)}f}"
    return shown if requirement.unit == "1" else f"{shown} {requirement.unit}"


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
        word, _, rest = text.partition(" ")
        if wraps(console) and text.startswith(f"{word:<10}") and not word.endswith(":"):
            _hang(console, Text(f"{word:<9}"), Text(rest.strip()), indent=0, gap=1)
        else:
            console.print(text, highlight=False, markup=False, soft_wrap=not wraps(console))

    say(f"{rig.rig.name}: {rig.rig.description} ({'simulated' if rig.rig.simulated else 'REAL'})")
    for name, process in rig.processes.items():
        say(f"starts    {name}: {shlex.join(process.command)}")
    for name, device in rig.devices.items():
        say(f"opens     {name}: {device.adapter}")
        if device.stop:
            say(f"stops     {name}: {device.stop.words}")
    if rig.record.bag and rig.record.leave_out:
        say(f"records   no {', '.join(rig.record.leave_out)}: left out of the bag")
    for section in ("setup", "reset"):
        for step in getattr(rig, section):
            say(f"{section:<9} {describe(step)}")
    for name, spec in rig.scenarios.items():
        schedule = spec.schedule
        how = f"at {schedule.rate_hz:g} Hz" if isinstance(schedule, OpenLoop) else "one at a time, from rest"
        if isinstance(spec, SwarmReorganization):
            say(
                f"measures  {name}: {', '.join(spec.robots)}, each seen by {', '.join(spec.columns.values())}"
            )
            say(f"breaks    {_broken(rig, spec)}, up to {schedule.samples} times")
        else:
            say(
                f"measures  {name}: {schedule.samples} stimuli on {spec.stimulus} {how},"
                f" answers on {spec.response}"
            )
        if spec.stages:
            say(f"passes    {' then '.join(spec.stages)}, on the way to {spec.response}")
        if spec.arrival == "stamp":
            say("arrives   at the device's own stamp, converted by exchanges with its clock")
        if schedule.stages:
            say(f"may end   after {', '.join(map(str, schedule.stages))} samples, as declared")
        elif not isinstance(schedule, OpenLoop):
            early = "as soon as every requirement is decided" if schedule.stopping == "sequential" else ""
            say(f"ends      {early or 'after exactly so many trials'} (stopping: {schedule.stopping})")
        if isinstance(spec, SwarmReorganization):
            say(f"lasts     about {duration_s(rig, spec):.0f} s, and the time to restore the robots")
            continue
        device, _, port = spec.stimulus.partition(".")
        sent = sent_values(spec, rig.devices[device].ports[port].stimulus.values)
        arrays = {path: value for path, value in sent.items() if isinstance(value, (*DESCRIBED, RampOver))}
        if isinstance(schedule, Replay):
            speed = f"{schedule.speed:g} times as fast as recorded"
            say(f"sends     what was recorded of {schedule.topic} in {schedule.bag}, {speed}")
        else:
            for values in expand_variants({k: v for k, v in sent.items() if k not in arrays})[:8]:
                say(f"sends     {in_words(values | arrays) or 'default values'}")
        if isinstance(spec, Throughput):
            low, high = spec.search.ends
            what = "" if spec.search.path is None else f" of {spec.search.path}"
            say(
                f"searches  from {low:g} to {high:g} {spec.search.unit}{what} afterwards, for at most"
                f" {spec.search.at_most_s:g} s: what is sustained, beside what is judged"
            )
        say(f"lasts     about {duration_s(rig, spec):.0f} s")
    for group in rig.together:
        say(f"together  {', '.join(group)}: at the same time")
    for line in movements(rig) if not rig.rig.simulated else []:
        say(f"moves     {line}")
    if rig.family_wise:
        say(f"shares    the error among the {len(rig.requirements)} requirements (family_wise)")
    alone = len(rig.requirements) if rig.family_wise else 1
    for r in rig.requirements:
        say(
            f"requires  {r.id}: {measured_name(r)} of {r.scenario} {relation(r)} {amount(r.limit, r.unit)}"
            f" at {confidence_words(r.confidence, (1 - r.confidence) / alone)} confidence"
        )
    for step in rig.teardown:
        say(f"teardown  {describe(step)}")


def show_list(console: Console, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """Rigs: name, kind, description, file. One line each, or two where the terminal is too narrow for that;
    a path is never cut."""
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("rig", "kind", "description", "file"):
        table.add_column(heading, no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))
    needed = console.measure(table, options=console.options.update(max_width=10_000)).maximum
    if not console.is_terminal:
        console.width = max(console.width, needed)  # for another program: a row is a line
    if needed <= console.width:
        console.print(table)
        return
    for name, kind, description, path in rows:
        console.print(Text.assemble((name, "bold"), f"  {kind}"), highlight=False)
        for text in filter(None, (description, path)):
            console.print(Padding(Text(text, overflow="fold"), (0, 0, 0, 2)), highlight=False)


def show_findings(console: Console, findings: Sequence[Finding]) -> None:
    """A line per finding, and what mends it; the worst first."""
    for finding in sorted(findings, key=lambda one: SEVERITIES.index(one.severity)):
        label = Text(f"{finding.severity.value:<8}", style=SEVERITY_STYLES[finding.severity])
        _hang(console, label, Text(f"{finding.name}: {finding.message}"), indent=0, gap=1)
        if finding.remedy:
            _hang(console, Text(" " * 8), Text(f"next: {finding.remedy}"), indent=0, gap=1)


def readiness(findings: Sequence[Finding]) -> str:
    """Whether a run may follow, and how much was said: the last line of ``check``."""
    said = []
    for severity in SEVERITIES[:2]:
        if count := sum(one.severity is severity for one in findings):
            said.append(f"{count} {severity.value}{'s' if count > 1 else ''}")
    bad = any(one.severity is Severity.ERROR for one in findings)
    words = "not ready" if bad else "ready; nothing was started, nothing was sent"
    return ": ".join(filter(None, (", ".join(said), words)))
