"""Anomalies of a series of latencies while it grows: drift of the level, change of the tail, bursts, stalls
that come back with a period. docs/anomalies.md says how, and how often it is wrong."""

from harness.analysis.anomalies.model import Anomaly, Kind
from harness.analysis.anomalies.stream import FALSE_ALARM, LEAST, Stream, find

__all__ = ["FALSE_ALARM", "LEAST", "Anomaly", "Kind", "Stream", "find"]
