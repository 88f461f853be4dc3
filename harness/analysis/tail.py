"""The worst-case appendix: what the tail looks like, for information only.

Peaks over threshold: the excesses of independent clusters over a high threshold tend to a generalised Pareto
distribution (Pickands 1975; Coles, *An Introduction to Statistical Modeling of Extreme Values*, 2001,
chapters 4 and 5). Clusters are told apart by runs; at least 50 are needed; the shape is shown over several
thresholds, because a shape that wanders is no limit law; its interval is a bootstrap over clusters. An
extrapolation, valid while the item behaves as it did: never a worst case, never the verdict (Davis &
Cucu-Grosjean 2019; Cazorla et al., ACM CSUR 52(1), 2019).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, isfinite, log, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.stats import genpareto

LEAST_CLUSTERS = 50
LEAST_FITS = 3
QUANTILES = (0.90, 0.925, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99, 0.995)
MOST_CLUSTERS = 2000
BOOTSTRAPS = 200
SEED = 20260133
HEAVY = 0.5
"""From this shape on a variance does not exist, and a level far out says nothing."""
CAVEATS = (
    "informative only: no verdict rests on this, and it is not a worst-case time",
    "an extrapolation from the largest measured values; it holds only while the item, its load and its "
    "environment stay as they were, and knows nothing of causes that did not occur",
)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A generalised Pareto distribution of cluster excesses over ``threshold``: ``shape`` xi (below 0: a
    finite end), ``scale`` in the values' unit; ``clusters`` of ``exceedances``."""

    threshold: float
    quantile: float
    exceedances: int
    clusters: int
    shape: float
    scale: float

    def level(self, share: float, n: int) -> float:
        """The value that a share ``share`` of samples exceeds, clusters counted by their exceedances."""
        rate = self.exceedances / n
        if share >= rate:
            return self.threshold
        ratio = rate / share
        if abs(self.shape) < 1e-9:
            return self.threshold + self.scale * log(ratio)
        return self.threshold + self.scale / self.shape * float(ratio**self.shape - 1)


@dataclass(frozen=True)
class Tail:
    """The appendix. ``fits`` over ascending thresholds; ``chosen`` the lowest from which the shape stays
    within its interval, None when there is none. ``shape_interval``: 95 %, bootstrap. ``levels``: share
    exceeded -> (estimate, lower, upper), in the values' unit. ``lines``: in words, ``caveats`` first;
    ``intervals`` of each fit's shape, as ``shape_interval``; ``lost`` were left out."""

    fits: tuple[Fit, ...]
    chosen: Fit | None
    shape_interval: tuple[float, float] | None
    stable: bool
    levels: tuple[tuple[float, float, float, float], ...]
    n: int
    lost: int
    lines: tuple[str, ...]
    intervals: tuple[tuple[float, float], ...] = ()
    caveats: tuple[str, ...] = CAVEATS


def tail(values: Floats, *, run: int = 10, shares: tuple[float, ...] = (1e-4, 1e-5, 1e-6)) -> Tail:
    """Fit the tail of ``values`` in order of time, shape (n,); NaN and infinities are left out and counted.

    ``run``: a cluster ends when so many samples in a row are below the threshold.
    """
    if run < 1:
        raise ValueError(f"a run of {run} samples does not separate clusters")
    finite = np.isfinite(values)
    n, lost = int(finite.sum()), len(values) - int(finite.sum())
    # Positions are kept: a gap of lost samples separates clusters as well.
    place = np.flatnonzero(finite)
    known = values[finite]
    found = [_fit_at(known, place, q, run) for q in QUANTILES] if n else []
    fits = [(fit, peaks) for fit, peaks in (each for each in found if each is not None)]
    lines = list(CAVEATS)
    if lost:
        lines.append(f"{lost} lost samples have no value and are not in the tail")
    if not fits:
        lines.append(f"not fitted: fewer than {LEAST_CLUSTERS} independent clusters of large values, or ties")
        return Tail((), None, None, False, (), n, lost, tuple(lines))
    rng = np.random.default_rng((SEED, n))
    intervals = [_shape_interval(rng, peaks) for _, peaks in fits]
    index = _stable_from([fit.shape for fit, _ in fits], intervals)
    stable = index is not None and len(fits) - index >= LEAST_FITS
    chosen, peaks = fits[index if index is not None else len(fits) - 1]
    interval = intervals[index if index is not None else len(fits) - 1]
    levels = tuple(_level(rng, chosen, peaks, share, n) for share in shares if share < chosen.exceedances / n)
    lines.append(
        f"shape {chosen.shape:+.3f} (95 % bootstrap interval {interval[0]:+.3f} to {interval[1]:+.3f}) above "
        f"{chosen.threshold:.4g}, from {chosen.clusters} clusters of {chosen.exceedances} samples"
    )
    shapes = ", ".join(f"{fit.shape:+.2f}" for fit, _ in fits)
    lines.append(
        f"over thresholds from the {fits[0][0].quantile:g} to the {fits[-1][0].quantile:g} quantile the "
        "shape is "
        f"{shapes}: " + _judged(stable, len(fits))
    )
    if interval[1] >= HEAVY:
        lines.append("so heavy a tail has hardly a variance: levels far out would be guesses")
    return Tail(
        tuple(fit for fit, _ in fits),
        chosen,
        interval,
        stable,
        levels if stable and interval[1] < HEAVY else (),
        n,
        lost,
        tuple(lines),
        tuple(intervals),
    )


def _judged(stable: bool, fits: int) -> str:
    if stable:
        return "stable"
    if fits < LEAST_FITS:
        return f"fewer than {LEAST_FITS} thresholds, too few to tell whether it is stable"
    return "not stable, so that an extrapolation would mean little"


def clusters(place: NDArray[np.int64], peaks: Floats, run: int) -> Floats:
    """The largest value of each cluster; a gap of more than ``run`` positions ends one (runs method)."""
    if len(place) == 0:
        return np.zeros(0)
    begins = np.flatnonzero(np.concatenate(([True], np.diff(place) > run)))
    return np.asarray(np.maximum.reduceat(peaks, begins))


def _fit_at(known: Floats, place: NDArray[np.int64], q: float, run: int) -> tuple[Fit, Floats] | None:
    threshold = float(np.quantile(known, q, method="inverted_cdf"))
    over = known > threshold
    peaks = clusters(place[over], known[over], run) - threshold
    if len(peaks) < LEAST_CLUSTERS or len(np.unique(peaks)) < LEAST_CLUSTERS // 2:
        return None
    shape, scale = _pareto(peaks)
    if not (isfinite(shape) and isfinite(scale)):
        return None
    return Fit(threshold, q, int(over.sum()), len(peaks), shape, scale), peaks


def _pareto(peaks: Floats) -> tuple[float, float]:
    """Maximum likelihood; a thousand-fold unit must not change the shape, hence the division."""
    unit = float(peaks.mean())
    shape, _, scale = genpareto.fit(_thinned(peaks) / unit, floc=0.0)
    return float(shape), float(scale) * unit


def _thinned(peaks: Floats) -> Floats:
    if len(peaks) <= MOST_CLUSTERS:
        return peaks
    chosen: Floats = peaks[np.linspace(0, len(peaks) - 1, MOST_CLUSTERS).round().astype(int)]
    return chosen


def _quick(peaks: Floats) -> tuple[float, float]:
    """Probability-weighted moments (Hosking & Wallis 1987), for the bootstrap: a search costs too much."""
    x = np.sort(peaks)
    n = len(x)
    a0, a1 = float(x.mean()), float((x * (n - 1 - np.arange(n)) / (n - 1)).mean())
    k = a0 / (a0 - 2 * a1) - 2
    return -k, 2 * a0 * a1 / (a0 - 2 * a1)


def _resampled(rng: np.random.Generator, peaks: Floats) -> list[tuple[float, float]]:
    return [_quick(peaks[rng.integers(len(peaks), size=len(peaks))]) for _ in range(BOOTSTRAPS)]


def _shape_interval(rng: np.random.Generator, peaks: Floats) -> tuple[float, float]:
    """Percentile bootstrap, about the moment estimate, moved to the maximum-likelihood one; and no narrower
    than the asymptotic interval of maximum likelihood, since moments of a heavy tail hardly vary: variance
    (1 + xi)^2 / n for xi > -1/2 (Smith 1985, Biometrika 72(1))."""
    shape = _pareto(peaks)[0]
    moved = shape - _quick(peaks)[0]
    low, high = np.quantile([each for each, _ in _resampled(rng, peaks)], (0.025, 0.975))
    reach = 1.96 * max(0.5, 1 + shape) / sqrt(min(len(peaks), MOST_CLUSTERS))
    return float(min(low + moved, shape - reach)), float(max(high + moved, shape + reach))


def _stable_from(shapes: list[float], intervals: list[tuple[float, float]]) -> int | None:
    """The lowest threshold whose interval holds the shapes of all higher ones; None but for the last."""
    for i in range(len(shapes) - 1):
        low, high = intervals[i]
        # Higher thresholds scatter more: half of the interval's width is granted on either side.
        slack = (high - low) / 2
        if all(low - slack <= shape <= high + slack for shape in shapes[i + 1 :]):
            return i
    return None


def _level(
    rng: np.random.Generator, fit: Fit, peaks: Floats, share: float, n: int
) -> tuple[float, float, float, float]:
    centre = fit.level(share, n)
    quick_shape, quick_scale = _quick(peaks)
    drawn = []
    for shape, scale in _resampled(rng, peaks):
        moved = Fit(
            fit.threshold,
            fit.quantile,
            fit.exceedances,
            fit.clusters,
            shape + fit.shape - quick_shape,
            scale * fit.scale / quick_scale if quick_scale > 0 else scale,
        )
        drawn.append(moved.level(share, n))
    low, high = np.quantile(drawn, (0.025, 0.975)) if drawn else (-inf, inf)
    return share, centre, float(low), float(high)
