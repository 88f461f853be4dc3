"""Tests that may end early, with their exact error: for trials that are expensive.

"INCONCLUSIVE, so measure some more" is no test: each further look is a further chance of a false PASS. A
design says before the first trial at which counts it ends; its error is then computed exactly, by following
the distribution of the count from trial to trial (binomial recursion), not by a bound.

The default is a pair of sequential probability ratio tests (Wald, *Sequential Analysis*, 1947) with a cap:
one of p0 against a much smaller rate, that ends in PASS, one of p0 against a larger one, that ends in FAIL. A
design is refused when its exact error exceeds alpha.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log, log1p

import numpy as np
from numpy.typing import NDArray

from harness.analysis.rule import fail_from, pass_up_to, smallest_n
from harness.model import Verdict

NEVER_PASS = -1
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Operating:
    """What a design does at one true rate: chances of each end, and the mean number of trials."""

    rate: float
    passes: float
    fails: float
    inconclusive: float
    mean_trials: float


@dataclass(frozen=True)
class Design:
    """A test declared in advance. After trial i (from 1) it ends in PASS when the count of exceedances is at
    most ``pass_up_to[i - 1]`` (-1: not here), in FAIL when it is at least ``fail_from[i - 1]`` (more than i:
    not here); at the cap it ends INCONCLUSIVE. ``words`` say so."""

    p0: float
    alpha: float
    pass_up_to: tuple[int, ...]
    fail_from: tuple[int, ...]
    words: str

    def __post_init__(self) -> None:
        if not (0 < self.p0 < 1 and 0 < self.alpha < 1):
            raise ValueError(f"p0 = {self.p0} and alpha = {self.alpha} have to lie between 0 and 1")
        if len(self.pass_up_to) != len(self.fail_from) or not self.pass_up_to:
            raise ValueError("a design needs both limits for every trial, and at least one trial")
        if any(low >= high for low, high in zip(self.pass_up_to, self.fail_from, strict=True)):
            raise ValueError("a count would both pass and fail")

    @property
    def cap(self) -> int:
        """The largest number of trials."""
        return len(self.pass_up_to)

    def operating(self, rate: float) -> Operating:
        """Exact chances at a true ``rate`` of independent trials."""
        state = np.zeros(self.cap + 2)
        state[0] = 1.0
        passed = failed = trials = 0.0
        for i, (low, high) in enumerate(zip(self.pass_up_to, self.fail_from, strict=True), start=1):
            trials += float(state.sum())
            state[1:] = state[1:] * (1 - rate) + state[:-1] * rate
            state[0] *= 1 - rate
            passed += float(state[: low + 1].sum())
            state[: low + 1] = 0.0
            if high <= i:
                failed += float(state[high:].sum())
                state[high:] = 0.0
        return Operating(rate, passed, failed, max(0.0, 1 - passed - failed), trials)

    @property
    def error(self) -> tuple[float, float]:
        """Exact chances of a false PASS and of a false FAIL, largest where the true rate is p0."""
        at = self.operating(self.p0)
        return at.passes, at.fails

    def checked(self) -> Design:
        """Itself; raises ValueError when either error exceeds alpha."""
        false_pass, false_fail = self.error
        if max(false_pass, false_fail) > self.alpha:
            raise ValueError(
                f"this design passes falsely in {false_pass:.2%} and fails falsely in {false_fail:.2%} of "
                "cases; "
                f"at most {self.alpha:.2%} is allowed"
            )
        return self


@dataclass(frozen=True)
class Outcome:
    """Where a sequence of trials has led. ``ended``: the trial at which the design ended, None while it goes
    on; ``left``: trials that may still come. ``lines``: the arithmetic, in words."""

    verdict: Verdict
    ended: int | None
    trials: int
    exceedances: int
    left: int
    lines: tuple[str, ...]


def follow(design: Design, exceeded: Sequence[bool] | NDArray[np.bool_]) -> Outcome:
    """Apply ``design`` to trials in order of time; True is an exceedance (lost ones included). Trials after
    its end are not looked at."""
    over = np.asarray(exceeded, dtype=bool)[: design.cap]
    counts = np.cumsum(over)
    low = np.array(design.pass_up_to[: len(over)], dtype=np.int64)
    high = np.array(design.fail_from[: len(over)], dtype=np.int64)
    ends = np.flatnonzero((counts <= low) | (counts >= high))
    n = int(ends[0]) + 1 if len(ends) else len(over)
    k = int(counts[n - 1]) if n else 0
    if len(ends):
        verdict = Verdict.PASS if k <= design.pass_up_to[n - 1] else Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE
    ended = n if len(ends) or n == design.cap else None
    false_pass, false_fail = design.error
    lines = (
        design.words,
        f"exact chance of a false PASS {false_pass:.4f}, of a false FAIL {false_fail:.4f}; each at most "
        f"{design.alpha:g}",
        _reached(design, n, k, verdict, ended),
    )
    return Outcome(verdict, ended, n, k, 0 if ended else design.cap - n, lines)


def _reached(design: Design, n: int, k: int, verdict: Verdict, ended: int | None) -> str:
    at = f"after {n} trials {k} over the limit"
    if verdict is Verdict.PASS:
        return f"{at}: up to {design.pass_up_to[n - 1]} pass here, PASS"
    if verdict is Verdict.FAIL:
        return f"{at}: {design.fail_from[n - 1]} or more fail here, FAIL"
    return f"{at}: " + ("the cap is reached, INCONCLUSIVE" if ended else "neither, the test goes on")


def fixed(n: int, p0: float, alpha: float) -> Design:
    """One look after ``n`` trials."""
    return staged([n], p0, alpha)


def staged(looks: Sequence[int], p0: float, alpha: float) -> Design:
    """Looks after these numbers of trials, declared in advance.

    At each of them the largest count passes, and the smallest one fails, that leaves the exact errors so far
    within alpha: what an early look spends, later ones lack. Raises ValueError for looks that do not ascend.
    """
    if not looks or looks[0] < 1 or any(a >= b for a, b in itertools.pairwise(looks)):
        raise ValueError(f"looks {list(looks)} have to be positive and ascending")
    cap = looks[-1]
    low, high = [NEVER_PASS] * cap, [cap + 1] * cap
    for look in looks:
        low[look - 1] = _largest_pass(low, high, look, p0, alpha)
    for look in looks:
        high[look - 1] = _smallest_fail(low, high, look, p0, alpha)
    stages = "; ".join(
        f"after {n}: PASS up to {low[n - 1]}, FAIL from {high[n - 1]}"
        if low[n - 1] >= 0
        else f"after {n}: no PASS, FAIL from {high[n - 1]}"
        for n in looks
    )
    words = f"{'fixed n' if len(looks) == 1 else 'stages declared in advance'}: {stages}"
    return Design(p0, alpha, tuple(low), tuple(high), words).checked()


def _largest_pass(low: list[int], high: list[int], look: int, p0: float, alpha: float) -> int:
    # Without FAIL stops, which can only take from a false PASS.
    count = pass_up_to(look, p0, alpha)
    count = NEVER_PASS if count is None else count
    while count >= 0:
        trial = [*low[: look - 1], count]
        if Design(p0, alpha, tuple(trial), (len(low) + 1,) * look, "").error[0] <= alpha:
            return count
        count -= 1
    return NEVER_PASS


def _smallest_fail(low: list[int], high: list[int], look: int, p0: float, alpha: float) -> int:
    count = fail_from(look, p0, alpha)
    while count is not None and count <= look:
        if count > low[look - 1]:
            trial = [*high[: look - 1], count]
            if Design(p0, alpha, tuple(low[:look]), tuple(trial), "").error[1] <= alpha:
                return count
        count += 1
    return len(low) + 1


def probability_ratio(
    p0: float, alpha: float, *, cap: int | None = None, good: float | None = None, bad: float | None = None
) -> Design:
    """The sequential test, looked at after every trial.

    PASS when the likelihood of the rate ``good`` (p0 / 10) is 1 / alpha times that of p0, FAIL when that of
    ``bad`` (3 p0, at most half-way to 1) is; INCONCLUSIVE at ``cap`` (twice the trials without which no PASS
    exists, and two). Each error is at most alpha by Wald's inequality; computed exactly it is smaller.
    """
    good = p0 / 10 if good is None else good
    bad = min(3 * p0, (1 + p0) / 2) if bad is None else bad
    cap = 2 * smallest_n(0, p0, alpha) + 2 if cap is None else cap
    if not 0 < good < p0 < bad < 1:
        raise ValueError(f"rates {good} < {p0} < {bad} have to ascend between 0 and 1")
    if cap < 1:
        raise ValueError(f"cap of {cap} trials")
    enough = log(1 / alpha)
    within = log1p(-good) - log1p(-p0)
    over = log(p0 / good)
    # n within - k (over + within) >= enough
    first, each = enough / within, (over + within) / within
    up, down = log(bad / p0), log1p(-p0) - log1p(-bad)
    n = range(1, cap + 1)
    low = tuple(max(NEVER_PASS, floor((i - first) / each + 1e-9)) for i in n)
    high = tuple(max(1, ceil((enough + i * down) / (up + down) - 1e-9)) for i in n)
    marks = [i for i in n if high[i - 1] <= i and (i == cap or high[i] != high[i - 1])]
    fails = ", ".join(f"{high[i - 1]} by trial {i}" for i in marks[:6]) + (" .." if len(marks) > 6 else "")
    words = (
        f"sequential probability ratio test of {p0:g} against {good:g} (PASS) and {bad:g} (FAIL), at most "
        f"{cap} "
        f"trials: PASS when n >= {ceil(first - 1e-9)} + {each:.2f} K; FAIL when K reaches "
        f"{fails or 'no count'}"
    )
    return Design(p0, alpha, low, high, words).checked()
