"""Samples of a scenario -> what ``results.json`` says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.hops import Hopped
from harness.analysis.onset_known import onset_counts
from harness.analysis.samples import (
    NEITHER,
    STAGES,
    Sampled,
    counted,
    has,
    latency_ms,
    lateness_ms,
    stages_ms,
    tried,
)
from harness.analysis.simulated import in_simulated_time
from harness.analysis.stationarity import stationarity
from harness.analysis.statistics import achieved_rate_hz, clopper_pearson, distribution, finite
from harness.config.match import CALL, SIGMA, Match
from harness.config.schema import Scenario
from harness.model import NO_STAMP, SampleFlag, StimulusFlag
from harness.results import (
    AnomalyResult,
    Check,
    Distribution,
    RealTimeFactor,
    ScenarioResult,
    SearchResult,
    SwarmResult,
    Trend,
)


@dataclass(frozen=True)
class Described:
    """What the run recorded about a scenario beside its tables."""

    spec: Scenario
    match: Match
    received_is: str


def arrival_is(described: Described, sampled: Sampled) -> str:
    """In words: which instant counts as arrival, and for how many of the answers."""
    answered = int((counted(sampled.samples) & (sampled.samples["arrived_ns"] != NO_STAMP)).sum())
    seen = "the instant the harness saw the answer"
    if sampled.by_stamp == 0:
        return seen
    if sampled.by_stamp == answered:
        return described.received_is
    return f"{described.received_is}; for {answered - sampled.by_stamp} of {answered} answers {seen}"


def _match_words(rule: Match) -> str:
    """How answers found their stimuli, for the report."""
    if rule.by_path:
        return f"{rule.kind}, answers {rule.answers}"
    if rule.kind == CALL:
        return "call: the middleware tells which answer is to which request"
    if rule.kind == "edge":
        return f"edge {rule.direction}, high from {rule.edge_threshold:g} on, rest {rule.rest_ms:g} ms"
    if rule.kind != "onset":
        return rule.kind
    band = f"{rule.threshold:g}" if rule.threshold is not None else f"{rule.sigma or SIGMA:g} x noise"
    if rule.at_least:
        band += f", at least {rule.at_least:g}"
    if rule.at_most:
        band += f", at most {rule.at_most:g}"
    noun, n = "command" if rule.signal == "command" else "value", rule.hold_samples
    instant = "interpolated" if rule.interpolate else f"the first {noun} outside"
    return (
        f"onset {rule.direction.replace('_', ' ')}, band +- {band}, rest {rule.rest_ms:g} ms,"
        f" {n} {noun}{'s' if n != 1 else ''} in a row, {instant}"
    )


def loss(samples: NDArray[Any], rejected: int = 0) -> Check:
    """Share of unanswered stimuli with its exact interval (Clopper & Pearson); for information. ``rejected``:
    how many answers said no."""
    rows = samples[tried(samples)]
    lost = int(has(rows, SampleFlag.LOST).sum())
    interval = clopper_pearson(lost, len(rows))
    value = "nothing was sent"
    if interval is not None:
        low, high = interval
        value = f"{lost} of {len(rows)}, {lost / len(rows):.3%}; 95 % interval {low:.3%} to {high:.3%}"
    if rejected:
        value += f"; {rejected} answer{'s' if rejected != 1 else ''} said no"
    return Check(name="loss", ok=True, value=value, bound="each counts as an exceedance of every limit")


def trend(values: NDArray[np.float64]) -> Trend:
    """Whether the level of ``values``, in ms and in order of time, drifted."""
    found = stationarity(values)
    return Trend(
        tested=found.tested,
        ok=found.ok,
        tau=found.tau,
        p=found.p,
        medians=[finite(median) for median in found.medians],
        words=found.words,
    )


def simulated_latency(rows: NDArray[Any]) -> Distribution | None:
    """Latency by the simulation's own clock, of the samples that have it; None where none has."""
    if not (rows["sim_arrived_ns"] != NO_STAMP).any():
        return None
    return distribution(latency_ms(in_simulated_time(rows)))


def summarise(
    described: Described,
    sampled: Sampled,
    checks: list[Check],
    hopped: Hopped | None = None,
    search: SearchResult | None = None,
    swarm: SwarmResult | None = None,
    anomalies: AnomalyResult | None = None,
    real_time_factor: RealTimeFactor | None = None,
) -> ScenarioResult:
    """Counts, distributions and stages of one scenario; ``hopped``: of the ports between, where it has
    some; ``search``: what followed, where it is of throughput; ``swarm``: where it is of one; ``anomalies``:
    what was found unusual; ``real_time_factor``: of a simulation."""
    spec, samples = described.spec, sampled.samples
    measured = samples[counted(samples)]
    rows = measured[measured["sent_ns"] != NO_STAMP]
    stimulus_flags = samples["stimulus_flags"]
    skipped = int((measured["stimulus_flags"] & StimulusFlag.SKIPPED != 0).sum())
    lost, late = has(rows, SampleFlag.LOST), has(rows, SampleFlag.LATE)
    still_open = has(rows, SampleFlag.OPEN)
    ends = np.where(rows["arrived_ns"] != NO_STAMP, rows["arrived_ns"], rows["sent_ns"])
    stages = stages_ms(measured)

    def count(flag: SampleFlag) -> int:
        return int(has(rows, flag).sum())

    return ScenarioResult(
        kind=spec.kind,
        stimulus=spec.stimulus,
        response=spec.response,
        match=_match_words(described.match),
        arrival_is=arrival_is(described, sampled),
        schedule=spec.schedule.model_dump(mode="json"),
        timeout_ms=spec.timeout_ms,
        scheduled=len(measured),
        sent=len(rows),
        skipped=skipped,
        unsent=len(measured) - len(rows) - skipped,
        answered=int((~lost & (rows["flags"] & NEITHER == 0)).sum()),
        lost=int(lost.sum()),
        late=int(late.sum()),
        open=int(still_open.sum()),
        duplicates=sampled.duplicates,
        out_of_order=count(SampleFlag.OUT_OF_ORDER),
        superseded=count(SampleFlag.SUPERSEDED),
        unmatched=sampled.unmatched,
        rejected=sampled.rejected,
        **onset_counts(sampled),
        clock_steps=count(SampleFlag.CLOCK_STEP),
        warm_up=int((stimulus_flags & StimulusFlag.WARM_UP != 0).sum()),
        probes=int((stimulus_flags & StimulusFlag.PROBE != 0).sum()),
        started_ns=int(rows["sent_ns"].min()) if len(rows) else None,
        ended_ns=int(ends.max()) if len(rows) else None,
        achieved_rate_hz=achieved_rate_hz(rows["sent_ns"].astype(np.int64)),
        latency_ms=distribution(latency_ms(rows)),
        latency_from_intent_ms=distribution(latency_ms(rows, "intended_ns")),
        lateness_ms=distribution(lateness_ms(measured)),
        stages_ms={name: distribution(stages[name], ()) for name in STAGES},
        simulated_latency_ms=simulated_latency(rows),
        real_time_factor=real_time_factor,
        hops=[] if hopped is None else hopped.hops,
        hops_lost={} if hopped is None else hopped.lost,
        hops_tail=[] if hopped is None else hopped.tail,
        hops_words=[] if hopped is None else hopped.words,
        search=search,
        swarm=swarm,
        trend=trend(latency_ms(samples[tried(samples)], "intended_ns")),
        anomalies=anomalies,
        checks=checks,
    )
