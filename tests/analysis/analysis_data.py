"""Synthetic tables with a known truth."""

from __future__ import annotations

import numpy as np

from harness.analysis.timebase import Timebase
from harness.model import (
    CLOCK_DTYPE,
    HOST_MONOTONIC,
    HOST_REALTIME,
    NO_KEY,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
)

MS = 1_000_000
EPOCH = 1_700_000_000_000_000_000
NAMES = [HOST_MONOTONIC, HOST_REALTIME]


def around(center, n, *, spread=0.1, seed=11):
    """n latencies within ``spread`` of ``center``, as no clock repeats itself to the nanosecond."""
    return center + spread * np.random.default_rng(seed).uniform(-1, 1, n)


def stimuli(sent_ns, *, keys=None, intended_ns=None, handed_ns=None, flags=0, scenario=0):
    sent = np.asarray(sent_ns, dtype=np.int64)
    out = np.zeros(len(sent), dtype=STIMULUS_DTYPE)
    out["key"] = np.arange(len(sent)) if keys is None else keys
    out["sent_ns"] = sent
    out["intended_ns"] = sent if intended_ns is None else intended_ns
    out["handed_ns"] = np.where(sent == NO_STAMP, NO_STAMP, sent + 1000) if handed_ns is None else handed_ns
    out["flags"] = flags
    out["scenario"] = scenario
    return out


def observations(keys, received_ns, *, seen_ns=None, clock=0, flags=0, value=np.nan):
    received = np.asarray(received_ns, dtype=np.int64)
    out = np.zeros(len(received), dtype=OBSERVATION_DTYPE)
    out["key"] = NO_KEY if keys is None else keys
    out["stamp_ns"] = NO_STAMP
    out["received_ns"] = received
    out["seen_ns"] = received + 50_000 if seen_ns is None else seen_ns
    out["received_clock"] = clock
    out["flags"] = flags
    out["value"] = value
    return out


def readings(at_ns, offset_ns, *, width_ns=400, clock=1):
    """Readings of CLOCK_REALTIME at those instants; ``offset_ns`` = realtime - monotonic at each of them."""
    at = np.asarray(at_ns, dtype=np.int64)
    out = np.zeros(len(at), dtype=CLOCK_DTYPE)
    width = np.broadcast_to(np.asarray(width_ns, dtype=np.int64), at.shape)
    out["t1_ns"], out["t4_ns"] = at, at + width
    out["t2_ns"] = out["t3_ns"] = at + width // 2 + np.asarray(offset_ns, dtype=np.int64)
    out["clock"] = clock
    return out


def monotonic_only():
    return Timebase(NAMES, np.zeros(0, dtype=CLOCK_DTYPE))
