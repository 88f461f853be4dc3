"""Requirements on shares of stimuli: unanswered ones (loss_rate), those answered within a time (ratio)."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import ceil

import numpy as np

from harness.analysis import quantities
from harness.analysis.by_quantile import conclude, weigh
from harness.analysis.combined import both, interval_reasons, obstacles, with_obstacles
from harness.analysis.evidence import Case, Judged
from harness.analysis.explain import measuring_lines, requirement_line
from harness.analysis.guard import floor_of, guard
from harness.analysis.quantities import Measured
from harness.analysis.rule import complement, fail_from, smallest_n
from harness.config.schema import Requirement
from harness.model import Verdict
from harness.wording import counted_name, outward


def by_loss(case: Case) -> Judged:
    """Share of stimuli unanswered within the timeout; a late stimulus is lost or answered like any other."""
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit, disturbance, planned = case.limit, case.disturbance, case.planned
    lost = np.isposinf(seen.from_sent) | np.isnan(seen.from_sent)
    upper_limit, alpha = requirement.limit_is == "upper", measuring.alpha
    found = quantities.share(
        lost, limit, alpha, upper=upper_limit, longest_disturbance=disturbance, name="loss_rate"
    )
    k, n = int(lost.sum()), len(lost)
    certain = ""
    allowed = limit if upper_limit else complement(limit)
    if upper_limit and n:
        enough = fail_from(max(planned, n), limit, alpha)
        if enough is not None and k >= enough:
            certain = (
                f"{k} unanswered were enough to fail all {max(planned, n)} planned ones ({enough} or more "
                "fail), whatever the missing ones had brought"
            )
    judged = both(
        requirement,
        found,
        found,
        lines=[
            requirement_line(requirement, measuring),
            *measuring_lines(requirement, measuring, None)[:-2],
            f"K = {k} of n = {n} stimuli unanswered within the timeout; U and J do not enter",
        ],
        reasons=_share_reasons(requirement, found, found, (k, k)),
        thresholds=(limit, limit),
        counts=(k, k),
        needed=found.needed if upper_limit else (None, None),
        certain=certain,
    )
    return replace(judged, needed_n=_least(allowed, alpha, disturbance))


def _least(allowed: float, alpha: float, disturbance: float) -> int | None:
    """Samples without which PASS is out of reach, where a share ``allowed`` may be over the limit."""
    return ceil(smallest_n(0, allowed, alpha) * max(1.0, disturbance)) if 0 < allowed < 1 else None


def _share_reasons(
    requirement: Requirement, passing: Measured, failing: Measured, counts: tuple[int, int]
) -> list[str]:
    percent = requirement.unit == "%"
    side = 1 if failing.verdict is Verdict.FAIL else 0
    first = f"{counts[side]} of {passing.n} {counted_name(requirement)}"
    if passing.n == 0:
        return [first]
    unit, scale = ("%", 100.0) if percent else ("", 1.0)
    rest = interval_reasons(requirement, passing, failing, unit, scale)
    return [f"{first}: {rest[0]}", *rest[1:]]


def by_ratio(case: Case) -> Judged:
    """At least a share L within W is the same as: the L quantile of latency is at most W."""
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit = case.limit
    assert requirement.within_ms is not None
    within = requirement.within_ms
    same = requirement.model_copy(
        update={
            "quantity": "latency",
            "statistic": "quantile",
            "quantile": limit,
            "limit": within,
            "limit_is": "upper",
            "unit": "ms",
            "within_ms": None,
        }
    )
    quantile = replace(case, requirement=same, limit=within)
    weighed = weigh(quantile)
    found = conclude(quantile, requirement, weighed)
    passing, failing = weighed.guarded.decision.passing, weighed.guarded.decision.failing
    n, alpha = passing.n, measuring.alpha
    if n == 0:
        return replace(found, estimate=None, lower=None, upper=None)
    most = quantities.clopper_pearson(passing.n_effective, passing.k_effective, alpha)[1]
    least = quantities.clopper_pearson(failing.n_effective, failing.k_effective, alpha)[0]
    # What the harness alone may have put over the threshold is not the item's.
    least = max(0.0, least - (failing.rate - passing.rate))
    lines = (
        requirement_line(requirement, measuring),
        f"that is the same as: the {limit:g} quantile of latency is at most {within:g} ms",
        *found.lines[1:-1],
        f"exact bounds of the share (Clopper-Pearson at n*), each with error {alpha:g}: "
        f"{100 * outward(1 - most, 6, up=False):.4f} % to {100 * outward(1 - least, 6, up=True):.4f} %; at "
        f"least {100 * limit:g} % is required",
    )
    return replace(
        found,
        estimate=1 - float((seen.from_intent > within).sum() + np.isnan(seen.from_intent).sum()) / n,
        lower=1 - most,
        upper=1 - least,
        lines=lines,
    )


def by_ratio_at_most(case: Case) -> Judged:
    """At most a share within W: the harness's own delay may only make it look smaller, so PASS counts from
    sent at W + U + J, FAIL from intent at W - U."""
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit, disturbance = case.limit, case.disturbance
    assert requirement.within_ms is not None
    alpha, u = measuring.alpha, measuring.uncertainty_ms
    floor = None if measuring.loopback is None else floor_of(measuring.loopback, limit)
    at = guard(requirement.within_ms, limit, uncertainty=u, floor=floor, upper=False)
    events = seen.from_sent <= at.pass_threshold, seen.from_intent <= at.fail_threshold
    counts = int(events[0].sum()), int(events[1].sum())
    judged = partial(quantities.share, alpha=alpha, longest_disturbance=disturbance)
    passing, failing = judged(events[0], at.pass_rate), judged(events[1], at.fail_rate)
    found = both(
        requirement,
        passing,
        failing,
        lines=[
            requirement_line(requirement, measuring),
            *measuring_lines(requirement, measuring, floor),
            f"PASS counts latency from sent within {requirement.within_ms:g} + U + J = "
            f"{at.pass_threshold:.6g} ms, FAIL latency from intent within {requirement.within_ms:g} - U = "
            f"{at.fail_threshold:.6g} ms",
        ],
        reasons=_share_reasons(requirement, passing, failing, counts),
        thresholds=(at.pass_threshold, at.fail_threshold),
        counts=counts,
        floor=floor,
        needed=(passing.needed[0], failing.needed[1]),
    )
    found = replace(found, needed_n=_least(at.pass_rate, alpha, disturbance))
    return with_obstacles(found, obstacles(seen), case.planned)
