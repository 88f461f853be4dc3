"""``results.json``: its keys are a public interface, versioned by ``schema``; documented in
docs/results.md."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from harness.model import Verdict


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(_Frozen):
    """A quantile with its exact order-statistic confidence interval; a bound is None where n is too small."""

    quantile: float
    estimate: float | None
    lower: float | None
    upper: float | None
    confidence: float


class Distribution(_Frozen):
    """Summary in milliseconds. ``n``, ``mean``, ``sd``, ``min`` and ``max`` are of the finite values;
    quantiles are
    order statistics of all values, the lost ones at +infinity: None where they fall among the lost."""

    n: int
    mean: float | None = None
    sd: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    intervals: list[Interval] = []


class Check(_Frozen):
    """One validity check of the bench. Not ok: requirements it concerns become INCONCLUSIVE (or ERROR)."""

    name: str
    ok: bool
    value: str
    bound: str
    consequence: str = ""
    remedy: str = ""


class Dependence(_Frozen):
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


class UncertaintyItem(_Frozen):
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


class FloorResult(_Frozen):
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


class ClockResult(_Frozen):
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


class Trend(_Frozen):
    """Kendall's test on medians of blocks of the latency from intent, in order of time: ``medians`` in ms,
    null where most of a block was lost; ``tau``, ``p``; ``ok``: no trend at 1 %, or ``tested`` is false."""

    tested: bool
    ok: bool
    tau: float
    p: float
    medians: list[float | None]
    words: str


class RequirementResult(_Frozen):
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
    checks: list[Check] = []
    decision: list[str] = Field(default=[], description="the rule and its arithmetic, line by line, in words")


_FROM: Any = Field(validation_alias=AliasChoices("from", "from_"), serialization_alias="from")
# `from` is a word of Python's own.


class HopResult(_Frozen):
    """A port that the command passes, and the stage that ends there: from the port ``from`` (``sent``: the
    send) to ``name``. ``missing`` answered stimuli were not seen there; ``clock_steps``: seen, and the
    instant is no use; ``negative``: seen there before ``from``; ``correlation``: Spearman's rho of this stage
    with the one before.
    """

    name: str
    from_: str = _FROM
    arrival_is: str
    missing: int
    clock_steps: int
    negative: int
    correlation: float | None
    stage_ms: Distribution
    since_sent_ms: Distribution


class StageShare(_Frozen):
    """What one stage has to do with the tail: means in ms in the middle and in the tail, ``share`` of the
    excess, and in how many of the tail's samples its own excess was the ``largest``."""

    name: str
    from_: str = _FROM
    middle_ms: float
    tail_ms: float
    share: float | None
    largest: int


class HopsTail(_Frozen):
    """Which stage makes the tail beyond ``quantile``: the ``slowest`` samples of ``n`` that were seen at
    every hop, against the middle fifth. Shares add up to 1; null where the tail is no slower than the
    middle."""

    quantile: float
    n: int
    slowest: int
    threshold_ms: float
    middle_ms: float
    tail_ms: float
    stages: list[StageShare]
    words: str


class SearchStep(_Frozen):
    """One rate or size of a search. ``outcome``: ``sustained``, ``not sustained``, or ``undecided``, where
    the harness itself did not keep to the schedule. ``cut``: why it ended before its time, or empty.
    ``quantile_ms`` is the search's quantile of the latencies from sent, null where it is a lost answer."""

    value: float
    rate_hz: float
    outcome: str
    cut: str
    sent: int
    skipped: int
    lost: int
    p50_ms: float | None
    quantile_ms: float | None
    max_ms: float | None
    lateness_ms: float | None


class SearchResult(_Frozen):
    """A search for what the robot sustains: exploration, no verdict. ``sustained``: the highest value that
    was, below all that were not; ``not_sustained``: the lowest that was not."""

    varies: str
    unit: str
    within_ms: float
    quantile: float
    sustained: float | None
    not_sustained: float | None
    steps: list[SearchStep]
    words: list[str]


class SwarmTrial(_Frozen):
    """One trial of a swarm. ``trial``: its key; ``fault_ns``: just before the fault (CLOCK_MONOTONIC).
    Durations in ms, null where it did not come to that: ``total_ms`` from the fault to the start of the
    settled order, and the phases that it is the sum of; ``last_sign_ms`` of the leader, after the fault.
    ``violations`` and ``why`` (of a swarm that did not reorganise) in words."""

    trial: int
    fault_ns: int
    robot: str
    kind: str
    verified: bool
    evidence: str
    warm_up: bool
    leader: str | None
    term: int | None
    total_ms: float | None
    last_sign_ms: float | None
    detection_ms: float | None
    election_ms: float | None
    agreement_ms: float | None
    re_forming_ms: float | None
    violations: list[str]
    why: list[str]


class SwarmResult(_Frozen):
    """What a swarm did each time it lost its leader. ``phases_ms``: of the trials that count and in which
    the swarm reorganised; ``period_ms``: between two messages of a robot, of the one that speaks least often;
    ``violations``: in words, each with its trial."""

    robots: list[str]
    settle_ms: float
    period_ms: float | None
    phases_ms: dict[str, Distribution]
    trials: list[SwarmTrial]
    violations: list[str]


class ScenarioResult(_Frozen):
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
    hops: list[HopResult] = []
    hops_lost: dict[str, int] = {}
    hops_tail: list[HopsTail] = []
    hops_words: list[str] = []
    search: SearchResult | None = None
    swarm: SwarmResult | None = None
    trend: Trend | None = None
    checks: list[Check] = []


class MonitorResult(_Frozen):
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


class Results(_Frozen):
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
    monitors: list[MonitorResult] = []
    findings: list[dict[str, str]] = []
    uncertainty: list[UncertaintyItem] = []
    floors: list[FloorResult] = []
    clocks: list[ClockResult] = []
    earlier_runs: list[dict[str, str]] = []
    environment: dict[str, Any]
    provenance: dict[str, Any]

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
