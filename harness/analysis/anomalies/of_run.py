"""Anomalies of a scenario of a run, as results.json has them: the detectors that watch a run, over its
samples."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.anomalies.moment import Moments
from harness.analysis.anomalies.stream import FALSE_ALARM, LEAST, Stream
from harness.analysis.anomalies.words import line
from harness.analysis.samples import has, latency_ms, tried
from harness.hosttable import HostTable
from harness.model import SampleFlag
from harness.results import AnomalyFinding, AnomalyResult

NS_PER_S = 1_000_000_000


def anomalies(
    samples: NDArray[Any], events: Iterable[Mapping[str, Any]], host: HostTable | None = None
) -> AnomalyResult:
    """Of the samples of one scenario (SAMPLE_DTYPE), by the latency from intent. Never part of a verdict."""
    rows = samples[tried(samples)]
    rows = rows[np.argsort(rows["intended_ns"], kind="stable")]
    if not len(rows):
        return AnomalyResult(tested=False, n=0, false_alarm=FALSE_ALARM, words="nothing was measured")
    start = int(rows["intended_ns"][0])
    stream = Stream()
    stream.feed(
        (rows["intended_ns"] - start) / NS_PER_S, latency_ms(rows, "intended_ns"), has(rows, SampleFlag.LOST)
    )
    found, reference = stream.findings(ended=True), stream.reference
    if reference is None:
        few = f"at least {LEAST} samples, more where they depend on each other"
        return AnomalyResult(
            tested=False,
            n=len(rows),
            false_alarm=FALSE_ALARM,
            words=f"{len(rows)} samples are too few to know what is usual: wanted {few}",
        )
    moments = Moments(samples, events, host)
    findings = []
    for one in found:
        begin, end = (start + round(each * NS_PER_S) for each in (one.begin_s, one.end_s))
        findings.append(
            AnomalyFinding(
                kind=one.kind.value,
                begin_s=one.begin_s,
                end_s=one.end_s,
                begin_ns=begin,
                end_ns=end,
                open=one.open,
                size=one.size if math.isfinite(one.size) else None,
                period_ms=one.period_ms,
                threshold_ms=one.threshold_ms,
                slow=one.slow,
                lost=one.lost,
                confidence=one.confidence,
                words=line(one, reference.median),
                host=moments.words(begin, end),
            )
        )
    return AnomalyResult(
        tested=True,
        n=len(rows),
        learned_from=stream.learned_from,
        level_ms=reference.median if math.isfinite(reference.median) else None,
        slow_over_ms=reference.slow_over if math.isfinite(reference.slow_over) else None,
        false_alarm=FALSE_ALARM,
        findings=findings,
        words=f"{len(findings) or 'none'} found; of clean runs at most {FALSE_ALARM:.0%} show any",
    )
