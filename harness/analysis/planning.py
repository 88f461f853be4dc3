"""How many samples a requirement needs, and what a planned run can show.

Exact for independent samples. Under bursts of B samples, K comes in lumps of B: lumps are Poisson, v = B, and
n and K shrink as in :mod:`harness.analysis.dependence`; an approximation, and said so. "Needs" means the
smallest n from which PASS has the wanted chance, whatever the sawtooth of a discrete rule does beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor, isfinite, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, betainc, pdtr, pdtrc

from harness.analysis.dependence import LEAST_BURSTS, degrees_of_freedom, shrink, top_size
from harness.analysis.rule import fail_from, pass_up_to, smallest_n

CHANCE = 0.9
LARGEST = 100_000_000
SHARES = (0.0, 0.1, 0.5)
"""True rates that a plan is made for, as shares of what is allowed."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Chances:
    """Of each verdict of a run of n samples, bench in order, at one true rate."""

    passes: float
    fails: float

    @property
    def inconclusive(self) -> float:
        """Neither."""
        return max(0.0, 1.0 - self.passes - self.fails)


@dataclass(frozen=True)
class Need:
    """Samples (None: more than 10^8) and minutes for PASS with a chance of 90 %, at ``rate``; bursts of
    ``burst`` samples."""

    rate: float
    burst: float
    samples: int | None
    minutes: float | None
    planned: Chances


@dataclass(frozen=True)
class Plan:
    """What to expect of ``n`` samples. ``refusal``: why no result could be a PASS, else None."""

    n: int
    p0: float
    alpha: float
    longest_disturbance: float
    minutes: float | None
    needs: tuple[Need, ...]
    refusal: str | None
    lines: tuple[str, ...]


def plan(
    n: int,
    p0: float,
    alpha: float,
    *,
    longest_disturbance: float = 1.0,
    rate_hz: float | None = None,
    bursts: tuple[float, ...] = (1.0, 20.0),
) -> Plan:
    """Plan for ``n`` samples at ``rate_hz`` (None: time is not told); ``bursts`` in samples, 1 for none."""
    if rate_hz is not None and not (isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate of {rate_hz} Hz")
    minutes = None if rate_hz is None else n / rate_hz / 60
    needs = []
    for burst in bursts:
        for share in SHARES:
            samples = samples_needed(share * p0, p0, alpha, burst=burst, longest=longest_disturbance)
            time = None if rate_hz is None or samples is None else samples / rate_hz / 60
            chances = chances_of(n, share * p0, p0, alpha, burst=burst, longest=longest_disturbance)
            needs.append(Need(share * p0, burst, samples, time, chances))
    refusal = cannot_pass(n, p0, alpha, longest_disturbance)
    return Plan(
        n=n,
        p0=p0,
        alpha=alpha,
        longest_disturbance=longest_disturbance,
        minutes=minutes,
        needs=tuple(needs),
        refusal=refusal,
        lines=(*([refusal] if refusal else []), *(_words(each, n) for each in needs)),
    )


def cannot_pass(n: int, p0: float, alpha: float, longest_disturbance: float = 1.0) -> str | None:
    """Why no result of ``n`` samples could be a PASS; None when one could."""
    least = smallest_n(0, p0, alpha)
    needed = ceil(least * max(1.0, longest_disturbance))
    if n >= needed:
        return None
    why = f"{least} without a single exceedance"
    if longest_disturbance > 1:
        why = f"{least} times the longest declared disturbance of {longest_disturbance:g} samples"
    return f"{n} samples cannot pass, whatever they show: at least {needed} are needed ({why})"


def chances_of(
    n: int, rate: float, p0: float, alpha: float, *, burst: float = 1.0, longest: float = 1.0
) -> Chances:
    """Chances of each verdict when a share ``rate`` of all samples exceeds the limit, in bursts of
    ``burst``."""
    if not (0 <= rate <= 1 and burst >= 1 and n >= 0):
        raise ValueError(
            f"rate {rate} within 0..1, burst {burst} of at least 1 and n {n} of at least 0 are needed"
        )
    if n == 0:
        return Chances(0.0, 0.0)
    refused = cannot_pass(n, p0, alpha, longest) is not None
    if burst == 1:
        low, high = pass_up_to(n, p0, alpha), fail_from(n, p0, alpha)
        passes = 0.0 if low is None or refused else float(bdtr(low, n, rate))
        return Chances(passes, 0.0 if high is None else float(bdtrc(high - 1, n, rate)))
    low_lumps, high_lumps = _lumps(n, p0, alpha, burst)
    mean = n * rate / burst
    refused = refused or n * p0 / burst < LEAST_BURSTS
    passes = 0.0 if low_lumps < 0 or refused else float(pdtr(low_lumps, mean))
    return Chances(passes, 0.0 if high_lumps is None else float(pdtrc(high_lumps - 1, mean)))


@lru_cache(maxsize=4096)
def _lumps(n: int, p0: float, alpha: float, burst: float) -> tuple[int, int | None]:
    """Bursts up to which n samples pass (-1: none), and from which they fail (None: none)."""
    effective, _ = shrink(n, 0, burst, degrees_of_freedom(top_size(n, p0), burst), alpha)
    k = np.arange(int(n // burst) + 1) * burst * effective / n
    # Only the neighbourhood of the allowed number decides.
    centre = n * p0 / burst
    k = k[: ceil(centre + 12 * sqrt(centre) + 40)]
    passing = betainc(np.maximum(effective - k, 1e-12), k + 1, 1 - p0) <= alpha
    failing = betainc(np.maximum(k, 1e-12), effective - k + 1, p0) <= alpha
    failing[0] = False
    first_fail = int(np.argmax(failing)) if failing.any() else None
    return int(np.flatnonzero(passing).max(initial=-1)), first_fail


def samples_needed(
    rate: float,
    p0: float,
    alpha: float,
    *,
    chance: float = CHANCE,
    burst: float = 1.0,
    longest: float = 1.0,
) -> int | None:
    """The smallest n that passes with at least ``chance`` at that true rate; None beyond 10^8 or where the
    rate is not below p0."""
    if rate >= p0:
        return None
    least = ceil(smallest_n(0, p0, alpha) * max(1.0, longest))
    if burst > 1:
        least = max(least, ceil(LEAST_BURSTS * burst / p0))
    candidates = _candidates(least, p0, alpha, burst)
    for n in candidates:
        if chances_of(n, rate, p0, alpha, burst=burst, longest=longest).passes >= chance:
            return n
    return None


def _candidates(least: int, p0: float, alpha: float, burst: float) -> list[int]:
    """Ascending n at which one more exceedance (or burst) begins to pass: the chance of PASS peaks there."""
    if burst == 1:
        out, k, n = [least], 0, least
        while n < LARGEST:
            # From a few hundred exceedances on, steps of a few per cent tell enough.
            k += max(1, k // 50)
            n = smallest_n(k, p0, alpha)
            if n > least:
                out.append(n)
        return out
    return [floor(least * 1.01**i) for i in range(2000) if least * 1.01**i < LARGEST]


def _words(need: Need, n: int) -> str:
    kind = "independent samples" if need.burst == 1 else f"bursts of {need.burst:g} samples (approximation)"
    much = "more than 10^8 samples" if need.samples is None else f"{need.samples} samples"
    time = "" if need.minutes is None else f" ({need.minutes:.1f} min)"
    return (
        f"true rate {need.rate:.4%}, {kind}: {much}{time} for PASS with a chance of {CHANCE:.0%}; the "
        f"planned {n} "
        f"end in PASS {need.planned.passes:.1%}, FAIL {need.planned.fails:.1%}, "
        f"INCONCLUSIVE {need.planned.inconclusive:.1%}"
    )
