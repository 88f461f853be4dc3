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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor, log, log1p

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlog1py, xlogy

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
        # Counts beyond every limit are one: they never pass, and fail wherever any count does.
        top = max(0, *self.pass_up_to, *(high for i, high in self._fails()))
        state = np.zeros(top + 2)
        state[0] = 1.0
        passed = failed = trials = 0.0
        at = 0
        for i in self._stops():
            trials += float(state.sum()) * (i - at)
            state = _after(state, i - at, rate)
            at = i
            low, high = self.pass_up_to[i - 1], self.fail_from[i - 1]
            passed += float(state[: low + 1].sum())
            state[: low + 1] = 0.0
            if high <= i:
                failed += float(state[high:].sum())
                state[high:] = 0.0
        return Operating(rate, passed, failed, max(0.0, 1 - passed - failed), trials)

    def _fails(self) -> Iterator[tuple[int, int]]:
        return ((i, high) for i, high in enumerate(self.fail_from, start=1) if high <= i)

    def _stops(self) -> list[int]:
        """Trials at which it may end, and the cap. A count only grows, so that it can newly be low enough
        only where the limit rises."""
        rising = {
            i for i, (a, b) in enumerate(itertools.pairwise((NEVER_PASS, *self.pass_up_to)), 1) if b > a
        }
        return sorted(rising | {i for i, _ in self._fails()} | {self.cap})

    def not_passing_before(self, trials: int) -> Design:
        """Itself without a PASS before so many trials: that can only take from a false PASS."""
        if trials <= 1:
            return self
        low = tuple(NEVER_PASS if i < trials else k for i, k in enumerate(self.pass_up_to, start=1))
        return replace(self, pass_up_to=low, words=f"{self.words}; no PASS before trial {trials}")

    def soonest(self, trials: int, exceedances: int) -> int | None:
        """The first trial after ``trials`` at which it could end, with so many exceedances until there;
        None when it cannot end in a verdict any more."""
        for i in range(trials + 1, self.cap + 1):
            low, high = self.pass_up_to[i - 1], self.fail_from[i - 1]
            if exceedances <= low or high <= min(i, exceedances + i - trials):
                return i
        return None

    @property
    def error(self) -> tuple[float, float]:
        """Exact chances of a false PASS and of a false FAIL, largest where the true rate is p0."""
        return _error(self)

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


@lru_cache(maxsize=256)
def _error(design: Design) -> tuple[float, float]:
    at = design.operating(design.p0)
    return at.passes, at.fails


def _after(state: NDArray[np.float64], trials: int, rate: float) -> NDArray[np.float64]:
    """The distribution of the count after so many more trials; the last cell takes everything beyond."""
    if trials == 1:
        out = state * (1 - rate)
        out[1:] += state[:-1] * rate
    else:
        k = np.arange(min(trials, len(state)) + 1)
        pmf = np.exp(
            gammaln(trials + 1)
            - gammaln(k + 1)
            - gammaln(trials - k + 1)
            + xlogy(k, rate)
            + xlog1py(trials - k, -rate)
        )
        out = np.convolve(state[:-1], pmf)[: len(state)]
        out = np.pad(out, (0, len(state) - len(out)))
    out[-1] = max(0.0, float(state.sum()) - float(out[:-1].sum()))
    return out


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
    at = f"after {n} trials K = {k}"
    if verdict is Verdict.PASS:
        return f"{at}: up to {design.pass_up_to[n - 1]} pass here, PASS"
    if verdict is Verdict.FAIL:
        return f"{at}: {design.fail_from[n - 1]} or more fail here, FAIL"
    return f"{at}: " + ("the cap is reached, INCONCLUSIVE" if ended else "neither, the test goes on")


def fixed(n: int, p0: float, alpha: float) -> Design:
    """One look after ``n`` trials."""
    return staged([n], p0, alpha)


@lru_cache(maxsize=64)
def _staged(looks: tuple[int, ...], p0: float, alpha: float, only: Verdict | None) -> Design:
    if not looks or looks[0] < 1 or any(a >= b for a, b in itertools.pairwise(looks)):
        raise ValueError(f"looks {list(looks)} have to be positive and ascending")
    cap = looks[-1]
    low, high = [NEVER_PASS] * cap, [cap + 1] * cap
    if only is not Verdict.FAIL:
        for look in looks:
            low[look - 1] = _largest_pass(low, high, look, p0, alpha)
    if only is not Verdict.PASS:
        for look in looks:
            high[look - 1] = _smallest_fail(low, high, look, p0, alpha)
    stages = "; ".join(f"after {n}: {_at_look(low[n - 1], high[n - 1], n, only)}" for n in looks)
    words = f"{'fixed n' if len(looks) == 1 else 'stages declared in advance'}: {stages}"
    return Design(p0, alpha, tuple(low), tuple(high), words).checked()


def _at_look(low: int, high: int, n: int, only: Verdict | None) -> str:
    passes = f"PASS up to {low}" if low >= 0 else "no PASS"
    fails = f"FAIL from {high}" if high <= n else "no FAIL"
    if only is not None:
        return passes if only is Verdict.PASS else fails
    return f"{passes}, {fails}"


def staged(looks: Sequence[int], p0: float, alpha: float, *, only: Verdict | None = None) -> Design:
    """Looks after these numbers of trials, declared in advance.

    At each of them the largest count passes, and the smallest one fails, that leaves the exact errors so far
    within alpha: what an early look spends, later ones lack. ``only``: a design that ends in PASS alone, or
    in FAIL alone. Raises ValueError for looks that do not ascend.
    """
    return _staged(tuple(looks), p0, alpha, only)


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


@lru_cache(maxsize=64)
def probability_ratio(
    p0: float,
    alpha: float,
    *,
    cap: int | None = None,
    good: float | None = None,
    bad: float | None = None,
    only: Verdict | None = None,
) -> Design:
    """The sequential test, looked at after every trial.

    PASS when the likelihood of the rate ``good`` (p0 / 10) is 1 / alpha times that of p0, FAIL when that of
    ``bad`` (3 p0, at most half-way to 1) is; INCONCLUSIVE at ``cap`` (twice the trials without which no PASS
    exists, and two). Each error is at most alpha by Wald's inequality; computed exactly it is smaller.
    ``only``: a design that ends in PASS alone, or in FAIL alone.
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
    soonest = [next((i for i in n if low[i - 1] >= k), 0) for k in range(max(0, low[-1]) + 1)]
    table = ", ".join(f"K = {k} from n = {i}" for k, i in enumerate(soonest[:8]) if i)
    table += " .." if len(soonest) > 8 else ""
    passing = f"PASS when n >= {first:.2f} + {each:.2f} K ({table or f'beyond {cap} trials'})"
    failing = f"FAIL when K reaches {fails or 'no count'}"
    if only is None:
        against, then = f"{good:g} (PASS) and {bad:g} (FAIL)", f"{passing}; {failing}"
    elif only is Verdict.PASS:
        high, against, then = (cap + 1,) * cap, f"{good:g}", passing
    else:
        low, against, then = (NEVER_PASS,) * cap, f"{bad:g}", failing
    words = f"sequential probability ratio test of {p0:g} against {against}, at most {cap} trials: {then}"
    return Design(p0, alpha, low, high, words).checked()
