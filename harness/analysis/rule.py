"""The rule that decides a quantile requirement: an exact binomial bound on raw counts.

With n independent trials, each over the limit with probability p0 = 1 - q when the item is exactly at the
limit, and K of them over it (lost ones included)::

    PASS          P(Bin(n, p0) <= K_pass) <= alpha
    FAIL          P(Bin(n, p0) >= K_fail) <= alpha
    INCONCLUSIVE  otherwise

PASS is the same as the one-sided order-statistic upper bound of the quantile being within the limit (Hahn &
Meeker, *Statistical Intervals*, section 5.3). The tails are regularised incomplete beta functions (DLMF
8.17.5). Trials are taken as independent; :mod:`harness.analysis.dependence`
finds out whether they are, and what replaces n and K where they are not.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from scipy.special import betainc


def complement(value: float) -> float:
    """1 - ``value`` as written in decimal: ``complement(0.99) == 0.01``, which ``1 - 0.99`` is not."""
    return float(1 - Fraction(repr(float(value))))


def at_most(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) <= k)."""
    if k < 0:
        return 0.0
    return 1.0 if k >= n else float(betainc(n - k, k + 1, 1 - p))


def at_least(k: int, n: int, p: float) -> float:
    """P(Bin(n, p) >= k)."""
    if k <= 0:
        return 1.0
    return 0.0 if k > n else float(betainc(k, n - k + 1, p))


def pass_up_to(n: int, p0: float, alpha: float) -> int | None:
    """The largest count of exceedances that still passes at this n; None when even 0 does not."""
    return largest(n, lambda k: at_most(k, n, p0) <= alpha)


def fail_from(n: int, p0: float, alpha: float) -> int | None:
    """The smallest count of exceedances that fails at this n; None when even n of n does not."""
    most = largest(n, lambda k: at_least(k, n, p0) > alpha)
    return most + 1 if most is not None and most < n else None


def largest(n: int, holds: Callable[[int], bool]) -> int | None:
    """The largest k in 0..n for which ``holds``, which it does up to some k and not beyond; None when not
    even for 0."""
    if not holds(0):
        return None
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low


def smallest_n(k: int, p0: float, alpha: float) -> int:
    """The smallest n at which ``k`` exceedances pass."""
    high = k + 1
    while at_most(k, high, p0) > alpha:
        high *= 2
    low = k + 1
    while low < high:
        middle = (low + high) // 2
        if at_most(k, middle, p0) <= alpha:
            high = middle
        else:
            low = middle + 1
    return low
