"""Whether the stamps of answers are of the clock they are said to be of: they advance, and lie near now.

A node with ``use_sim_time`` stamps with /clock, which stands still between two ticks: answers of one tick
carry one stamp. Such a stamp says nothing of when its answer was sent in wall time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from harness.model import Finding, Severity

ENOUGH = 50
"""Stamps seen before anything is said of them."""
REPEATED = 0.1
"""Two answers within one step of an honest clock are rarer: ROS stamps have nanoseconds."""
FAR_NS = 10_000_000_000
"""How far a stamp of this host's clock may lie from when its answer was received."""
_REMEDY = "write `stamp_clock: sim` if the robot runs with use_sim_time, and use `arrival: received`"


class Stamps:
    """Looks at every stamp of one port, and tells once what is wrong with them."""

    def __init__(
        self, topic: str, clock: Literal["robot", "host", "sim"], report: Callable[[Finding], None]
    ) -> None:
        self._topic = topic
        self._clock = clock
        self._report = report
        self._last: int | None = None
        self._step_ns = 0
        self.seen = self.repeated = self.far = 0

    def see(self, stamp_ns: int, received_ns: int) -> None:
        """One stamp, of an answer received at ``received_ns`` (CLOCK_REALTIME)."""
        self.seen += 1
        last, self._last = self._last, stamp_ns
        if last is not None:
            step = stamp_ns - last
            if step == 0:
                self.repeated += 1
            elif step > 0 and (step < self._step_ns or not self._step_ns):
                self._step_ns = step
        if self._clock == "host" and not -FAR_NS < stamp_ns - received_ns < FAR_NS:
            self.far += 1
        if self.seen == ENOUGH:
            self._judge(stamp_ns)

    def _judge(self, stamp_ns: int) -> None:
        if self._clock == "sim":
            return
        if self.far:
            self._report(
                Finding(
                    "stamps of another clock",
                    Severity.WARNING,
                    f"{self.far} of {self.seen} stamps on {self._topic} lie more than {FAR_NS // 10**9} s"
                    f" from this host's clock (the last: {stamp_ns / 1e9:.3f} s): they are not of that clock",
                    str(self.far),
                    f"write `stamp_clock: robot`; {_REMEDY}",
                )
            )
        if self.repeated >= REPEATED * self.seen:
            self._report(
                Finding(
                    "stamps repeat",
                    Severity.WARNING,
                    f"{self.repeated} of {self.seen} stamps on {self._topic} are those of the answer before,"
                    f" in {self._steps()}: that clock stands still between its ticks, as simulated time does",
                    str(self.repeated),
                    _REMEDY,
                )
            )

    def _steps(self) -> str:
        return f"steps of {self._step_ns / 1e6:.4g} ms or more" if self._step_ns else "no steps at all"

    def words(self) -> str:
        """For the report."""
        of = {"sim": "simulated time, never converted to wall time", "host": "this host's clock"}
        said = of.get(self._clock, "the robot's clock")
        if not self.seen:
            return f"{said}; none was seen"
        return f"{said}; {self.repeated} of {self.seen} repeat that of the answer before, {self._steps()}"
