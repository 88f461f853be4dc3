"""Whether schedule and floor were good enough for what a requirement asks.

| quantity | lateness | floor |
|---|---|---|
| quantile of latency or jitter | at that quantile, a tenth of the limit | at that quantile or 1 less it,
whichever is larger, a fifth |
| mean | its mean, a tenth of the limit; at most a tenth of the stimuli skipped | its mean, a fifth |
| max | not asked: it never passes, and FAIL counts from the send and bears the largest floor | not asked |
| ratio | at the share that is asked for, a tenth of `within_ms` | likewise, a fifth |
| loss_rate | not asked: a late stimulus is answered or lost like any other | not asked |
| rate_hz | not asked; stimuli have to be sent at least at a lower limit's rate | not asked |

What fails leaves the requirement undecided. A floor is looked at where it was measured.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis import checks as bench
from harness.analysis.evidence import Measuring
from harness.analysis.rule import complement
from harness.analysis.samples import counted, lateness_ms
from harness.analysis.sides import added
from harness.analysis.statistics import achieved_rate_hz
from harness.config.schema import Requirement
from harness.model import NO_STAMP
from harness.results import Check

SKIPPED_SHARE = 0.1


def timing(
    requirement: Requirement, samples: NDArray[Any], limit: float, measuring: Measuring
) -> list[Check]:
    """The checks of the table above. ``limit`` in ms for times, else in the quantity's own unit (a share as a
    fraction)."""
    if requirement.quantity == "rate_hz":
        return [_send_rate(samples, limit)] if requirement.limit_is == "lower" else []
    if requirement.quantity == "loss_rate" or requirement.statistic == "max":
        return []
    loopback = measuring.loopback
    if requirement.statistic == "mean":
        found = [_mean_lateness(samples, limit)]
        return (
            found if loopback is None else [*found, _mean_floor(added(loopback, requirement.jitter), limit)]
        )
    if requirement.quantity == "ratio":
        assert requirement.within_ms is not None
        quantile, limit_ms = limit, requirement.within_ms
    else:
        assert requirement.quantile is not None
        quantile, limit_ms = requirement.quantile, limit
    found = [bench.lateness(samples, quantile, limit_ms)]
    if loopback is not None:
        # The floor lifts values: what bears on the low quantile of a lower limit is its upper tail.
        seen = max(quantile, complement(quantile))
        found.append(bench.floor(added(loopback, requirement.jitter), seen, limit_ms))
    return found


def _mean_lateness(samples: NDArray[Any], limit_ms: float) -> Check:
    late = lateness_ms(samples[counted(samples)])
    late = late[~np.isnan(late)]
    skipped, sent = int(np.isinf(late).sum()), late[np.isfinite(late)]
    bound = limit_ms * bench.LATENESS_SHARE
    if len(sent) == 0:
        value, ok = "nothing was sent", False
    else:
        mean, least = float(sent.mean()), float(sent.min())
        ok = mean <= bound and least >= -bound and skipped <= SKIPPED_SHARE * len(late)
        value = (
            f"{mean:.3g} ms in the mean, from {least:.3g} to {float(sent.max()):.3g} ms; {skipped} skipped"
        )
    return Check(
        name="lateness",
        ok=bool(ok),
        value=value,
        bound=f"a mean of at most {bound:g} ms, a tenth of the limit; at most {SKIPPED_SHARE:.0%} skipped",
        consequence="" if ok else bench.INCONCLUSIVE,
        remedy="" if ok else "use a quieter host, real-time priority (doctor tells how) or a lower rate",
    )


def _mean_floor(values: NDArray[np.float64], limit_ms: float) -> Check:
    bound = limit_ms * bench.FLOOR_SHARE
    mean = float(values.mean()) if len(values) else np.inf
    ok = bool(mean <= bound)
    return Check(
        name="floor",
        ok=ok,
        value=f"{mean:.3g} ms in the mean of {len(values)} loopback samples",
        bound=f"at most {bound:g} ms, a fifth of the limit",
        consequence="" if ok else bench.INCONCLUSIVE,
        remedy=""
        if ok
        else "the harness and this host add too much: free the host or use real-time priority",
    )


def _send_rate(samples: NDArray[Any], limit_hz: float) -> Check:
    """Answers cannot come faster than stimuli, and what the harness did not send is not the item's."""
    sent = samples["sent_ns"][counted(samples) & (samples["sent_ns"] != NO_STAMP)]
    rate = achieved_rate_hz(sent.astype(np.int64))
    ok = rate is not None and rate >= limit_hz
    return Check(
        name="send rate",
        ok=ok,
        value="fewer than two stimuli were sent" if rate is None else f"{rate:.6g} Hz",
        bound=f"at least the {limit_hz:g} Hz that are asked of the answers",
        consequence="" if ok else bench.INCONCLUSIVE,
        remedy="" if ok else "raise the rate of the schedule above the limit, or use a quieter host",
    )
