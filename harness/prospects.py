"""What a rig file's plan can show: for each requirement the samples that PASS needs, how its run will end,
and why it could not pass at all. Nothing is opened; U and J, which only a run measures, are taken as 0."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from harness.analysis.by_plan import counts_events, designs, ends_by_plan
from harness.analysis.evidence import MS_PER_UNIT
from harness.analysis.planning import SHARES, Chances, cannot_pass, chances_of, samples_needed
from harness.analysis.rule import complement, fail_from, pass_up_to, smallest_n
from harness.analysis.sequential import NEVER_PASS, Design
from harness.config.schema import OpenLoop, Requirement, RigFile, Scenario, Schedule, Trials
from harness.errors import ConfigurationError
from harness.model import Finding, Severity
from harness.pace import before_s, of_signal, trial_ms
from harness.wording import amount, confidence_words, counted_name, measured_name, relation

BURST = 20.0
MAXIMUM = (
    "a maximum is descriptive: no number of samples shows that none exceeds the limit, so that it never "
    "passes; "
    "enough values above limit + U + J fail"
)
AT_AND_BEYOND = (1.0, 3.0)
"""True rates at and beyond what is allowed, as shares of it: there PASS is false, and FAIL is wanted."""


@dataclass(frozen=True)
class Row:
    """At one true ``rate``, in bursts of ``burst`` samples: what PASS with a chance of 90 % takes (None: more
    than 10^8 samples, or no number), how the planned run ends, and how many samples it takes in the mean."""

    share: float
    rate: float
    burst: float
    samples: int | None
    minutes: float | None
    passes: float
    fails: float
    inconclusive: float
    mean_samples: float


@dataclass(frozen=True)
class Prospect:
    """Of one requirement. ``share``: how much of all samples may exceed its limit, None for quantities that
    are no share, ``beyond`` says in words what that is; ``before_s``: probing and warm-up before the first of
    them; ``disturbance``: the longest declared one, in samples.
    ``never``: why it never passes, which is not refused, since it may still fail."""

    id: str
    what: str
    scenario: str
    plan: str
    samples: int
    rate_hz: float
    minutes: float
    before_s: float
    alpha: float
    share: float | None
    disturbance: float
    rows: tuple[Row, ...]
    refusal: str | None
    notes: tuple[str, ...]
    beyond: str = ""
    never: str = ""


def prospects(rig: RigFile) -> list[Prospect]:
    """One for each requirement, in the order of the file."""
    return [_prospect(rig, each) for each in rig.requirements]


def never_passes(rig: RigFile) -> str:
    """Why no run of this rig ends in PASS though none is refused; empty where one may."""
    ids = [each.id for each in rig.requirements if each.statistic == "max"]
    if not ids:
        return ""
    return (
        f"this run never ends in PASS, whatever is measured: {', '.join(ids)} "
        f"{'asks' if len(ids) == 1 else 'ask'} for a maximum, which samples can only refute. Require a "
        "quantile "
        "to have the run pass"
    )


def plan_findings(rig: RigFile) -> list[Finding]:
    """What `harness check` says of the plan: what a run would be refused for, and a run that never passes."""
    found = [
        Finding(
            f"plan of {each.id}",
            Severity.ERROR,
            each.refusal,
            remedy="`harness plan RIG` tells what it needs; `harness run RIG --anyway` runs it all the same",
        )
        for each in prospects(rig)
        if each.refusal
    ]
    never = never_passes(rig)
    return [*found, *([Finding("plan", Severity.WARNING, never)] if never else [])]


def require_possible(rig: RigFile, *, anyway: bool = False) -> None:
    """Refuse a run in which some requirement cannot pass, whatever is measured. Raises ConfigurationError."""
    if anyway:
        return
    refused = [each for each in prospects(rig) if each.refusal]
    if refused:
        raise ConfigurationError(
            "this run cannot pass: " + "; ".join(f"{each.id}: {each.refusal}" for each in refused),
            hint="change the plan (`harness plan RIG` tells how many samples each requirement needs), or run "
            "it all the same, e.g. to see the numbers: --anyway",
        )


def share_of(requirement: Requirement) -> float | None:
    """The share of samples that may be over the limit when the item is exactly at it; None for a mean, a
    maximum or a rate."""
    if requirement.statistic in ("mean", "max") or requirement.quantity == "rate_hz":
        return None
    upper = requirement.limit_is == "upper"
    if requirement.quantile is not None:
        return complement(requirement.quantile) if upper else requirement.quantile
    limit = requirement.limit / (100 if requirement.unit == "%" else 1)
    # Over the limit is what is unanswered (loss rate) or late (ratio); the other way round, what is not.
    return limit if upper else complement(limit)


def _prospect(rig: RigFile, requirement: Requirement) -> Prospect:
    scenario = rig.scenarios[requirement.scenario]
    schedule, n = scenario.schedule, scenario.schedule.samples
    answer_ms = _answer_ms(scenario, requirement)
    rate_hz = _rate_hz(rig, scenario, answer_ms)
    alpha = complement(requirement.confidence) / (len(rig.requirements) if rig.family_wise else 1)
    lasting = scenario.longest_disturbance_ms
    disturbance = 1.0 if lasting is None else max(1.0, lasting * 1e-3 * rate_hz)
    p0 = share_of(requirement)
    rows: tuple[Row, ...] = ()
    refusal = None
    notes = _notes(requirement, scenario, p0, disturbance, follows=of_signal(rig, scenario))
    if requirement.quantity == "rate_hz":
        refusal = _too_fast(rig, requirement, scenario)
    if p0 is not None:
        designed = _designed(schedule, requirement, p0, alpha, disturbance)
        rows = tuple(_rows(schedule, n, p0, alpha, disturbance, rate_hz, designed))
        refusal = _refusal(schedule, n, p0, alpha, disturbance, designed)
        notes += _warnings(rows, designed)
    return Prospect(
        id=requirement.id,
        what=f"{measured_name(requirement)} {relation(requirement)} "
        f"{amount(requirement.limit, requirement.unit)}, "
        f"{confidence_words(requirement.confidence, alpha)} confidence",
        scenario=requirement.scenario,
        plan=_plan_in_words(schedule),
        samples=n,
        rate_hz=rate_hz,
        minutes=n / rate_hz / 60,
        before_s=before_s(rig, scenario, answer_ms),
        alpha=alpha,
        share=p0,
        disturbance=disturbance,
        rows=rows,
        refusal=refusal,
        notes=tuple(notes),
        beyond=counted_name(requirement),
        never=MAXIMUM if requirement.statistic == "max" else "",
    )


def _too_fast(rig: RigFile, requirement: Requirement, scenario: Scenario) -> str | None:
    """Answers cannot come faster than what asks for them."""
    schedule = scenario.schedule
    if isinstance(schedule, OpenLoop):
        fastest, why = schedule.rate_hz, "the schedule's rate_hz"
    else:
        follows = of_signal(rig, scenario)
        fastest = 1e3 / trial_ms(schedule, schedule.dwell_ms[0], 0.0, follows=follows)
        why = (
            "quiet_ms, the shortest dwell_ms and follow_ms of a trial"
            if follows
            else ("quiet_ms and the shortest dwell_ms between two trials")
        )
    if requirement.limit_is == "upper" or requirement.limit < fastest:
        return None
    return (
        f"at least {requirement.limit:g} Hz cannot be shown where stimuli are sent at {fastest:.6g} Hz at "
        "most "
        f"({why}): no answer comes without one"
    )


def _rate_hz(rig: RigFile, scenario: Scenario, answer_ms: float) -> float:
    schedule = scenario.schedule
    if isinstance(schedule, OpenLoop):
        return schedule.rate_hz
    follows = of_signal(rig, scenario)
    return 1e3 / trial_ms(schedule, sum(schedule.dwell_ms) / 2, answer_ms, follows=follows)


def _answer_ms(scenario: Scenario, requirement: Requirement) -> float:
    """When an answer comes that is just in time."""
    answer = requirement.within_ms or 0.0
    if requirement.unit in MS_PER_UNIT:
        answer = requirement.limit * float(MS_PER_UNIT[requirement.unit])
    return min(answer, scenario.timeout_ms)


def _plan_in_words(schedule: Schedule) -> str:
    if schedule.stages:
        return f"stages {', '.join(map(str, schedule.stages))}"
    if ends_by_plan(schedule):
        return f"a sequential test, at most {schedule.samples} trials"
    return f"{schedule.samples} {'trials' if isinstance(schedule, Trials) else 'samples'}, fixed"


def _designed(
    schedule: Schedule, requirement: Requirement, p0: float, alpha: float, disturbance: float
) -> Design | None:
    """The whole plan as one design, for independent samples; None where n is fixed."""
    if not ends_by_plan(schedule):
        return None
    if isinstance(schedule, Trials) and counts_events(requirement):
        to_pass, to_fail = designs(schedule, p0, p0, alpha, disturbance)
        return Design(p0, alpha, to_pass.pass_up_to, to_fail.fail_from, to_pass.words)
    stages = schedule.stages
    if not stages:
        return None
    cap, each = stages[-1], alpha / len(stages)
    low, high = [NEVER_PASS] * cap, [cap + 1] * cap
    for stage in stages:
        if cannot_pass(stage, p0, each, disturbance) is None:
            low[stage - 1] = pass_up_to(stage, p0, each) or 0
        high[stage - 1] = fail_from(stage, p0, each) or cap + 1
    return Design(p0, alpha, tuple(low), tuple(high), _plan_in_words(schedule))


def _rows(
    schedule: Schedule,
    n: int,
    p0: float,
    alpha: float,
    disturbance: float,
    rate_hz: float,
    designed: Design | None,
) -> list[Row]:
    rows = []
    last = alpha if designed is None or not isinstance(schedule, OpenLoop) else alpha / len(schedule.stages)
    for burst in (1.0, BURST):
        for share in (*SHARES, *AT_AND_BEYOND) if burst == 1 else SHARES:
            rate = share * p0
            if rate > 1:
                continue
            needed = samples_needed(rate, p0, last, burst=burst, longest=disturbance)
            mean = float(n)
            if designed is None:
                chances = chances_of(n, rate, p0, alpha, burst=burst, longest=disturbance)
            elif burst == 1:
                at = designed.operating(rate)
                chances, mean = Chances(at.passes, at.fails), at.mean_trials
            elif isinstance(schedule, OpenLoop):
                chances = chances_of(n, rate, p0, last, burst=burst, longest=disturbance)
            else:
                continue
            minutes = None if needed is None else needed / rate_hz / 60
            ends = (chances.passes, chances.fails, chances.inconclusive)
            rows.append(Row(share, rate, burst, needed, minutes, *ends, mean))
    return rows


def _refusal(
    schedule: Schedule, n: int, p0: float, alpha: float, disturbance: float, designed: Design | None
) -> str | None:
    if designed is None:
        return cannot_pass(n, p0, alpha, disturbance)
    if any(low >= 0 for low in designed.pass_up_to):
        return None
    if isinstance(schedule, OpenLoop):
        return cannot_pass(n, p0, alpha / len(schedule.stages), disturbance)
    needed, wide = ceil(smallest_n(0, p0, alpha) * disturbance), designed
    while not schedule.stages and all(low < 0 for low in wide.pass_up_to):
        wide = designs(Trials(kind="trials", samples=2 * wide.cap), p0, p0, alpha, disturbance)[0]
        needed = next((i for i, low in enumerate(wide.pass_up_to, start=1) if low >= 0), 0)
    return (
        f"{n} trials cannot pass, whatever they show: the test needs at least {needed} (without a single "
        "exceedance)"
    )


def _notes(
    requirement: Requirement, scenario: Scenario, p0: float | None, disturbance: float, *, follows: bool
) -> list[str]:
    notes = []
    if isinstance(scenario.schedule, Trials):
        notes.append(
            "a trial is taken to last quiet_ms, the mean of dwell_ms, and an answer as late as the limit"
            + (", and follow_ms" if follows else "")
        )
    if disturbance > 1:
        notes.append(
            f"the longest declared disturbance, {scenario.longest_disturbance_ms:g} ms, lasts "
            f"{ceil(disturbance)} samples: PASS needs a run that many times as long"
        )
    if requirement.statistic == "max":
        notes.append(MAXIMUM)
    elif p0 is None:
        notes.append(
            "how many samples this needs depends on how much the values scatter, which no plan knows: a "
            "short run tells; the bound narrows with the root of n"
        )
    return notes


def _warnings(rows: tuple[Row, ...], designed: Design | None) -> list[str]:
    half = [row for row in rows if row.share == SHARES[-1]]
    said = [
        f"{'in bursts of ' + format(row.burst, 'g') if row.burst > 1 else 'independent'} "
        f"{percent(row.inconclusive)}"
        for row in half
    ]
    notes = []
    if any(row.inconclusive > 0.1 for row in half):
        notes.append(
            "an item at half of what is allowed ends INCONCLUSIVE, though it complies: "
            f"{', '.join(said)} of runs; plan for the column `n for PASS`"
        )
    if designed is not None:
        notes.append("`n for PASS` is of a number fixed beforehand, which a test that may end early exceeds")
    if designed is not None and not any(row.burst > 1 for row in rows):
        notes.append(
            "the test takes trials as independent: where they hang together, as in bursts, it ends "
            "INCONCLUSIVE"
        )
    return notes


def percent(chance: float) -> str:
    """0.915 as 91.5 %; what is nearly certain is not rounded to it."""
    text = f"{100 * chance:.1f}".removesuffix(".0")
    if text in ("0", "100") and 1e-9 < chance < 1 - 1e-9:
        text = "< 0.1" if chance < 0.5 else "> 99.9"
    return f"{text} %"
