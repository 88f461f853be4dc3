"""Quantiles, exact confidence bounds, loss, reordering, rate, phases. Plain arrays in, plain numbers out.

Quantiles are order statistics, the ceil(n q)-th smallest, never interpolated: the reported figure was
measured. A lost answer is +infinity and takes part in every quantile.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, isfinite, isnan

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from harness.analysis.rule import complement, fail_from, pass_up_to
from harness.results import Distribution, Interval

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INTERVAL_QUANTILES = (0.5, 0.9, 0.99, 0.999)
PHASE_BINS = 20


def rank(n: int, quantile: float) -> int:
    """ceil(n q), at least 1, with q taken as written in decimal (0.07 * 100 is 7, not 7.000000000000001)."""
    return max(1, ceil(n * Fraction(repr(float(quantile)))))


def ordered(values: Floats) -> Floats:
    """``values`` ascending without NaN (what was not measured); +inf (what was lost) stays."""
    return np.sort(values[~np.isnan(values)])


def order_quantile(ascending: Floats, quantile: float) -> float:
    """The ceil(n q)-th smallest of ascending values; NaN when there are none."""
    n = len(ascending)
    return float(ascending[rank(n, quantile) - 1]) if n else float("nan")


def upper_rank(n: int, quantile: float, alpha: float) -> int | None:
    """Rank (from 1) of the order statistic that is an upper bound of the quantile with error at most
    ``alpha``.

    n - K with K the largest count that passes, so that "bound within the limit" and PASS are the same
    statement (Hahn & Meeker, section 5.3.2). None where n is too small.
    """
    allowed = pass_up_to(n, complement(quantile), alpha) if n else None
    return None if allowed is None else n - allowed


def lower_rank(n: int, quantile: float, alpha: float) -> int | None:
    """Rank (from 1) of the order statistic that is a lower bound of the quantile with error at most
    ``alpha``."""
    needed = fail_from(n, complement(quantile), alpha)
    return None if needed is None else n - needed + 1


def upper_bound(ascending: Floats, quantile: float, alpha: float) -> float | None:
    """One-sided upper bound of a quantile: +inf where it falls among the lost, None where n is too small."""
    position = upper_rank(len(ascending), quantile, alpha)
    return None if position is None else float(ascending[position - 1])


def lower_bound(ascending: Floats, quantile: float, alpha: float) -> float | None:
    """One-sided lower bound of a quantile, see :func:`upper_bound`."""
    position = lower_rank(len(ascending), quantile, alpha)
    return None if position is None else float(ascending[position - 1])


def interval(ascending: Floats, quantile: float, confidence: float = 0.95) -> Interval:
    """A quantile with its two-sided interval, half of the error on each side; infinite values become None."""
    alpha = complement(confidence) / 2
    return Interval(
        quantile=quantile,
        estimate=finite(order_quantile(ascending, quantile)),
        lower=finite(lower_bound(ascending, quantile, alpha)),
        upper=finite(upper_bound(ascending, quantile, alpha)),
        confidence=confidence,
    )


def finite(value: float | None) -> float | None:
    """``value``, or None when it is NaN or infinite: JSON has no word for those."""
    return value if value is not None and isfinite(value) else None


def distribution(values: Floats, quantiles: Sequence[float] = INTERVAL_QUANTILES) -> Distribution:
    """Summary of milliseconds; NaN is left out, +inf (lost) takes part in the quantiles only."""
    ascending = ordered(values)
    measured = ascending[np.isfinite(ascending)]
    n = len(measured)
    if len(ascending) == 0:
        return Distribution(n=0)
    return Distribution(
        n=n,
        mean=float(measured.mean()) if n else None,
        sd=float(measured.std(ddof=1)) if n > 1 else None,
        min=float(measured[0]) if n else None,
        max=float(measured[-1]) if n else None,
        p50=finite(order_quantile(ascending, 0.5)),
        p90=finite(order_quantile(ascending, 0.9)),
        p99=finite(order_quantile(ascending, 0.99)),
        p99_9=finite(order_quantile(ascending, 0.999)),
        intervals=[interval(ascending, quantile) for quantile in quantiles],
    )


def clopper_pearson(count: int, n: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Exact two-sided interval of a share of ``count`` in ``n`` (Clopper & Pearson 1934); None for n = 0."""
    if n == 0:
        return None
    half = complement(confidence) / 2
    lower = 0.0 if count == 0 else float(betaincinv(count, n - count + 1, half))
    upper = 1.0 if count == n else float(betaincinv(count + 1, n - count, 1 - half))
    return lower, upper


def reordered(keys: Integers) -> NDArray[np.bool_]:
    """Which of ``keys``, in order of arrival, came after a larger one (RFC 4737, section 3: s < NextExp)."""
    out = np.zeros(len(keys), dtype=bool)
    if len(keys):
        out[1:] = keys[1:] < np.maximum.accumulate(keys)[:-1]
    return out


def achieved_rate_hz(sent_ns: Integers) -> float | None:
    """Sends per second between the first and the last of them; None for fewer than two."""
    if len(sent_ns) < 2:
        return None
    span = int(sent_ns.max()) - int(sent_ns.min())
    return (len(sent_ns) - 1) * 1e9 / span if span > 0 else None


def phase_coverage(sent_ns: Integers, period_ms: float, bins: int = PHASE_BINS) -> float:
    """Share of ``bins`` equal parts of the robot's period that at least one send fell into, 0 to 1."""
    if len(sent_ns) == 0:
        return 0.0
    period_ns = period_ms * 1e6
    # Counted from the first send: a float64 holds differences exactly, instants of the clock it does not.
    phase = np.mod((sent_ns - sent_ns.min()).astype(np.float64), period_ns) / period_ns
    return len(np.unique(np.minimum((phase * bins).astype(np.int64), bins - 1))) / bins


def longest_run(exceeded: NDArray[np.bool_]) -> int:
    """Length of the longest run of consecutive exceedances."""
    padded = np.concatenate(([0], exceeded.astype(np.int8), [0]))
    change = np.diff(padded)
    starts, ends = np.flatnonzero(change == 1), np.flatnonzero(change == -1)
    return int((ends - starts).max()) if len(starts) else 0


def lag_one(values: Floats) -> float | None:
    """Correlation of consecutive finite values, for information; None where it means nothing."""
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return None
    centred = known - known.mean()
    power = float(centred @ centred)
    result = float(centred[1:] @ centred[:-1]) / power if power > 0 else float("nan")
    return None if isnan(result) else result
