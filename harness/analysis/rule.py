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

from dataclasses import dataclass
from fractions import Fraction

from scipy.special import betainc

from harness.model import Verdict


@dataclass(frozen=True)
class Decision:
    """What the rule says, with everything needed to redo it by hand.

    ``probability_pass`` = P(Bin(n, p0) <= K_pass), ``probability_fail`` = P(Bin(n, p0) >= K_fail).
    """

    verdict: Verdict
    n: int
    exceedances_pass: int
    exceedances_fail: int
    p0: float
    alpha: float
    probability_pass: float
    probability_fail: float
    pass_up_to: int | None
    fail_from: int | None


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
    if at_most(0, n, p0) > alpha:
        return None
    low, high = 0, n
    while low < high:
        middle = (low + high + 1) // 2
        if at_most(middle, n, p0) <= alpha:
            low = middle
        else:
            high = middle - 1
    return low


def fail_from(n: int, p0: float, alpha: float) -> int | None:
    """The smallest count of exceedances that fails at this n; None when even n of n does not."""
    if n == 0 or at_least(n, n, p0) > alpha:
        return None
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        if at_least(middle, n, p0) <= alpha:
            high = middle
        else:
            low = middle + 1
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


def decide(n: int, exceedances_pass: int, exceedances_fail: int, p0: float, alpha: float) -> Decision:
    """Apply the rule.

    ``exceedances_pass`` counts what can cost the PASS (latency from intent over the limit),
    ``exceedances_fail`` what can cause the FAIL (latency from sent over the limit). Raises ValueError for
    counts outside 0..n or probabilities outside (0, 1). With n = 0 nothing can be decided.
    """
    if not (0 <= exceedances_pass <= n and 0 <= exceedances_fail <= n):
        raise ValueError(f"counts {exceedances_pass}, {exceedances_fail} are not within 0..{n}")
    if not (0 < p0 < 1 and 0 < alpha < 1):
        raise ValueError(f"p0 = {p0} and alpha = {alpha} have to lie between 0 and 1")
    low = at_most(exceedances_pass, n, p0)
    high = at_least(exceedances_fail, n, p0)
    passes, fails = n > 0 and low <= alpha, n > 0 and high <= alpha
    # Both can hold only where the two counts contradict each other (more over the limit from sent than from
    # intent).
    verdict = Verdict.INCONCLUSIVE if passes == fails else Verdict.PASS if passes else Verdict.FAIL
    return Decision(
        verdict=verdict,
        n=n,
        exceedances_pass=exceedances_pass,
        exceedances_fail=exceedances_fail,
        p0=p0,
        alpha=alpha,
        probability_pass=low,
        probability_fail=high,
        pass_up_to=pass_up_to(n, p0, alpha) if n else None,
        fail_from=fail_from(n, p0, alpha),
    )
