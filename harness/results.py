"""``results.json``: its keys are a public interface, versioned by ``schema``; documented in
docs/results.md."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from harness.model import Verdict
from harness.results_base import Distribution, Frozen, Interval
from harness.results_causes import Action, Bottlenecks, Cause, Considered, Skill
from harness.results_kinds import (
    AnomalyFinding,
    AnomalyResult,
    HopResult,
    HopsTail,
    SearchResult,
    SearchStep,
    StageShare,
    SwarmChange,
    SwarmFault,
    SwarmResult,
    SwarmTimeline,
    SwarmTrial,
)

__all__ = [
    "Action",
    "AnomalyFinding",
    "AnomalyResult",
    "Bottlenecks",
    "Cause",
    "Check",
    "ClockResult",
    "Considered",
    "Dependence",
    "Distribution",
    "FloorResult",
    "HopResult",
    "HopsTail",
    "Interval",
    "MonitorResult",
    "RequirementResult",
    "Results",
    "ScenarioResult",
    "SearchResult",
    "SearchStep",
    "Skill",
    "StageShare",
    "SwarmChange",
    "SwarmFault",
    "SwarmResult",
    "SwarmTimeline",
    "SwarmTrial",
    "Trend",
    "UncertaintyItem",
]


class Check(Frozen):
    """One validity check of the bench. Not ok: requirements it concerns become INCONCLUSIVE (or ERROR)."""

    name: str
    ok: bool
    value: str
    bound: str
    consequence: str = ""
    remedy: str = ""


class Dependence(Frozen):
    """How far samples depend on each other, and what the counts for PASS are therefore worth.

    ``gate_p``: p-value of "the largest samples are not clustered in time"; ``dependent``: it is at most 0.01.
    ``inflation`` v, ``effective_n`` n* and ``effective_exceedances`` K* (n and K where samples count as
    independent). ``longest_disturbance``: declared, in samples.
    """

    gate_p: float
    dependent: bool
    inflation: float
    effective_n: float
    effective_exceedances: float
    longest_disturbance: float


class UncertaintyItem(Frozen):
    """One line of the uncertainty budget of ``requirement``, in ms; the last line is U itself.

    ``half_width_ms`` a (of the last line U), ``standard_ms`` the standard uncertainty, ``share_ms`` twice
    that
    (k = 2); null where unbounded. ``hard``: a cannot be exceeded.
    """

    requirement: str
    name: str
    half_width_ms: float | None
    distribution: str
    standard_ms: float | None
    share_ms: float | None
    hard: bool
    source: str


class FloorResult(Frozen):
    """What the harness measured with nothing but itself in the loop, at the rate of ``scenario``.

    ``before`` and ``after`` the run, latency from sent in ms; ``lost`` of ``n`` were not answered. ``what``
    says what was in the loop, ``message_bytes`` how large a command was.
    """

    scenario: str
    what: str
    rate_hz: float
    message_bytes: int | None = None
    n: int
    lost: int
    before: Distribution
    after: Distribution
    together: Distribution


class ClockResult(Frozen):
    """Another clock against the host's, from exchanges. ``bound_ms``: largest half-width of its offset over
    the run; ``asymmetry``: as declared with ``evidence``, assumed and not observable. ``words``: all of
    it."""

    name: str
    usable: bool
    exchanges: int
    round_trip_min_ms: float | None
    bound_ms: float | None
    drift_ppm: tuple[float, float] | None
    asymmetry: float | None
    evidence: str = ""
    problems: list[str]
    notes: list[str]
    words: list[str]


class Trend(Frozen):
    """Kendall's test on medians of blocks of the latency from intent, in order of time: ``medians`` in ms,
    null where most of a block was lost; ``tau``, ``p``; ``ok``: no trend at 1 %, or ``tested`` is false."""

    tested: bool
    ok: bool
    tau: float
    p: float
    medians: list[float | None]
    words: str


class RequirementResult(Frozen):
    """One requirement and what was decided. ``limit``, ``estimate`` and bounds are in ``unit``.

    ``lower_bound``/``upper_bound``: one-sided confidence bounds of the quantile (latency from sent / from
    intent).
    ``exceedances``: counted on latency from intent at ``pass_threshold``; ``exceedances_sent`` on latency
    from
    sent at ``fail_threshold``. ``pass_up_to``/``fail_from``: the counts that decide at this n, None if none
    can.
    ``uncertainty`` (U, two-sided, k = 2) and ``floor`` (J, one-sided) are None where they were not measured.
    ``alpha``: the error each decision is made with, 1 - ``confidence`` unless it is shared (``family_wise``).
    ``sampling_plan``: how the number of samples was fixed, in words; ``needed_n``: fewer cannot pass, None
    where no number says so.
    """

    id: str
    text: str = ""
    scenario: str
    verdict: Verdict
    reasons: list[str]
    quantity: str
    statistic: str | None = None
    quantile: float | None
    within_ms: float | None = None
    jitter: str | None = None
    limit: float
    limit_is: str = "upper"
    unit: str
    time: str = "wall"
    confidence: float
    alpha: float | None = None
    sampling_plan: str = ""
    needed_n: int | None = None
    estimate: float | None
    lower_bound: float | None
    upper_bound: float | None
    uncertainty: float | None
    floor: float | None
    pass_threshold: float | None
    fail_threshold: float | None
    n: int
    exceedances: int
    exceedances_sent: int
    pass_up_to: int | None
    fail_from: int | None
    headroom: float | None
    dependence: Dependence | None = None
    checks: list[Check] = Field(default=[])
    decision: list[str] = Field(default=[], description="the rule and its arithmetic, line by line, in words")


class RealTimeFactor(Frozen):
    """How fast simulated time ran against the wall clock in the measured part, by the stamps of ``clock``:
    ``mean`` over the whole, ``least`` of any ``window_s``. ``step_ms``: the smallest distance of two
    stamps."""

    clock: str
    least: float
    mean: float
    window_s: float
    n: int
    step_ms: float


class ScenarioResult(Frozen):
    """What was measured in one scenario. Warm-up and probes are counted apart and nowhere else.

    ``sent`` = ``answered`` + ``lost`` + ``open``, of onsets + ``false_onsets`` + ``no_signal`` (None for
    other matches). ``lost`` includes ``late`` (answered after the timeout); ``open``: the recording ended
    before their timeout did. ``unmatched``: observations that belong to no stimulus; ``rejected``:
    those that said no, to a stimulus that counts: no answers.
    """

    kind: str
    stimulus: str
    response: str
    match: str
    arrival_is: str
    schedule: dict[str, Any]
    timeout_ms: float
    scheduled: int
    sent: int
    skipped: int
    unsent: int
    answered: int
    lost: int
    late: int
    open: int = 0
    duplicates: int
    out_of_order: int
    superseded: int
    unmatched: int
    rejected: int = 0
    misses: int | None = None
    false_onsets: int | None = None
    no_signal: int | None = None
    clock_steps: int
    warm_up: int
    probes: int
    started_ns: int | None
    ended_ns: int | None
    achieved_rate_hz: float | None
    latency_ms: Distribution
    latency_from_intent_ms: Distribution
    lateness_ms: Distribution
    stages_ms: dict[str, Distribution]
    simulated_latency_ms: Distribution | None = None
    real_time_factor: RealTimeFactor | None = None
    hops: list[HopResult] = Field(default=[])
    hops_lost: dict[str, int] = Field(default={})
    hops_tail: list[HopsTail] = Field(default=[])
    hops_words: list[str] = Field(default=[])
    search: SearchResult | None = None
    swarm: SwarmResult | None = None
    trend: Trend | None = None
    anomalies: AnomalyResult | None = None
    checks: list[Check] = Field(default=[])


class MonitorResult(Frozen):
    """One watched signal (``monitors`` of the rig file)."""

    name: str
    port: str
    statistic: str
    value: float | None
    at_least: float | None
    at_most: float | None
    unit: str
    n: int
    min: float | None
    max: float | None
    ok: bool


class Results(Frozen):
    """The whole of ``results.json``."""

    schema_version: int = Field(alias="schema", serialization_alias="schema")
    run_id: str
    rig: dict[str, Any]
    simulated: bool
    started: str
    ended: str | None
    aborted: bool
    abort_reason: str | None
    verdict: Verdict
    requirements: list[RequirementResult]
    scenarios: dict[str, ScenarioResult]
    monitors: list[MonitorResult] = Field(default=[])
    findings: list[dict[str, str]] = Field(default=[])
    uncertainty: list[UncertaintyItem] = Field(default=[])
    floors: list[FloorResult] = Field(default=[])
    clocks: list[ClockResult] = Field(default=[])
    earlier_runs: list[dict[str, str]] = Field(default=[])
    bottlenecks: list[Bottlenecks] = Field(default=[])
    environment: dict[str, Any]
    provenance: dict[str, Any]

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
