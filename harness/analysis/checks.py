"""Validity checks of the bench: what has to hold for a verdict to mean anything. Those that hold are listed
too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import counted, has, latency_ms, lateness_ms, tried
from harness.analysis.stationarity import stationarity
from harness.analysis.statistics import order_quantile, ordered, phase_coverage
from harness.analysis.timebase import Timebase
from harness.config.schema import Monitor, Paced, Replay, Schedule
from harness.model import NO_STAMP, SampleFlag, StimulusFlag
from harness.results import Check, MonitorResult

HOST_LOAD = "host load"
MESSAGES_LOST = "messages lost"
LATENESS_SHARE = 0.1
"""A lateness above this share of the limit, at the requirement's own quantile, leaves it undecided."""
FLOOR_SHARE = 0.2
"""A floor above this share of the limit, at the requirement's own quantile, leaves it undecided."""
LEAST_COVERAGE = 0.9
"""Least share of the robot's period that a periodic schedule has to have sampled."""
INCONCLUSIVE = "INCONCLUSIVE: the bench was not good enough to tell"
ERROR = "ERROR: the evidence is not whole"


@dataclass(frozen=True)
class Circumstances:
    """What is known of a scenario's run beside its samples.

    ``broken``: checks of the evidence itself, a failed one is an ERROR; ``checks``: checks of the bench, a
    failed one is INCONCLUSIVE. ``planned``: stimuli that were to be measured.
    ``wall_checks``: such that are asked of requirements in wall time alone.
    ``remarks``: what the reasons of each of its requirements have to name, whatever the verdict.
    """

    planned: int
    aborted: bool = False
    abort_reason: str = ""
    broken: Sequence[Check] = ()
    checks: Sequence[Check] = field(default=())
    remarks: Sequence[str] = ()
    wall_checks: Sequence[Check] = ()


def lateness(samples: NDArray[Any], quantile: float, limit_ms: float) -> Check:
    """Whether the schedule was kept well enough for this requirement; a skipped stimulus is infinitely
    late."""
    ascending = ordered(lateness_ms(samples[counted(samples)]))
    bound = limit_ms * LATENESS_SHARE
    if len(ascending) == 0:
        value, ok = "nothing was due", False
    else:
        at = order_quantile(ascending, quantile)
        # Sent before it was due: latency from intent would flatter the item.
        ok = at <= bound and ascending[0] >= -bound
        value = f"{at:.3g} ms at the {quantile:g} quantile, from {ascending[0]:.3g} to {ascending[-1]:.3g} ms"
    return Check(
        name="lateness",
        ok=bool(ok),
        value=value,
        bound=f"at most {bound:g} ms, a tenth of the limit (skipped stimuli count as infinitely late)",
        consequence="" if ok else INCONCLUSIVE,
        remedy="" if ok else "use a quieter host, real-time priority (doctor tells how) or a lower rate",
    )


def floor(loopback: NDArray[np.float64], quantile: float, limit_ms: float) -> Check:
    """Whether the harness alone is quick enough for this requirement. ``loopback`` in ms, +inf where lost."""
    bound = limit_ms * FLOOR_SHARE
    at = order_quantile(ordered(loopback), quantile) if len(loopback) else np.inf
    ok = bool(at <= bound)
    return Check(
        name="floor",
        ok=ok,
        value=f"{at:.3g} ms at the {quantile:g} quantile of {len(loopback)} loopback samples",
        bound=f"at most {bound:g} ms, a fifth of the limit",
        consequence="" if ok else INCONCLUSIVE,
        remedy=""
        if ok
        else "the harness and this host add too much: free the host, use real-time priority (doctor tells "
        "how)"
        " or a host of the bench's own",
    )


def phases(samples: NDArray[Any], schedule: Schedule) -> list[Check]:
    """Whether a periodic schedule, or a replay, has sampled the robot's own period; nothing for a jittered
    one."""
    if isinstance(schedule, Replay):
        if schedule.robot_period_ms is None:
            return [
                Check(
                    name="phase coverage",
                    ok=True,
                    value="not known: stimuli went at recorded times",
                    bound="looked at where the schedule gives robot_period_ms",
                )
            ]
    elif not isinstance(schedule, Paced) or not schedule.periodic:
        return []
    rows = samples[counted(samples) & (samples["sent_ns"] != NO_STAMP)]
    period = schedule.robot_period_ms
    share = phase_coverage(rows["sent_ns"].astype(np.int64), period) if period else 0.0
    ok = share >= LEAST_COVERAGE
    return [
        Check(
            name="phase coverage",
            ok=ok,
            value=f"{share:.0%} of 20 parts of the robot's period of {period:g} ms"
            if period
            else "robot_period_ms is not given",
            bound=f"at least {LEAST_COVERAGE:.0%}",
            consequence="" if ok else INCONCLUSIVE,
            remedy="" if ok else "use the jittered schedule: this one saw few phases of the robot's loop",
        )
    ]


def sending(samples: NDArray[Any], planned: int) -> Check:
    """How much of the plan was sent; for information, :func:`lateness` judges."""
    rows = samples[counted(samples)]
    skipped = int((rows["stimulus_flags"] & StimulusFlag.SKIPPED != 0).sum())
    sent = int((rows["sent_ns"] != NO_STAMP).sum())
    return Check(
        name="schedule",
        ok=True,
        value=f"{sent} of {planned} planned stimuli sent, {skipped} skipped",
        bound="skipped ones count neither for nor against the item; see lateness",
    )


def wall_clock(samples: NDArray[Any], timebase: Timebase) -> Check:
    """Whether CLOCK_REALTIME was set; for information, affected samples use the instant the harness saw
    them."""
    steps = ", ".join(f"{size * 1e-6:+.3f} ms" for _, _, size in timebase.steps)
    hit = int(has(samples[counted(samples)], SampleFlag.CLOCK_STEP).sum())
    value = (
        f"set during the run ({steps})"
        if steps
        else "not set during the run"
        if timebase.realtime
        else "not read"
    )
    return Check(
        name="wall clock",
        ok=True,
        value=f"{value}; {hit} samples fall back to the instant the harness saw them",
        bound="such samples can cost a PASS, never cause a FAIL",
    )


def stationary(samples: NDArray[Any]) -> Check:
    """Whether the level drifted while it was measured; stated, the rule does not rest on it."""
    found = stationarity(latency_ms(samples[tried(samples)], "intended_ns"))
    return Check(
        name="stationarity",
        ok=True,
        value=found.words,
        bound="stated: a verdict speaks of one distribution, and holds for the whole of what was measured",
    )


def host_load(findings: Iterable[Mapping[str, Any]]) -> Check:
    """Whether the host was found overloaded during the run."""
    found = [f for f in findings if f.get("name") == HOST_LOAD and f.get("severity") in ("warning", "error")]
    return Check(
        name=HOST_LOAD,
        ok=not found,
        value="; ".join(str(f.get("message", "")) for f in found) or "nothing was found",
        bound="the host is not overloaded",
        consequence=INCONCLUSIVE if found else "",
        remedy=(
            "; ".join(str(f["remedy"]) for f in found if f.get("remedy"))
            or ("free the host, or raise host.max_load_per_cpu in the rig file" if found else "")
        ),
    )


def messages_lost(
    findings: Iterable[Mapping[str, Any]],
    events: Iterable[Mapping[str, Any]],
    scenario: str,
    ports: Sequence[str],
    window_ns: tuple[int, int],
) -> Check:
    """Whether the bench itself dropped something that the scenario needed.

    A finding concerns every scenario, since it names none. An event concerns the one it names by ``scenario``
    or ``port``; without either, the one in whose window its ``t_ns`` lies.
    """
    found = [
        str(f.get("message", ""))
        for f in findings
        if f.get("name") == MESSAGES_LOST and f.get("severity") == "error"
    ]
    for event in events:
        if event.get("event") != "messages_lost":
            continue
        if "scenario" in event:
            ours = event["scenario"] == scenario
        elif "port" in event:
            ours = event["port"] in ports
        else:
            ours = window_ns[0] <= int(event.get("t_ns", window_ns[0])) <= window_ns[1]
        if ours:
            found.append(str(event.get("message") or f"{event.get('count', 'some')} messages"))
    return Check(
        name=MESSAGES_LOST,
        ok=not found,
        value="; ".join(found) or "none",
        bound="nothing is dropped between the item and the record",
        consequence=ERROR if found else "",
        remedy="lower the rate or free the host; an answer may have been among what was dropped"
        if found
        else "",
    )


def raw_data(changed: Sequence[str]) -> Check:
    """Whether the raw tables are those whose hashes were recorded."""
    return Check(
        name="raw data",
        ok=not changed,
        value=f"changed or missing: {', '.join(changed)}" if changed else "hashes as recorded",
        bound="the raw tables are unchanged since they were recorded",
        consequence=ERROR if changed else "",
        remedy="restore the folder from its archive" if changed else "",
    )


def monitor(
    spec: Monitor, observations: NDArray[Any], windows_ns: Sequence[tuple[int, int]]
) -> tuple[MonitorResult, Check]:
    """One watched signal over the measured windows. No value at all is not within bounds."""
    seen, values = observations["seen_ns"], observations["value"]
    inside = np.zeros(len(observations), dtype=bool)
    for start, end in windows_ns:
        inside |= (seen >= start) & (seen <= end)
    values = values[inside & ~np.isnan(values)]
    value = low = high = None
    if len(values):
        low, high = float(values.min()), float(values.max())
        with np.errstate(invalid="ignore"):  # the mean of +inf and -inf is NaN, and out of bounds
            value = {"mean": float(values.mean()), "min": low, "max": high}[spec.statistic]
    ok = value is not None and not np.isnan(value)
    ok = ok and (spec.at_least is None or value >= spec.at_least)  # type: ignore[operator]
    ok = ok and (spec.at_most is None or value <= spec.at_most)  # type: ignore[operator]
    bounds = [f"at least {spec.at_least:g}"] if spec.at_least is not None else []
    bounds += [f"at most {spec.at_most:g}"] if spec.at_most is not None else []
    result = MonitorResult(
        name=spec.name,
        port=spec.port,
        statistic=spec.statistic,
        value=value,
        at_least=spec.at_least,
        at_most=spec.at_most,
        unit=spec.unit,
        n=len(values),
        min=low,
        max=high,
        ok=ok,
    )
    shown = (
        "no value in the measured time"
        if value is None
        else f"{spec.statistic} {value:.4g} {spec.unit}".rstrip()
    )
    return result, Check(
        name=spec.name,
        ok=ok,
        value=f"{shown} (n = {len(values)})",
        bound=f"{' and '.join(bounds) or 'is observed'} {spec.unit}".rstrip(),
        consequence="" if ok else INCONCLUSIVE,
        remedy=""
        if ok
        else f"find out why {spec.port} left its bounds; the run does not show the item's latency",
    )
