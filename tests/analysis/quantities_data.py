"""A requirement of every quantity and kind of limit, and samples to judge it on."""

from __future__ import annotations

import numpy as np
from analysis_data import MS, monotonic_only, observations, stimuli

from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.samples import build
from harness.analysis.uncertainty import combine, other
from harness.analysis.verdicts import judge
from harness.config.schema import Match, Requirement, Trials

RULE = Match(kind="sequence", path="n")
PERIOD_MS = 200
RATE_HZ = 1000 / PERIOD_MS

KINDS = {
    "quantile": {"quantile": 0.99, "limit": 10},
    "lower quantile": {"quantile": 0.1, "limit": 1, "limit_is": "lower"},
    "mean": {"statistic": "mean", "limit": 10},
    "lower mean": {"statistic": "mean", "limit": 1, "limit_is": "lower"},
    "max": {"statistic": "max", "limit": 10},
    "lower max": {"statistic": "max", "limit": 1, "limit_is": "lower"},
    "pdv": {"quantity": "jitter", "limit": 5},
    "ipdv": {"quantity": "jitter", "jitter": "ipdv", "limit": 5},
    "mean pdv": {"quantity": "jitter", "statistic": "mean", "limit": 5},
    "mean ipdv": {"quantity": "jitter", "statistic": "mean", "jitter": "ipdv", "limit": 5},
    "max pdv": {"quantity": "jitter", "statistic": "max", "limit": 5},
    "loss_rate": {"quantity": "loss_rate", "limit": 2, "unit": "%"},
    "lower loss_rate": {"quantity": "loss_rate", "limit": 0.001, "limit_is": "lower"},
    "ratio": {"quantity": "ratio", "within_ms": 10, "limit": 95, "unit": "%"},
    "upper ratio": {"quantity": "ratio", "within_ms": 2, "limit": 0.5, "limit_is": "upper"},
    "rate_hz": {"quantity": "rate_hz", "limit": 4},
    "upper rate_hz": {"quantity": "rate_hz", "limit": 6, "limit_is": "upper"},
}


def requirement(**changes):
    return Requirement(**{"id": "R", "scenario": "command", **changes})


def measured(latency_ms, *, late_ms=0.0, jitter_seed=None):
    """Samples about 200 ms apart with these latencies from sent; NaN is never answered."""
    latency = np.asarray(latency_ms, dtype=float)
    intended = np.arange(len(latency), dtype=np.int64) * PERIOD_MS * MS
    if jitter_seed is not None:
        intended += np.random.default_rng(jitter_seed).integers(0, 50 * MS, len(latency))
    sent = intended + np.broadcast_to(np.asarray(late_ms) * MS, latency.shape).astype(np.int64)
    rows = stimuli(sent, intended_ns=intended)
    answered = np.flatnonzero(~np.isnan(latency))
    at = sent[answered] + np.round(latency[answered] * MS).astype(np.int64)
    return build(rows, observations(answered, at), monotonic_only(), RULE, 100 * MS).samples


def verdict(samples, circumstances=None, measuring=None, **asked):
    circumstances = circumstances or Circumstances(planned=max(1, len(samples)))
    return judge(requirement(**asked), samples, circumstances, measuring)


def measuring(*, u=0.0, loopback=None, alpha=0.05):
    budget = combine([other("made up", u, divisor=2.0, source="a test")]) if u else None
    fixed = Trials(kind="trials", samples=1000, stopping="fixed")
    return Measuring(alpha, fixed, budget, None if loopback is None else np.asarray(loopback, dtype=float))
