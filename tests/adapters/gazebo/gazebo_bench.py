"""What the tests of the adapter ``gazebo`` share: a device, and what it was told."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any

from harness.adapters.gazebo.device import GazeboDevice
from harness.adapters.gazebo.options import Options
from harness.model import Finding
from harness.ports import DeviceContext, Role

PORTS: dict[str, Any] = {
    "cmd_vel": {
        "stimulus": {
            "topic": "/model/robot/cmd_vel",
            "type": "gz.msgs.Twist",
            "key": "header.stamp",
            "values": {"linear.x": 0.1},
        }
    },
    "odometry": {
        "response": {
            "topic": "/model/robot/odometry",
            "type": "gz.msgs.Odometry",
            "value": "twist.linear.x",
            "stamp": "header.stamp",
        }
    },
    "real_time_factor": {"response": {"signal": "real_time_factor"}},
    "sim_time": {"response": {"signal": "sim_time"}},
    "paused": {"response": {"signal": "paused"}},
    "pause": {"stimulus": {"control": "pause"}},
    "run": {"stimulus": {"control": "run"}},
    "place": {
        "stimulus": {"control": "set_pose", "values": {"name": "robot", "position.x": 0.0}},
    },
    "placed": {"response": {"of": "place", "accepted_if": {"data": True}}},
}


def options(ports: dict[str, Any] | None = None, **given: Any) -> Options:
    """Options of a device in the world ``bench``; ``ports`` over those of :data:`PORTS`."""
    return Options.model_validate(
        {
            "adapter": "gazebo",
            "world": "bench",
            "partition": given.pop("partition", f"p{uuid.uuid4().hex[:8]}"),
            "patience_s": 1.0,
            "ports": {**PORTS, **(ports or {})},
            **given,
        }
    )


class Bench:
    """A device, with what it reported."""

    def __init__(self, how: Options, role: Role = Role.HARNESS, **context: Any) -> None:
        self.findings: list[Finding] = []
        self.device = GazeboDevice(
            "robot",
            how,
            DeviceContext(f"t-{uuid.uuid4().hex[:8]}", role, report=self.findings.append, **context),
        )

    def __enter__(self) -> Bench:
        self.device.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.device.close()

    def named(self, name: str) -> list[Finding]:
        """The findings of that name."""
        return [one for one in self.findings if one.name == name]


def until(condition: Callable[[], object], what: str, deadline_s: float = 20.0) -> None:
    """Wait for ``condition``; fail with ``what`` at the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s:g} s: {what}"
        time.sleep(0.01)
