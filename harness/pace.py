"""How long the parts of a scenario take by its plan: one trial, and what comes before anything is measured.

As the drivers of :mod:`harness.scenarios` go about it, with answers that come at a given time. How long a
robot takes to rest beyond ``quiet_ms``, and a stall of the host, no plan knows.
"""

from __future__ import annotations

from harness.config.devices import match_of, ports_of
from harness.config.schema import OpenLoop, RigFile, Scenario, Throughput, Trials


def of_signal(rig: RigFile, scenario: Scenario) -> bool:
    """Whether answers are something that a signal does: such trials follow it for a while."""
    device, _, port = scenario.response.partition(".")
    match = match_of(ports_of(rig.devices[device]).get(port))
    return match is not None and match.of_signal


def trial_ms(schedule: Trials, dwell_ms: float, answer_ms: float, *, follows: bool) -> float:
    """One trial: rest, dwell, the answer, and with a signal the time that it is followed after that."""
    rest = schedule.quiet_ms if schedule.rest == "still" else 0.0
    return rest + dwell_ms + answer_ms + (schedule.follow_ms if follows else 0.0)


def before_s(rig: RigFile, scenario: Scenario, answer_ms: float) -> float:
    """Probing and warm-up, where every probe is answered after ``answer_ms``."""
    schedule, probing = scenario.schedule, scenario.probing
    follows = of_signal(rig, scenario)
    probe_ms = answer_ms
    if isinstance(schedule, Trials) and follows:
        device, _, port = scenario.response.partition(".")
        match = match_of(ports_of(rig.devices[device])[port])
        least = max(schedule.dwell_ms[0], match.rest_ms if match is not None else 0.0)
        probe_ms = trial_ms(schedule, least, answer_ms, follows=True)
    # A probe is due a period after the one before, unless that one takes longer.
    probes_s = probing.consecutive * max(probe_ms * 1e-3, 1 / probing.rate_hz)
    if isinstance(schedule, OpenLoop):
        return probes_s + schedule.warmup_s
    mean = sum(schedule.dwell_ms) / 2
    return probes_s + schedule.warmup * trial_ms(schedule, mean, answer_ms, follows=follows) * 1e-3


def duration_s(rig: RigFile, scenario: Scenario) -> float:
    """About how long a scenario sends stimuli: probing, warm-up, what is measured, and a search as long as it
    may take. The answers of trials are taken to come after half the timeout."""
    schedule, answer_ms = scenario.schedule, scenario.timeout_ms / 2
    if isinstance(schedule, OpenLoop):
        search_s = scenario.search.at_most_s if isinstance(scenario, Throughput) else 0.0
        return before_s(rig, scenario, 0.0) + schedule.samples / schedule.rate_hz + search_s
    follows = of_signal(rig, scenario)
    each_ms = trial_ms(schedule, sum(schedule.dwell_ms) / 2, answer_ms, follows=follows)
    return before_s(rig, scenario, answer_ms) + schedule.samples * each_ms * 1e-3
