"""The robot's own clock."""

from __future__ import annotations

import time

from google.protobuf.timestamp_pb2 import Timestamp


class RobotClock:
    """Unix time of the robot in ns: the host's at the start plus ``offset_s``, running ``drift_ppm`` fast."""

    def __init__(self, offset_s: float = 0.0, drift_ppm: float = 0.0) -> None:
        self._start_ns = time.monotonic_ns()
        self._epoch_ns = time.time_ns() + round(offset_s * 1e9)
        self._ppb = round(drift_ppm * 1000)

    def at(self, monotonic_ns: int) -> int:
        """The robot's time at that instant of the host's CLOCK_MONOTONIC."""
        passed_ns = monotonic_ns - self._start_ns
        return self._epoch_ns + passed_ns + passed_ns * self._ppb // 1_000_000_000

    def back(self, robot_ns: int) -> int:
        """The instant of the host's CLOCK_MONOTONIC at which it said that, to within 1 ns."""
        passed_ns = robot_ns - self._epoch_ns
        return self._start_ns + passed_ns * 1_000_000_000 // (1_000_000_000 + self._ppb)

    def now_ns(self) -> int:
        """The robot's time now."""
        return self.at(time.monotonic_ns())


def set_stamp(stamp: Timestamp, ns: int) -> None:
    """Write ``ns`` since the epoch."""
    stamp.seconds, stamp.nanos = divmod(ns, 1_000_000_000)


def ns_of(stamp: Timestamp) -> int:
    """Nanoseconds since the epoch; 0 of a stamp that was not set."""
    return int(stamp.seconds) * 1_000_000_000 + int(stamp.nanos)
