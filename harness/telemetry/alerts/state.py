"""One alert: quiet, pending, firing, resolved."""

from __future__ import annotations

from math import isnan
from typing import Literal

from harness.telemetry.alerts.files import Rule

State = Literal["quiet", "pending", "firing", "resolved"]


class Alert:
    """The state of a rule for one series. Between its two limits it stays what it is, unless it is
    pending: what has to last must not be interrupted.

    ``since_s``: when the value went beyond the limit. ``value``: the last one that there was.
    """

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.state: State = "quiet"
        self.since_s = 0.0
        self.value: float | None = None

    def step(self, value: float | None, now_s: float) -> bool:
        """Take the value (None or NaN: no data) at that instant. Whether it fires or is resolved by that."""
        rule = self.rule
        if value is not None and not isnan(value):
            self.value = value
            raised = rule.sign * value > rule.sign * rule.limit
            cleared = rule.sign * value <= rule.sign * rule.clear
        else:
            raised, cleared = False, rule.without_data == "resolve"
        if self.state == "firing":
            if cleared:
                self.state = "resolved"
            return cleared
        if not raised:
            if self.state == "pending":
                self.state = "quiet"
            return False
        if self.state != "pending":
            self.state, self.since_s = "pending", now_s
        if now_s - self.since_s < rule.for_s:
            return False
        self.state = "firing"
        return True
