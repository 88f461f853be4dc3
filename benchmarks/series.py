"""Series of latencies whose true rate of exceedances is known exactly, in ways that robots misbehave.

Each generator takes a random source, a length, and the share ``rate`` that exceeds :data:`LIMIT_MS` in the
long run; it returns latencies in ms, stationary from the first sample on.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtri

Floats = NDArray[np.float64]
Series = Callable[[np.random.Generator, int, float], Floats]

LIMIT_MS = 10.0


def independent(rng: np.random.Generator, n: int, rate: float) -> Floats:
    """Exponential, every sample for itself."""
    return LIMIT_MS * rng.standard_exponential(n) / -np.log(rate)


def autoregressive(rng: np.random.Generator, n: int, rate: float, *, phi: float) -> Floats:
    """AR(1): x_i = phi x_{i-1} + noise, Gaussian."""
    noise = rng.standard_normal(n) * np.sqrt(1 - phi**2)
    noise[0] /= np.sqrt(1 - phi**2)
    x = lfilter([1.0], [1.0, -phi], noise)
    return np.asarray(LIMIT_MS + (x - ndtri(1 - rate)))


def _mark(rng: np.random.Generator, over: NDArray[np.bool_]) -> Floats:
    """Exceedances where ``over``; both kinds vary, so that there are no ties."""
    noise = rng.random(len(over))
    return np.where(over, LIMIT_MS * (1.1 + noise), LIMIT_MS * (0.3 + 0.6 * noise))


def _windows(rng: np.random.Generator, n: int, length: int, coverage: float) -> NDArray[np.bool_]:
    """Windows of ``length`` that begin at random, at every sample alike, and cover that share."""
    begin = rng.random(n + length - 1) < 1 - (1 - coverage) ** (1 / length)
    open_ = np.cumsum(np.concatenate(([0], begin)))
    return np.asarray(open_[length:] > open_[:-length])


def stalls(rng: np.random.Generator, n: int, rate: float, *, length: int = 20) -> Floats:
    """Stalls of a fixed length at random instants; everything within is over the limit."""
    return _mark(rng, _windows(rng, n, length, rate))


def weak_windows(
    rng: np.random.Generator, n: int, rate: float, *, length: int = 200, share: float = 0.1
) -> Floats:
    """Windows in which a tenth of the samples is over the limit, and none elsewhere."""
    return _mark(rng, _windows(rng, n, length, rate / share) & (rng.random(n) < share))


def markov(rng: np.random.Generator, n: int, rate: float, *, mean: float = 20.0) -> Floats:
    """Bursts of geometric length, two-state Markov chain."""
    leave, enter = 1 / mean, rate / (1 - rate) / mean
    pairs = int(n * (enter * leave) / (enter + leave) * 1.5 + 50)
    bad_first = rng.random() < rate
    while True:
        lengths = np.empty(2 * pairs, dtype=np.int64)
        lengths[0 if bad_first else 1 :: 2] = rng.geometric(leave, pairs)
        lengths[1 if bad_first else 0 :: 2] = rng.geometric(enter, pairs)
        if lengths.sum() >= n:
            break
        pairs *= 2
    state = (np.arange(2 * pairs) % 2 == (0 if bad_first else 1)).repeat(lengths)
    return _mark(rng, state[:n])


def periodic_stall(rng: np.random.Generator, n: int, rate: float, *, length: int = 20) -> Floats:
    """A stall of ``length`` in every ``length / rate`` samples, at a random phase."""
    period = round(length / rate)
    return _mark(rng, (np.arange(n) + rng.integers(period)) % period < length)


GENERATORS: dict[str, Series] = {
    "independent": independent,
    "AR(1) 0.5": partial(autoregressive, phi=0.5),
    "AR(1) 0.9": partial(autoregressive, phi=0.9),
    "AR(1) 0.97": partial(autoregressive, phi=0.97),
    "stalls of 20": stalls,
    "Markov, mean 20": markov,
    "weak windows": weak_windows,
    "periodic stall of 20": periodic_stall,
    "periodic, every 100th": partial(periodic_stall, length=1),
}
