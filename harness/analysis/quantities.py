"""Mean, share, delay variation and rate of plain arrays: each with an estimate, an interval and a decision.

Every one takes an upper or a lower limit, has the interval that its decision rests on, and says in words what
was done. None passes without evidence: no samples, or lost ones where the quantity needs all. What enters
them for a requirement is chosen in :mod:`harness.analysis.by_other` and :mod:`harness.analysis.by_share`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite, nan

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, stdtrit

from harness.analysis.dependence import degrees_of_freedom, few, many, obstacles_to_pass, shrink
from harness.analysis.pairs import gate, inflation, width_distances
from harness.analysis.rule import smallest_n
from harness.model import Verdict
from harness.results import Dependence
from harness.wording import outward, outward_digits

GATE_LEVEL = 0.01
LEAST_BATCHES = 20

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Measured:
    """One quantity: ``estimate`` with one-sided bounds ``lower`` and ``upper`` (each with error alpha; None
    where there is none), the verdict, n, and the arithmetic in words. All in the quantity's own unit."""

    quantity: str
    verdict: Verdict
    estimate: float | None
    lower: float | None
    upper: float | None
    n: int
    lines: tuple[str, ...]
    dependence: Dependence | None = None
    needed: tuple[int | None, int | None] = (None, None)
    """Of a share: the largest count that passes an upper limit, and the smallest that fails it."""


def _last(holds: Callable[[int], bool], n: int) -> int:
    """The largest k of 0..n for which ``holds`` (true first, then false); -1 if none."""
    low, high = -1, n + 1
    while high - low > 1:
        middle = (low + high) // 2
        if holds(middle):
            low = middle
        else:
            high = middle
    return low


def mean(
    values: Floats,
    limit: float,
    alpha: float,
    *,
    upper: bool = True,
    uncertainty: float = 0.0,
    floor: float = 0.0,
    pass_floor: float | None = None,
    longest_disturbance: float = 1.0,
    name: str = "mean",
) -> Measured:
    """The mean, with a t interval at the effective n.

    The variance of the mean is inflated by v, the largest of b Var(batch means) / Var(values) over batches of
    dyadic length b that leave at least 20 of them; df from their number. A lost value has no mean: no PASS.
    ``floor``: mean of what the harness measured of itself, borne by PASS of an upper limit and FAIL of a
    lower one as it is. ``pass_floor``: how much smaller the harness can make the value (jitter), borne by
    PASS of an upper limit and FAIL of a lower one; None: it only adds.
    """
    n, finite_ = len(values), np.isfinite(values)
    missing = n - int(finite_.sum())
    known = values[finite_]
    if len(known) < LEAST_BATCHES:
        return Measured(
            name,
            Verdict.INCONCLUSIVE,
            _known(float(known.mean()) if len(known) else nan),
            None,
            None,
            n,
            (f"{len(known)} values; an interval of the mean needs {LEAST_BATCHES}",),
        )
    centre, variance = float(known.mean()), float(known.var(ddof=1))
    v, df, batch = batch_inflation(known)
    half = float(stdtrit(df, 1 - alpha)) * (variance * v / len(known)) ** 0.5
    low, high = centre - half, centre + half
    add = f"limit {limit:g}, U = {uncertainty:.4g}, J = {floor:.4g}"
    less = uncertainty + (pass_floor or 0.0)
    j = "" if pass_floor is None else " - J"
    if upper:
        passes, fails = high <= limit - less, low > limit + uncertainty + floor
        rule = f"PASS: the upper bound is at most limit - U{j}; FAIL: the lower one is above limit + U + J"
    else:
        passes, fails = low >= limit + uncertainty + floor, high < limit - less
        rule = f"PASS: the lower bound is at least limit + U + J; FAIL: the upper one is below limit - U{j}"
    obstacles = []
    if missing:
        obstacles.append(f"{missing} of {n} values are lost or no number: their mean is not known")
        fails = fails and not upper_is_lost(values, upper)
    if n < LEAST_BATCHES * longest_disturbance:
        obstacles.append(
            f"n = {n} is less than {LEAST_BATCHES} times the longest declared disturbance of "
            f"{longest_disturbance:g} samples"
        )
    if variance == 0:
        obstacles.append("all values are the same, which no measured one is")
    verdict = Verdict.PASS if passes and not obstacles else Verdict.FAIL if fails else Verdict.INCONCLUSIVE
    lines = (
        f"{name} of {len(known)} values {centre:.6g}, standard deviation {variance**0.5:.4g}; "
        + (
            f"v = b Var(means of batches)/Var(values) = {v:.4g}, largest at b = {batch} values a batch, "
            "whose "
            f"number less one is df = {df:.4g}"
            if batch > 1
            else f"no batches show dependence: v = 1, df = n - 1 = {df:.4g}"
        ),
        f"bounds = mean -+ t({df:.4g}) x sd x sqrt(v/n) = {outward_digits(low, up=False, significant=6)} to "
        f"{outward_digits(high, up=True, significant=6)}, each with error {alpha:g}",
        f"{add}; {rule}",
        *(f"no PASS: {each}" for each in obstacles),
    )
    # A lost value is larger than any other: the others bound the mean from below only.
    shown = None if upper_is_lost(values, True) else low, None if missing else high
    return Measured(name, verdict, centre, *shown, n, lines)


def upper_is_lost(values: Floats, upper: bool) -> bool:
    """Whether lost values could undo a FAIL: not of an upper limit, which they only exceed further."""
    return bool((~np.isfinite(values) & ~(np.isposinf(values) & upper)).any())


def batch_inflation(values: Floats) -> tuple[float, float, int]:
    """v, its degrees of freedom and the length b of the batches, see :func:`mean`; (1, n - 1, 1) where
    batches
    show no dependence."""
    n, variance = len(values), float(values.var(ddof=1))
    best, df, length = 1.0, float(n - 1), 1
    if variance == 0:
        return best, df, length
    for b in width_distances(n):
        count = n // b
        if count < LEAST_BATCHES or b == 1:
            continue
        means = values[: count * b].reshape(count, b).mean(axis=1)
        v = b * float(means.var(ddof=1)) / variance
        # Batches scatter: what 20 of them show by chance is no dependence.
        if v > 1 + 3 * (2 / (count - 1)) ** 0.5 and v > best:
            best, df, length = v, float(count - 1), b
    return best, df, length


def share(
    over: Booleans,
    limit: float,
    alpha: float,
    *,
    upper: bool = True,
    longest_disturbance: float = 1.0,
    name: str = "ratio",
) -> Measured:
    """A share of events, e.g. lost answers, against an upper or lower limit within 0..1.

    Exact (Clopper & Pearson 1934): PASS of an upper limit when P(Bin(n, limit) <= K) <= alpha, which is the
    same as the upper bound being within it. Events that come in clusters count less (pair counts of the
    events themselves). A lower limit is the upper limit 1 - limit on the share of what did not happen.
    """
    if not 0 <= limit <= 1:
        raise ValueError(f"limit {limit} of a share is not between 0 and 1")
    n = len(over)
    happened = np.flatnonzero(over)
    k = len(happened)
    # Clusters are looked for in the rarer of the two kinds.
    rare = happened if 2 * k <= n else np.flatnonzero(~over)
    found = gate(rare, n)
    v = inflation(rare, n)[0] if found.p <= GATE_LEVEL else 1.0
    effective = float(n)
    if v > 1:
        effective = shrink(n, k, v, degrees_of_freedom(len(rare), v), alpha)[0]
    reduced = k * effective / n if n else 0.0
    low, high = clopper_pearson(effective, reduced, alpha)
    passes, fails = (high <= limit, low > limit) if upper else (low >= limit, high < limit)
    allowed = limit if upper else 1 - limit
    obstacles = []
    if n == 0:
        obstacles.append("nothing was measured")
    elif 0 < allowed < 1:
        bursts = n * allowed / v if v > 1 else inf
        obstacles += obstacles_to_pass(n, smallest_n(0, allowed, alpha), longest_disturbance, bursts)
    verdict = Verdict.PASS if passes and not obstacles else Verdict.FAIL if fails else Verdict.INCONCLUSIVE
    lines = [
        f"{k} of {n}; clustered in time? p = {found.p:.3g}; v = {v:.4g}, n* = {effective:.5g}, "
        f"K* = {reduced:.4g}",
        f"exact bounds (Clopper-Pearson), each with error {alpha:g}: "
        f"{100 * outward(low, 6, up=False):.4f} % to {100 * outward(high, 6, up=True):.4f} %; "
        f"{'at most' if upper else 'at least'} {100 * limit:g} % is required",
        *(f"no PASS: {each}" for each in obstacles),
    ]
    needed: tuple[int | None, int | None] = (None, None)
    if n and 0 < limit < 1:
        scale = effective / n
        most = -1 if obstacles else _last(lambda c: few(effective, c * scale, limit) <= alpha, n)
        least = _last(lambda c: many(effective, c * scale, limit) > alpha, n) + 1
        needed = None if most < 0 else most, least if least <= n else None
    return Measured(
        name,
        verdict,
        k / n if n else None,
        low if n else None,
        high if n else None,
        n,
        tuple(lines),
        dependence=Dependence(
            gate_p=found.p,
            dependent=v > 1,
            inflation=v,
            effective_n=effective,
            effective_exceedances=reduced,
            longest_disturbance=longest_disturbance,
        ),
        needed=needed,
    )


def clopper_pearson(n: float, k: float, alpha: float) -> tuple[float, float]:
    """One-sided bounds, each with error alpha; n and k need not be whole."""
    if n <= 0:
        return 0.0, 1.0
    low = 0.0 if k <= 0 else float(betaincinv(k, n - k + 1, alpha))
    high = 1.0 if k >= n else float(betaincinv(k + 1, n - k, 1 - alpha))
    return low, high


def delay_variation(values: Floats, kind: str = "pdv") -> Floats:
    """Jitter, sample by sample, in the unit of ``values`` (order of time, +inf where lost).

    ``pdv``: delay less the smallest one, D(i) - D_min (packet delay variation, RFC 5481, section 4.2).
    ``ipdv``: absolute change since the answered one before, |D(i) - D(i-1)| (inter-packet delay variation,
    RFC 3393 and RFC 5481, section 4.1); shorter by one. Clock offset cancels in both. Lost ones stay +inf.
    """
    if kind == "pdv":
        known = values[np.isfinite(values)]
        return values - (float(known.min()) if len(known) else 0.0)
    if kind != "ipdv":
        raise ValueError(f"jitter of kind {kind!r}; there are pdv and ipdv")
    if len(values) < 2:
        return np.zeros(0)
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(values)), -1))[:-1]
    before = np.where(last >= 0, values[last], values[1:])
    with np.errstate(invalid="ignore"):
        change = np.abs(values[1:] - before)
    return np.where(np.isfinite(values[1:]), change, values[1:])


def rate_hz(
    arrivals_ns: NDArray[np.int64],
    limit: float,
    alpha: float,
    *,
    upper: bool = False,
    longest_disturbance: float = 1.0,
) -> Measured:
    """Mean rate of ``arrivals_ns`` (ascending) in Hz, usually against a lower limit.

    Decided on the mean interval, whose reciprocal it is; a stall counts with its whole length.
    """
    if not (isfinite(limit) and limit > 0):
        raise ValueError(f"limit of {limit} Hz")
    seconds = np.diff(arrivals_ns).astype(np.float64) / 1e9
    found = mean(
        seconds, 1 / limit, alpha, upper=not upper, longest_disturbance=longest_disturbance, name="interval"
    )

    def inverse(value: float | None) -> float | None:
        return None if value is None or value <= 0 else 1 / value

    return Measured(
        "rate_hz",
        found.verdict,
        inverse(found.estimate),
        inverse(found.upper),
        inverse(found.lower),
        len(arrivals_ns),
        (
            f"rate = 1 / mean interval; {'at most' if upper else 'at least'} {limit:g} Hz is the same as a "
            "mean "
            f"interval of {'at least' if upper else 'at most'} {1 / limit:.6g} s",
            *found.lines,
        ),
    )


def _known(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None
