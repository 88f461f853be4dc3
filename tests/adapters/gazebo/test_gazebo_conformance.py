"""The conformance suite, on the adapter ``gazebo`` with the double of Gazebo's bindings and of a world."""

from __future__ import annotations

from typing import ClassVar

import pytest

from harness.adapters.gazebo.device import GazeboDevice
from harness.adapters.gazebo.options import Options
from harness.ports import DeviceContext
from harness.testing.conformance import DeviceConformance
from harness.testing.gazebo_double_world import DoubleWorld


@pytest.mark.usefixtures("double")
class TestGazeboWithDouble(DeviceConformance):
    stimulus_port, response_port = "cmd_vel", "echo"
    values: ClassVar = {"linear.x": 0.1}
    wrong_values: ClassVar = [{"linear.xx": 0.1}, {"linear.x": "fast"}]
    condition = ("publishes", "/world/bench/clock")
    peer: DoubleWorld | None = None

    def make(self, context: DeviceContext) -> GazeboDevice:
        ports = {
            "cmd_vel": {
                "stimulus": {"topic": "/model/robot/cmd_vel", "type": "gz.msgs.Twist", "key": "header.stamp"}
            },
            "echo": {
                "response": {
                    "topic": "/model/robot/echo",
                    "type": "gz.msgs.Twist",
                    "match": {"kind": "stamp", "path": "header.stamp"},
                }
            },
            "speed": {
                "response": {
                    "topic": "/model/robot/odometry",
                    "type": "gz.msgs.Odometry",
                    "value": "twist.linear.x",
                    "stamp": "header.stamp",
                }
            },
            "real_time_factor": {"response": {"signal": "real_time_factor"}},
            "pause": {"stimulus": {"control": "pause"}},
        }
        options = Options.model_validate(
            {
                "adapter": "gazebo",
                "world": "bench",
                "partition": "bench",
                "limits": {"linear.x": 1.0},
                "stop": {"port": "cmd_vel", "values": {"linear.x": 0.0}, "interval_ms": 1.0},
                "patience_s": 1.0,
                "ports": ports,
            }
        )
        return GazeboDevice("robot", options, context)

    def start_peer(self, silent: bool) -> None:
        self.peer = DoubleWorld("bench", "robot", "bench", step_ms=4.0, silent=silent)

    def end_peer(self) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.close()
