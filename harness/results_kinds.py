"""The parts of ``results.json`` that only some scenarios have: hops, a search, a swarm."""

from __future__ import annotations

from typing import Any

from pydantic import AliasChoices, Field

from harness.results_base import Distribution, Frozen

_FROM: Any = Field(validation_alias=AliasChoices("from", "from_"), serialization_alias="from")
# `from` is a word of Python's own.


class HopResult(Frozen):
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


class StageShare(Frozen):
    """What one stage has to do with the tail: means in ms in the middle and in the tail, ``share`` of the
    excess, and in how many of the tail's samples its own excess was the ``largest``."""

    name: str
    from_: str = _FROM
    middle_ms: float
    tail_ms: float
    share: float | None
    largest: int


class HopsTail(Frozen):
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


class SearchStep(Frozen):
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


class SearchResult(Frozen):
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


class SwarmFault(Frozen):
    """One fault of a trial; ``at_ms`` after the first one."""

    robot: str
    kind: str
    at_ms: float
    verified: bool
    evidence: str


class SwarmTrial(Frozen):
    """One trial of a swarm. ``trial``: its key; ``fault_ns``: just before the fault (CLOCK_MONOTONIC).

    Durations in ms, null where it did not come to that: ``total_ms`` from the fault to the start of the
    settled order, and the phases that it is the sum of; ``since_last_ms`` from the last fault of the trial.
    Instants in ms after the fault: ``handed_ms`` it was handed over, ``proven_ms`` it was seen to have taken
    hold, ``last_sign_ms`` the last that was heard of the robot, and of the survivors ``noticed_ms``,
    ``stood_ms`` (null where no state tells), ``first_follows_ms``, ``last_follows_ms``; beside each who it
    was, and ``last_holds`` who completed the order; ``observed_ms`` the end of the observation.
    ``waited_ms``: longest time that a survivor waited for a CPU of this host meanwhile, null where none is a
    process of the run. ``faults``: all of the trial; ``robot``, ``kind`` and ``evidence`` are the first's.
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
    since_last_ms: float | None
    handed_ms: float | None
    proven_ms: float | None
    noticed_ms: float | None
    noticed_by: str | None
    stood_ms: float | None
    stood: str | None
    first_follows_ms: float | None
    first_follows: str | None
    last_follows_ms: float | None
    last_follows: str | None
    last_holds: str | None
    observed_ms: float | None
    waited_ms: float | None
    waited_by: str | None
    faults: list[SwarmFault]
    violations: list[str]
    why: list[str]


class SwarmChange(Frozen):
    """A robot says something new. ``follows``: null for nobody; ``slot``: null where it holds none."""

    at_ms: float
    follows: str | None
    term: int
    slot: int | None
    state: int | None


class SwarmTimeline(Frozen):
    """What every robot said around the fault of a trial, in ms from it; ``why`` this trial is shown."""

    trial: int
    why: str
    begin_ms: float
    end_ms: float
    robots: dict[str, list[SwarmChange]]


class SwarmResult(Frozen):
    """What a swarm did each time it lost its leader. ``phases_ms``: of the trials that count and in which
    the swarm reorganised; ``period_ms``: between two messages of a robot, of the one that speaks least often;
    ``gap_ms``: the longest silence between two messages of a robot that was well, but for one in a thousand;
    ``detection_timeout_ms``: as the rig file tells it; ``violations``: in words, each with its trial;
    ``timelines``: of some trials."""

    robots: list[str]
    settle_ms: float
    period_ms: float | None
    gap_ms: float | None
    detection_timeout_ms: float | None
    phases_ms: dict[str, Distribution]
    trials: list[SwarmTrial]
    violations: list[str]
    timelines: list[SwarmTimeline] = Field(default=[])


class AnomalyFinding(Frozen):
    """Something unusual, of ``kind`` drift, tail, burst or periodic; information, no part of a verdict.

    ``begin_s``, ``end_s``: seconds after the first counted stimulus; ``begin_ns``, ``end_ns``:
    CLOCK_MONOTONIC; ``open``: it had not ended with the last sample. ``size``: of a drift the change of the
    median in ms, of a tail the factor on the share of samples over ``threshold_ms``, of a burst the longest
    latency in ms, of periodic stalls their median over the level in ms; null where all were lost.
    ``confidence``: 1 - the probability that a clean run shows one like it. ``host``: what else was recorded
    at that moment, in words.
    """

    kind: str
    begin_s: float
    end_s: float
    begin_ns: int
    end_ns: int
    open: bool
    size: float | None
    period_ms: float | None
    threshold_ms: float | None
    slow: int
    lost: int
    confidence: float
    words: str
    host: list[str]


class AnomalyResult(Frozen):
    """What was found in ``n`` samples, after what is usual was learned from the first ``learned_from``: their
    median ``level_ms``, and ``slow_over_ms``, beyond which a sample is slow. ``false_alarm``: the largest
    share of clean runs with any finding."""

    tested: bool
    n: int
    learned_from: int = 0
    level_ms: float | None = None
    slow_over_ms: float | None = None
    false_alarm: float
    findings: list[AnomalyFinding] = Field(default=[])
    words: str
