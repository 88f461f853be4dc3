"""A safe stop by cancelling: all goals of an action, whoever sent them."""

from __future__ import annotations

from typing import Any

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.call_stimulus import ActionStimulus
from harness.adapters.ros2.calls import Caller
from harness.adapters.ros2.port_options import StopOptions
from harness.adapters.stop_sending import interval_ns, pause
from harness.clock import HostClock
from harness.errors import OperationError

ACKNOWLEDGE_NS = 200_000_000
"""How long a robot that is told to stop may take to say that it heard."""
_POLL_NS = 5_000_000
_GOING_ON = (1, 2)
"""``STATUS_ACCEPTED`` and ``STATUS_EXECUTING`` of action_msgs/msg/GoalStatus."""


class CancelAll:
    """Cancels every goal of an action: zero id and zero stamp (action_msgs/srv/CancelGoal).

    More than once, since a goal that is on its way may be accepted after the first. What an action server
    replies does not tell a refusal from there being nothing to cancel, so its status topic is looked at, too.
    ``caller``: the client that it sends through. ``direct`` as of :class:`.calls.Caller`.
    """

    def __init__(
        self, action: ActionStimulus, stop: StopOptions, node: Any, clock: HostClock, direct: bool
    ) -> None:
        self._action = action
        self._stop = stop
        self._clock = clock
        self._service = action.action.Impl.CancelGoalService
        self._status_class = action.action.Impl.GoalStatusMessage
        self._status: bytes | None = None
        self.caller = Caller(
            node,
            self._service,
            f"{action.called}/_action/cancel_goal",
            lambda *_: None,
            clock,
            depth=10,
            direct=direct,
        )
        self._subscription = node.create_subscription(
            self._status_class,
            f"{action.called}/_action/status",
            self._on_status,
            vendor.load("rclpy.qos").qos_profile_action_status_default,
            raw=True,
        )
        self.where = f"serves {action.called}"

    def heard(self) -> bool:
        """Whether a server is known."""
        return self.caller.ready

    def run(self) -> None:
        """Cancel. Raises OperationError when nobody acknowledges, or goals go on."""
        acknowledged = False
        for number in range(self._stop.repeat):
            if number and acknowledged:
                pause(self._clock, self._stop)
            timeout_ns = ACKNOWLEDGE_NS if acknowledged or not number else interval_ns(self._stop)
            reply = self.caller.call(self._service.Request(), timeout_ns)
            acknowledged = acknowledged or reply is not None
        if not acknowledged:
            raise OperationError(f"{self._action.called} did not acknowledge that its goals are cancelled")
        deadline = self._clock.monotonic_ns() + ACKNOWLEDGE_NS
        while going_on := self._going_on():
            if self._clock.monotonic_ns() >= deadline:
                raise OperationError(
                    f"{self._action.called} did not cancel {going_on} goal(s), which go on",
                    hint="its server refuses to cancel: accept it there, or stop by a goal of its own",
                )
            self._clock.sleep_until(self._clock.monotonic_ns() + _POLL_NS)

    def _on_status(self, data: bytes, _info: Any) -> None:
        self._status = data

    def _going_on(self) -> int:
        """Goals that the newest status has as accepted or executing; 0 where none was heard."""
        if not self.caller.in_loop:
            handle = self._subscription.handle
            with handle:
                while (taken := handle.take_message(self._status_class, True)) is not None:
                    self._status = taken[0]
        if self._status is None:
            return 0
        status = vendor.load("rclpy.serialization").deserialize_message(self._status, self._status_class)
        return sum(one.status in _GOING_ON for one in status.status_list)
