"""A requirement under a plan that may end early: a sequential test of trials, or declared stages.

Trials from rest are taken as independent, so that a design of :mod:`harness.analysis.sequential` holds with
its exact error. Two are followed, each with an error of at most alpha without relying on the stops of the
other: one that ends in PASS (rate p0 at limit - U, latency from intent) and one that ends in FAIL (the
guarded rate at limit + U + J, latency from sent). The first one that ends is the verdict; trials after it are
not looked at. Where trials hang together after all, by the gate of :mod:`harness.analysis.pairs`, there is
no verdict.

Paced samples may depend on each other. There the whole decision for a fixed number of samples is taken at
each declared look with alpha divided by the number of looks (union bound); the first one that decides counts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil

import numpy as np
from numpy.typing import NDArray

from harness.analysis.by_looks import DECIDED, Fixed, by_looks
from harness.analysis.by_quantile import in_unit
from harness.analysis.dependence import GATE_LEVEL, few, many, top_positions, top_size
from harness.analysis.evidence import Case, Evidence, Judged
from harness.analysis.explain import NEXT, measuring_lines, requirement_line
from harness.analysis.guard import Floor, Guard, floor_of, guard, guard_lines
from harness.analysis.kept import Scale, sentence
from harness.analysis.pairs import Gate, gate
from harness.analysis.rule import complement, smallest_n
from harness.analysis.sequential import Design, Outcome, follow, probability_ratio, staged
from harness.analysis.statistics import order_quantile, ordered
from harness.config.schema import Requirement, Schedule, Trials
from harness.model import Verdict
from harness.results import Dependence
from harness.wording import beyond_threshold, counted_name

Booleans = NDArray[np.bool_]


def ends_by_plan(schedule: Schedule) -> bool:
    """Whether a run by this schedule may end before all of its samples."""
    return bool(schedule.stages) or (isinstance(schedule, Trials) and schedule.stopping == "sequential")


def counts_events(requirement: Requirement) -> bool:
    """Whether each trial is over the limit or not, by itself: what a sequential test can follow."""
    if requirement.quantity == "latency":
        return requirement.statistic == "quantile"
    return (requirement.quantity, requirement.limit_is) in (("loss_rate", "upper"), ("ratio", "lower"))


def allowed_share(requirement: Requirement) -> float:
    """p0: the share of trials that may be over the limit when the item is exactly at it. Raises ValueError
    for a quantity that counts no events."""
    if not counts_events(requirement):
        raise ValueError(f"{requirement.quantity} {requirement.statistic or ''} counts no events")
    if requirement.quantile is not None:
        # At least q of the values at or above a lower limit: the share below it is what may be exceeded.
        upper = requirement.limit_is == "upper"
        return complement(requirement.quantile) if upper else requirement.quantile
    share = float(Fraction(repr(requirement.limit)) / (100 if requirement.unit == "%" else 1))
    return share if requirement.quantity == "loss_rate" else complement(share)


def designs(
    schedule: Schedule, p0: float, fail_rate: float, alpha: float, disturbance: float = 1.0
) -> tuple[Design, Design]:
    """The design that ends in PASS and the one that ends in FAIL. ``disturbance``: longest declared one, in
    trials; no PASS before the run is long enough to meet it."""
    if schedule.stages:
        passing = staged(schedule.stages, p0, alpha, only=Verdict.PASS)
        failing = staged(schedule.stages, fail_rate, alpha, only=Verdict.FAIL)
    else:
        passing = probability_ratio(p0, alpha, cap=schedule.samples, only=Verdict.PASS)
        failing = probability_ratio(fail_rate, alpha, cap=schedule.samples, only=Verdict.FAIL)
    if disturbance > 1:
        passing = passing.not_passing_before(ceil(smallest_n(0, p0, alpha) * disturbance))
    return passing, failing


def by_plan(case: Case, fixed: Fixed) -> Judged:
    """Decide under a plan that may end early; ``fixed`` decides at a look where samples may depend on each
    other."""
    schedule, planned = case.measuring.schedule, case.planned
    if isinstance(schedule, Trials) and counts_events(case.requirement):
        return _by_designs(case)
    if schedule.stages:
        return by_looks(case, fixed)
    # The rig file refuses this combination; an old one may still hold it.
    judged = fixed(case)
    if len(case.seen.position) >= planned or judged.verdict not in DECIDED:
        return judged
    why = f"{judged.n} of {planned} planned samples; this quantity needs a fixed number of them"
    return replace(judged, verdict=Verdict.INCONCLUSIVE, reasons=(why,))


@dataclass(frozen=True)
class _Events:
    """Which trials are over which threshold. ``at`` None: the quantity knows no threshold in time."""

    p0: float
    fail_rate: float
    over_pass: Booleans
    over_fail: Booleans
    values: NDArray[np.float64]
    at: Guard | None
    floor: Floor | None
    what: str


def _events(case: Case) -> _Events:
    requirement, measuring = case.requirement, case.measuring
    p0 = allowed_share(requirement)
    intent, sent = case.seen.from_intent, case.seen.from_sent
    if requirement.quantity == "loss_rate":
        lost = np.isposinf(sent)
        return _Events(p0, p0, lost, lost, intent, None, None, "unanswered within the timeout")
    upper = requirement.limit_is == "upper" or requirement.quantity == "ratio"
    limit_ms = case.limit if requirement.within_ms is None else requirement.within_ms
    floor = None if measuring.loopback is None else floor_of(measuring.loopback, p0)
    at = guard(limit_ms, p0, uncertainty=measuring.uncertainty_ms, floor=floor, upper=upper)
    if upper:
        over_pass = ~(intent <= at.pass_threshold) | np.isneginf(intent)
        over_fail = sent > at.fail_threshold
        values = intent
    else:
        # Of a lower limit the smaller series is the harder one to pass; a lost one is over it all the same.
        over_pass = ~(sent >= at.pass_threshold) | np.isposinf(sent)
        over_fail = (intent < at.fail_threshold) & ~np.isneginf(intent) | np.isposinf(intent)
        values = np.where(np.isposinf(sent), np.inf, -sent)
    what = "over the threshold, lost and late ones included"
    return _Events(at.pass_rate, at.fail_rate, over_pass, over_fail, values, at, floor, what)


def _by_designs(case: Case) -> Judged:
    requirement, measuring = case.requirement, case.measuring
    events, schedule = _events(case), measuring.schedule
    to_pass, to_fail = designs(schedule, events.p0, events.fail_rate, measuring.alpha, case.disturbance)
    passing, failing = follow(to_pass, events.over_pass), follow(to_fail, events.over_fail)
    ends = sorted((each.trials, each.verdict.value) for each in (passing, failing) if each.verdict in DECIDED)
    n = ends[0][0] if ends else min(len(events.values), schedule.samples)
    both = len(ends) == 2 and ends[0][0] == ends[1][0]
    verdict = Verdict.INCONCLUSIVE if both or not ends else Verdict(ends[0][1])
    k_pass, k_fail = int(events.over_pass[:n].sum()), int(events.over_fail[:n].sum())
    low = to_pass.pass_up_to[n - 1] if n else -1
    high = to_fail.fail_from[n - 1] if n else n + 1
    found = _gate(events, n)
    ended = f"after {n} {'trial' if n == 1 else 'trials'}"
    plan = f"planned at most {schedule.samples}, ended {ended}"
    over, over_sent = _beyond(requirement, events.at)
    if verdict is Verdict.PASS:
        reasons = [f"{ended} {k_pass} {over}: up to {low} pass there", plan]
    elif verdict is Verdict.FAIL:
        reasons = [f"{ended} {k_fail} {over_sent}: {high} or more fail there", plan]
    elif both:
        reasons = [f"{ended} the counts pass and fail at once: sent before they were due?", plan]
    else:
        kept = _kept(case, events)
        reasons = [_going_on(passing, k_pass, over, "pass"), _going_on(failing, k_fail, over_sent, "fail")]
        reasons += [*kept, plan, NEXT]
    obstacle = _obstacle(events, n, found, may_repeat=requirement.time == "simulated")
    if obstacle and verdict in DECIDED and (verdict is Verdict.PASS or found.p <= GATE_LEVEL):
        verdict, reasons = Verdict.INCONCLUSIVE, [obstacle, plan]
    kind = "stages" if schedule.stages else "a sequential test"
    return Judged(
        verdict=verdict,
        reasons=tuple(reasons),
        estimate=_estimate(requirement, events, case.seen, n, k_pass),
        lower=None,
        upper=None,
        pass_threshold=None if events.at is None else events.at.pass_threshold,
        fail_threshold=None if events.at is None else events.at.fail_threshold,
        n=n,
        exceedances=k_pass,
        exceedances_sent=k_fail,
        lines=(
            requirement_line(requirement, measuring),
            *measuring_lines(requirement, measuring, events.floor),
            *(() if events.at is None else guard_lines(events.at)),
            f"p0 = {events.p0:g}; alpha = {measuring.alpha:g}; K counts trials {events.what}",
            *(f"PASS: {line}" for line in passing.lines),
            *(f"FAIL: {line}" for line in failing.lines),
            *_look_lines(schedule, events, to_pass, to_fail, n),
            f"at n = {n}: {f'up to {low} pass' if low >= 0 else 'no K passes'}, "
            f"{f'{high} or more fail' if high <= n else 'no K fails'}",
            f"the first of both that ends is the verdict: {verdict.value} "
            f"{ended}{_later(len(events.values) - n)}",
            _gate_line(found, n, requirement.limit_is),
            *([f"no verdict: {obstacle}"] if obstacle else []),
            "no bound, no headroom: after optional stopping they would not keep their confidence",
        ),
        pass_up_to=low if low >= 0 else None,
        fail_from=high if high <= n else None,
        dependence=Dependence(
            gate_p=found.p,
            dependent=found.p <= GATE_LEVEL,
            inflation=1.0,
            effective_n=n,
            effective_exceedances=k_pass,
            longest_disturbance=case.disturbance,
        ),
        floor=events.floor,
        needed_n=next((i for i, most in enumerate(to_pass.pass_up_to, start=1) if most >= 0), None),
        certain=f"the test had ended {ended}, before the run was cut short: {reasons[0]}"
        if verdict in DECIDED
        else "",
        sampling_plan=f"{kind}, declared before the run: {plan}",
    )


def _kept(case: Case, events: _Events) -> list[str]:
    """Whether J alone keeps the test from ending."""
    at, measuring = events.at, case.measuring
    if at is None or events.floor is None or measuring.loopback is None:
        return []
    bare = _events(replace(case, measuring=replace(measuring, loopback=None)))
    assert bare.at is not None
    to_pass, to_fail = designs(measuring.schedule, bare.p0, bare.fail_rate, measuring.alpha)
    ends = follow(to_pass, bare.over_pass), follow(to_fail, bare.over_fail)
    shown = Scale(*in_unit(case.requirement))
    word = "FAIL" if at.upper else "PASS"
    ended = ends[1] if at.upper else ends[0]
    if ended.verdict not in DECIDED:
        return []
    proof = f"without it the test had ended after {ended.trials} trials"
    threshold = at.fail_threshold if at.upper else at.pass_threshold
    return [sentence(word, threshold, at.uncertainty, at.floor, "J", proof, shown)]


def _beyond(requirement: Requirement, at: Guard | None) -> tuple[str, str]:
    """What K counts for PASS and for FAIL, in words."""
    if at is None:
        return counted_name(requirement), counted_name(requirement)
    per_ms = in_unit(requirement)[0]
    limit, low, high = (each * per_ms for each in (at.limit, at.pass_threshold, at.fail_threshold))
    return (
        beyond_threshold(requirement, limit, low, "PASS"),
        beyond_threshold(requirement, limit, high, "FAIL"),
    )


def _going_on(outcome: Outcome, k: int, over: str, word: str) -> str:
    after = f"the {outcome.trials} trials" if outcome.left == 0 else f"{outcome.trials} trials"
    return f"{k} {over} after {after}: not enough to {word}"


def _gate(events: _Events, n: int) -> Gate:
    if events.at is None:
        return gate(np.flatnonzero(events.over_pass[:n]), n)
    return gate(top_positions(events.values[:n], top_size(n, events.p0)), n)


def _later(count: int) -> str:
    """What of trials after the end, where there are any."""
    return f"; {count} later {'trial is' if count == 1 else 'trials are'} not looked at" if count > 0 else ""


def _look_lines(schedule: Schedule, events: _Events, to_pass: Design, to_fail: Design, n: int) -> list[str]:
    """Every declared look that was reached: its n, K, and the probabilities that are compared."""
    lines = []
    for number, look in enumerate((each for each in schedule.stages if each <= n), start=1):
        k, k_sent = int(events.over_pass[:look].sum()), int(events.over_fail[:look].sum())
        low, high = to_pass.pass_up_to[look - 1], to_fail.fail_from[look - 1]
        lines.append(
            f"look {number} of {len(schedule.stages)}, n = {look}: K = {k} for PASS, p = P(Bin(n, "
            f"{events.p0:g}) "
            f"<= K) = {few(look, k, events.p0):.4g}, {f'up to {low} pass' if low >= 0 else 'no K passes'}; "
            f"K = {k_sent} for FAIL, p = P(Bin(n, {events.fail_rate:.4g}) >= K) = "
            f"{many(look, k_sent, events.fail_rate):.4g}, "
            f"{f'{high} or more fail' if high <= look else 'no K fails'}"
        )
    return lines


def _gate_line(found: Gate, n: int, limit_is: str) -> str:
    which = "largest" if limit_is == "upper" else "smallest"
    seen = f"are the {which} of {n} trials clustered? p = {found.p:.3g}"
    if found.p <= GATE_LEVEL:
        return f"{seen}: at most {GATE_LEVEL:g}, so trials hang together, and the design does not hold"
    return f"{seen}: more than {GATE_LEVEL:g}, so trials count as independent"


def _obstacle(events: _Events, n: int, found: Gate, *, may_repeat: bool = False) -> str:
    """What leaves no verdict (a gate), or no PASS, whatever the counts say; empty if nothing does."""
    if found.p <= GATE_LEVEL:
        return (
            f"trials hang together (p = {found.p:.2g}, at most {GATE_LEVEL:g}), and the test takes them as "
            "independent: find out what lasts longer than a trial, or measure with a paced schedule"
        )
    values = events.values[:n]
    if not may_repeat and events.at is not None and n > 1 and bool((values == values[0]).all()):
        return (
            "all values are the same, which no measured latency is: look for a stopped clock or a stamp that "
            "is copied"
        )
    return ""


def _estimate(requirement: Requirement, events: _Events, seen: Evidence, n: int, k: int) -> float | None:
    if n == 0:
        return None
    if requirement.quantile is not None:
        values = seen.from_intent if requirement.limit_is == "upper" else seen.from_sent
        return order_quantile(ordered(values[:n]), requirement.quantile)
    return k / n if requirement.quantity == "loss_rate" else 1 - k / n
