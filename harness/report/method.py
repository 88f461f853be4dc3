"""Content of the sections that say what was done to what: method, item under test, environment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, heading, pairs, paragraph, table
from harness.report.sent import sent_values
from harness.results import RequirementResult, Results, ScenarioResult
from harness.wording import measured_name, sign


def method(results: Results, run: Mapping[str, Any]) -> list[Block]:
    """Scenario, schedule, matching, sampling plan, deviations."""
    blocks: list[Block] = [
        heading("Method"),
        paragraph(
            "Time-stamped stimuli are sent at their own times, whether or not earlier ones were answered, "
            "and each answer "
            "is matched to its stimulus afterwards. Latency from intent runs from the instant a stimulus was "
            "due to the "
            "arrival of its answer, latency from sent from the instant just before the hand-over. A "
            "requirement passes on the "
            "former and fails on the latter, so that a delay of the harness can cost a PASS but never cause "
            "a FAIL. A stimulus "
            "that was sent and not answered within the timeout is over every limit; one that was not sent "
            "counts neither way. "
            "Warm-up and probes are never counted. No sample is trimmed."
        ),
    ]
    beside = _beside(t.section(run, "rig", "resolved").get("together") or [])
    for name, scenario in results.scenarios.items():
        rows = _procedure(scenario) + sent_values(run, name)
        rows += [("At the same time", ", ".join(beside[name]))] if name in beside else []
        blocks += [heading(f"Scenario “{name}”", 2), pairs(rows)]
    for title, steps in (("Set-up", "setup"), ("Before every scenario", "reset"), ("Tear-down", "teardown")):
        entries = t.section(run, "rig", "resolved").get(steps) or []
        if entries:
            blocks += [heading(title, 2), bullets(t.scalar(step) for step in entries)]
    if results.requirements:
        blocks += [heading("Sampling plan", 2), _plan(results), *_plan_words(results)]
    for requirement in results.requirements:
        if requirement.decision:
            blocks += [heading(f"Decision on {requirement.id}, step by step", 2)]
            blocks += [bullets(requirement.decision)]
    return [*blocks, heading("Deviations", 2), bullets(_deviations(results, run))]


def _beside(together: list[list[str]]) -> dict[str, list[str]]:
    """What was measured at the same time as each scenario."""
    return {name: [each for each in group if each != name] for group in together for name in group}


def _procedure(scenario: ScenarioResult) -> list[tuple[str, str]]:
    return [
        ("Kind", t.words(scenario.kind)),
        ("Stimulus", scenario.stimulus),
        ("Response", scenario.response),
        ("Matching", scenario.match),
        ("Arrival is", scenario.arrival_is),
        ("Timeout", t.with_unit(t.short(scenario.timeout_ms), "ms")),
        ("Schedule", _schedule(scenario.schedule)),
        (
            "Before measuring",
            f"{t.plural(scenario.probes, 'probe')}, {t.integer(scenario.warm_up)} in warm-up",
        ),
    ]


def _schedule(schedule: Mapping[str, Any]) -> str:
    if schedule.get("kind") == "replay":
        rate = f"{t.number(schedule.get('rate_hz'), 1)}{t.NARROW}Hz on average"
        speed = f"{t.scalar(schedule.get('speed'))} times as fast as recorded, {rate}"
        sent = f"{t.integer(schedule.get('samples'))} messages of {schedule.get('topic')}"
        where = f"{schedule.get('bag')}, from {schedule.get('from_s')} s on"
        return f"replay of {sent} in {where}, {speed}"
    if schedule.get("kind") != "paced":
        return t.scalar(schedule)
    pace = "strictly periodic" if schedule.get("periodic") else "jittered at random (seeded)"
    rest = {
        k: v
        for k, v in schedule.items()
        if k not in {"kind", "periodic", "rate_hz", "samples"} and v not in (None, [], {}, "")
    }
    more = f"; {t.scalar(rest).replace('_', ' ')}" if rest else ""
    samples = schedule.get("samples")
    count = t.integer(samples) if isinstance(samples, int) else t.scalar(samples)
    return f"paced, {pace}, {t.scalar(schedule.get('rate_hz'))}{t.NARROW}Hz, {count} stimuli{more}"


def _least_n(requirement: RequirementResult) -> str:
    """As the decision has it: with the rate that PASS is tested against, disturbances and declared looks."""
    return "never" if requirement.statistic == "max" else t.integer(requirement.needed_n)


def _planned(scenario: ScenarioResult | None) -> int | None:
    """As the schedule says: of a run that was cut short fewer came to be due."""
    if scenario is None:
        return None
    samples = scenario.schedule.get("samples")
    return samples if isinstance(samples, int) else scenario.scheduled


def _plan(results: Results) -> Block:
    rows = []
    for requirement in results.requirements:
        scenario = results.scenarios.get(requirement.scenario)
        rows.append(
            [
                requirement.id,
                requirement.scenario,
                f"{measured_name(requirement)} {sign(requirement)} "
                f"{t.with_unit(t.short(requirement.limit), requirement.unit)}",
                t.confidence(requirement),
                t.percent(t.alpha(requirement), 3),
                _least_n(requirement),
                t.integer(_planned(scenario)),
                t.integer(requirement.n),
            ]
        )
    return table(
        [
            ("Requirement", "left", 1.3),
            ("Scenario", "left", 1),
            ("Criterion", "left"),
            ("Confidence", "right", 2.2),
            ("α", "right"),
            ("Least n", "right"),
            ("Planned", "right"),
            ("Counted", "right"),
        ],
        rows,
        "Least n: fewer stimuli cannot show the requirement to be met, whatever they show (of stages: the "
        "first "
        "look that can; –: no number alone says so, never: a maximum is not shown by any). α: the error "
        "that each decision is "
        "made with; it is less than 1 − confidence where several requirements share it.",
    )


def _plan_words(results: Results) -> list[Block]:
    """How the number of samples was fixed, once for requirements of which the same is true."""
    of: dict[str, list[str]] = {}
    for requirement in results.requirements:
        words = requirement.sampling_plan or "the number of stimuli was fixed before the start"
        of.setdefault(words, []).append(requirement.id)
    return [bullets(f"{', '.join(names)}: {words.rstrip('.')}." for words, names in of.items())]


def _deviations(results: Results, run: Mapping[str, Any]) -> list[str]:
    lines = []
    if results.aborted:
        lines.append(f"The run was aborted: {results.abort_reason or 'no reason recorded'}")
    if run.get("status") == "recovered":
        lines.append(
            "The run was recovered from its journal after the harness had ended without finishing it."
        )
    overrides = t.section(run, "rig").get("overrides") or []
    if overrides:
        lines.append(f"Changed on the command line: {t.scalar(overrides)}")
    for name, scenario in results.scenarios.items():
        if scenario.skipped:
            lines.append(
                f"{name}: {t.integer(scenario.skipped)} of {t.integer(scenario.scheduled)} stimuli skipped, "
                "since the harness "
                "was late when they were due (no burst follows a stall)."
            )
        if scenario.unsent:
            lines.append(
                f"{name}: {t.integer(scenario.unsent)} stimuli not sent (run ended, or the hand-over failed)."
            )
        if scenario.clock_steps:
            lines.append(
                f"{name}: the clock of the arrival stamps was set; for {t.integer(scenario.clock_steps)} "
                "samples the instant "
                "at which the harness saw the answer is used."
            )
    return lines or ["None."]


def item(run: Mapping[str, Any], results: Results) -> list[Block]:
    """Identity of the item under test and of every device."""
    resolved = t.section(run, "rig", "resolved", "rig").get("item") or {}
    blocks: list[Block] = [heading("Item under test")]
    blocks.append(
        pairs(
            [
                ("Item", "SIMULATED: nothing real was tested" if results.simulated else "REAL"),
                *t.flatten(resolved),
            ]
        )
    )
    devices = t.section(run, "devices")
    if not devices:
        blocks.append(paragraph("No device was opened in this run.", "muted"))
    for name, device in devices.items():
        kind = "SIMULATED" if device.get("simulated") else "REAL"
        identity = device.get("identity") or {}
        rows = [
            ("Adapter", t.scalar(device.get("adapter"))),
            *((str(k), t.scalar(v)) for k, v in identity.items()),
        ]
        blocks += [heading(f"Device “{name}”: {kind}", 2), pairs(rows)]
    return blocks


def environment(run: Mapping[str, Any], results: Results) -> list[Block]:
    """Host, real-time settings, clocks, arrival stamps, and what the rig file and the analysis add."""
    blocks: list[Block] = [heading("Environment")]
    own = t.section(run, "rig", "resolved").get("environment") or {}
    shown = {"host", "versions", "realtime", "clocks", "ports", "devices", "described", "doctor"}
    sections = [
        ("As stated in the rig file", t.flatten(own)),
        ("Host", _host(t.section(run, "host"))),
        (
            "Real-time settings: what was asked of the host, and what could not be had",
            t.flatten(t.section(run, "realtime")),
        ),
        ("Software", [(name, t.scalar(value)) for name, value in t.section(run, "versions").items()]),
        ("Further", t.flatten(results.environment, shown)),
    ]
    for title, rows in sections:
        if rows:
            blocks += [heading(title, 2), pairs(rows)]
    blocks += _ports(t.section(run, "ports"))
    # What begins with an underscore is the harness's own, for the floor.
    clocks = [each for each in run.get("clocks") or [] if not str(each.get("name")).startswith("_")]
    if clocks:
        blocks += [
            heading("Clocks", 2),
            table(
                [("Clock", "left"), ("Kind", "left"), ("Description", "left", 1), ("Resolution", "right")],
                [
                    [
                        t.scalar(clock.get("name")),
                        t.scalar(clock.get("kind")),
                        t.scalar(clock.get("description")),
                        t.with_unit(t.scalar(clock.get("resolution_ns")), "ns"),
                    ]
                    for clock in clocks
                ],
            ),
        ]
    if len(blocks) == 1:
        blocks.append(paragraph("Nothing was recorded about the environment.", "muted"))
    return blocks


def _ports(ports: Mapping[str, Any]) -> list[Block]:
    """What the stamps of each response port are; of the rig's ports alone."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, port in ports.items():
        if isinstance(port, Mapping) and not name.startswith("_"):
            what = tuple(t.scalar(port.get(key)) for key in ("received_is", "received_clock", "stamp_clock"))
            alike.setdefault(what, []).append(name)
    # Of a swarm there are dozens of the same kind.
    rows = [
        [shown, *what]
        for what, names in alike.items()
        for shown in ([", ".join(names)] if len(names) > 6 else names)
    ]
    if not rows:
        return []
    columns: list[Column] = [
        ("Port", "left", 1),
        ("Arrival is", "left", 1),
        ("of clock", "left", 1),
        ("Own stamps are of clock", "left", 1),
    ]
    return [heading("Arrival stamps by port", 2), table(columns, rows)]


def _host(host: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Facts of the host; environment variables that were not set share one row."""
    unset = [name for name, value in host.items() if name.startswith("env.") and value == "not set"]
    rows = t.flatten(host, unset)
    if unset:
        rows.append(("env, not set", ", ".join(name.removeprefix("env.") for name in unset)))
    return rows
