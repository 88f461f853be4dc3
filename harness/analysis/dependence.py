"""The decision on a quantile when samples may depend on each other.

Latencies come in bursts: a garbage collector, a busy bus, a scheduler that looks away. K exceedances in
bursts say less than K exceedances one by one, and the exact binomial rule, applied to them as if they were
independent, passes a series at its limit in up to 40 % of cases where 5 % was promised. So:

1. *Gate.* Are the ceil(n p0) largest samples clustered in time (:mod:`harness.analysis.pairs`)? If p > 0.01,
   the exact binomial rule on n and K.
2. *Counts.* Otherwise v, the inflation of the variance of the number of exceedances, is measured at the
   empirical quantile as well as at the threshold (few exceedances show no clusters), n and K shrink to n* and
   K* (Korn & Graubard, Survey Methodology 24, 1998, 193-201), and the same rule is applied to these.
3. *Duration.* A run that is shorter than the rarest disturbance says nothing about it, and no rule that sees
   only the data can know: PASS needs n_min(q, alpha) times the longest disturbance that the rig declares.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, inf, isfinite, isnan

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, stdtrit

from harness.analysis.pairs import Gate, expected_pairs, gate, inflation, pair_counts
from harness.analysis.rule import smallest_n
from harness.model import Verdict

GATE_LEVEL = 0.01
"""The binomial rule is used when the gate's p is larger."""
LEAST_BURSTS = 10.0
"""PASS with dependence needs n p0 / v of at least this."""
TIE_SEED = 20260132

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """One side of the decision: what was counted and what it is worth.

    ``exceedances`` of ``n`` samples are over ``threshold``; ``rate`` is the share that is tested. ``top`` is
    the size of the set of largest samples that the gate looked at. ``inflation`` v, the set that gave it
    (``inflation_of``: its name, its size, its pairs N_H within ``inflation_distance`` and their expected
    number
    E_H), and the degrees of freedom
    ``df`` belong to the pair counts (1 and None where the samples count as independent). ``n_effective`` n*
    and ``k_effective`` K* enter ``probability``: of at most K* exceedances for PASS, of at least K* for FAIL.
    """

    threshold: float
    rate: float
    n: int
    exceedances: int
    top: int
    gate: Gate
    dependent: bool
    inflation: float
    inflation_distance: int
    inflation_of: tuple[str, int, int, float]
    df: float | None
    n_effective: float
    k_effective: float
    probability: float


@dataclass(frozen=True)
class Decision:
    """What was decided and everything that entered it.

    ``needed_n``: samples without which PASS is out of reach, whatever they show. ``invalid``: values that are
    no latency (NaN, -inf); they count against PASS, not for FAIL, and a series with any of them never
    passes. ``constant``: all known values are the same, which no measured latency is; never PASS.
    ``lines``: what was done, in words. ``obstacles``: what rules PASS out whatever
    the counts say.
    """

    verdict: Verdict
    alpha: float
    passing: Side
    failing: Side
    longest_disturbance: float
    needed_n: int
    bursts: float
    invalid: int
    constant: bool
    obstacles: tuple[str, ...]
    lines: tuple[str, ...]


def decide(
    values: Floats,
    pass_threshold: float,
    fail_threshold: float,
    p0: float,
    alpha: float,
    longest_disturbance: float = 1.0,
    *,
    fail_values: Floats | None = None,
    pass_rate: float | None = None,
    fail_rate: float | None = None,
    may_repeat: bool = False,
) -> Decision:
    """Decide whether at most a share ``p0`` of ``values`` exceeds the limit.

    ``values``, shape (n,), in order of time, +inf for what was lost; ``fail_values``, of the same length,
    where FAIL is judged on others than PASS (latency from sent). ``pass_threshold`` and ``fail_threshold``
    are
    in the values' unit, ``longest_disturbance`` in samples. ``pass_rate`` and ``fail_rate`` replace p0 in
    the tests (guard against the harness's own floor, see :mod:`harness.analysis.guard`); the largest samples
    remain ceil(n p0). ``may_repeat``: values may all be the same, as those of simulated time in steps. Raises
    ValueError for shapes, thresholds, probabilities or disturbances that make no
    sense.
    """
    _validate(values, pass_threshold, fail_threshold, (p0, alpha, pass_rate, fail_rate), longest_disturbance)
    other = values if fail_values is None else fail_values
    if other.shape != values.shape:
        raise ValueError(f"fail_values has shape {other.shape}, values {values.shape}")
    wrong, wrong_too = _invalid(values), _invalid(other)
    invalid = int((wrong | wrong_too).sum())
    passing = _side(np.where(wrong, np.inf, values), pass_threshold, p0, pass_rate or p0, alpha, passing=True)
    failing = _side(
        np.where(wrong_too, -np.inf, other), fail_threshold, p0, fail_rate or p0, alpha, passing=False
    )
    known = values[np.isfinite(values)]
    constant = not may_repeat and len(known) > 1 and bool((known == known[0]).all())
    return concluded(
        passing,
        failing,
        p0,
        alpha,
        longest_disturbance=longest_disturbance,
        invalid=invalid,
        constant=constant,
    )


def concluded(
    passing: Side,
    failing: Side,
    p0: float,
    alpha: float,
    *,
    longest_disturbance: float = 1.0,
    invalid: int = 0,
    constant: bool = False,
) -> Decision:
    """The decision that two sides make, see :func:`decide`."""
    n, least = passing.n, smallest_n(0, passing.rate, alpha)
    bursts = n * p0 / passing.inflation
    obstacles = list(
        obstacles_to_pass(
            n, least, longest_disturbance, bursts if passing.dependent else inf, invalid=invalid
        )
    )
    if constant:
        obstacles.append(
            "all values are the same, which no measured latency is: look for a stopped clock or a stamp that "
            "is copied"
        )
    enough = n > 0 and passing.probability <= alpha
    passes, fails = enough and not obstacles, n > 0 and failing.probability <= alpha
    # Both can hold only where the two series contradict each other.
    verdict = Verdict.INCONCLUSIVE if passes == fails else Verdict.PASS if passes else Verdict.FAIL
    lines = _told_once(_in_words(passing, alpha, "PASS"), _in_words(failing, alpha, "FAIL"))
    lines += [f"no PASS: {each}" for each in obstacles]
    return Decision(
        verdict=verdict,
        alpha=alpha,
        passing=passing,
        failing=failing,
        longest_disturbance=longest_disturbance,
        needed_n=ceil(least * max(1.0, longest_disturbance)),
        bursts=bursts,
        invalid=invalid,
        constant=constant,
        obstacles=tuple(obstacles),
        lines=tuple(lines),
    )


def obstacles_to_pass(
    n: int, least: int, longest_disturbance: float, bursts: float, *, invalid: int = 0
) -> Iterator[str]:
    """What rules a PASS out whatever the counts are; ``least`` samples are needed if independent,
    ``bursts`` is infinite if they are."""
    if n < least:
        yield f"n = {n}; fewer than {least} samples never pass this requirement"
    elif n < least * longest_disturbance:
        yield (
            f"n = {n} is less than {least} x {longest_disturbance:g} = {ceil(least * longest_disturbance)}: "
            f"the longest declared disturbance lasts {longest_disturbance:g} samples, and a run this short "
            "may not contain one"
        )
    if bursts < LEAST_BURSTS:
        words = (
            f"large latencies came in bursts: n p0 / v = {bursts:.3g} is less than {LEAST_BURSTS:g}, so few "
            "independent bursts are expected at the limit that their spread cannot be told"
        )
        if bursts > 0:
            wanted = _rounded_up(n * LEAST_BURSTS / bursts)
            words += f"; if they come as they did here, a new run of {wanted} samples has enough of them"
        yield words
    if invalid:
        yield f"{invalid} values are no latency (NaN or -inf)"


def _rounded_up(n: float) -> int:
    """``n`` rounded up to two digits: a number to ask for, not a result."""
    step: int = 10 ** max(0, len(str(ceil(n))) - 2)
    return ceil(n / step) * step


def top_positions(values: Floats, size: int) -> Positions:
    """Ascending positions of the ``size`` largest values.

    Of equal values at the edge a random choice with a fixed seed: the first of them would be neighbours.
    """
    n = len(values)
    if not 0 < size < n:
        return np.arange(min(size, n), dtype=np.int64)
    edge = np.partition(values, n - size)[n - size]
    above, equal = np.flatnonzero(values > edge), np.flatnonzero(values == edge)
    lacking = size - len(above)
    if lacking < len(equal):
        rng = np.random.default_rng((TIE_SEED, n, size))
        equal = rng.choice(equal, lacking, replace=False, shuffle=False)
    return np.sort(np.concatenate((above, equal)))


def top_size(n: int, p0: float) -> int:
    """ceil(n p0), p0 taken as written in decimal."""
    return ceil(n * Fraction(repr(float(p0))))


def shrink(n: int, k: int, v: float, df: float, alpha: float) -> tuple[float, float]:
    """n* = min(n, (n/v) (t_n-1 / t_df)^2) and K* = K n*/n, t at 1 - alpha (Korn & Graubard 1998)."""
    effective = min(float(n), n / v * (stdtrit(n - 1, 1 - alpha) / stdtrit(df, 1 - alpha)) ** 2)
    return effective, k * effective / n


def few(n: float, k: float, p: float) -> float:
    """P(Bin(n, p) <= k) for n and k that need not be whole: I_{1-p}(n - k, k + 1)."""
    return 1.0 if k >= n else float(betainc(n - k, k + 1, 1 - p))


def many(n: float, k: float, p: float) -> float:
    """P(Bin(n, p) >= k) for n and k that need not be whole: I_p(k, n - k + 1)."""
    return 1.0 if k <= 0 else float(betainc(k, n - k + 1, p))


def degrees_of_freedom(size: int, v: float) -> float:
    """Of the variance of the number of exceedances: independent bursts at the quantile, less one."""
    return max(2.0, size / v - 1)


def _validate(
    values: Floats, low: float, high: float, probabilities: tuple[float | None, ...], disturbance: float
) -> None:
    if values.ndim != 1:
        raise ValueError(f"values has shape {values.shape}; one dimension is needed")
    if not isfinite(low) or isnan(high):
        raise ValueError(f"thresholds {low} and {high}: numbers are needed")
    for each in probabilities:
        if each is not None and not 0 < each < 1:
            raise ValueError(f"{each} is not a probability between 0 and 1")
    if not (isfinite(disturbance) and disturbance >= 0):
        raise ValueError(f"longest disturbance of {disturbance} samples")


def _invalid(values: Floats) -> NDArray[np.bool_]:
    return np.isnan(values) | np.isneginf(values)


def _side(values: Floats, threshold: float, p0: float, rate: float, alpha: float, *, passing: bool) -> Side:
    n = len(values)
    over = np.flatnonzero(values > threshold)
    top = top_positions(values, top_size(n, p0))
    return side_of(over, top, n, threshold, rate, alpha, passing=passing)


def side_of(
    over: Positions,
    top: Positions,
    n: int,
    threshold: float,
    rate: float,
    alpha: float,
    *,
    passing: bool,
    count: int | None = None,
    stretch: float = 1.0,
) -> Side:
    """One side from ascending positions: ``over`` the threshold, and of the ``top`` largest of ``n`` samples.

    ``count``: how many are over it, where ``over`` holds the largest of them only. ``stretch``: how many
    times larger the set of largest samples ought to be than ``top`` is. Were there no more clusters in it,
    each would have grown by so much: v - 1 is taken as so much larger, which is the most that it can be.
    """
    found = gate(top, n)
    k, v, distance, df = len(over) if count is None else count, 1.0, 0, None
    of = ("", 0, 0, 0.0)
    n_effective, k_effective = float(n), float(k)
    dependent = found.p <= GATE_LEVEL
    if dependent:
        widths = inflation(top, n), inflation(over, n)
        v, distance = max(widths)
        name, members = ("the largest", top) if widths[0] >= widths[1] else ("those over the threshold", over)
        pairs = int(pair_counts(members, (distance,), n)[0]) if distance else 0
        of = (name, len(members), pairs, expected_pairs(len(members), distance, n))
        v = 1 + (v - 1) * stretch
        df = degrees_of_freedom(len(top), v)
        n_effective, k_effective = shrink(n, k, v, df, alpha)
    return Side(
        threshold=threshold,
        rate=rate,
        n=n,
        exceedances=k,
        top=len(top),
        gate=found,
        dependent=dependent,
        inflation=v,
        inflation_distance=distance,
        inflation_of=of,
        df=df,
        n_effective=n_effective,
        k_effective=k_effective,
        probability=(few if passing else many)(n_effective, k_effective, rate) if n else 1.0,
    )


def _told_once(passing: list[str], failing: list[str]) -> list[str]:
    """The lines of both sides; what is the same of both is said once."""
    alike = {line.removeprefix("PASS") for line in passing} & {line.removeprefix("FAIL") for line in failing}
    first = [f"PASS and FAIL{line[4:]}" if line[4:] in alike else line for line in passing]
    return [*first, *(line for line in failing if line[4:] not in alike)]


def _inflated(side: Side) -> str:
    """How v was made, so that it can be made again."""
    which, k, pairs, expected = side.inflation_of
    if not side.inflation_distance:
        return "no pairs inflate the variance of the count: v = 1"
    return (
        f"v = 1 + 2 (N_H - E_H)/(k (1 - k/n)) = {side.inflation:.4g}, the highest over H and both sets, at "
        f"H = {side.inflation_distance} of the k = {k} of {which}: N_H = {pairs} pairs within H samples "
        "where "
        f"E_H = {expected:.4g} are expected"
    )


def _in_words(side: Side, alpha: float, name: str) -> list[str]:
    found, n, k = side.gate, side.n, side.exceedances
    seen = f"{name}: are the {side.top} largest of {n} samples clustered? p = {found.p:.3g}"
    if found.distance:
        seen += (
            f" ({found.pairs} pairs within {found.distance} samples where {found.expected:.4g} are expected; "
            f"smallest over all distances, calibrated with {found.how})"
        )
    if side.dependent:
        assert side.df is not None
        said = [
            f"{seen}: at most {GATE_LEVEL:g}, so samples depend on each other",
            f"{name}: {_inflated(side)}; df = max(2, {side.top}/v - 1) = {side.df:.4g}",
            f"{name}: n* = min(n, (n/v) (t({n - 1})/t({side.df:.4g}))^2) = {side.n_effective:.5g}, "
            f"K* = K n*/n = {k} x {side.n_effective:.5g}/{n} = {side.k_effective:.4g} (Korn-Graubard)",
        ]
    else:
        said = [f"{seen}: more than {GATE_LEVEL:g}, so samples count as independent: n* = n, K* = K = {k}"]
    sign = "<=" if name == "PASS" else ">="
    relation = "at most" if side.probability <= alpha else "more than"
    said.append(
        f"{name}: P(Bin({side.n_effective:.5g}, {side.rate:g}) {sign} {side.k_effective:.4g}) = "
        f"{side.probability:.4g}, {relation} {alpha:g}"
    )
    return said
